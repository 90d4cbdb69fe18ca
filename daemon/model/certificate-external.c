/* SPDX-License-Identifier: Apache-2.0 */
/* certificate-external.c - certificates that another application issues, over tls-certificates:
 * a key and a request are made here, what is signed for it is taken when it is of that key
 *
 * The key that a request is for is a revision that nothing uses yet: until the answer comes,
 * what is served stays what it is. The request stays told as long as what was issued for it is in
 * use: another answer to it, by a new authority of the issuer's say, is taken too. */
#include "certificate-internal.h"

#include "clock.h"

#include <errno.h>
#include <stdlib.h>

#define SKEW_MS 300000 /* the issuer's clock may be so much ahead */

/* The key's next revision, which plans do not get; of the first request it is the first. */
static int put_key(struct tx *tx, const struct certificate_ask *a,
                   const struct q_certificate_row *row, struct secret_revision *ret,
                   struct err *err) {
        struct q_secret_row *s;
        int64_t last;
        size_t n;
        int r;

        if (!row)
                return certificate_put(tx, a, "key", a->key->data, a->key->len, 0, ret, err);
        r = q_secret_by_id(tx, &(struct q_secret_by_id_in){ .id = row->id }, &s, &n, err);
        if (r >= 0)
                r = certificate_last_revision(tx, row->id, &last, err);
        if (r < 0 || n == 0)
                return r < 0 ? r : err_set(err, -ENOENT, "its key is gone");
        *ret = (struct secret_revision){ s->id, s->uri, last + 1 };
        return secret_revision_add(tx, a->sealer, ret, a->key->data, a->key->len, err);
}

static int put_row(struct tx *tx, const struct certificate_ask *a,
                   const struct secret_revision *key, struct err *err) {
        cleanup_(freep) char *spec = json_text(a->spec);

        return w_certificate_put(tx,
                                 &(struct w_certificate_put_in){ .id = key->id,
                                                                 .model_id = a->model,
                                                                 .application_id = a->application,
                                                                 .label = a->label,
                                                                 .spec = spec,
                                                                 .authority_id_null = true,
                                                                 .revision = key->revision,
                                                                 .subject = "",
                                                                 .issuer = "",
                                                                 .serial_number = "",
                                                                 .renew_at = INT64_MAX },
                                 err);
}

/* Rows that are due stay so until the answer comes, but for what a person asked for (0): one
 * request is enough. */
static int64_t due_since(struct tx *tx, const struct q_certificate_row *row) {
        if (!row || !row->ends_at)
                return INT64_MAX;
        return row->renew_at ? row->renew_at : tx_now(tx);
}

int certificate_request(struct tx *tx, const struct certificate_ask *a, struct err *err) {
        struct cert_wish wish = { .common_name = json_get_str(a->spec, "common-name", a->label),
                                  .names = json_get(a->spec, "names") };
        cleanup_(buf_free) struct buf csr = BUF_INIT;
        cleanup_(freep) char *spec = json_text(a->spec);
        const struct q_certificate_row *row;
        struct secret_revision key;
        int r = certificate_find(tx, a, &row, err);

        if (r >= 0)
                r = certificate_check_spec(tx, a->model, a->spec, err);
        if (r >= 0)
                r = cert_request(&wish, a->key, &csr, err);
        if (r >= 0)
                r = put_key(tx, a, row, &key, err);
        if (r >= 0 && !row)
                r = put_row(tx, a, &key, err);
        if (r >= 0)
                r = w_certificate_set_request(
                        tx,
                        &(struct w_certificate_set_request_in){ .id = key.id,
                                                                .spec = spec,
                                                                .csr = buf_str(&csr),
                                                                .csr_revision = key.revision,
                                                                .renew_at = due_since(tx, row) },
                        err);
        if (r < 0)
                return err_add(err, r, "certificate %s", a->label);
        tx_mark(tx, MARK_APPLICATION, a->application);
        return 0;
}

/* ---- the answer */

/* Of the key that the request is for. */
static int64_t key_revision(const struct q_certificate_row *row) {
        return row->csr_revision_null ? row->revision : row->csr_revision;
}

/* It is of the key that was asked for, and valid now. */
static int check_answer(struct tx *tx, const struct certificate_ask *a,
                        const struct q_certificate_row *row, const char *pem,
                        struct cert_facts *ret, struct err *err) {
        cleanup_(secret_text_free) struct secret_text key = { NULL, 0 };
        struct q_secret_row *s;
        size_t n;
        int r = q_secret_by_id(tx, &(struct q_secret_by_id_in){ .id = row->id }, &s, &n, err);

        if (r >= 0 && n == 0)
                r = err_set(err, -ENOENT, "its key is gone");
        if (r >= 0)
                r = secret_revision_open(tx, a->sealer, s, key_revision(row), &key, err);
        if (r >= 0)
                r = cert_check_key(pem, &key, err);
        if (r >= 0)
                r = cert_read(pem, ret, err);
        if (r >= 0 && (ret->until <= tx_now(tx) || ret->from > tx_now(tx) + SKEW_MS))
                r = err_set(err, -ETIME, "what was issued for it is not valid now");
        return r;
}

static int take(struct tx *tx, const struct certificate_ask *a, const struct q_certificate_row *row,
                const struct certificate_answer *answer, struct err *err) {
        cleanup_(cert_facts_free) struct cert_facts f = { .names = NULL };
        struct secret_revision crt;
        int r = check_answer(tx, a, row, answer->pem, &f, err);

        if (r >= 0)
                r = certificate_put(tx, a, "crt", answer->pem, strlen(answer->pem), 0, &crt, err);
        if (r >= 0)
                r = w_secret_set_revision(tx,
                                          &(struct w_secret_set_revision_in){
                                                  .id = row->id, .revision = key_revision(row) },
                                          err);
        if (r < 0)
                return r;
        return w_certificate_set_taken(tx,
                                       &(struct w_certificate_set_taken_in){
                                               .id = row->id,
                                               .revision = key_revision(row),
                                               .subject = f.subject,
                                               .issuer = f.issuer,
                                               .serial_number = f.serial,
                                               .begins_at = f.from,
                                               .ends_at = f.until,
                                               .renew_at = certificate_renewal(tx_now(tx), f.until),
                                               .issued_at = tx_now(tx),
                                               .ca = answer->ca,
                                               .taken = answer->digest },
                                       err);
}

int certificate_take(struct tx *tx, const struct certificate_ask *a,
                     const struct certificate_answer *answer, struct err *err) {
        const struct q_certificate_row *row;
        int r = certificate_find(tx, a, &row, err);

        if (r < 0 || !row || !row->csr || !str_eq(row->csr, answer->csr) ||
            (row->taken && str_eq(row->taken, answer->digest)))
                return r; /* taken already */
        r = take(tx, a, row, answer, err);
        if (r < 0)
                return err_add(err, r, "certificate %s", a->label);
        tx_mark(tx, MARK_APPLICATION, a->application);
        return 0;
}
