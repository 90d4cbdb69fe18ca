/* SPDX-License-Identifier: Apache-2.0 */
/* opener.c - from tokens to values; see opener.h */
#include "opener.h"

#include "queries.gen.h"

#include <errno.h>

struct opener {
        struct tx *tx;
        const struct sealer *sealer;
        struct secret_values *values;
        int64_t application;
        size_t count;
};

/* What was granted when it was planned may have been taken back since. */
static int check_open(struct opener *o, const struct secret_ref *ref, struct err *err) {
        struct q_secret_opens_row *row;
        size_t n;
        int r;

        if (!o->application)
                return 0;
        r = q_secret_opens(
                o->tx,
                &(struct q_secret_opens_in){ .uri = ref->uri, .application_id = o->application },
                &row, &n, err);
        if (r < 0 || n)
                return r < 0 ? r : 0;
        return err_set(err, -EPERM, "secret %s is not granted to this application any more",
                       ref->uri);
}

static int open_token(struct opener *o, const struct secret_ref *ref, struct err *err) {
        struct q_secret_row *secret;
        struct q_secret_revision_row *rev;
        struct seal_place at = { "secret_revision", "sealed", ref->uri, ref->revision };
        cleanup_(secret_text_free) struct secret_text text = { 0 };
        size_t n, len;
        int r;

        if (secret_values_get(o->values, ref->uri, ref->revision, &len))
                return 0;
        if (++o->count > OPENER_TOKENS_MAX)
                return err_set(err, -E2BIG, "more than %d secret values in one document",
                               OPENER_TOKENS_MAX);
        r = q_secret_by_uri(o->tx, &(struct q_secret_by_uri_in){ .uri = ref->uri }, &secret, &n,
                            err);
        if (r < 0)
                return r;
        if (n == 0)
                return err_set(err, -ENOKEY, "secret %s is not known any more", ref->uri);
        r = check_open(o, ref, err);
        if (r < 0)
                return r;
        r = q_secret_revision_get(o->tx,
                                  &(struct q_secret_revision_get_in){ .secret_id = secret->id,
                                                                      .revision = ref->revision },
                                  &rev, &n, err);
        if (r < 0)
                return r;
        if (n == 0)
                return err_set(err, -ENOKEY, "secret %s (%s) has no revision %lld any more",
                               ref->uri, secret->label, (long long)ref->revision);
        r = seal_open(o->sealer, &at, rev->sealed, rev->sealed_len, &text, err);
        if (r < 0)
                return err_add(err, r, "secret %s", ref->uri);
        secret_values_add(o->values, ref->uri, ref->revision, text.data, text.len);
        return 0;
}

/* Forms that take long are made here, in the read thread; the loop only puts them in. */
static int open_form(void *arg, const struct secret_ref *ref, const char *pointer, bool in_name,
                     struct err *err) {
        struct opener *o = arg;
        int r = open_token(o, ref, err);

        return r < 0 ? r : secret_values_form(o->values, ref, err);
}

int opener_open(struct tx *tx, const struct sealer *sealer, int64_t application, const json_t *j,
                struct secret_values *values, struct err *err) {
        struct opener o = { tx, sealer, values, application, 0 };

        return secret_token_walk(j, open_form, &o, err);
}

struct owning {
        struct tx *tx;
        int64_t application;
        json_t *own;
};

static int add_own(void *arg, const struct secret_ref *ref, const char *pointer, bool in_name,
                   struct err *err) {
        struct owning *o = arg;
        struct q_secret_row *row;
        size_t n;
        int r = q_secret_by_uri(o->tx, &(struct q_secret_by_uri_in){ .uri = ref->uri }, &row, &n,
                                err);

        if (r >= 0 && n &&
            (o->application == OPENER_ALL ||
             (!row->application_id_null && row->application_id == o->application)))
                json_object_set_new(o->own, ref->uri, json_string(row->purpose));
        return r < 0 ? r : 0;
}

int opener_own(struct tx *tx, int64_t application, const json_t *j, json_t **ret, struct err *err) {
        struct owning o = { tx, application, json_object() };
        int r = secret_token_walk(j, add_own, &o, err);

        if (r < 0)
                json_decref(o.own);
        else
                *ret = o.own;
        return r;
}
