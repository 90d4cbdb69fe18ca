/* SPDX-License-Identifier: Apache-2.0 */
/* audit-trail.h - inside the folder: who wrote an object, by the API server's own audit log
 *
 * managedFields say by which program a field was written, never by whom, and of a deletion
 * nothing. Where the log is kept as a file that this host can read (JSON lines, as kube-apiserver
 * writes them), its writes are remembered for a while: those of others, on single objects or
 * whole collections. The file may be rotated, and may come later. */
#pragma once

#include "loop.h"

#define AUDIT_TRAIL_KEPT 4096          /* newest writes */
#define AUDIT_TRAIL_POLL_MS 1000
#define AUDIT_TRAIL_SLICE (128u << 10) /* bytes read in one turn of the loop */
#define AUDIT_TRAIL_BACK (4u << 20)    /* of what was written before the start */
#define AUDIT_TRAIL_SKEW_MS 2000       /* the API server's clock may be so much behind ours */
#define AUDIT_TRAIL_LINE_MAX (1u << 20)

struct audit_trail;
/* PATH need not be there yet. */
struct audit_trail *audit_trail_new(struct loop *l, const char *cluster, const char *path);
struct audit_trail *audit_trail_free(struct audit_trail *t);

struct audit_trail_ask {
        const char *group, *plural, *path; /* path: "ns/name" or "name" */
        int64_t since;                     /* clock_wall: writes before that do not count */
        bool deleted;                      /* who deleted it, else who changed it */
        const char *manager; /* the name that the writer gave itself, or NULL: anyone */
};
/* The user of the newest write that fits, in TEXT. Without a manager a change counts only when no
 * other user wrote it since. False: none is known. */
bool audit_trail_user(const struct audit_trail *t, const struct audit_trail_ask *a, char *text,
                      size_t size);
