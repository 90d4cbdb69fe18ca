/* SPDX-License-Identifier: Apache-2.0 */
/* application-certificates.c - the certificates that a plan asks for: which are to be issued,
 * and that they are before anything else of the plan becomes rows
 *
 * One that is there and is only due (two thirds of its life are over, or its authority is being
 * replaced) is not missed when it cannot be renewed: the plan goes on with it, why is in its
 * row, and certificate-clock.c comes back. */
#include "application.h"

#include "clock.h"
#include "command.h"
#include "digest.h"
#include "log.h"
#include "queries.gen.h"

#include <errno.h>
#include <stdlib.h>

bool application_certificates_due(const struct application_work *w) {
        const char *label;
        json_t *row;

        json_object_foreach(w->certificates.rows, label, row)
                if (json_get_bool(row, "due", false) || json_get_bool(row, "behind", false))
                        return true;
        return false;
}

static struct new_certificate *add(struct application_work *w, const char *label, json_t *spec) {
        struct new_certificate *c;

        w->issues = mem_grow(w->issues, &w->issue_room, w->issue_count + 1, sizeof(*w->issues));
        c = &w->issues[w->issue_count++];
        *c = (struct new_certificate){ .label = str_dup(label), .spec = spec };
        return c;
}

static void forget(struct new_certificate *c) {
        free(c->label);
        secret_text_free(&c->key);
        buf_free(&c->chain);
}

/* ---- of another application */

static const json_t *relation_of(const struct application_work *w, int64_t id) {
        const json_t *relation;
        size_t i;

        json_array_foreach(json_get(w->view, "relations"), i, relation)
                if (json_get_int(relation, "id", 0) == id)
                        return relation;
        return NULL;
}

/* Juju's list begins with the certificate itself and may end with the root. */
static void add_chain(struct new_certificate *c, const json_t *answer) {
        const char *pem = json_get_str(answer, "certificate", "");
        const char *ca = json_get_str(answer, "ca", "");
        size_t i;
        json_t *one;

        buf_puts(&c->chain, pem);
        json_array_foreach(json_get(answer, "chain"), i, one) {
                const char *text = json_string_value(one);

                if (!text || str_eq(text, pem) || str_eq(text, ca))
                        continue;
                if (c->chain.len && c->chain.data[c->chain.len - 1] != '\n')
                        buf_putc(&c->chain, '\n');
                buf_puts(&c->chain, text);
        }
}

static void take_answer(struct application_work *w, const char *label, json_t *spec,
                        const char *csr, const json_t *answer) {
        struct new_certificate *c = add(w, label, spec);
        cleanup_(buf_free) struct buf both = BUF_INIT;

        add_chain(c, answer);
        c->answer = (struct certificate_answer){ .csr = csr,
                                                 .pem = buf_str(&c->chain),
                                                 .ca = json_get_str(answer, "ca", "") };
        buf_printf(&both, "%s\n%s", c->answer.pem, c->answer.ca);
        digest_sha256_hex(both.data, both.len, c->answer.digest);
}

/* To the request of ROW, other than the one that was taken. */
static void find_answer(struct application_work *w, const char *label, json_t *spec,
                        const json_t *row) {
        const json_t *relation = relation_of(w, json_get_int(spec, "issuer", 0)), *answer;
        const char *csr = json_get_str(row, "csr", ""), *taken = json_get_str(row, "answer", "");
        size_t i;

        if (!*csr) /* taken before requests stayed told */
                return;
        json_array_foreach(json_dig(relation, "told", "certificates", NULL), i, answer) {
                if (!str_eq(json_get_str(answer, "certificate_signing_request", ""), csr))
                        continue;
                take_answer(w, label, spec, csr, answer);
                if (str_eq(w->issues[w->issue_count - 1].answer.digest, taken))
                        forget(&w->issues[--w->issue_count]);
                return;
        }
}

static void ask_other(struct application_work *w, const char *label, json_t *spec, bool fits,
                      const json_t *row) {
        bool out = json_get(row, "csr") && !json_get(row, "answer");
        bool asked = json_get_int(row, "renew", 0) == 0; /* by a person */
        struct new_certificate *c;

        if (fits && (out ? !asked : !json_get_bool(row, "due", false)))
                return find_answer(w, label, spec, row);
        c = add(w, label, spec);
        c->request = true;
        c->needed = !fits;
}

/* Until the answer comes nothing may be made of the drafts that stand in its place. */
static int check_drafts(const struct application_work *w, const char *label, struct err *err) {
        cleanup_(freep) char *draft = str_format("{{want:%s/", label);

        for (size_t i = 0; i < w->plan->doc_count; i++)
                if (memmem(w->plan->docs[i].text, w->plan->docs[i].len, draft, strlen(draft)))
                        return err_set(err, -EINVAL,
                                       "%s holds certificate %s, which is not issued yet: "
                                       "charm_certificate_issued tells",
                                       w->plan->docs[i].label, label);
        return 0;
}

/* ---- all of them */

static int ask(struct application_work *w, const char *label, json_t *spec, struct err *err) {
        const json_t *row = json_get(w->certificates.rows, label);
        bool fits = row && json_equal(json_get(row, "spec"), spec);
        cleanup_(freep) char *crt = str_format("%s/crt", label);
        struct new_certificate *c;
        int r = certificate_check(label, spec, err);

        if (r < 0)
                return r;
        if (json_get(spec, "issuer")) {
                ask_other(w, label, spec, fits, row);
                return json_get(json_get(w->view, "secrets"), crt) ? 0
                                                                   : check_drafts(w, label, err);
        }
        if (json_get_bool(row, "turning", false) || (fits && !json_get_bool(row, "due", false)))
                return 0;
        c = add(w, label, spec);
        c->needed = !fits || json_get_int(row, "ends", 0) <= clock_wall();
        return 0;
}

/* ---- what an authority of its own signs */

static bool is_signed(const struct application_work *w, const json_t *s) {
        const char *request = json_get_str(s, "request", "");
        char digest[DIGEST_HEX_SIZE];
        const json_t *have;

        digest_sha256_hex(request, strlen(request), digest);
        have = json_dig(w->certificates.rows, json_get_str(s, "label", ""), "signed", digest, NULL);
        return json_get_bool(have, "valid", false) &&
               json_get_int(have, "lifetime", 0) == json_get_int(s, "lifetime", 0);
}

/* Once the authority is there. */
static int ask_signed(struct application_work *w, struct err *err) {
        const json_t *s;
        size_t i;

        if (json_array_size(w->plan->sign) > CHARM_SIGNED_MAX)
                return err_set(err, -E2BIG, "%zu requests to sign, at most %d are allowed",
                               json_array_size(w->plan->sign), CHARM_SIGNED_MAX);
        json_array_foreach(w->plan->sign, i, s) {
                const char *label = json_get_str(s, "label", "");

                if (json_dig(w->certificates.rows, label, "signed", NULL) && !is_signed(w, s))
                        add(w, label, NULL)->sign = s;
        }
        return 0;
}

int application_ask_certificates(struct application_work *w, struct err *err) {
        const char *name;
        json_t *policy;
        int r = 0;

        json_object_foreach(w->plan->secrets, name, policy) {
                json_t *spec = json_get(policy, "certificate");
                const char *slash = strrchr(name, '/');
                cleanup_(freep) char *label = NULL;

                if (!spec || !slash || !str_eq(slash, "/key"))
                        continue;
                label = str_ndup(name, (size_t)(slash - name));
                r = ask(w, label, spec, err);
                if (r < 0)
                        return r;
        }
        return ask_signed(w, err);
}

void application_free_certificates(struct application_work *w) {
        for (size_t i = 0; i < w->issue_count; i++)
                forget(&w->issues[i]);
        free(w->issues);
        json_decref(w->certificates.shown);
        json_decref(w->certificates.rows);
        free(w->certificates.bundle);
}

bool application_needs_certificates(const struct application_work *w) {
        for (size_t i = 0; i < w->issue_count; i++)
                if (w->issues[i].needed)
                        return true;
        return false;
}

void application_make_keys(void *arg) {
        struct application_work *w = arg;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < w->issue_count; i++)
                if (!w->issues[i].answer.csr && !w->issues[i].sign)
                        r = cert_key_make(certificate_key_of(w->issues[i].spec), &w->issues[i].key,
                                          &w->err);
}

static int issue_one(struct tx *tx, struct application_work *w, const struct new_certificate *c,
                     struct err *err) {
        struct certificate_ask a = { .sealer = w->rec->options.sealer,
                                     .model = w->model,
                                     .application = w->id,
                                     .label = c->label,
                                     .spec = c->spec,
                                     .key = &c->key };

        if (c->sign)
                return certificate_sign(
                        tx, &a,
                        &(struct certificate_signing){
                                .request = json_get_str(c->sign, "request", ""),
                                .lifetime_s = json_get_int(c->sign, "lifetime", 0) },
                        err);
        if (c->answer.csr)
                return certificate_take(tx, &a, &c->answer, err);
        return c->request ? certificate_request(tx, &a, err) : certificate_issue(tx, &a, err);
}

static bool is_refused(int r) {
        return r == -EKEYREJECTED || r == -EBADMSG || r == -ETIME;
}

/* What another application answered may be wrong: that holds up nothing else. */
int application_issue_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct application_work *w = c->arg;
        int r = 0;

        w->issued = 0;
        w->err = (struct err){ 0 };
        for (size_t i = 0; r >= 0 && i < w->issue_count; i++) {
                r = issue_one(tx, w, &w->issues[i], err);
                w->issued += r >= 0;
                if (w->issues[i].answer.csr && is_refused(r)) {
                        w->err = *err;
                        r = 0;
                }
        }
        return r < 0 ? r : 0;
}

int application_issue_failed_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct application_work *w = c->arg;
        int r = w_certificate_set_failed(
                tx,
                &(struct w_certificate_set_failed_in){
                        .application_id = w->id, .renew_at = tx_now(tx), .failed = w->err.text },
                err);

        return r < 0 ? r : 0;
}
