/* SPDX-License-Identifier: Apache-2.0 */
/* plans-state.c - plans of what the loop would do: all pages of it, what the outside would say of
 * them, a name; and going on with one, which lets go what is kept back */
#include "plans.h"

#include "admin-internal.h"
#include "routes.h"

#include "lookup.h"
#include "shown.h"

#include <stdlib.h>

const struct json_field plans_fields[] = { { "application", JSON_FIELD_STRING,
                                             offsetof(struct plans_body, application), JSON_NULL_OK,
                                             1, 63, NULL },
                                           {} };

struct stating {
        struct request *request;
        struct reconcile_range range;
        json_t *json, *lines, *unknown;
        void (*done)(struct stating *s);
};

static void stating_end(struct stating *s, json_t *reply) {
        if (reply)
                request_reply_long(s->request, reply);
        request_unref(s->request);
        json_decref(s->json);
        free(s);
}

/* ---- what the loop would do */

static void go_on(struct stating *s);

static void on_tried(void *arg) {
        struct stating *s = arg;

        s->done(s);
}

static void on_page(void *arg, json_t *page) {
        struct stating *s = arg;
        struct reconcile *rec = s->request->admin->options.reconcile;
        int64_t next = json_get_int(page, "next", 0);

        if (!page || s->request->gone) {
                json_decref(page);
                return stating_end(s, NULL); /* the loop stops, and everybody was told */
        }
        json_array_extend(s->lines, json_get(page, "plan"));
        json_array_extend(s->unknown, json_get(page, "unknown"));
        json_decref(page);
        s->range.after = next;
        if (json_array_size(s->lines) > SHOWN_LINES_MAX)
                json_object_set_new(s->json, "more", json_true());
        else if (next)
                return go_on(s);
        reconcile_try(rec, s->lines, on_tried, s);
}

static void go_on(struct stating *s) {
        reconcile_plan(s->request->admin->options.reconcile, &s->range, on_page, s);
}

static void begin(struct request *q, const char *application, void (*done)(struct stating *s)) {
        struct stating *s = mem_new(struct stating);

        s->request = request_ref(q);
        s->done = done;
        s->json = json_pack("{s:[], s:[]}", "plan", "unknown");
        s->lines = json_get(s->json, "plan");
        s->unknown = json_get(s->json, "unknown");
        s->range = (struct reconcile_range){ .model = request_param(q, 0),
                                             .application = application };
        go_on(s);
}

/* ---- plan */

static void made(struct stating *s) {
        struct request *q = s->request;
        const struct plans_body *b = q->data;

        if (json_get(json_array_get(s->lines, 0), "frozen") && command_plan_is_blocked(s->lines))
                json_object_set_new(s->json, "plan-not-kept",
                                    json_string("what is in it is frozen: `unfreeze` first"));
        if (command_plan_is_blocked(s->lines) || q->admin->stopping || q->gone)
                return stating_end(s, take_ptr(s->json));
        plans_keep(q, b->application ? b->application : "", NULL, take_ptr(s->json));
        stating_end(s, NULL);
}

static int read_model(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        const struct plans_body *b = q->data;
        const struct q_model_row *model;
        const struct q_application_row *application;
        int r = lookup_model(tx, request_param(q, 0), &model, err);

        return r < 0 || !b->application
                       ? r
                       : lookup_application(tx, model, b->application, &application, err);
}

static void finish_model(struct request *q, json_t *json) {
        const struct plans_body *b = q->data;

        begin(q, b->application, made);
}

void plans_make(struct request *q) {
        request_look(q, read_model, finish_model);
}

/* ---- apply */

struct applying {
        struct command_plan command;
        json_t *lines;
};

static void release(struct command *c) {
        struct applying *a =
                container_of(container_of(c, struct command_plan, head), struct applying, command);

        json_decref(a->lines);
        free(a);
}

static void submit(struct request *q, json_t *lines) {
        struct applying *a = mem_new(struct applying);

        a->lines = json_incref(lines);
        a->command = (struct command_plan){ .head = { .run = command_plan_apply,
                                                      .dry_run = q->only_try,
                                                      .after_loop = true,
                                                      .shown = q->plan->id },
                                            .model = request_param(q, 0),
                                            .lines = a->lines };
        request_command(q, &a->command.head, release);
}

static void remade(struct stating *s) {
        struct request *q = s->request;

        if (q->gone || q->admin->stopping)
                return stating_end(s, NULL);
        q->tried = shown_lines(s->lines);
        if (!plans_hold(q))
                return stating_end(s, NULL);
        submit(q, s->lines);
        stating_end(s, NULL);
}

void plans_apply_state(struct request *q) {
        if (!q->plan->id)
                return submit(q, q->plan->lines);
        begin(q, q->plan->application[0] ? q->plan->application : NULL, remade);
}
