/* SPDX-License-Identifier: Apache-2.0 */
/* verb.c - one thing that a step of an action asks for, at a target of its application
 *
 *   secrets of the ask (read thread) ──▶ provider's act ──▶ how it ended
 *
 * A charm reaches what is its own: targets that its plan declared, and in the cluster its own pods;
 * the daemon puts the namespace before a pod's name. Nothing is tried again here: the engine does,
 * which knows how long. */
#include "verb.h"

#include "opener.h"

#include <errno.h>
#include <stdlib.h>

static void verb_free(struct verb *v) {
        list_unlink(&v->link);
        op_clear(&v->op);
        verb_mirror_free(v->mirror);
        verb_sweep_free(v->sweep);
        secret_values_free(v->values);
        json_decref(v->ask);
        buf_wipe(&v->key);
        free(v->from_file);
        free(v->to_file);
        free(v->target_label);
        free(v->verb);
        free(v);
}

static void end(struct verb *v, enum outcome outcome, const struct err *err) {
        struct reconcile_did did = {
                .outcome = outcome, .again_at = v->op.again_at, .told = v->op.told, .err = err
        };

        if (v->done)
                v->done(v->arg, &did);
        verb_free(v);
}

void verb_end(struct verb *v, enum outcome outcome, const char *fmt, ...) {
        cleanup_(freep) char *text = NULL;
        struct err err = {};
        va_list ap;

        va_start(ap, fmt);
        text = str_vformat(fmt, ap);
        va_end(ap);
        err_set(&err, -EINVAL, "%s", text);
        end(v, outcome, &err);
}

/* ---- the outside */

void verb_done(struct op *op) {
        struct verb *v = op->arg;

        v->out = false;
        end(v, op->outcome, &op->err);
}

static struct world_target *find_target(struct verb *v, const struct world_model *m,
                                        const char *label) {
        struct map_entry *e;

        if (!label)
                return world_target(&v->rec->world, m->target);
        for (size_t i = 0; (e = map_next(&v->rec->world.targets, &i));) {
                struct world_target *t = e->value;

                if (t->application == v->what.application && str_eq(t->label, label))
                        return t;
        }
        return NULL;
}

/* Its plan may say why. */
static void end_without(struct verb *v, const char *label) {
        const struct world_application *a = world_application(&v->rec->world, v->what.application);
        bool says = a && a->plan_message && *a->plan_message && !str_eq(a->plan_word, "active");

        verb_end(v, OUTCOME_NOT_YET, "its plan has no target %s (yet)%s%s%s%s", label ? label : "",
                 says ? ": " : "", says ? a->plan_word : "", says ? ": " : "",
                 says ? a->plan_message : "");
}

struct world_target *verb_target(struct verb *v, const struct world_model *m, const char *label) {
        struct world_target *t = find_target(v, m, label);
        char why[300];

        if (t && outside_usable(t, why, sizeof(why)))
                return t;
        if (t)
                verb_end(v, OUTCOME_UNREACHABLE, "%s", why);
        else
                end_without(v, label);
        return NULL;
}

static const char *find_pod(const struct world_application *a, const char *name) {
        const struct world_unit *u = name ? map_find(&a->units, name) : NULL;

        return u ? u->name : NULL;
}

bool verb_pod(struct verb *v, json_t *ask, const struct world_application *a,
              const struct world_model *m) {
        const char *name = json_get_str(ask, "pod", NULL);
        cleanup_(freep) char *path = str_format("%s/%s", m->name, name ? name : "");

        if (!find_pod(a, name)) {
                verb_end(v, OUTCOME_NOT_YET, "%s has no pod %s", a->name,
                         name ? name : "(none is named)");
                return false;
        }
        json_object_set_new(ask, "pod", json_string(path));
        return true;
}

static bool makes_objects(const struct verb *v) {
        static const char *const verbs[] = { "apply", "job", "remove" };

        for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
                if (str_eq(v->verb, verbs[i]))
                        return true;
        return false;
}

/* Whose the objects are: not for the charm to say. */
static void own_objects(struct verb *v, const struct world_application *a,
                        const struct world_model *m) {
        char id[24];

        snprintf(id, sizeof(id), "%lld", (long long)v->what.operation);
        json_object_set_new(v->ask, "namespace", json_string(m->name));
        json_object_set_new(v->ask, "labels",
                            json_pack("{s:s, s:s, s:s}", "mooring.dev/model", m->name,
                                      "mooring.dev/application", a->name, "mooring.dev/operation",
                                      id));
}

static void send(struct verb *v, struct world_target *t) {
        v->provider = t->provider;
        v->target = t->id;
        v->request = (struct act_request){
                .verb = v->verb, .ask = v->ask, .values = v->values, .within_ms = v->what.within_ms
        };
        v->op = (struct op){ .loop = v->rec->options.loop, .done = verb_done, .arg = v };
        v->out = true;
        t->provider->act(t->open, &v->request, &v->op);
}

static void start(struct verb *v) {
        const struct world_application *a = world_application(&v->rec->world, v->what.application);
        const struct world_model *m = a ? world_model(&v->rec->world, a->model) : NULL;
        struct world_target *t;
        char why[300];

        if (!m)
                return verb_end(v, OUTCOME_GONE, "there is no such application any more");
        if (scope_blocked(v->rec, m, why, sizeof(why)) || scope_unread(v->rec, m, why, sizeof(why)))
                return verb_end(v, OUTCOME_NOT_YET, "%s", why);
        if (str_eq(v->verb, "stream"))
                return verb_stream_start(v, a, m);
        t = verb_target(v, m, v->target_label);
        if (!t)
                return;
        if (!t->provider->act)
                return verb_end(v, OUTCOME_REFUSED, "%s: nothing can be asked of it", t->name);
        if (str_eq(v->verb, "mirror"))
                return verb_mirror_start(v, m, t);
        if (str_eq(v->verb, "sweep"))
                return verb_sweep_start(v, t);
        if (makes_objects(v))
                own_objects(v, a, m);
        else if ((!v->target_label || json_get(v->ask, "pod")) && !verb_pod(v, v->ask, a, m))
                return;
        send(v, t);
}

/* ---- the secrets of the ask */

static int read_values(struct tx *tx, struct store_call *c, struct err *err) {
        struct verb *v = c->arg;

        v->values = secret_values_free(v->values);
        v->values = secret_values_new();
        return opener_open(tx, v->rec->options.sealer, v->what.application, v->ask, v->values, err);
}

static void on_values(struct store_call *c, int r, const struct err *err) {
        struct verb *v = c->arg;

        v->reading = false;
        if (!v->done)
                return verb_free(v);
        if (v->rec->stopping)
                return verb_end(v, OUTCOME_UNREACHABLE, "the daemon stops");
        if (r < 0)
                return end(v, OUTCOME_REFUSED, err);
        start(v);
}

struct verb *reconcile_verb(struct reconcile *rec, const struct reconcile_verb *what,
                            reconcile_did_fn *done, void *arg) {
        struct verb *v = mem_new(struct verb);

        v->rec = rec;
        v->what = *what;
        v->target_label = str_dup(what->target);
        v->verb = str_dup(what->verb);
        v->ask = json_deep_copy(what->ask);
        v->done = done;
        v->arg = arg;
        v->reading = true;
        list_append(&rec->verbs, &v->link);
        v->call = (struct store_call){ .lane = STORE_LOOP,
                                       .actor = "action",
                                       .name = "ask of action",
                                       .run = read_values,
                                       .done = on_values,
                                       .arg = v };
        store_read(rec->options.store, &v->call);
        return v;
}

static void cancel_out(struct verb *v) {
        if (v->out && v->streams)
                stream_cancel(&v->op);
        else if (v->out)
                v->provider->cancel(&v->op);
        v->out = false;
}

void reconcile_verb_cancel(struct verb *v) {
        if (!v)
                return;
        v->done = NULL;
        if (v->reading)
                return; /* the store's thread has it */
        cancel_out(v);
        verb_free(v);
}

bool reconcile_verb_trouble(const struct verb *v, char *text, size_t size) {
        if (v->mirror)
                return verb_mirror_trouble(v->mirror, text, size);
        return v->out && v->streams && stream_trouble(&v->op, text, size);
}

uint64_t reconcile_verb_moved(const struct verb *v) {
        if (v->mirror)
                return verb_mirror_moved(v->mirror);
        return v->out && v->streams ? stream_moved(&v->op) : 0;
}

void verb_target_closes(struct reconcile *rec, int64_t target) {
        list_each(link, &rec->verbs) {
                struct verb *v = list_entry(link, struct verb, link);

                if (!v->out || (v->target != target && v->other != target))
                        continue;
                cancel_out(v);
                verb_end(v, OUTCOME_UNREACHABLE, "its connection was closed meanwhile");
        }
}

void verb_stop(struct reconcile *rec) {
        list_each(link, &rec->verbs) {
                struct verb *v = list_entry(link, struct verb, link);

                if (!v->out)
                        continue;
                cancel_out(v);
                verb_free(v); /* who asked has stopped before */
        }
}
