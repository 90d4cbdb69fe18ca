/* SPDX-License-Identifier: Apache-2.0 */
/* term.c - rules about drift, freezes and pauses (also of models and applications) that end by
 * themselves
 *
 * One timer for the first end of all. What is over is deleted in one transaction with its rows in
 * the audit, which are the loop's; the mark of that makes the model read again. The wall clock may
 * jump: the timer never sleeps longer than an hour. */
#include "reconcile-internal.h"

#include "audit.h"
#include "clock.h"
#include "log.h"
#include "queries.gen.h"

#include <stdlib.h>

#define TERM_AGAIN_MS (10 * 1000) /* after a store that could not write */

struct ending {
        struct store_call call;
        struct reconcile *rec;
        int64_t model;
        char *name;
};

static int tell(struct tx *tx, const struct ending *e, const char *what, const char *application,
                const char *subject, const char *text, struct err *err) {
        struct audit_entry row = { .kind = "loop",
                                   .what = what,
                                   .model = e->name,
                                   .application = application,
                                   .subject = subject,
                                   .why = "its time is over",
                                   .outcome = "done",
                                   .message = text };

        return e->rec->options.audit ? audit_append(tx, e->rec->options.audit, &row, err) : 0;
}

static int end_rule(struct tx *tx, const struct ending *e, const struct rule *rule,
                    struct err *err) {
        cleanup_(freep) char *text = rule_text(rule);
        const char *subject = tx_format(tx, "%s %s %s", rule->type, rule->path, rule->field);
        int r = w_policy_delete(tx, &(struct w_policy_delete_in){ .id = rule->id }, err);

        return r < 0 ? r : tell(tx, e, "end-policy", rule->application, subject, text, err);
}

static int end_freeze(struct tx *tx, const struct ending *e, const struct freeze *f,
                      struct err *err) {
        cleanup_(freep) char *text = freeze_text(f);
        const char *subject = tx_format(tx, "%s %s", f->type, f->path);
        int r = w_freeze_delete(tx, &(struct w_freeze_delete_in){ .id = f->id }, err);

        return r < 0 ? r
                     : tell(tx, e, f->type[0] ? "end-pause" : "unfreeze", f->application, subject,
                            text, err);
}

static bool is_over(struct tx *tx, int64_t until) {
        return until && until <= tx_now(tx);
}

static int end_model_pause(struct tx *tx, const struct ending *e, struct err *err) {
        struct q_model_row *m;
        size_t n;
        int r = q_model_by_id(tx, &(struct q_model_by_id_in){ .id = e->model }, &m, &n, err);
        cleanup_(freep) char *text = NULL;

        if (r < 0 || n == 0 || !is_over(tx, m->paused_until))
                return r;
        text = rule_pause_text(m->paused_by, m->paused_why, m->paused_until);
        r = w_model_pause(tx, &(struct w_model_pause_in){ .paused_at_null = true, .id = m->id },
                          err);
        return r < 0 ? r : tell(tx, e, "unpause", "", "", text, err);
}

static int end_application_pauses(struct tx *tx, const struct ending *e, struct err *err) {
        struct q_application_row *rows;
        size_t n;
        int r = q_application_pause_list(
                tx, &(struct q_application_pause_list_in){ .model_id = e->model }, &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++) {
                cleanup_(freep) char *text = rule_pause_text(rows[i].paused_by, rows[i].paused_why,
                                                             rows[i].paused_until);

                if (!is_over(tx, rows[i].paused_until))
                        continue;
                r = w_application_pause(tx,
                                        &(struct w_application_pause_in){ .paused_at_null = true,
                                                                          .id = rows[i].id },
                                        err);
                tx_mark(tx, MARK_APPLICATION, rows[i].id);
                if (r >= 0)
                        r = tell(tx, e, "unpause", rows[i].name, "", text, err);
        }
        return r;
}

static int end_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct ending *e = c->arg;
        struct rules *rules = NULL;
        int r = rules_load(tx, e->model, &rules, err);

        for (size_t i = 0; r >= 0 && i < rules->count; i++)
                if (is_over(tx, rules->items[i].until))
                        r = end_rule(tx, e, &rules->items[i], err);
        for (size_t i = 0; r >= 0 && i < rules->freeze_count; i++)
                if (is_over(tx, rules->freezes[i].until))
                        r = end_freeze(tx, e, &rules->freezes[i], err);
        rules_free(rules);
        if (r >= 0)
                r = end_model_pause(tx, e, err);
        if (r >= 0)
                r = end_application_pauses(tx, e, err);
        tx_mark(tx, MARK_MODEL, e->model);
        return r < 0 ? r : 0;
}

static void end_done(struct store_call *c, int r, const struct err *err) {
        struct ending *e = c->arg;

        if (r < 0) {
                log_plain(LOG_WARNING, "policy", "model %s: %s", e->name, err_text(err));
                if (!e->rec->stopping)
                        timer_after(&e->rec->terms, TERM_AGAIN_MS);
        }
        free(e->name);
        free(e);
}

static void end(struct reconcile *rec, const struct world_model *m) {
        struct ending *e = mem_new(struct ending);

        e->rec = rec;
        e->model = m->id;
        e->name = str_dup(m->name);
        e->call = (struct store_call){
                .lane = STORE_LOOP, .actor = "loop", .run = end_run, .done = end_done, .arg = e
        };
        store_submit(rec->options.store, &e->call);
}

/* When the first one ends; 0: none does. */
static int64_t first_end(struct reconcile *rec) {
        struct map_entry *e;
        int64_t at = 0;

        for (size_t i = 0; (e = map_next(&rec->world.models, &i));) {
                const struct world_model *m = e->value;

                if (m->rules)
                        at = clock_sooner(at, m->rules->ends_at);
        }
        return at;
}

static void set_timer(struct reconcile *rec) {
        int64_t at = first_end(rec);

        if (at)
                timer_after(&rec->terms, clock_sleep_ms(at));
        else
                timer_cancel(&rec->terms);
}

static void on_timer(void *arg) {
        struct reconcile *rec = arg;
        struct map_entry *e;
        bool ending = false;

        for (size_t i = 0; (e = map_next(&rec->world.models, &i));) {
                const struct world_model *m = e->value;

                if (!m->rules || !m->rules->ends_at || m->rules->ends_at > clock_wall())
                        continue;
                end(rec, m);
                ending = true;
        }
        if (!ending)
                set_timer(rec);
}

void term_init(struct reconcile *rec) {
        timer_init(&rec->terms, rec->options.loop, "terms", on_timer, rec);
}

void term_deinit(struct reconcile *rec) {
        timer_cancel(&rec->terms);
}

bool term_take(struct reconcile *rec, struct world_model *m, struct rules *r) {
        bool other = !m->rules || memcmp(m->rules->digest, r->digest, sizeof(r->digest)) != 0;

        if (other)
                m->rules_turn++;
        rules_free(m->rules);
        m->rules = r;
        set_timer(rec);
        return other;
}
