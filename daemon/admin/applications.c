/* SPDX-License-Identifier: Apache-2.0 */
/* applications.c - one application, and its units: show, options, scale, pause, remove, consent
 *
 * Each handler fills one command or one read of the path's (model, application). */
#include "admin-internal.h"
#include "previewing.h"
#include "routes.h"

#include "command.h"
#include "view-model.h"

#include <errno.h>
#include <stdlib.h>

#define AT(member) offsetof(struct applications_body, member)
#define SCALE_MAX 10000 /* far above what any charm allows; keeps sums sane */

const struct json_field applications_scale_fields[] = {
        { "scale", JSON_FIELD_INT, AT(scale), JSON_REQUIRED, 0, SCALE_MAX, NULL }, {}
};
const struct json_field applications_trust_fields[] = {
        { "trust", JSON_FIELD_BOOL, AT(trust), JSON_REQUIRED, 0, 0, NULL }, {}
};
const struct json_field applications_constraints_fields[] = {
        { "constraints", JSON_FIELD_STRING, AT(constraints), JSON_REQUIRED, 0, 1000, NULL }, {}
};
const struct json_field applications_storage_fields[] = {
        { "storage", JSON_FIELD_STRING, AT(storage), JSON_REQUIRED, 1, 63, NULL },
        { "size", JSON_FIELD_STRING, AT(size), JSON_REQUIRED, 1, 100, NULL },
        { "force", JSON_FIELD_BOOL, AT(force), 0, 0, 0, NULL },
        {}
};
const struct json_field applications_adopt_fields[] = {
        { "object", JSON_FIELD_STRING, AT(object), JSON_NULL_OK, 1, 600, NULL }, {}
};
const struct json_field applications_recreate_fields[] = {
        { "object", JSON_FIELD_STRING, AT(object), JSON_REQUIRED, 1, 600, NULL }, {}
};
const struct json_field applications_config_fields[] = {
        { "set", JSON_FIELD_OBJECT, AT(set), 0, 0, 0, NULL },
        { "reset", JSON_FIELD_LIST, AT(reset), 0, 0, 0, NULL },
        { "file", JSON_FIELD_STRING, AT(file), 0, 1, 4096, NULL },
        { "text", JSON_FIELD_STRING, AT(text), 0, 0, 0, NULL },
        {}
};

/* ---- reads */

static int read_application(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        return view_model_application(tx, request_param(q, 0), request_param(q, 1), ret, err);
}

struct showing {
        struct request *request;
        json_t *json;
};

static void add_objects(void *arg, json_t *listed) {
        struct showing *s = arg;
        json_t *application = json_get(s->json, request_param(s->request, 1));
        bool whole = listed != NULL;

        json_object_set(application, "objects", json_get(listed, "resources"));
        if (json_get(listed, "next"))
                json_object_set(application, "objects-next", json_get(listed, "next"));
        json_decref(listed); /* the thread that prints has the last hold of 5,000, and frees them */
        if (whole)
                request_reply_long(s->request, take_ptr(s->json));
        json_decref(s->json);
        request_unref(s->request);
        free(s);
}

static void finish_application(struct request *q, json_t *json) {
        struct reconcile *rec = q->admin->options.reconcile;
        cleanup_(json_freep) json_t *live = reconcile_status(rec, request_param(q, 0));
        struct reconcile_range range;
        struct showing *s;
        json_t *application;

        application = json_get(json, request_param(q, 1));
        models_add_live(application, json_object_get(live, request_param(q, 1)));
        models_add_upgrade(q->admin->options.host, application);
        s = mem_new(struct showing);
        s->request = request_ref(q);
        s->json = json;
        range = (struct reconcile_range){ .model = request_param(q, 0),
                                          .application = request_param(q, 1) };
        reconcile_resources(rec, &range, add_objects, s);
}

void applications_show(struct request *q) {
        request_read(q, read_application, finish_application);
}

static int read_unit(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        return view_model_unit(tx, request_param(q, 0), request_param(q, 1), ret, err);
}

/* One unit is shown as its application shows it. */
static void finish_unit(struct request *q, json_t *json) {
        cleanup_(json_freep) json_t *live =
                reconcile_status(q->admin->options.reconcile, request_param(q, 0));
        json_t *unit = json_object_iter_value(json_object_iter(json));
        cleanup_(json_freep) json_t *around = json_object();

        json_object_set(around, "units", json);
        models_add_live(around, json_object_get(live, json_get_str(unit, "application", "")));
        request_reply(q, 200, json);
}

void applications_unit(struct request *q) {
        request_read(q, read_unit, finish_unit);
}

static int read_options(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        return view_model_options(tx, request_param(q, 0), request_param(q, 1), ret, err);
}

void applications_config(struct request *q) {
        request_read(q, read_options, NULL);
}

/* ---- commands */

static void release_config(struct command *c) {
        free(container_of(c, struct command_config, head));
}

void applications_set_config(struct request *q) {
        const struct applications_body *b = q->data;
        struct command_config *c = mem_new(struct command_config);

        *c = (struct command_config){ .head = { .run = command_config_set,
                                                .dry_run = request_query_bool(q, "dry-run") },
                                      .model = request_param(q, 0),
                                      .application = request_param(q, 1),
                                      .set = b->set,
                                      .reset = b->reset,
                                      .file = b->text ? (b->file ? b->file : "--file") : NULL,
                                      .text = b->text };
        previewing_command(q, &c->head, c->model, c->application, release_config);
}

static void release(struct command *c) {
        free(container_of(c, struct command_application, head));
}

static struct command_application *
command_new(struct request *q, int (*run)(struct tx *, struct command *, struct err *)) {
        struct command_application *c = mem_new(struct command_application);

        c->head.run = run;
        c->head.dry_run = request_query_bool(q, "dry-run");
        c->model = request_param(q, 0);
        c->application = request_param(q, 1);
        return c;
}

static void submit(struct request *q, struct command_application *c) {
        request_command(q, &c->head, release);
}

/* Of who was told by status that something waits for a person. */
static void submit_after_loop(struct request *q, struct command_application *c) {
        c->head.after_loop = true;
        submit(q, c);
}

/* Of what the charm sees: the objects that would be other are told too. */
static void submit_previewed(struct request *q, struct command_application *c) {
        previewing_command(q, &c->head, c->model, c->application, release);
}

void applications_remove(struct request *q) {
        struct command_application *c = command_new(q, command_application_remove);

        c->destroy_storage = request_query_bool(q, "destroy-storage");
        c->force = request_query_bool(q, "force");
        previewing_command(q, &c->head, c->model, NULL, release);
}

void applications_scale(struct request *q) {
        struct command_application *c = command_new(q, command_application_scale);

        c->scale = ((const struct applications_body *)q->data)->scale;
        submit_previewed(q, c);
}

void applications_trust(struct request *q) {
        struct command_application *c = command_new(q, command_application_trust);

        c->trust = ((const struct applications_body *)q->data)->trust;
        submit_previewed(q, c);
}

void applications_constraints(struct request *q) {
        struct command_application *c = command_new(q, command_application_constraints);

        c->constraints = ((const struct applications_body *)q->data)->constraints;
        submit_previewed(q, c);
}

void applications_set_storage(struct request *q) {
        struct command_application *c = command_new(q, command_application_storage);
        const struct applications_body *b = q->data;

        c->storage = b->storage;
        c->size = b->size;
        c->force = b->force;
        submit_previewed(q, c);
}

void applications_pause(struct request *q) {
        struct command_application *c = command_new(q, command_application_pause);
        const struct freeze_body *b = q->data;

        c->why = b->reason;
        c->until = b->until;
        if (!q->reason)
                str_set(&q->reason, c->why);
        submit(q, c);
}

void applications_unpause(struct request *q) {
        submit(q, command_new(q, command_application_unpause));
}

void applications_accept_loss(struct request *q) {
        submit_after_loop(q, command_new(q, command_application_accept_loss));
}

void applications_adopt(struct request *q) {
        struct command_application *c = command_new(q, command_application_adopt);

        c->object = ((const struct applications_body *)q->data)->object;
        submit_after_loop(q, c);
}

void applications_recreate(struct request *q) {
        struct command_application *c = command_new(q, command_application_recreate);

        c->object = ((const struct applications_body *)q->data)->object;
        submit_after_loop(q, c);
}

void applications_attach_storage(struct request *q) {
        submit_after_loop(q, command_new(q, command_application_attach_storage));
}

void applications_destroy_storage(struct request *q) {
        submit_after_loop(q, command_new(q, command_application_destroy_storage));
}
