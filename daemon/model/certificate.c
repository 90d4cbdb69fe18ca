/* SPDX-License-Identifier: Apache-2.0 */
/* certificate.c - certificates that plans ask for: issued, renewed, shown to plans, forgotten; see
 * certificate.h */
#include "certificate-internal.h"

#include "clock.h"
#include "digest.h"
#include "secret-token.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#define SKEW_MS 60000 /* others' clocks may be so much behind */
#define KEEP 3        /* revisions, beyond those that a plan has yet to see: others may lag */

/* ---- what is asked for */

/* The namespace that NAME would be of, as namespaces are written, or NULL. */
static const char *namespace_of(struct tx *tx, const char *name, bool *ret_service) {
        size_t len;
        const char *at = certificate_namespace(name, &len, ret_service);
        char *text = at ? tx_format(tx, "%.*s", (int)len, at) : NULL;

        for (char *p = text; p && *p; p++)
                *p = (char)tolower((unsigned char)*p);
        return text;
}

/* A charm gets no certificate for a Service of another namespace, the API server's say. */
static int check_foreign(struct tx *tx, const struct q_model_row *model, const char *name,
                         struct err *err) {
        bool service;
        const char *namespace = namespace_of(tx, name, &service);
        struct q_model_row *other;
        size_t n = 0;
        int r = 0;

        if (!namespace || str_eq(namespace, model->name))
                return 0;
        if (!service)
                r = q_model_by_name(tx, &(struct q_model_by_name_in){ .name = namespace }, &other,
                                    &n, err);
        if (r < 0 || (!service && n == 0))
                return r;
        return err_set(err, -EPERM, "%s is a name of namespace %s: model %s may not have it", name,
                       namespace, model->name);
}

int certificate_check_names(struct tx *tx, int64_t model, const json_t *names, struct err *err) {
        struct q_model_row *m;
        size_t n, i;
        json_t *name;
        int r = q_model_by_id(tx, &(struct q_model_by_id_in){ .id = model }, &m, &n, err);

        json_array_foreach((json_t *)names, i, name)
                if (r >= 0 && n)
                        r = check_foreign(tx, m, json_string_value(name), err);
        return r < 0 ? r : 0;
}

int certificate_check_spec(struct tx *tx, int64_t model, const json_t *spec, struct err *err) {
        cleanup_(json_freep) json_t *common = json_pack("[O*]", json_get(spec, "common-name"));
        int r = certificate_check_names(tx, model, json_get(spec, "names"), err);

        return r < 0 ? r : certificate_check_names(tx, model, common, err);
}

/* ---- issuing */

struct issuing {
        struct tx *tx;
        const struct certificate_ask *ask;
        const struct q_authority_row *authority;
        struct secret_text authority_key;
        const struct q_certificate_row *row; /* NULL: for the first time */
        struct cert_wish wish;
        struct buf pem; /* its own, then those above it but the root */
};

static void issuing_free(struct issuing *i) {
        secret_text_free(&i->authority_key);
        buf_free(&i->pem);
}

/* Nothing that is issued while the clock is wrong would be believed by those whose clock is
 * right. */
static int check_clock(const struct issuing *i, struct err *err) {
        char now[CLOCK_TEXT_MAX], end[CLOCK_TEXT_MAX];
        bool early = tx_now(i->tx) < i->authority->begins_at;

        if (!early && tx_now(i->tx) < i->authority->ends_at)
                return 0;
        clock_iso(tx_now(i->tx), false, now);
        clock_iso(early ? i->authority->begins_at : i->authority->ends_at, false, end);
        if (early)
                return err_set(err, -ETIME,
                               "it is %s by this machine's clock, before the model's CA began "
                               "(%s): set the clock right (timedatectl)",
                               now, end);
        return err_set(err, -ETIME,
                       "the model's CA (%s) ended at %s, and it is %s: mooringctl rotate-ca, or "
                       "set the clock right",
                       i->authority->subject, end, now);
}

static int sign(struct issuing *i, struct err *err) {
        const struct certificate_ask *a = i->ask;
        struct cert_issuer by = { i->authority->certificate, &i->authority_key };
        int64_t lifetime = json_get_int(a->spec, "lifetime", 0) * 1000;
        struct certificate_options o;
        int r = certificate_options_read(i->tx, a->model, &o, err);

        if (r >= 0)
                r = check_clock(i, err);
        if (r < 0)
                return r;
        i->wish = (struct cert_wish){
                .common_name = json_get_str(a->spec, "common-name", a->label),
                .names = json_get(a->spec, "names"),
                .use = certificate_use_of(a->spec),
                .from = MAX_OF(tx_now(i->tx) - SKEW_MS, i->authority->begins_at),
                .until = MIN_OF(tx_now(i->tx) + (lifetime ? lifetime : o.lifetime_ms),
                                i->authority->ends_at),
        };
        r = cert_issue(&i->wish, a->key, &by, &i->pem, err);
        /* Of one that stands under another's root, what leads there is served too. */
        if (r >= 0 && !str_eq(i->authority->certificate, i->authority->root))
                buf_puts(&i->pem, i->authority->certificate);
        return r;
}

static int drop_old(struct tx *tx, const struct secret_revision *s, int64_t behind,
                    struct err *err) {
        struct w_secret_revision_drop_in in = { .secret_id = s->id,
                                                .before = s->revision - behind - KEEP };
        int r = w_secret_revision_drop(tx, &in, err);

        return r < 0 ? r : 0;
}

static int make_secret(struct tx *tx, const struct certificate_ask *a, const char *field,
                       const struct secret_revision *s, struct err *err) {
        cleanup_(freep) char *policy = json_text(a->spec);

        return w_secret_insert(tx,
                               &(struct w_secret_insert_in){ .id = s->id,
                                                             .uri = s->uri,
                                                             .model_id = a->model,
                                                             .application_id = a->application,
                                                             .label = a->label,
                                                             .field = field,
                                                             .purpose = "certificate",
                                                             .policy = policy,
                                                             .revision = 1,
                                                             .created_at = tx_now(tx) },
                               err);
}

int certificate_last_revision(struct tx *tx, int64_t secret, int64_t *ret, struct err *err) {
        struct q_secret_revision_last_row *row;
        size_t n;
        int r = q_secret_revision_last(
                tx, &(struct q_secret_revision_last_in){ .secret_id = secret }, &row, &n, err);

        *ret = r >= 0 && n ? row->revision : 0;
        return r < 0 ? r : 0;
}

int certificate_put(struct tx *tx, const struct certificate_ask *a, const char *field,
                    const void *value, size_t len, int64_t behind, struct secret_revision *ret,
                    struct err *err) {
        char uri[SECRET_URI_SIZE];
        struct q_secret_row *row;
        int64_t last = 0;
        size_t n;
        int r = q_secret_by_label(tx,
                                  &(struct q_secret_by_label_in){ .application_id = a->application,
                                                                  .label = a->label,
                                                                  .field = field },
                                  &row, &n, err);

        if (r >= 0 && n)
                r = certificate_last_revision(tx, row->id, &last, err);
        if (r < 0)
                return r;
        digest_random_text(DIGEST_BASE32, SECRET_URI_SIZE - 1, uri);
        *ret = n ? (struct secret_revision){ row->id, row->uri, last + 1 }
                 : (struct secret_revision){ tx_id(tx, "secret"), tx_format(tx, "%s", uri), 1 };
        if (n)
                r = w_secret_set_revision(tx,
                                          &(struct w_secret_set_revision_in){
                                                  .id = ret->id, .revision = ret->revision },
                                          err);
        else
                r = make_secret(tx, a, field, ret, err);
        if (r >= 0)
                r = secret_revision_add(tx, a->sealer, ret, value, len, err);
        return r < 0 ? r : drop_old(tx, ret, behind, err);
}

int64_t certificate_renewal(int64_t now, int64_t until) {
        int64_t life = until - now, jitter = life / CERTIFICATE_JITTER_PART;
        uint64_t n;

        digest_random(&n, sizeof(n));
        return now + life / 3 * 2 + (jitter ? (int64_t)(n % (uint64_t)jitter) : 0);
}

int certificate_put_row(struct tx *tx, const struct certificate_ask *a,
                        const struct secret_revision *key, int64_t authority, const char *pem,
                        struct err *err) {
        cleanup_(cert_facts_free) struct cert_facts f = { .names = NULL };
        cleanup_(freep) char *spec = json_text(a->spec);
        int r = cert_read(pem, &f, err);

        if (r < 0)
                return r;
        return w_certificate_put(tx,
                                 &(struct w_certificate_put_in){
                                         .id = key->id,
                                         .model_id = a->model,
                                         .application_id = a->application,
                                         .label = a->label,
                                         .spec = spec,
                                         .authority_id = authority,
                                         .authority_id_null = !authority,
                                         .revision = key->revision,
                                         .subject = f.subject,
                                         .issuer = f.issuer,
                                         .serial_number = f.serial,
                                         .begins_at = f.from,
                                         .ends_at = f.until,
                                         .renew_at = certificate_renewal(tx_now(tx), f.until),
                                         .issued_at = tx_now(tx) },
                                 err);
}

int certificate_find(struct tx *tx, const struct certificate_ask *a,
                     const struct q_certificate_row **ret, struct err *err) {
        struct q_certificate_row *rows;
        size_t n;
        int r = q_certificate_by_application(
                tx, &(struct q_certificate_by_application_in){ .application_id = a->application },
                &rows, &n, err);

        *ret = NULL;
        if (r < 0)
                return r;
        for (size_t k = 0; k < n; k++)
                if (str_eq(rows[k].label, a->label))
                        *ret = &rows[k];
        return *ret || n < CERTIFICATES_MAX
                       ? 0
                       : err_set(err, -E2BIG, "more than %d certificates", CERTIFICATES_MAX);
}

int certificate_waits(struct tx *tx, int64_t application, const char *label, const char *what,
                      char **ret, struct err *err) {
        struct q_application_row *a;
        size_t n;
        int r = q_application_by_id(tx, &(struct q_application_by_id_in){ .id = application }, &a,
                                    &n, err);

        if (r >= 0)
                *ret = str_format("%s/%s %s", n ? a->name : "?", label, what);
        return r < 0 ? r : 0;
}

int certificate_issue(struct tx *tx, const struct certificate_ask *a, struct err *err) {
        cleanup_(issuing_free) struct issuing i = { .tx = tx, .ask = a };
        struct secret_revision key, crt;
        int64_t behind;
        int r;

        if (certificate_is_authority(a->spec)) {
                r = certificate_signer_issue(tx, a, err);
                tx_mark(tx, MARK_APPLICATION, a->application);
                return r < 0 ? err_add(err, r, "certificate %s", a->label) : 0;
        }
        r = certificate_find(tx, a, &i.row, err);
        if (r >= 0)
                r = certificate_check_spec(tx, a->model, a->spec, err);
        if (r >= 0)
                r = authority_get(tx, a->sealer, a->model, &i.authority, &i.authority_key, err);
        if (r >= 0)
                r = sign(&i, err);
        behind = i.row ? i.row->revision - i.row->planned_revision : 0;
        if (r >= 0)
                r = certificate_put(tx, a, "key", a->key->data, a->key->len, behind, &key, err);
        if (r >= 0)
                r = certificate_put(tx, a, "crt", buf_str(&i.pem), i.pem.len, behind, &crt, err);
        if (r >= 0)
                r = certificate_put_row(tx, a, &key, i.authority->id, buf_str(&i.pem), err);
        if (r < 0)
                return err_add(err, r, "certificate %s", a->label);
        tx_mark(tx, MARK_APPLICATION, a->application);
        return 0;
}

int certificate_forget(struct tx *tx, int64_t secret, struct err *err) {
        int r = w_certificate_delete(tx, &(struct w_certificate_delete_in){ .id = secret }, err);

        if (r >= 0)
                r = w_signed_delete_all(
                        tx, &(struct w_signed_delete_all_in){ .certificate_id = secret }, err);
        return r < 0 ? r : 0;
}

/* ---- what plans are shown */

static int show(struct tx *tx, const struct q_certificate_row *row, const char *pem,
                struct certificate_view *v, struct err *err) {
        json_t *spec = NULL;
        int r = json_parse(row->spec, strlen(row->spec), &spec, err);

        if (r < 0)
                return r;
        json_object_set_new(
                v->shown, row->label,
                json_pack("{s:s, s:s*}", "ca", row->ca ? row->ca : pem, "csr", row->csr));
        json_object_set_new(v->rows, row->label,
                            json_pack("{s:o, s:b, s:I, s:I}", "spec", spec, "due",
                                      row->renew_at <= tx_now(tx), "ends", (json_int_t)row->ends_at,
                                      "renew", (json_int_t)row->renew_at));
        if (row->csr)
                json_object_set_new(json_get(v->rows, row->label), "csr", json_string(row->csr));
        if (row->csr && row->csr_revision_null)
                json_object_set_new(json_get(v->rows, row->label), "answer",
                                    json_string(row->taken ? row->taken : ""));
        if (!row->signs_revision_null)
                return certificate_signer_view(tx, row, json_get(v->shown, row->label),
                                               json_get(v->rows, row->label), err);
        return 0;
}

int certificate_view_read(struct tx *tx, int64_t model, int64_t application,
                          struct certificate_view *ret, struct err *err) {
        cleanup_(buf_free) struct buf pem = BUF_INIT, ids = BUF_INIT;
        const struct q_authority_row *authority = NULL;
        struct q_certificate_row *rows;
        size_t n;
        int r = q_certificate_by_application(
                tx, &(struct q_certificate_by_application_in){ .application_id = application },
                &rows, &n, err);

        ret->shown = json_object();
        ret->rows = json_object();
        if (r >= 0 && n)
                r = authority_bundle(tx, model, &pem, &ids, err);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = show(tx, &rows[i], buf_str(&pem), ret, err);
        if (r >= 0 && n)
                r = authority_find(tx, model, "current", &authority, err);
        ret->authority_ends = r >= 0 && authority ? authority->ends_at : 0;
        ret->bundle = buf_take(&ids);
        return r < 0 ? r : 0;
}
