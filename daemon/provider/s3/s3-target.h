/* SPDX-License-Identifier: Apache-2.0 */
/* s3-target.h - one object store, and operations on it as flows of HTTP requests
 *
 * The flows know S3 and MinIO's admin API; this knows the reconciler's operations. A step that
 * meets an answer it cannot go on from says so by s3_fail, which ends the flow; outcomes are not
 * tried again here, that is the reconciler's to pace. */
#pragma once

#include "s3-config.h"
#include "s3-document.h"
#include "act.h"
#include "http.h"
#include "polled.h"

#define S3_FIELDS "s3/1"

struct s3_object {
        const char *bucket; /* borrowed from the ask */
        char *path;         /* "/BUCKET/KEY", escaped */
};

struct s3_op {
        struct flow flow;
        struct target *target;
        struct op *op;
        struct s3_document doc;
        char *secret_key; /* filled in; wiped */
        bool first, adopt;
        char incarnation[64]; /* as the caller knows it */
        struct polled_known known;
        bool removing, applying;
        bool looks_versioning, looks_lifecycle; /* bucket: what is of interest */

        enum outcome outcome;
        struct err err;
        bool present, filled, created;
        bool partial; /* SEEN lacks what only the document could tell: no digest of it */
        char found_incarnation[64];
        json_t *seen;
        struct buf sealed; /* user: the body of add-user, a secret sealed in it */
        struct buf keys;   /* remove: the body of the next delete; put-object: the body */
        char md5_header[64], type_header[256];
        struct act_request act; /* of an action's; its ask NULL: the reconciler's */
        struct s3_object object;
        json_t *told;           /* what the action is answered */
        const char *headers[4]; /* of the ask that is out */
        bool away;              /* no answer came, or none to us: what reach is told */
        bool added;             /* user: its policies are to be set */
        bool let_in;            /* by a token that this very flow got (s3-identity.h) */
};

enum { S3_DEADLINE_MS = 30000, S3_PAUSE_MS = 500 };

struct s3_op *s3_op_of(struct flow *f);
/* One that is not the reconciler's: made, filled in, run; WHY: it ends as REFUSED. */
struct s3_op *s3_target_new(struct target *t, struct op *op, const struct flow_step *steps);
void s3_target_run(struct s3_op *s, const struct err *why);
struct loop *s3_target_loop(struct target *t);
struct list *s3_target_pipes(struct target *t); /* the streams', which close ends */
struct http *s3_target_http(struct target *t);
struct s3_identity *s3_target_identity(struct target *t);
/* An ask signed by the target's own key, or by another. BODY is taken over when not NULL. */
struct http_request *s3_ask(struct s3_op *s, struct ask *a, const char *method, char *body,
                            const char *path_fmt, ...) printf_(5, 6);
void s3_ask_as(struct http_request *r, const char *user, const char *password);
long s3_status(const struct ask *a);                 /* 0: no answer came */
bool s3_is_made(const struct ask *a);                /* a PUT was taken */
bool s3_code(const struct ask *a, const char *code); /* the store's own word for what is wrong */
const struct s3_config *s3_config_of(const struct s3_op *s);
/* Both end a step: what the answer says, or what we say. */
int s3_fail_answer(struct s3_op *s, const struct ask *a);
int s3_fail(struct s3_op *s, enum outcome outcome, const char *fmt, ...) printf_(3, 4);
void s3_seen_reset(struct s3_op *s);

int s3_target_open(const struct target_config *c, const struct observer *o, struct target **ret,
                   struct err *err);
struct target *s3_target_close(struct target *t);
enum s3_verb { S3_LOOK, S3_APPLY, S3_REMOVE, S3_VERB_MAX };
void s3_target_start(struct target *t, enum s3_verb verb, const struct apply_request *r,
                     struct op *op);
void s3_target_cancel(struct op *op);
json_t *s3_target_manner(const struct target *t); /* the provider's */

/* One table a kind and verb. */
extern const struct flow_step s3_bucket_look[], s3_bucket_apply[], s3_bucket_remove[];
extern const struct flow_step s3_policy_look[], s3_policy_apply[], s3_policy_remove[];
extern const struct flow_step s3_user_look[], s3_user_apply[], s3_user_remove[];
