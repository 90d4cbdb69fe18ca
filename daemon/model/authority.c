/* SPDX-License-Identifier: Apache-2.0 */
/* authority.c - the authorities of a model: made, trusted, replaced; see certificate.h
 *
 * Who verifies must know an authority before anything that it issued is served, and until nothing
 * is any more. That all is delivered is read from the rows of the certificates (which bundle and
 * which revision the last plan saw) and from the world (nothing of the applications is under way);
 * that programs have read it by then is what ca-overlap is for: a kubelet brings a changed Secret
 * into a pod's volume within a minute or two. */
#include "certificate-internal.h"

#include "clock.h"
#include "digest.h"
#include "secret-token.h"

#include <errno.h>
#include <stdlib.h>

#define SKEW_MS 60000 /* others' clocks may be so much behind */
#define DAY_MS 86400000ll
#define LIFETIME_MIN_MS 15000 /* for tests: a renewal takes a second or two */
#define LIFETIME_MAX_MS (50 * 365 * DAY_MS)
#define COMMON_NAME_MAX 64

/* ---- options */

static const struct {
        const char *name, *value;
} defaults[] = {
        { "certificate-lifetime", "90d" },
        { "ca-lifetime", "3650d" },
        { "ca-overlap", "10m" },
        { "ca-subject", "" },
};

json_t *certificate_option_default(const char *option) {
        for (size_t i = 0; i < ARRAY_SIZE(defaults); i++)
                if (str_eq(defaults[i].name, option) && defaults[i].value[0])
                        return json_string(defaults[i].value);
        return NULL;
}

const char *certificate_option_check(const char *option, const json_t *value) {
        const char *text = json_string_value(value);
        bool overlap = str_eq(option, "ca-overlap");
        int64_t span;

        if (str_eq(option, "ca-subject"))
                return text && *text && strlen(text) <= COMMON_NAME_MAX
                               ? NULL
                               : "a common name of 1 to 64 bytes";
        if (text && clock_parse_span(text, &span) && span >= (overlap ? 0 : LIFETIME_MIN_MS) &&
            span <= (overlap ? 30 * DAY_MS : LIFETIME_MAX_MS))
                return NULL;
        return overlap ? "a time, 0s to 30d" : "a time, 15s to 18250d";
}

static int read_option(struct tx *tx, int64_t model, const char *name, const char **ret,
                       struct err *err) {
        struct q_model_option_get_row *row;
        size_t n;
        int r = q_model_option_get(
                tx, &(struct q_model_option_get_in){ .model_id = model, .name = name }, &row, &n,
                err);
        cleanup_(json_freep) json_t *value = NULL;

        if (r < 0)
                return r;
        value = certificate_option_default(name);
        if (n) {
                json_decref(take_ptr(value));
                r = json_parse(row->value, strlen(row->value), &value, err);
        }
        *ret = value ? tx_format(tx, "%s", json_string_value(value)) : NULL;
        return r < 0 ? r : 0;
}

static int read_span(struct tx *tx, int64_t model, const char *name, int64_t *ret,
                     struct err *err) {
        const char *text = NULL;
        int r = read_option(tx, model, name, &text, err);

        if (r >= 0 && (!text || !clock_parse_span(text, ret)))
                r = err_set(err, -EINVAL, "model-config %s", name);
        return r;
}

int certificate_options_read(struct tx *tx, int64_t model, struct certificate_options *ret,
                             struct err *err) {
        struct q_model_row *m;
        const char *subject;
        size_t n;
        int r = read_span(tx, model, "certificate-lifetime", &ret->lifetime_ms, err);

        if (r >= 0)
                r = read_span(tx, model, "ca-lifetime", &ret->authority_lifetime_ms, err);
        if (r >= 0)
                r = read_span(tx, model, "ca-overlap", &ret->overlap_ms, err);
        if (r >= 0)
                r = read_option(tx, model, "ca-subject", &subject, err);
        if (r >= 0 && !subject) {
                r = q_model_by_id(tx, &(struct q_model_by_id_in){ .id = model }, &m, &n, err);
                if (r >= 0)
                        subject = tx_format(tx, "mooring CA of %s", n ? m->name : "");
        }
        if (r >= 0)
                str_copy(ret->subject, sizeof(ret->subject), subject);
        return r < 0 ? r : 0;
}

/* ---- rows */

static int list(struct tx *tx, int64_t model, struct q_authority_row **ret, size_t *ret_n,
                struct err *err) {
        return q_authority_list(tx, &(struct q_authority_list_in){ .model_id = model }, ret, ret_n,
                                err);
}

int authority_find(struct tx *tx, int64_t model, const char *state,
                   const struct q_authority_row **ret, struct err *err) {
        struct q_authority_row *rows;
        size_t n;
        int r = list(tx, model, &rows, &n, err);

        *ret = NULL;
        for (size_t i = 0; r >= 0 && i < n; i++)
                if (str_eq(rows[i].state, state))
                        *ret = &rows[i];
        return r < 0 ? r : 0;
}

/* ---- making */

/* A secret of the model's own, without an application. */
static int put_key(struct tx *tx, const struct sealer *sealer, int64_t model,
                   const struct secret_text *key, int64_t *ret, struct err *err) {
        char uri[SECRET_URI_SIZE];
        struct secret_revision first = { .id = tx_id(tx, "secret"), .uri = uri, .revision = 1 };
        int r;

        digest_random_text(DIGEST_BASE32, SECRET_URI_SIZE - 1, uri);
        r = w_secret_insert(tx,
                            &(struct w_secret_insert_in){ .id = first.id,
                                                          .uri = uri,
                                                          .model_id = model,
                                                          .application_id_null = true,
                                                          .label = "ca",
                                                          .field = "key",
                                                          .purpose = "authority",
                                                          .policy = "{}",
                                                          .revision = 1,
                                                          .created_at = tx_now(tx) },
                            err);
        *ret = first.id;
        return r < 0 ? r : secret_revision_add(tx, sealer, &first, key->data, key->len, err);
}

/* ROW says whose it is, its state, its key and PEM; the rest is read from the PEM. */
static int put_row(struct tx *tx, struct w_authority_insert_in *row, struct err *err) {
        cleanup_(cert_facts_free) struct cert_facts f = { .names = NULL };
        int r = cert_read(row->certificate, &f, err);

        if (r < 0)
                return r;
        row->id = tx_id(tx, "authority");
        row->subject = f.subject;
        row->issuer = f.issuer;
        row->serial_number = f.serial;
        row->begins_at = f.from;
        row->ends_at = f.until;
        row->created_at = tx_now(tx);
        return w_authority_insert(tx, row, err);
}

static int make(struct tx *tx, const struct sealer *sealer, int64_t model, const char *state,
                struct err *err) {
        cleanup_(secret_text_free) struct secret_text key = { NULL, 0 };
        cleanup_(buf_free) struct buf pem = BUF_INIT;
        struct certificate_options o;
        struct cert_wish wish = { .authority = true, .from = tx_now(tx) - SKEW_MS };
        struct w_authority_insert_in row = { .model_id = model, .state = state };
        int r = certificate_options_read(tx, model, &o, err);

        if (r >= 0)
                r = cert_key_make(CERT_KEY_ECDSA, &key, err);
        if (r < 0)
                return r;
        wish.common_name = o.subject;
        wish.until = tx_now(tx) + o.authority_lifetime_ms;
        r = cert_issue(&wish, &key, NULL, &pem, err);
        if (r >= 0)
                r = put_key(tx, sealer, model, &key, &row.secret_id, err);
        row.certificate = row.root = buf_str(&pem);
        row.renew_at = tx_now(tx) + o.authority_lifetime_ms / 3 * 2;
        return r < 0 ? r : put_row(tx, &row, err);
}

static int open_key(struct tx *tx, const struct sealer *sealer, const struct q_authority_row *a,
                    struct secret_text *ret, struct err *err) {
        struct q_secret_row *s;
        size_t n;
        int r = q_secret_by_id(tx, &(struct q_secret_by_id_in){ .id = a->secret_id }, &s, &n, err);

        if (r >= 0 && n == 0)
                r = err_set(err, -ENOKEY, "the key of %s is not there", a->subject);
        return r < 0 ? r : secret_revision_open(tx, sealer, s, s->revision, ret, err);
}

int authority_get(struct tx *tx, const struct sealer *sealer, int64_t model,
                  const struct q_authority_row **ret, struct secret_text *ret_key,
                  struct err *err) {
        int r = authority_find(tx, model, "current", ret, err);

        if (r >= 0 && !*ret) {
                r = make(tx, sealer, model, "current", err);
                if (r >= 0)
                        r = authority_find(tx, model, "current", ret, err);
        }
        return r < 0 ? r : open_key(tx, sealer, *ret, ret_key, err);
}

int authority_bundle(struct tx *tx, int64_t model, struct buf *ret_pem, struct buf *ret_ids,
                     struct err *err) {
        struct q_authority_row *rows;
        size_t n;
        int r = list(tx, model, &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++) {
                if (str_eq(rows[i].state, "asked"))
                        continue;
                if (!strstr(buf_str(ret_pem), rows[i].root)) /* two may stand under one root */
                        buf_puts(ret_pem, rows[i].root);
                buf_printf(ret_ids, "%s%lld", ret_ids->len ? " " : "", (long long)rows[i].id);
        }
        return r < 0 ? r : 0;
}

/* ---- replacing */

/* As what a new one begins: "next", or "current" when it is the first. */
static int first_state(struct tx *tx, int64_t model, const char **ret, struct err *err) {
        struct q_authority_row *rows;
        size_t n;
        int r = list(tx, model, &rows, &n, err);

        *ret = "current";
        for (size_t i = 0; r >= 0 && i < n; i++) {
                if (str_eq(rows[i].state, "current"))
                        *ret = "next";
                if (str_eq(rows[i].state, "next") || str_eq(rows[i].state, "old"))
                        return err_set(err, -EBUSY,
                                       "the model's CA is being replaced already: mooringctl certs "
                                       "says what that waits for");
        }
        return r < 0 ? r : 0;
}

int authority_rotate(struct tx *tx, const struct sealer *sealer, int64_t model, struct err *err) {
        const char *state;
        int r = first_state(tx, model, &state, err);

        if (r >= 0)
                r = make(tx, sealer, model, state, err);
        return r < 0 ? r : authority_mark(tx, model, err);
}

/* ---- signed by somebody else */

static int put_request(struct tx *tx, int64_t model, int64_t secret, const char *subject,
                       const char *pem, struct err *err) {
        return w_authority_insert(tx,
                                  &(struct w_authority_insert_in){ .id = tx_id(tx, "authority"),
                                                                   .model_id = model,
                                                                   .state = "asked",
                                                                   .secret_id = secret,
                                                                   .certificate = pem,
                                                                   .root = "",
                                                                   .subject = subject,
                                                                   .issuer = "",
                                                                   .serial_number = "",
                                                                   .created_at = tx_now(tx) },
                                  err);
}

int authority_ask(struct tx *tx, const struct sealer *sealer, int64_t model, const char **ret,
                  struct err *err) {
        cleanup_(secret_text_free) struct secret_text key = { NULL, 0 };
        cleanup_(buf_free) struct buf pem = BUF_INIT;
        struct cert_wish wish = { .authority = true };
        const struct q_authority_row *asked;
        struct certificate_options o;
        int64_t secret;
        int r = authority_find(tx, model, "asked", &asked, err);

        if (r < 0 || asked) {
                *ret = asked ? asked->certificate : NULL;
                return r;
        }
        r = certificate_options_read(tx, model, &o, err);
        if (r >= 0)
                r = cert_key_make(CERT_KEY_ECDSA, &key, err);
        if (r < 0)
                return r;
        wish.common_name = o.subject;
        r = cert_request(&wish, &key, &pem, err);
        if (r >= 0)
                r = put_key(tx, sealer, model, &key, &secret, err);
        if (r >= 0)
                r = put_request(tx, model, secret, o.subject, buf_str(&pem), err);
        *ret = tx_format(tx, "%s", buf_str(&pem));
        return r < 0 ? r : 0;
}

/* PEM is the certificate of ASKED's key, of an authority, valid now, and a chain to a root. */
static int check_signed(struct tx *tx, const struct sealer *sealer,
                        const struct q_authority_row *asked, const char *pem, size_t *ret_root,
                        struct err *err) {
        cleanup_(secret_text_free) struct secret_text key = { NULL, 0 };
        cleanup_(cert_facts_free) struct cert_facts own = { .names = NULL }, root = own;
        int r = cert_read(pem, &own, err);

        if (r >= 0)
                r = open_key(tx, sealer, asked, &key, err);
        if (r >= 0)
                r = cert_check_key(pem, &key, err);
        if (r >= 0)
                r = cert_check_chain(pem, ret_root, err);
        if (r >= 0)
                r = cert_read(pem + *ret_root, &root, err);
        if (r < 0)
                return err_set(err, -EINVAL, "%s", tx_format(tx, "%s", err_text(err)));
        if (!own.authority)
                return err_set(err, -EINVAL, "%s may not issue certificates (CA:TRUE is missing)",
                               own.subject);
        if (!root.self_signed || *ret_root == 0)
                return err_set(err, -EINVAL,
                               "the root is missing: the file has the certificate that was signed, "
                               "those above it, and the root last");
        if (own.from > tx_now(tx) || own.until <= tx_now(tx))
                return err_set(err, -EINVAL, "%s is not valid now", own.subject);
        return 0;
}

/* Its key is that of the request, which is over. */
static int put_signed(struct tx *tx, const struct q_authority_row *asked, const char *state,
                      const char *pem, size_t root, struct err *err) {
        struct w_authority_insert_in row = { .model_id = asked->model_id,
                                             .state = state,
                                             .secret_id = asked->secret_id,
                                             .certificate = tx_format(tx, "%.*s", (int)root, pem),
                                             .root = pem + root };
        int r = w_authority_delete(tx, &(struct w_authority_delete_in){ .id = asked->id }, err);

        return r < 0 ? r : put_row(tx, &row, err);
}

int authority_set(struct tx *tx, const struct sealer *sealer, int64_t model, const char *pem,
                  struct err *err) {
        const struct q_authority_row *asked;
        const char *state;
        size_t root;
        int r = authority_find(tx, model, "asked", &asked, err);

        if (r >= 0 && !asked)
                r = err_set(err, -ENOENT,
                            "no request is out: mooringctl ca-csr prints the one to be signed");
        if (r >= 0)
                r = first_state(tx, model, &state, err);
        if (r >= 0)
                r = check_signed(tx, sealer, asked, pem, &root, err);
        if (r >= 0)
                r = put_signed(tx, asked, state, pem, root, err);
        return r < 0 ? r : authority_mark(tx, model, err);
}

int authority_mark(struct tx *tx, int64_t model, struct err *err) {
        struct q_certificate_applications_row *rows;
        int64_t after = 0;
        size_t n;
        int r;

        do {
                r = q_certificate_applications(tx,
                                               &(struct q_certificate_applications_in){
                                                       .model_id = model, .after = after },
                                               &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        after = rows[i].application_id;
                        tx_mark(tx, MARK_APPLICATION, after);
                }
        } while (r >= 0 && n);
        return r < 0 ? r : 0;
}

struct turn {
        struct tx *tx;
        int64_t model;
        const struct q_authority_row *next, *current, *old;
        char **wait;
};

static int read_turn(struct turn *t, struct err *err) {
        struct q_authority_row *rows;
        size_t n;
        int r = list(t->tx, t->model, &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++) {
                if (str_eq(rows[i].state, "next"))
                        t->next = &rows[i];
                if (str_eq(rows[i].state, "current"))
                        t->current = &rows[i];
                if (str_eq(rows[i].state, "old"))
                        t->old = &rows[i];
        }
        return r < 0 ? r : 0;
}

int authority_renew(struct tx *tx, const struct sealer *sealer, int64_t model, struct err *err) {
        struct turn t = { .tx = tx, .model = model };
        int r = read_turn(&t, err);

        if (r < 0 || !t.current || t.next || t.old || !t.current->renew_at ||
            t.current->renew_at > tx_now(tx))
                return r;
        return authority_rotate(tx, sealer, model, err);
}

static int rows_wait(struct turn *t, struct err *err) {
        cleanup_(buf_free) struct buf pem = BUF_INIT, ids = BUF_INIT;
        struct q_certificate_waits_for_bundle_row *rows;
        struct q_certificate_waits_for_issuer_row *leaves;
        size_t n = 0;
        int r;

        if (!t->next) {
                r = q_certificate_waits_for_issuer(
                        t->tx,
                        &(struct q_certificate_waits_for_issuer_in){ .model_id = t->model,
                                                                     .issuer_id = t->current->id },
                        &leaves, &n, err);
                return r < 0 || !n
                               ? r
                               : certificate_waits(t->tx, leaves->application_id, leaves->label,
                                                   "is to be issued by the new CA", t->wait, err);
        }
        r = authority_bundle(t->tx, t->model, &pem, &ids, err);
        if (r >= 0)
                r = q_certificate_waits_for_bundle(
                        t->tx,
                        &(struct q_certificate_waits_for_bundle_in){ .model_id = t->model,
                                                                     .bundle = buf_str(&ids) },
                        &rows, &n, err);
        return r < 0 || !n
                       ? r
                       : certificate_waits(t->tx, rows->application_id, rows->label,
                                           "is to get the CA bundle with the new CA", t->wait, err);
}

/* The next one issues from now on. */
static int begin_issuing(struct turn *t, struct err *err) {
        int r = w_authority_set_state(
                t->tx, &(struct w_authority_set_state_in){ .id = t->current->id, .state = "old" },
                err);

        if (r >= 0)
                r = w_authority_set_state(
                        t->tx,
                        &(struct w_authority_set_state_in){ .id = t->next->id, .state = "current" },
                        err);
        if (r >= 0)
                r = w_certificate_set_due_of_others(
                        t->tx,
                        &(struct w_certificate_set_due_of_others_in){ .model_id = t->model,
                                                                      .issuer_id = t->next->id },
                        err);
        return r < 0 ? r : authority_mark(t->tx, t->model, err);
}

static int drop_old(struct turn *t, struct err *err) {
        int64_t secret = t->old->secret_id;
        int r = w_authority_delete(t->tx, &(struct w_authority_delete_in){ .id = t->old->id }, err);

        if (r >= 0)
                r = application_row_forget_secret(t->tx, secret, err);
        return r < 0 ? r : authority_mark(t->tx, t->model, err);
}

/* Since when all is delivered that A waits for; 0: it is not. */
static int settle(struct turn *t, const struct q_authority_row *a, bool quiet, int64_t *ret,
                  struct err *err) {
        int64_t since = a->settled_at_null ? tx_now(t->tx) : a->settled_at;
        int r = rows_wait(t, err);

        *ret = *t->wait || !quiet ? 0 : since;
        if (r < 0 || (*ret == 0) == a->settled_at_null)
                return r;
        return w_authority_set_settled(
                t->tx,
                &(struct w_authority_set_settled_in){
                        .id = a->id, .settled_at = since, .settled_at_null = !*ret },
                err);
}

int authority_turn(struct tx *tx, const struct sealer *sealer, int64_t model, bool quiet,
                   char **ret, struct err *err) {
        struct turn t = { .tx = tx, .model = model, .wait = ret };
        const struct q_authority_row *a;
        struct certificate_options o;
        char span[CLOCK_TEXT_MAX];
        int64_t since;
        int r = read_turn(&t, err);

        *ret = NULL;
        if (r >= 0)
                r = certificate_options_read(tx, model, &o, err);
        a = t.next ? t.next : t.old;
        if (r < 0 || !a || !t.current)
                return r < 0 ? r : 0;
        r = settle(&t, a, quiet, &since, err);
        if (r < 0 || !since)
                return r < 0 ? r : 0;
        if (tx_now(tx) < since + o.overlap_ms) {
                *ret = str_format("ca-overlap: %s more for programs to read what was delivered",
                                  clock_span(since + o.overlap_ms - tx_now(tx), span));
                return 0;
        }
        r = t.next ? begin_issuing(&t, err) : drop_old(&t, err);
        return r < 0 ? r : 1;
}
