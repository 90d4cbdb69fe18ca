/* SPDX-License-Identifier: Apache-2.0 */
/* worker.h - one worker process from its start to its end, as charm-host.c keeps it
 *
 *   starting ──▶ idle ──give──▶ busy ──plan or refusal──▶ idle ...
 *       └──────────┴──────────────┴──crash, garbage, too slow──▶ over
 *
 * A worker that is over answers nothing any more and is freed by its owner, who may do so inside
 * DONE. */
#pragma once

#include "loop.h"
#include "plan.h"

struct worker;
/* Ends the call that was given: r = 0 with PLAN (the receiver's), or -errno with a text that
 * begins "charm NAME". */
typedef void worker_done_fn(void *arg, struct worker *w, int r, struct plan *plan,
                            const struct err *err);

struct worker_spec {
        const char *program; /* path of mooring-charm */
        const char *folder;  /* of the pinned charm */
        const char *sha256;
        uid_t uid; /* (uid_t)-1: as we are */
        gid_t gid;
        bool sandbox;
        bool show_output; /* what the module prints goes to our stderr: --dev */
        worker_done_fn *done;
        void (*over)(void *arg, struct worker *w); /* ended while idle */
        void *arg;
};

int worker_start(struct loop *l, const struct worker_spec *spec, struct worker **ret,
                 struct err *err);
struct worker *worker_free(struct worker *w);
/* An idle or starting worker; VIEW must live until DONE. */
void worker_give(struct worker *w, const char *view, size_t len);
bool worker_busy(const struct worker *w);
bool worker_over(const struct worker *w);
/* It has used so much CPU or memory that it should make room for a fresh one. Asked between
 * calls. */
bool worker_spent(const struct worker *w);
/* Since when it is idle (clock_mono). */
int64_t worker_idle_since(const struct worker *w);
/* Runs PROGRAM --check-sandbox as it would run workers; blocking, some milliseconds. -ENOSYS
 * with its words. */
int worker_check(const struct worker_spec *spec, struct err *err);
