/* SPDX-License-Identifier: Apache-2.0 */
/* step-ask.c - the writing half of actions in charm.h: what is noted, and what is asked for */
#include "object.h"
#include "step.h"
#include "step-run.h"

static json_t *text_json(struct charm_ask *a, const char *function, const char *text) {
        json_t *j = text ? json_string(text) : NULL;

        if (j)
                return j;
        plan_out_mistake(&a->paper, "%s: %s", function, text ? "a text that is not UTF-8" : "NULL");
        return json_null();
}

/* ---- what is noted */

void charm_set(struct charm_ask *a, const char *key, const char *value) {
        if (value)
                json_object_set_new(a->state, key, text_json(a, "charm_set", value));
        else
                json_object_del(a->state, key);
}

void charm_log(struct charm_ask *a, const char *fmt, ...) {
        char line[CHARM_LOG_LINE_MAX + 1];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(line, sizeof(line), fmt, ap);
        va_end(ap);
        if (json_array_size(a->log) < CHARM_LOG_MAX)
                json_array_append_new(a->log, json_words(str_make_utf8(line)));
}

static bool is_secret_result(const struct charm_ask *a, const char *key) {
        size_t i;
        json_t *name;

        json_array_foreach(json_get(a->world->meta, "secret-results"), i, name)
                if (str_eq(json_string_value(name), key))
                        return true;
        return false;
}

void charm_result(struct charm_ask *a, const char *key, const char *value) {
        bool token = value && strstr(value, "{{secret:");

        if (token && !is_secret_result(a, key))
                plan_out_mistake(&a->paper,
                                 "charm_result: %s is a secret; charm.yaml does not have it under "
                                 "secret-results",
                                 key);
        json_object_set_new(a->results, key, text_json(a, "charm_result", value));
}

struct charm_plan *charm_paper(struct charm_ask *a) {
        return &a->paper;
}

/* ---- what is asked for */

static json_t *ask_of(const char *kind) {
        json_t *ask = json_object();

        json_object_set_new(ask, "kind", json_string(kind));
        return ask;
}

static void set_text(struct charm_ask *a, json_t *ask, const char *member, const char *text) {
        json_object_set_new(ask, member, text_json(a, json_get_str(ask, "kind", ""), text));
}

void charm_ask_wait(struct charm_ask *a, int64_t seconds) {
        json_t *ask = ask_of("wait");

        json_object_set_new(ask, "seconds", json_integer(seconds > 0 ? seconds : 0));
        step_run_ask(a, ask);
}

void charm_ask_ready(struct charm_ask *a, const char *label) {
        json_t *ask = ask_of("ready");

        set_text(a, ask, "label", label);
        step_run_ask(a, ask);
}

void charm_ask_settled(struct charm_ask *a) {
        step_run_ask(a, ask_of("settled"));
}

void charm_ask_taken(struct charm_ask *a, const char *application, const char *token) {
        json_t *ask = ask_of("taken");

        set_text(a, ask, "application", application);
        set_text(a, ask, "token", token);
        step_run_ask(a, ask);
}

void charm_ask_run_at(struct charm_ask *a, int64_t at, const char *action,
                      const struct charm_value *params) {
        json_t *ask = ask_of("run-at"), *values = json_object();

        if (!view_has_name(a->world->view.meta, "actions", action))
                plan_out_mistake(&a->paper, "charm_ask_run_at: charm.yaml has no action %s",
                                 action);
        for (; params && params->name; params++)
                set_text(a, values, params->name, params->text);
        set_text(a, ask, "action", action);
        json_object_set_new(ask, "at", json_integer(at));
        json_object_set_new(ask, "params", values);
        step_run_ask(a, ask);
}

void charm_ask_new_secret(struct charm_ask *a, const char *label, const char *field,
                          const char *value) {
        json_t *ask = ask_of("new-secret");

        set_text(a, ask, "label", label);
        set_text(a, ask, "field", field);
        if (value)
                set_text(a, ask, "value", value);
        step_run_ask(a, ask);
}

void charm_ask_use_secret(struct charm_ask *a, const char *token) {
        json_t *ask = ask_of("use-secret");

        set_text(a, ask, "token", token);
        step_run_ask(a, ask);
}

void charm_ask_holders(struct charm_ask *a, const char *token) {
        json_t *ask = ask_of("holders");

        set_text(a, ask, "token", token);
        step_run_ask(a, ask);
}

static json_t *options_json(struct charm_ask *a, const struct charm_value *options) {
        json_t *values = json_object();

        for (; options->name; options++) {
                if (!view_has_name(a->world->view.meta, "options", options->name))
                        plan_out_mistake(&a->paper, "charm_ask_config: charm.yaml has no option %s",
                                         options->name);
                if (options->text)
                        set_text(a, values, options->name, options->text);
                else
                        json_object_set_new(values, options->name, json_null());
        }
        return values;
}

void charm_ask_options(struct charm_ask *a, const struct charm_value *options) {
        json_t *ask = ask_of("config");

        json_object_set_new(ask, "options", options_json(a, options));
        step_run_ask(a, ask);
}

void charm_ask_config(struct charm_ask *a, const char *option, const char *value) {
        charm_ask_options(a, CHARM_VALUES({ option, value }));
}

void charm_ask_config_from(struct charm_ask *a, const char *option, const char *was,
                           const char *value) {
        json_t *ask = ask_of("config");

        json_object_set_new(ask, "options", options_json(a, CHARM_VALUES({ option, value })));
        json_object_set_new(ask, "was",
                            json_pack("{s:o}", option, text_json(a, "charm_ask_config_from", was)));
        step_run_ask(a, ask);
}

static void ask_verb(struct charm_ask *a, const char *target, const char *verb, json_t *what) {
        json_t *ask = ask_of("verb");

        set_text(a, ask, "verb", verb);
        if (target)
                set_text(a, ask, "target", target);
        json_object_set_new(ask, "ask", what);
        step_run_ask(a, ask);
}

static json_t *object_of(struct charm_ask *a, const char *what, const char *json) {
        json_t *j = NULL;
        struct err err = {};

        if (json_parse(json, strlen(json), &j, &err) < 0 || !json_is_object(j))
                plan_out_mistake(&a->paper, "%s: no JSON object: %s", what, err_text(&err));
        return j ? j : json_null();
}

void charm_ask_verb(struct charm_ask *a, const char *target, const char *verb, const char *json) {
        ask_verb(a, target, verb, object_of(a, verb, json));
}

/* ---- objects */

static json_t *document(struct charm_ask *a, const char *function, const char *file,
                        const struct charm_hole *holes) {
        cleanup_(buf_free) struct buf text = BUF_INIT;
        json_t *j = NULL;
        struct err err = {};

        if (object_write(a->paper.objects, file, holes, &a->paper, &text, &err) < 0 ||
            json_parse(buf_str(&text), text.len, &j, &err) < 0)
                plan_out_mistake(&a->paper, "%s: %s", function, err_text(&err));
        return j ? j : json_null();
}

static void ask_object(struct charm_ask *a, const char *function, const char *verb,
                       const char *file, const struct charm_hole *holes) {
        ask_verb(a, NULL, verb, json_pack("{s:o}", "object", document(a, function, file, holes)));
}

void charm_ask_apply(struct charm_ask *a, const char *file, const struct charm_hole *holes) {
        ask_object(a, "charm_ask_apply", "apply", file, holes);
}

void charm_ask_job(struct charm_ask *a, const char *file, const struct charm_hole *holes) {
        ask_object(a, "charm_ask_job", "job", file, holes);
}

void charm_ask_stream(struct charm_ask *a, const struct charm_stream *s) {
        json_t *what = json_object();

        json_object_set_new(what, "from", object_of(a, "charm_ask_stream: from", s->from));
        if (s->to)
                json_object_set_new(what, "to", object_of(a, "charm_ask_stream: to", s->to));
        json_object_set_new(what, "gzip", json_boolean(s->gzip));
        json_object_set_new(what, "undo", json_boolean(s->undo));
        if (s->key)
                set_text(a, what, "key", s->key);
        if (s->sha256)
                set_text(a, what, "sha256", s->sha256);
        ask_verb(a, NULL, "stream", what);
}

static json_t *texts(struct charm_ask *a, const char *function, const char *const *list) {
        json_t *out = json_array();

        for (; list && *list; list++)
                json_array_append_new(out, text_json(a, function, *list));
        return out;
}

void charm_ask_sql(struct charm_ask *a, const char *target, const char *const *statements,
                   const struct charm_value *values) {
        json_t *what = json_object(), *list = json_array(), *named = json_object();

        for (; values && values->name; values++)
                json_object_set_new(named, values->name,
                                    values->text ? text_json(a, "charm_ask_sql", values->text)
                                                 : json_null());
        for (; statements && *statements; statements++)
                json_array_append_new(list, json_pack("{s:o, s:O}", "sql",
                                                      text_json(a, "charm_ask_sql", *statements),
                                                      "values", named));
        json_decref(named);
        json_object_set_new(what, "statements", list);
        ask_verb(a, target, "sql", what);
}

void charm_ask_exec(struct charm_ask *a, const struct charm_exec *e) {
        json_t *what = json_object();

        set_text(a, what, "pod", e->pod);
        if (e->container)
                set_text(a, what, "container", e->container);
        json_object_set_new(what, "argv", texts(a, "charm_ask_exec", e->argv));
        if (e->input)
                set_text(a, what, "stdin", e->input);
        ask_verb(a, NULL, "exec", what);
}
