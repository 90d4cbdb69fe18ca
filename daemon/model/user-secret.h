/* SPDX-License-Identifier: Apache-2.0 */
/* user-secret.h - secrets that people add: which one a name means, who uses what of it
 *
 * Each key of one is a row of secret (purpose user), so tokens, revisions and uses are those of
 * every secret. An option that takes a key holds its token of revision 0: the newest. The view
 * makes that the revision of now, so the application's next plan has the new value, and what was
 * taken of the old one counts by secret_use until the outside has the new one. */
#pragma once

#include "json.h"
#include "seal.h"
#include "secret-token.h"
#include "store.h"

#define USER_SECRET_NEWEST 0 /* instead of a revision */

/* Named limits of one secret: together they stay below what a Secret of Kubernetes holds. */
#define USER_SECRET_KEYS_MAX 100
#define USER_SECRET_CONTENT_MAX (512u << 10) /* bytes of all values */
#define USER_SECRET_NAME_MAX 63
#define USER_SECRET_INFO_MAX 500
#define USER_SECRET_USES_MAX 100 /* that are listed of one revision */

struct q_secret_row;
struct q_user_secret_row;

/* By its name or ID, also behind "secret:". -ENOENT. */
int user_secret_find(struct tx *tx, int64_t model, const char *text,
                     const struct q_user_secret_row **ret, struct err *err);
/* What TEXT, "secret:NAME" or "secret:ID", perhaps with "#KEY", means for OPTION: without a key the
 * one that is called as the option, or the only one. -ENOENT, -EINVAL. */
int user_secret_refer(struct tx *tx, int64_t model, const char *text, const char *option,
                      const struct q_secret_row **ret, struct err *err);
/* TEXT, an option's value: "secret:NAME#KEY" when it is a token of revision 0, else NULL. */
int user_secret_reference(struct tx *tx, const char *text, const char **ret, struct err *err);

/* What an application is shown of an option. */
struct user_secret_taker {
        int64_t application;
        const char *name, *option;
};
/* *RET: TOKEN with the revision of now, when it is one of revision 0. *RET_WHY: what a person has
 * to do first, or NULL. */
int user_secret_take(struct tx *tx, const struct user_secret_taker *to, const char *token,
                     const char **ret, const char **ret_why, struct err *err);

/* Appends to LIST {"application", "what"} of each that has REVISION of S outside, is told it, or
 * opens a target with it. */
int secret_uses(struct tx *tx, const struct q_secret_row *s, int64_t revision, json_t *list,
                struct err *err);
/* The same of all keys of U; REVISION USER_SECRET_NEWEST: of all revisions, and the options that
 * take one. */
int user_secret_uses(struct tx *tx, const struct q_user_secret_row *u, int64_t revision,
                     json_t *list, struct err *err);
/* [revision], the newest first, of all keys. */
int user_secret_revisions(struct tx *tx, const struct q_user_secret_row *u, json_t *list,
                          struct err *err);
/* FN for each option of an application of MODEL that takes a key of U. */
struct user_secret_option {
        int64_t application;
        const char *name, *option, *key;
};
typedef int user_secret_option_fn(struct tx *tx, const struct user_secret_option *o, void *arg,
                                  struct err *err);
int user_secret_each_option(struct tx *tx, const struct q_user_secret_row *u,
                            user_secret_option_fn *fn, void *arg, struct err *err);

/* Revisions of a secret that are not the newest and that nobody has any more go; of a key that the
 * newest does not hold the row too. */
int secret_prune(struct tx *tx, int64_t secret, struct err *err);
/* FN for each key of a user secret. */
int user_secret_each_key(struct tx *tx, int64_t user_secret,
                         int (*fn)(struct tx *tx, int64_t secret, struct err *err),
                         struct err *err);
/* U goes, with all that was granted of it. */
int user_secret_forget(struct tx *tx, int64_t user_secret, struct err *err);
