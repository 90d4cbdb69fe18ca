/* SPDX-License-Identifier: Apache-2.0 */
/* discovery.h - which kinds a cluster serves, and under which paths
 *
 * Aggregated discovery (two requests) where the server has it, else one request a group version.
 * A group whose API server is down keeps what was last known of it and is stale; it never fails
 * the rest. */
#pragma once

#include "http.h"
#include "map.h"
#include "scan.h"

struct discovery_version {
        char *version; /* "v1" */
        char *plural;  /* "deployments" */
        bool namespaced;
        bool listable; /* list and watch */
};

struct discovery_kind {
        char *type, *group;
        struct discovery_version *versions; /* as the server prefers them */
        size_t count, room;
        bool stale; /* its server did not answer the last time */
};

struct discovery_table {
        struct map kinds; /* type -> struct discovery_kind */
        size_t stale_groups;
};

struct discovery_table *discovery_table_new(void);
struct discovery_table *discovery_table_free(struct discovery_table *t);
/* Adds what an APIGroupDiscoveryList says (CORE: that of /api); what is stale there is taken
 * from BEFORE (may be NULL). -EBADMSG. */
int discovery_read(struct discovery_table *t, struct scan_slice body,
                   const struct discovery_table *before, struct err *err);
/* Adds one APIResourceList of the old form. */
int discovery_read_old(struct discovery_table *t, struct scan_slice body, struct err *err);
bool discovery_same(const struct discovery_table *a, const struct discovery_table *b);

const struct discovery_kind *discovery_find(const struct discovery_table *t, const char *type);
/* NULL: this version is not served. VERSION NULL: the preferred one. */
const struct discovery_version *discovery_version(const struct discovery_kind *k,
                                                  const char *version);
/* "/apis/apps/v1/namespaces/NS/deployments[/NAME]"; PATH is a resource's or NULL for the
 * collection over all namespaces. */
void discovery_path(const struct discovery_kind *k, const struct discovery_version *v,
                    const char *path, struct buf *out);

/* A read of it all. */
struct discovery {
        struct flow flow; /* private from here */
        struct http *http;
        struct http_server *server;
        struct discovery_table *table, *next; /* TABLE: the last whole one; owned here */
        char *etag[2];
        char *match;
        const char *headers[3];
        char **groups; /* old form: "apps/v1", still to be read */
        size_t group_count, group_room, group_at;
        void (*done)(void *arg, bool changed, int r, const struct err *err);
        void *arg;
};
void discovery_start(struct discovery *d,
                     struct loop *l); /* fine while running: once more is not queued */
void discovery_stop(struct discovery *d);
