/* SPDX-License-Identifier: Apache-2.0 */
/* acting.c - actions of each sort, for tests of the engine that runs them */
#include "charm.gen.h"

#include <stdlib.h>

#define PASSWORD_LENGTH 32

static void plan(const struct charm_view *v, struct charm_plan *p) {
        int64_t count = charm_option_int(v, OPTION_COUNT);

        charm_secret(p, "admin", "password", PASSWORD_LENGTH, NULL);
        charm_want(p, "secret", "secret.yaml", NULL);
        for (int64_t i = 0; i < count; i++) {
                const char *number = charm_text(p, "%lld", (long long)i);
                const char *name = charm_text(p, "%s-%s", charm_application(v), number);

                charm_want(p, name, "configmap.yaml",
                           CHARM_HOLES({ "name", CHARM_TEXT, name },
                                       { "number", CHARM_TEXT, number }));
        }
}

/* ---- rotate: a new value, in use, in place */

static void make(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_new_secret(a, "admin", "password", charm_param(w, "password"));
        charm_set(a, "new", charm_answer(w, "/new"));
        charm_log(a, "a new password is made");
        charm_next(a);
}

static void use(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_use_secret(a, charm_state(w, "new"));
        charm_next(a);
}

static void settle(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_settled(a);
        charm_result(a, "password", charm_state(w, "new"));
        charm_next(a);
}

static const struct charm_step rotate_steps[] = {
        { "make", make, 0, 0 }, { "use", use, 0, 0 }, { "settle", settle, 60, 0 }, {}
};

/* ---- show */

static void show(const struct charm_world *w, struct charm_ask *a) {
        charm_result(a, "password", charm_owned(w, "admin", "password"));
        charm_done(a);
}

static const struct charm_step show_steps[] = { { "show", show, 0, 0 }, {} };

/* ---- resize: wait, set the option, wait until it is so; the note is taken away in the end */

static void rest(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w) && charm_param_int(w, "pause"))
                return charm_ask_wait(a, charm_param_int(w, "pause"));
        charm_set(a, "noted", charm_key(w));
        charm_next(a);
}

static void set(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_config(a, OPTION_COUNT, charm_param(w, "count"));
        charm_next(a);
}

static void see(const struct charm_world *w, struct charm_ask *a) {
        int64_t count = charm_param_int(w, "count");
        const char *last = charm_text(charm_paper(a), "%s-%lld",
                                      charm_application(charm_world_view(w)), (long long)count - 1);

        if (!charm_outcome(w) && count)
                return charm_ask_ready(a, last);
        charm_result(a, "count", charm_option(charm_world_view(w), OPTION_COUNT));
        charm_done(a);
}

static void forget(const struct charm_world *w, struct charm_ask *a) {
        charm_log(a, "forgotten: %s", charm_state(w, "noted") ? "a note" : "nothing");
        charm_set(a, "noted", NULL);
        charm_next(a);
}

static const struct charm_step resize_steps[] = { { "rest", rest, 60, 0 },
                                                  { "set", set, 0, 0 },
                                                  { "see", see, 60, 0 },
                                                  { "forget", forget, 0, CHARM_CLEANUP },
                                                  {} };

/* ---- fail */

static bool fails_as(const struct charm_world *w, const char *how) {
        return !strcmp(charm_param(w, "how"), how);
}

static void middle(const struct charm_world *w, struct charm_ask *a) {
        charm_set(a, "noted", "yes");
        if (fails_as(w, "crash"))
                abort();
        if (fails_as(w, "garbage"))
                return; /* asks for nothing */
        if (fails_as(w, "cleanup"))
                return charm_done(a);
        if (fails_as(w, "give-up"))
                return charm_give_up(a, "it cannot be done: %s", charm_param(w, "how"));
        if (fails_as(w, "looked-at"))
                return charm_goto(a, "look");
        charm_ask_use_secret(a, "no token");
}

static void look(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_use_secret(a, "no token");
        charm_result(a, "outcome", charm_outcome(w));
        charm_done(a);
}

static void clean(const struct charm_world *w, struct charm_ask *a) {
        charm_log(a, "cleaned up");
        if (fails_as(w, "cleanup"))
                return charm_give_up(a, "the broom is broken");
        charm_next(a);
}

static void sweep(const struct charm_world *w, struct charm_ask *a) {
        charm_log(a, "swept");
        charm_next(a);
}

static const struct charm_step fail_steps[] = { { "middle", middle, 5, 0 },
                                                { "look", look, 0, CHARM_ALL },
                                                { "clean", clean, 0, CHARM_CLEANUP },
                                                { "sweep", sweep, 0, CHARM_CLEANUP },
                                                {} };

/* ---- wait, destroy */

static void pass(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_wait(a, charm_param_int(w, "seconds"));
        charm_next(a);
}

static const struct charm_step wait_steps[] = { { "pass", pass, 0, 0 }, {} };

static void boom(const struct charm_world *w, struct charm_ask *a) {
        charm_result(a, "destroyed", charm_operation(w));
        charm_next(a);
}

static const struct charm_step destroy_steps[] = { { "boom", boom, 0, 0 }, {} };

static const struct charm_action actions[] = { { ACTION_ROTATE, rotate_steps },
                                               { ACTION_SHOW, show_steps },
                                               { ACTION_RESIZE, resize_steps },
                                               { ACTION_FAIL, fail_steps },
                                               { ACTION_WAIT, wait_steps },
                                               { ACTION_DESTROY, destroy_steps },
                                               {} };

CHARM(.plan = plan, .actions = actions);
