/* SPDX-License-Identifier: Apache-2.0 */
/* certified.c - certificates in Secrets, the CA bundle in a ConfigMap and in a webhook */
#include "charm.gen.h"

/* False: it is not issued yet. */
static bool want(const struct charm_view *v, struct charm_plan *p, int64_t i) {
        const char *label = charm_text(p, "tls-%lld", (long long)i);
        const char *name = charm_text(p, "%s-%lld", charm_application(v), (long long)i);
        const char *given = charm_option(v, OPTION_NAMES);
        const char *service = charm_text(p, "%s.%s.svc", name, charm_model(v));

        charm_certificate(p, label,
                          &(struct charm_certificate){
                                  .names = *given && i == 0 ? CHARM_TEXTS(given)
                                                            : CHARM_TEXTS(service, "127.0.0.1"),
                                  .use = CHARM_SERVER | CHARM_CLIENT,
                                  .rsa = charm_option_bool(v, OPTION_RSA),
                                  .lifetime_s = charm_option_int(v, OPTION_LIFETIME),
                                  .by = charm_relation(v, ENDPOINT_CERTIFICATES, 0) });
        if (!charm_certificate_issued(p, label) && charm_relations(v, ENDPOINT_CERTIFICATES))
                return false;
        charm_want(p, name, "secret.yaml",
                   CHARM_HOLES({ "name", CHARM_TEXT, name },
                               { "crt", CHARM_TEXT, charm_certificate_crt(p, label) },
                               { "key", CHARM_TEXT, charm_certificate_key(p, label) },
                               { "ca", CHARM_TEXT, charm_certificate_ca(p, label) }));
        return true;
}

static void plan(const struct charm_view *v, struct charm_plan *p) {
        int64_t count = charm_option_int(v, OPTION_COUNT);
        const char *first = charm_text(p, "%s-0", charm_application(v));

        for (int64_t i = 0; i < count; i++)
                if (!want(v, p, i))
                        return charm_status(p, CHARM_WAITING, "waiting for a certificate");
        if (count)
                charm_want(p, "bundle", "configmap.yaml",
                           CHARM_HOLES({ "name", CHARM_TEXT, charm_application(v) },
                                       { "digest", CHARM_TEXT, charm_digest(p, first) }));
        if (count && charm_option_set(v, OPTION_WEBHOOK) && *charm_option(v, OPTION_WEBHOOK))
                charm_want(p, "webhook", "webhook.yaml",
                           CHARM_HOLES({ "name", CHARM_TEXT,
                                         charm_text(p, "%s-%s", charm_model(v),
                                                    charm_application(v)) }));
}

CHARM(.plan = plan);
