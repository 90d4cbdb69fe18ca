/* SPDX-License-Identifier: Apache-2.0 */
/* certificate-clock.c - makes applications dirty whose certificates are due, and takes the
 * replacement of authorities on, step by step
 *
 * What is due stands in the rows, by the wall clock, which may jump: it is looked at once a
 * minute at least, and first thing after a start. An application that is dirty because of it
 * reads itself what is due. While an authority is being replaced its model is looked at each
 * second: its rows say what was planned, the world what is still under way. */
#include "reconcile-internal.h"

#include "certificate.h"
#include "clock.h"
#include "log.h"
#include "queries.gen.h"

#include <stdlib.h>

#define LOOK_MS 60000 /* the wall clock may jump */
#define TURN_MS 1000
#define TURNS_MAX 100 /* authorities in one look */
#define AGAIN_MAX 1000

struct clock_turn {
        int64_t model;
        int64_t certificate; /* of an application's own authority; 0: the model's */
        int64_t application; /* whose that is */
        bool quiet;          /* nothing is under way in the world */
        char *what;          /* that is, or what the rows wait for; or NULL */
        bool advanced;       /* a step was made */
};

struct certificate_clock {
        struct reconcile *rec;
        struct timer timer;
        struct store_call call;
        bool out, again;
        int64_t next_at;
        int64_t *due; /* applications */
        size_t due_count, due_room;
        struct clock_turn turns[TURNS_MAX];
        size_t turn_count;
};

static void forget(struct certificate_clock *c) {
        for (size_t i = 0; i < c->turn_count; i++)
                free(take_ptr(c->turns[i].what));
        free(take_ptr(c->due));
        c->due_count = c->turn_count = 0;
}

/* ---- what is due, on the read thread */

/* What was not signed because of the clock. */
static int add_again(struct tx *tx, struct certificate_clock *c, struct err *err) {
        struct q_signed_again_row *rows;
        size_t n;
        int r = q_signed_again(tx, &(struct q_signed_again_in){ .now = tx_now(tx) }, &rows, &n,
                               err);

        for (size_t i = 0; r >= 0 && i < n && c->due_count < c->due_room; i++)
                c->due[c->due_count++] = rows[i].application_id;
        return r < 0 ? r : 0;
}

static int read_due(struct tx *tx, struct certificate_clock *c, struct err *err) {
        struct q_certificate_due_row *due;
        struct q_certificate_next_row *next;
        size_t n;
        int r = q_certificate_due(tx, &(struct q_certificate_due_in){ .now = tx_now(tx) }, &due, &n,
                                  err);

        if (r < 0)
                return r;
        c->due_room = n + AGAIN_MAX;
        c->due = mem_array(int64_t, c->due_room);
        for (size_t i = 0; i < n; i++)
                c->due[c->due_count++] = due[i].application_id;
        r = add_again(tx, c, err);
        if (r < 0)
                return r;
        r = q_certificate_next(tx, &(struct q_certificate_next_in){ .now = tx_now(tx) }, &next, &n,
                               err);
        c->next_at = r >= 0 && n ? next->renew_at : 0;
        return r;
}

static void add_turn(struct certificate_clock *c, int64_t model, int64_t certificate,
                     int64_t application) {
        for (size_t i = 0; i < c->turn_count; i++)
                if (c->turns[i].model == model && c->turns[i].certificate == certificate)
                        return;
        if (c->turn_count < TURNS_MAX)
                c->turns[c->turn_count++] = (struct clock_turn){ .model = model,
                                                                 .certificate = certificate,
                                                                 .application = application };
}

static int add_own_turns(struct tx *tx, struct certificate_clock *c, struct err *err) {
        struct q_certificate_turning_row *rows;
        size_t n;
        int r = q_certificate_turning(tx, &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                add_turn(c, rows[i].model_id, rows[i].id, rows[i].application_id);
        return r < 0 ? r : 0;
}

static int look_run(struct tx *tx, struct store_call *call, struct err *err) {
        struct certificate_clock *c = call->arg;
        struct q_authority_turning_row *turning;
        struct q_authority_due_row *due;
        size_t n;
        int r;

        forget(c);
        r = read_due(tx, c, err);
        if (r >= 0)
                r = q_authority_turning(tx, &(struct q_authority_turning_in){ .after = 0 },
                                        &turning, &n, err);
        for (size_t i = 0; r >= 0 && i < n; i++)
                add_turn(c, turning[i].model_id, 0, 0);
        if (r >= 0)
                r = q_authority_due(tx, &(struct q_authority_due_in){ .now = tx_now(tx) }, &due, &n,
                                    err);
        for (size_t i = 0; r >= 0 && i < n; i++)
                add_turn(c, due[i].model_id, 0, 0);
        return r < 0 ? r : add_own_turns(tx, c, err);
}

/* ---- the turn of authorities, on the store thread */

static int turn_model(struct tx *tx, const struct sealer *sealer, const struct clock_turn *t,
                      char **waits, struct err *err) {
        int r = authority_renew(tx, sealer, t->model, err);

        return r < 0 ? r : authority_turn(tx, sealer, t->model, t->quiet, waits, err);
}

static int turn_run(struct tx *tx, struct store_call *call, struct err *err) {
        struct certificate_clock *c = call->arg;
        const struct sealer *sealer = c->rec->options.sealer;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < c->turn_count; i++) {
                struct clock_turn *t = &c->turns[i];
                cleanup_(freep) char *waits = NULL;

                r = t->certificate ? certificate_turn(tx, t->certificate, t->quiet, &waits, err)
                                   : turn_model(tx, sealer, t, &waits, err);
                t->advanced = r > 0;
                if (waits && !t->what)
                        t->what = take_ptr(waits);
        }
        return r < 0 ? r : 0;
}

static void wait(struct certificate_clock *c, int64_t ms) {
        if (!c->rec->stopping)
                timer_after(&c->timer, c->again ? 0 : ms);
        c->again = false;
}

static void tell(struct certificate_clock *c) {
        for (size_t i = 0; i < c->turn_count; i++) {
                struct clock_turn *t = &c->turns[i];
                struct world_model *m = world_model(&c->rec->world, t->model);

                if (m)
                        str_set(&m->authority_waits, t->advanced ? NULL : t->what);
                if (m && t->advanced)
                        log_event(LOG_NOTICE, "certificate",
                                  (struct log_field[]){ { "MODEL", m->name }, {} },
                                  "model %s: the replacement of a CA goes one step on", m->name);
        }
}

static void on_turned(struct store_call *call, int r, const struct err *err) {
        struct certificate_clock *c = call->arg;

        c->out = false;
        if (r < 0)
                log_plain(LOG_WARNING, "certificate", "CA: %s", err_text(err));
        else
                tell(c);
        wait(c, TURN_MS);
}

static bool has_certified(struct reconcile *rec, const int64_t *ids, size_t n) {
        for (size_t i = 0; i < n; i++) {
                const struct world_application *a = world_application(&rec->world, ids[i]);

                if (a && a->certified)
                        return true;
        }
        return false;
}

/* It has certificates, or may have been told of some. */
static bool is_concerned(struct reconcile *rec, const struct world_application *a) {
        return a->certified || has_certified(rec, a->providers, a->provider_count) ||
               has_certified(rec, a->peers, a->peer_count);
}

/* What is under way in T's model: a plan, an apply, a rollout of what holds certificates. Whose
 * authority it is says by its status what it does not sign; what it is to sign is in the rows. */
static char *find_busy(struct reconcile *rec, const struct clock_turn *t) {
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&rec->world.applications, &i));) {
                const struct world_application *a = e->value;

                if (a->model != t->model || !is_concerned(rec, a))
                        continue;
                if (!application_settled(rec, a))
                        return str_format("%s is being planned or applied", a->name);
                if (a->id != t->application && !str_eq(a->status, "active"))
                        return str_format("%s is %s, not active", a->name,
                                          a->status[0] ? a->status : "unknown");
        }
        return NULL;
}

static void submit(struct certificate_clock *c,
                   int (*run)(struct tx *, struct store_call *, struct err *),
                   void (*done)(struct store_call *, int, const struct err *)) {
        c->out = true;
        c->call = (struct store_call){ .lane = STORE_LOOP,
                                       .actor = "loop",
                                       .name = "certificates",
                                       .run = run,
                                       .done = done,
                                       .arg = c };
}

static void on_looked(struct store_call *call, int r, const struct err *err) {
        struct certificate_clock *c = call->arg;
        struct reconcile *rec = c->rec;

        c->out = false;
        if (r < 0)
                log_plain(LOG_WARNING, "certificate", "which are due: %s", err_text(err));
        if (r < 0 || rec->stopping)
                return wait(c, LOOK_MS);
        for (size_t i = 0; i < c->due_count; i++)
                application_dirty(rec, c->due[i]);
        if (!c->turn_count)
                return wait(c, c->next_at ? MIN_OF(clock_sleep_ms(c->next_at), LOOK_MS) : LOOK_MS);
        for (size_t i = 0; i < c->turn_count; i++) {
                c->turns[i].what = find_busy(rec, &c->turns[i]);
                c->turns[i].quiet = !c->turns[i].what;
        }
        submit(c, turn_run, on_turned);
        store_submit(rec->options.store, &c->call);
}

static void on_timer(void *arg) {
        struct certificate_clock *c = arg;

        c->again = c->out;
        if (c->out)
                return;
        submit(c, look_run, on_looked);
        store_read(c->rec->options.store, &c->call);
}

void certificate_clock_start(struct reconcile *rec) {
        struct certificate_clock *c = mem_new(struct certificate_clock);

        c->rec = rec;
        rec->certificates = c;
        timer_init(&c->timer, rec->options.loop, "certificates", on_timer, c);
        timer_after(&c->timer, 0);
}

void certificate_clock_soon(struct reconcile *rec) {
        if (rec->certificates && !rec->stopping)
                timer_after(&rec->certificates->timer, 0);
}

void certificate_clock_stop(struct reconcile *rec) {
        if (rec->certificates)
                timer_cancel(&rec->certificates->timer);
}

void certificate_clock_free(struct reconcile *rec) {
        if (rec->certificates)
                forget(rec->certificates);
        free(take_ptr(rec->certificates));
}

const char *reconcile_authority_waits(struct reconcile *rec, const char *model) {
        const struct world_model *m = world_model_named(&rec->world, model);

        return m ? m->authority_waits : NULL;
}
