/* SPDX-License-Identifier: Apache-2.0 */
/* plan-certificate.c - certificates that a charm asks for: two secrets with a policy of their own,
 * and what the view has of them; see charm.h */
#include "plan-out.h"

#include "view.h"

#include <stdlib.h>

static json_t *names_of(struct charm_plan *p, const char *label, const char *const *names) {
        json_t *list = json_array();

        for (; names && *names; names++)
                json_array_append_new(list, json_string(*names));
        if (!json_array_size(list))
                plan_out_mistake(p, "charm_certificate: %s has no names", label);
        return list;
}

static json_t *use_of(unsigned use) {
        json_t *list = json_array();

        if (!use || use & CHARM_SERVER)
                json_array_append_new(list, json_string("server"));
        if (use & CHARM_CLIENT)
                json_array_append_new(list, json_string("client"));
        return list;
}

static void ask(struct charm_plan *p, const char *label, const char *part, json_t *spec) {
        const char *key = charm_text(p, "%s/%s", label, part);
        const char *token = json_get_str(json_get(p->view->root, "secrets"), key, NULL);

        json_object_set_new(p->secrets, key,
                            json_pack("{s:O, s:s}", "certificate", spec, "token",
                                      token ? token : charm_text(p, PLAN_DRAFT, key)));
}

/* Its request, which is out or was answered, among those that the relation was told of before. */
static void tell_request(struct charm_plan *p, const char *label, const struct charm_relation *by) {
        const json_t *own = json_dig(p->view->root, "certificates", label, NULL);
        const char *csr = json_get_str(own, "csr", NULL);
        cleanup_(buf_free) struct buf text = BUF_INIT;
        cleanup_(json_freep) json_t *list = NULL;
        char id[24];

        snprintf(id, sizeof(id), "%lld", (long long)by->id);
        list = json_copy(json_dig(p->tell, id, "certificate_signing_requests", NULL));
        if (!csr)
                return;
        if (!list)
                list = json_array();
        json_array_append_new(list, json_pack("{s:s}", "certificate_signing_request", csr));
        json_canonical(list, &text);
        charm_tell_json(p, by, "certificate_signing_requests", buf_str(&text));
}

bool charm_certificate_issued(struct charm_plan *p, const char *label) {
        const char *crt = label ? plan_certificate_token(p, label, "crt") : NULL;

        return crt && str_starts(crt, "{{secret:");
}

static bool is_label(struct charm_plan *p, const char *label) {
        bool valid = label && plan_label_valid(label) && !strpbrk(label, "./");

        if (!valid)
                plan_out_mistake(p, "charm_certificate: \"%.60s\" is no label without . and /",
                                 label ? label : "(null)");
        return valid;
}

/* False: it was asked for before, or is a mistake. */
static bool ask_both(struct charm_plan *p, const char *label, json_t *spec) {
        const json_t *before =
                json_get(json_get(p->secrets, charm_text(p, "%s/key", label)), "certificate");

        if (!spec)
                plan_out_mistake(p, "charm_certificate: %s: a text that is not UTF-8", label);
        else if (before && !json_equal(before, spec))
                plan_out_mistake(p, "charm_certificate: %s was asked for in other words", label);
        if (*p->mistake || before)
                return false;
        ask(p, label, "key", spec);
        ask(p, label, "crt", spec);
        return true;
}

void charm_certificate(struct charm_plan *p, const char *label, const struct charm_certificate *c) {
        cleanup_(json_freep) json_t *spec = NULL;
        json_t *names;

        if (!is_label(p, label))
                return;
        names = names_of(p, label, c->names);
        spec = json_pack("{s:s, s:o, s:o, s:s, s:I}", "common-name",
                         c->common_name ? c->common_name
                                        : json_string_value(json_array_get(names, 0)),
                         "names", names, "use", use_of(c->use), "key",
                         c->rsa ? "rsa-2048" : "ecdsa-p256", "lifetime", (json_int_t)c->lifetime_s);
        if (spec && c->by)
                json_object_set_new(spec, "issuer", json_integer(c->by->id));
        if (ask_both(p, label, spec) && c->by)
                tell_request(p, label, c->by);
}

/* ---- authorities */

void charm_authority(struct charm_plan *p, const char *label, const struct charm_authority *a) {
        cleanup_(json_freep) json_t *spec = NULL;
        json_t *subject = json_object();

        for (const struct charm_value *v = a->subject; v && v->name; v++)
                if (v->text && *v->text)
                        json_object_set_new(subject, v->name, json_string(v->text));
        spec = json_pack("{s:s, s:o, s:[], s:[], s:s, s:I, s:I}", "common-name",
                         a->common_name ? a->common_name : "", "authority", subject, "names", "use",
                         "key", "ecdsa-p256", "lifetime", (json_int_t)a->lifetime_s, "generation",
                         (json_int_t)a->generation);
        if (is_label(p, label))
                ask_both(p, label, spec);
}

static const json_t *signed_for(struct charm_plan *p, const char *label, const char *request) {
        char digest[DIGEST_HEX_SIZE];

        digest_sha256_hex(request, strlen(request), digest);
        return json_dig(p->view->root, "certificates", label, "signed", digest, NULL);
}

/* What is out of bounds is refused by itself: the other requests are signed. */
static const char *out_of_bounds(struct charm_plan *p, const char *request) {
        if (json_array_size(p->sign) >= CHARM_SIGNED_MAX)
                return charm_text(p, "%d are signed already, and no authority signs more",
                                  CHARM_SIGNED_MAX);
        if (strlen(request) > CHARM_REQUEST_MAX)
                return charm_text(p, "it has %zu bytes, at most %d are signed", strlen(request),
                                  CHARM_REQUEST_MAX);
        return NULL;
}

const char *charm_sign(struct charm_plan *p, const char *label, const char *request,
                       int64_t lifetime_s, const char **ret_refused) {
        const char *bound = request ? out_of_bounds(p, request) : NULL;
        json_t *asked = label && request ? json_pack("{s:s, s:s, s:I}", "label", label, "request",
                                                     request, "lifetime", (json_int_t)lifetime_s)
                                         : NULL;
        const json_t *found;

        *ret_refused = NULL;
        if (!asked || lifetime_s < 0 || !plan_certificate_token(p, label, "key")) {
                json_decref(asked);
                plan_out_mistake(p,
                                 "charm_sign: \"%.60s\" is no authority of this plan, or the "
                                 "request no text",
                                 label ? label : "(null)");
                return NULL;
        }
        if (bound) {
                json_decref(asked);
                *ret_refused = bound;
                return NULL;
        }
        json_array_append_new(p->sign, asked);
        found = signed_for(p, label, request);
        *ret_refused = json_get_str(found, "refused", NULL);
        return json_get_str(found, "certificate", NULL);
}

const char *plan_certificate_token(const struct charm_plan *p, const char *label,
                                   const char *part) {
        cleanup_(freep) char *key = str_format("%s/%s", label, part);
        const json_t *secret = json_get(p->secrets, key);

        return json_get(secret, "certificate") ? json_get_str(secret, "token", NULL) : NULL;
}

const char *plan_certificate_ca(const struct charm_plan *p, const char *label) {
        return json_get_str(json_dig(p->view->root, "certificates", label, NULL), "ca", NULL);
}

static const char *token(struct charm_plan *p, const char *label, const char *part) {
        const char *found = label ? plan_certificate_token(p, label, part) : NULL;

        if (found)
                return found;
        plan_out_mistake(p, "charm_certificate: this plan has asked for no certificate \"%.60s\"",
                         label ? label : "(null)");
        return "";
}

const char *charm_certificate_key(struct charm_plan *p, const char *label) {
        return token(p, label, "key");
}

const char *charm_certificate_crt(struct charm_plan *p, const char *label) {
        return token(p, label, "crt");
}

const char *charm_certificate_ca(struct charm_plan *p, const char *label) {
        const char *ca = *token(p, label, "key") ? plan_certificate_ca(p, label) : NULL;

        return ca ? ca : "";
}
