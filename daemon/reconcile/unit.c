/* SPDX-License-Identifier: Apache-2.0 */
/* unit.c - units are pods as they were last seen: remembered here, and in their rows for after a
 * restart */
#include "reconcile-internal.h"

#include "clock.h"
#include "log.h"
#include "queries.gen.h"

#include <errno.h>
#include <stdlib.h>

#define PAGE 1000

struct unit_write {
        struct store_call call;
        int64_t application;
        struct world_unit unit;
        char *history; /* "status: message" for the history, or NULL */
        int64_t model;
        char *entity;
        bool gone;
};

static void write_free(struct unit_write *w) {
        free(w->unit.name);
        free(w->unit.uid);
        free(w->unit.status);
        free(w->unit.agent);
        free(w->unit.message);
        free(w->unit.address);
        free(w->unit.node);
        free(w->unit.ports);
        free(w->history);
        free(w->entity);
        free(w);
}

static int add_history(struct tx *tx, const struct unit_write *w, struct err *err) {
        if (!w->entity)
                return 0;
        return w_status_history_insert(
                tx,
                &(struct w_status_history_insert_in){ .id = tx_id(tx, "status_history"),
                                                      .model_id = w->model,
                                                      .entity = w->entity,
                                                      .status = w->unit.status,
                                                      .message = w->unit.message,
                                                      .cause = w->history,
                                                      .at = tx_now(tx) },
                err);
}

static int write_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct unit_write *w = c->arg;
        int r;

        if (w->gone)
                r = w_unit_delete(tx,
                                  &(struct w_unit_delete_in){ .application_id = w->application,
                                                              .name = w->unit.name },
                                  err);
        else
                r = w_unit_put(tx,
                               &(struct w_unit_put_in){ .application_id = w->application,
                                                        .name = w->unit.name,
                                                        .uid = w->unit.uid,
                                                        .number = w->unit.number,
                                                        .status = w->unit.status,
                                                        .agent = w->unit.agent,
                                                        .message = w->unit.message,
                                                        .address = w->unit.address,
                                                        .node = w->unit.node,
                                                        .ports = w->unit.ports,
                                                        .restarts = w->unit.restarts,
                                                        .status_at = w->unit.since },
                               err);
        if (r >= 0)
                r = add_history(tx, w, err);
        return r < 0 ? r : 0;
}

static void write_done(struct store_call *c, int r, const struct err *err) {
        struct unit_write *w = c->arg;

        if (r < 0 && r != -ENOENT) /* the application went meanwhile */
                log_plain(LOG_WARNING, "unit", "%s: %s", w->unit.name, err_text(err));
        write_free(w);
}

static void write_unit(struct reconcile *rec, struct world_application *a,
                       const struct world_unit *u, bool gone, const char *cause) {
        struct unit_write *w = mem_new(struct unit_write);

        w->application = a->id;
        w->model = a->model;
        w->gone = gone;
        w->unit = (struct world_unit){
                .name = str_dup(u->name),
                .uid = str_dup(u->uid),
                .status = str_dup(gone ? "terminated" : u->status),
                .agent = str_dup(u->agent),
                .message = str_dup(u->message),
                .address = str_dup(u->address),
                .node = str_dup(u->node),
                .ports = str_dup(u->ports),
                .number = u->number,
                .restarts = u->restarts,
                .since = u->since,
        };
        if (cause) {
                w->history = str_dup(cause);
                w->entity = str_format("unit %s/%lld", a->name, (long long)u->number);
        }
        w->call = (struct store_call){ .lane = STORE_HISTORY,
                                       .actor = "loop",
                                       .run = write_run,
                                       .done = write_done,
                                       .arg = w };
        store_submit(rec->options.store, &w->call);
}

/* The lowest number that no other unit of the application has. */
static int64_t free_number(const struct world_application *a) {
        for (int64_t n = 0;; n++) {
                struct map_entry *e;
                bool taken = false;

                for (size_t i = 0; (e = map_next(&a->units, &i));)
                        taken |= ((struct world_unit *)e->value)->number == n;
                if (!taken)
                        return n;
        }
}

static bool set_text(char **to, const char *text) {
        if (str_eq(*to, text ? text : ""))
                return false;
        str_set(to, text ? text : "");
        return true;
}

static void unit_gone(struct reconcile *rec, struct world_application *a, struct world_unit *u) {
        write_unit(rec, a, u, true, "the pod is gone");
        map_remove(&a->units, u->name);
        world_unit_free(u);
        application_touch(rec, a->id);
}

/* A server that is asked through its pod answers from the moment on in which that is ready. */
static void wake_served(struct reconcile *rec, const struct world_application *a) {
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&rec->world.targets, &i));) {
                const struct world_target *t = e->value;

                if (t->application == a->id)
                        resource_wake_waiting(rec, t->id);
        }
}

void unit_seen(struct reconcile *rec, struct world_target *t, const struct unit_seen *s) {
        struct world_model *m = world_model_named(&rec->world, s->model);
        struct world_application *a =
                m ? world_application_named(&rec->world, m->id, s->application) : NULL;
        struct world_unit *u;
        bool status, rest, up, same;

        if (!a || m->target != t->id)
                return;
        u = map_find(&a->units, s->name);
        if (s->gone) {
                if (u && str_eq(u->uid, s->uid))
                        unit_gone(rec, a, u);
                return;
        }
        if (!u) {
                u = mem_new(struct world_unit);
                u->name = str_dup(s->name);
                u->number = s->number >= 0 ? s->number : free_number(a);
                map_set(&a->units, s->name, u);
        }
        u->listed = true;
        up = str_eq(s->status, "active") && !str_eq(u->status, "active");
        /* A pull fails and is put off in turns: what has lasted is the trouble. */
        same = s->trouble && u->trouble && str_eq(s->trouble, u->trouble);
        u->trouble = s->trouble;
        status = set_text(&u->status, s->status);
        status |= set_text(&u->message, s->message);
        rest = set_text(&u->uid, s->uid);
        rest |= set_text(&u->agent, s->agent);
        rest |= set_text(&u->address, s->address);
        rest |= set_text(&u->node, s->node);
        rest |= set_text(&u->ports, s->ports);
        rest |= u->restarts != s->restarts;
        u->restarts = s->restarts;
        if (status && !same)
                u->since = clock_wall();
        if (!status && !rest)
                return;
        write_unit(rec, a, u, false, status ? "the pod changed" : NULL);
        application_touch(rec, a->id);
        if (up)
                wake_served(rec, a);
}

/* At the start, before any pod is seen: numbers and times are those of the rows. */
int unit_load(struct tx *tx, struct world_application *a, struct err *err) {
        struct q_unit_list_in in = { .application_id = a->id, .after = "", .max = PAGE };
        struct q_unit_row *rows;
        size_t n;
        int r;

        do {
                r = q_unit_list(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        struct world_unit *u = mem_new(struct world_unit);

                        *u = (struct world_unit){
                                .name = str_dup(rows[i].name),
                                .uid = str_dup(rows[i].uid),
                                .status = str_dup(rows[i].status),
                                .agent = str_dup(rows[i].agent),
                                .message = str_dup(rows[i].message),
                                .address = str_dup(rows[i].address),
                                .node = str_dup(rows[i].node),
                                .ports = str_dup(rows[i].ports),
                                .number = rows[i].number,
                                .restarts = rows[i].restarts,
                                .since = rows[i].status_at,
                        };
                        map_set(&a->units, u->name, u);
                        in.after = rows[i].name;
                }
        } while (r >= 0 && n == PAGE);
        return r < 0 ? r : 0;
}

static void each_unit(struct reconcile *rec, struct world_target *t,
                      void (*fn)(struct reconcile *, struct world_application *,
                                 struct world_unit *)) {
        struct map_entry *e, *f;

        for (size_t i = 0; (e = map_next(&rec->world.applications, &i));) {
                struct world_application *a = e->value;
                const struct world_model *m = world_model(&rec->world, a->model);

                if (!m || m->target != t->id)
                        continue;
                for (size_t k = 0; (f = map_next(&a->units, &k));) {
                        size_t before = a->units.count;

                        fn(rec, a, f->value);
                        if (a->units.count != before)
                                k = 0; /* the table moved */
                }
        }
}

static void forget_listed(struct reconcile *rec, struct world_application *a,
                          struct world_unit *u) {
        u->listed = false;
}

static void drop_unlisted(struct reconcile *rec, struct world_application *a,
                          struct world_unit *u) {
        if (!u->listed)
                unit_gone(rec, a, u);
}

void unit_listed(struct reconcile *rec, struct world_target *t, bool begin) {
        each_unit(rec, t, begin ? forget_listed : drop_unlisted);
}
