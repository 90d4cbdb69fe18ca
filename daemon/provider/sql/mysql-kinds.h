/* SPDX-License-Identifier: Apache-2.0 */
/* mysql-kinds.h - look, apply and remove of each kind on MySQL and MariaDB; see mysql.c */
#pragma once

#include "mysql-session.h"

int mysql_database_look(struct mysql_session *s, struct sql_task *t);
int mysql_database_apply(struct mysql_session *s, struct sql_task *t);
int mysql_database_remove(struct mysql_session *s, struct sql_task *t);

int mysql_user_look(struct mysql_session *s, struct sql_task *t);
int mysql_user_apply(struct mysql_session *s, struct sql_task *t);
int mysql_user_remove(struct mysql_session *s, struct sql_task *t);

int mysql_certificate_look(struct mysql_session *s, struct sql_task *t);
int mysql_certificate_apply(struct mysql_session *s, struct sql_task *t);
int mysql_certificate_remove(struct mysql_session *s, struct sql_task *t);

/* Nothing is removed: a server is what it is until it is told otherwise, or goes. */
int mysql_replication_look(struct mysql_session *s, struct sql_task *t);
int mysql_replication_apply(struct mysql_session *s, struct sql_task *t);

int mysql_grant_look(struct mysql_session *s, struct sql_task *t);
int mysql_grant_apply(struct mysql_session *s, struct sql_task *t);
int mysql_grant_remove(struct mysql_session *s, struct sql_task *t);
