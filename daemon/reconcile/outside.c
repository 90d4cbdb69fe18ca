/* SPDX-License-Identifier: Apache-2.0 */
/* outside.c - opens and closes the outsides, and hears what their providers see
 *
 * A target that a plan made (a database server in the cluster) is reached through the model's
 * cluster when its provider needs a tunnel, and its secrets are filled into what it is opened
 * with. A changed row closes it and opens it again; operations that are out are cancelled and
 * their resources decided anew. */
#include "reconcile-internal.h"

#include "clock.h"
#include "log.h"
#include "opener.h"
#include "queries.gen.h"
#include "tally.h"

#include <errno.h>
#include <stdlib.h>

#define FOLLOWED ((void *)1)
#define LISTED ((void *)2)
#define UNLISTED ((void *)3) /* it could not be: looked at one by one until it is */

struct opening {
        struct store_call call;
        struct reconcile *rec;
        int64_t id, application;
        bool found;
        char *name, *provider, *label, *bound;
        json_t *config, *credential;
        uint8_t digest[DIGEST_SIZE];
        struct err why; /* secrets that could not be opened */
};

static void opening_free(struct opening *o) {
        free(o->name);
        free(o->provider);
        free(o->label);
        free(o->bound);
        json_decref(o->config);
        json_wipe(o->credential);
        free(o);
}

/* ---- reading the row, on the read thread */

static int fill(void *arg, const char *text, struct buf *out, struct err *err) {
        return secret_values_fill(arg, text, out, err);
}

static int read_credential(struct tx *tx, struct opening *o, const struct q_target_row *row,
                           struct err *err) {
        const struct sealer *sealer = o->rec->options.sealer;
        struct secret_values *values = secret_values_new();
        struct seal_place at = { "target", "credential", row->name, 1 };
        cleanup_(secret_text_free) struct secret_text text = { 0 };
        int r;

        if (row->credential_len) {
                r = seal_open(sealer, &at, row->credential, row->credential_len, &text, err);
                if (r == 0)
                        r = json_parse(text.data, text.len, &o->credential, err);
        } else {
                r = opener_open(tx, sealer, o->application, o->config, values, err);
                if (r >= 0)
                        r = json_fill(o->config, fill, values, &o->credential, err);
        }
        secret_values_free(values);
        return r;
}

static int read_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct opening *o = c->arg;
        struct q_target_row *row;
        cleanup_(buf_free) struct buf text = BUF_INIT;
        size_t n;
        int r = q_target_by_id(tx, &(struct q_target_by_id_in){ .id = o->id }, &row, &n, err);

        if (r < 0 || n == 0)
                return r;
        o->found = true;
        o->application = row->application_id_null ? 0 : row->application_id;
        o->name = str_dup(row->name);
        o->provider = str_dup(row->provider);
        o->label = str_dup(row->label);
        o->bound = str_dup(row->bound_uid);
        buf_puts(&text, row->config);
        buf_add(&text, row->credential, row->credential_len);
        digest_sha256(text.data, text.len, o->digest);
        r = json_parse(row->config, strlen(row->config), &o->config, err);
        if (r < 0)
                return r;
        read_credential(tx, o, row, &o->why); /* what is wrong is told when it is opened */
        return 0;
}

/* ---- what providers tell */

static const struct interest *on_interest(void *arg, const char *type, const char *path) {
        struct world_target *t = arg;
        struct world_resource *r = world_resource_at(&t->reconcile->world, t->id, type, path);

        return r ? &r->interest : NULL;
}

static void on_observed(void *arg, const char *type, const char *path, struct observation *o) {
        struct world_target *t = arg;

        resource_observed(t->reconcile, t, type, path, o);
}

static void on_unit(void *arg, const struct unit_seen *u) {
        struct world_target *t = arg;

        unit_seen(t->reconcile, t, u);
}

static void list_begins(struct world_target *t, const char *type) {
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&t->reconcile->world.resources, &i));) {
                struct world_resource *r = e->value;

                if (r->target == t->id && str_eq(r->type, type))
                        r->listed = false;
        }
}

/* What the list did not hold is gone, or lost our labels, or came while the list was read, or is
 * older there than what was seen of it: only a look can say. */
static void list_ends(struct world_target *t, const char *type) {
        struct reconcile *rec = t->reconcile;
        struct map_entry *e;

        map_set(&t->followed, type, LISTED);
        for (size_t i = 0; (e = map_next(&rec->world.resources, &i));) {
                struct world_resource *r = e->value;

                if (r->target != t->id || !str_eq(r->type, type) || r->listed)
                        continue;
                resource_look_again(r);
                r->seen.order = 0;
                r->news = true;
        }
        sweep_start(rec, &(struct sweep_which){ .target = t->id, .type = type });
}

static void on_listed(void *arg, const char *type, bool begin) {
        struct world_target *t = arg;

        if (!type)
                unit_listed(t->reconcile, t, begin);
        else if (begin)
                list_begins(t, type);
        else
                list_ends(t, type);
}

static void on_unlisted(void *arg, const char *type) {
        struct world_target *t = arg;

        if (map_find(&t->followed, type) != FOLLOWED)
                return;
        map_set(&t->followed, type, UNLISTED);
        sweep_start(t->reconcile, &(struct sweep_which){ .target = t->id, .type = type });
}

struct binding {
        struct store_call call;
        int64_t id;
        char *identity;
};

static int bind_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct binding *b = c->arg;
        int r = w_target_set_bound(
                tx, &(struct w_target_set_bound_in){ .id = b->id, .bound_uid = b->identity }, err);

        return r < 0 ? r : 0;
}

static void bind_done(struct store_call *c, int r, const struct err *err) {
        struct binding *b = c->arg;

        if (r < 0)
                log_plain(LOG_WARNING, "bind", "target %lld: %s", (long long)b->id, err_text(err));
        free(b->identity);
        free(b);
}

/* The first outside that answers under this name is the one; another one later is not written
 * to. */
static void bind(struct world_target *t) {
        struct binding *b;

        if (!t->identity || t->bound)
                return;
        str_set(&t->bound, t->identity);
        b = mem_new(struct binding);
        b->id = t->id;
        b->identity = str_dup(t->identity);
        b->call = (struct store_call){ .lane = STORE_LOOP,
                                       .actor = "loop",
                                       .name = "target",
                                       .run = bind_run,
                                       .done = bind_done,
                                       .arg = b };
        store_submit(t->reconcile->options.store, &b->call);
}

static void wake_models(struct reconcile *rec, int64_t target) {
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&rec->world.models, &i));) {
                struct world_model *m = e->value;

                if (m->target == target)
                        queue_add(rec->queue, KEY_MODEL, m->id, QUEUE_CHANGE);
        }
        for (size_t i = 0; (e = map_next(&rec->world.applications, &i));) {
                struct world_application *a = e->value;
                const struct world_model *m = world_model(&rec->world, a->model);

                if (m && m->target == target)
                        application_touch(rec, a->id);
        }
}

/* What answers under its name may be another one. */
static void forget_seen(struct reconcile *rec, const struct world_target *t) {
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&rec->world.resources, &i));) {
                struct world_resource *r = e->value;

                if (r->target != t->id)
                        continue;
                r->seen.presence = PRESENCE_UNKNOWN;
                r->seen.order = 0;
                r->look_again = false;
                tally_resource(&rec->world, r);
        }
        for (size_t i = 0; (e = map_next(&rec->world.models, &i));) {
                struct world_model *m = e->value;

                m->scope_seen &= m->target != t->id;
        }
}

static void on_went_back(void *arg, const char *type) {
        struct world_target *t = arg;
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&t->reconcile->world.resources, &i));) {
                struct world_resource *r = e->value;

                if (r->target == t->id && str_eq(r->type, type))
                        r->seen.order = 0;
        }
}

static void on_reach(void *arg, bool reachable, const char *identity, const char *why) {
        struct world_target *t = arg;
        bool news = !t->reach_known || t->reachable != reachable ||
                    !str_eq(t->reach_why, reachable ? NULL : why);

        if (identity && !str_eq(t->identity, identity)) {
                if (t->identity)
                        forget_seen(t->reconcile, t);
                str_set(&t->identity, identity);
                bind(t);
                news = true;
        }
        if (!news)
                return;
        if (t->reachable && !reachable)
                t->lost_at = clock_wall();
        if (!t->reach_known || t->reachable != reachable)
                t->reach_since = clock_wall();
        t->reach_known = true;
        t->reachable = reachable;
        str_set(&t->reach_why, reachable ? NULL : why);
        log_event(reachable ? LOG_NOTICE : LOG_WARNING, "reach",
                  (struct log_field[]){ { "TARGET", t->name }, {} },
                  reachable ? "%s can be read%s%s" : "%s cannot be read: %s%s", t->name,
                  why ? why : "", "");
        wake_models(t->reconcile, t->id);
        if (!reachable)
                return;
        resource_wake_target(t->reconcile, t->id);
        kept_soon(t->reconcile);
}

static void on_warning(void *arg, const char *type, const char *path, const char *text) {
        struct world_target *t = arg;

        reconcile_log(LOG_WARNING, "server-warning", t->reconcile, NULL, "%s %s: %s",
                      type ? type : "", path ? path : "", text);
}

static void on_changed(void *arg) {
        struct world_target *t = arg;

        resource_wake_waiting(t->reconcile, t->id);
}

/* ---- open, close */

static void cancel_operations(struct reconcile *rec, struct world_target *t) {
        list_each(link, &rec->jobs) {
                struct resource_job *j = list_entry(link, struct resource_job, link);
                struct world_resource *r = world_resource(&rec->world, j->id);

                if (!j->busy_op || j->target != t->id)
                        continue;
                t->provider->cancel(&j->op);
                rec->in_flight--;
                t->in_flight--;
                if (r)
                        r->busy = false;
                queue_done(rec->queue, KEY_RESOURCE, j->id);
                if (!rec->stopping)
                        queue_add(rec->queue, KEY_RESOURCE, j->id, QUEUE_FIRST);
                resource_job_free(j);
        }
}

static void close_target(struct reconcile *rec, struct world_target *t) {
        struct map_entry *e;

        if (!t->open)
                return;
        /* Those that are reached through it go first. */
        for (size_t i = 0; (e = map_next(&rec->world.targets, &i));) {
                struct world_target *o = e->value;
                const struct world_application *a = world_application(&rec->world, o->application);
                const struct world_model *m = a ? world_model(&rec->world, a->model) : NULL;

                if (o == t || !o->open || !m || m->target != t->id)
                        continue;
                close_target(rec, o);
                if (!rec->stopping)
                        queue_add(rec->queue, KEY_TARGET, o->id, QUEUE_CHANGE);
        }
        cancel_operations(rec, t);
        examine_target_closes(rec, t->id);
        trial_target_closes(rec, t->id);
        verb_target_closes(rec, t->id);
        kept_target_closes(rec, t->id);
        t->open = t->provider->close(t->open);
        forget_seen(rec, t);
        map_free(&t->followed);
        t->reach_known = t->reachable = false;
        str_set(&t->identity, NULL); /* who answers next is not known yet */
}

void outside_close_all(struct reconcile *rec) {
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&rec->world.targets, &i));)
                close_target(rec, e->value);
}

static struct world_target *reach_of(struct reconcile *rec, const struct world_target *t) {
        const struct world_application *a = world_application(&rec->world, t->application);
        const struct world_model *m = a ? world_model(&rec->world, a->model) : NULL;
        struct world_target *via = m ? world_target(&rec->world, m->target) : NULL;

        return via && via->provider && via->provider->tunnel ? via : NULL;
}

static void follow_all(struct reconcile *rec, struct world_target *t) {
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&rec->world.resources, &i));) {
                struct world_resource *r = e->value;

                if (r->target == t->id)
                        outside_follow(t, r->type);
        }
}

static int open_target(struct reconcile *rec, struct world_target *t, struct opening *o,
                       struct err *err) {
        cleanup_(json_freep) json_t *marks = json_pack("{s:s}", "controller", rec->controller);
        struct world_target *via = t->application ? reach_of(rec, t) : NULL;
        struct target_config config = {
                .id = t->id,
                .name = t->name,
                .config = o->config,
                .credential = o->credential,
                .marks = marks,
                .hash_key = seal_hash_key(rec->options.sealer),
                .http = rec->options.http,
                .loop = rec->options.loop,
                .reach_provider = via ? via->provider : NULL,
                .reach = via ? via->open : NULL,
                .options = rec->options.provider_options,
        };

        if (o->why.code)
                return err_set(err, o->why.code, "%s", o->why.text);
        if (via && !via->open)
                return err_set(err, -EAGAIN, "%s is not open yet", via->name);
        t->observer = (struct observer){ .arg = t,
                                         .interest = on_interest,
                                         .observed = on_observed,
                                         .unit = on_unit,
                                         .listed = on_listed,
                                         .unlisted = on_unlisted,
                                         .went_back = on_went_back,
                                         .reach = on_reach,
                                         .warning = on_warning,
                                         .changed = on_changed };
        return t->provider->open(&config, &t->observer, &t->open, err);
}

static void take(struct reconcile *rec, struct opening *o) {
        struct world_target *t = world_target_get(&rec->world, o->id);
        struct err err = { 0 };
        int r;

        t->reconcile = rec;
        t->rereading = false;
        str_set(&t->name, o->name);
        str_set(&t->label, o->label);
        str_set(&t->bound, o->bound);
        t->application = o->application;
        t->provider = provider_find(o->provider);
        t->poll_ms = rec->options.poll_ms;
        if (t->open && memcmp(t->config_digest, o->digest, DIGEST_SIZE) == 0) {
                bind(t); /* after rebind-cluster, which lets go what was blocked */
                wake_models(rec, t->id);
                resource_wake_target(rec, t->id);
                queue_done(rec->queue, KEY_TARGET, t->id);
                return;
        }
        close_target(rec, t);
        if (!t->reach_known)
                t->reach_since = clock_wall();
        if (!t->provider)
                r = err_set(&err, -ENOTSUP, "this program has no provider \"%s\"", o->provider);
        else
                r = open_target(rec, t, o, &err);
        if (r < 0) {
                str_set(&t->reach_why, err_text(&err));
                if (r != -EAGAIN)
                        log_plain(LOG_WARNING, "target", "%s cannot be opened: %s", t->name,
                                  err_text(&err));
                queue_failed(rec->queue, KEY_TARGET, t->id, QUEUE_CHANGE);
                return;
        }
        memcpy(t->config_digest, o->digest, DIGEST_SIZE);
        bind(t);
        follow_all(rec, t);
        queue_done(rec->queue, KEY_TARGET, t->id);
        wake_models(rec, t->id);
        resource_wake_target(rec, t->id);
}

static void on_read(struct store_call *c, int r, const struct err *err) {
        struct opening *o = c->arg;
        struct reconcile *rec = o->rec;
        struct world_target *t = world_target(&rec->world, o->id);

        if (rec->stopping) {
                queue_done(rec->queue, KEY_TARGET, o->id);
        } else if (r < 0) {
                log_plain(LOG_ERR, "target", "target %lld: %s", (long long)o->id, err_text(err));
                queue_failed(rec->queue, KEY_TARGET, o->id, QUEUE_CHANGE);
        } else if (!o->found) {
                if (t) {
                        close_target(rec, t);
                        world_target_drop(&rec->world, t);
                }
                queue_done(rec->queue, KEY_TARGET, o->id);
        } else {
                take(rec, o);
        }
        opening_free(o);
}

void outside_handle(struct reconcile *rec, int64_t id) {
        struct opening *o = mem_new(struct opening);
        struct world_target *t = world_target(&rec->world, id);

        if (t)
                t->rereading = true;
        o->rec = rec;
        o->id = id;
        o->call = (struct store_call){ .lane = STORE_LOOP,
                                       .actor = "loop",
                                       .name = "target",
                                       .run = read_run,
                                       .done = on_read,
                                       .arg = o };
        store_read(rec->options.store, &o->call);
}

const char *reconcile_identity(struct reconcile *rec, const char *cluster) {
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&rec->world.targets, &i));) {
                const struct world_target *t = e->value;

                if (!t->application && t->open && t->reachable && str_eq(t->name, cluster))
                        return t->identity;
        }
        return NULL;
}

bool outside_usable(const struct world_target *t, char *why, size_t size) {
        if (!t || !t->open) {
                snprintf(why, size, "%s: %s", t && t->name ? t->name : "its target",
                         t && t->reach_why ? t->reach_why : "not open yet");
                return false;
        }
        if (!(t->provider->can & PROVIDER_WATCHES))
                return true;
        if (t->reachable)
                return true;
        snprintf(why, size, "%s to be readable: %s", t->name,
                 t->reach_why ? t->reach_why : "no answer yet");
        return false;
}

bool outside_current(struct reconcile *rec, const struct world_target *t) {
        int failures = 0;
        int64_t next = queue_next(rec->queue, KEY_TARGET, t->id, &failures);

        return failures || (!next && !t->rereading);
}

bool outside_list_pending(const struct world_target *t, const char *type) {
        const void *how;

        if (!t || !t->provider || !(t->provider->can & PROVIDER_WATCHES))
                return false;
        how = t->open ? map_find(&t->followed, type) : NULL;
        return how != LISTED && how != UNLISTED;
}

void outside_follow(struct world_target *t, const char *type) {
        if (!t || !t->open || !t->provider->follow || map_find(&t->followed, type))
                return;
        map_set(&t->followed, type, FOLLOWED);
        t->provider->follow(t->open, type);
}
