/* SPDX-License-Identifier: Apache-2.0 */
/* s3-identity.c - see s3-identity.h */
#include "s3-identity.h"

#include "clock.h"

#include <errno.h>
#include <stdlib.h>

#define TOKEN_PATH                                                                                 \
        "/metadata/identity/oauth2/token?api-version=2018-02-01&resource="                         \
        "https%3A%2F%2Fstorage.azure.com%2F"

int s3_identity_init(struct s3_identity *i, const struct s3_config *c, struct err *err) {
        struct http_server_config config = {
                .url = c->identity_address ? c->identity_address : S3_IDENTITY_ADDRESS,
                .header = "Metadata: true",
                .user_agent = "mooring",
        };

        if (!c->identity)
                return 0;
        i->path = str_format("%s%s%s", TOKEN_PATH, c->client_id ? "&client_id=" : "",
                             c->client_id ? c->client_id : "");
        return http_server_new(&config, &i->server, err);
}

void s3_identity_deinit(struct s3_identity *i) {
        http_server_unref(i->server);
        free(i->path);
        wipep(&i->authorization);
        *i = (struct s3_identity){ 0 };
}

void s3_identity_authorize(void *identity, struct buf *ret_value) {
        const struct s3_identity *i = identity;

        if (i->authorization)
                buf_puts(ret_value, i->authorization);
}

bool s3_identity_renew(struct s3_op *s) {
        struct s3_identity *i = s3_target_identity(s->target);

        if (!i->server || s->let_in)
                return false;
        wipep(&i->authorization);
        return true;
}

/* ---- the step */

int s3_identity_ask(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);
        struct s3_identity *i = s3_target_identity(s->target);
        struct http_request *r;

        if (!i->server || (i->authorization && clock_wall() < i->until - S3_IDENTITY_MARGIN_MS))
                return FLOW_SKIP;
        r = http_ask(a, s3_target_http(s->target), i->server, "GET", NULL, "%s", i->path);
        r->reply_max = S3_IDENTITY_REPLY_MAX;
        r->first_byte_ms = S3_IDENTITY_TRY_MS;
        r->total_ms = S3_IDENTITY_TRY_MS;
        return 0;
}

/* Numbers come as strings. */
static int64_t expires(const json_t *answer) {
        int64_t n = json_get_int(answer, "expires_on", 0);

        str_to_int(json_get_str(answer, "expires_on", ""), &n);
        return n > 0 && n < INT64_MAX / 1000 ? n * 1000 : 0;
}

static int take(struct s3_op *s, const json_t *answer) {
        struct s3_identity *i = s3_target_identity(s->target);
        const char *token = json_get_str(answer, "access_token", "");

        i->until = expires(answer);
        if (!*token || i->until <= clock_wall())
                return s3_fail(s, OUTCOME_UNREACHABLE,
                               "managed identity: the metadata service answers without a token "
                               "that is valid now: look at this machine's clock");
        wipep(&i->authorization);
        i->authorization = str_format("Bearer %s", token);
        s->let_in = true;
        return FLOW_OK;
}

static int fail(struct s3_op *s, long status, const json_t *answer) {
        return s3_fail(s, OUTCOME_DENIED,
                       "managed identity: the metadata service gives no token: %s (%ld): assign "
                       "an identity to this machine, or name in ClientId which of them",
                       json_get_str(answer, "error_description", "no reason given"), status);
}

int s3_identity_got(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);
        const struct http_request *r = http_answer(a);
        json_t *answer = NULL;
        int next;

        /* While it is updated; and no other address is asked for. */
        if (s3_status(a) == 404 || s3_status(a) == 410)
                return FLOW_RETRY;
        if (json_parse(r->reply.data, r->reply.len, &answer, NULL) < 0)
                answer = NULL;
        next = s3_status(a) == 200 ? take(s, answer) : fail(s, s3_status(a), answer);
        if (answer)
                json_wipe(answer);
        return next;
}
