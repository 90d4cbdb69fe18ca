/* SPDX-License-Identifier: Apache-2.0 */
/* stage.h - actions on a real store, between steps that the test writes down and verbs that it
 * ends itself; time is the test's
 *
 *   [{"name": "work", "ask": {...}, "deadline": 60, "goto": name, "fail": text, "log": lines,
 *     "result": bytes, "crash": true, "cleanup": true}, ...]
 *
 * are the steps of every action: one with "ask" asks for it and goes on once that is done; else it
 * goes on at once, to "goto" or the next of its sort. Applications a and b of model "lab" have the
 * actions work (10 minutes), look (parallel), shared (a group) and destroy, and the option mode. */
#pragma once

#include "action.h"
#include "audit.h"
#include "clock.h"
#include "command.h"

#include <setjmp.h>
#include <cmocka.h>

#define STAGE_EXEC "{\"kind\": \"verb\", \"verb\": \"exec\", \"ask\": {}}"
/* Steps: two commands, and one that cleans up after them. */
extern const char stage_two_verbs[];

struct stage {
        char *dir;
        struct loop *loop;
        struct store *store;
        struct sealer *sealer;
        struct action *action;
        json_t *steps;
        struct list charms; /* struct charm_call: steps that are to be called */
        struct list views;  /* struct view */
        struct list verbs;  /* struct verb: that are out, the oldest first */
        struct later answer;
        int called, sent; /* counts: steps, verbs */
        bool views_wait;  /* no view is given */
        bool not_ready;   /* of what "ready" waits for */
};

int stage_set_up(void **state);
int stage_tear_down(void **state);
void stage_restart(struct stage *s); /* another process on the same rows; nothing is out */

void stage_steps(struct stage *s, const char *steps); /* from now on */
int64_t stage_begin(struct stage *s, const char *application, const char *action);
int64_t stage_begin_frozen(struct stage *s, const char *application, const char *action);
void stage_command(struct stage *s, struct command *c);
void stage_cancel(struct stage *s, int64_t id);
void stage_approve(struct stage *s, int64_t id); /* another person does */
void stage_freeze(struct stage *s, bool freeze);
void stage_pause(struct stage *s, const char *application, bool pause); /* NULL: the model */
void stage_full(struct stage *s, bool full);                            /* the disk */

void stage_settle(struct stage *s);
void stage_run(struct stage *s, int64_t ms); /* time goes on, in small steps */
/* The oldest verb that is out ends so. */
void stage_did(struct stage *s, enum outcome outcome);
size_t stage_out(struct stage *s); /* verbs that are out */

/* Of the row: "completed: ", "failed: why". */
const char *stage_ended(struct stage *s, int64_t id);
/* What it waits for; "": nothing. */
const char *stage_waits(struct stage *s, int64_t id);
/* One value that a statement finds in model.db; "": none. */
const char *stage_value(struct stage *s, const char *sql);
