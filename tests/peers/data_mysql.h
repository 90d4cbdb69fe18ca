/* SPDX-License-Identifier: Apache-2.0 */
/* data_mysql.h - one server of the MySQL family under test: the provider's target, and a
 * connection of our own beside it */
#pragma once

#include "data.h"

#include <mariadb/mysql.h>

extern const struct provider provider_sql;

struct mysql_world {
        struct data *d;
        MYSQL *outside; /* the administrator's, without TLS */
};

bool mysql_is_mariadb(void);
int mysql_setup(void **state);
int mysql_teardown(void **state);
/* A target by its address (NULL: its name), verified in full. */
json_t *mysql_config(const char *host, const char *password);
/* One statement of the administrator's. */
void mysql_do(struct mysql_world *w, const char *fmt, ...) printf_(2, 3);
/* Can this user log in without TLS and do STATEMENT? 0, or the server's number. */
unsigned mysql_as(const char *user, const char *password, const char *statement);

int data_mysql_acts(void);  /* data_mysql_act.c; the number of failed tests */
int data_mysql_users(void); /* data_mysql_user.c; the number of failed tests */
