/* SPDX-License-Identifier: Apache-2.0 */
/* step.c - checks what a worker says for a step; see step.h */
#include "step.h"

#include <errno.h>
#include <stdlib.h>

#define FAIL_MAX 480 /* with some words before it fits an err */

struct answer {
        const char *step, *next, *after, *fail;
        int64_t deadline;
        json_t *steps, *cleaning, *state, *log, *results, *ask;
        bool done;
};

#define AT(member) offsetof(struct answer, member)
static const struct json_field answer_fields[] = {
        { "step", JSON_FIELD_STRING, AT(step), JSON_REQUIRED, 1, CHARM_STEP_NAME_MAX, NULL },
        { "deadline", JSON_FIELD_INT, AT(deadline), JSON_REQUIRED, 1, CHARM_STEP_DEADLINE_MAX,
          NULL },
        { "steps", JSON_FIELD_LIST, AT(steps), JSON_REQUIRED, 0, 0, NULL },
        { "cleaning", JSON_FIELD_LIST, AT(cleaning), 0, 0, 0, NULL },
        { "state", JSON_FIELD_OBJECT, AT(state), JSON_REQUIRED, 0, 0, NULL },
        { "log", JSON_FIELD_LIST, AT(log), JSON_REQUIRED, 0, 0, NULL },
        { "results", JSON_FIELD_OBJECT, AT(results), JSON_REQUIRED, 0, 0, NULL },
        { "ask", JSON_FIELD_OBJECT, AT(ask), 0, 0, 0, NULL },
        { "next", JSON_FIELD_STRING, AT(next), 0, 1, CHARM_STEP_NAME_MAX, NULL },
        { "after", JSON_FIELD_STRING, AT(after), 0, 1, CHARM_STEP_NAME_MAX, NULL },
        { "done", JSON_FIELD_BOOL, AT(done), 0, 0, 0, NULL },
        { "fail", JSON_FIELD_STRING, AT(fail), 0, 1, FAIL_MAX, NULL },
        {},
};

static int check_size(const json_t *j, size_t max, const char *what, struct err *err) {
        cleanup_(freep) char *text = json_text(j);

        if (strlen(text) <= max)
                return 0;
        return err_set(err, -E2BIG, "%s of %zu bytes, at most %zu are kept", what, strlen(text),
                       max);
}

static bool are_names(const json_t *list) {
        json_t *value;
        size_t i;

        json_array_foreach((json_t *)list, i, value)
                if (!json_is_string(value) || json_string_length(value) > CHARM_STEP_NAME_MAX)
                        return false;
        return true;
}

static int check_texts(const struct answer *a, struct err *err) {
        const char *name;
        json_t *value;
        size_t i;

        if (json_array_size(a->steps) + json_array_size(a->cleaning) > CHARM_STEPS_MAX)
                return err_set(err, -E2BIG, "more than %d steps", CHARM_STEPS_MAX);
        if (json_array_size(a->log) > CHARM_LOG_MAX)
                return err_set(err, -E2BIG, "more than %d lines of log", CHARM_LOG_MAX);
        if (!are_names(a->steps) || !are_names(a->cleaning))
                return err_set(err, -EBADMSG, "the name of a step that is none");
        json_array_foreach(a->log, i, value)
                if (!json_is_string(value) || json_string_length(value) > CHARM_LOG_LINE_MAX)
                        return err_set(err, -EBADMSG, "a line of log that is none");
        json_object_foreach(a->results, name, value)
                if (!json_is_string(value))
                        return err_set(err, -EBADMSG, "result %.60s is no text", name);
        json_object_foreach(a->state, name, value)
                if (!json_is_string(value))
                        return err_set(err, -EBADMSG, "state %.60s is no text", name);
        return 0;
}

static int check(const struct answer *a, struct err *err) {
        int said = (a->ask != NULL) + (a->next != NULL) + a->done + (a->fail != NULL);
        int r;

        if (said != 1)
                return err_set(err, -EBADMSG, "a step says %d things in place of one", said);
        if (a->ask && !json_get_str(a->ask, "kind", NULL))
                return err_set(err, -EBADMSG, "it is not said what is asked for");
        r = check_texts(a, err);
        if (r >= 0)
                r = check_size(a->state, CHARM_STATE_MAX, "a state", err);
        return r < 0 ? r : check_size(a->results, CHARM_RESULTS_MAX, "results", err);
}

int step_parse(const char *text, size_t len, struct step **ret, struct err *err) {
        cleanup_(json_freep) json_t *j = NULL;
        struct answer a = {};
        struct step *s;
        int r;

        if (len > CHARM_STEP_MAX)
                return err_set(err, -E2BIG, "%zu bytes, at most %u are allowed", len,
                               CHARM_STEP_MAX);
        r = json_parse(text, len, &j, err);
        if (r >= 0)
                r = json_decode(j, answer_fields, false, &a, &(struct json_where){ NULL, NULL, "" },
                                err);
        if (r >= 0)
                r = check(&a, err);
        if (r < 0)
                return err_add(err, r == -E2BIG ? r : -EBADMSG, "step");
        s = mem_new(struct step);
        *s = (struct step){ .name = str_dup(a.step),
                            .deadline_s = a.deadline,
                            .steps = json_incref(a.steps),
                            .cleaning = a.cleaning ? json_incref(a.cleaning) : json_array(),
                            .state = json_incref(a.state),
                            .log = json_incref(a.log),
                            .results = json_incref(a.results),
                            .ask = json_incref(a.ask),
                            .next = str_dup(a.next),
                            .after = str_dup(a.after),
                            .done = a.done,
                            .fail = str_dup(a.fail) };
        *ret = s;
        return 0;
}

struct step *step_free(struct step *s) {
        if (!s)
                return NULL;
        free(s->name);
        free(s->next);
        free(s->after);
        free(s->fail);
        json_decref(s->steps);
        json_decref(s->cleaning);
        json_decref(s->state);
        json_decref(s->log);
        json_decref(s->results);
        json_decref(s->ask);
        free(s);
        return NULL;
}
