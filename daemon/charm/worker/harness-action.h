/* SPDX-License-Identifier: Apache-2.0 */
/* harness-action.h - the part of the harness for actions: worlds in, what the steps say out
 *
 *   NAME.step.json  one call of one step; NAME.ask.json is what it says (harness-step.c)
 *   NAME.run.json   an action from its first step to its end, with the answers of the outside;
 *                   NAME.asks.json is what all its steps say (harness-run.c)
 *
 * Each world goes to a worker that had all before, and at the end of a run they go in the
 * opposite order to a fresh one: what a step says may depend on nothing but its world. What it asks
 * for is checked as the daemon does before it writes it down. Where it asks for something, it is
 * also called with each way in which that can fail, and what cleans up is called as if somebody had
 * cancelled it there: neither may be a mistake of the charm. At the end every step of every action
 * must have been called by some test. */
#pragma once

#include "charm-meta.h"
#include "harness-worker.h"
#include "map.h"

struct harness_action {
        const struct harness_options *options;
        const struct charm_meta *meta;
        const char *tests;            /* folder */
        struct harness_worker worker; /* the one that has had all before */
        bool up;                      /* WORKER lives */
        json_t *called, *known;       /* steps: {action: {step: true}} */
        struct map tried;             /* digests of worlds: what runs have in common, once */
        const char *test;             /* that runs */
        struct harness_call *calls;   /* that harness_action_again is to repeat */
        size_t call_count, call_room;
        size_t steps, runs, failed;
};
/* All that is there below TESTS; what fails is told, and counted. */
void harness_action_test(struct harness_action *h);

/* ---- for harness-step.c and harness-run.c */
void harness_step_test(struct harness_action *h, const char *name);
void harness_run_test(struct harness_action *h, const char *name);

void harness_action_fail(struct harness_action *h, const char *name, const struct err *err);
/* Completes WORLD as the daemon would: its view where it only names one, parameters' defaults, a
 * token for each secret parameter. -EINVAL: it is no world of this charm. */
int harness_action_complete(const struct harness_action *h, json_t *world,
                            const struct meta_action **ret, struct err *err);
/* The view that GIVEN is, or names, checked. */
int harness_action_view(const struct harness_action *h, const json_t *given, json_t **ret,
                        struct err *err);
/* Calls the step; checks what it asks for, and tries how else that may end. */
int harness_action_call(struct harness_action *h, const struct meta_action *action,
                        const json_t *world, struct harness_answer *ret, struct err *err);
/* What was called since the last time, by a fresh worker, from the last to the first. */
void harness_action_again(struct harness_action *h);
json_t *harness_action_said(const struct harness_answer *a); /* as in the files */
