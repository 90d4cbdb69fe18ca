/* SPDX-License-Identifier: Apache-2.0 */
/* self-signed-certificates.c - certificates of an authority of its own
 *
 * Wants nothing. Requests come over the relations (interface tls-certificates); the daemon keeps
 * the authority (charm_authority), and signs them (charm_sign). What it does not sign, a name of
 * another namespace say, is told in the status, and holds up nobody else. */
#include "charm.gen.h"

#include "tls-requests.h"

#define CA "ca"

static int64_t seconds(const struct charm_view *v, const char *option) {
        const char *unit = charm_option(v, OPTION_VALIDITY_UNIT);
        int64_t each = !strcmp(unit, "weeks")     ? 7 * 86400
                       : !strcmp(unit, "days")    ? 86400
                       : !strcmp(unit, "hours")   ? 3600
                       : !strcmp(unit, "minutes") ? 60
                                                  : 1;

        return charm_option_int(v, option) * each;
}

static void ask_authority(const struct charm_view *v, struct charm_plan *p) {
        charm_authority(
                p, CA,
                &(struct charm_authority){
                        .common_name = charm_option(v, OPTION_CA_COMMON_NAME),
                        .subject = CHARM_VALUES(
                                { "C", charm_option(v, OPTION_CA_COUNTRY_NAME) },
                                { "ST", charm_option(v, OPTION_CA_STATE_OR_PROVINCE_NAME) },
                                { "L", charm_option(v, OPTION_CA_LOCALITY_NAME) },
                                { "O", charm_option(v, OPTION_CA_ORGANIZATION) },
                                { "OU", charm_option(v, OPTION_CA_ORGANIZATIONAL_UNIT) },
                                { "emailAddress", charm_option(v, OPTION_CA_EMAIL_ADDRESS) }),
                        .lifetime_s = seconds(v, OPTION_ROOT_CA_VALIDITY),
                        .generation = charm_option_int(v, OPTION_KEY_GENERATION) });
}

static void say(struct charm_plan *p, const struct charm_relation *r, const char *refused) {
        if (refused)
                charm_status(p, CHARM_BLOCKED, "the request of %s is not signed: %s",
                             r->application, refused);
        else
                charm_status(p, CHARM_WAITING, "the request of %s is to be signed", r->application);
}

/* LIST with what was signed for R. */
static const char *add_signed(const struct charm_view *v, struct charm_plan *p,
                              const struct charm_relation *r, const char *list) {
        struct tls_asked asked = TLS_ASKED(r);
        const char *request, *pem, *refused;

        while ((request = tls_asked_next(p, &asked))) {
                pem = charm_sign(p, CA, tls_unquoted(p, request),
                                 seconds(v, OPTION_CERTIFICATE_VALIDITY), &refused);
                if (pem)
                        list = tls_issued(p, list, request, charm_certificate_ca(p, CA), pem, "");
                else
                        say(p, r, refused);
        }
        if (asked.refused)
                say(p, r, asked.refused);
        return list;
}

/* With nothing of what goes before it. */
static const char *all_signed(const struct charm_view *v, struct charm_plan *p, bool tell) {
        const char *all = "";

        for (size_t i = 0; i < charm_relations(v, ENDPOINT_CERTIFICATES); i++) {
                const struct charm_relation *r = charm_relation(v, ENDPOINT_CERTIFICATES, i);
                const char *list = add_signed(v, p, r, "");

                if (tell)
                        charm_tell_json(p, r, "certificates", charm_text(p, "[%s]", list));
                all = charm_text(p, "%s%s%s", all, *all && *list ? "," : "", list);
        }
        return all;
}

static void plan(const struct charm_view *v, struct charm_plan *p) {
        if (charm_option_int(v, OPTION_ROOT_CA_VALIDITY) <=
            2 * charm_option_int(v, OPTION_CERTIFICATE_VALIDITY))
                return charm_fail(p,
                                  "root-ca-validity is not more than twice certificate-validity: "
                                  "certificates would end with their authority");
        ask_authority(v, p);
        all_signed(v, p, true);
}

/* ---- actions */

static void tell_ca(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);

        ask_authority(charm_world_view(w), p);
        if (!*charm_certificate_ca(p, CA))
                return charm_give_up(a, "the authority is not made yet: try again in a moment");
        charm_result(a, "ca-certificate", charm_certificate_ca(p, CA));
        charm_done(a);
}

static const struct charm_step ca_steps[] = { { "tell", tell_ca, 0, 0 }, {} };

static void tell_issued(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);

        ask_authority(charm_world_view(w), p);
        charm_result(a, "certificates",
                     charm_text(p, "[%s]", all_signed(charm_world_view(w), p, false)));
        charm_done(a);
}

static const struct charm_step issued_steps[] = { { "tell", tell_issued, 0, 0 }, {} };

static void rotate(const struct charm_world *w, struct charm_ask *a) {
        int64_t generation = charm_option_int(charm_world_view(w), OPTION_KEY_GENERATION);

        if (charm_outcome(w)) {
                charm_result(a, "result",
                             "Another authority takes the place of the one before; mooringctl "
                             "certs says how far that is.");
                return charm_done(a);
        }
        charm_ask_config(a, OPTION_KEY_GENERATION,
                         charm_text(charm_paper(a), "%lld", (long long)generation + 1));
}

static const struct charm_step rotate_steps[] = { { "rotate", rotate, 0, 0 }, {} };

static const struct charm_action actions[] = {
        { ACTION_GET_CA_CERTIFICATE, ca_steps },
        { ACTION_GET_ISSUED_CERTIFICATES, issued_steps },
        { ACTION_ROTATE_PRIVATE_KEY, rotate_steps },
        {},
};

CHARM(.plan = plan, .actions = actions);
