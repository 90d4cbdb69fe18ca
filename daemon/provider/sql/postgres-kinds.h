/* SPDX-License-Identifier: Apache-2.0 */
/* postgres-kinds.h - look, apply and remove of each kind on PostgreSQL; see postgres.c */
#pragma once

#include "postgres-session.h"

int postgres_database_look(struct postgres_session *s, struct sql_task *t);
int postgres_database_apply(struct postgres_session *s, struct sql_task *t);
int postgres_database_remove(struct postgres_session *s, struct sql_task *t);

int postgres_role_look(struct postgres_session *s, struct sql_task *t);
int postgres_role_apply(struct postgres_session *s, struct sql_task *t);
int postgres_role_remove(struct postgres_session *s, struct sql_task *t);
/* -1 after sql_fail: users of this server have no host. */
int postgres_role_check(struct sql_task *t);

int postgres_grant_look(struct postgres_session *s, struct sql_task *t);
int postgres_grant_apply(struct postgres_session *s, struct sql_task *t);
int postgres_grant_remove(struct postgres_session *s, struct sql_task *t);
