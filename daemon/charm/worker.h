/* SPDX-License-Identifier: Apache-2.0 */
/* worker.h - one worker process from its start to its end, as charm-host.c keeps it
 *
 *   starting ──▶ idle ──give──▶ busy ──last plan or refusal──▶ idle ...
 *       └──────────┴──────────────┴──crash, garbage, too slow──▶ over
 *
 * Some views may be given before the first is answered: the next one then lies there when a plan
 * is done, and neither side waits for the other to wake. The worker takes one after the other,
 * and writes each answer before it reads on, so the first that is not answered is the one that it
 * is at: that one alone has a deadline, and that one alone has failed when the worker is over. A
 * worker that is over answers nothing any more and is freed by its owner, not inside DONE. */
#pragma once

#include "loop.h"
#include "plan.h"

#define WORKER_AHEAD 8 /* views with a worker at once: it never waits for the daemon's next turn */

struct worker;
struct worker_answer { /* one of them, and the receiver's; none after a failure */
        struct plan *plan;
        struct step *step;
};
/* Ends the first call that is not answered: r = 0 with ANSWER, or -errno with a text that begins
 * "charm NAME". After this with a worker that is over the others that it was given never end. */
typedef void worker_done_fn(void *arg, struct worker *w, int r, const struct worker_answer *answer,
                            const struct err *err);

struct worker_spec {
        const char *program; /* path of mooring-charm */
        const char *folder;  /* of the pinned charm */
        const char *sha256;
        uid_t uid; /* (uid_t)-1: as we are */
        gid_t gid;
        bool sandbox;
        bool show_output; /* what the module prints goes to our log: --dev */
        worker_done_fn *done;
        void (*over)(void *arg, struct worker *w); /* ended while idle */
        void *arg;
};

/* What mooring-charm has open when it begins: serve.h has the first two as well. */
#define WORKER_CHANNEL_FD 3
#define WORKER_FOLDER_FD 4
#define WORKER_PROGRAM_FD 5
/* How it is started, in one place for who starts it. */
#define WORKER_WORDS 6
struct worker_words {
        char path[32], parent[32];
        const char *argv[WORKER_WORDS]; /* NULL at its end; borrows from here, SPEC and SHOWN */
};
void worker_words(const struct worker_spec *spec, const char *shown, struct worker_words *ret);
/* In a child after fork: its user from now on, where SPEC has one. False: errno says why. */
bool worker_become_user(const struct worker_spec *spec);

int worker_start(struct loop *l, const struct worker_spec *spec, struct worker **ret,
                 struct err *err);
struct worker *worker_free(struct worker *w);
/* There is room for a view more. */
bool worker_takes(const struct worker *w);
/* Copies VIEW, or the world of a step; on its way with the next worker_send. */
void worker_give(struct worker *w, bool is_step, const char *view, size_t len);
/* What was given goes out, in one write where that is possible. */
void worker_send(struct worker *w);
/* Ends it without a word; fine inside DONE. */
void worker_stop(struct worker *w);
bool worker_busy(const struct worker *w);
bool worker_over(const struct worker *w);
/* It has used so much CPU or memory that it should make room for a fresh one. Asked between
 * calls. */
bool worker_spent(struct worker *w);
/* Since when it is idle (clock_mono). */
int64_t worker_idle_since(const struct worker *w);
/* Runs PROGRAM --check-sandbox as it would run workers; blocking, some milliseconds. -ENOSYS
 * with its words. */
int worker_check(const struct worker_spec *spec, struct err *err);
