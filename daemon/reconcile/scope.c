/* SPDX-License-Identifier: Apache-2.0 */
/* scope.c - one model: what it lives in (a namespace), whether anything of it may be written,
 * and its end
 *
 * The namespace is a resource wanted by the model itself. It carries the stamp (controller,
 * model uuid): a namespace with another stamp, or another cluster than the one the model was
 * bound to, and nothing of the model is written. A dying model waits for its applications to
 * end, then for its namespace (deleted only when the daemon made it and nothing else is in it),
 * then its rows go. */
#include "reconcile-internal.h"

#include "clock.h"
#include "command.h"
#include "log.h"
#include "queries.gen.h"

#include <errno.h>
#include <stdlib.h>

#define NEXT_MAX 128 /* a command with a model's name */

struct scope_work {
        struct store_call call;
        struct reconcile *rec;
        int64_t id;
        bool found;
        /* read */
        char *name, *uuid, *paused;
        struct rules *rules;
        int64_t target, scope, applications;
        bool destroying; /* storage of it is being destroyed */
        bool dying, force, destroy_storage;
        bool keeps;    /* storage that was to be kept is in it */
        bool not_ours; /* its namespace is another's, and nothing was ever written there */
        /* to write */
        char *type, *path, *document;
        int64_t new_scope;
        bool removed; /* the last slice of it: the model's row is gone */
};

static void work_free(struct scope_work *w) {
        free(w->name);
        free(w->uuid);
        free(w->paused);
        rules_free(w->rules);
        free(w->type);
        free(w->path);
        free(w->document);
        free(w);
}

static int read_kept(struct tx *tx, struct scope_work *w, struct err *err) {
        struct q_detached_row *rows;
        size_t n;
        int r = q_detached_list(tx, &(struct q_detached_list_in){ .model_id = w->id, .max = 1 },
                                &rows, &n, err);

        w->keeps = r >= 0 && n && !w->destroy_storage;
        return r;
}

static int read_destroying(struct tx *tx, struct scope_work *w, struct err *err) {
        struct q_resource_row *rows;
        size_t n;
        int r = q_resource_by_model(tx,
                                    &(struct q_resource_by_model_in){ .model_id = w->id, .max = 2 },
                                    &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                w->destroying |= rows[i].id != w->scope;
        return r;
}

static int read_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct scope_work *w = c->arg;
        struct q_application_count_row *count;
        struct q_model_row *m;
        size_t n;
        int r = q_model_by_id(tx, &(struct q_model_by_id_in){ .id = w->id }, &m, &n, err);

        if (r < 0 || n == 0)
                return r;
        w->found = true;
        w->name = str_dup(m->name);
        w->uuid = str_dup(m->uuid);
        w->paused = rule_pause_text(m->paused_by, m->paused_why, m->paused_until);
        w->target = m->target_id;
        w->scope = m->scope_null ? 0 : m->scope;
        w->dying = str_eq(m->life, "dying");
        w->force = m->force;
        w->destroy_storage = m->destroy_storage;
        r = rules_load(tx, w->id, &w->rules, err);
        if (r >= 0)
                r = q_application_count(tx, &(struct q_application_count_in){ .model_id = w->id },
                                        &count, &n, err);
        if (r >= 0 && n)
                w->applications = count->total;
        if (r >= 0)
                r = read_destroying(tx, w, err);
        return r < 0 ? r : read_kept(tx, w, err);
}

const char *scope_elsewhere(struct reconcile *rec, const struct world_model *m, char *text,
                            size_t size) {
        const struct world_target *t = world_target(&rec->world, m->target);

        if (!t || !t->bound || !t->identity || str_eq(t->bound, t->identity))
                return NULL;
        snprintf(text, size,
                 "%s is another outside than the one this model was bound to (%s, was %s): "
                 "nothing is written; mooringctl rebind-cluster %s",
                 t->name, t->identity, t->bound, t->name);
        return text;
}

/* What is being removed is not taken over. */
static const char *way_on(const struct world_model *m, char *text, size_t size) {
        if (m->dying)
                snprintf(text, size, "remove-model %s --force", m->name);
        else
                snprintf(text, size, "take-over-model %s", m->name);
        return text;
}

const char *scope_foreign(struct reconcile *rec, const struct world_model *m, char *text,
                          size_t size) {
        const struct world_resource *s = world_resource(&rec->world, m->scope);
        char next[NEXT_MAX];

        if (scope_elsewhere(rec, m, text, size))
                return text;
        /* Taken over, until ours is on it: who stamps it after that is another one. */
        if (!s || s->seen.presence != PRESENCE_PRESENT || !s->seen.foreign ||
            (s->row.adopted && !s->row.applied_generation))
                return NULL;
        snprintf(text, size,
                 "%s %s carries the stamp of another controller or model: nothing is written; "
                 "mooringctl %s",
                 s->type, s->path, way_on(m, next, sizeof(next)));
        return text;
}

static bool is_going(const struct world_resource *s) {
        return s && s->seen.presence == PRESENCE_LEAVING && !s->row.dying;
}

const char *scope_blocked(struct reconcile *rec, const struct world_model *m, char *text,
                          size_t size) {
        const struct world_resource *s = world_resource(&rec->world, m->scope);
        const char *foreign = scope_foreign(rec, m, text, size);
        char next[NEXT_MAX];

        if (foreign)
                return foreign;
        if (is_going(s)) {
                snprintf(text, size,
                         "%s %s is being deleted, data in it too: see mooringctl models", s->type,
                         s->path);
                return text;
        }
        if (!s || s->row.applied_generation || s->row.outcome != OUTCOME_CONFLICT)
                return NULL;
        /* The reason says how the pause ends, and before that end nothing is taken over. */
        if (m->paused)
                snprintf(text, size, "%s %s was there before; paused: %s", s->type, s->path,
                         m->paused);
        else
                snprintf(text, size, "%s %s: %s; mooringctl %s", s->type, s->path,
                         s->reason ? s->reason : "was there before", way_on(m, next, sizeof(next)));
        return text;
}

const char *scope_told(struct reconcile *rec, const struct world_model *m, char *text,
                       size_t size) {
        const struct world_resource *s = world_resource(&rec->world, m->scope);

        if (!scope_blocked(rec, m, text, size))
                return NULL;
        if (!scope_foreign(rec, m, text, size) && is_going(s))
                snprintf(text, size,
                         "%s %s: %s: all that is in it goes, data too; what is wanted is made "
                         "again when it is gone",
                         s->type, s->path, s->seen.reason ? s->seen.reason : "it is being deleted");
        return text;
}

const char *scope_unread(struct reconcile *rec, const struct world_model *m, char *text,
                         size_t size) {
        const struct world_resource *s = world_resource(&rec->world, m->scope);

        if (!m->scope || m->scope_seen || (s && !s->row.applied_generation) ||
            (s && s->seen.presence != PRESENCE_UNKNOWN))
                return NULL;
        snprintf(text, size, "%s %s: whose it is was not read yet since the start",
                 s ? s->type : "what model", s ? s->path : m->name);
        return text;
}

const char *scope_unmade(struct reconcile *rec, const struct world_model *m, char *text,
                         size_t size) {
        const struct world_target *t = world_target(&rec->world, m->target);
        const struct world_resource *s = world_resource(&rec->world, m->scope);

        if (!t || !t->provider || !t->provider->scope || (s && s->row.applied_generation))
                return NULL;
        if (s)
                snprintf(text, size, "%s %s: %s", s->type, s->path,
                         s->reason ? s->reason : "not there yet");
        else
                snprintf(text, size, "what model %s lives in: %s", m->name,
                         m->trouble ? m->trouble : "not planned yet");
        return text;
}

/* ---- writing */

static void on_written(struct store_call *c, int r, const struct err *err) {
        struct scope_work *w = c->arg;
        struct reconcile *rec = w->rec;
        struct world_model *m = world_model(&rec->world, w->id);

        if (r < 0) {
                log_plain(LOG_WARNING, "model", "%s: %s", w->name, err_text(err));
                if (m)
                        str_set(&m->trouble, err_text(err));
                queue_failed(rec->queue, KEY_MODEL, w->id, QUEUE_CHANGE);
        } else {
                if (m && w->new_scope)
                        m->scope = w->new_scope;
                if (m)
                        str_set(&m->trouble, NULL);
                if (w->removed)
                        reconcile_event(rec, "model", w->name, w->name, "removed");
                queue_done(rec->queue, KEY_MODEL, w->id);
        }
        work_free(w);
}

static void write(struct scope_work *w,
                  int (*run)(struct tx *, struct store_call *, struct err *)) {
        w->call.run = run;
        w->call.done = on_written;
        store_submit(w->rec->options.store, &w->call);
}

/* A namespace that a charm asked for is an application's, and goes with it. */
static int refuse_wanted(struct tx *tx, const struct q_resource_row *row, struct err *err) {
        struct q_want_row *wants;
        size_t n;
        int r = q_want_by_resource(tx, &(struct q_want_by_resource_in){ .resource_id = row->id },
                                   &wants, &n, err);

        if (r < 0 || n == 0)
                return r < 0 ? r : 0;
        return err_set(err, -EBUSY, "%s %s is wanted by an application of another model", row->type,
                       row->path);
}

static int ensure_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct scope_work *w = c->arg;
        uint8_t digest[DIGEST_SIZE];
        struct q_resource_row *row;
        size_t n;
        int r = tx_cache_put(tx, w->document, strlen(w->document), digest, err);

        if (r < 0)
                return r;
        r = q_resource_by_identity(tx,
                                   &(struct q_resource_by_identity_in){ .target_id = w->target,
                                                                        .type = w->type,
                                                                        .path = w->path },
                                   &row, &n, err);
        if (r >= 0 && n)
                r = refuse_wanted(tx, row, err);
        if (r < 0)
                return r;
        w->new_scope = n ? row->id : tx_id(tx, "resource");
        if (n) {
                if (row->wanted_len != DIGEST_SIZE || memcmp(row->wanted, digest, DIGEST_SIZE) != 0)
                        r = w_resource_want(tx,
                                            &(struct w_resource_want_in){ .id = row->id,
                                                                          .wanted = digest,
                                                                          .wanted_len = DIGEST_SIZE,
                                                                          .owner_id_null = true,
                                                                          .model_id = w->id,
                                                                          .keep = true },
                                            err);
        } else {
                r = w_resource_scope_insert(
                        tx,
                        &(struct w_resource_scope_insert_in){ .id = w->new_scope,
                                                              .target_id = w->target,
                                                              .type = w->type,
                                                              .path = w->path,
                                                              .model_id = w->id,
                                                              .wanted = digest,
                                                              .wanted_len = DIGEST_SIZE },
                        err);
        }
        if (r >= 0)
                r = w_model_set_scope(
                        tx, &(struct w_model_set_scope_in){ .id = w->id, .scope = w->new_scope },
                        err);
        if (r < 0)
                return r;
        tx_mark(tx, MARK_RESOURCE, w->new_scope);
        return 0;
}

static int dying_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct scope_work *w = c->arg;
        int r = w_resource_set_life(
                tx, &(struct w_resource_set_life_in){ .id = w->scope, .life = "dying" }, err);

        if (r < 0)
                return r;
        tx_mark(tx, MARK_RESOURCE, w->scope);
        return 0;
}

/* It stays, and is told: storage that was to be kept is in it, or --force does not wait for its
 * end, or that of storage that is being destroyed. */
static int leave_row(struct tx *tx, const struct q_resource_row *row, void *arg, struct err *err) {
        struct scope_work *w = arg;
        struct data_left left = { w->name, "", row->type, row->path,
                                  w->keeps ? "data that is kept is in it"
                                           : "removed with --force" };
        int r = data_leave(tx, &left, err);

        if (r >= 0)
                r = resource_delete_rows(tx, row->id, err);
        tx_mark(tx, MARK_RESOURCE, row->id);
        return r;
}

#define HISTORY_SLICE                                                                              \
        10000 /* rows of the past deleted in one commit: bounds how long it holds up others */

static int delete_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct scope_work *w = c->arg;
        int r = w_drift_delete_model(
                tx, &(struct w_drift_delete_model_in){ .model_id = w->id, .max = HISTORY_SLICE },
                err);
        int s;

        w->removed = false;
        if (r < 0)
                return r;
        s = w_status_history_delete_model(tx,
                                          &(struct w_status_history_delete_model_in){
                                                  .model_id = w->id, .max = HISTORY_SLICE },
                                          err);
        if (s < 0)
                return s;
        if (r == HISTORY_SLICE || s == HISTORY_SLICE) {
                tx_mark(tx, MARK_MODEL, w->id);
                return 0;
        }
        w->removed = true;
        r = w->force ? data_each_of_model(tx, w->id, leave_row, w, err) : 0;
        if (r >= 0 && w->not_ours) {
                r = resource_delete_rows(tx, w->scope, err);
                tx_mark(tx, MARK_RESOURCE, w->scope);
        }
        if (r >= 0)
                r = removal_model(tx, w->id, err); /* what it left behind becomes a leftover */
        if (r < 0)
                return r;
        tx_mark(tx, MARK_MODEL, w->id);
        tx_mark(tx, MARK_TARGET, w->target);
        return 0;
}

/* ---- deciding */

static int describe(struct scope_work *w, const struct provider *p, struct err *err) {
        cleanup_(json_freep) json_t *doc = p->scope ? p->scope(w->name, w->uuid) : NULL;
        cleanup_(identity_free) struct identity i = { 0 };
        int r;

        if (!doc)
                return 0;
        r = p->identify(doc, w->name, &i, err);
        if (r < 0)
                return r;
        w->document = json_text(doc);
        w->type = take_ptr(i.type);
        w->path = take_ptr(i.path);
        return 1;
}

/* The namespace's row is there with this content: nothing to write. */
static bool in_place(struct reconcile *rec, const struct scope_work *w) {
        const struct world_resource *s = world_resource(&rec->world, w->scope);
        uint8_t digest[DIGEST_SIZE];

        digest_sha256(w->document, strlen(w->document), digest);
        return s && s->wanted_valid && !s->document_lost &&
               memcmp(s->wanted, digest, DIGEST_SIZE) == 0;
}

/* There is nothing to take away. One that is being written to now is asked of again then. */
static bool is_never_ours(const struct world_resource *s) {
        return s && !s->busy && !s->row.applied_generation && !s->row.adopted &&
               ((s->seen.presence == PRESENCE_PRESENT && s->seen.foreign) ||
                s->row.outcome == OUTCOME_CONFLICT);
}

static void end_model(struct scope_work *w) {
        struct reconcile *rec = w->rec;
        struct world_resource *s = world_resource(&rec->world, w->scope);

        /* The last application's end marks the model, and so does the last storage's. While storage
         * is kept the model stays with it, to show it and the secrets that open it. */
        if (w->applications || ((w->destroying || w->keeps) && !w->force)) {
                queue_done(rec->queue, KEY_MODEL, w->id);
                work_free(w);
                return;
        }
        w->not_ours = !w->keeps && !w->force && is_never_ours(s);
        if (w->not_ours)
                return write(w, delete_run);
        if (s && !s->row.dying && !w->keeps)
                return write(w, dying_run);
        if (s && !w->force) {
                queue_done(rec->queue, KEY_MODEL, w->id);
                work_free(w);
                return;
        }
        write(w, delete_run);
}

static void wake_applications(struct reconcile *rec, int64_t model) {
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&rec->world.applications, &i));) {
                struct world_application *a = e->value;

                if (a->model == model)
                        application_touch(rec, a->id);
        }
}

/* Also those of servers that run in it. BUT: not those of this target. */
static void wake_resources(struct reconcile *rec, int64_t model, int64_t but) {
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&rec->world.resources, &i));) {
                struct world_resource *r = e->value;
                const struct world_model *m = resource_model(rec, r);

                if (!m || m->id != model || r->target == but)
                        continue;
                r->retry_at = 0; /* what failed may have failed for what is other now */
                queue_add(rec->queue, KEY_RESOURCE, r->id, QUEUE_CHANGE);
        }
}

/* Another stamp, another cluster, a namespace that goes or was never accepted. */
static bool is_closed(struct reconcile *rec, const struct world_model *m) {
        char text[400];

        return scope_blocked(rec, m, text, sizeof(text)) ||
               scope_unmade(rec, m, text, sizeof(text));
}

/* What is in the namespace waits for it anyhow, and is told of it as what stands on it; what lives
 * in servers is not. */
static void take_seen(struct reconcile *rec, struct world_model *m) {
        const struct world_resource *s = world_resource(&rec->world, m->scope);

        if (m->scope_seen || !s || s->seen.presence == PRESENCE_UNKNOWN)
                return;
        m->scope_seen = true;
        wake_resources(rec, m->id, m->target);
}

/* Copies what was read; returns whether pausing or blocking changed, so that its resources are
 * decided anew. */
static bool take(struct reconcile *rec, struct scope_work *w) {
        struct world_model *m = world_model_get(&rec->world, w->id);
        bool news = !str_eq(m->paused, w->paused);

        news |= term_take(rec, m, take_ptr(w->rules));
        world_model_rename(&rec->world, m, w->name);
        str_set(&m->uuid, w->uuid);
        str_set(&m->paused, w->paused);
        m->target = w->target;
        m->scope = w->scope;
        m->dying = w->dying;
        m->force = w->force;
        m->destroy_storage = w->destroy_storage;
        news |= m->closed != is_closed(rec, m);
        m->closed = is_closed(rec, m);
        take_seen(rec, m);
        return news;
}

static void on_read(struct store_call *c, int r, const struct err *err) {
        struct scope_work *w = c->arg;
        struct reconcile *rec = w->rec;
        struct world_model *m = world_model(&rec->world, w->id);
        struct world_target *t;
        struct err e = { 0 };

        if (r < 0 || rec->stopping || !w->found) {
                if (r < 0)
                        queue_failed(rec->queue, KEY_MODEL, w->id, QUEUE_CHANGE);
                else
                        queue_done(rec->queue, KEY_MODEL, w->id);
                if (r >= 0 && !w->found && m)
                        world_model_drop(&rec->world, m);
                work_free(w);
                return;
        }
        t = world_target(&rec->world, w->target);
        if (take(rec, w))
                wake_resources(rec, w->id, 0);
        wake_applications(rec, w->id);
        if (w->dying)
                return end_model(w);
        if (!t || !t->provider) {
                queue_failed(rec->queue, KEY_MODEL, w->id, QUEUE_CHANGE);
                work_free(w);
                return;
        }
        r = describe(w, t->provider, &e);
        if (r > 0 && !in_place(rec, w))
                return write(w, ensure_run);
        if (r < 0)
                log_plain(LOG_ERR, "model", "%s: %s", w->name, err_text(&e));
        queue_done(rec->queue, KEY_MODEL, w->id);
        work_free(w);
}

void scope_handle(struct reconcile *rec, int64_t id) {
        struct scope_work *w = mem_new(struct scope_work);

        w->rec = rec;
        w->id = id;
        w->call = (struct store_call){ .lane = STORE_LOOP,
                                       .actor = "loop",
                                       .name = "scope",
                                       .run = read_run,
                                       .done = on_read,
                                       .arg = w };
        store_read(rec->options.store, &w->call);
}

char *reconcile_scope_reason(struct reconcile *rec, const char *model) {
        const struct world_model *m = world_model_named(&rec->world, model);
        const struct world_resource *s = m ? world_resource(&rec->world, m->scope) : NULL;

        return s && s->reason && s->reason[0] ? str_dup(s->reason) : NULL;
}

bool reconcile_is_foreign(struct reconcile *rec, const char *model) {
        const struct world_model *m = world_model_named(&rec->world, model);
        const struct world_resource *s = m ? world_resource(&rec->world, m->scope) : NULL;

        if (!s)
                return false;
        return (s->seen.presence == PRESENCE_PRESENT && s->seen.foreign) ||
               (!s->row.applied_generation && s->row.outcome == OUTCOME_CONFLICT);
}
