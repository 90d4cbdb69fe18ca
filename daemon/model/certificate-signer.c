/* SPDX-License-Identifier: Apache-2.0 */
/* certificate-signer.c - authorities of applications' own, which sign the requests of others
 *
 * One is a certificate as others are (key and certificate are secrets of the application, due at
 * two thirds of its life), signed by itself. Another takes its place in the steps of the model's
 * authority (authority.c), in `turning`: first it is trusted beside the one before, whose revision
 * goes on signing; then it signs, and all that the one before had signed is signed anew; then that
 * one is trusted no more. Who uses what it signed is known by the request: it is in the row of the
 * certificate that was issued for it. */
#include "certificate-internal.h"

#include "clock.h"

#include <errno.h>
#include <stdlib.h>

#define SKEW_MS 60000 /* others' clocks may be so much behind */
#define BEGIN "-----BEGIN"

enum { TURN_NONE, TURN_TRUSTED, TURN_SIGNS };

/* ---- its own certificate */

static int make(struct tx *tx, const struct certificate_ask *a, struct buf *ret, struct err *err) {
        int64_t lifetime = json_get_int(a->spec, "lifetime", 0) * 1000;
        struct cert_wish wish = { .common_name = json_get_str(a->spec, "common-name", a->label),
                                  .subject = json_get(a->spec, "authority"),
                                  .authority = true,
                                  .from = tx_now(tx) - SKEW_MS };
        struct certificate_options o;
        int r = certificate_options_read(tx, a->model, &o, err);

        wish.until = tx_now(tx) + (lifetime ? lifetime : o.authority_lifetime_ms);
        return r < 0 ? r : cert_issue(&wish, a->key, NULL, ret, err);
}

int certificate_signer_issue(struct tx *tx, const struct certificate_ask *a, struct err *err) {
        cleanup_(buf_free) struct buf pem = BUF_INIT;
        const struct q_certificate_row *before;
        struct secret_revision key, crt;
        int r = certificate_find(tx, a, &before, err);

        if (r >= 0 && before && before->turning)
                r = err_set(err, -EBUSY, "it is being replaced already");
        if (r >= 0)
                r = make(tx, a, &pem, err);
        if (r >= 0)
                r = certificate_put(tx, a, "key", a->key->data, a->key->len, 0, &key, err);
        if (r >= 0)
                r = certificate_put(tx, a, "crt", buf_str(&pem), pem.len, 0, &crt, err);
        if (r >= 0)
                r = certificate_put_row(tx, a, &key, 0, buf_str(&pem), err);
        if (r < 0)
                return r;
        if (before)
                buf_puts(&pem, before->ca);
        return w_certificate_set_signs(
                tx,
                &(struct w_certificate_set_signs_in){
                        .id = key.id,
                        .signs_revision = before ? before->signs_revision : key.revision,
                        .turning = before ? TURN_TRUSTED : TURN_NONE,
                        .ca = buf_str(&pem) },
                err);
}

/* ---- what others ask for */

struct signing {
        struct tx *tx;
        const struct certificate_ask *ask;
        const struct certificate_signing *of;
        const struct q_certificate_row *row;
        struct secret_text key, crt;
        struct cert_facts own, asked;
        struct buf pem;
};

static void signing_free(struct signing *s) {
        secret_text_free(&s->key);
        secret_text_free(&s->crt);
        cert_facts_free(&s->own);
        cert_facts_free(&s->asked);
        buf_free(&s->pem);
}

static int open_part(struct signing *s, const char *field, struct secret_text *ret,
                     struct err *err) {
        struct q_secret_by_label_in in = { .application_id = s->ask->application,
                                           .label = s->ask->label,
                                           .field = field };
        struct q_secret_row *secret;
        size_t n;
        int r = q_secret_by_label(s->tx, &in, &secret, &n, err);

        if (r >= 0 && n == 0)
                r = err_set(err, -ENOKEY, "its %s is gone", field);
        return r < 0 ? r
                     : secret_revision_open(s->tx, s->ask->sealer, secret, s->row->signs_revision,
                                            ret, err);
}

/* Nothing that is signed while the clock is wrong would be believed by those whose clock is
 * right. */
static int check_clock(const struct signing *s, struct err *err) {
        char now[CLOCK_TEXT_MAX], end[CLOCK_TEXT_MAX];
        bool early = tx_now(s->tx) < s->own.from;

        if (!early && tx_now(s->tx) < s->own.until)
                return 0;
        clock_iso(tx_now(s->tx), false, now);
        clock_iso(early ? s->own.from : s->own.until, false, end);
        return err_set(err, -ETIME,
                       "it is %s by this machine's clock, %s %s: set the clock right (timedatectl)",
                       now, early ? "before the CA began" : "after the CA ended", end);
}

/* Hosts are named by what the model's own CA would name them by, and its subject too has nobody
 * else's: those who read no other name take that for one. */
static int check_asked(const struct signing *s, struct err *err) {
        size_t i, count = json_array_size(s->asked.names);
        json_t *name;
        int r = 0;

        if (count > CERT_NAMES_MAX)
                return err_set(err, -EPERM, "it has %zu names, at most %d are signed", count,
                               CERT_NAMES_MAX);
        json_array_foreach(s->asked.names, i, name)
                if (r >= 0 && cert_check_name(json_string_value(name), err) < 0)
                        r = err_add(err, -EPERM, "it asks for more than names of hosts");
        if (r >= 0)
                r = certificate_check_names(s->tx, s->ask->model, s->asked.names, err);
        return r < 0 ? r : certificate_check_names(s->tx, s->ask->model, s->asked.common, err);
}

/* -EBADMSG, -EPERM: it never will be; -ETIME: not now. */
static int sign(struct signing *s, struct err *err) {
        struct cert_issuer by = { .key = &s->key };
        cleanup_(freep) char *crt = NULL;
        struct certificate_options o;
        struct cert_wish wish = { .use = CERT_SERVER | CERT_CLIENT };
        int r = cert_read_request(s->of->request, &s->asked, err);

        if (r >= 0)
                r = check_asked(s, err);
        if (r >= 0)
                r = open_part(s, "key", &s->key, err);
        if (r >= 0)
                r = open_part(s, "crt", &s->crt, err);
        if (r >= 0)
                r = certificate_options_read(s->tx, s->ask->model, &o, err);
        if (r < 0)
                return r;
        by.pem = crt = str_ndup(s->crt.data, s->crt.len);
        r = cert_read(crt, &s->own, err);
        if (r >= 0)
                r = check_clock(s, err);
        if (r < 0)
                return r;
        wish.from = MAX_OF(tx_now(s->tx) - SKEW_MS, s->own.from);
        wish.until = tx_now(s->tx) + (s->of->lifetime_s ? s->of->lifetime_s * 1000 : o.lifetime_ms);
        wish.until = MIN_OF(wish.until, s->own.until);
        return cert_issue_requested(&wish, s->of->request, &by, &s->pem, err);
}

static int put_signed(struct signing *s, int refused, const struct err *why, struct err *err) {
        cleanup_(cert_facts_free) struct cert_facts f = { .names = NULL };
        char digest[DIGEST_HEX_SIZE];
        struct w_signed_put_in in = { .id = tx_id(s->tx, "signed"),
                                      .certificate_id = s->row->id,
                                      .csr_digest = digest,
                                      .csr = s->of->request,
                                      .lifetime = s->of->lifetime_s,
                                      .revision = s->row->signs_revision,
                                      .certificate = buf_str(&s->pem),
                                      .serial_number = "",
                                      .refused = refused ? err_text(why) : NULL,
                                      .again_at = tx_now(s->tx) + CERTIFICATE_RETRY_MS,
                                      .again_at_null = refused != -ETIME };

        digest_sha256_hex(s->of->request, strlen(s->of->request), digest);
        if (!refused && cert_read(buf_str(&s->pem), &f, err) < 0)
                return err->code;
        if (!refused)
                in.serial_number = f.serial;
        return w_signed_put(s->tx, &in, err);
}

int certificate_sign(struct tx *tx, const struct certificate_ask *a,
                     const struct certificate_signing *of, struct err *err) {
        cleanup_(signing_free) struct signing s = { .tx = tx, .ask = a, .of = of };
        struct err why = { 0 };
        int r = certificate_find(tx, a, &s.row, err);

        if (r < 0 || !s.row || s.row->signs_revision_null)
                return r; /* it is made first */
        r = sign(&s, &why);
        if (r < 0 && r != -EBADMSG && r != -EPERM && r != -ETIME) {
                *err = why;
                return err_add(err, r, "certificate %s", a->label);
        }
        r = put_signed(&s, r < 0 ? r : 0, &why, err);
        tx_mark(tx, MARK_APPLICATION, a->application);
        return r < 0 ? r : 0;
}

static bool is_wanted(const json_t *sign, const char *label, const char *request) {
        const json_t *s;
        size_t i;

        json_array_foreach(sign, i, s)
                if (str_eq(json_get_str(s, "label", ""), label) &&
                    str_eq(json_get_str(s, "request", ""), request))
                        return true;
        return false;
}

static int drop_unwanted(struct tx *tx, const struct q_certificate_row *row, const json_t *sign,
                         struct err *err) {
        struct q_signed_row *rows;
        size_t n;
        int r = q_signed_list(tx, &(struct q_signed_list_in){ .certificate_id = row->id }, &rows,
                              &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                if (!is_wanted(sign, row->label, rows[i].csr))
                        r = w_signed_delete(tx, &(struct w_signed_delete_in){ .id = rows[i].id },
                                            err);
        return r < 0 ? r : 0;
}

int certificate_unsign(struct tx *tx, int64_t application, const json_t *sign, struct err *err) {
        struct q_certificate_row *rows;
        size_t n;
        int r = q_certificate_by_application(
                tx, &(struct q_certificate_by_application_in){ .application_id = application },
                &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                if (!rows[i].signs_revision_null)
                        r = drop_unwanted(tx, &rows[i], sign, err);
        return r < 0 ? r : 0;
}

/* ---- what plans are shown */

int certificate_signer_view(struct tx *tx, const struct q_certificate_row *row, json_t *shown,
                            json_t *of_row, struct err *err) {
        json_t *texts = json_object(), *all = json_object();
        struct q_signed_row *rows;
        size_t n;
        int r = q_signed_list(tx, &(struct q_signed_list_in){ .certificate_id = row->id }, &rows,
                              &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++) {
                const struct q_signed_row *s = &rows[i];
                bool again = !s->again_at_null && s->again_at <= tx_now(tx);

                json_object_set_new(texts, s->csr_digest,
                                    s->refused ? json_pack("{s:s}", "refused", s->refused)
                                               : json_pack("{s:s}", "certificate", s->certificate));
                json_object_set_new(all, s->csr_digest,
                                    json_pack("{s:I, s:b}", "lifetime", (json_int_t)s->lifetime,
                                              "valid",
                                              s->revision == row->signs_revision && !again));
                if (again || s->revision != row->signs_revision)
                        json_object_set_new(of_row, "behind", json_true());
        }
        json_object_set_new(shown, "signed", texts);
        json_object_set_new(of_row, "signed", all);
        json_object_set_new(of_row, "turning", json_boolean(row->turning));
        return r < 0 ? r : 0;
}

/* ---- another takes its place */

struct turn {
        struct tx *tx;
        const struct q_certificate_row *row;
        char **wait;
};

static int bundle_waits(struct turn *t, struct err *err) {
        struct q_signed_waits_for_bundle_row *rows;
        size_t n;
        int r = q_signed_waits_for_bundle(
                t->tx,
                &(struct q_signed_waits_for_bundle_in){ .certificate_id = t->row->id,
                                                        .bundle = t->row->ca },
                &rows, &n, err);

        return r < 0 || !n
                       ? r
                       : certificate_waits(t->tx, rows->application_id, rows->label,
                                           "is to get the CA bundle with the new CA", t->wait, err);
}

static int signed_waits(struct turn *t, struct err *err) {
        struct q_signed_waits_for_signer_row *behind;
        struct q_signed_waits_for_taker_row *rows;
        size_t n;
        int r = q_signed_waits_for_signer(
                t->tx,
                &(struct q_signed_waits_for_signer_in){ .certificate_id = t->row->id,
                                                        .revision = t->row->revision },
                &behind, &n, err);

        if (r >= 0 && n)
                return certificate_waits(t->tx, t->row->application_id, t->row->label,
                                         "is to sign requests anew", t->wait, err);
        if (r >= 0)
                r = q_signed_waits_for_taker(
                        t->tx,
                        &(struct q_signed_waits_for_taker_in){ .certificate_id = t->row->id },
                        &rows, &n, err);
        return r < 0 || !n ? r
                           : certificate_waits(t->tx, rows->application_id, rows->label,
                                               "is to take what the new CA signed", t->wait, err);
}

/* Since when all is delivered; 0: it is not. */
static int settle(struct turn *t, bool quiet, int64_t *ret, struct err *err) {
        const struct q_certificate_row *c = t->row;
        int64_t since = c->settled_at_null ? tx_now(t->tx) : c->settled_at;
        int r = c->turning == TURN_TRUSTED ? bundle_waits(t, err) : signed_waits(t, err);

        *ret = r < 0 || *t->wait || !quiet ? 0 : since;
        if (r < 0 || (*ret == 0) == c->settled_at_null)
                return r;
        return w_certificate_set_settled(
                t->tx,
                &(struct w_certificate_set_settled_in){
                        .id = c->id, .settled_at = since, .settled_at_null = !*ret },
                err);
}

static int step_on(struct turn *t, struct err *err) {
        const struct q_certificate_row *c = t->row;
        bool last = c->turning == TURN_SIGNS;
        const char *second = strstr(c->ca + 1, BEGIN);
        size_t len = last && second ? (size_t)(second - c->ca) : strlen(c->ca);
        int r = w_certificate_set_signs(t->tx,
                                        &(struct w_certificate_set_signs_in){
                                                .id = c->id,
                                                .signs_revision = c->revision,
                                                .turning = last ? TURN_NONE : TURN_SIGNS,
                                                .ca = tx_format(t->tx, "%.*s", (int)len, c->ca) },
                                        err);

        tx_mark(t->tx, MARK_APPLICATION, c->application_id);
        return r < 0 ? r : 1;
}

int certificate_turn(struct tx *tx, int64_t certificate, bool quiet, char **ret, struct err *err) {
        struct turn t = { .tx = tx, .wait = ret };
        struct q_certificate_row *row;
        struct certificate_options o;
        char span[CLOCK_TEXT_MAX];
        int64_t since = 0;
        size_t n;
        int r = q_certificate_by_id(tx, &(struct q_certificate_by_id_in){ .id = certificate }, &row,
                                    &n, err);

        *ret = NULL;
        if (r < 0 || !n || !row->turning)
                return r < 0 ? r : 0;
        t.row = row;
        r = certificate_options_read(tx, row->model_id, &o, err);
        if (r >= 0)
                r = settle(&t, quiet, &since, err);
        if (r < 0 || !since)
                return r < 0 ? r : 0;
        if (tx_now(tx) >= since + o.overlap_ms)
                return step_on(&t, err);
        *ret = str_format("ca-overlap: %s more for programs to read what was delivered",
                          clock_span(since + o.overlap_ms - tx_now(tx), span));
        return 0;
}
