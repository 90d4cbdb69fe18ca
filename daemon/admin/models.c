/* SPDX-License-Identifier: Apache-2.0 */
/* models.c - models: list, add, remove, options, status, export, diff, pause */
#include "admin-internal.h"
#include "routes.h"

#include "charm-meta.h"
#include "clock.h"
#include "command.h"
#include "log.h"
#include "previewing.h"
#include "status.h"
#include "view-model.h"
#include "yaml.h"

#include <errno.h>
#include <stdlib.h>

const struct json_field models_add_fields[] = {
        { "name", JSON_FIELD_STRING, offsetof(struct models_add_body, name), JSON_REQUIRED, 1, 63,
          NULL },
        { "cluster", JSON_FIELD_STRING, offsetof(struct models_add_body, cluster), JSON_REQUIRED, 1,
          63, NULL },
        {}
};
const struct json_field models_config_fields[] = {
        { "set", JSON_FIELD_OBJECT, offsetof(struct models_config_body, set), 0, 0, 0, NULL },
        { "reset", JSON_FIELD_LIST, offsetof(struct models_config_body, reset), 0, 0, 0, NULL },
        {}
};
const struct json_field models_bundle_fields[] = {
        { "sources", JSON_FIELD_LIST, offsetof(struct models_bundle_body, sources), JSON_REQUIRED,
          0, 0, NULL },
        { "includes", JSON_FIELD_OBJECT, offsetof(struct models_bundle_body, includes), 0, 0, 0,
          NULL },
        { "attach-storage", JSON_FIELD_BOOL, offsetof(struct models_bundle_body, attach_storage), 0,
          0, 0, NULL },
        {}
};

static void release(struct command *c) {
        free(container_of(c, struct command_model, head));
}

static struct command_model *command_new(struct request *q,
                                         int (*run)(struct tx *, struct command *, struct err *)) {
        struct command_model *c = mem_new(struct command_model);

        c->head.run = run;
        c->head.dry_run = request_query_bool(q, "dry-run");
        c->model = request_param(q, 0);
        return c;
}

static int read_list(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        return view_model_list(tx, request_query_int(q, "after", 0), ret, err);
}

/* The row says what was asked for; what became of it only the loop knows. */
static void add_model_state(struct reconcile *rec, json_t *model) {
        const char *said = json_get_str(json_get(model, "model-status"), "current", "");
        json_t *live = reconcile_model_state(rec, json_get_str(model, "name", ""));

        if (live && str_eq(said, "available"))
                json_object_set(model, "model-status", live);
        json_decref(live);
}

static void finish_list(struct request *q, json_t *json) {
        json_t *model;
        size_t i;

        json_array_foreach(json_get(json, "models"), i, model)
                add_model_state(q->admin->options.reconcile, model);
        request_reply(q, 200, json);
}

void models_list(struct request *q) {
        request_read(q, read_list, finish_list);
}

void models_add(struct request *q) {
        const struct models_add_body *b = q->data;
        struct command_model *c = command_new(q, command_model_add);

        c->model = b->name;
        c->cluster = b->cluster;
        request_command(q, &c->head, release);
}

void models_remove(struct request *q) {
        struct command_model *c = command_new(q, command_model_remove);

        c->destroy_storage = request_query_bool(q, "destroy-storage");
        c->force = request_query_bool(q, "force");
        previewing_command(q, &c->head, c->model, NULL, release);
}

static void release_take_over(struct command *c) {
        free((char *)container_of(c, struct command_model, head)->why);
        release(c);
}

void models_take_over(struct request *q) {
        struct command_model *c = command_new(q, command_model_take_over);

        c->foreign = reconcile_is_foreign(q->admin->options.reconcile, c->model);
        c->why = reconcile_scope_reason(q->admin->options.reconcile, c->model);
        c->head.after_loop = true;
        request_command(q, &c->head, release_take_over);
}

void models_set_config(struct request *q) {
        const struct models_config_body *b = q->data;
        struct command_model *c = command_new(q, command_model_config);

        c->set = b->set;
        c->reset = b->reset;
        request_command(q, &c->head, release);
}

static int read_config(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        return view_model_config(tx, request_param(q, 0),
                                 reconcile_limits(q->admin->options.reconcile), ret, err);
}

void models_config(struct request *q) {
        request_read(q, read_config, NULL);
}

/* ---- status: the rows, and beside them what only the loop knows */

static int read_status(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        struct view_filter f = { .application = request_query(q, "application"),
                                 .relations = request_query_bool(q, "relations"),
                                 .storage = request_query_bool(q, "storage"),
                                 .units = true,
                                 .after = request_query(q, "after") };

        return view_model_status(tx, request_param(q, 0), &f, ret, err);
}

/* Units are rows as they were last seen: while nobody can look, they are not what they were. */
static void mark_unseen(json_t *application, const char *until) {
        const char *name;
        json_t *unit;

        json_object_foreach(json_get(application, "units"), name, unit) {
                const char *was = json_get_str(json_get(unit, "workload-status"), "current", "?");
                cleanup_(freep) char *text = until ? str_format("last seen %s %s", was, until)
                                                   : str_format("last seen %s", was);

                json_object_set_new(unit, "workload-status",
                                    json_pack("{s:s, s:s, s:s?}", "current", "unknown", "message",
                                              text, "since", until));
                json_object_set_new(unit, "juju-status",
                                    json_pack("{s:s, s:s?}", "current", "lost", "since", until));
        }
}

/* A command was answered, and the loop has not planned it yet: what the row says is of before. */
static void mark_changing(json_t *application) {
        const json_t *status = json_get(application, "application-status");
        char stamp[CLOCK_TEXT_MAX];

        if (str_eq(json_get_str(status, "current", ""), "active"))
                json_object_set_new(application, "application-status",
                                    json_pack("{s:s, s:s, s:s}", "current", "waiting", "message",
                                              STATUS_CHANGING, "since",
                                              clock_iso(clock_wall(), false, stamp)));
}

/* What a start reads for the first time is shown, and not in the rows. One that the loop has not
 * judged yet is as its row says. */
static void show_state(json_t *application, const json_t *live) {
        json_t *state;

        if (!json_get_str(live, "current", "")[0])
                return;
        state = json_object();

        json_object_set(state, "current", json_get(live, "current"));
        json_object_set(state, "since", json_get(live, "since"));
        if (json_get_str(live, "message", "")[0])
                json_object_set(state, "message", json_get(live, "message"));
        json_object_set_new(application, "application-status", state);
}

void models_add_live(json_t *application, const json_t *live) {
        bool readable = json_get_bool(live, "readable", false);

        if (!live)
                return;
        show_state(application, live);
        json_object_set(application, "settled", json_get(live, "settled"));
        if (json_get(live, "runs-pods"))
                json_object_set(application, "runs-pods", json_get(live, "runs-pods"));
        json_object_set(application, "drifted", json_get(live, "drifted"));
        if (json_get_bool(live, "changing", false))
                mark_changing(application);
        json_object_set_new(application, "executing",
                            json_boolean(json_get_bool(live, "executing", false)));
        if (json_array_size(json_get(live, "actions")))
                json_object_set(application, "actions", json_get(live, "actions"));
        json_object_set_new(application, "readable", json_boolean(readable));
        json_object_set(application, "seen-until", json_get(live, "seen-until"));
        if (!readable)
                mark_unseen(application, json_get_str(live, "seen-until", NULL));
}

const struct charm_offer *models_upgrade(const struct charm_host *host, const json_t *application) {
        const char *channel = json_get_str(application, "charm-channel", "");
        const char *pinned = json_get_str(application, "charm-sha256", NULL);
        const struct charm_offer *offer;
        struct err err = { 0 };

        if (!pinned ||
            charm_host_find(host, json_get_str(application, "charm-name", ""),
                            channel[0] ? channel : NULL, -1, &offer, &err) < 0 ||
            str_eq(offer->sha256, pinned) ||
            offer->meta->revision < json_get_int(application, "charm-rev", 0))
                return NULL;
        return offer;
}

void models_add_upgrade(const struct charm_host *host, json_t *application) {
        const struct charm_offer *offer = models_upgrade(host, application);

        if (offer)
                json_object_set_new(application, "can-upgrade-to",
                                    json_sprintf("revision %lld, content %.12s",
                                                 (long long)offer->meta->revision, offer->sha256));
}

static void add_live(const struct charm_host *host, json_t *shown, const json_t *live) {
        const char *name;
        json_t *application;

        json_object_foreach(json_get(shown, "applications"), name, application) {
                models_add_live(application, json_object_get(live, name));
                models_add_upgrade(host, application);
        }
}

static void finish_status(struct request *q, json_t *json) {
        const struct admin_options *o = &q->admin->options;
        cleanup_(json_freep) json_t *live = reconcile_status(o->reconcile, request_param(q, 0));
        char stamp[CLOCK_TEXT_MAX];

        add_live(o->host, json, live);
        if (json_get(json, "storage"))
                storage_add_live(o->reconcile, request_param(q, 0), json,
                                 request_query(q, "application"));
        json_object_set_new(json, "controller",
                            json_pack("{s:s, s:s, s:s, s:s}", "name", o->name, "version",
                                      MOORING_VERSION, "uuid", o->controller, "timestamp",
                                      clock_iso(clock_wall(), false, stamp)));
        json_object_set_new(json_get(json, "controller"), "read-only",
                            json_boolean(store_is_readonly(o->store)));
        json_object_set_new(json, "targets", reconcile_targets(o->reconcile));
        add_model_state(o->reconcile, json_get(json, "model"));
        request_reply_long(q, json);
}

void models_status(struct request *q) {
        request_read(q, read_status, finish_status);
}

static int read_storage(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        return view_model_storage(tx, request_param(q, 0), ret, err);
}

static void finish_storage(struct request *q, json_t *json) {
        storage_add_live(q->admin->options.reconcile, request_param(q, 0), json, NULL);
        request_reply(q, 200, json);
}

void models_storage(struct request *q) {
        request_read(q, read_storage, finish_storage);
}

static int read_relations(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        return view_model_relations(tx, request_param(q, 0), request_query(q, "application"), ret,
                                    err);
}

void models_relations(struct request *q) {
        request_read(q, read_relations, NULL);
}

/* ---- export and diff */

static int read_bundle(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        bool secrets = request_query_bool(q, "include-secrets");

        if (secrets && q->role < ROLE_ADMIN)
                return err_set(err, -EACCES, "--include-secrets needs the role admin");
        return view_model_bundle(tx, request_param(q, 0), secrets ? q->admin->options.sealer : NULL,
                                 ret, err);
}

static void finish_bundle(struct request *q, json_t *json) {
        struct buf text = BUF_INIT;
        bool as_json = str_eq(request_query(q, "format"), "json");

        q->secret = request_query_bool(q, "include-secrets");
        if (q->secret)
                log_event(LOG_NOTICE, "secrets-exported",
                          (struct log_field[]){
                                  { "MODEL", request_param(q, 0) }, { "ACTOR", q->actor }, {} },
                          "%s was given the secret options of model %s with its bundle", q->actor,
                          request_param(q, 0));
        if (as_json) {
                json_canonical(json, &text);
                buf_putc(&text, '\n');
        } else {
                yaml_write(json, &text);
        }
        json_wipe(json);
        request_reply_text(q, 200, as_json ? "application/json" : "application/yaml",
                           buf_take(&text));
}

void models_bundle(struct request *q) {
        if (request_query_bool(q, "include-secrets"))
                q->action = "export-secrets";
        request_read(q, read_bundle, finish_bundle);
}

static int read_diff(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        const struct models_bundle_body *b = q->data;
        cleanup_(bundle_freep) struct bundle *bundle = deploy_parse(b);
        int r = faults_end(&bundle->faults, err);

        return r < 0 ? r : view_model_diff(tx, request_param(q, 0), bundle, ret, err);
}

void models_diff(struct request *q) {
        request_read(q, read_diff, NULL);
}

/* ---- pause of the whole model */

static void release_application(struct command *c) {
        free(container_of(c, struct command_application, head));
}

void models_pause(struct request *q) {
        struct command_application *c = mem_new(struct command_application);
        const struct freeze_body *b = q->data;

        *c = (struct command_application){ .head = { .run = command_application_pause,
                                                     .dry_run = request_query_bool(q, "dry-run") },
                                           .model = request_param(q, 0),
                                           .why = b->reason,
                                           .until = b->until };
        if (!q->reason)
                str_set(&q->reason, b->reason);
        request_command(q, &c->head, release_application);
}

void models_unpause(struct request *q) {
        struct command_application *c = mem_new(struct command_application);

        *c = (struct command_application){ .head = { .run = command_application_unpause,
                                                     .dry_run = request_query_bool(q, "dry-run") },
                                           .model = request_param(q, 0) };
        request_command(q, &c->head, release_application);
}
