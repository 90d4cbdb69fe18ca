/* SPDX-License-Identifier: Apache-2.0 */
/* refresh.h - a refresh in stages: what the loop does next, and the rows of it
 *
 *   canary ──well for the gate's period──▶ rest ──all ready──▶ done
 *     │                                     │                   │
 *     └────────── rollback (a person) ──────┴───────────────────┘──all ready──▶ rolled-back
 *
 * In "canary" one pod of each workload is of the new content, in "rest" all become so. Where
 * something goes wrong in either the refresh is paused, and only a person goes on: resume, or
 * rollback. A refresh is a row; the loop decides by it and by what it sees, so that a restart goes
 * on where it was. What each stage wants outside is what the plans want (application-stage.c), so
 * nothing repairs it away. */
#pragma once

#include "base.h"
#include "err.h"
#include "json.h"

enum refresh_stage {
        REFRESH_CANARY,
        REFRESH_REST,
        REFRESH_DONE,
        REFRESH_ROLLBACK,
        REFRESH_ROLLED_BACK,
        REFRESH_STAGE_MAX
};
extern const char *const refresh_stage_names[]; /* by the enum; NULL at the end */
enum refresh_stage refresh_stage_find(const char *name); /* REFRESH_STAGE_MAX: none */
bool refresh_is_over(enum refresh_stage s);

/* ---- what the loop does next: pure */
enum refresh_check { /* the charm's own, an action */
        REFRESH_CHECK_NONE,
        REFRESH_CHECK_WANTED,
        REFRESH_CHECK_RUNS,
        REFRESH_CHECK_PASSED,
        REFRESH_CHECK_FAILED
};
#define REFRESH_CHECK_MS 1000 /* how often one that runs is looked at */

/* What is broken may be so for a moment: a pull that failed once, an API server that was busy. */
#define REFRESH_BROKEN_MS 10000

/* In a refresh's `units`: a pod of before. Else how often a person has seen it restarted. */
#define REFRESH_UNIT_OLD (-1)

struct refresh_times { /* options */
        /* The canary is well for so long before the rest follows; what is waited for is there
         * within so long. */
        int64_t gate_ms, ready_ms;
};

struct refresh_input {
        enum refresh_stage stage;
        bool paused;
        bool stopped; /* the loop may not write, or cannot see: nobody knows how it stands */
        bool settled; /* all that this stage wants is planned and written */
        const char *restarted; /* a new pod whose containers were started again, or NULL */
        const char *broken;    /* what does not come right by waiting, or NULL */
        const char *waits;     /* what is not there or not ready yet; NULL: all is well */
        int64_t broken_ms;     /* for how long */
        int64_t stage_ms;      /* in this stage, as far as this process has seen it */
        enum refresh_check check;
        const char *check_text; /* of one that failed */
        int64_t well_ms;       /* well without a break; -1: that was not noted yet */
        struct refresh_times times;
};
enum refresh_step {
        REFRESH_WAIT,
        REFRESH_WELL,
        REFRESH_UNWELL,
        REFRESH_CHECK, /* begin it */
        REFRESH_NEXT,
        REFRESH_PAUSE
};
struct refresh_decision {
        enum refresh_step step;
        enum refresh_stage next; /* of REFRESH_NEXT */
        int64_t again_ms; /* of REFRESH_WAIT: ask again after that; 0: when something changes */
        char why[400];           /* of REFRESH_PAUSE */
};
void refresh_decide(const struct refresh_input *in, struct refresh_decision *ret);

/* ---- rows: called inside a command's transaction */
struct tx;
struct command;
struct charm_meta;
struct q_application_row;
struct q_refresh_row;
struct sealer;
struct audit;
/* -EBUSY: one of A is under way. */
int refresh_check_none(struct tx *tx, const struct q_application_row *a, struct err *err);
/* -EBUSY: an action of A runs that wants A for itself, and is not the check of its refresh F
 * (NULL: none is). */
int refresh_check_quiet(struct tx *tx, const struct q_application_row *a,
                        const struct q_refresh_row *f, struct err *err);
/* What a rollback goes back to. Its texts live as long as TX. */
struct refresh_before {
        const char *options, *resources, *units;
};
int refresh_remember(struct tx *tx, const struct q_application_row *a, struct refresh_before *ret,
                     struct err *err);
/* A, as it was, goes over to the content SHA256, of META. */
int refresh_begin(struct tx *tx, struct command *c, const struct q_application_row *a,
                  const struct refresh_before *before, const char *sha256,
                  const struct charm_meta *meta, struct err *err);
/* Notes what a rollback from META to the content FROM cannot bring back. */
int refresh_note_one_way(struct tx *tx, struct command *c, const char *from,
                         const struct charm_meta *meta, bool *ret_loses, struct err *err);
/* *RET NULL: A was never refreshed. */
int refresh_find(struct tx *tx, int64_t application, struct q_refresh_row **ret, struct err *err);
/* The loop's: as refresh_decide said of TURN, in STAGE; 0: somebody was faster. HOLDS: of a pause,
 * JSON. */
struct refresh_move {
        const struct sealer *sealer;
        const struct audit *audit; /* or NULL */
        int64_t application, turn;
        const struct refresh_decision *decision;
        const char *holds;
        /* Filled in: why what follows it in a refresh --all cannot; or NULL. TX's. */
        const char **ret_stopped;
};
int refresh_move(struct tx *tx, const struct refresh_move *m, struct err *err);
/* refresh-check.c: begins the action; where that is refused the refresh pauses. */
int refresh_check_begin(struct tx *tx, const struct refresh_move *m, const struct q_refresh_row *f,
                        struct err *err);
/* How it stands; *RET_TEXT, of one that failed, lives as long as TX. */
int refresh_check_look(struct tx *tx, const struct q_refresh_row *f, enum refresh_check *ret,
                       const char **ret_text, struct err *err);
