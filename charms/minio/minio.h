/* SPDX-License-Identifier: Apache-2.0 */
/* minio.h - what the plan and the actions of minio share
 *
 * A relation's key pair is a user of the store with a secret of its own. Its access key is
 * relation-ID, and after the Nth rotation relation-ID-N+1: its generation. The option
 * relation-keys, which rotate-relation-key writes, says which one each relation is to have, and
 * "+" that the one before works on; the peer relation notes which one it was told. */
#pragma once

#include "charm.h"

#define MINIO_SERVER "server"    /* target: the server itself */
#define MINIO_GENERATIONS 99     /* then from 1 on again: names of users have 20 letters */
#define MINIO_SECRET "secret-key"

struct minio_keys {
        int64_t generation;
        bool both; /* the one before too */
};

/* As relation-keys says; not there: the first. */
struct minio_keys minio_keys_of(const struct charm_view *v, struct charm_plan *p, int64_t relation);
/* Which one the relation was told; 0: none yet. */
int64_t minio_keys_told(const struct charm_view *v, struct charm_plan *p, int64_t relation);
/* Notes that in the peer relation. */
void minio_keys_note(const struct charm_view *v, struct charm_plan *p, int64_t relation,
                     int64_t generation);
int64_t minio_generation_before(int64_t generation);
/* The access key, which is also the label of its secret. */
const char *minio_user(struct charm_plan *p, int64_t relation, int64_t generation);
const char *minio_user_label(struct charm_plan *p, int64_t relation, int64_t generation);

/* ---- minio-buckets.c: what the options say of a bucket; of all that are wanted (LIST, with
 * commas) whether the options name others */
struct charm_hole minio_versioning(const struct charm_view *v, const char *bucket);
struct charm_hole minio_lifecycle(const struct charm_view *v, struct charm_plan *p,
                                  const char *bucket);
void minio_check_rules(const struct charm_view *v, struct charm_plan *p, const char *list);

/* ---- minio-mirror.c: declares the other store as a target, or says why there is none */
void minio_mirror_plan(const struct charm_view *v, struct charm_plan *p);

extern const struct charm_step minio_root_steps[], minio_relation_steps[], minio_mirror_steps[];
