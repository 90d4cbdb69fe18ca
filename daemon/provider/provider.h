/* SPDX-License-Identifier: Apache-2.0 */
/* provider.h - one vtable per kind of outside, and the words in which the outside is spoken of
 *
 * The reconciler knows targets, resources, observations and outcomes; what a Deployment or a
 * database user is, is known below this line only. A provider is a row of provider_table and a
 * folder. Adding one changes nothing else.
 *
 * Rules. identify, compare, decorate, secret_place and projection_* are pure and may run in any
 * thread. An operation ends exactly once, never before its start returned, with one of enum
 * outcome (flow.h). One operation per resource is in flight; the caller keeps that. Documents
 * are JSON objects that only the provider understands; tokens ("{{secret:...}}", secret-token.h)
 * stand in them for secret values and are replaced while the request is written. What a secret
 * was seen to hold leaves the provider as a keyed hash only. `act` and `bytes` are the exception:
 * what a command printed is handed on as it is, but for the secrets that it was given. */
#pragma once

#include "digest.h"
#include "flow.h"
#include "json.h"
#include "secret-token.h"

#define PROVIDER_SEEN_MAX 256        /* fields a plan may ask to see of its resources (charm_see) */
#define PROVIDER_SEEN_VALUE_MAX 4096 /* bytes of one of them */
#define PROVIDER_DOC_MAX (3u << 20)  /* what a kube-apiserver takes in one request */

struct target; /* provider's own; begins with nothing the reconciler reads */

/* What a resource stands on. TARGET is always that of the resource itself. */
enum need_kind { NEED_EXISTS, NEED_READY, NEED_VALUE, NEED_KIND_MAX };
struct need {
        enum need_kind kind;
        char *type, *path;
};
struct identity {
        char *type; /* "Deployment.apps", "user": canonical, without version */
        char *path; /* "kubeflow/mlflow-server": canonical */
        struct need *needs;
        size_t count, room;
        bool data;   /* holds data: never deleted without consent (PVC, database, Namespace, ...) */
        bool remake; /* data that is made again empty at once (a bucket): its loss is still shown */
};
void identity_need(struct identity *i, enum need_kind kind, const char *type, const char *path);
void identity_free(struct identity *i); /* also a cleanup function */

enum presence {
        PRESENCE_UNKNOWN,
        PRESENCE_ABSENT,
        PRESENCE_PRESENT,
        PRESENCE_LEAVING,
        PRESENCE_MAX
};
enum readiness { READY_UNKNOWN, READY_NO, READY_YES, READY_FAILED, READY_MAX };

/* How far the units of a resource that runs some are of what is wanted now. */
struct rollout {
        bool known;                   /* its controller has seen what is wanted */
        int64_t wanted, all, updated; /* units: that there should be, are, are new */
};

/* What was seen of one resource, newest wins. Owned by who holds it. */
struct observation {
        enum presence presence;
        enum readiness ready;
        bool ours;    /* carries our mark for this model, where a mark can be set at all */
        bool foreign; /* carries another controller's or another model's mark */
        bool filled;  /* of data: something is in it (a table, an object, a bound volume) */
        bool counted; /* FILLED was found by looking inside; else it is only taken to be so */
        bool digest_valid;
        bool let_go; /* FOUND was judged, and is looked for when it is needed again */
        struct rollout rollout; /* of what runs units */
        char incarnation[64]; /* uid: another one is another thing of the same name */
        char version[64];
        uint64_t order;   /* rises with version where the provider can compare versions, else 0 */
        int64_t as_of;    /* clock_mono when it was seen */
        int64_t since;    /* clock_wall when it was made, as the outside says; 0: it does not */
        int64_t leaving_at; /* the same of when its deletion was asked for; 0: it is not leaving */
        int64_t wrote_at; /* the same of our last write, of what is as the baseline says */
        uint8_t digest[DIGEST_SIZE]; /* of the projection to our field set; zero: none */
        /* what `compare` needs, whole; NULL: the digest is the baseline's, or LET_GO */
        json_t *found;
        json_t *seen;   /* {"/status/x": value}: the fields the plan asked for; NULL: none asked */
        json_t *output; /* what others may take values from (clusterIP, ...); NULL: nothing */
        struct secret_values *hidden; /* for the tokens of secret outputs in OUTPUT; or NULL */
        char *reason;                 /* why it is not ready, in the outside's own words; NULL */
};
void observation_clear(struct observation *o);
/* Adds a secret output: at MEMBER of OUTPUT a token, another one for each value; the value itself
 * to HIDDEN. */
void observation_hide(struct observation *o, const uint8_t *hash_key, const char *member,
                      const void *value, size_t len);
void observation_move(struct observation *to,
                      struct observation *from); /* frees what TO held; FROM is empty after */

/* A workload instance that a provider reports under an application (a pod). */
struct unit_seen {
        const char *model, *application; /* from our labels */
        const char *name, *uid;
        int64_t number; /* ordinal, or -1: the reconciler numbers it */
        bool gone;
        const char
                *status; /* Juju's word: active, waiting, maintenance, blocked, error, terminated */
        const char *agent; /* idle, executing, allocating, error, lost */
        const char *message, *address, *node, *ports;
        int64_t restarts; /* of what runs in it, since it was made */
        const char *trouble; /* UNIT_NO_IMAGE, UNIT_DOES_NOT_RUN, or NULL: nothing keeps it back */
};
#define UNIT_NO_IMAGE "image"   /* tried again and again: the message changes, the trouble stays */
#define UNIT_DOES_NOT_RUN "run" /* crashes, has no node, or was never started */

/* A projection is a parsed field set, shared between the resources that have equal ones. */
struct projection;

/* What the reconciler tells the provider about a resource that it may see by itself. */
struct interest {
        int64_t resource;                    /* the row's id, for logs */
        const struct projection *projection; /* NULL: never applied */
        const uint8_t *baseline;             /* its digest, DIGEST_SIZE bytes; NULL: none */
        const char *const *see;              /* JSON pointers, NULL-terminated, or NULL */
};

/* How well one type is watched; times are clock_mono. */
struct watch_seen {
        const char *type;
        int64_t news_at; /* when the last byte came: an event, a bookmark, a page of a list */
        int64_t lost_at; /* not watching since; 0: watching */
};

struct observer {
        void *arg;
        /* NULL: the resource is none of ours. Valid until the loop turns. */
        const struct interest *(*interest)(void *arg, const char *type, const char *path);
        void (*observed)(void *arg, const char *type, const char *path,
                         struct observation *o); /* takes O's content */
        void (*unit)(void *arg, const struct unit_seen *u);
        /* Everything of TYPE (NULL: units) was listed: a unit that was not observed since BEGIN
         * of this list is gone, a resource unseen: it is looked at before it counts as gone. */
        void (*listed)(void *arg, const char *type, bool begin);
        /* TYPE cannot be listed, as things stand: only a look at each of them says how it is. */
        void (*unlisted)(void *arg, const char *type);
        /* The outside was put back to an older state: what is observed of TYPE from now on counts
         * also where its order is lower. */
        void (*went_back)(void *arg, const char *type);
        /* The target can (not) be read. IDENTITY: which outside this is (kube-system's uid),
         * when known. */
        void (*reach)(void *arg, bool reachable, const char *identity, const char *why);
        void (*warning)(void *arg, const char *type, const char *path, const char *text);
        /* Something that parked operations may wait for happened (a kind came to be served, a
         * webhook's pods are ready). */
        void (*changed)(void *arg);
};

enum {
        APPLY_DRY_RUN = 1,
        APPLY_TAKE_OVER = 2,
        APPLY_ADOPT = 4,
        APPLY_RECREATE = 8, /* it may be made anew if it cannot be changed, but never data */
        /* Some of what differs is not put right: field set and baseline stay those of before, and
         * the answer has none. */
        APPLY_PART = 16,
        /* With APPLY_DRY_RUN, of a Secret: nothing is tried. op.kept gets the values of ours that
         * our own writes put there and that are other ones than OWN's; op.told {"revisions": {URI:
         * revision}} of those that are known to be newer. */
        APPLY_COMPARE = 32
};

/* A field that an apply leaves as it is outside. */
struct kept_field {
        const char *field; /* as compare names it; may hold [*] */
        bool give_up;      /* and from now on it is nobody's of ours: we give up owning it */
};

struct apply_request { /* what it points to stays until the operation is done or cancelled */
        const char *type, *path;
        const json_t *wanted; /* with tokens; without our marks */
        size_t size;          /* of WANTED as text, or a bit more; 0: it is small */
        const json_t
                *marks; /* {"model": name, "model-uuid", "application": name, "controller": id} */
        const struct secret_values *values; /* for the tokens in WANTED */
        const json_t
                *own; /* {URI of a secret that the application itself has: its purpose}, or NULL */
        const struct projection *projection; /* stored field set or NULL */
        const json_t *baseline;              /* or NULL */
        const char *incarnation; /* as we know it; "": never seen. remove: only this one */
        const char *token;       /* of a running operation, or "" */
        const char *const *see;
        bool first; /* never applied by us: what is there without our mark is CONFLICT */
        /* Milliseconds since 1970, or 0: what holds data, bears our mark and is older than that was
         * made for an earlier one of the same name, and is CONFLICT too when FIRST is set. */
        int64_t since;
        const struct kept_field *kept; /* providers that can: PROVIDER_KEEPS */
        size_t kept_count;
        const json_t *found; /* the newest observation's, while it differs; or NULL */
        unsigned flags;
};

/* One call to the outside. Zeroed, filled, given to look/apply/remove; owned by the caller until
 * done. */
struct op {
        struct loop *loop;
        void (*done)(struct op *op); /* once, from the loop; may free OP */
        void *arg;

        enum outcome outcome;
        int64_t again_at;
        struct err err;          /* outcome's reason, in the outside's own words; no secret in it */
        char token[512];         /* OUTCOME_RUNNING: committed before the next poll */
        struct observation seen; /* after the call */
        char *fields;     /* apply: our field set as text, for the store; free'd by op_clear */
        json_t *baseline; /* apply: the baseline projection */
        uint8_t baseline_digest
                [DIGEST_SIZE]; /* SHA-256 of the baseline's canonical text (json_canonical) */
        bool created;          /* apply: it was not there before */
        char *took_over;       /* whose fields were taken over, or NULL */
        /* apply, not done: values that were there before us and may be the only copy, under the
         * tokens in whose place they stand; they become ours, then it is tried again. Or NULL. */
        struct secret_values *kept;
        json_t *warnings; /* list of texts, or NULL */
        /* examine: what it found. A dry run that would be accepted: {"fields": [{"field", "from",
         * "to"}], "more": how many are not told}, {"anew": why it would be made anew}, {"large":
         * true} where nothing is told for its size; empty: it would be made. act: its answer. */
        json_t *told;
        void *private;
};
void op_clear(struct op *op); /* the answer's memory */

struct drift {
        char *field;            /* "spec.template.spec.containers[name=mlflow].image" */
        json_t *wanted, *found; /* NULL: not there; secrets as "(hidden, differs)" */
        char *who;              /* name the writer gave itself, or NULL: not recorded */
        int64_t at;             /* clock_wall when it says it wrote; 0: not known */
};
struct drift_list {
        struct drift *items;
        size_t count, room;
};
struct drift *drift_list_add(struct drift_list *l);
void drift_list_free(struct drift_list *l); /* also a cleanup function */

struct user_question {
        const char *type, *path;
        const char *who; /* as the writer calls itself, or NULL: not known */
        int64_t since;   /* clock_wall of our last write: what was before does not count */
        bool deleted;
};

/* A byte pipe to a port of a ready instance, through a target (websocket port-forward). */
struct tunnel_request {
        const char *path; /* "kubeflow/mlflow-mysql-0": the instance */
        int port;
        void (*on_open)(void *arg);
        void (*on_data)(void *arg, const uint8_t *data, size_t len);
        void (*on_close)(void *arg, int r, const struct err *err); /* once, last */
        void *arg;
};
struct tunnel {
        int (*send)(struct tunnel *t, const void *data,
                    size_t len); /* 0, -EAGAIN: try again after a while, -EPIPE */
        struct tunnel *(*free)(struct tunnel *t);
};

/* ---- what actions ask for besides resources; the verbs and their documents: docs/asks.md */

/* One thing that a step of an action asks of a target. Its answer, a document of the verb's, is
 * OP->told; cancelled by `cancel`, as every operation. What the outside did and then said is DONE,
 * also where it is bad news (a command that ended with 1, a statement that was refused is REFUSED
 * with its SQLSTATE in OP->told). UNREACHABLE: nobody can tell whether it was done. */
struct act_request {       /* what it points to stays until the operation is done or cancelled */
        const char *verb;  /* "exec", "sql", "put-object", ... */
        const json_t *ask; /* the verb's document, with tokens where secret-ask.h says */
        const struct secret_values *values; /* for the tokens in ASK; or NULL */
        int64_t within_ms; /* UNREACHABLE when it takes longer; 0: as long as it takes */
};

/* Bytes out of a target or into it, for what is larger than memory; stream.h joins two. */
struct bytes_request {     /* what it points to stays until on_end or free */
        const char *verb;  /* "exec": a command's output or input; "object" */
        const json_t *ask; /* the verb's document, with tokens where secret-ask.h says */
        const struct secret_values *values; /* for the tokens in ASK; or NULL */
        bool into;
        /* Out: LEN bytes came. Some more may come after pause. */
        void (*on_data)(void *arg, const void *data, size_t len);
        void (*on_room)(void *arg); /* into: write takes again */
        /* Once, last. Out, DONE: that was all of it. Into, DONE: after finish, and all of it is
         * where it belongs, for good. TOLD (taken over; may be NULL): what else is to be said. */
        void (*on_end)(void *arg, enum outcome outcome, const struct err *err, json_t *told);
        void *arg;
};
struct bytes {
        /* Why it does not move now, TEXT of SIZE; false: nothing is wrong. NULL: it cannot tell. */
        bool (*trouble)(const struct bytes *b, char *text, size_t size);
        void (*pause)(struct bytes *b, bool paused); /* out */
        /* Into: takes all of it. False: no more until on_room. */
        bool (*write)(struct bytes *b, const void *data, size_t len);
        void (*finish)(struct bytes *b); /* into: that was all */
        /* Before on_end: it breaks off, and what is not whole is taken away as far as it can be. */
        struct bytes *(*free)(struct bytes *b);
};

struct target_config {
        int64_t id;
        const char *name;
        const json_t *config;     /* the row's, without secrets */
        const json_t *credential; /* opened; wiped by the caller after open */
        const json_t *marks;      /* {"controller": id} */
        const uint8_t *hash_key;  /* DIGEST_SIZE bytes: for keyed hashes of seen secrets */
        struct http *http;
        struct loop *loop;
        /* The target through which this one is reached, or NULL. */
        const struct provider *reach_provider;
        struct target *reach;
        json_t *(*options)(void); /* what providers may read of the daemon's options; or NULL */
};

enum { PROVIDER_WATCHES = 1, PROVIDER_DRY_RUN = 2, PROVIDER_TAKE_OVER = 4, PROVIDER_KEEPS = 8 };

struct provider {
        const char *name;
        uint32_t can;
        int64_t poll_every_ms; /* without PROVIDER_WATCHES: each resource is looked at this often */
        /* Checks CONFIG (and CREDENTIAL) of an add-cluster or of a plan's target. -EINVAL. */
        int (*check)(const json_t *config, const json_t *credential, struct err *err);
        /* DEFAULT_SCOPE is the model's namespace. -EINVAL: what is wrong with the document. */
        int (*identify)(const json_t *wanted, const char *default_scope, struct identity *ret,
                        struct err *err);
        /* What a model needs to exist in (a namespace), as a document with the model's uuid on
         * it. NULL: nothing. */
        json_t *(*scope)(const char *model, const char *uuid);
        /* May a secret's token stand at POINTER of WANTED (or of a target's config)? Anywhere
         * else it fails the plan. */
        bool (*secret_place)(const json_t *wanted, const char *pointer);
        /* Is what resources of TYPE put out at POINTER secret? NULL: nothing is. */
        bool (*secret_output)(const char *type, const char *pointer);
        /* Puts a model's options (image-registry, image-pull-secret, tolerations, node-selector)
         * into WANTED. NULL: they mean nothing here. Pure; any thread. */
        void (*decorate)(json_t *wanted, const json_t *options); /* and "fields": charm.yaml's
                                                                    * "strict", "runtime-fields" */
        /* What WANTED, of a type that runs units, says anew reaches some of them only: HOLD is
         * {"stage": "canary"}, one, or {"stage": "stop", "updated": those that are new}, and
         * "scale". NULL: nothing can be held here. Pure; any thread. */
        void (*hold)(json_t *wanted, const json_t *hold);
        int (*open)(const struct target_config *c, const struct observer *o, struct target **ret,
                    struct err *err);
        struct target *(*close)(struct target *t); /* operations of it were cancelled before */
        /* From now on resources of TYPE are of interest: watch them. Without PROVIDER_WATCHES:
         * NULL. */
        void (*follow)(struct target *t, const char *type);
        void (*look)(struct target *t, const struct apply_request *r, struct op *op);
        void (*apply)(struct target *t, const struct apply_request *r, struct op *op);
        void (*remove)(struct target *t, const struct apply_request *r, struct op *op);
        void (*cancel)(struct op *op); /* done is then never called */
        /* Field by field, what of FOUND (an observation's) is not as BASELINE says; without one
         * (PROVIDER_WATCHES only) as WANTED does, as far as that can be told. */
        int (*compare)(const struct apply_request *r, const struct observation *o,
                       struct drift_list *ret, struct err *err);
        int (*projection_parse)(const char *fields, struct projection **ret, struct err *err);
        void (*projection_free)(struct projection *p);
        /* When a target that cannot be read is tried next: clock_mono; 0: that is under way. NULL:
         * whenever something is asked of it. */
        int64_t (*next_try)(const struct target *t);
        /* Tells of each type that is followed. NULL: nothing is watched. */
        void (*watches)(const struct target *t, void (*tell)(void *arg, const struct watch_seen *w),
                        void *arg);
        /* How T is spoken to, without asking it: {"server": text, "tls": "verify-full",
         * "verify-ca", "encrypt" or "plain", "via": whether that is inside another one's pipe,
         * "certificate", "ca": PEM, where there are any, "token-ends": Unix milliseconds, of a
         * token that only a person renews}. No secrets. NULL: nothing to tell. */
        json_t *(*manner)(const struct target *t);
        /* Asks T what a person would look at, for SCOPES (a list of namespaces). Reads only.
         * OP->told: {"version", "tested": bool, "tested-with", "took-ms", "date", "at": Unix
         * milliseconds, "rights": {SCOPE: {"rules", "incomplete"} or {"failed"}}, "volumes":
         * [{"volume", "scope", "claim", "policy"}]}, and what could not be asked as "failed",
         * "volumes-failed". NULL: nothing to ask. */
        void (*examine)(struct target *t, const json_t *scopes, struct op *op);
        /* NULL: this provider is no way to reach others. */
        struct tunnel *(*tunnel)(struct target *t, const struct tunnel_request *r, struct err *err);
        /* Resources of TYPE are about who may do what: their repair is never slowed. NULL: none. */
        bool (*guarded)(const char *type);
        /* What resources of TYPE are for is to run units. NULL: none. */
        bool (*runs)(const char *type);
        /* Who wrote it, by the outside's own audit log, in TEXT (1); 0: it does not say, perhaps
         * not yet; -ENOTSUP: none is given for T. NULL: this provider knows of none. */
        int (*user)(struct target *t, const struct user_question *q, char *text, size_t size);
        /* Rights an identity needs for documents of TYPE: appended to a list of
         * {"group","resource","verbs":[...],"why"}. NULL: none. */
        void (*rights)(const json_t *wanted, json_t *rules);
        /* NULL: it can do nothing but what resources want. An unknown verb is REFUSED. */
        void (*act)(struct target *t, const struct act_request *r, struct op *op);
        /* NULL after err: refused. The function may be NULL too: nothing here is a pipe's end. */
        struct bytes *(*bytes)(struct target *t, const struct bytes_request *r, struct err *err);
        /* As RIGHTS, for what actions do by VERB. NULL: none. */
        void (*act_rights)(const char *verb, json_t *rules);
};

/* The providers of this program, NULL-terminated: provider-table.c, one line each. */
extern const struct provider *const provider_table[];
const struct provider *provider_find(const char *name); /* NULL: no such provider */
const struct provider *const *provider_all(void);       /* NULL-terminated */
/* Tests put doubles in: replaces the table until called with NULL. */
void provider_set_table(const struct provider *const *table);
const char *presence_name(enum presence p);
const char *readiness_name(enum readiness r);
const char *need_name(enum need_kind k);
