/* SPDX-License-Identifier: Apache-2.0 */
/* command-policy.c - sets and drops rules of what is done about drift; see rule.h
 *
 * Rows are never changed: a rule that is set anew has another id, by which the loop sees it. */
#include "command-internal.h"

#include "clock.h"
#include "field-path.h"
#include "rule.h"

#include <errno.h>
#include <stdlib.h>

#define WINDOW_MS_MIN 60000 /* a cron's grain */

static const char *or_any(const char *text) {
        return text ? text : "";
}

static char *scope_text(const struct command_policy *p) {
        return rule_scope_text(
                &(struct rule_subject){ or_any(p->application), or_any(p->type), or_any(p->path) },
                or_any(p->field));
}

static int find(struct tx *tx, struct command_policy *p, const struct q_model_row **ret_model,
                struct q_policy_row **ret, struct err *err) {
        struct q_policy_row *row;
        size_t n;
        int r = lookup_live_model(tx, p->model, ret_model, err);

        p->head.is_stop = true;
        if (r >= 0)
                r = q_policy_get(tx,
                                 &(struct q_policy_get_in){ .model_id = (*ret_model)->id,
                                                            .application = or_any(p->application),
                                                            .type = or_any(p->type),
                                                            .path = or_any(p->path),
                                                            .field = or_any(p->field) },
                                 &row, &n, err);
        if (r >= 0)
                *ret = n ? row : NULL;
        return r;
}

/* ---- what is wrong with it */

static int check_window(const struct command_policy *p, enum rule_mode mode, int64_t *ret_length,
                        struct err *err) {
        struct zone *zone = NULL;
        struct cron cron;
        int r;

        *ret_length = 0;
        if (!p->begins)
                return p->zone || p->length
                               ? err_set(err, -EINVAL, "a window needs when it begins: --window")
                               : 0;
        if (mode != RULE_REPAIR)
                return err_set(err, -EINVAL,
                               "a window is when something is repaired: mode %s "
                               "repairs nothing",
                               rule_mode_name(mode));
        r = cron_parse(p->begins, &cron, err);
        if (r >= 0)
                r = zone_open(p->zone ? p->zone : "UTC", &zone, err);
        if (r >= 0 && cron_next(&cron, zone, clock_wall() / 1000) == CRON_NEVER)
                r = err_set(err, -EINVAL, "\"%s\" never comes", p->begins);
        zone_free(zone);
        if (r < 0)
                return r;
        if (!p->length || !clock_parse_span(p->length, ret_length) || *ret_length < WINDOW_MS_MIN ||
            *ret_length > (int64_t)WINDOW_MAX * 1000)
                return err_set(err, -EINVAL,
                               "a window needs its length, from a minute to seven days: 4h");
        return 0;
}

static int check(const struct command_policy *p, enum rule_mode mode, struct err *err) {
        int r = p->field ? field_path_check(p->field, err) : 0;

        if (r < 0)
                return r;
        if (mode == RULE_IGNORE && !p->field)
                return err_set(err, -EINVAL,
                               "ignore is for a field: for whole objects use off, or pause");
        return command_check_why(p->why, "a rule", "wonders why nothing is repaired", err);
}

int command_check_why(const char *why, const char *what, const char *who, struct err *err) {
        if (why && *why && strlen(why) <= COMMAND_WHY_MAX)
                return 0;
        return err_set(err, -EINVAL, "%s needs a reason of 1 to %d letters: whoever %s reads it",
                       what, COMMAND_WHY_MAX, who);
}

int command_until(struct tx *tx, const char *text, int64_t *ret, struct err *err) {
        int64_t span;

        *ret = 0;
        if (!text)
                return 0;
        if (clock_parse_span(text, &span)) {
                if (__builtin_add_overflow(tx_now(tx), span, ret))
                        return err_set(err, -EINVAL, "\"%s\" is beyond all time", text);
        } else if (!clock_parse_iso(text, ret)) {
                return err_set(err, -EINVAL,
                               "\"%s\" is no time: 2026-09-23T14:00:00Z, or for how long: 2h",
                               text);
        }
        if (*ret <= tx_now(tx))
                return err_set(err, -EINVAL, "\"%s\" is over already", text);
        return 0;
}

/* ---- set */

static json_t *rule_json(const struct q_policy_row *row) {
        char stamp[CLOCK_TEXT_MAX];
        json_t *j = json_pack("{s:s, s:s, s:s}", "mode", row->mode, "owner", row->owner, "why",
                              row->why);

        if (row->begins[0])
                json_object_set_new(j, "window",
                                    json_sprintf("%s %s, %lld minutes", row->begins, row->zone,
                                                 (long long)(row->length_ms / 60000)));
        if (row->writer[0])
                json_object_set_new(j, "writer", json_string(row->writer));
        if (!row->until_null)
                json_object_set_new(j, "until", json_string(clock_iso(row->until, false, stamp)));
        return j;
}

static bool is_same(const struct q_policy_row *a, const struct w_policy_insert_in *b) {
        return a && str_eq(a->mode, b->mode) && str_eq(a->begins, b->begins) &&
               str_eq(a->zone, b->zone) && a->length_ms == b->length_ms &&
               str_eq(a->writer, b->writer) && str_eq(a->why, b->why) &&
               a->until_null == b->until_null && (a->until_null || a->until == b->until);
}

static int count_rules(struct tx *tx, int64_t model, struct err *err) {
        struct q_policy_row *rows;
        size_t n;
        int r = q_policy_list(tx, &(struct q_policy_list_in){ .model_id = model }, &rows, &n, err);

        if (r >= 0 && n >= RULES_MAX)
                return err_set(err, -ENOSPC,
                               "a model has at most %d rules: drop some, or make one "
                               "of a wider scope",
                               RULES_MAX);
        return r;
}

static int replace(struct tx *tx, struct command *c, const struct q_policy_row *old,
                   const struct w_policy_insert_in *in, struct err *err) {
        const struct command_policy *p = command_of(c, command_policy);
        cleanup_(freep) char *scope = scope_text(p);
        cleanup_(freep) char *field = str_format("policy%s", scope);
        struct q_policy_row now = { .mode = in->mode,
                                    .begins = in->begins,
                                    .zone = in->zone,
                                    .length_ms = in->length_ms,
                                    .writer = in->writer,
                                    .owner = in->owner,
                                    .why = in->why,
                                    .until = in->until,
                                    .until_null = in->until_null };
        int r = old ? w_policy_delete(tx, &(struct w_policy_delete_in){ .id = old->id }, err)
                    : count_rules(tx, in->model_id, err);

        if (r >= 0)
                r = w_policy_insert(tx, in, err);
        if (r < 0)
                return r;
        if (in->writer[0])
                command_change(c, "hand-over", p->application, "hand over%s to %s: %s", scope,
                               in->writer, in->why);
        else
                command_change(c, "policy", p->application, "mode %s%s: %s", in->mode, scope,
                               in->why);
        command_record(c, p->application, field, old ? rule_json(old) : NULL, rule_json(&now));
        tx_mark(tx, MARK_MODEL, in->model_id);
        return 0;
}

/* A name that nobody writes under hands a field over to nobody. */
static int note_unknown_writer(struct tx *tx, struct command *c, const struct q_model_row *model,
                               const char *writer, struct err *err) {
        struct q_drift_by_writer_row *row;
        size_t n;
        int r = q_drift_by_writer(
                tx, &(struct q_drift_by_writer_in){ .model_id = model->id, .who = writer }, &row,
                &n, err);

        if (r >= 0 && n == 0)
                command_note(c,
                             "nobody changed anything of ours in model %s under the name %s so "
                             "far: is that what the writer calls itself? `drift` names those that "
                             "were seen",
                             model->name, writer);
        return r < 0 ? r : 0;
}

int command_policy_set(struct tx *tx, struct command *c, struct err *err) {
        struct command_policy *p = command_of(c, command_policy);
        int mode = rule_mode_find(p->mode ? p->mode : "");
        const struct q_application_row *application;
        const struct q_model_row *model;
        struct q_policy_row *old;
        struct w_policy_insert_in in;
        int64_t length, until;
        int r;

        if (mode < 0)
                return err_set(err, -EINVAL, "mode is off, report, repair or ignore");
        r = find(tx, p, &model, &old, err);
        if (r >= 0 && p->application)
                r = lookup_application(tx, model, p->application, &application, err);
        if (r >= 0)
                r = check(p, (enum rule_mode)mode, err);
        if (r >= 0)
                r = check_window(p, (enum rule_mode)mode, &length, err);
        if (r >= 0)
                r = command_until(tx, p->until, &until, err);
        if (r < 0)
                return r;
        in = (struct w_policy_insert_in){ .model_id = model->id,
                                          .application = or_any(p->application),
                                          .type = or_any(p->type),
                                          .path = or_any(p->path),
                                          .field = or_any(p->field),
                                          .mode = rule_mode_name((enum rule_mode)mode),
                                          .begins = or_any(p->begins),
                                          .zone = p->begins ? (p->zone ? p->zone : "UTC") : "",
                                          .length_ms = length,
                                          .writer = or_any(p->writer),
                                          .owner = c->actor ? c->actor : "somebody",
                                          .why = p->why,
                                          .at = tx_now(tx),
                                          .until = until,
                                          .until_null = !until };
        if (p->kind_unknown)
                command_note(
                        c,
                        "no object of model %s is a %s now: the rule decides nothing until one "
                        "is (mooringctl objects lists the kinds)",
                        model->name, p->type);
        if (is_same(old, &in))
                return 0;
        if (p->writer) {
                r = note_unknown_writer(tx, c, model, p->writer, err);
                if (r < 0)
                        return r;
        }
        in.id = tx_id(tx, "policy");
        return replace(tx, c, old, &in, err);
}

/* ---- unset */

/* A rule outlives its object: it is found by what the person typed. */
static int find_gone(struct tx *tx, const struct command_policy *p, int64_t model,
                     struct q_policy_row **ret, struct err *err) {
        struct q_policy_row *rows;
        size_t n;
        int r = q_policy_list(tx, &(struct q_policy_list_in){ .model_id = model }, &rows, &n, err);

        *ret = NULL;
        for (size_t i = 0; r >= 0 && i < n; i++)
                if (rows[i].path[0] && str_eq(rows[i].field, or_any(p->field)) &&
                    rule_is_object(p->object, rows[i].type, rows[i].path))
                        *ret = &rows[i];
        return r;
}

static char *row_scope(const struct q_policy_row *row) {
        return rule_scope_text(&(struct rule_subject){ row->application, row->type, row->path },
                               row->field);
}

int command_policy_unset(struct tx *tx, struct command *c, struct err *err) {
        struct command_policy *p = command_of(c, command_policy);
        cleanup_(freep) char *scope = NULL, *field = NULL;
        const struct q_model_row *model;
        struct q_policy_row *old;
        int r = find(tx, p, &model, &old, err);

        if (r >= 0 && p->object)
                r = find_gone(tx, p, model->id, &old, err);
        if (r < 0)
                return r;
        scope = old ? row_scope(old) : p->object ? str_format(" for %s", p->object) : scope_text(p);
        if (!old)
                return err_set(err, -ENOENT, "there is no rule%s: drift policy lists them", scope);
        field = str_format("policy%s", scope);
        if (old->writer[0])
                command_change(c, "take-over", p->application, "take over%s, which %s had: %s",
                               scope, old->writer, p->why ? p->why : "no reason given");
        else
                command_change(c, "policy", p->application, "drop the rule%s: mode %s, %s", scope,
                               old->mode, old->why);
        command_record(c, p->application, field, rule_json(old), NULL);
        r = w_policy_delete(tx, &(struct w_policy_delete_in){ .id = old->id }, err);
        tx_mark(tx, MARK_MODEL, model->id);
        return r < 0 ? r : 0;
}
