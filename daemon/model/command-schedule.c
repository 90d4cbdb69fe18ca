/* SPDX-License-Identifier: Apache-2.0 */
/* command-schedule.c - actions that are run at times: setting and dropping a schedule, and what
 * is due
 *
 * A run is queued like one that a person asks for, by who set the schedule, with all its checks;
 * what refuses it (a freeze, a parameter that a refreshed charm knows no more) is told in the
 * schedule's row, and the next time comes all the same. What was due while the daemon was off is
 * run once, or not at all. */
#include "command-internal.h"

#include "clock.h"
#include "cron.h"
#include "digest.h"
#include "operation-hold.h"
#include "param.h"

#include <errno.h>
#include <stdlib.h>

#define SCHEDULES_MAX 500 /* of one model */
#define JITTER_MAX_MS (24 * 3600000ll)
#define MISSED_MS 600000 /* so late it was not this daemon's doing: it was off */
#define ZONE_AGAIN_MS 600000
#define DUE_UNKNOWN 0 /* due_at of one whose zone cannot be read */

static const char *const missed_words[] = { "skip", "run", NULL };
static const char *const overlap_words[] = { "skip", "queue", NULL };

static bool is_word(const char *const *words, const char *text) {
        for (; *words; words++)
                if (str_eq(*words, text))
                        return true;
        return false;
}

/* ---- when */

/* The first time after NOW; *RET 0: never again. */
static int next_due(const char *cron_text, const char *zone_name, int64_t now, int64_t *ret,
                    struct err *err) {
        struct zone *zone = NULL;
        struct cron cron;
        int64_t next;
        int r = cron_parse(cron_text, &cron, err);

        if (r >= 0)
                r = zone_open(zone_name, &zone, err);
        if (r < 0)
                return r;
        next = cron_next(&cron, zone, now / 1000);
        zone_free(zone);
        *ret = next == CRON_NEVER ? 0 : next * 1000;
        return 0;
}

/* The same whenever it is asked: the transaction may run again. */
static int64_t jitter_of(int64_t id, int64_t due, int64_t most) {
        uint8_t digest[DIGEST_SIZE];
        char text[48];
        uint64_t n;

        if (!most)
                return 0;
        snprintf(text, sizeof(text), "%lld %lld", (long long)id, (long long)due);
        digest_sha256(text, strlen(text), digest);
        memcpy(&n, digest, sizeof(n));
        return (int64_t)(n % (uint64_t)most);
}

static int first_due(struct tx *tx, const struct command_schedule *s, int64_t *ret,
                     struct err *err) {
        int r;

        if (!s->cron == !s->at)
                return err_set(err, -EINVAL, "when: either once (at), or again and again (cron)");
        if (s->at)
                return command_until(tx, s->at, ret, err);
        r = next_due(s->cron, s->zone ? s->zone : "UTC", tx_now(tx), ret, err);
        if (r >= 0 && !*ret)
                r = err_set(err, -EINVAL, "\"%s\" never comes", s->cron);
        return r;
}

/* ---- adding */

static json_t *found_secret(void *arg, const char *path, const json_t *value) {
        *(bool *)arg = true;
        return NULL;
}

static int check_action(struct tx *tx, const struct command_schedule *s,
                        const struct q_application_row *a, struct err *err) {
        cleanup_(charm_meta_freep) struct charm_meta *meta = NULL;
        cleanup_(json_freep) json_t *made = NULL;
        const struct audit_entry *e = s->head.entry;
        const struct meta_action *action;
        bool secret = false;
        int r = lookup_action(tx, a, s->action, &meta, &action, err);

        if (r >= 0 && e)
                r = command_permission_check(tx, e->user, e->role, a, action, err);
        if (r >= 0)
                r = command_operation_check_asker(e, action, err);
        if (r < 0)
                return r;
        r = command_operation_check(tx, a, action, s->unit, s->params, &made, err);
        if (r < 0)
                return r;
        param_each_secret(action->schema, made, found_secret, &secret);
        return secret ? err_set(err, -EINVAL,
                                "a schedule keeps no secrets: leave the secret parameters out")
                      : 0;
}

static int check_words(const struct command_schedule *s, int64_t *ret_jitter, struct err *err) {
        *ret_jitter = 0;
        if (s->missed && !is_word(missed_words, s->missed))
                return err_set(err, -EINVAL, "missed: must be skip or run");
        if (s->overlap && !is_word(overlap_words, s->overlap))
                return err_set(err, -EINVAL, "overlap: must be skip or queue");
        if (s->jitter && (!clock_parse_span(s->jitter, ret_jitter) || *ret_jitter < 0 ||
                          *ret_jitter > JITTER_MAX_MS))
                return err_set(err, -EINVAL, "jitter: must be a time up to a day, as 10m");
        return 0;
}

static int check_room(struct tx *tx, int64_t model, struct err *err) {
        struct q_schedule_count_row *count;
        size_t n;
        int r = q_schedule_count(tx, &(struct q_schedule_count_in){ .model_id = model }, &count, &n,
                                 err);

        if (r >= 0 && n && count->total >= SCHEDULES_MAX)
                r = err_set(err, -ENOSPC, "a model has at most %d schedules", SCHEDULES_MAX);
        return r < 0 ? r : 0;
}

static int insert(struct tx *tx, struct command *c, const struct q_application_row *a,
                  const struct q_model_row *model, int64_t jitter, int64_t due, int64_t *ret_id,
                  struct err *err) {
        const struct command_schedule *s = command_of(c, command_schedule);
        const struct audit_entry *e = c->entry;
        cleanup_(freep) char *params = s->params ? json_text(s->params) : str_dup("{}");
        struct w_schedule_insert_in in = {
                .id = tx_id(tx, "schedule"),
                .model_id = model->id,
                .model = model->name,
                .application_id = a->id,
                .application = a->name,
                .unit = s->unit ? s->unit : "",
                .action = s->action,
                .params = params,
                .cron = s->cron ? s->cron : "",
                .zone = s->zone ? s->zone : "UTC",
                .jitter_ms = jitter,
                .missed = s->missed ? s->missed : "skip",
                .overlap = s->overlap ? s->overlap : "skip",
                .during_freeze = s->during_freeze,
                .asked_by = command_asker(tx, c),
                .asked_uid = e ? e->uid : 0,
                .asked_uid_null = !e || !e->has_user,
                .asked_login = e ? e->login : 0,
                .asked_login_null = !e || !e->has_login,
                .asked_role = e && e->role ? e->role : "admin",
                .reason = s->why ? s->why : "",
                .created_at = tx_now(tx),
                .due_at = due,
        };

        in.run_at = due + jitter_of(in.id, due, jitter);
        *ret_id = in.id;
        return w_schedule_insert(tx, &in, err);
}

int command_schedule_add(struct tx *tx, struct command *c, struct err *err) {
        const struct command_schedule *s = command_of(c, command_schedule);
        const struct q_application_row *a;
        const struct q_model_row *model;
        int64_t due = 0, jitter, id;
        char stamp[CLOCK_TEXT_MAX];
        int r = lookup_live_model(tx, s->model, &model, err);

        if (r >= 0)
                r = lookup_live_application(tx, model, s->application, &a, err);
        if (r >= 0)
                r = check_action(tx, s, a, err);
        if (r >= 0)
                r = check_words(s, &jitter, err);
        if (r >= 0)
                r = first_due(tx, s, &due, err);
        if (r >= 0)
                r = check_room(tx, model->id, err);
        if (r >= 0)
                r = insert(tx, c, a, model, jitter, due, &id, err);
        if (r < 0)
                return r;
        c->is_stop = true; /* nothing of the model is changed before it is due, and checked then */
        command_change(c, "schedule", a->name, "run %s of %s at %s%s%s as schedule %lld", s->action,
                       a->name, clock_iso(due, false, stamp), s->cron ? ", and then by " : "",
                       s->cron ? s->cron : "", (long long)id);
        command_record(
                c, a->name, "schedule", NULL,
                json_pack("{s:s, s:s}", "action", s->action, "when", s->cron ? s->cron : s->at));
        command_say(c, "schedule", json_integer(id));
        tx_mark(tx, MARK_OPERATION, 0);
        return 0;
}

/* ---- dropping */

int command_schedule_remove(struct tx *tx, struct command *c, struct err *err) {
        const struct command_operation *o = command_of(c, command_operation);
        const struct q_model_row *model;
        struct q_schedule_row *row;
        size_t n = 0;
        int r = lookup_model(tx, o->model, &model, err);

        c->is_stop = true;
        if (r >= 0)
                r = q_schedule_by_id(tx, &(struct q_schedule_by_id_in){ .id = o->id }, &row, &n,
                                     err);
        if (r < 0)
                return r;
        if (!n || row->model_id != model->id)
                return err_set(err, -ENOENT, "model %s has no schedule %lld", model->name,
                               (long long)o->id);
        r = w_schedule_delete(tx, &(struct w_schedule_delete_in){ .id = row->id }, err);
        command_change(c, "unschedule", row->application, "no longer run %s of %s by schedule %lld",
                       row->action, row->application, (long long)row->id);
        command_record(c, row->application, "schedule",
                       json_pack("{s:s, s:s}", "action", row->action, "when", row->cron), NULL);
        tx_mark(tx, MARK_OPERATION, 0);
        return r < 0 ? r : 0;
}

/* ---- what is due */

static int overlaps(struct tx *tx, const struct q_schedule_row *s, bool *ret, struct err *err) {
        struct q_operation_row *row;
        size_t n = 0;
        int r = 0;

        *ret = false;
        if (!s->operation_null && str_eq(s->overlap, "skip"))
                r = q_operation_by_id(tx, &(struct q_operation_by_id_in){ .id = s->operation },
                                      &row, &n, err);
        *ret = r >= 0 && n && row->live;
        return r < 0 ? r : 0;
}

/* Asked before anything is written: the transaction is that of all that is due, and is not taken
 * back for one that is refused. */
static int find_held(struct tx *tx, const struct q_schedule_row *s, const char **ret_text,
                     struct err *err) {
        struct operation_held held;
        int r = operation_held(
                tx, &(struct operation_subject){ s->model_id, s->application_id, s->during_freeze },
                &held, err);

        if (r >= 0 && held.what)
                *ret_text = tx_format(tx, "skipped: %s is %s by %s", held.what, held.how, held.by);
        return r;
}

/* Queues it as who set the schedule. *RET_TEXT: why not. */
static int run_one(struct tx *tx, const struct q_schedule_row *s, const struct schedule_run *how,
                   int64_t *ret_operation, const char **ret_text, struct err *err) {
        cleanup_(json_freep) json_t *params = NULL;
        struct audit_entry e = { .kind = "loop",
                                 .has_user = !s->asked_uid_null,
                                 .uid = s->asked_uid,
                                 .has_login = !s->asked_login_null,
                                 .login = s->asked_login,
                                 .role = s->asked_role,
                                 .what = "run",
                                 .model = s->model,
                                 .application = s->application,
                                 .subject = tx_format(tx, "schedule %lld", (long long)s->id),
                                 .why = s->reason };
        struct command_run c = { .head = { .run = command_operation_run,
                                           .sealer = how->sealer,
                                           .audit = how->audit,
                                           .entry = &e,
                                           .of_model = s->model,
                                           .actor = tx_format(tx, "schedule %lld of %s",
                                                              (long long)s->id, s->asked_by) },
                                 .model = s->model,
                                 .application = s->application,
                                 .unit = s->unit[0] ? s->unit : NULL,
                                 .action = s->action,
                                 .why = s->reason,
                                 .during_freeze = s->during_freeze };
        struct store_call inner = { .arg = &c.head };
        struct err why = {};
        int r = json_parse(s->params, strlen(s->params), &params, err);

        if (r < 0)
                return r;
        c.params = params;
        r = command_run(tx, &inner, &why);
        if (r < 0)
                *ret_text = tx_format(tx, "%s", err_text(&why));
        else
                *ret_operation = json_get_int(c.head.answer, "operation", 0);
        free(inner.answer);
        command_deinit(&c.head);
        return 0;
}

static int decide(struct tx *tx, const struct q_schedule_row *s, const struct schedule_run *how,
                  int64_t *ret_operation, const char **ret_text, struct err *err) {
        bool late = tx_now(tx) - s->run_at > MISSED_MS, overlap;
        int r = overlaps(tx, s, &overlap, err);

        if (r < 0)
                return r;
        r = find_held(tx, s, ret_text, err);
        if (r < 0 || **ret_text)
                return r;
        if (late && str_eq(s->missed, "skip"))
                *ret_text = "missed: the daemon was off then";
        else if (overlap)
                *ret_text = tx_format(tx, "skipped: operation %lld is not over yet",
                                      (long long)s->operation);
        else
                return run_one(tx, s, how, ret_operation, ret_text, err);
        return 0;
}

/* Its zone's table cannot be read (it was taken away, there is no descriptor left), so nobody
 * knows when it is due: that is asked again, and nothing is run. */
static int go_on_unknown(struct tx *tx, struct w_schedule_set_ran_in *in, const struct err *why,
                         const char **text, struct err *err) {
        *text = tx_format(tx, "not run while its time zone cannot be read: %s", err_text(why));
        in->last_text = *text;
        in->due_at = DUE_UNKNOWN;
        in->run_at = tx_now(tx) + ZONE_AGAIN_MS;
        return w_schedule_set_ran(tx, in, err);
}

/* The next time; one that was for once, or never comes again, is over, and stays to be seen where
 * it was not run. */
static int go_on(struct tx *tx, const struct q_schedule_row *s, int64_t operation,
                 const char **text, struct err *err) {
        bool known = s->due_at != DUE_UNKNOWN;
        struct w_schedule_set_ran_in in = { .id = s->id,
                                            .operation = operation ? operation : s->operation,
                                            .operation_null = !operation && s->operation_null,
                                            .last_at = known ? s->due_at : s->last_at,
                                            .last_at_null = !known && s->last_at_null,
                                            .last_text = known ? *text : s->last_text };
        struct err why = {};

        if (s->cron[0] && next_due(s->cron, s->zone, tx_now(tx), &in.due_at, &why) < 0)
                return go_on_unknown(tx, &in, &why, text, err);
        if (!in.due_at && !*in.last_text)
                return w_schedule_delete(tx, &(struct w_schedule_delete_in){ .id = s->id }, err);
        in.run_at = in.due_at ? in.due_at + jitter_of(s->id, in.due_at, s->jitter_ms) : INT64_MAX;
        if (!in.due_at)
                in.due_at = s->due_at;
        return w_schedule_set_ran(tx, &in, err);
}

/* What is the same as the last time is told once. */
static int run_due(struct tx *tx, const struct q_schedule_row *s, struct schedule_run *how,
                   struct err *err) {
        int64_t operation = 0;
        const char *text = "";
        int r = s->due_at == DUE_UNKNOWN ? 0 : decide(tx, s, how, &operation, &text, err);

        if (r >= 0)
                r = go_on(tx, s, operation, &text, err);
        if (s->due_at == DUE_UNKNOWN && str_eq(text, s->last_text))
                text = "";
        json_array_append_new(how->told,
                              json_pack("{s:I, s:s, s:s, s:s, s:s}", "schedule", (json_int_t)s->id,
                                        "model", s->model, "application", s->application, "action",
                                        s->action, "text", text));
        return r;
}

int command_schedule_due(struct tx *tx, struct schedule_run *how, struct err *err) {
        struct q_schedule_due_in in = { .until_at = tx_now(tx), .max = SCHEDULES_SLICE };
        struct q_schedule_next_row *next;
        struct q_schedule_row *rows;
        size_t n;
        int r = q_schedule_due(tx, &in, &rows, &n, err);

        json_decref(how->told);
        how->told = json_array();
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = run_due(tx, &rows[i], how, err);
        if (r >= 0)
                r = q_schedule_next(tx, &next, &n, err);
        how->next_at = r >= 0 && n && next->run_at < INT64_MAX ? next->run_at : 0;
        return r < 0 ? r : 0;
}
