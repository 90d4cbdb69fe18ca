/* SPDX-License-Identifier: Apache-2.0 */
/* ask-holders.c - who else was given the value of a secret: options of other applications, and
 * secrets that people added
 *
 * Nothing of ours follows when such a value is replaced at its source: a person gave it, and has to
 * give it anew. Values are compared open, in one transaction, and only where they stand is told. */
#include "turn.h"

#include "command.h"
#include "lookup.h"
#include "param.h"
#include "secret-token.h"

#include <errno.h>
#include <stdlib.h>

#define PAGE 500
#define COMPARED_MAX                                                                               \
        20000          /* opened in one transaction: some 50 ms; what is more is not looked at */
#define HOLDERS_MAX 20 /* that are told */

struct looking_at {
        struct tx *tx;
        const struct turn *turn;
        struct secret_text value;
        json_t *holders;
};

static void looking_deinit(struct looking_at *l) {
        secret_text_free(&l->value);
}

struct finding {
        const char *option;
        bool found;
};

static json_t *find_param(void *arg, const char *path, const json_t *value) {
        struct finding *f = arg;

        f->found = f->found || str_eq(path, f->option);
        return json_incref((json_t *)value);
}

/* The action that takes what the option holds, by its parameter's name; NULL: none does. */
static const char *action_for(const struct charm_meta *meta, const char *option) {
        for (size_t i = 0; meta && i < meta->action_count; i++) {
                cleanup_(json_freep) json_t *given = json_pack("{s:s}", option, "");
                struct finding f = { option, false };

                param_each_secret(meta->actions[i].schema, given, find_param, &f);
                if (f.found)
                        return meta->actions[i].name;
        }
        return NULL;
}

static void tell(const struct looking_at *l, const char *who, const char *what) {
        json_array_append_new(l->holders, json_pack("{s:s, s:s}", "who", who, "do", what));
}

static int tell_option(const struct looking_at *l, const struct q_secret_row *s, struct err *err) {
        cleanup_(charm_meta_freep) struct charm_meta *meta = NULL;
        struct q_application_row *a;
        struct q_model_row *m;
        const char *model, *action;
        size_t n;
        int r = q_application_by_id(
                l->tx, &(struct q_application_by_id_in){ .id = s->application_id }, &a, &n, err);

        if (r < 0 || !n)
                return r < 0 ? r : 0;
        r = q_model_by_id(l->tx, &(struct q_model_by_id_in){ .id = a->model_id }, &m, &n, err);
        if (r >= 0)
                r = lookup_meta(l->tx, a, &meta, err);
        if (r < 0)
                return r;
        model = str_eq(m->name, l->turn->rows.model) ? ""
                                                     : tx_format(l->tx, " --model %s", m->name);
        action = action_for(meta, s->field);
        tell(l, tx_format(l->tx, "%s (option %s)", a->name, s->field),
             action ? tx_format(l->tx, "mooringctl run %s %s%s", a->name, action, model)
                    : tx_format(l->tx, "mooringctl config %s %s=@FILE%s", a->name, s->field,
                                model));
        return 0;
}

static int tell_user(const struct looking_at *l, const struct q_secret_row *s, struct err *err) {
        struct q_user_secret_row *u;
        size_t n;
        int r = q_user_secret_by_id(
                l->tx, &(struct q_user_secret_by_id_in){ .id = s->user_secret_id }, &u, &n, err);

        if (r < 0 || !n)
                return r < 0 ? r : 0;
        tell(l, tx_format(l->tx, "secret %s (%s)", u->name, s->field),
             tx_format(l->tx, "mooringctl update-secret %s %s#file=FILE", u->name, s->field));
        return 0;
}

static int compare(const struct looking_at *l, const struct q_secret_row *s, struct err *err) {
        cleanup_(secret_text_free) struct secret_text other = {};
        int r;

        if (!s->application_id_null && s->application_id == l->turn->rows.application_id)
                return 0;
        r = secret_revision_open(l->tx, l->turn->of->options.sealer, s, s->revision, &other, err);
        if (r < 0)
                return r == -ENOENT ? 0 : r; /* what is gone holds nothing */
        if (other.len != l->value.len || memcmp(other.data, l->value.data, other.len) != 0)
                return 0;
        return str_eq(s->purpose, "user") ? tell_user(l, s, err) : tell_option(l, s, err);
}

static bool is_full(const struct looking_at *l) {
        return json_array_size(l->holders) >= HOLDERS_MAX;
}

static int look(const struct looking_at *l, struct err *err) {
        struct q_secret_given_in in = { .max = PAGE };
        struct q_secret_row *rows;
        size_t n = PAGE, compared = 0;
        int r = 0;

        while (r >= 0 && n == PAGE && compared < COMPARED_MAX && !is_full(l)) {
                r = q_secret_given(l->tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n && !is_full(l); i++)
                        r = compare(l, &rows[i], err);
                if (r >= 0 && n)
                        in.after = rows[n - 1].id;
                compared += n;
        }
        return r < 0 ? r : 0;
}

int ask_holders(struct tx *tx, struct turn *t, const json_t *ask, json_t **told, struct err *err) {
        cleanup_(looking_deinit) struct looking_at l = { .tx = tx, .turn = t };
        struct secret_ref ref;
        struct q_secret_row *s;
        size_t n;
        int r;

        if (!secret_token_next(json_get_str(ask, "token", ""), 0, &ref))
                return err_set(err, -EINVAL, "what others are to hold is no secret");
        r = q_secret_by_uri(tx, &(struct q_secret_by_uri_in){ .uri = ref.uri }, &s, &n, err);
        if (r < 0)
                return r;
        if (!n || s->application_id_null || s->application_id != t->rows.application_id)
                return err_set(err, -EPERM, "the secret is none of %s's own", t->rows.application);
        r = secret_revision_open(tx, t->of->options.sealer, s, ref.revision, &l.value, err);
        if (r < 0)
                return r;
        l.holders = json_array();
        *told = json_pack("{s:o}", "holders", l.holders);
        return look(&l, err);
}
