/* SPDX-License-Identifier: Apache-2.0 */
/* ask-store.c - what steps ask for that changes rows only: secrets, options and runs by schedule
 * of the application
 *
 * Each runs in the transaction that writes its end, and so is done once or not at all. A new
 * value of a secret is first a revision that no plan gets: the charm puts it where it belongs
 * outside, and then says that it is in use. So a crash between the two leaves both values known. */
#include "turn.h"

#include "clock.h"
#include "command.h"
#include "digest.h"
#include "lookup.h"
#include "secret-token.h"

#include <errno.h>
#include <stdlib.h>

/* ---- new-secret */

static int find_secret(struct tx *tx, const struct turn *t, const json_t *ask,
                       struct q_secret_row **ret, struct err *err) {
        const char *label = json_get_str(ask, "label", ""), *field = json_get_str(ask, "field", "");
        size_t n;
        int r = q_secret_by_label(
                tx,
                &(struct q_secret_by_label_in){
                        .application_id = t->rows.application_id, .label = label, .field = field },
                ret, &n, err);

        if (r < 0 || (n && secret_planned(*ret)))
                return r < 0 ? r : 0;
        return err_set(err, -ENOENT, "%s has no secret %s/%s", t->rows.application, label, field);
}

/* As the plan asked for it. */
static int make_value(const struct q_secret_row *s, struct secret_text *ret, struct err *err) {
        cleanup_(json_freep) json_t *policy = NULL;
        int r = json_parse(s->policy, strlen(s->policy), &policy, err);

        if (r < 0)
                return r;
        if (!secret_value_make(policy, ret))
                return err_set(err, -EINVAL, "secret %s/%s: no value can be made as %s says",
                               s->label, s->field, s->policy);
        return 0;
}

/* VALUE is one token of a secret of the same application: of a parameter. */
static int take_value(struct tx *tx, const struct turn *t, const char *value,
                      struct secret_text *ret, struct err *err) {
        struct secret_ref ref;
        struct q_secret_row *s;
        size_t n;
        int r;

        if (!secret_token_next(value, 0, &ref) || ref.start || value[ref.end])
                return err_set(err, -EINVAL,
                               "the new value is no secret parameter: it would have been in the "
                               "journal");
        r = q_secret_by_uri(tx, &(struct q_secret_by_uri_in){ .uri = ref.uri }, &s, &n, err);
        if (r < 0)
                return r;
        if (!n || s->application_id_null || s->application_id != t->rows.application_id)
                return err_set(err, -EPERM, "the new value is a secret of another application");
        return secret_revision_open(tx, t->of->options.sealer, s, ref.revision, ret, err);
}

/* One more than there ever was: what was made and never used is not made again. */
static int next_revision(struct tx *tx, const struct q_secret_row *s, int64_t *ret,
                         struct err *err) {
        struct q_secret_revision_last_row *last;
        size_t n;
        int r = q_secret_revision_last(
                tx, &(struct q_secret_revision_last_in){ .secret_id = s->id }, &last, &n, err);

        *ret = r >= 0 && n ? last->revision + 1 : s->revision + 1;
        return r < 0 ? r : 0;
}

static int add_revision(struct tx *tx, const struct turn *t, const struct q_secret_row *s,
                        int64_t revision, const struct secret_text *value, struct err *err) {
        struct secret_revision next = { s->id, s->uri, revision };

        return secret_revision_add(tx, t->of->options.sealer, &next, value->data, value->len, err);
}

int ask_new_secret(struct tx *tx, struct turn *t, const json_t *ask, json_t **told,
                   struct err *err) {
        cleanup_(secret_text_free) struct secret_text value = {};
        const char *given = json_get_str(ask, "value", NULL);
        char old[SECRET_TOKEN_MAX], new[SECRET_TOKEN_MAX];
        struct q_secret_row *s;
        int64_t revision = 0;
        int r = find_secret(tx, t, ask, &s, err);

        if (r >= 0)
                r = given ? take_value(tx, t, given, &value, err) : make_value(s, &value, err);
        if (r >= 0)
                r = next_revision(tx, s, &revision, err);
        if (r >= 0)
                r = add_revision(tx, t, s, revision, &value, err);
        if (r < 0)
                return r;
        *told = json_pack("{s:s, s:s}", "old",
                          secret_token_write(s->uri, s->revision, SECRET_PLAIN, old), "new",
                          secret_token_write(s->uri, revision, SECRET_PLAIN, new));
        return 0;
}

/* ---- use-secret */

static int keep_audit(struct tx *tx, const struct turn *t, const char *what, const char *message,
                      struct err *err) {
        char subject[40];
        struct audit_entry e = { .kind = "loop",
                                 .what = what,
                                 .model = t->rows.model,
                                 .application = t->rows.application,
                                 .subject = subject,
                                 .outcome = "done",
                                 .message = message };

        snprintf(subject, sizeof(subject), "operation %lld", (long long)t->id);
        return t->of->options.audit ? audit_append(tx, t->of->options.audit, &e, err) : 0;
}

int ask_use_secret(struct tx *tx, struct turn *t, const json_t *ask, json_t **told,
                   struct err *err) {
        cleanup_(secret_text_free) struct secret_text value = {};
        const char *token = json_get_str(ask, "token", "");
        struct secret_ref ref;
        struct q_secret_row *s;
        size_t n;
        int r;

        if (!secret_token_next(token, 0, &ref))
                return err_set(err, -EINVAL, "what is to be used is no secret");
        r = q_secret_by_uri(tx, &(struct q_secret_by_uri_in){ .uri = ref.uri }, &s, &n, err);
        if (r < 0)
                return r;
        if (!n || s->application_id_null || s->application_id != t->rows.application_id ||
            !secret_planned(s))
                return err_set(err, -EPERM, "the secret is none of %s's own", t->rows.application);
        r = secret_revision_open(tx, t->of->options.sealer, s, ref.revision, &value, err);
        if (r >= 0)
                r = w_secret_set_revision(
                        tx,
                        &(struct w_secret_set_revision_in){ .id = s->id, .revision = ref.revision },
                        err);
        if (r >= 0)
                r = keep_audit(tx, t, "rotate-secret",
                               tx_format(tx, "%s/%s: revision %lld in the place of %lld", s->label,
                                         s->field, (long long)ref.revision, (long long)s->revision),
                               err);
        tx_mark(tx, MARK_APPLICATION, t->rows.application_id);
        return r < 0 ? r : 0;
}

/* ---- taken */

#define USES_PAGE 100

/* -EAGAIN: an object that is not the application's own holds it still. */
static int check_uses(struct tx *tx, const struct turn *t, const struct q_secret_row *s,
                      int64_t revision, struct err *err) {
        struct q_secret_use_list_in in = { .secret_id = s->id,
                                           .revision = revision,
                                           .max = USES_PAGE };
        struct q_secret_use_list_row *rows;
        size_t n;
        int r;

        do {
                r = q_secret_use_list(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        in.after = rows[i].id;
                        if (!str_eq(rows[i].application, t->rows.application))
                                r = err_set(err, -EAGAIN, "%s %s of %s holds the value before",
                                            rows[i].type, rows[i].path,
                                            *rows[i].application ? rows[i].application : "nobody");
                }
        } while (r >= 0 && n == USES_PAGE);
        return r < 0 ? r : 0;
}

int ask_taken(struct tx *tx, struct turn *t, const json_t *ask, json_t **told, struct err *err) {
        struct secret_ref ref;
        struct q_secret_row *s;
        size_t n;
        int r;

        if (!secret_token_next(json_get_str(ask, "token", ""), 0, &ref))
                return err_set(err, -EINVAL, "what is to be taken back is no secret");
        r = q_secret_by_uri(tx, &(struct q_secret_by_uri_in){ .uri = ref.uri }, &s, &n, err);
        if (r < 0 || !n)
                return r < 0 ? r : 0;
        if (s->application_id_null || s->application_id != t->rows.application_id)
                return err_set(err, -EPERM, "the secret is none of %s's own", t->rows.application);
        return check_uses(tx, t, s, ref.revision, err);
}

/* ---- config */

/* Its charm may have been refreshed since it was asked. */
static int check_sealed(struct tx *tx, const struct turn *t, const char *option, struct err *err) {
        cleanup_(charm_meta_freep) struct charm_meta *meta = NULL;
        const struct q_application_row *row;
        const struct q_model_row *model;
        int r = lookup_live_model(tx, t->rows.model, &model, err);

        if (r >= 0)
                r = lookup_live_application(tx, model, t->rows.application, &row, err);
        if (r >= 0)
                r = lookup_meta(tx, row, &meta, err);
        return r < 0 ? r : charm_meta_option_sealed(meta, option, err);
}

/* A secret parameter's value goes from its seal into that of the option. */
static int open_value(struct tx *tx, const struct turn *t, const char *option, const char *token,
                      json_t **ret, struct err *err) {
        cleanup_(secret_text_free) struct secret_text text = {};
        int r;

        if (!secret_token_in(token)) {
                *ret = json_string(token);
                return 0;
        }
        r = check_sealed(tx, t, option, err);
        if (r >= 0)
                r = take_value(tx, t, token, &text, err);
        if (r >= 0)
                *ret = json_stringn(text.data, text.len);
        return r < 0 ? r : 0;
}

static void wipe(json_t **p) {
        json_wipe(*p);
}

/* {option: text or null} as what is set and what is reset. */
static int take_options(struct tx *tx, const struct turn *t, const json_t *options, json_t *set,
                        json_t *reset, struct err *err) {
        const char *option;
        json_t *value;

        json_object_foreach((json_t *)options, option, value) {
                json_t *opened = NULL;
                int r = json_is_null(value)
                                ? 0
                                : open_value(tx, t, option, json_string_value(value), &opened, err);

                if (r < 0)
                        return r;
                if (opened)
                        json_object_set_new(set, option, opened);
                else
                        json_array_append_new(reset, json_string(option));
        }
        return 0;
}

/* -ESTALE: an option is not as ASK's "was" has it any more ("": not set). */
static int check_was(struct tx *tx, const struct turn *t, const json_t *was, struct err *err) {
        struct q_application_option_get_in in = { .application_id = t->rows.application_id };
        struct q_application_option_get_row *row;
        const char *option;
        json_t *value;
        size_t n;

        json_object_foreach((json_t *)was, option, value) {
                cleanup_(json_freep) json_t *now = NULL;
                int r;

                in.name = option;
                r = q_application_option_get(tx, &in, &row, &n, err);
                if (r >= 0 && n)
                        r = json_parse(row->value, strlen(row->value), &now, err);
                if (r < 0)
                        return r;
                if (!str_eq(json_string_value(value), now ? json_string_value(now) : ""))
                        return err_set(err, -ESTALE, "option %s was changed meanwhile", option);
        }
        return 0;
}

int ask_config(struct tx *tx, struct turn *t, const json_t *ask, json_t **told, struct err *err) {
        cleanup_(wipe) json_t *set = json_object(); /* it may hold an opened secret */
        cleanup_(json_freep) json_t *reset = json_array();
        struct audit_entry e = { .kind = "loop",
                                 .what = "config",
                                 .model = t->rows.model,
                                 .application = t->rows.application,
                                 .subject = t->rows.action };
        struct command_config config = { .head = { .run = command_config_set,
                                                   .sealer = t->of->options.sealer,
                                                   .actor = "action",
                                                   .audit = t->of->options.audit,
                                                   .entry = t->of->options.audit ? &e : NULL },
                                         .model = t->rows.model,
                                         .application = t->rows.application,
                                         .set = set,
                                         .reset = reset };
        struct store_call call = { .arg = &config.head };
        int r = check_was(tx, t, json_get(ask, "was"), err);

        if (r >= 0)
                r = take_options(tx, t, json_get(ask, "options"), set, reset, err);
        if (r < 0)
                return r;
        r = command_run(tx, &call, err);
        free(call.answer);
        command_deinit(&config.head);
        return r < 0 ? r : 0;
}

/* ---- run-at
 *
 * Another action of the same application, once, when the time has come: a schedule like a
 * person's, so that it is listed, can be dropped, and waits for no slot until then. */

int ask_run_at(struct tx *tx, struct turn *t, const json_t *ask, json_t **told, struct err *err) {
        char at[CLOCK_TEXT_MAX];
        struct audit_entry e = { .kind = "loop",
                                 .what = "schedule",
                                 .model = t->rows.model,
                                 .application = t->rows.application,
                                 .subject = t->rows.action };
        struct command_schedule schedule = {
                .head = { .run = command_schedule_add,
                          .sealer = t->of->options.sealer,
                          .actor = tx_format(tx, "operation %lld", (long long)t->id),
                          .audit = t->of->options.audit,
                          .entry = t->of->options.audit ? &e : NULL },
                .model = t->rows.model,
                .application = t->rows.application,
                .action = json_get_str(ask, "action", ""),
                .why = tx_format(tx, "asked for by operation %lld, %s", (long long)t->id,
                                 t->rows.action),
                .params = json_get(ask, "params"),
                /* In a time that is over it would be refused: then it is due now. */
                .at = clock_iso(MAX_OF(json_get_int(ask, "at", 0), tx_now(tx) + 1), true, at),
                .missed = "run"
        };
        struct store_call call = { .arg = &schedule.head };
        int r = command_run(tx, &call, err);

        if (r >= 0)
                *told = json_pack("{s:I}", "schedule",
                                  json_get_int(schedule.head.answer, "schedule", 0));
        free(call.answer);
        command_deinit(&schedule.head);
        return r < 0 ? r : 0;
}
