/* SPDX-License-Identifier: Apache-2.0 */
/* mysql-guard.h - no password in clear on a connection that has no TLS
 *
 * libmariadb's plugins for MySQL's caching_sha2_password and sha256_password take "TLS was asked
 * for" for "there is TLS": a server that offers none, or a man between who takes the offer out of
 * its greeting, is sent the password as it is. So they are called through here: where TLS is
 * needed and absent they do not begin, else they encrypt it with the server's RSA key. */
#pragma once

#include "base.h"

struct st_mysql;

/* Before the first connection of the process; MY is any handle. */
void mysql_guard_install(struct st_mysql *my);
/* Around each mysql_real_connect, on its thread. */
void mysql_guard_begin(bool tls_needed);
bool mysql_guard_refused(void); /* since begin: TLS was needed and was not there */
