/* SPDX-License-Identifier: Apache-2.0 */
/* cert-manager-issuer.c - certificates that an issuer of the cluster's cert-manager signs
 *
 * Requests come over the relations (interface tls-certificates). Each is a CertificateRequest, for
 * as long as somebody asks for it; its status is what is told. One is never changed in place
 * (cert-manager refuses that): its name is made of all that is asked for, so that another issuer
 * or duration is another object. cert-manager does not try again what it denied or could not do:
 * that is a person's to decide, and the status says how. */
#include "charm.gen.h"

#include "pem.h"
#include "tls-requests.h"

struct request {
        const struct charm_relation *by;
        const char *quoted, *label;
};

/* 64 bits of FNV-1a: two requests of one relation with the same are one. */
static uint64_t mix(uint64_t hash, const char *text) {
        for (; *text; text++)
                hash = (hash ^ (unsigned char)*text) * 0x100000001b3ull;
        return (hash ^ 0xff) * 0x100000001b3ull;
}

static const char *label_of(const struct charm_view *v, struct charm_plan *p,
                            const struct request *q) {
        uint64_t hash = mix(0xcbf29ce484222325ull, q->quoted);

        hash = mix(hash, charm_option(v, OPTION_ISSUER_NAME));
        hash = mix(hash, charm_option(v, OPTION_ISSUER_KIND));
        hash = mix(hash, charm_option(v, OPTION_ISSUER_GROUP));
        hash = mix(hash, charm_option(v, OPTION_DURATION));
        hash = mix(hash, charm_option(v, OPTION_USAGES));
        return charm_text(p, "%lld-%016llx", (long long)q->by->id, (unsigned long long)hash);
}

static const char *usages(const struct charm_view *v, struct charm_plan *p) {
        const char *list = "";

        for (const char *at = charm_option(v, OPTION_USAGES); *at; at = charm_list_rest(at))
                list = charm_text(p, "%s%s%s", list, *list ? "," : "",
                                  charm_quote(p, charm_list_first(p, at)));
        return charm_text(p, "[%s]", list);
}

static void want(const struct charm_view *v, struct charm_plan *p, const struct request *q) {
        charm_want(p, q->label, "request.yaml",
                   CHARM_HOLES({ "name", CHARM_TEXT,
                                 charm_text(p, "%s-%s", charm_application(v), q->label) },
                               { "application", CHARM_TEXT, q->by->application },
                               { "request", CHARM_TEXT, tls_base64(p, tls_unquoted(p, q->quoted)) },
                               { "usages", CHARM_JSON, usages(v, p) }));
        charm_see(p, q->label, "/status/certificate");
        charm_see(p, q->label, "/status/ca");
        charm_see(p, q->label, "/status/conditions");
}

/* ---- what was signed */

static const char *seen_pem(const struct charm_view *v, struct charm_plan *p, const char *label,
                            const char *pointer) {
        const char *text = charm_seen(v, label, pointer);

        return text ? tls_unbase64(p, text) : "";
}

/* The certificates of PEM behind the first, as a JSON list without brackets. */
static const char *chain_of(struct charm_plan *p, const char *pem) {
        const char *list = "", *at = strstr(pem, PEM_CERTIFICATE), *next;

        while (at && (at = pem_next(at))) {
                next = pem_next(at);
                list = charm_text(
                        p, "%s%s%s", list, *list ? "," : "",
                        charm_quote(p, next ? charm_text(p, "%.*s", (int)(next - at), at) : at));
        }
        return list;
}

static const char *leaf_of(struct charm_plan *p, const char *pem) {
        const char *second = pem_next(pem);

        return second ? charm_text(p, "%.*s", (int)(second - pem), pem) : pem;
}

/* LIST with what was signed for Q, if it was. */
static const char *add_signed(const struct charm_view *v, struct charm_plan *p,
                              const struct request *q, const char *list) {
        const char *pem = seen_pem(v, p, q->label, "/status/certificate");
        const char *ca = charm_option_set(v, OPTION_CA_CERTIFICATE)
                                 ? charm_option(v, OPTION_CA_CERTIFICATE)
                                 : seen_pem(v, p, q->label, "/status/ca");

        if (!*pem)
                return list;
        if (!*ca) {
                charm_status(p, CHARM_BLOCKED,
                             "issuer %s does not say which CA verifies what it signs: mooringctl "
                             "config %s ca-certificate=@FILE",
                             charm_option(v, OPTION_ISSUER_NAME), charm_application(v));
                return list;
        }
        return tls_issued(p, list, q->quoted, ca, leaf_of(p, pem), chain_of(p, pem));
}

/* ---- what was not */

/* cert-manager is done with Q, and there is no certificate. */
static void say_refused(const struct charm_view *v, struct charm_plan *p, const struct request *q,
                        const char *what, const char *message) {
        charm_status(p, CHARM_BLOCKED,
                     "%s the request of %s: %.160s; once that is mended: mooringctl "
                     "rotate-certificate %s (CertificateRequest %s-%s)",
                     what, q->by->application, message, q->by->application, charm_application(v),
                     q->label);
}

static void say(const struct charm_view *v, struct charm_plan *p, const struct request *q) {
        const char *list = charm_seen(v, q->label, "/status/conditions");
        const char *ready = tls_condition(p, list, "Ready", "reason");
        const char *message = tls_condition(p, list, "Ready", "message");

        if (!strcmp(tls_condition(p, list, "Denied", "status"), "True"))
                return say_refused(v, p, q, "an approver denied",
                                   tls_condition(p, list, "Denied", "message"));
        if (!strcmp(tls_condition(p, list, "InvalidRequest", "status"), "True"))
                return say_refused(v, p, q, "the issuer cannot sign",
                                   tls_condition(p, list, "InvalidRequest", "message"));
        if (!strcmp(ready, "Failed") || !strcmp(ready, "Denied"))
                return say_refused(v, p, q, "the issuer failed with", message);
        if (*charm_reason(v, q->label) || !charm_exists(v, q->label) || !*ready)
                charm_status(p, CHARM_WAITING, "the request of %s: %s", q->by->application,
                             *message                     ? message
                             : *charm_reason(v, q->label) ? charm_reason(v, q->label)
                                                          : "nobody has looked at it yet: is "
                                                            "cert-manager there?");
}

/* ---- all of them */

static void serve(const struct charm_view *v, struct charm_plan *p,
                  const struct charm_relation *by) {
        const char *list = "", *labels = "";
        struct tls_asked asked = TLS_ASKED(by);
        struct request q = { .by = by };

        while ((q.quoted = tls_asked_next(p, &asked))) {
                q.label = label_of(v, p, &q);
                if (charm_list_has(labels, q.label))
                        continue;
                labels = charm_text(p, "%s%s%s", labels, *labels ? "," : "", q.label);
                want(v, p, &q);
                say(v, p, &q);
                list = add_signed(v, p, &q, list);
        }
        if (asked.refused)
                charm_status(p, CHARM_BLOCKED, "the request of %s is not handed on: %s",
                             by->application, asked.refused);
        charm_tell_json(p, by, "certificates", charm_text(p, "[%s]", list));
}

static void plan(const struct charm_view *v, struct charm_plan *p) {
        if (!charm_option_set(v, OPTION_ISSUER_NAME))
                return charm_status(p, CHARM_BLOCKED,
                                    "which issuer signs? mooringctl config %s issuer-name=NAME "
                                    "issuer-kind=Issuer|ClusterIssuer",
                                    charm_application(v));
        for (size_t i = 0; i < charm_relations(v, ENDPOINT_CERTIFICATES); i++)
                serve(v, p, charm_relation(v, ENDPOINT_CERTIFICATES, i));
}

CHARM(.plan = plan);
