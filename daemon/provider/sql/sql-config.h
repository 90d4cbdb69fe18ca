/* SPDX-License-Identifier: Apache-2.0 */
/* sql-config.h - which server a sql target is, how it is reached, and how far its certificate is
 * believed
 *
 *   {"engine": "mysql"|"postgresql", "host": "db.example", "via": "NAMESPACE/POD", "port": 3306,
 *    "user": "root", "password": "{{secret:...}}", "tls": {"mode": "verify-full", "ca": PEM}}
 *
 * verify-full is the default and the only mode for a direct address. Through the API server
 * (via) the pipe itself is authenticated and encrypted, so less may be asked of the server:
 * verify-ca, encrypt, or plain (TLS where the server offers it). libmariadb checks the name that
 * it dialled and takes no other, so verify-full is refused for mysql through via; libpq takes
 * the name from "host". */
#pragma once

#include "provider.h"

enum sql_engine_kind { SQL_MYSQL, SQL_POSTGRESQL, SQL_ENGINE_MAX };
enum sql_tls { SQL_TLS_FULL, SQL_TLS_CA, SQL_TLS_ENCRYPT, SQL_TLS_PLAIN, SQL_TLS_MAX };

struct sql_config {
        enum sql_engine_kind engine;
        char *host; /* direct: where it is; through via: the name in its certificate, or NULL */
        char *via;  /* "NAMESPACE/POD" or NULL */
        int port;   /* of the server */
        char *user, *password;
        enum sql_tls tls;
        int ca_fd; /* a memory file with the CA, or -1: client libraries want a path */
        char ca_path[40];
        uint8_t hash_key[DIGEST_SIZE];
};

/* With the secrets filled in. -EINVAL. */
int sql_config_parse(const json_t *config, struct sql_config *ret, struct err *err);
int sql_config_check(const json_t *config, const json_t *credential, struct err *err);
void sql_config_free(struct sql_config *c); /* wipes; also a cleanup function */
