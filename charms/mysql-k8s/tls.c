/* SPDX-License-Identifier: Apache-2.0 */
/* tls.c - the server's certificate; see tls.h */
#include "tls.h"

#include "charm.gen.h"
#include "replica.h"

#include <string.h>

#define LABEL "server"
#define SHOWN "certificate" /* the resource */
#define NOTE "tls"          /* key in the peer relation */
#define FOLDER "/etc/mysql-tls"

/* A name that clients dial, with and without the cluster's domain. */
static const char *service(const struct charm_view *v, struct charm_plan *p, const char *name,
                           const char *domain) {
        return charm_text(p, "%s%s.%s.svc%s", charm_application(v), name, charm_model(v), domain);
}

/* All servers show the same: each may be the primary one day. */
static const char *const *names(const struct charm_view *v, struct charm_plan *p) {
        const char *domain = ".cluster.local";
        const char *const first[] = { service(v, p, "-primary", domain),
                                      service(v, p, "-primary", ""),
                                      service(v, p, "", domain),
                                      service(v, p, "", ""),
                                      service(v, p, "-endpoints", domain),
                                      replica_address(v, p, 0),
                                      "127.0.0.1" };
        const char **all = charm_memory(p, (2 * REPLICA_UNITS_MAX + 10) * sizeof(*all));
        size_t n = sizeof(first) / sizeof(*first);

        memcpy(all, first, sizeof(first));
        if (replica_units(v) > 1) {
                all[n++] = service(v, p, "-replicas", domain);
                all[n++] = service(v, p, "-replicas", "");
        }
        for (int64_t unit = 1; unit < replica_units(v); unit++)
                all[n++] = replica_address(v, p, unit);
        return all;
}

bool tls_is_on(const struct charm_view *v, struct charm_plan *p) {
        const struct charm_relation *by = charm_relation(v, ENDPOINT_CERTIFICATES, 0);

        if (!by && strcmp(charm_option(v, OPTION_TLS), "model") != 0)
                return false;
        charm_certificate(p, LABEL,
                          &(struct charm_certificate){ .common_name = charm_application(v),
                                                       .names = names(v, p),
                                                       .by = by });
        return charm_certificate_issued(p, LABEL) && *charm_certificate_ca(p, LABEL);
}

/* MySQL reads no certificate anew that ssl_ca does not lead to (3888). What is required does not
 * depend on there being one: nobody is let in then, rather than everybody. */
const char *tls_my_cnf(const struct charm_view *v, struct charm_plan *p) {
        return charm_text(
                p, "%s%s",
                tls_is_on(v, p) ? "ssl_ca = " FOLDER "/ca.crt\n"
                                  "ssl_cert = " FOLDER "/tls.crt\n"
                                  "ssl_key = " FOLDER "/tls.key\n"
                                : "",
                charm_option_bool(v, OPTION_TLS_REQUIRED) ? "require_secure_transport = ON\n" : "");
}

static const char *secret_name(const struct charm_view *v, struct charm_plan *p) {
        return charm_text(p, "%s-tls", charm_application(v));
}

static void say(const struct charm_view *v, struct charm_plan *p) {
        const struct charm_relation *by = charm_relation(v, ENDPOINT_CERTIFICATES, 0);
        bool required = charm_option_bool(v, OPTION_TLS_REQUIRED);

        if (tls_is_on(v, p))
                return;
        if (by && required)
                charm_status(p, CHARM_BLOCKED,
                             "tls-required: clients without TLS are refused, and %s has not issued "
                             "a certificate yet",
                             by->application);
        else if (by)
                charm_status(p, CHARM_ACTIVE, "no TLS before %s has issued a certificate",
                             by->application);
        else if (required && strcmp(charm_option(v, OPTION_TLS), "model") != 0)
                charm_status(p, CHARM_BLOCKED,
                             "tls-required: clients without TLS are refused, and there is no "
                             "certificate; relate certificates, or set tls=model");
}

void tls_want(const struct charm_view *v, struct charm_plan *p) {
        const char *via = replica_via(v, p, 0);

        say(v, p);
        if (!tls_is_on(v, p))
                return;
        charm_want(p, "tls-secret", "tls-secret.yaml",
                   CHARM_HOLES({ "name", CHARM_TEXT, secret_name(v, p) },
                               { "ca", CHARM_TEXT, charm_certificate_ca(p, LABEL) }));
        charm_target(p, "tls", "sql", "target.yaml", CHARM_HOLES({ "via", CHARM_TEXT, via }));
        charm_want_at(p, SHOWN, "tls", "certificate.yaml", NULL);
        charm_needs(p, SHOWN, "tls-secret", CHARM_EXISTS);
        charm_needs(p, SHOWN, "statefulset", CHARM_READY);
        charm_see(p, SHOWN, "/valid-until");
        for (int64_t unit = 1; unit < replica_units(v); unit++) {
                const char *label = replica_label(p, SHOWN, unit);

                charm_want_at(p, label, replica_target(p, unit), "certificate.yaml", NULL);
                charm_needs(p, label, "tls-secret", CHARM_EXISTS);
                charm_needs(p, label, replica_label(p, "statefulset", unit), CHARM_READY);
        }
}

struct charm_hole tls_volume(const struct charm_view *v, struct charm_plan *p) {
        const char *text = charm_text(p,
                                      "{\"name\":\"tls\",\"secret\":{\"secretName\":%s,"
                                      "\"defaultMode\":288}}",
                                      charm_quote(p, secret_name(v, p)));

        return (struct charm_hole){ "tls-volume", tls_is_on(v, p) ? CHARM_JSON : CHARM_NONE, text };
}

struct charm_hole tls_mount(const struct charm_view *v, struct charm_plan *p) {
        return (struct charm_hole){ "tls-mount", tls_is_on(v, p) ? CHARM_JSON : CHARM_NONE,
                                    "{\"name\":\"tls\",\"mountPath\":\"" FOLDER
                                    "\",\"readOnly\":true}" };
}

/* While it is being renewed it is not ready: what clients were told stays. */
const char *tls_ca(const struct charm_view *v, struct charm_plan *p) {
        const struct charm_relation *peers = charm_relation(v, ENDPOINT_DATABASE_PEERS, 0);
        const char *noted = peers ? charm_told(peers, NOTE) : NULL;

        if (!tls_is_on(v, p) || !*charm_certificate_ca(p, LABEL))
                return NULL;
        if (!noted && !(charm_exists(v, SHOWN) && charm_ready(v, SHOWN)))
                return NULL;
        if (peers)
                charm_tell(p, peers, NOTE, "shown");
        return charm_certificate_ca(p, LABEL);
}
