/* SPDX-License-Identifier: Apache-2.0 */
/* policy.c - rules of what is done about drift: list, which one decides, set, drop; fields that are
 * handed over and taken over
 *
 * Objects are named as people name them (KIND/NAME), and only the loop knows them all: each handler
 * asks it first. */
#include "admin-internal.h"
#include "routes.h"

#include "clock.h"
#include "command.h"
#include "lookup.h"
#include "rule.h"

#include <errno.h>
#include <stdlib.h>

#define AT(member) offsetof(struct policy_body, member)
#define TEXT(name, member)                                                                         \
        { name, JSON_FIELD_STRING, AT(member), 0, 1, 1024, NULL }
const struct json_field policy_fields[] = {
        { "mode", JSON_FIELD_STRING, AT(mode), JSON_REQUIRED, 1, 10, NULL },
        TEXT("application", application),
        TEXT("kind", kind),
        TEXT("object", object),
        TEXT("field", field),
        TEXT("window", window),
        TEXT("zone", zone),
        TEXT("length", length),
        TEXT("until", until),
        { "reason", JSON_FIELD_STRING, AT(reason), JSON_REQUIRED, 1, 500, NULL },
        {}
};
const struct json_field policy_hand_over_fields[] = {
        { "object", JSON_FIELD_STRING, AT(object), JSON_REQUIRED, 1, 1024, NULL },
        { "field", JSON_FIELD_STRING, AT(field), JSON_REQUIRED, 1, 1024, NULL },
        { "writer", JSON_FIELD_STRING, AT(writer), JSON_REQUIRED, 1, 128, NULL },
        TEXT("until", until),
        { "reason", JSON_FIELD_STRING, AT(reason), JSON_REQUIRED, 1, 500, NULL },
        {}
};

/* ---- list */

static json_t *window_json(const struct rule *r) {
        char span[CLOCK_TEXT_MAX], stamp[CLOCK_TEXT_MAX];
        int64_t change;
        bool open = rule_window_open(r, clock_wall(), &change);
        json_t *j = json_pack("{s:s, s:s, s:s, s:b}", "begins", r->begins, "zone", r->zone,
                              "length", clock_span(r->window.length * 1000, span), "open", open);

        if (change)
                json_object_set_new(j, open ? "open-until" : "next",
                                    json_string(clock_iso(change, false, stamp)));
        if (r->broken)
                json_object_set_new(j, "broken", json_string(r->broken));
        return j;
}

static void add_text(json_t *j, const char *name, const char *text) {
        if (text[0])
                json_object_set_new(j, name, json_string(text));
}

static json_t *rule_json(const struct rule *r) {
        char stamp[CLOCK_TEXT_MAX];
        json_t *j = json_object();

        json_object_set_new(j, "id", json_integer(r->id));
        json_object_set_new(j, "mode", json_string(rule_mode_name(r->mode)));
        add_text(j, "application", r->application);
        add_text(j, "kind", r->type);
        add_text(j, "object", r->path);
        add_text(j, "field", r->field);
        if (r->begins[0])
                json_object_set_new(j, "window", window_json(r));
        add_text(j, "writer", r->writer);
        json_object_set_new(j, "owner", json_string(r->owner));
        json_object_set_new(j, "reason", json_string(r->why));
        json_object_set_new(j, "since", json_string(clock_iso(r->at, false, stamp)));
        if (r->until)
                json_object_set_new(j, "until", json_string(clock_iso(r->until, false, stamp)));
        return j;
}

/* 1: FOUND was filled; 0: the request names none. */
static int find_object(struct request *q, const char *name, struct reconcile_object *found,
                       struct err *err) {
        if (!name)
                return 0;
        return reconcile_find_object(q->admin->options.reconcile, request_param(q, 0), name, found,
                                     err);
}

static int read_rules(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        const struct q_model_row *model;
        struct rules *rules;
        json_t *list = json_array();
        int r = lookup_model(tx, request_param(q, 0), &model, err);

        if (r >= 0)
                r = rules_load(tx, model->id, &rules, err);
        if (r < 0) {
                json_decref(list);
                return r;
        }
        for (size_t i = 0; i < rules->count; i++)
                json_array_append_new(list, rule_json(&rules->items[i]));
        rules_free(rules);
        *ret = json_object();
        json_object_set_new(*ret, "rules", list);
        return 0;
}

static char *text_of(const json_t *rule, const char *name) {
        return (char *)json_get_str(rule, name, "");
}

/* Which of them decides about FIELD of FOUND; NULL: none. */
static const json_t *decides(const json_t *list, const struct reconcile_object *found,
                             const char *field) {
        cleanup_(freep) struct rule *items = mem_array(struct rule, json_array_size(list) + 1);
        struct rules rules = { .items = items, .count = json_array_size(list) };
        struct rule_subject s = { found->application, found->type, found->path };
        const struct rule *rule;

        for (size_t i = 0; i < rules.count; i++) {
                const json_t *j = json_array_get(list, i);

                items[i] = (struct rule){ .application = text_of(j, "application"),
                                          .type = text_of(j, "kind"),
                                          .path = text_of(j, "object"),
                                          .field = text_of(j, "field") };
        }
        rule = rules_find(&rules, &s, field ? field : "");
        return rule ? json_array_get(list, (size_t)(rule - items)) : NULL;
}

static void finish_rules(struct request *q, json_t *json) {
        struct reconcile_object found = { 0 };
        struct err err = { 0 };
        int r = find_object(q, request_query(q, "object"), &found, &err);
        const json_t *rule = NULL;

        if (r > 0) {
                rule = decides(json_get(json, "rules"), &found, request_query(q, "field"));
                json_object_set_new(json, "object",
                                    json_pack("{s:s, s:s, s:s}", "kind", found.type, "path",
                                              found.path, "application", found.application));
                json_object_set_new(json, "decides",
                                    rule ? json_deep_copy(rule)
                                         : json_pack("{s:s, s:s}", "mode", "repair", "reason",
                                                     "no rule says otherwise"));
        }
        reconcile_object_deinit(&found);
        if (r >= 0)
                return request_reply(q, 200, json);
        json_decref(json);
        request_fail(q, r, &err);
}

void policy_list(struct request *q) {
        request_read(q, read_rules, finish_rules);
}

/* ---- set, drop */

struct changing {
        struct command_policy command;
        struct reconcile_object object;
};

static void release(struct command *c) {
        struct changing *p = container_of(container_of(c, struct command_policy, head),
                                          struct changing, command);

        reconcile_object_deinit(&p->object);
        free(p);
}

/* What is ignored is left out of what is written: not every outside can do that. */
static int check_keeps(const struct changing *p, struct err *err) {
        if (!p->object.type || p->object.keeps || !str_eq(p->command.mode, "ignore"))
                return 0;
        return err_set(err, -EOPNOTSUPP,
                       "%s %s is written as a whole: its fields cannot be ignored one by one; use "
                       "report or off",
                       p->object.type, p->object.path);
}

static void submit(struct request *q, int (*run)(struct tx *, struct command *, struct err *),
                   const char *object, const struct command_policy *in) {
        struct changing *p = mem_new(struct changing);
        struct err err = { 0 };
        int r;

        p->command = *in;
        p->command.head.run = run;
        p->command.head.dry_run = request_query_bool(q, "dry-run");
        p->command.model = request_param(q, 0);
        p->command.kind_unknown = in->type && !reconcile_has_kind(q->admin->options.reconcile,
                                                                  p->command.model, in->type);
        r = find_object(q, object, &p->object, &err);
        if (r == -ENOENT && run == command_policy_unset) {
                p->command.object = object;
                r = 0;
        }
        if (r > 0) {
                p->command.type = p->object.type;
                p->command.path = p->object.path;
                r = check_keeps(p, &err);
        }
        if (r < 0) {
                release(&p->command.head);
                return request_fail(q, r, &err);
        }
        if (p->command.why && !q->reason)
                str_set(&q->reason, p->command.why);
        request_command(q, &p->command.head, release);
}

void policy_set(struct request *q) {
        const struct policy_body *b = q->data;

        submit(q, command_policy_set, b->object,
               &(struct command_policy){ .application = b->application,
                                         .type = b->kind,
                                         .field = b->field,
                                         .mode = b->mode,
                                         .begins = b->window,
                                         .zone = b->zone,
                                         .length = b->length,
                                         .until = b->until,
                                         .why = b->reason });
}

void policy_unset(struct request *q) {
        submit(q, command_policy_unset, request_query(q, "object"),
               &(struct command_policy){ .application = request_query(q, "application"),
                                         .type = request_query(q, "kind"),
                                         .field = request_query(q, "field"),
                                         .why = q->reason });
}

void policy_hand_over(struct request *q) {
        const struct policy_body *b = q->data;

        submit(q, command_policy_set, b->object,
               &(struct command_policy){ .field = b->field,
                                         .mode = "ignore",
                                         .writer = b->writer,
                                         .until = b->until,
                                         .why = b->reason });
}

void policy_take_over(struct request *q) {
        submit(q, command_policy_unset, request_query(q, "object"),
               &(struct command_policy){ .field = request_query(q, "field"), .why = q->reason });
}
