/* SPDX-License-Identifier: Apache-2.0 */
/* harness-run.c - an action from its first step to its end; see harness-action.h
 *
 * { "action": name, "view": name or view, "params": {}, "unit": "", "now": ms,
 *   "schedule": true: it is run by a schedule,
 *   "answers": [{ "to": verb or kind, "answer": any, "outcome": "done", "error": "",
 *                 "view": from now on, "cancel": who cancels it in the place of an answer }] }
 *
 * Each ask for a verb takes the next answer. What the daemon does itself (wait, ready, settled,
 * new-secret, use-secret, config) it does here, in the view, unless the next answer is "to" it. The
 * ends are those of the daemon (action/turn-rows.c). */
#include "harness-action.h"

#include "harness-check.h"
#include "harness-file.h"
#include "harness.h"
#include "param.h"
#include "secret-token.h"

#include <errno.h>
#include <stdlib.h>

#define CALLS_MAX 1000 /* of one run: the daemon's limit of asks */
#define TICK_MS 1000   /* each answer takes so long */

struct run {
        struct harness_action *h;
        const struct meta_action *action;
        json_t *world, *said, *results;
        const json_t *answers, *file;
        size_t next; /* of ANSWERS */
        int64_t turn;
        const char *ending; /* so far */
        char *message;
        bool over;
};

struct answer {
        const char *to, *outcome, *error, *cancel;
        json_t *answer, *view;
};

/* ---- the file */

struct file {
        const char *action, *unit;
        json_t *view, *params, *answers;
        int64_t now;
        bool schedule;
};

#define AT(member) offsetof(struct file, member)
static const struct json_field file_fields[] = {
        { "action", JSON_FIELD_STRING, AT(action), JSON_REQUIRED, 0, 0, NULL },
        { "view", JSON_FIELD_ANY, AT(view), JSON_REQUIRED, 0, 0, NULL },
        { "params", JSON_FIELD_OBJECT, AT(params), 0, 0, 0, NULL },
        { "unit", JSON_FIELD_STRING, AT(unit), 0, 0, 0, NULL },
        { "now", JSON_FIELD_INT, AT(now), 0, 0, 0, NULL },
        { "schedule", JSON_FIELD_BOOL, AT(schedule), 0, 0, 0, NULL },
        { "answers", JSON_FIELD_LIST, AT(answers), 0, 0, 0, NULL },
        {},
};
#undef AT
#define AT(member) offsetof(struct answer, member)
static const struct json_field answer_fields[] = {
        { "to", JSON_FIELD_STRING, AT(to), 0, 0, 0, NULL },
        { "outcome", JSON_FIELD_STRING, AT(outcome), 0, 0, 0, NULL },
        { "error", JSON_FIELD_STRING, AT(error), 0, 0, 0, NULL },
        { "cancel", JSON_FIELD_STRING, AT(cancel), 0, 1, 100, NULL },
        { "answer", JSON_FIELD_ANY, AT(answer), 0, 0, 0, NULL },
        { "view", JSON_FIELD_ANY, AT(view), 0, 0, 0, NULL },
        {},
};

static json_t *found_secret(void *arg, const char *path, const json_t *value) {
        *(bool *)arg = true;
        return NULL;
}

/* As command-schedule.c does. */
static int check_schedule(const struct run *run, struct err *err) {
        bool secret = false;

        param_each_secret(run->action->schema, json_get(run->world, "params"), found_secret,
                          &secret);
        return secret ? err_set(err, -EINVAL,
                                "a schedule keeps no secrets: leave the secret parameters out")
                      : 0;
}

static int open_run(struct run *run, struct err *err) {
        struct file f = {};
        int r = json_decode(run->file, file_fields, false, &f,
                            &(struct json_where){ NULL, NULL, "" }, err);

        if (r < 0)
                return r;
        run->answers = f.answers;
        run->world = json_copy((json_t *)run->file);
        json_object_del(run->world, "answers");
        json_object_del(run->world, "schedule");
        r = harness_action_complete(run->h, run->world, &run->action, err);
        return r >= 0 && f.schedule ? check_schedule(run, err) : r;
}

/* ---- what the daemon does itself */

static json_t *view_secrets(struct run *run) {
        return json_dig(run->world, "view", "secrets", NULL);
}

/* Answers with the token that is in use and with the next one, which nothing uses yet. */
static int new_secret(struct run *run, const json_t *ask, json_t **ret, struct err *err) {
        cleanup_(freep) char *name =
                str_format("%s/%s", json_get_str(ask, "label", ""), json_get_str(ask, "field", ""));
        const char *old = json_get_str(view_secrets(run), name, "");
        char token[SECRET_TOKEN_MAX];
        struct secret_ref ref;

        if (!secret_token_next(old, 0, &ref))
                return err_set(err, -ENOENT, "the view has no secret %s, as {{secret:...}}", name);
        *ret = json_pack("{s:s, s:s}", "old", old, "new",
                         secret_token_write(ref.uri, ref.revision + 1, ref.form, token));
        return 0;
}

static int use_secret(struct run *run, const json_t *ask, struct err *err) {
        const char *token = json_get_str(ask, "token", ""), *name;
        struct secret_ref new, old;
        json_t *value;
        void *next;

        if (!secret_token_next(token, 0, &new))
                return err_set(err, -EINVAL, "what is to be used is no secret");
        json_object_foreach_safe(view_secrets(run), next, name, value)
                if (secret_token_next(json_string_value(value), 0, &old) &&
                    str_eq(old.uri, new.uri)) {
                        json_object_set_new(view_secrets(run), name, json_string(token));
                        return 0;
                }
        return err_set(err, -EPERM, "the secret is none of the application's own");
}

static int set_options(struct run *run, const json_t *ask, struct err *err) {
        json_t *config = json_dig(run->world, "view", "config", NULL), *value, *made;
        const char *option;
        int r = 0;

        if (!config) {
                config = json_object();
                json_object_set_new(json_get(run->world, "view"), "config", config);
        }
        json_object_foreach(json_get(ask, "options"), option, value) {
                made = NULL;
                if (json_is_null(value)) {
                        json_object_del(config, option);
                        continue;
                }
                r = charm_meta_check_option(
                        run->h->meta, json_get_str(json_get(run->world, "view"), "application", ""),
                        option, value, &made, err);
                if (r < 0)
                        return r;
                json_object_set_new(config, option, made);
        }
        return r;
}

enum { BY_HARNESS, FROM_FILE }; /* who answers */

static int do_itself(struct run *run, const json_t *ask, int64_t *ret_ms, json_t **ret,
                     struct err *err) {
        const char *kind = json_get_str(ask, "kind", "");

        if (str_eq(kind, "verb"))
                return FROM_FILE;
        if (str_eq(kind, "wait"))
                *ret_ms = json_get_int(ask, "seconds", 0) * 1000;
        if (str_eq(kind, "new-secret"))
                return new_secret(run, ask, ret, err);
        if (str_eq(kind, "use-secret"))
                return use_secret(run, ask, err);
        return str_eq(kind, "config") ? set_options(run, ask, err) : BY_HARNESS;
}

/* ---- answers */

static void set_world(struct run *run, const char *step, bool cleanup) {
        json_object_set_new(run->world, "step", json_string(step));
        json_object_set_new(run->world, "cleanup", json_boolean(cleanup));
        json_object_del(run->world, "outcome");
        json_object_del(run->world, "error");
        json_object_del(run->world, "answer");
}

static void clean_up(struct run *run, const char *ending, char *message) {
        run->ending = ending;
        free(run->message);
        run->message = message;
        set_world(run, "", true);
}

static void set_answer(struct run *run, const char *outcome, const char *error, json_t *answer) {
        json_object_set_new(run->world, "outcome", json_string(outcome));
        json_object_set_new(run->world, "error", json_string(error));
        if (answer)
                json_object_set(run->world, "answer", answer);
        else
                json_object_del(run->world, "answer");
}

/* Time passes, and the next thing that it asks for has another key. */
static void tick(struct run *run, int64_t ms) {
        int64_t now = json_get_int(run->world, "now", 0);
        char key[40];

        snprintf(key, sizeof(key), "12-abcdefgh-%lld", (long long)++run->turn + 1);
        json_object_set_new(run->world, "now", json_integer(now + TICK_MS + ms));
        json_object_set_new(run->world, "key", json_string(key));
}

static int read_answer(const struct run *run, struct answer *ret, struct err *err) {
        cleanup_(freep) char *path = str_format("answers[%zu]", run->next);

        *ret = (struct answer){ .outcome = "done", .error = "" };
        return json_decode(json_array_get(run->answers, run->next), answer_fields, false, ret,
                           &(struct json_where){ NULL, NULL, path }, err);
}

/* A's view is the world's from now on. */
static int take_view(struct run *run, const struct answer *a, struct err *err) {
        json_t *view = NULL;
        int r = a->view ? harness_action_view(run->h, a->view, &view, err) : 0;

        if (r >= 0 && view)
                json_object_set_new(run->world, "view", view);
        return r < 0 ? r : 0;
}

static int take_answer(struct run *run, const struct answer *a, struct err *err) {
        int r = take_view(run, a, err);

        run->next++;
        if (r < 0)
                return r;
        if (a->cancel)
                clean_up(run, "cancelled", str_format("cancelled by %s", a->cancel));
        else
                set_answer(run, a->outcome, a->error, a->answer);
        return 0;
}

static int answer(struct run *run, const struct step *said, struct err *err) {
        const char *what = json_get_str(said->ask, "verb", json_get_str(said->ask, "kind", ""));
        cleanup_(json_freep) json_t *told = NULL;
        bool more = run->next < json_array_size(run->answers);
        struct answer a;
        int64_t ms = 0;
        int r = more ? read_answer(run, &a, err) : 0;

        if (r < 0)
                return r;
        set_world(run, said->name, json_get_bool(run->world, "cleanup", false));
        r = more && a.to && str_eq(a.to, what) ? FROM_FILE
                                               : do_itself(run, said->ask, &ms, &told, err);
        if (r < 0)
                return err_add(err, r, "step %s asks for %s", said->name, what);
        tick(run, ms);
        if (!r)
                set_answer(run, "done", "", told);
        else if (!more)
                return err_set(err, -ENOENT,
                               "step %s asks for %s, and there are no more \"answers\": add one",
                               said->name, what);
        else if (a.to && !str_eq(a.to, what))
                return err_set(err, -EINVAL, "step %s asks for %s, and answers[%zu] is to %s",
                               said->name, what, run->next, a.to);
        return r ? take_answer(run, &a, err) : 0;
}

/* ---- ends */

static void take_failure(struct run *run, const struct step *said) {
        char *why = str_format("step %s: %s", said->name, said->fail), *before = run->message;

        if (!json_get_bool(run->world, "cleanup", false))
                return clean_up(run, "failed", why);
        run->message = str_format("%s%scleaning up: %s", before, *before ? "; " : "", why);
        free(before);
        free(why);
        if (str_eq(run->ending, "completed"))
                run->ending = "failed";
        run->over = !said->after;
        set_world(run, said->after ? said->after : "", true);
}

static int go_on(struct run *run, const struct step *said, struct err *err) {
        bool cleanup = json_get_bool(run->world, "cleanup", false);

        json_object_set(run->world, "state", said->state);
        json_object_update(run->results, said->results);
        if (said->ask)
                return answer(run, said, err);
        if (said->fail)
                take_failure(run, said);
        else if (said->next)
                set_world(run, said->next, cleanup);
        else if (cleanup)
                run->over = true;
        else
                clean_up(run, "completed", str_dup(""));
        return 0;
}

/* No step cleans up: the worker says that there is none, which is no step's word. */
static bool is_nothing(const struct step *said) {
        size_t i;
        json_t *name;

        json_array_foreach(said->cleaning, i, name)
                return false;
        return true;
}

static int turn(struct run *run, struct err *err) {
        cleanup_(harness_answer_deinit) struct harness_answer a = {};
        bool cleanup = json_get_bool(run->world, "cleanup", false);
        int r = harness_action_call(run->h, run->action, run->world, &a, err);

        if (r < 0)
                return r;
        if (!a.step)
                return err_set(err, -EINVAL, "step %s: %s", json_get_str(run->world, "step", ""),
                               a.refused);
        if (cleanup && is_nothing(a.step))
                run->over = true;
        else
                json_array_append_new(run->said, harness_action_said(&a));
        return run->over ? 0 : go_on(run, a.step, err);
}

static int run_all(struct run *run, struct err *err) {
        int r = 0;

        for (int i = 0; r >= 0 && !run->over; i++)
                r = i < CALLS_MAX ? turn(run, err)
                                  : err_set(err, -ELOOP, "it has no end after %d calls", CALLS_MAX);
        if (r >= 0 && run->next < json_array_size(run->answers))
                r = err_set(err, -EINVAL, "it was over (%s) with answers[%zu] not asked for",
                            run->ending, run->next);
        return r;
}

static json_t *run_json(const struct run *run) {
        json_t *j = json_object();

        json_object_set(j, "said", run->said);
        json_object_set_new(j, "ends", json_string(run->ending));
        if (*run->message)
                json_object_set_new(j, "message", json_string(run->message));
        if (json_object_size(run->results))
                json_object_set(j, "results", run->results);
        return j;
}

void harness_run_test(struct harness_action *h, const char *name) {
        cleanup_(freep) char *path = str_format("%s/%s.run.json", h->tests, name),
                             *says = str_format("%s/%s.asks.json", h->tests, name);
        cleanup_(json_freep) json_t *file = NULL, *got = NULL;
        struct run run = { .h = h,
                           .said = json_array(),
                           .results = json_object(),
                           .ending = "",
                           .message = str_dup("") };
        struct err err = {};
        int r = harness_read_json(path, &file, &err);

        run.file = file;
        if (r >= 0)
                r = open_run(&run, &err);
        if (r >= 0)
                r = run_all(&run, &err);
        if (r >= 0) {
                got = run_json(&run);
                r = harness_hold(says, got, h->options->update, &err);
        }
        if (r < 0)
                harness_action_fail(h, name, &err);
        else
                printf("ok %s: %s %s after %zu calls%s%s\n", name, run.action->name, run.ending,
                       json_array_size(run.said), *run.message ? ": " : "", run.message);
        harness_action_again(h);
        json_decref(run.world);
        json_decref(run.said);
        json_decref(run.results);
        free(run.message);
}
