/* SPDX-License-Identifier: Apache-2.0 */
/* charm.h - everything a charm may include; the only installed header
 *
 * A charm is a folder: charm.yaml (metadata: the one source of it), objects/ (YAML with typed
 * placeholders), NAME.c (this header only), README.md, tests/ (NAME.view.json in, NAME.plan.json
 * out). Its module exports one symbol, `charm`, made by CHARM().
 *
 * plan() is a pure function from what is wished and seen to what should be: no files, no
 * network, no clock, no randomness; the sandbox has none of them. The same view gives the same
 * plan, byte for byte. It is called whenever its view changed. It never waits: it says with
 * charm_status what it waits for and returns. It cannot harm others: a crash is this charm's
 * error status.
 *
 * Strings that functions return live until plan() returns; those handed in are copied. Functions
 * that write to the plan record the first mistake (unknown file, option, label) and go on; the
 * whole plan is then refused with that text. So no return value needs a check.
 *
 * Secrets: a charm never sees a value. charm_secret, a secret option and secret fields of
 * relation data give a token, which may be put, alone or inside text, only where secrets may
 * stand: data and stringData of a Secret, password fields of sql and s3 documents and targets,
 * secret fields of relation data. Anywhere else the plan is refused. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CHARM_ABI 1u

struct charm_view; /* read only: config, relations, what was seen */
struct charm_plan; /* write only: what should exist, what the others are told, status */

struct charm_action; /* below, "actions" */

struct charm {
        uint32_t abi;  /* CHARM_ABI */
        uint32_t size; /* of this struct: fields are only appended */
        const char *name;
        const uint8_t *metadata; /* SHA-256 of charm.yaml, from charm.gen.h */
        void (*plan)(const struct charm_view *v, struct charm_plan *p);
        const struct charm_action *actions; /* those of charm.yaml; ends with {}; or NULL */
};

/* In NAME.c, last: CHARM(.plan = plan); charm.gen.h gives the name and the hash. */
#define CHARM(...)                                                                                 \
        __attribute__((visibility("default"))) extern const struct charm charm;                    \
        const struct charm charm = { .abi = CHARM_ABI,                                             \
                                     .size = sizeof(struct charm),                                 \
                                     .name = CHARM_GEN_NAME,                                       \
                                     .metadata = charm_gen_metadata,                               \
                                     __VA_ARGS__ }

/* ---- what is wished */
const char *charm_application(const struct charm_view *v);
const char *charm_model(const struct charm_view *v); /* = namespace */
/* As text; "" when unset. */
const char *charm_option(const struct charm_view *v, const char *name);
int64_t charm_option_int(const struct charm_view *v, const char *name);
bool charm_option_bool(const struct charm_view *v, const char *name);
/* Given by someone, or has a default. */
bool charm_option_set(const struct charm_view *v, const char *name);
int64_t charm_scale(const struct charm_view *v);
/* The image's reference, rewritten for the model's registry. */
const char *charm_image(const struct charm_view *v, const char *resource);
/* "mem": "2147483648" (bytes), "cores", "arch"; "" when not given. */
const char *charm_constraint(const struct charm_view *v, const char *name);
const char *charm_storage_class(const struct charm_view *v, const char *name); /* "": cluster's */
int64_t charm_storage_size(const struct charm_view *v, const char *name);      /* bytes */

/* ---- relations */
struct charm_relation {
        int64_t id;
        const char *endpoint; /* ours */
        const char *interface;
        const char *application; /* the other side's; our own for peers */
        const void *private;
};
/* The I-th relation of ENDPOINT by rising id, or NULL. */
const struct charm_relation *charm_relation(const struct charm_view *v, const char *endpoint,
                                            size_t i);
size_t charm_relations(const struct charm_view *v, const char *endpoint);
/* What the other side tells: scalars as text, structures as JSON text; NULL: not told. */
const char *charm_told(const struct charm_relation *r, const char *key);
/* What we tell the other side; the interface schema says which keys, types, and which are secret.
 * A NULL text tells nothing. What is not told again by the next plan is taken back. */
void charm_tell(struct charm_plan *p, const struct charm_relation *r, const char *key,
                const char *value);
void charm_tell_int(struct charm_plan *p, const struct charm_relation *r, const char *key,
                    int64_t value);
void charm_tell_bool(struct charm_plan *p, const struct charm_relation *r, const char *key,
                     bool value);
void charm_tell_json(struct charm_plan *p, const struct charm_relation *r, const char *key,
                     const char *json);

/* ---- what is wanted */
/* A hole is a value for a ${hole.NAME} placeholder in an object file; a placeholder fills a
 * whole scalar and keeps the hole's type. The list ends with {}. Without C: ${config.OPTION},
 * ${application}, ${model}, ${scale}, ${image.RESOURCE}, ${constraint.NAME},
 * ${storage.NAME.size}, ${storage.NAME.class}, ${secret.LABEL.FIELD}. A map member or list item
 * whose value is absent (a hole of CHARM_NONE, an option that is not set, a constraint or storage
 * class that was not given) is left out. */
enum charm_type { CHARM_NONE_END, CHARM_TEXT, CHARM_INT, CHARM_BOOL, CHARM_JSON, CHARM_NONE };
struct charm_hole {
        const char *name;
        enum charm_type type;
        const char *text; /* CHARM_TEXT, CHARM_JSON */
        int64_t number;   /* CHARM_INT, CHARM_BOOL */
};
#define CHARM_HOLES(...) ((const struct charm_hole[]){ __VA_ARGS__, {} })

/* Wants the one object of objects/FILE under LABEL (unique in the plan), in the model's default
 * target of its kind. */
void charm_want(struct charm_plan *p, const char *label, const char *file,
                const struct charm_hole *holes);
/* As charm_want, in a target that this plan declared. */
void charm_want_at(struct charm_plan *p, const char *label, const char *target, const char *file,
                   const struct charm_hole *holes);
/* Wants every object of an attached file resource (upstream manifests); the daemon splits it.
 * Its objects are LABEL/KIND/NAME, or LABEL/KIND/NAMESPACE/NAME. EDITS is a JSON list of
 * {"match": {"kind", "name"}, "patch": JSON merge patch, "drop": bool}, or NULL. */
void charm_want_file(struct charm_plan *p, const char *label, const char *resource,
                     const char *edits);
/* What was wanted under LABEL stays wanted as it was, and nothing when there was none: for a
 * workload that had better run on than end while something is missing that its document is made
 * of. */
void charm_keep(struct charm_plan *p, const char *label);
/* Declares an outside of our own: provider "sql" or "s3", configuration from objects/FILE (kind
 * of provider's target document). */
void charm_target(struct charm_plan *p, const char *label, const char *provider, const char *file,
                  const struct charm_hole *holes);
enum charm_need { CHARM_EXISTS, CHARM_READY };
/* LABEL is applied only after OTHER exists, or is ready. */
void charm_needs(struct charm_plan *p, const char *label, const char *other, enum charm_need kind);
/* SHA-256 of the wanted document of LABEL, wanted earlier in this plan: changes when a secret in
 * it gets a new revision. For the annotation that makes pods roll. */
const char *charm_digest(struct charm_plan *p, const char *label);
/* A token of a value of another resource: put in once it is known, and again when it changed; also
 * an edge ("/spec/clusterIP"). It may stand in the text of any wanted document, but in no name;
 * of a secret output only where a secret may. */
const char *charm_output(struct charm_plan *p, const char *label, const char *pointer);

/* ---- secrets */
/* The token of a value that the daemon makes once (LENGTH characters of ALPHABET, NULL: letters
 * and digits), keeps sealed and rotates. */
const char *charm_secret(struct charm_plan *p, const char *label, const char *field,
                         unsigned length, const char *alphabet);
/* The same token in another form: "base64", "url", "yaml", "pem-bundle", and "bcrypt" of what is
 * not an output. */
const char *charm_form(struct charm_plan *p, const char *token, const char *form);

/* ---- certificates
 *
 * Issued by the model's own authority, kept and renewed by the daemon at two thirds of their life:
 * key and certificate are secrets LABEL/key and LABEL/crt, whose tokens change with each renewal,
 * so that what holds charm_digest of the Secret rolls; a program that reads its files anew needs
 * no roll. LABEL/crt is followed by what leads to the root. The CA bundle is no secret and stands
 * anywhere: in a Secret, a ConfigMap, a webhook's caBundle. While the authority is being replaced
 * it holds the old one and the new one.
 *
 *   charm_certificate(p, "hook", &(struct charm_certificate){
 *           .names = CHARM_TEXTS(charm_text(p, "%s.%s.svc", name, model)) });
 *   charm_want(p, "tls", "secret.yaml", NULL);
 *
 * In objects/: ${certificate.LABEL.key}, ${certificate.LABEL.crt}, ${certificate.LABEL.ca}, and
 * ${certificate.LABEL.ca-base64} for a caBundle. */
enum charm_use { CHARM_SERVER = 1, CHARM_CLIENT = 2 };
struct charm_certificate {
        const char *const *names; /* DNS names, IP addresses; CHARM_TEXTS */
        const char *common_name;  /* NULL: the first name */
        unsigned use;             /* CHARM_SERVER, CHARM_CLIENT; 0: CHARM_SERVER */
        bool rsa;                 /* RSA of 2048 bits, for who cannot ECDSA P-256 */
        int64_t lifetime_s;       /* 0: as the model says (certificate-lifetime) */
        /* A relation of interface tls-certificates: the other side issues it. The request is
         * told to it, what it answers is taken, whenever that changes; until the first answer
         * (charm_certificate_issued) nothing that holds it may be wanted. NULL: the model's. */
        const struct charm_relation *by;
};
void charm_certificate(struct charm_plan *p, const char *label, const struct charm_certificate *c);
bool charm_certificate_issued(struct charm_plan *p, const char *label);
/* Tokens, and the bundle as PEM: "" until it was issued. Of one that this plan has asked for. */
const char *charm_certificate_key(struct charm_plan *p, const char *label);
const char *charm_certificate_crt(struct charm_plan *p, const char *label);
const char *charm_certificate_ca(struct charm_plan *p, const char *label);

/* ---- authorities
 *
 * For a charm that issues to others: a certificate LABEL, signed by itself, with a key of its own.
 * The daemon keeps and renews it as other certificates, and signs with it what charm_sign asks for:
 * no charm sees a key. charm_certificate_ca is what others are to trust: while another one takes
 * its place (it is due, or was asked for with another subject or generation) both, for as long as
 * it takes those who are told it to have it, and then what was signed anew. */
struct charm_value;
struct charm_authority {
        const char *common_name;           /* at most 64 bytes */
        const struct charm_value *subject; /* C, ST, L, O, OU, emailAddress; empty ones are left
                                            * out; or NULL */
        int64_t lifetime_s;                /* 0: as the model says (ca-lifetime) */
        int64_t generation;                /* another number: another key */
};
void charm_authority(struct charm_plan *p, const char *label, const struct charm_authority *a);
/* What LABEL, which this plan has asked for, signed for REQUEST (PEM), for as long as each plan
 * asks for it: PEM, for servers and clients, with the names of the request; not of another
 * namespace's Service. NULL: it is not signed yet, or, with *RET_REFUSED, will not be: also what is
 * longer than 30,000 bytes, and what comes after 80 others. LIFETIME_S 0: as the model says. */
const char *charm_sign(struct charm_plan *p, const char *label, const char *request,
                       int64_t lifetime_s, const char **ret_refused);

/* ---- what was seen of what this charm wanted, by label: at the last look; after a restart, as it
 * was left until it is read again */
bool charm_exists(const struct charm_view *v, const char *label);
bool charm_ready(const struct charm_view *v, const char *label);
/* What keeps it from being ready, in the words of the outside, or "": also while it is still to be
 * made, or waits for what it stands on. */
const char *charm_reason(const struct charm_view *v, const char *label);
/* A field that the plan before asked for with charm_see: scalar as text, structure as JSON;
 * NULL: not (yet) seen. */
const char *charm_seen(const struct charm_view *v, const char *label, const char *pointer);
void charm_see(struct charm_plan *p, const char *label, const char *pointer);

/* ---- status: the worst that was said wins: blocked > maintenance > waiting > active; none
 * said: active when all that is wanted is ready, else waiting with the first reason. */
enum charm_status { CHARM_ACTIVE, CHARM_WAITING, CHARM_MAINTENANCE, CHARM_BLOCKED };
void charm_status(struct charm_plan *p, enum charm_status s, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));
void charm_version(struct charm_plan *p, const char *workload_version);
/* The whole plan is refused with this text: for what must not happen. */
void charm_fail(struct charm_plan *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Formatted text that lives as long as the plan. */
const char *charm_text(struct charm_plan *p, const char *fmt, ...)
        __attribute__((format(printf, 2, 3)));
/* TEXT as a JSON string, quotes and all: to put together JSON for CHARM_JSON holes and
 * charm_tell_json with charm_text. */
const char *charm_quote(struct charm_plan *p, const char *text);
/* N bytes, zeroed, as long as the plan. */
void *charm_memory(struct charm_plan *p, size_t n);

/* ---- actions
 *
 * An action is a table of steps, run by the daemon in the name of the charm: what may take hours
 * and ends the same however often the daemon, this worker or the outside dies meanwhile. A step is
 * as pure as plan(): it sees the world and says one thing, then returns:
 *
 *   charm_ask_...   do this, and call me again with how it ended
 *   charm_next      on with the next step; charm_goto: with that one
 *   charm_done      the action has done what it was asked for
 *   charm_give_up   it cannot be done, and why
 *
 * The daemon writes down what is asked before it is sent, and how it ended before the step is
 * called again; after a crash the same is asked once more under the same key. So a step looks
 * first, and asks for what may be done twice: CREATE ... IF NOT EXISTS, names made of charm_key.
 *
 *   static void alter(const struct charm_world *w, struct charm_ask *a) {
 *           if (charm_outcome(w))
 *                   return charm_next(a);
 *           charm_ask_sql(a, "server",
 *                         CHARM_TEXTS("ALTER USER CURRENT_USER() IDENTIFIED BY :'new'"),
 *                         CHARM_VALUES({ "new", charm_state(w, "new") }));
 *   }
 *
 * What failed ends the action ("step alter: denied: ..."), unless the step has CHARM_ALL and so
 * sees each outcome; what may be over by itself (unreachable, throttled, not yet) is tried until
 * the step's deadline. At the end, however that came, steps with CHARM_CLEANUP run in their order,
 * and only then. */
struct charm_world; /* read only: parameters, state, the last answer, and the view */
struct charm_ask;   /* write only: what the step says */

enum { CHARM_CLEANUP = 1, CHARM_ALL = 2 };
struct charm_step {
        const char *name;
        void (*step)(const struct charm_world *w, struct charm_ask *a);
        uint32_t deadline_s; /* of one thing that it asks for, with all tries; 0: 300 */
        uint32_t flags;
};
struct charm_action {
        const char *name;               /* as in charm.yaml */
        const struct charm_step *steps; /* ends with {} */
};

/* What plan() would see now. */
const struct charm_view *charm_world_view(const struct charm_world *w);
const char *charm_operation(const struct charm_world *w); /* its number */
/* Of what this call asks for: the same whenever that is sent, and no other's: letters, digits and
 * '-', at most 40. */
const char *charm_key(const struct charm_world *w);
int64_t charm_now(const struct charm_world *w);      /* of this call, in ms since 1970 */
const char *charm_unit(const struct charm_world *w); /* asked to run on, or "" */
/* As text, structures as JSON; NULL: not given and no default. One that is secret is a token. */
const char *charm_param(const struct charm_world *w, const char *name);
int64_t charm_param_int(const struct charm_world *w, const char *name);
bool charm_param_bool(const struct charm_world *w, const char *name);
/* What an earlier step of this operation noted, or NULL. */
const char *charm_state(const struct charm_world *w, const char *key);
/* How what this step asked for ended: "done"; with CHARM_ALL also "gone", "conflict", "refused",
 * "immutable", "denied", "not yet", "throttled", "unreachable". NULL: it has asked for nothing
 * yet. */
const char *charm_outcome(const struct charm_world *w);
const char *charm_error(const struct charm_world *w); /* in the outside's words, or "" */
/* A value of the answer, as text or JSON; NULL: not there. */
const char *charm_answer(const struct charm_world *w, const char *pointer);
/* The token of a secret that the application owns; NULL: there is none. */
const char *charm_owned(const struct charm_world *w, const char *label, const char *field);

void charm_next(struct charm_ask *a);
void charm_goto(struct charm_ask *a, const char *step);
void charm_done(struct charm_ask *a);
void charm_give_up(struct charm_ask *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Noted for later steps, with what is asked; NULL: forgotten. All of it at most 64 KiB. */
void charm_set(struct charm_ask *a, const char *key, const char *value);
/* A key of the state that the daemon reads: what is half done should the action end here. Who
 * cancels it is told, and who looks at one that did not end well. Taken out again when it is
 * whole. No secret is in it. */
#define CHARM_LEAVES "leaves"
/* A line for who watches. No secret is in it. */
void charm_log(struct charm_ask *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* What the action is for. A token (only under "secret-results" of charm.yaml) is shown as its
 * value, to operators. */
void charm_result(struct charm_ask *a, const char *key, const char *value);

void charm_ask_wait(struct charm_ask *a, int64_t seconds);
/* Until LABEL exists and is ready. */
void charm_ask_ready(struct charm_ask *a, const char *label);
/* Until all that was changed of the application is planned and applied. */
void charm_ask_settled(struct charm_ask *a);
/* Until APPLICATION (the other side of a relation) has what it is told now instead of TOKEN, of
 * ours: it is planned, applied and ready, its pods run so, and no object but our own holds TOKEN
 * any more. While it is scaled to 0 nobody can tell. */
void charm_ask_taken(struct charm_ask *a, const char *application, const char *token);
/* A new value for a secret of the application, which nothing uses yet: VALUE (a token of a secret
 * parameter), or a random one (NULL). Answer: /new and /old, tokens. */
void charm_ask_new_secret(struct charm_ask *a, const char *label, const char *field,
                          const char *value);
/* TOKEN's revision is the one that plans get from now on. */
void charm_ask_use_secret(struct charm_ask *a, const char *token);
/* Who else was given the value of TOKEN, a secret of the application: options of others, and
 * secrets that people added. Answer: /holders/I/who, in words, and /holders/I/do, the command that
 * gives it another one. */
void charm_ask_holders(struct charm_ask *a, const char *token);
/* Anything that a provider can be asked for, at the target of that label (NULL: the model's
 * cluster), as JSON: docs/asks.md lists it. */
void charm_ask_verb(struct charm_ask *a, const char *target, const char *verb, const char *json);
struct charm_value {
        const char *name, *text; /* the list ends with {}; a NULL text is NULL */
};
#define CHARM_VALUES(...) ((const struct charm_value[]){ __VA_ARGS__, {} })
/* Sets options of the application, all at once; one whose text is NULL is reset. */
void charm_ask_options(struct charm_ask *a, const struct charm_value *options);
/* One of them. */
void charm_ask_config(struct charm_ask *a, const char *option, const char *value);
/* One of them, if it is WAS still ("": not set); else "conflict", for a step with CHARM_ALL to
 * look again: of an option that several actions write, beside each other. */
void charm_ask_config_from(struct charm_ask *a, const char *option, const char *was,
                           const char *value);
/* ACTION of this application is run at AT (ms since 1970), as if somebody had scheduled it: what
 * is to follow in a day takes no slot until then. Answer: /schedule. */
void charm_ask_run_at(struct charm_ask *a, int64_t at, const char *action,
                      const struct charm_value *params);
/* Statements, one connection for all of them; :'NAME' in one is a value as a literal, :"NAME" as
 * an identifier. Tokens are allowed in values. Answer of one statement: /columns and /rows, or
 * /affected; of several the same below /results/I. */
void charm_ask_sql(struct charm_ask *a, const char *target, const char *const *statements,
                   const struct charm_value *values);
/* Texts; the list ends with NULL. */
#define CHARM_TEXTS(...) ((const char *const[]){ __VA_ARGS__, NULL })
struct charm_exec {
        const char *pod;       /* name of a pod of the application */
        const char *container; /* NULL: the only one */
        const char *const *argv;
        const char *input; /* stdin, or NULL; tokens are allowed here and nowhere else */
};
/* Answer: /exit, /stdout, /stderr. */
void charm_ask_exec(struct charm_ask *a, const struct charm_exec *e);
/* Bytes of any size from one end to the other; an end is JSON: a command {"pod", "container",
 * "argv"}, an object {"target": label, "bucket", "key"}, a file of the application's own below
 * the daemon's backups {"file"}; a NULL TO is nowhere, which verifies. What breaks in the middle
 * leaves nothing at TO. Answer: /bytes and /sha256 of what is stored, /plain-bytes,
 * /plain-sha256, /from, /to. */
struct charm_stream {
        const char *from, *to;
        bool gzip;
        bool undo;          /* stored bytes come in, plain ones go out */
        const char *key;    /* token: sealed with it, or opened */
        const char *sha256; /* of the stored bytes: others are refused. NULL: not known */
};
void charm_ask_stream(struct charm_ask *a, const struct charm_stream *s);
/* objects/FILE with its holes filled, in the model's namespace, for as long as the operation lives:
 * at its end it is removed. A ConfigMap, Job, Pod or Service; no secret is in it. */
void charm_ask_apply(struct charm_ask *a, const char *file, const struct charm_hole *holes);
/* The same of a Job, and until it is over. Answer: /succeeded, /message, /log (of its newest pod,
 * the end). A Job of the same name that the operation has made is taken for this one: charm_key
 * names it. */
void charm_ask_job(struct charm_ask *a, const char *file, const struct charm_hole *holes);
/* For charm_text, charm_quote, charm_list_first and charm_memory; what is wanted in it goes
 * nowhere. */
struct charm_plan *charm_paper(struct charm_ask *a);

/* What a charm notes for itself, in the peer relation say, is often a list of names: "a,b,c".
 *
 *   for (; *list; list = charm_list_rest(list))
 *           want(charm_list_first(p, list)); */
static inline const char *charm_list_first(struct charm_plan *p, const char *list) {
        size_t length = strcspn(list, ",");
        char *name = (char *)charm_memory(p, length + 1);

        memcpy(name, list, length);
        return name;
}

static inline const char *charm_list_rest(const char *list) {
        list += strcspn(list, ",");
        return *list ? list + 1 : list;
}

static inline bool charm_list_has(const char *list, const char *name) {
        size_t length = strlen(name);

        for (; *list; list = charm_list_rest(list))
                if (strcspn(list, ",") == length && !memcmp(list, name, length))
                        return true;
        return false;
}
