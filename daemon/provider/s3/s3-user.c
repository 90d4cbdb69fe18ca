/* SPDX-License-Identifier: Apache-2.0 */
/* s3-user.c - MinIO users: key pair, status, exactly one policy, no groups
 *
 * The store never says what secret key a user has, so a look signs one request with it: a store
 * that refuses the signature has another. A user in groups has rights that nobody here gave: it
 * is made anew, which takes it out of all. */
#include "s3-key.h"
#include "s3-target.h"

#include <stdlib.h>

static flow_ask ask_info, ask_try, ask_drop, ask_key, ask_add, ask_attach, ask_remove;
static flow_got got_info, got_try, got_drop, got_key, got_add, got_attach, got_remove;

const struct flow_step s3_user_look[] = {
        { "info", ask_info, got_info, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL },
        { "try", ask_try, got_try, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL },
        {}
};
const struct flow_step s3_user_apply[] = {
        { "info", ask_info, got_info, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL },
        { "try", ask_try, got_try, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL },
        { "drop", ask_drop, got_drop, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL },
        { "key", ask_key, got_key, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL },
        { "add", ask_add, got_add, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL },
        { "attach", ask_attach, got_attach, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL },
        { "look", ask_info, got_info, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL },
        { "look-try", ask_try, got_try, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL },
        {}
};
const struct flow_step s3_user_remove[] = {
        { "remove", ask_remove, got_remove, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL }, {}
};

#define ACCEPTED "accepted"
#define REFUSED "refused"

static bool says(const struct s3_op *s, const char *member, const char *value) {
        return str_eq(json_get_str(s->seen, member, ""), value);
}

/* ---- looking */

static int ask_info(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);

        s3_seen_reset(s);
        s3_ask(s, a, "GET", NULL, "/minio/admin/v3/user-info?accessKey=%s", s->doc.name);
        return 0;
}

/* "a,b" as a list: the store keeps the order in which they were given. */
static json_t *split(const char *text) {
        json_t *out = json_array();

        while (*text) {
                size_t n = strcspn(text, ",");

                if (n)
                        json_array_append_new(out, json_stringn(text, n));
                text += n + (text[n] == ',');
        }
        return out;
}

static int got_info(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);
        const struct http_request *r = http_answer(a);
        cleanup_(json_freep) json_t *info = NULL;
        json_t *groups;

        if (s3_status(a) == 404)
                return FLOW_OK;
        if (s3_status(a) != 200)
                return s3_fail_answer(s, a);
        if (json_parse(r->reply.data, r->reply.len, &info, NULL) < 0)
                return s3_fail(s, OUTCOME_UNREACHABLE, "user %s: the answer is no JSON",
                               s->doc.name);
        groups = json_get(info, "memberOf");
        s->present = true;
        json_object_set_new(s->seen, "status", json_string(json_get_str(info, "status", "")));
        json_object_set_new(s->seen, "policies", split(json_get_str(info, "policyName", "")));
        json_object_set_new(s->seen, "groups",
                            json_is_array(groups) ? json_deep_copy(groups) : json_array());
        return FLOW_OK;
}

static int ask_try(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);

        s->partial = !s->secret_key; /* the document is not in cache.db: no sign of drift */
        if (!s->present || !s->secret_key)
                return FLOW_SKIP;
        s3_ask_as(s3_ask(s, a, "GET", NULL, "/"), s->doc.name, s->secret_key);
        return 0;
}

/* Not allowed to list buckets is still let in. */
static int got_try(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);
        bool in = s3_status(a) == 200 || (s3_status(a) == 403 && s3_code(a, "AccessDenied"));

        if (!in && s3_status(a) != 403)
                return s3_fail_answer(s, a);
        json_object_set_new(s->seen, "secret-key", json_string(in ? ACCEPTED : REFUSED));
        return FLOW_OK;
}

/* ---- making */

static int ask_drop(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);

        if (s->present && s->first && !s->adopt && !says(s, "secret-key", ACCEPTED))
                return s3_fail(s, OUTCOME_CONFLICT,
                               "user %s is there already, with another key: adopt it, or remove it",
                               s->doc.name);
        s->created = !s->present || (s->first && says(s, "secret-key", ACCEPTED));
        if (!json_array_size(json_get(s->seen, "groups")))
                return FLOW_SKIP;
        s3_ask(s, a, "DELETE", NULL, "/minio/admin/v3/remove-user?accessKey=%s", s->doc.name);
        return 0;
}

static int got_drop(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);

        if (s3_status(a) != 200 && s3_status(a) != 404)
                return s3_fail_answer(s, a);
        s->present = false;
        return FLOW_OK;
}

/* The store wants a new user's key sealed with a key from the administrator's, even inside TLS. */
static int ask_key(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);

        s->added = !s->present || !says(s, "status", "enabled") || !says(s, "secret-key", ACCEPTED);
        if (!s->added)
                return FLOW_SKIP;
        if (!s->secret_key)
                return s3_fail(s, OUTCOME_REFUSED, "user %s: no secret key is wanted for it",
                               s->doc.name);
        s3_key_ask(a, s3_config_of(s)->secret_key);
        return 0;
}

static int got_key(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);
        cleanup_(json_freep) json_t *user =
                json_pack("{s:s, s:s}", "secretKey", s->secret_key, "status", "enabled");
        cleanup_(wipep) char *text = json_text(user);
        uint8_t nonce[S3_SEAL_NONCE];

        digest_random(nonce, sizeof(nonce));
        buf_clear(&s->sealed);
        s3_seal(s3_key_answer(a), nonce, text, &s->sealed);
        return FLOW_OK;
}

static int ask_add(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);
        size_t len = s->sealed.len;

        if (!s->added)
                return FLOW_SKIP;
        s3_ask(s, a, "PUT", buf_take(&s->sealed), "/minio/admin/v3/add-user?accessKey=%s",
               s->doc.name)
                ->body_len = len;
        return 0;
}

static int got_add(struct flow *f, struct ask *a, struct err *err) {
        return s3_status(a) == 200 ? FLOW_OK : s3_fail_answer(s3_op_of(f), a);
}

static int ask_attach(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);
        const json_t *has = json_get(s->seen, "policies");
        bool right = json_array_size(has) == 1 &&
                     str_eq(json_string_value(json_array_get(has, 0)), s->doc.policy);

        if (!s->added && right)
                return FLOW_SKIP;
        s3_ask(s, a, "PUT", NULL,
               "/minio/admin/v3/"
               "set-user-or-group-policy?policyName=%s&userOrGroup=%s&isGroup=false",
               s->doc.policy, s->doc.name);
        return 0;
}

static int got_attach(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);

        if (s3_status(a) == 404 && s3_code(a, "XMinioAdminNoSuchPolicy"))
                return s3_fail(s, OUTCOME_NOT_YET, "policy %s is not there yet", s->doc.policy);
        return s3_status(a) == 200 ? FLOW_OK : s3_fail_answer(s, a);
}

static int ask_remove(struct flow *f, struct ask *a, struct err *err) {
        s3_ask(s3_op_of(f), a, "DELETE", NULL, "/minio/admin/v3/remove-user?accessKey=%s",
               s3_op_of(f)->doc.name);
        return 0;
}

static int got_remove(struct flow *f, struct ask *a, struct err *err) {
        return s3_status(a) == 200 || s3_status(a) == 404 ? FLOW_OK
                                                          : s3_fail_answer(s3_op_of(f), a);
}
