/* SPDX-License-Identifier: Apache-2.0 */
/* manual-tls-certificates.c - certificates that a person has signed elsewhere
 *
 * Wants nothing. Requests come over the relations (interface tls-certificates); what was signed
 * for them lies in the option `certificates`, which the action provide-certificate writes, and
 * is told to every relation: who asked finds its own by the request. What nobody asks for any
 * more goes with the next one that comes in.
 */
#include "charm.gen.h"

#include "tls-requests.h"

/* Requests of R that nothing was signed for: a list of JSON objects, added to LIST. */
static const char *add_outstanding(const struct charm_view *v, struct charm_plan *p,
                                   const struct charm_relation *r, const char *list) {
        const char *have = charm_option(v, OPTION_CERTIFICATES);
        struct tls_asked asked = TLS_ASKED(r);
        const char *request;

        while ((request = tls_asked_next(p, &asked)))
                if (!strstr(have, request))
                        list = charm_text(p, "%s%s{\"application\":%s," TLS_REQUEST "%s}", list,
                                          *list ? "," : "", charm_quote(p, r->application),
                                          request);
        return list;
}

static const char *outstanding(const struct charm_view *v, struct charm_plan *p) {
        const char *list = "";

        for (size_t i = 0; i < charm_relations(v, ENDPOINT_CERTIFICATES); i++)
                list = add_outstanding(v, p, charm_relation(v, ENDPOINT_CERTIFICATES, i), list);
        return list;
}

static void plan(const struct charm_view *v, struct charm_plan *p) {
        for (size_t i = 0; i < charm_relations(v, ENDPOINT_CERTIFICATES); i++)
                charm_tell_json(p, charm_relation(v, ENDPOINT_CERTIFICATES, i), "certificates",
                                charm_option(v, OPTION_CERTIFICATES));
        if (*outstanding(v, p))
                charm_status(p, CHARM_ACTIVE,
                             "requests wait to be signed: mooringctl run %s "
                             "get-outstanding-certificate-requests",
                             charm_application(v));
}

/* ---- get-outstanding-certificate-requests */

static void tell_requests(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);

        charm_result(a, "result", charm_text(p, "[%s]", outstanding(charm_world_view(w), p)));
        charm_done(a);
}

static const struct charm_step request_steps[] = { { "tell", tell_requests, 0, 0 }, {} };

/* ---- provide-certificate */

static bool is_asked(const struct charm_view *v, const char *request) {
        for (size_t i = 0; i < charm_relations(v, ENDPOINT_CERTIFICATES); i++)
                if (strstr(tls_requests(charm_relation(v, ENDPOINT_CERTIFICATES, i)), request))
                        return true;
        return false;
}

/* After the end of the object that begins at AT, or NULL. What people give around a PEM block may
 * have braces. */
static const char *end_of(const char *at) {
        bool quoted = false;

        for (; *at; at++) {
                if (*at == '"')
                        quoted = !quoted;
                else if (quoted && *at == '\\' && at[1])
                        at++;
                else if (!quoted && *at == '}')
                        return at + 1;
        }
        return NULL;
}

/* Those of the list that somebody still asks for, but for the one of REQUEST. Each is an object
 * without others in it. */
static const char *kept(const struct charm_view *v, struct charm_plan *p, const char *request) {
        const char *at = charm_option(v, OPTION_CERTIFICATES), *end, *list = "";

        for (; (at = strchr(at, '{')) && (end = end_of(at)); at = end) {
                const char *one = charm_text(p, "%.*s", (int)(end - at), at);
                const char *at_its = one, *its = tls_request_next(p, &at_its);

                if (its && strcmp(its, request) != 0 && is_asked(v, its))
                        list = charm_text(p, "%s%s%s", list, *list ? "," : "", one);
        }
        return list;
}

static void provide(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);
        struct charm_plan *p = charm_paper(a);
        const char *request = charm_quote(p, charm_param(w, "certificate-signing-request"));
        const char *chain = charm_param(w, "ca-chain"), *list;

        if (charm_outcome(w)) {
                charm_result(a, "result", "Certificates successfully provided.");
                return charm_done(a);
        }
        if (!is_asked(v, request))
                return charm_give_up(a, "nobody asks for this request: "
                                        "get-outstanding-certificate-requests has those that are "
                                        "asked for, as they are to be given");
        list = kept(v, p, request);
        charm_ask_config(a, OPTION_CERTIFICATES,
                         charm_text(p, "[%s]",
                                    tls_issued(p, list, request, charm_param(w, "ca-certificate"),
                                               charm_param(w, "certificate"),
                                               chain && *chain ? charm_quote(p, chain) : "")));
}

static const struct charm_step provide_steps[] = { { "provide", provide, 0, 0 }, {} };

static const struct charm_action actions[] = {
        { ACTION_GET_OUTSTANDING_CERTIFICATE_REQUESTS, request_steps },
        { ACTION_PROVIDE_CERTIFICATE, provide_steps },
        {},
};

CHARM(.plan = plan, .actions = actions);
