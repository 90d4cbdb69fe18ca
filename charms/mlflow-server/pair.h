/* SPDX-License-Identifier: Apache-2.0 */
/* pair.h - backups of database and artifacts under one id, in the bucket of s3-parameters
 *
 *   PATH/ID/dump.sql.gz[.sealed]    the database at one moment
 *   PATH/ID/artifacts-0001 ...      lists of what the artifacts' bucket had after that moment
 *   PATH/ID/metadata                with the hash of each list
 *   PATH/artifacts/MODEL.APPLICATION/BUCKET/KEY   the artifacts, once for all pairs
 *
 * MLflow writes an artifact once, so that pairs share copies: one more costs what is new. */
#pragma once

#include "backup.h"
#include "client.h"

#define PAIR_LISTS_MAX 400 /* of 1,000 artifacts; an operation asks for 1,000 things, and states
                            * have 64 KiB, of which a list takes 76 bytes */

/* Declares the buckets as targets. */
void pair_plan(const struct charm_view *v, struct charm_plan *p, const struct backends *b);

/* Where copies of BUCKET are, below PATH; "": those of all buckets. */
const char *pair_copies(const struct charm_world *w, struct charm_ask *a, const char *bucket);

/* ---- steps of making one, in this order; those of upgrade too. After the last "meta" is its
 * metadata */
void pair_survey(const struct charm_world *w, struct charm_ask *a);
void pair_dump(const struct charm_world *w, struct charm_ask *a);
void pair_copy(const struct charm_world *w, struct charm_ask *a);
void pair_note(const struct charm_world *w, struct charm_ask *a);
/* The copies alone, ahead of them: pair_copy finds less to do. */
void pair_copy_ahead(const struct charm_world *w, struct charm_ask *a);

/* ---- steps of reading one, in this order, with those of backup.h between */
void pair_find(const struct charm_world *w, struct charm_ask *a);
void pair_must_be_whole(const struct charm_world *w, struct charm_ask *a);
void pair_look_at_use(const struct charm_world *w, struct charm_ask *a);
void pair_copy_back(const struct charm_world *w, struct charm_ask *a);
void pair_load(const struct charm_world *w, struct charm_ask *a);
void pair_check(const struct charm_world *w, struct charm_ask *a);
/* When what wants the server has been set: until it is ready. */
void pair_run(const struct charm_world *w, struct charm_ask *a);
/* Cleans up: the server runs again, unless it is only half restored, which is noted. */
void pair_reopen(const struct charm_world *w, struct charm_ask *a);

/* ---- a database that was restored in part: the option restored-in-part has "ACTION OPERATION
 * BACKUP" from then until a restore has ended well */
/* True: the status says so, and what to do. */
bool pair_say_part(const struct charm_view *v, struct charm_plan *p);
/* True: the action gave up, for what is there is half a database. */
bool pair_refuses_part(const struct charm_world *w, struct charm_ask *a);
/* What to note of this operation. */
const char *pair_part(const struct charm_world *w, struct charm_ask *a, const char *action);

/* The artifacts of all its lists are with the copies as they were noted. True: that is known, or
 * "why" they are not; else it has asked. */
bool pair_look(const struct charm_world *w, struct charm_ask *a, const char **ret_why);
/* What a restore of it would lose, in words. */
const char *pair_loss(const struct charm_world *w, struct charm_ask *a,
                      const struct client_survey *s);
int64_t pair_moment(const struct charm_world *w, struct charm_ask *a); /* ms since 1970 */
/* Its dump is read into the database, in the place of all that is there. */
void pair_ask_load(const struct charm_world *w, struct charm_ask *a);

extern const struct charm_step pair_create_steps[], pair_restore_steps[], pair_verify_steps[];
