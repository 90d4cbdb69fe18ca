/* SPDX-License-Identifier: Apache-2.0 */
/* harness-step.c - one call of one step; see harness-action.h */
#include "harness-action.h"

#include "harness-file.h"
#include "harness.h"

void harness_step_test(struct harness_action *h, const char *name) {
        cleanup_(freep) char *path = str_format("%s/%s.step.json", h->tests, name),
                             *says = str_format("%s/%s.ask.json", h->tests, name);
        cleanup_(json_freep) json_t *world = NULL, *got = NULL;
        const struct meta_action *action;
        struct harness_answer a = {};
        struct err err = {};
        int r = harness_read_json(path, &world, &err);

        if (r >= 0)
                r = harness_action_complete(h, world, &action, &err);
        if (r >= 0)
                r = harness_action_call(h, action, world, &a, &err);
        if (r >= 0) {
                got = harness_action_said(&a);
                r = harness_hold(says, got, h->options->update, &err);
        }
        if (r < 0)
                harness_action_fail(h, name, &err);
        else
                printf("ok %s: step %s\n", name, a.step ? a.step->name : a.refused);
        harness_answer_deinit(&a);
}
