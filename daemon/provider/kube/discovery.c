/* SPDX-License-Identifier: Apache-2.0 */
/* discovery.c - reads and keeps the table of served kinds; see discovery.h
 *
 * Run at the start, after each change of a CustomResourceDefinition or APIService, and while
 * somebody waits for a kind that is not served. ETags make a run without news two empty answers. */
#include "discovery.h"

#include "kinds.h"

#include <errno.h>
#include <stdlib.h>

#define DISCOVERY_STEP_MS 30000
#define DISCOVERY_REPLY_MAX (16u << 20) /* 1,000 CRDs answer with 1.5 MB */
#define DISCOVERY_GROUPS_MAX 2000

/* ---- the table */

static void kind_free(void *p) {
        struct discovery_kind *k = p;

        for (size_t i = 0; i < k->count; i++) {
                free(k->versions[i].version);
                free(k->versions[i].plural);
        }
        free(k->versions);
        free(k->type);
        free(k->group);
        free(k);
}

struct discovery_table *discovery_table_new(void) {
        return mem_new(struct discovery_table);
}

struct discovery_table *discovery_table_free(struct discovery_table *t) {
        if (t)
                map_free_with(&t->kinds, kind_free);
        free(t);
        return NULL;
}

const struct discovery_kind *discovery_find(const struct discovery_table *t, const char *type) {
        return t ? map_find(&t->kinds, type) : NULL;
}

const struct discovery_version *discovery_version(const struct discovery_kind *k,
                                                  const char *version) {
        if (!version)
                return k->count ? &k->versions[0] : NULL;
        for (size_t i = 0; i < k->count; i++)
                if (str_eq(k->versions[i].version, version))
                        return &k->versions[i];
        return NULL;
}

void discovery_path(const struct discovery_kind *k, const struct discovery_version *v,
                    const char *path, struct buf *out) {
        const char *slash = path ? strchr(path, '/') : NULL;

        if (*k->group)
                buf_printf(out, "/apis/%s/%s", k->group, v->version);
        else
                buf_printf(out, "/api/%s", v->version);
        if (slash && v->namespaced) {
                buf_puts(out, "/namespaces/");
                buf_add(out, path, (size_t)(slash - path));
        }
        buf_printf(out, "/%s", v->plural);
        if (!path)
                return;
        buf_putc(out, '/');
        http_escape(out, slash ? slash + 1 : path, false);
}

static struct discovery_kind *kind_get(struct discovery_table *t, const char *type,
                                       const char *group) {
        struct discovery_kind *k = map_find(&t->kinds, type);

        if (k)
                return k;
        k = mem_new(struct discovery_kind);
        k->type = str_dup(type);
        k->group = str_dup(group);
        map_set(&t->kinds, k->type, k);
        return k;
}

static void kind_add(struct discovery_kind *k, const char *version, const char *plural,
                     bool namespaced, bool listable) {
        if (discovery_version(k, version))
                return;
        k->versions = mem_grow(k->versions, &k->room, k->count + 1, sizeof(*k->versions));
        k->versions[k->count++] = (struct discovery_version){ str_dup(version), str_dup(plural),
                                                              namespaced, listable };
}

static void kind_served(struct discovery_table *t, const char *group, const char *kind,
                        const char *version, const char *plural, bool namespaced, bool listable) {
        cleanup_(freep) char *type = *group ? str_format("%s.%s", kind, group) : str_dup(kind);

        kind_add(kind_get(t, type, group), version, plural, namespaced, listable);
}

/* What BEFORE knew of a group, or of one version of it when VERSION is given. */
static void keep_group(struct discovery_table *t, const struct discovery_table *before,
                       const char *group, const char *version, bool stale) {
        struct map_entry *e;

        for (size_t i = 0; before && (e = map_next(&before->kinds, &i));) {
                const struct discovery_kind *old = e->value;

                if (!str_eq(old->group, group))
                        continue;
                for (size_t n = 0; n < old->count; n++) {
                        const struct discovery_version *v = &old->versions[n];
                        struct discovery_kind *k;

                        if (version && !str_eq(v->version, version))
                                continue;
                        k = kind_get(t, old->type, old->group);
                        kind_add(k, v->version, v->plural, v->namespaced, v->listable);
                        k->stale = k->stale || stale;
                }
        }
}

static bool list_says(struct scan_slice list, const char *word) {
        struct scan_slice item;
        struct scan_cursor c;

        if (!scan_list(list, &c))
                return false;
        while (scan_item(&c, &item))
                if (scan_says(item, word))
                        return true;
        return false;
}

static void read_resource(struct discovery_table *t, const char *group, const char *version,
                          struct scan_slice r) {
        cleanup_(freep) char *plural = scan_dup(scan_get(r, "resource"));
        cleanup_(freep) char *kind = scan_dup(scan_dig(r, "responseKind", "kind", NULL));
        struct scan_slice verbs = scan_get(r, "verbs");

        /* What cannot be fetched by name (reviews) is no object. */
        if (!plural || !kind || !list_says(verbs, "get"))
                return;
        kind_served(t, group, kind, version, plural, scan_says(scan_get(r, "scope"), "Namespaced"),
                    list_says(verbs, "list") && list_says(verbs, "watch"));
}

static void read_version(struct discovery_table *t, const char *group, struct scan_slice v,
                         const struct discovery_table *before) {
        cleanup_(freep) char *version = scan_dup(scan_get(v, "version"));
        struct scan_slice resource;
        struct scan_cursor c;

        if (!version)
                return;
        if (scan_says(scan_get(v, "freshness"), "Stale")) {
                /* A stale group version lists nothing: what was known of it stays. */
                t->stale_groups++;
                keep_group(t, before, group, version, true);
                return;
        }
        if (!scan_list(scan_get(v, "resources"), &c))
                return;
        while (scan_item(&c, &resource))
                read_resource(t, group, version, resource);
}

int discovery_read(struct discovery_table *t, struct scan_slice body,
                   const struct discovery_table *before, struct err *err) {
        struct scan_slice group, version;
        struct scan_cursor groups, versions;

        if (!scan_says(scan_get(body, "kind"), "APIGroupDiscoveryList") ||
            !scan_list(scan_get(body, "items"), &groups))
                return err_set(err, -EBADMSG, "discovery: not an APIGroupDiscoveryList");
        while (scan_item(&groups, &group)) {
                cleanup_(freep) char *name = scan_dup(scan_dig(group, "metadata", "name", NULL));

                if (!scan_list(scan_get(group, "versions"), &versions))
                        continue;
                while (scan_item(&versions, &version))
                        read_version(t, name ? name : "", version, before);
        }
        return 0;
}

int discovery_read_old(struct discovery_table *t, struct scan_slice body, struct err *err) {
        cleanup_(freep) char *group_version = scan_dup(scan_get(body, "groupVersion"));
        cleanup_(freep) char *group = NULL;
        struct scan_slice r;
        struct scan_cursor c;
        const char *version;

        if (!group_version || !scan_list(scan_get(body, "resources"), &c))
                return err_set(err, -EBADMSG, "discovery: not an APIResourceList");
        group = str_ndup(group_version, kinds_group(group_version, &version));
        while (scan_item(&c, &r)) {
                cleanup_(freep) char *plural = scan_dup(scan_get(r, "name"));
                cleanup_(freep) char *kind = scan_dup(scan_get(r, "kind"));
                struct scan_slice verbs = scan_get(r, "verbs");

                if (!plural || !kind || strchr(plural, '/') || !list_says(verbs, "get"))
                        continue;
                kind_served(t, group, kind, version, plural,
                            scan_get(r, "namespaced").len == strlen("true"),
                            list_says(verbs, "list") && list_says(verbs, "watch"));
        }
        return 0;
}

static bool kind_same(const struct discovery_kind *a, const struct discovery_kind *b) {
        if (!b || a->count != b->count)
                return false;
        for (size_t i = 0; i < a->count; i++)
                if (!str_eq(a->versions[i].version, b->versions[i].version) ||
                    !str_eq(a->versions[i].plural, b->versions[i].plural) ||
                    a->versions[i].namespaced != b->versions[i].namespaced)
                        return false;
        return true;
}

bool discovery_same(const struct discovery_table *a, const struct discovery_table *b) {
        struct map_entry *e;

        if (!a || !b || a->kinds.count != b->kinds.count)
                return false;
        for (size_t i = 0; (e = map_next(&a->kinds, &i));)
                if (!kind_same(e->value,
                               map_find(&b->kinds, ((struct discovery_kind *)e->value)->type)))
                        return false;
        return true;
}

/* ---- reading it */

static flow_ask ask_core, ask_groups, ask_group;
static flow_got got_core, got_groups, got_group;

static const struct flow_step steps[] = {
        // step, ask, got, deadline, pause, flags
        { "core", ask_core, got_core, DISCOVERY_STEP_MS, 200, FLOW_ALL },
        { "groups", ask_groups, got_groups, DISCOVERY_STEP_MS, 200, FLOW_ALL },
        { "group", ask_group, got_group, DISCOVERY_STEP_MS, 1, FLOW_ALL },
        {}
};

static struct discovery *discovery_of(struct flow *f) {
        return container_of(f, struct discovery, flow);
}

static const char accept[] =
        "Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
        "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,"
        "application/json";

static void groups_free(struct discovery *d) {
        for (size_t i = 0; i < d->group_count; i++)
                free(d->groups[i]);
        free(d->groups);
        d->groups = NULL;
        d->group_count = d->group_room = d->group_at = 0;
}

static void group_add(struct discovery *d, char *group) {
        if (!group || d->group_count >= DISCOVERY_GROUPS_MAX) {
                free(group);
                return;
        }
        d->groups = mem_grow(d->groups, &d->group_room, d->group_count + 1, sizeof(*d->groups));
        d->groups[d->group_count++] = group;
}

static int ask_path(struct discovery *d, struct ask *a, const char *path, size_t which) {
        struct http_request *r = http_ask(a, d->http, d->server, "GET", NULL, "%s", path);

        freep(&d->match);
        d->match = NULL;
        d->headers[0] = accept;
        d->headers[1] = NULL;
        /* A table that has holes is read anew, whatever the tag says. */
        if (which < ARRAY_SIZE(d->etag) && d->etag[which] && d->table &&
            d->table->stale_groups == 0) {
                d->match = str_format("If-None-Match: %s", d->etag[which]);
                d->headers[1] = d->match;
        }
        r->headers = d->headers;
        r->reply_max = DISCOVERY_REPLY_MAX;
        return 0;
}

static int ask_core(struct flow *f, struct ask *a, struct err *err) {
        return ask_path(discovery_of(f), a, "/api", 0);
}

static int ask_groups(struct flow *f, struct ask *a, struct err *err) {
        return ask_path(discovery_of(f), a, "/apis", 1);
}

static int ask_group(struct flow *f, struct ask *a, struct err *err) {
        struct discovery *d = discovery_of(f);
        cleanup_(freep) char *path = NULL;
        const char *group;

        if (d->group_at >= d->group_count)
                return FLOW_END;
        group = d->groups[d->group_at];
        path = str_format("%s/%s", strchr(group, '/') ? "/apis" : "/api", group);
        return ask_path(d, a, path, SIZE_MAX);
}

static int failed(const struct ask *a, const struct http_request *r, struct err *err) {
        if (r->end != HTTP_OK)
                return err_set(err, -EHOSTUNREACH, "%s", err_text(&r->err));
        if (r->status == 401)
                return err_set(err, -EKEYREJECTED, "the API server refuses our credentials (401)");
        if (r->status == 403)
                return err_set(err, -EACCES,
                               "discovery is forbidden: missing right: get nonResourceURL \"%s\"",
                               r->path);
        return err_set(err, -EPROTO, "discovery of %s answered %ld", r->path, r->status);
}

static struct scan_slice body_of(const struct http_request *r) {
        return scan_of(buf_str(&r->reply), r->reply.len);
}

/* The old form: /api names versions, /apis names groups with their versions, preferred first. */
static void queue_versions(struct discovery *d, struct scan_slice body, bool core) {
        struct scan_slice item, version;
        struct scan_cursor items, versions;

        if (core) {
                if (scan_list(scan_get(body, "versions"), &versions))
                        while (scan_item(&versions, &version))
                                group_add(d, scan_dup(version));
                return;
        }
        if (!scan_list(scan_get(body, "groups"), &items))
                return;
        while (scan_item(&items, &item)) {
                group_add(d, scan_dup(scan_dig(item, "preferredVersion", "groupVersion", NULL)));
                if (!scan_list(scan_get(item, "versions"), &versions))
                        continue;
                while (scan_item(&versions, &version))
                        if (!scan_says(scan_get(version, "groupVersion"),
                                       d->group_count ? d->groups[d->group_count - 1] : ""))
                                group_add(d, scan_dup(scan_get(version, "groupVersion")));
        }
}

/* Every group but the core one, or the core one. */
static void keep_half(struct discovery *d, bool core) {
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&d->table->kinds, &i));) {
                const struct discovery_kind *old = e->value;

                if (core == (*old->group == '\0'))
                        keep_group(d->next, d->table, old->group, NULL, old->stale);
        }
}

static int got_half(struct discovery *d, const struct ask *a, size_t which, struct err *err) {
        const struct http_request *r = http_answer(a);
        const char *etag;
        int done;

        if (r->end == HTTP_OK && r->status == 304) {
                keep_half(d, which == 0);
                return 0;
        }
        if (r->end != HTTP_OK || r->status != 200)
                return failed(a, r, err);
        freep(&d->etag[which]);
        d->etag[which] = NULL;
        if (!scan_says(scan_get(body_of(r), "kind"), "APIGroupDiscoveryList")) {
                queue_versions(d, body_of(r), which == 0);
                return 0;
        }
        done = discovery_read(d->next, body_of(r), d->table, err);
        etag = http_header(r, "ETag");
        if (done == 0)
                d->etag[which] = str_dup(etag);
        return done;
}

static int got_core(struct flow *f, struct ask *a, struct err *err) {
        return got_half(discovery_of(f), a, 0, err);
}

static int got_groups(struct flow *f, struct ask *a, struct err *err) {
        return got_half(discovery_of(f), a, 1, err);
}

/* One group that does not answer is stale, the rest goes on. */
static int got_group(struct flow *f, struct ask *a, struct err *err) {
        struct discovery *d = discovery_of(f);
        const struct http_request *r = http_answer(a);
        const char *group = d->groups[d->group_at++];
        const char *version;
        struct err ignored;

        if (r->end != HTTP_OK)
                return failed(a, r, err);
        if (r->status != 200 || discovery_read_old(d->next, body_of(r), &ignored) < 0) {
                cleanup_(freep) char *name = str_ndup(group, kinds_group(group, &version));

                d->next->stale_groups++;
                keep_group(d->next, d->table, name, version, true);
        }
        return FLOW_AGAIN;
}

static void finished(struct flow *f, int r, const struct err *err) {
        struct discovery *d = discovery_of(f);
        bool changed = false;

        if (r < 0) {
                d->next = discovery_table_free(d->next);
        } else {
                changed = !discovery_same(d->table, d->next);
                discovery_table_free(d->table);
                d->table = take_ptr(d->next);
        }
        groups_free(d);
        d->done(d->arg, changed, r, err);
}

void discovery_start(struct discovery *d, struct loop *l) {
        if (flow_running(&d->flow))
                return;
        d->flow = (struct flow){ .steps = steps, .loop = l, .name = "discovery", .done = finished };
        d->next = discovery_table_new();
        flow_start(&d->flow);
}

void discovery_stop(struct discovery *d) {
        flow_cancel(&d->flow);
        groups_free(d);
        d->table = discovery_table_free(d->table);
        d->next = discovery_table_free(d->next);
        for (size_t i = 0; i < ARRAY_SIZE(d->etag); i++) {
                free(d->etag[i]);
                d->etag[i] = NULL;
        }
        free(d->match);
        d->match = NULL;
}
