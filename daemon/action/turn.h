/* SPDX-License-Identifier: Apache-2.0 */
/* turn.h - one operation that runs, shared by the files of this folder
 *
 *   load ──▶ call the step ──▶ save what it says ──▶ load ...
 *     └──▶ what it asked for is out: ask ──▶ save how it ended ──▶ load ...
 *
 * All that decides is in the rows, which are read anew at each turn: so a restart, and a change by
 * somebody else (cancel-task), need no way of their own. */
#pragma once

#include "action.h"

#include "list.h"
#include "schedule.h"
#include "queries.gen.h"

struct action {
        struct action_options options;
        struct list turns; /* operations that run */
        size_t running, pending;
        size_t pick_pending, pick_rows; /* the store thread's, while PICK is out */
        int64_t pick_after;             /* clock_mono: not before */
        struct schedule *schedule;
        struct store_call pick;
        bool picking, pick_again, stopping;
        struct later soon;
        struct timer retry; /* of a pick that could not be written, or that found some that wait */
        int64_t *started;
        size_t started_count, started_room;
};

/* A charm whose step goes to itself would fill the disk. What is more ends the action; of what
 * cleans up it ends that step only, for those after it set right what stands outside. */
#define TURN_ASKS_MAX 1000 /* of one operation; each may be answered by 64 KiB */
#define TURN_CLEANUP_STEP_ASKS_MAX 500
#define TURN_CLEANUP_ASKS_MAX 4000 /* of the operation in all; then no step may ask any more */
#define TURN_CALLS_MAX 200 /* one after the other that ask for nothing: twice the steps there are */
#define TURN_LOG_MAX 10000 /* lines of one operation; later ones are left out */

struct turn_rows { /* as read last; owned */
        bool live, cleanup, asked;
        int64_t model_id, application_id, turn, logged, step_at, deadline_at, deadline_ms;
        int64_t held_at; /* since when it is held, as far as the row knows; 0: it is not */
        char *model, *application, *action, *unit, *charm_sha256, *key, *step, *ending, *message,
                *cancelled_by;
        char *held; /* a freeze or a pause that it waits for now; or NULL */
        json_t *params, *state, *results, *steps;
        /* what it asked for last, when ASKED */
        json_t *ask, *told;
        char *outcome, *error;
        int64_t asked_at, ask_deadline_at, ask_ended_at;
};

struct turn {
        struct list link;
        struct action *of;
        int64_t id;
        struct store_call call;
        bool storing; /* CALL is with the store */
        bool again;   /* its rows changed meanwhile: they are read again */
        bool viewing; /* reconcile_view is out */
        bool acting;  /* its application's status shows it */
        struct charm_call charm;
        char *world;
        struct verb *verb;
        struct timer timer; /* the next try, or look */
        void (*on_timer)(struct turn *t);
        bool firm; /* of the timer: something has to be written; no news hurries that */
        char *refresh_stopped; /* the store thread's: what this end began, and could not */
        struct turn_rows rows;
        struct turn_rows reading; /* the store thread's, while it reads */
        /* what is written next */
        struct step *said;
        char *ends_as, *ends_why; /* in the place of what a step said: it is cleaned up, or over */
        enum outcome outcome;     /* of what is out: its end, or how the last try went */
        json_t *told;
        struct err err;
        bool leaves_out;               /* it ends only a step that cleans up */
        int skips;                     /* steps that clean up and cannot be called */
        int calls;                     /* of steps, since one asked for something */
        int asks;                      /* of the step that cleans up, since it was gone to */
        int ended;                     /* steps that clean up, and went on for ever */
        int tries;                     /* of what is out, or of the call of the step */
        int64_t not_before;            /* clock_mono: what is out is not tried again before */
        char *waits;                   /* for people; or NULL */
        int64_t waits_since, next_try; /* clock_wall */
};

/* ---- engine.c */
struct turn *turn_find(struct action *a, int64_t id); /* NULL: it does not run */
void turn_over(struct turn *t); /* it has ended, or the daemon stops: frees T */
void turn_event(const struct turn *t, const char *text);

/* ---- turn.c */
void turn_start(struct action *a, int64_t id);
void turn_load(struct turn *t);
void turn_wake(struct turn *t); /* its rows changed, or what holds it */
void turn_stop(struct turn *t);
/* Calls FN after MS, or turn_load when something is new before that. */
void turn_after(struct turn *t, int64_t ms, void (*fn)(struct turn *t));
/* What FN writes could not be written: it is called again, whatever is new. */
void turn_write_again(struct turn *t, const struct err *err, void (*fn)(struct turn *t));
void turn_waits(struct turn *t, const char *fmt, ...) printf_(2, 3);
/* Submits RUN; DONE frees nothing. */
void turn_store(struct turn *t, int (*run)(struct tx *, struct store_call *, struct err *),
                void (*done)(struct store_call *, int, const struct err *));
/* R is no verdict on what was to be written: it is tried again later. */
bool turn_store_failed(int r);

/* ---- turn-rows.c */
/* The arg of all is a struct turn *. Reads into T->reading. */
int turn_rows_read(struct tx *tx, struct store_call *c, struct err *err);
void turn_rows_clear(struct turn_rows *r);
/* Writes what T->said says, or ends_as. */
int turn_rows_said(struct tx *tx, struct store_call *c, struct err *err);
/* Writes T->outcome, told and err as the end of what was asked for. */
int turn_rows_ended(struct tx *tx, struct store_call *c, struct err *err);
/* It is held, since now; or no longer, and has as much more time as it was. */
int turn_rows_held(struct tx *tx, struct store_call *c, struct err *err);

/* ---- turn-objects.c */
/* What is out, or was last, is the removal of what it applied: its last turn. */
bool turn_objects_removing(const struct turn *t);
/* The ask of that; *RET NULL: it has applied nothing. */
int turn_objects_ask(struct tx *tx, const struct turn *t, json_t **ret, struct err *err);
/* They could not be removed: they are leftovers. */
int turn_objects_left(struct tx *tx, const struct turn *t, struct err *err);

/* ---- ask.c */
/* What is out in the rows is asked for; in the end turn_load. */
void ask_start(struct turn *t);
/* It waits, or changes rows together with its end: giving it up leaves nothing behind. */
bool ask_leaves_nothing(const struct turn *t);
/* Ends what is out and not with the outside now, without another try. */
void ask_give_up(struct turn *t);
/* Somebody has cancelled T: what is out and leaves nothing behind when it is broken off (a stream,
 * which may take hours) ends now; else nothing. */
void ask_break_off(struct turn *t);
/* -EINVAL: it is not for steps, or a secret's token stands where others would see it. Pure; any
 * thread. */
int ask_check(const json_t *ask, struct err *err);
/* How long ASK may take at least. */
int64_t ask_least_ms(const json_t *ask);

/* ---- ask-store.c: those that are one transaction with their end */
typedef int ask_store_fn(struct tx *tx, struct turn *t, const json_t *ask, json_t **told,
                         struct err *err);
ask_store_fn ask_new_secret, ask_use_secret, ask_config, ask_run_at, ask_taken;
/* ---- ask-holders.c */
ask_store_fn ask_holders;
