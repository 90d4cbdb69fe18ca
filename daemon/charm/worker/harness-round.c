/* SPDX-License-Identifier: Apache-2.0 */
/* harness-round.c - see harness-round.h */
#include "harness-round.h"

#include "harness-check.h"
#include "harness-worker.h"
#include "secret-token.h"

#include <errno.h>

#define ROUNDS_MAX 8 /* a charm asks for a secret because of another, some times at most */
#define CA "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
#define CSR "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n"

struct round {
        struct harness_worker worker;
        json_t *view;
        json_t *asked;
        size_t made; /* secrets */
};

static json_t *map_of(json_t *view, const char *member) {
        json_t *map = json_get(view, member);

        if (map)
                return map;
        map = json_object();
        json_object_set_new(view, member, map);
        return map;
}

/* Another application issues: first its request is out, and its certificate comes after that. */
static bool is_requested(struct round *r, const char *name, const json_t *spec) {
        cleanup_(freep) char *label = str_ndup(name, strcspn(name, "/"));
        json_t *shown = map_of(map_of(r->view, "certificates"), label);
        bool out = json_get(shown, "csr");

        if (!json_get(spec, "issuer")) {
                json_object_set_new(shown, "ca", json_string(CA));
                return false;
        }
        if (!str_ends(name, "/crt"))
                return false;
        if (!out)
                json_object_set_new(shown, "csr", json_string(CSR));
        else
                json_object_set_new(shown, "ca", json_string(CA));
        return !out;
}

/* True: something was made that the view had not. */
static bool make(struct round *r, const json_t *wanted) {
        json_t *secrets = map_of(r->view, "secrets"), *policy;
        char token[SECRET_TOKEN_MAX], uri[SECRET_URI_SIZE];
        const char *name;
        bool made = false;

        json_object_foreach((json_t *)wanted, name, policy) {
                const json_t *spec = json_get(policy, "certificate");

                json_object_set_new(r->asked, name, json_true());
                if (json_get(secrets, name))
                        continue;
                made = true;
                if (spec && is_requested(r, name, spec))
                        continue;
                snprintf(uri, sizeof(uri), "made%022zu", ++r->made);
                json_object_set_new(secrets, name,
                                    json_string(secret_token_write(uri, 1, SECRET_PLAIN, token)));
        }
        return made;
}

/* As make, of what P asks to have signed. */
static bool sign(struct round *r, const struct plan *p) {
        char digest[DIGEST_HEX_SIZE];
        bool made = false;
        json_t *s;
        size_t i;

        json_array_foreach(p->sign, i, s) {
                const char *request = json_get_str(s, "request", "");
                json_t *shown =
                        map_of(map_of(r->view, "certificates"), json_get_str(s, "label", ""));
                json_t *all = map_of(shown, "signed");

                digest_sha256_hex(request, strlen(request), digest);
                made = made || !json_get(all, digest);
                json_object_set_new(all, digest, json_pack("{s:s}", "certificate", CA));
        }
        return made;
}

static void renew(struct round *r) {
        json_t *secrets = map_of(r->view, "secrets"), *value;
        char token[SECRET_TOKEN_MAX];
        struct secret_ref ref;
        const char *name;
        void *next;

        json_object_foreach_safe(secrets, next, name, value)
                if (secret_token_next(json_string_value(value), 0, &ref))
                        json_object_set_new(secrets, name,
                                            json_string(secret_token_write(
                                                    ref.uri, ref.revision + 1, ref.form, token)));
}

/* As reconcile/application-certificates.c does. */
static int check_drafts(const struct round *r, const struct plan *p, struct err *err) {
        const char *name;
        json_t *policy;

        json_object_foreach(p->secrets, name, policy) {
                cleanup_(freep) char *draft = str_format("{{want:%s", name);

                if (!json_dig(policy, "certificate", "issuer", NULL) ||
                    json_dig(r->view, "secrets", name, NULL))
                        continue;
                for (size_t i = 0; i < p->doc_count; i++)
                        if (memmem(p->docs[i].text, p->docs[i].len, draft, strlen(draft)))
                                return err_set(err, -EINVAL,
                                               "%s holds certificate %s, which is not issued yet: "
                                               "charm_certificate_issued tells",
                                               p->docs[i].label, name);
        }
        return 0;
}

/* *RET: the plan, or NULL where it is refused. */
static int plan_again(struct round *r, const char *when, struct harness_answer *ret,
                      struct err *err) {
        cleanup_(freep) char *text = json_text(r->view);
        int k = harness_worker_plan(&r->worker, text, strlen(text), ret, err);

        if (k >= 0 && !ret->plan)
                k = err_set(err, -EINVAL, "the plan is refused: %s", ret->refused);
        if (k >= 0)
                k = check_drafts(r, ret->plan, err);
        if (k >= 0)
                k = harness_check_documents(ret->plan, err);
        return k < 0 ? err_add(err, k, "%s", when) : 0;
}

static int go_round(struct round *r, const struct plan *first, struct err *err) {
        struct harness_answer a = {};
        bool more = make(r, first->secrets) + sign(r, first);
        int k = check_drafts(r, first, err);

        for (int n = 0; k >= 0 && more; n++) {
                harness_answer_deinit(&a);
                k = n < ROUNDS_MAX
                            ? plan_again(r, "when the secrets that it asks for are made", &a, err)
                            : err_set(err, -ELOOP, "it asks for ever more secrets");
                more = k >= 0 && make(r, a.plan->secrets) + sign(r, a.plan);
        }
        harness_answer_deinit(&a);
        if (k < 0 || !json_object_size(json_get(r->view, "secrets")))
                return k;
        renew(r);
        k = plan_again(r, "when its secrets have a new revision", &a, err);
        harness_answer_deinit(&a);
        return k;
}

int harness_round_check(const struct harness_options *o, const json_t *view, const struct plan *p,
                        json_t *asked, struct err *err) {
        struct round r = { .view = json_deep_copy(view), .asked = asked };
        int k = 0;

        if (json_object_size(p->secrets)) {
                k = harness_worker_start(&r.worker, o, err);
                if (k >= 0) {
                        k = go_round(&r, p, err);
                        if (harness_worker_stop(&r.worker, k < 0 ? NULL : err) < 0)
                                k = -EFAULT;
                }
        }
        json_decref(r.view);
        return k;
}
