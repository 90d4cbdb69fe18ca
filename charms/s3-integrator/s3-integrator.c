/* SPDX-License-Identifier: Apache-2.0 */
/* s3-integrator.c - a bucket outside of the platform and its keys, told to who asks
 *
 * Wants nothing. What it was given as options it tells every relation of s3-credentials, the keys
 * as secrets. A relation is told nothing before both keys and a bucket are there, for half of it
 * opens nothing.
 *
 * Actions: sync-s3-credentials, get-s3-connection-info. */
#include "charm.gen.h"

static bool is_given(const struct charm_view *v, const char *option) {
        return charm_option_set(v, option) && *charm_option(v, option);
}

/* ---- what is told */

static const char *const texts[] = { OPTION_ENDPOINT, OPTION_REGION, OPTION_PATH,
                                     OPTION_S3_URI_STYLE, OPTION_STORAGE_CLASS };

static const char *bucket_for(const struct charm_view *v, const struct charm_relation *r) {
        if (is_given(v, OPTION_BUCKET))
                return charm_option(v, OPTION_BUCKET);
        return charm_told(r, "bucket");
}

/* "a, b" as ["a","b"]. */
static const char *as_list(struct charm_plan *p, const char *text) {
        const char *out = "";

        for (; *text; text = charm_list_rest(text)) {
                const char *one = charm_list_first(p, text);

                out = charm_text(p, "%s%s%s", out, *out ? "," : "",
                                 charm_quote(p, one + strspn(one, " ")));
        }
        return charm_text(p, "[%s]", out);
}

static void tell_rest(const struct charm_view *v, struct charm_plan *p,
                      const struct charm_relation *r) {
        for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
                if (is_given(v, texts[i]))
                        charm_tell(p, r, texts[i], charm_option(v, texts[i]));
        if (charm_option_set(v, OPTION_S3_API_VERSION))
                charm_tell_int(p, r, "s3-api-version", charm_option_int(v, OPTION_S3_API_VERSION));
        if (charm_option_set(v, OPTION_EXPERIMENTAL_DELETE_OLDER_THAN_DAYS))
                charm_tell_int(p, r, "delete-older-than-days",
                               charm_option_int(v, OPTION_EXPERIMENTAL_DELETE_OLDER_THAN_DAYS));
        if (is_given(v, OPTION_ATTRIBUTES))
                charm_tell_json(p, r, "attributes", as_list(p, charm_option(v, OPTION_ATTRIBUTES)));
        if (is_given(v, OPTION_TLS_CA_CHAIN))
                charm_tell_json(p, r, "tls-ca-chain",
                                charm_text(p, "[%s]",
                                           charm_quote(p, charm_option(v, OPTION_TLS_CA_CHAIN))));
}

static void tell(const struct charm_view *v, struct charm_plan *p, const struct charm_relation *r) {
        const char *bucket = bucket_for(v, r);

        if (!bucket || !*bucket)
                return charm_status(p, CHARM_BLOCKED,
                                    "no bucket, and %s asks for none: mooringctl config %s "
                                    "bucket=NAME",
                                    r->application, charm_application(v));
        charm_tell(p, r, "bucket", bucket);
        charm_tell(p, r, "access-key", charm_option(v, OPTION_ACCESS_KEY));
        charm_tell(p, r, "secret-key", charm_option(v, OPTION_SECRET_KEY));
        tell_rest(v, p, r);
}

static void plan(const struct charm_view *v, struct charm_plan *p) {
        if (!is_given(v, OPTION_ACCESS_KEY) || !is_given(v, OPTION_SECRET_KEY))
                return charm_status(p, CHARM_BLOCKED,
                                    "no keys yet: mooringctl run %s sync-s3-credentials "
                                    "access-key=... secret-key=...",
                                    charm_application(v));
        for (size_t i = 0; i < charm_relations(v, ENDPOINT_S3_CREDENTIALS); i++)
                tell(v, p, charm_relation(v, ENDPOINT_S3_CREDENTIALS, i));
}

/* ---- sync-s3-credentials: both at once, for one opens nothing without the other */

static void sync_keys(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_options(
                        a, CHARM_VALUES({ OPTION_ACCESS_KEY, charm_param(w, "access-key") },
                                        { OPTION_SECRET_KEY, charm_param(w, "secret-key") }));
        charm_next(a);
}

static void sync_settle(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_settled(a);
        charm_result(a, "ok", "Credentials successfully updated.");
        charm_done(a);
}

static const struct charm_step sync_steps[] = { { "keys", sync_keys, 0, 0 },
                                                { "settle", sync_settle, 0, 0 },
                                                {} };

/* ---- get-s3-connection-info */

static void tell_info(const struct charm_world *w, struct charm_ask *a) {
        static const char *const open[] = {
                OPTION_ENDPOINT,      OPTION_BUCKET,
                OPTION_REGION,        OPTION_PATH,
                OPTION_S3_URI_STYLE,  OPTION_S3_API_VERSION,
                OPTION_STORAGE_CLASS, OPTION_ATTRIBUTES,
                OPTION_TLS_CA_CHAIN,  OPTION_EXPERIMENTAL_DELETE_OLDER_THAN_DAYS
        };
        static const char *const hidden[] = { OPTION_ACCESS_KEY, OPTION_SECRET_KEY };
        const struct charm_view *v = charm_world_view(w);

        bool any = false;

        for (size_t i = 0; i < sizeof(hidden) / sizeof(*hidden); i++) {
                if (is_given(v, hidden[i]))
                        charm_result(a, hidden[i], "************");
                any = any || is_given(v, hidden[i]);
        }
        for (size_t i = 0; i < sizeof(open) / sizeof(*open); i++) {
                if (is_given(v, open[i]))
                        charm_result(a, open[i], charm_option(v, open[i]));
                any = any || is_given(v, open[i]);
        }
        if (!any)
                return charm_give_up(a, "Credentials are not set!");
        charm_done(a);
}

static const struct charm_step info_steps[] = { { "tell", tell_info, 0, 0 }, {} };

static const struct charm_action actions[] = {
        { ACTION_SYNC_S3_CREDENTIALS, sync_steps },
        { ACTION_GET_S3_CONNECTION_INFO, info_steps },
        {},
};

CHARM(.plan = plan, .actions = actions);
