/* SPDX-License-Identifier: Apache-2.0 */
/* sql.c - the provider of MySQL, MariaDB and PostgreSQL servers: databases, users, grants
 *
 * Not watched: see polled.h. See sql-config.h for a target's document, sql-document.c
 * for what may be wanted. */
#include "sql-target.h"

#define POLL_MS 30000 /* damage is put right within a minute (issue: 9); two queries a resource */

static int projection_parse(const char *fields, struct projection **ret, struct err *err) {
        return polled_projection_parse(SQL_FIELDS, fields, ret, err);
}

static bool secret_place(const json_t *wanted, const char *pointer) {
        return str_eq(pointer, "/password") || str_eq(pointer, "/certificate");
}

static void look(struct target *t, const struct apply_request *r, struct op *op) {
        sql_target_start(t, SQL_LOOK, r, op);
}

static void apply(struct target *t, const struct apply_request *r, struct op *op) {
        sql_target_start(t, SQL_APPLY, r, op);
}

static void remove_it(struct target *t, const struct apply_request *r, struct op *op) {
        sql_target_start(t, SQL_REMOVE, r, op);
}

static bool hidden(const char *member) {
        return str_eq(member, "password") || str_eq(member, "auth_or");
}

static int compare(const struct apply_request *r, const struct observation *o,
                   struct drift_list *ret, struct err *err) {
        return polled_compare(r, o, hidden, ret, err);
}

static bool guarded(const char *type) {
        return str_eq(type, "user") || str_eq(type, "grant");
}

extern const struct provider provider_sql;
const struct provider provider_sql = {
        .name = "sql",
        .poll_every_ms = POLL_MS,
        .check = sql_config_check,
        .identify = sql_document_identify,
        .secret_place = secret_place,
        .open = sql_target_open,
        .close = sql_target_close,
        .look = look,
        .apply = apply,
        .remove = remove_it,
        .cancel = sql_target_cancel,
        .compare = compare,
        .guarded = guarded,
        .manner = sql_target_manner,
        .projection_parse = projection_parse,
        .projection_free = polled_projection_free,
        .act = sql_target_act,
};
