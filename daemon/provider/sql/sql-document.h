/* SPDX-License-Identifier: Apache-2.0 */
/* sql-document.h - what a plan may want of a database server: databases, users, grants, the
 * certificate that it shows, what it is among several
 *
 * Names are narrower than what servers take: "/", "@" and "\" are left out, so that a path can
 * be read back into its parts, and so are the servers' own databases and users. All else
 * (quotes, blanks, "%", letters of any language) is allowed and quoted by the engines. */
#pragma once

#include "provider.h"

#define SQL_DATABASE_MAX 63 /* PostgreSQL's identifiers, in bytes; MySQL has 64 characters */
#define SQL_USER_MAX 32     /* MySQL 8's, in characters; PostgreSQL 63, MariaDB 128 */
#define SQL_HOST_MAX 60     /* MySQL 5.7's and MariaDB's */
#define SQL_PASSWORD_MAX                                                                           \
        128 /* what caching_sha2_password takes with room; longer is refused by name */
#define SQL_CERTIFICATE_MAX (64u << 10) /* with what leads to its root */
#define SQL_SERVER_ID_MAX 4294967295
#define SQL_SOURCE_MAX 255 /* a host's name: MySQL's SOURCE_HOST */
#define SQL_PRIVILEGES_MAX 32 /* no server has as many on one database */

enum sql_kind { SQL_DATABASE, SQL_USER, SQL_GRANT, SQL_CERTIFICATE, SQL_REPLICATION, SQL_KIND_MAX };
/* Of replication: see mysql-replication.c. */
enum sql_role { SQL_PRIMARY, SQL_CLOSED, SQL_REPLICA, SQL_ASIDE, SQL_ALONE, SQL_ROLE_MAX };

struct sql_document {
        enum sql_kind kind;
        json_t *json;                    /* a copy of its own; the texts below are in it */
        const char *name;                /* of the database, the user, the certificate */
        const char *host;                /* "%" where none was given */
        const char *database;            /* grant */
        const char *charset, *collation; /* or NULL: the engine's own default */
        const char *password;            /* user; as it stands in the document: a token */
        const char *certificate;         /* the same, of the certificate that is to be shown */
        bool locked;                     /* user: it is not let in */
        enum sql_role role;              /* replication, and the three that follow */
        int64_t id;                      /* the server's */
        const char *user;                /* that replicas come with; its password is "password" */
        const char *source;              /* the primary's name, of a replica */
        const json_t *privileges; /* list of upper-case texts; {"ALL PRIVILEGES"} stands alone */
};

/* -EINVAL: what is wrong with it. */
int sql_document_parse(const json_t *wanted, struct sql_document *ret, struct err *err);
/* From what identify made of one; only names are known then. */
int sql_document_at(const char *type, const char *path, struct sql_document *ret, struct err *err);
void sql_document_free(struct sql_document *d); /* also a cleanup function */
char *sql_document_path(const struct sql_document *d);
int sql_document_identify(const json_t *wanted, const char *scope, struct identity *ret,
                          struct err *err);
/* It belongs to the server itself: no document makes it, or gives rights on it. */
bool sql_document_of_server(const char *database);
bool sql_document_everything(const struct sql_document *d); /* a grant of ALL PRIVILEGES */
