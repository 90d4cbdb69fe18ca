/* SPDX-License-Identifier: Apache-2.0 */
/* harness-action.c - worlds, calls of steps and what of the charm was called; see
 * harness-action.h */
#include "harness-action.h"

#include "digest.h"
#include "harness-check.h"
#include "harness-file.h"
#include "harness.h"
#include "param.h"
#include "secret-token.h"

#include <errno.h>
#include <stdlib.h>

#define NOW_MS 1750000000000ll /* where a world does not say when */

void harness_action_fail(struct harness_action *h, const char *name, const struct err *err) {
        h->failed++;
        printf("FAILED %s: %s\n", name, err_text(err));
}

/* ---- worlds */

static int check_members(const json_t *world, struct err *err) {
        struct {
                const char *text;
                json_t *any;
                int64_t number;
                bool flag;
        } w;
#define FIELD(name, kind, member)                                                                  \
        { name, kind, offsetof(typeof(w), member), 0, 0, 0, NULL }
        const struct json_field fields[] = { FIELD("action", JSON_FIELD_STRING, text),
                                             FIELD("step", JSON_FIELD_STRING, text),
                                             FIELD("cleanup", JSON_FIELD_BOOL, flag),
                                             FIELD("skip", JSON_FIELD_INT, number),
                                             FIELD("operation", JSON_FIELD_STRING, text),
                                             FIELD("key", JSON_FIELD_STRING, text),
                                             FIELD("now", JSON_FIELD_INT, number),
                                             FIELD("unit", JSON_FIELD_STRING, text),
                                             FIELD("params", JSON_FIELD_OBJECT, any),
                                             FIELD("state", JSON_FIELD_OBJECT, any),
                                             FIELD("outcome", JSON_FIELD_STRING, text),
                                             FIELD("error", JSON_FIELD_STRING, text),
                                             FIELD("answer", JSON_FIELD_ANY, any),
                                             FIELD("view", JSON_FIELD_ANY, any),
                                             {} };
#undef FIELD

        return json_decode(world, fields, false, &w, &(struct json_where){ NULL, NULL, "" }, err);
}

int harness_action_view(const struct harness_action *h, const json_t *given, json_t **ret,
                        struct err *err) {
        const char *name = json_string_value(given);
        cleanup_(freep) char *path = str_format("%s/%s.view.json", h->tests, name ? name : "");
        cleanup_(json_freep) json_t *view = name ? NULL : json_deep_copy(given);
        int r = name ? harness_read_json(path, &view, err) : 0;

        if (r >= 0)
                r = harness_check_view(h->meta, view, err);
        if (r >= 0)
                *ret = take_ptr(view);
        return r;
}

/* A secret parameter's value reaches no step: its token does. */
static json_t *seal_param(void *arg, const char *path, const json_t *value) {
        char token[SECRET_TOKEN_MAX], uri[SECRET_URI_SIZE];

        if (json_is_string(value) && secret_token_in(json_string_value(value)))
                return NULL;
        snprintf(uri, sizeof(uri), "param%021zu", strlen(path));
        return json_string(secret_token_write(uri, 1, SECRET_PLAIN, token));
}

/* As the daemon checks them before it queues the action. */
static int complete_params(json_t *world, const struct meta_action *a, struct err *err) {
        cleanup_(json_freep) json_t *none = json_object(), *made = NULL;
        const json_t *params = json_get(world, "params");
        int r = param_check(a->schema, "parameter", params ? params : none, &made, err);

        if (r < 0)
                return r;
        param_each_secret(a->schema, made, seal_param, NULL);
        json_object_set(world, "params", made);
        return 0;
}

static void set_missing(json_t *world, const char *member, json_t *value) {
        if (json_get(world, member))
                json_decref(value);
        else
                json_object_set_new(world, member, value);
}

int harness_action_complete(const struct harness_action *h, json_t *world,
                            const struct meta_action **ret, struct err *err) {
        const char *name = json_get_str(world, "action", "");
        json_t *view = NULL;
        int r = check_members(world, err);

        *ret = r < 0 ? NULL : charm_meta_action(h->meta, name);
        if (r >= 0 && !*ret)
                r = err_set(err, -EINVAL, "charm.yaml has no action \"%s\"", name);
        if (r >= 0)
                r = complete_params(world, *ret, err);
        if (r >= 0)
                r = harness_action_view(h, json_get(world, "view"), &view, err);
        if (r < 0)
                return r;
        json_object_set_new(world, "view", view);
        set_missing(world, "step", json_string(""));
        set_missing(world, "cleanup", json_false());
        set_missing(world, "unit", json_string(""));
        set_missing(world, "operation", json_string("12"));
        set_missing(world, "key", json_string("12-abcdefgh-1"));
        set_missing(world, "now", json_integer(NOW_MS));
        set_missing(world, "state", json_object());
        return 0;
}

/* ---- calls */

static int start(struct harness_action *h, struct err *err) {
        int r = h->up ? 0 : harness_worker_start(&h->worker, h->options, err);

        h->up = r >= 0;
        return r;
}

static int stop(struct harness_action *h, struct err *err) {
        int r = h->up ? harness_worker_stop(&h->worker, err) : 0;

        h->up = false;
        return r;
}

/* By the worker that has had all before. One that died is replaced at the next call. */
static int call(struct harness_action *h, const char *world, struct harness_answer *ret,
                struct err *err) {
        int r = start(h, err);

        if (r >= 0)
                r = harness_worker_step(&h->worker, world, strlen(world), ret, err);
        if (r < 0)
                (void)stop(h, NULL);
        return r;
}

/* ---- the same, the other way round */

struct harness_call {
        char *test, *step, *world;
        uint8_t said[DIGEST_SIZE];
};

static void keep_call(struct harness_action *h, const char *world, const struct step *said,
                      const uint8_t digest[DIGEST_SIZE]) {
        struct harness_call *c;

        h->calls = mem_grow(h->calls, &h->call_room, h->call_count + 1, sizeof(*h->calls));
        c = &h->calls[h->call_count++];
        c->test = str_dup(h->test);
        c->step = str_dup(said->name);
        c->world = str_dup(world);
        memcpy(c->said, digest, DIGEST_SIZE);
}

static int call_again(struct harness_worker *w, const struct harness_call *c, struct err *err) {
        struct harness_answer a = {};
        int r = harness_worker_step(w, c->world, strlen(c->world), &a, err);

        if (r >= 0 && memcmp(a.digest, c->said, DIGEST_SIZE) != 0)
                r = err_set(err, -EINVAL, "what step %s says depends on what ran before it",
                            c->step);
        harness_answer_deinit(&a);
        return r;
}

void harness_action_again(struct harness_action *h) {
        struct harness_worker w;
        struct err err = {};
        size_t i = h->call_count;
        int r = i ? harness_worker_start(&w, h->options, &err) : 0;
        bool up = i && r >= 0;

        while (r >= 0 && i) {
                r = call_again(&w, &h->calls[--i], &err);
                if (r < 0)
                        harness_action_fail(h, h->calls[i].test, &err);
        }
        if (up && harness_worker_stop(&w, r < 0 ? NULL : &err) < 0 && r >= 0)
                harness_action_fail(h, h->calls[0].test, &err);
        for (i = 0; i < h->call_count; i++) {
                free(h->calls[i].test);
                free(h->calls[i].step);
                free(h->calls[i].world);
        }
        free(h->calls);
        h->calls = NULL;
        h->call_count = h->call_room = 0;
}

/* ---- how else it may end */

static const char *what_of(const struct step *said) {
        return json_get_str(said->ask, "verb", json_get_str(said->ask, "kind", ""));
}

static int try_world(struct harness_action *h, const json_t *world, const char *what,
                     struct err *err) {
        cleanup_(freep) char *text = json_text(world);
        struct harness_answer a = {};
        struct err why = {};
        int r = call(h, text, &a, &why);

        if (r >= 0 && !a.step)
                r = err_set(&why, -EINVAL, "%s", a.refused);
        harness_answer_deinit(&a);
        return r < 0 ? err_set(err, r, "%s: %s", what, err_text(&why)) : 0;
}

static json_t *world_after(const json_t *world, const struct step *said) {
        json_t *after = json_copy((json_t *)world);

        json_object_set_new(after, "step", json_string(said->name));
        json_object_set(after, "state", said->state);
        json_object_del(after, "skip");
        json_object_del(after, "outcome");
        json_object_del(after, "error");
        json_object_del(after, "answer");
        return after;
}

static int try_failures(struct harness_action *h, json_t *world, const struct step *said,
                        struct err *err) {
        static const char *const ways[] = { "gone",   "conflict",  "not yet",    "refused",
                                            "denied", "throttled", "unreachable" };
        int r = 0;

        json_object_set_new(world, "error", json_string("a try of the harness"));
        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(ways); i++) {
                cleanup_(freep) char *what = str_format("step %s asks for %s, and when that ends "
                                                        "as \"%s\"",
                                                        said->name, what_of(said), ways[i]);

                json_object_set_new(world, "outcome", json_string(ways[i]));
                r = try_world(h, world, what, err);
        }
        return r;
}

static int try_cancel(struct harness_action *h, json_t *world, const struct step *said,
                      struct err *err) {
        cleanup_(freep) char *what = str_format("when it is cancelled while step %s waits for %s",
                                                said->name, what_of(said));

        json_object_set_new(world, "step", json_string(""));
        json_object_set_new(world, "cleanup", json_true());
        return try_world(h, world, what, err);
}

static int try_ends(struct harness_action *h, const json_t *world, const struct step *said,
                    struct err *err) {
        cleanup_(json_freep) json_t *failed = world_after(world, said),
                                    *cancelled = world_after(world, said);
        int r = try_failures(h, failed, said, err);

        return r < 0 || json_get_bool(world, "cleanup", false)
                       ? r
                       : try_cancel(h, cancelled, said, err);
}

/* ---- what was called */

static json_t *steps_of(json_t *map, const char *action) {
        json_t *steps = json_get(map, action);

        if (steps)
                return steps;
        steps = json_object();
        json_object_set_new(map, action, steps);
        return steps;
}

static void note(struct harness_action *h, const char *action, const struct step *said) {
        json_t *known = steps_of(h->known, action);
        const json_t *lists[] = { said->steps, said->cleaning };
        size_t i;
        json_t *name;

        for (size_t n = 0; n < ARRAY_SIZE(lists); n++)
                json_array_foreach((json_t *)lists[n], i, name)
                        json_object_set_new(known, json_string_value(name), json_true());
        json_object_set_new(steps_of(h->called, action), said->name, json_true());
}

static void check_called(struct harness_action *h, const char *action) {
        const json_t *called = json_get(h->called, action);
        const char *step;
        json_t *known;
        struct err err;

        if (!called) {
                err_set(&err, -ENOENT, "no test calls it: begin a tests/NAME.run.json");
                harness_action_fail(h, action, &err);
        }
        json_object_foreach(json_get(h->known, action), step, known)
                if (!json_get(called, step)) {
                        err_set(&err, -ENOENT, "no test calls its step %s", step);
                        harness_action_fail(h, action, &err);
                }
}

int harness_action_call(struct harness_action *h, const struct meta_action *action,
                        const json_t *world, struct harness_answer *ret, struct err *err) {
        cleanup_(freep) char *text = json_text(world);
        uint8_t digest[DIGEST_SIZE];
        bool again;
        int r;

        if (strlen(text) > CHARM_WORLD_MAX)
                return err_set(err, -E2BIG, "a world has at most %u bytes", CHARM_WORLD_MAX);
        digest_sha256(text, strlen(text), digest);
        again = map_set_bytes(&h->tried, digest, sizeof(digest), h) != NULL;
        r = call(h, text, ret, err);
        if (r < 0 || !ret->step)
                return r;
        if (!again)
                keep_call(h, text, ret->step, ret->digest);
        note(h, action->name, ret->step);
        if (again || !ret->step->ask)
                return 0;
        r = harness_check_ask(h->meta, action, ret->step->ask, err);
        return r < 0 ? err_add(err, r, "step %s", ret->step->name)
                     : try_ends(h, world, ret->step, err);
}

json_t *harness_action_said(const struct harness_answer *a) {
        const struct step *step = a->step;
        json_t *j = json_object();

        if (!step) {
                json_object_set_new(j, "refused", json_string(a->refused));
                return j;
        }
        json_object_set_new(j, "step", json_string(step->name));
        if (json_object_size(step->state))
                json_object_set(j, "state", step->state);
        if (json_array_size(step->log))
                json_object_set(j, "log", step->log);
        if (json_object_size(step->results))
                json_object_set(j, "results", step->results);
        if (step->ask)
                json_object_set(j, "ask", step->ask);
        if (step->next)
                json_object_set_new(j, "next", json_string(step->next));
        if (step->fail)
                json_object_set_new(j, "fail", json_string(step->fail));
        if (step->done)
                json_object_set_new(j, "done", json_true());
        return j;
}

/* ---- all of them */

static size_t test_each(struct harness_action *h, const char *end,
                        void (*test)(struct harness_action *h, const char *name)) {
        cleanup_(json_freep) json_t *names = harness_list(h->tests, end);
        size_t i;
        json_t *name;

        json_array_foreach(names, i, name) {
                h->test = json_string_value(name);
                test(h, h->test);
        }
        harness_action_again(h);
        return json_array_size(names);
}

void harness_action_test(struct harness_action *h) {
        struct err err = {};

        h->called = json_object();
        h->known = json_object();
        h->steps = test_each(h, ".step.json", harness_step_test);
        h->runs = test_each(h, ".run.json", harness_run_test);
        if (stop(h, &err) < 0)
                harness_action_fail(h, "steps", &err);
        for (size_t i = 0; i < h->meta->action_count; i++)
                check_called(h, h->meta->actions[i].name);
        json_decref(h->called);
        json_decref(h->known);
        map_free(&h->tried);
}
