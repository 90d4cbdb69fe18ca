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

struct charm {
        uint32_t abi;  /* CHARM_ABI */
        uint32_t size; /* of this struct: fields are only appended */
        const char *name;
        const uint8_t *metadata; /* SHA-256 of charm.yaml, from charm.gen.h */
        void (*plan)(const struct charm_view *v, struct charm_plan *p);
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
