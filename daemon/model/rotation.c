/* SPDX-License-Identifier: Apache-2.0 */
/* rotation.c - secrets that get a new value at times; see rotation.h
 *
 * One rotation at a time: while somebody still has the value before, while an action runs and
 * while the application is frozen it is put off, which is told. */
#include "rotation.h"

#include "command-internal.h"
#include "rule.h"
#include "user-secret.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>

#define HOUR_MS 3600000ll
#define DAY_MS (24 * HOUR_MS)

static const struct {
        const char *word;
        int64_t period_ms;
} periods[] = { { "never", 0 },
                { "hourly", HOUR_MS },
                { "daily", DAY_MS },
                { "weekly", 7 * DAY_MS },
                { "monthly", 30 * DAY_MS },
                { "quarterly", 91 * DAY_MS },
                { "yearly", 365 * DAY_MS } };

int64_t rotation_period(const char *word) {
        for (size_t i = 0; i < ARRAY_SIZE(periods); i++)
                if (str_eq(periods[i].word, word))
                        return periods[i].period_ms;
        return 0;
}

const char *rotation_word(const json_t *policies, const char *label, const char *field) {
        cleanup_(freep) char *name = str_format("%s/%s", label, field);
        const char *pattern;
        json_t *policy;

        json_object_foreach((json_t *)policies, pattern, policy)
                if (fnmatch(pattern, name, 0) == 0)
                        return json_get_str(policy, "rotate", "never");
        return "never";
}

/* The same whenever it is asked: the transaction may run again. */
static int64_t due_after(const struct q_secret_row *s, int64_t from, int64_t period) {
        int64_t most = MIN_OF(period / 10, (int64_t)ROTATION_JITTER_MS);
        cleanup_(freep) char *text = str_format("%s %lld", s->uri, (long long)s->revision);
        uint8_t digest[DIGEST_SIZE];
        uint64_t n;

        digest_sha256(text, strlen(text), digest);
        memcpy(&n, digest, sizeof(n));
        return from + period + (int64_t)(n % (uint64_t)most);
}

/* ---- the policy */

static int revision_age(struct tx *tx, const struct q_secret_row *s, int64_t *ret,
                        struct err *err) {
        struct q_secret_revision_get_in in = { .secret_id = s->id, .revision = s->revision };
        struct q_secret_revision_row *row;
        size_t n;
        int r = q_secret_revision_get(tx, &in, &row, &n, err);

        *ret = r >= 0 && n ? row->created_at : s->created_at;
        return r < 0 ? r : 0;
}

static int note_one(struct tx *tx, const struct q_secret_row *s, void *policies, struct err *err) {
        const char *word = rotation_word(policies, s->label, s->field);
        int64_t period = rotation_period(word), since;
        struct w_secret_set_rotate_in in = { .rotate = word, .rotate_at_null = true, .id = s->id };
        int r;

        if (!secret_planned(s) || str_eq(word, s->rotate))
                return 0;
        r = revision_age(tx, s, &since, err);
        if (r < 0)
                return r;
        if (period) {
                in.rotate_at = due_after(s, since, period);
                in.rotate_at_null = false;
        }
        tx_mark(tx, MARK_OPERATION, 0); /* the clock asks again */
        r = w_secret_set_rotate(tx, &in, err);
        return r < 0 ? r : 0;
}

int rotation_note(struct tx *tx, int64_t application, const json_t *policies, struct err *err) {
        return secret_each(tx, application, note_one, (json_t *)policies, err);
}

/* ---- what is due */

static int is_frozen(struct tx *tx, const struct q_application_row *a, const char **ret_why,
                     struct err *err) {
        struct rules *rules = NULL;
        int r = rules_load_freezes(tx, a->model_id, &rules, err);
        const struct freeze *f = r >= 0 ? rules_frozen(rules, a->name) : NULL;

        if (f) {
                cleanup_(freep) char *text = freeze_text(f);

                *ret_why = tx_format(tx, "frozen by %s", text);
        }
        rules_free(rules);
        return r < 0 ? r : 0;
}

static int is_acting(struct tx *tx, const struct q_application_row *a, const char **ret_why,
                     struct err *err) {
        struct q_operation_live_of_row *rows;
        size_t n;
        int r = q_operation_live_of(tx, &(struct q_operation_live_of_in){ .application_id = a->id },
                                    &rows, &n, err);

        if (r >= 0 && n)
                *ret_why = tx_format(tx, "action %s is not over yet", rows[0].action);
        return r < 0 ? r : 0;
}

static int is_behind(struct tx *tx, const struct q_secret_row *s, const char **ret_why,
                     struct err *err) {
        struct q_secret_revision_stale_in in = { .secret_id = s->id, .revision = s->revision };
        struct q_secret_revision_stale_row *rows;
        size_t n = 0;
        int r = secret_prune(tx, s->id, err);

        if (r >= 0)
                r = q_secret_revision_stale(tx, &in, &rows, &n, err);
        if (r >= 0 && n)
                *ret_why = tx_format(tx,
                                     "revision %lld is still in use: mooringctl show-secret "
                                     "%s --revisions",
                                     (long long)rows[0].revision, s->uri);
        return r < 0 ? r : 0;
}

static int new_value(struct tx *tx, const struct q_secret_row *s, const struct rotation_run *how,
                     int64_t *ret_revision, struct err *err) {
        cleanup_(secret_text_free) struct secret_text value = {};
        cleanup_(json_freep) json_t *policy = NULL;
        struct q_secret_revision_last_row *last;
        struct w_secret_set_revision_in in = { .id = s->id };
        struct secret_revision next = { s->id, s->uri, 0 };
        size_t n;
        int r = q_secret_revision_last(
                tx, &(struct q_secret_revision_last_in){ .secret_id = s->id }, &last, &n, err);

        if (r >= 0)
                r = json_parse(s->policy, strlen(s->policy), &policy, err);
        if (r < 0)
                return r;
        if (!secret_value_make(policy, &value))
                return err_set(err, -EINVAL, "no value can be made as %s says", s->policy);
        next.revision = in.revision = (n ? last->revision : s->revision) + 1;
        r = secret_revision_add(tx, how->sealer, &next, value.data, value.len, err);
        if (r >= 0)
                r = w_secret_set_revision(tx, &in, err);
        *ret_revision = next.revision;
        return r < 0 ? r : 0;
}

static int keep_audit(struct tx *tx, const struct q_secret_row *s,
                      const struct q_application_row *a, const char *model, int64_t revision,
                      const struct rotation_run *how, struct err *err) {
        struct audit_entry e = { .kind = "loop",
                                 .what = "rotate-secret",
                                 .model = model,
                                 .application = a->name,
                                 .subject = tx_format(tx, "%s/%s", s->label, s->field),
                                 .outcome = "done",
                                 .message = tx_format(tx,
                                                      "%s/%s: revision %lld in the place of "
                                                      "%lld, as it is to be %s",
                                                      s->label, s->field, (long long)revision,
                                                      (long long)s->revision, s->rotate) };

        return how->audit ? audit_append(tx, how->audit, &e, err) : 0;
}

static int rotate(struct tx *tx, struct q_secret_row *s, const struct q_application_row *a,
                  const char *model, const struct rotation_run *how, int64_t *ret_next,
                  struct err *err) {
        int64_t revision = 0;
        int r = new_value(tx, s, how, &revision, err);

        if (r >= 0)
                r = keep_audit(tx, s, a, model, revision, how, err);
        if (r < 0)
                return r;
        tx_mark(tx, MARK_APPLICATION, a->id);
        s->revision = revision;
        *ret_next = due_after(s, tx_now(tx), rotation_period(s->rotate));
        return 0;
}

static void tell(const struct rotation_run *how, const struct q_secret_row *s, const char *model,
                 const char *application, const char *why) {
        json_array_append_new(how->told,
                              json_pack("{s:s, s:s, s:o, s:s}", "model", model, "application",
                                        application, "secret",
                                        json_sprintf("%s/%s", s->label, s->field), "text", why));
}

static int handle(struct tx *tx, struct q_secret_row *s, const struct rotation_run *how,
                  struct err *err) {
        struct w_secret_set_rotate_in in = { .rotate = s->rotate,
                                             .rotate_at = tx_now(tx) + ROTATION_RETRY_MS,
                                             .id = s->id };
        struct q_application_row *a;
        struct q_model_row *m;
        const char *why = "";
        size_t n = 0, models;
        int r = s->application_id_null
                        ? 0
                        : q_application_by_id(
                                  tx, &(struct q_application_by_id_in){ .id = s->application_id },
                                  &a, &n, err);

        if (r >= 0 && n)
                r = q_model_by_id(tx, &(struct q_model_by_id_in){ .id = a->model_id }, &m, &models,
                                  err);
        if (r < 0)
                return r;
        if (n == 0 || !str_eq(a->life, "alive")) {
                in.rotate_at_null = true; /* nobody plans with it */
                return w_secret_set_rotate(tx, &in, err);
        }
        r = is_frozen(tx, a, &why, err);
        if (r >= 0 && !*why)
                r = is_acting(tx, a, &why, err);
        if (r >= 0 && !*why)
                r = is_behind(tx, s, &why, err);
        if (r >= 0 && !*why)
                r = rotate(tx, s, a, m->name, how, &in.rotate_at, err);
        if (r < 0)
                return r;
        tell(how, s, m->name, a->name, why);
        return w_secret_set_rotate(tx, &in, err);
}

int rotation_due(struct tx *tx, struct rotation_run *how, struct err *err) {
        struct q_secret_rotate_due_in in = { .until_at = tx_now(tx), .max = ROTATION_SLICE };
        struct q_secret_rotate_next_row *next;
        struct q_secret_row *rows;
        size_t n;
        int r = q_secret_rotate_due(tx, &in, &rows, &n, err);

        json_decref(how->told);
        how->told = json_array();
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = handle(tx, &rows[i], how, err);
        if (r >= 0)
                r = q_secret_rotate_next(tx, &next, &n, err);
        how->next_at = r >= 0 && n ? next->rotate_at : 0;
        return r < 0 ? r : 0;
}
