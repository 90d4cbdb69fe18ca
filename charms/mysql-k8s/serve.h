/* SPDX-License-Identifier: Apache-2.0 */
/* serve.h - what relations are given on the server, and the users that one has while its
 * credentials are rotated
 *
 * A relation has one user, its first, until it is given another one; the option relation-users is
 * what the actions of rotate.c note of that, "5:2/1@1763829999#12,7:3":
 *
 *   ID:CURRENT                     the user that relation ID has
 *   ID:CURRENT/OLD                 and OLD, which it had, lets in as well
 *   ID:CURRENT/OLD@UNTIL#REFUSED   OLD is locked, and may go after UNTIL (seconds since 1970);
 *                                  REFUSED: what the server's counter of refused logins said then
 */
#pragma once

#include "charm.h"

#define SERVE_VERSION "8.0.44" /* of the server that the image has */
#define SERVE_PASSWORD "password"

/* Databases, users and grants at the target "server". */
void serve_databases(const struct charm_view *v, struct charm_plan *p);

struct serve_users {
        int64_t current;
        int64_t old; /* 0: none */
        int64_t until, refused; /* of OLD; 0: it is not locked */
};
struct serve_users serve_users(const struct charm_view *v, struct charm_plan *p, int64_t relation);
/* The option's text with U for RELATION; relations that are gone are left out. */
const char *serve_users_option(const struct charm_view *v, struct charm_plan *p, int64_t relation,
                               const struct serve_users *u);
/* USER is the one that the relation was told. */
bool serve_is_told(const struct charm_view *v, struct charm_plan *p, int64_t relation,
                   int64_t user);
/* WHAT: "user" or "grant". */
const char *serve_label(struct charm_plan *p, int64_t relation, const char *what, int64_t user);
/* Label of the secret with its password, in the field SERVE_PASSWORD. */
const char *serve_secret(struct charm_plan *p, int64_t relation, int64_t user);
const char *serve_user_name(const struct charm_view *v, struct charm_plan *p, int64_t relation,
                            int64_t user);

/* rotate.c */
extern const struct charm_step rotate_steps[], unlock_steps[], drop_steps[];
