/* SPDX-License-Identifier: Apache-2.0 */
/* ledger.c - the drift ledger: what was found is committed before the repair goes out
 *
 * One line an incident: what, wanted, found, who (the name the writer gave itself, only for
 * values that were changed or added; else "not recorded"), when, what is done. resource-save.c
 * closes it in the commit that saves the repair; what is found in place again is closed here.
 * Values of secrets come here as the provider's masks only. */
#include "reconcile-internal.h"

#include "audit.h"
#include "clock.h"
#include "log.h"
#include "metric.h"
#include "queries.gen.h"

#include <errno.h>
#include <stdlib.h>

#define LEDGER_FIELDS_MAX 100 /* differences told one by one; more are counted */
/* Series of the metric: what others choose, types and their own names, has limits. */
#define LEDGER_TYPES_COUNTED 64
#define LEDGER_WRITERS_COUNTED 16

static const char *const what_happened[] = {
        [DRIFT_DELETED] = "deleted",     [DRIFT_REPLACED] = "replaced",
        [DRIFT_CHANGED] = "changed",     [DRIFT_LEAVING] = "marked for deletion",
        [DRIFT_DATA_LOST] = "data lost",
};

/* Writers' stamps have whole seconds, and are of another clock than ours. */
static const double detection_bounds[] = { 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 0 };
static struct metric found = { .name = "mooring_drift_total",
                               .help = "Lines of drift, by what happened, to which type, and who "
                                       "it was as far as the writer said; beyond 64 types and 16 "
                                       "writers: other",
                               .type = METRIC_COUNTER,
                               .labels = { { "what" },
                                           { "type", LEDGER_TYPES_COUNTED },
                                           { "who", LEDGER_WRITERS_COUNTED } } };
static struct metric detection = { .name = "mooring_drift_detection_seconds",
                                   .help = "From the time that the writer said (whole seconds, "
                                           "the cluster's clock) until the daemon saw the change",
                                   .type = METRIC_HISTOGRAM,
                                   .bounds = detection_bounds };

/* What stands has a line of its own; what nobody wants to know of has none. */
static bool is_of_line(const struct resource_job *j, size_t i, bool stands) {
        if (!j->fates)
                return !stands;
        if (stands)
                return j->fates[i] == FATE_LATER || j->fates[i] == FATE_REPORT;
        /* A change of ours writes over what nobody wanted to know of until now, and what was not
         * told yet: the last moment in which it is known. */
        if (j->anew && (j->fates[i] == FATE_SPARE || !j->standing))
                return j->fates[i] != FATE_KEEP;
        /* A pause comes before the rules: what they say of it has a line once it is over. */
        return j->paused ? j->fates[i] < FATE_SPARE : j->fates[i] == FATE_REPAIR;
}

/* It waits for the end of a pause, and its line does not tell what it is by now. */
static bool is_changed_again(const struct world_resource *r, const struct decision *d) {
        return d->paused && d->drift == DRIFT_CHANGED && r->drift && r->seen.digest_valid &&
               memcmp(r->seen.digest, world_lines_of(r)->found, DIGEST_SIZE) != 0;
}

bool ledger_is_news(const struct world_resource *r, const struct decision *d) {
        if (d->ruled && !r->judged->verdict.now)
                return false;
        if (is_changed_again(r, d))
                return true;
        return d->drift != DRIFT_NONE &&
               (!r->drift || (d->drift == DRIFT_DATA_LOST && !r->row.lost));
}

bool ledger_tells(const struct resource_job *j, const struct world_resource *r) {
        /* Without a baseline it would say less than the line that there is. */
        if (r->drift && j->drift == DRIFT_CHANGED && !j->baseline)
                return false;
        for (size_t i = 0; i < j->differences.count; i++)
                if (is_of_line(j, i, false))
                        return true;
        return j->drift != DRIFT_CHANGED || !j->fates;
}

static json_t *field_json(const struct drift *d) {
        json_t *item = json_object();

        json_object_set_new(item, "field", json_string(d->field));
        if (d->wanted)
                json_object_set(item, "wanted", d->wanted);
        if (d->found)
                json_object_set(item, "found", d->found);
        if (d->who)
                json_object_set_new(item, "who", json_string(d->who));
        return item;
}

#define NO_BASELINE                                                                                \
        "no baseline was kept (cache.db was lost): compared with what is wanted, which may not "   \
        "name all that was changed"

static const char *what_of(const struct resource_job *j) {
        const struct world_resource *r = world_resource(&j->rec->world, j->id);

        /* Of a database only the mark inside tells which one it is. */
        if (j->drift == DRIFT_REPLACED && !r->seen.ours)
                return "replaced by another of the same name, or our mark on it is gone";
        return what_happened[j->drift];
}

static json_t *fields_of(const struct resource_job *j, bool stands) {
        json_t *list = json_array();
        size_t told = 0;

        for (size_t i = 0; i < j->differences.count; i++) {
                const struct drift *d = &j->differences.items[i];

                if (is_of_line(j, i, stands) && (d->wanted || d->found) &&
                    told++ < LEDGER_FIELDS_MAX)
                        json_array_append_new(list, field_json(d));
        }
        if (!told)
                json_array_append_new(list, json_pack("{s:s}", "what", what_of(j)));
        if (told > LEDGER_FIELDS_MAX)
                json_array_append_new(
                        list, json_pack("{s:I}", "more", (json_int_t)(told - LEDGER_FIELDS_MAX)));
        if (j->drift == DRIFT_CHANGED && !j->baseline)
                json_array_append_new(list, json_pack("{s:s}", "what", NO_BASELINE));
        return list;
}

static const struct drift *first_with_who(const struct resource_job *j, bool stands) {
        for (size_t i = 0; i < j->differences.count; i++)
                if (j->differences.items[i].who && is_of_line(j, i, stands))
                        return &j->differences.items[i];
        return NULL;
}

static int count_before(struct tx *tx, const struct resource_job *j, const char *fields,
                        int64_t *ret, struct err *err) {
        struct q_drift_last_same_row *row;
        size_t n;
        int r = q_drift_last_same(
                tx, &(struct q_drift_last_same_in){ .resource_id = j->id, .fields = fields }, &row,
                &n, err);

        *ret = r >= 0 && n ? row->before + 1 : 0;
        return r;
}

struct ledger_line {
        char *application, *fields, *who;
        int64_t model, changed_at, seen_at;
        int64_t since;       /* clock_wall of our write before it */
        int64_t open;        /* the line that it takes the place of, or 0 */
        int64_t also;        /* another one, or 0 */
        const char *outcome; /* of the first */
        const char *action;
        uint8_t stands[DIGEST_SIZE];
        bool is_standing, empty; /* empty: nothing stands any more */
        bool told;               /* by the open line, word for word */
        struct fights fights;    /* that this is a part of */
};

static void line_free(struct ledger_line *l) {
        free(l->application);
        free(l->fields);
        free(l->who);
        fights_clear(&l->fights);
        free(l);
}

static int take_place(struct tx *tx, int64_t line, const char *outcome, struct err *err) {
        struct w_drift_close_in in = { .id = line, .outcome = outcome, .repaired_at_null = true };

        return line ? w_drift_close(tx, &in, err) : 0;
}

/* After a start it is not known what the open line tells: it may be the very same. */
static int is_told(struct tx *tx, const struct ledger_line *l, bool *ret, struct err *err) {
        struct q_drift_row *row;
        size_t n = 0;
        int r = l->open ? q_drift_by_id(tx, &(struct q_drift_by_id_in){ .id = l->open }, &row, &n,
                                        err)
                        : 0;

        *ret = r >= 0 && n && str_eq(row->fields, l->fields) && str_eq(row->action, l->action);
        return r;
}

static int run(struct tx *tx, struct store_call *c, struct err *err) {
        struct resource_job *j = c->arg;
        struct ledger_line *l = j->line;
        int64_t before;
        int r = count_before(tx, j, l->fields, &before, err);

        if (r >= 0 && !l->is_standing)
                r = is_told(tx, l, &l->told, err);
        if (r >= 0 && l->told) {
                j->drift_line = l->open;
                return 0;
        }
        if (r >= 0)
                r = take_place(tx, l->open, l->outcome, err);
        if (r >= 0)
                r = take_place(tx, l->also, drift_outcome_name(DRIFT_SUPERSEDED), err);
        /* From here on it is lost until the very one is back or a person accepts it, whatever
         * becomes of the repair. */
        if (r >= 0 && j->drift == DRIFT_DATA_LOST)
                r = w_resource_set_lost(
                        tx, &(struct w_resource_set_lost_in){ .at = tx_now(tx), .id = j->id }, err);
        if (r >= 0)
                r = resource_save_fights(tx, j->id, &l->fights, err);
        j->drift_line = 0;
        if (r < 0 || l->empty)
                return r < 0 ? r : 0;
        j->drift_line = tx_id(tx, "drift");
        r = w_drift_insert(
                tx,
                &(struct w_drift_insert_in){ .id = j->drift_line,
                                             .model_id = l->model,
                                             .application = l->application,
                                             .resource_id = j->id,
                                             .type = j->type,
                                             .path = j->path,
                                             .fields = l->fields,
                                             .who = l->who,
                                             .changed_at = l->changed_at,
                                             .changed_at_null = !l->changed_at,
                                             .seen_at = tx_now(tx),
                                             .detected_ms = MAX_OF(tx_now(tx) - l->changed_at, 0),
                                             .detected_ms_null = !l->changed_at,
                                             .action = l->action,
                                             .outcome = drift_outcome_name(DRIFT_OPEN),
                                             .before = before,
                                             .standing = l->is_standing ? l->stands : NULL,
                                             .standing_len = l->is_standing ? DIGEST_SIZE : 0 },
                err);
        return r < 0 ? r : 0;
}

const char *ledger_word(enum drift_kind kind) {
        return what_happened[kind];
}

void ledger_count(enum drift_kind kind, const char *type, const char *who) {
        metric_add(&found, LABELS(what_happened[kind], type, who), 1);
}

static void count(const struct resource_job *j, const struct ledger_line *l) {
        ledger_count(j->drift, j->type, l->who);
        if (l->changed_at)
                metric_observe(&detection, NULL,
                               (double)MAX_OF(l->seen_at - l->changed_at, 0) / 1000);
}

static void ask_user(const struct resource_job *j, const struct ledger_line *l) {
        const struct world_resource *r = world_resource(&j->rec->world, j->id);
        struct user_question q = {
                .who = str_eq(l->who, DRIFT_WHO_UNKNOWN) ? NULL : l->who,
                .since = l->since,
                .deleted = j->drift != DRIFT_CHANGED,
        };

        if (r)
                trail_ask(j->rec, r, j->drift_line, &q);
}

static void done(struct store_call *c, int r, const struct err *err) {
        struct resource_job *j = c->arg;
        struct ledger_line *l = take_ptr(j->line);
        struct world_resource *of = world_resource(&j->rec->world, j->id);

        if (r >= 0 && of)
                resource_fights_saved(of, &l->fights);
        if (r < 0)
                j->drift_line = 0;
        else if (!l->empty && !l->told)
                count(j, l);
        if (r >= 0 && !l->empty && !l->told)
                ask_user(j, l);
        line_free(l);
        j->ledger_done(c, r, err);
}

static struct ledger_line *line_new(struct resource_job *j, const char *action, bool stands) {
        struct reconcile *rec = j->rec;
        struct world_resource *r = world_resource(&rec->world, j->id);
        const struct world_application *a = world_application(&rec->world, r->owner);
        const struct drift *d = first_with_who(j, stands);
        cleanup_(json_freep) json_t *fields = fields_of(j, stands);
        struct ledger_line *l = mem_new(struct ledger_line);

        l->application = str_dup(a ? a->name : "");
        l->model = a ? a->model : r->model;
        l->fields = json_text(fields);
        l->who = str_dup(d ? d->who : DRIFT_WHO_UNKNOWN);
        l->changed_at = d ? d->at : 0;
        l->seen_at = clock_wall();
        l->since = r->row.applied_at;
        l->action = action;
        l->open = stands ? r->standing : r->drift;
        l->outcome = drift_outcome_name(DRIFT_SUPERSEDED);
        resource_take_fights(r, &l->fights);
        l->is_standing = stands;
        return l;
}

static void submit(struct resource_job *j, struct ledger_line *l,
                   void (*ledger_done)(struct store_call *c, int r, const struct err *err)) {
        const struct world_resource *r = world_resource(&j->rec->world, j->id);

        j->line = l;
        j->ledger_done = ledger_done;
        j->call.name = "ledger";
        j->call.run = run;
        j->call.done = done;
        if (!l->empty)
                reconcile_log(LOG_NOTICE, "drift", j->rec, r, "%s %s: %s (by whom: %s): %s",
                              r->type, r->path, what_happened[j->drift], l->who, l->action);
        store_submit(j->rec->options.store, &j->call);
}

void ledger_open(struct resource_job *j, const char *action,
                 void (*ledger_done)(struct store_call *c, int r, const struct err *err)) {
        submit(j, line_new(j, action, false), ledger_done);
}

void ledger_stand(struct resource_job *j,
                  void (*ledger_done)(struct store_call *c, int r, const struct err *err)) {
        static const uint8_t nothing[DIGEST_SIZE];
        const struct world_resource *r = world_resource(&j->rec->world, j->id);
        const struct world_fields *f = r->judged;
        struct ledger_line *l;

        j->drift = DRIFT_CHANGED;
        l = line_new(j, f->verdict.later ? "wait" : "report", true);
        memcpy(l->stands, f->stands, DIGEST_SIZE);
        l->also = f->verdict.now ? 0 : r->drift;
        l->empty = memcmp(f->stands, nothing, DIGEST_SIZE) == 0;
        if (l->empty && !f->verdict.now) /* else the repair has a line of its own */
                l->outcome = drift_outcome_name(DRIFT_UNDONE);
        submit(j, l, ledger_done);
}

/* ---- what is as it was, and no answer to a write of ours says why */

struct closing {
        struct store_call call;
        struct w_drift_close_open_in in;
        struct reconcile *rec;
        int64_t line, wrote_at;
        char *model, *application, *type, *path;
};

/* The repair may have been under way when the daemon died, or its answer was lost. The outside
 * says when we wrote, by the clock that its changes are told by; else it counts that the repair
 * was begun and that nothing refused it. */
static int ask_whose(struct tx *tx, const struct closing *k, const struct q_drift_row *line,
                     bool *ret_ours, struct err *err) {
        struct q_resource_row *row;
        size_t n;
        int r;

        *ret_ours = false;
        if (k->wrote_at && !line->changed_at_null) {
                *ret_ours = k->wrote_at >= line->changed_at;
                return 0;
        }
        if (!str_starts(line->action, "repair"))
                return 0;
        r = q_resource_by_id(tx, &(struct q_resource_by_id_in){ .id = k->in.resource_id }, &row, &n,
                             err);
        *ret_ours = r >= 0 && n && str_eq(row->outcome, outcome_name(OUTCOME_DONE));
        return r;
}

static int close_ours(struct tx *tx, const struct closing *k, struct err *err) {
        struct audit_entry e = { .kind = "loop",
                                 .what = decide_action_name(ACTION_APPLY),
                                 .model = k->model,
                                 .application = k->application,
                                 .subject = tx_format(tx, "%s %s", k->type, k->path),
                                 .why = tx_format(tx, "drift %lld", (long long)k->line),
                                 .outcome = outcome_name(OUTCOME_DONE),
                                 .message = "found in place: its answer was lost" };
        int r = w_drift_close(
                tx,
                &(struct w_drift_close_in){ .id = k->line,
                                            .outcome = drift_outcome_name(DRIFT_REPAIRED),
                                            .repaired_at = k->in.repaired_at },
                err);

        if (r < 0 || !k->rec->options.audit)
                return r;
        return audit_append(tx, k->rec->options.audit, &e, err);
}

static bool is_loss(const struct q_drift_row *line) {
        return strstr(line->fields, what_happened[DRIFT_DATA_LOST]);
}

int ledger_is_loss(struct tx *tx, int64_t id, bool *ret, struct err *err) {
        struct q_drift_row *line;
        size_t n;
        int r = q_drift_by_id(tx, &(struct q_drift_by_id_in){ .id = id }, &line, &n, err);

        *ret = r >= 0 && n && is_loss(line);
        return r < 0 ? r : 0;
}

/* The repair's line, where it is neither undone nor let be. */
static int close_line(struct tx *tx, const struct closing *k, const struct q_drift_row *line,
                      struct err *err) {
        bool ours;
        int r = ask_whose(tx, k, line, &ours, err);

        if (r < 0)
                return r;
        if (ours)
                return close_ours(tx, k, err);
        if (!is_loss(line))
                return 0;
        return w_drift_close(
                tx,
                &(struct w_drift_close_in){ .id = k->line,
                                            .outcome = drift_outcome_name(DRIFT_RESTORED),
                                            .repaired_at = k->in.repaired_at },
                err);
}

static int close_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct closing *k = c->arg;
        struct q_drift_row *line;
        size_t n;
        int r = q_drift_by_id(tx, &(struct q_drift_by_id_in){ .id = k->line }, &line, &n, err);

        k->in.repaired_at = tx_now(tx);
        if (r >= 0 && n)
                r = close_line(tx, k, line, err);
        if (r >= 0)
                r = w_drift_close_open(tx, &k->in, err);
        return r < 0 ? r : 0;
}

static void close_done(struct store_call *c, int r, const struct err *err) {
        struct closing *k = c->arg;

        if (r < 0)
                log_plain(LOG_WARNING, "ledger", "resource %lld: %s", (long long)k->in.resource_id,
                          err_text(err));
        free(k->model);
        free(k->application);
        free(k->type);
        free(k->path);
        free(k);
}

void ledger_forget_drift(struct world_resource *r) {
        r->drift = 0;
        if (r->said)
                r->said->found_at = 0;
}

void ledger_forget_standing(struct reconcile *rec, struct world_resource *r) {
        if (r->standing)
                application_seen(rec, r->owner);
        r->standing = 0;
        if (r->said)
                memset(r->said->stands, 0, DIGEST_SIZE);
}

void ledger_close(struct reconcile *rec, struct world_resource *r, enum drift_outcome outcome) {
        const struct world_application *a = world_application(&rec->world, r->owner);
        const struct world_model *m = resource_model(rec, r);
        struct closing *k = mem_new(struct closing);

        k->rec = rec;
        k->line = r->drift;
        k->wrote_at = r->seen.wrote_at;
        k->model = str_dup(m ? m->name : NULL);
        k->application = str_dup(a ? a->name : NULL);
        k->type = str_dup(r->type);
        k->path = str_dup(r->path);
        ledger_forget_standing(rec, r);
        ledger_forget_drift(r);
        k->in = (struct w_drift_close_open_in){ .resource_id = r->id,
                                                .outcome = drift_outcome_name(outcome) };
        k->call = (struct store_call){ .lane = STORE_LOOP,
                                       .actor = "loop",
                                       .name = "ledger",
                                       .run = close_run,
                                       .done = close_done,
                                       .arg = k };
        store_submit(rec->options.store, &k->call);
}
