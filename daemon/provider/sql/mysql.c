/* SPDX-License-Identifier: Apache-2.0 */
/* mysql.c - the engine of MySQL 5.7 and later, MariaDB 10.4 and later: which function does which
 * kind */
#include "mysql-kinds.h"
#include "mysql-query.h"

typedef int kind_fn(struct mysql_session *s, struct sql_task *t);

static kind_fn *const look_of[SQL_KIND_MAX] = { mysql_database_look, mysql_user_look,
                                                mysql_grant_look, mysql_certificate_look,
                                                mysql_replication_look };
static kind_fn *const apply_of[SQL_KIND_MAX] = { mysql_database_apply, mysql_user_apply,
                                                 mysql_grant_apply, mysql_certificate_apply,
                                                 mysql_replication_apply };
static kind_fn *const remove_of[SQL_KIND_MAX] = { mysql_database_remove, mysql_user_remove,
                                                  mysql_grant_remove, mysql_certificate_remove,
                                                  mysql_replication_look };

static int look(struct sql_session *s, struct sql_task *t) {
        return look_of[t->doc.kind]((struct mysql_session *)s, t);
}

static int apply(struct sql_session *s, struct sql_task *t) {
        return apply_of[t->doc.kind]((struct mysql_session *)s, t);
}

static int remove_it(struct sql_session *s, struct sql_task *t) {
        return remove_of[t->doc.kind]((struct mysql_session *)s, t);
}

const struct sql_engine mysql_engine = {
        .name = "mysql",
        .open = mysql_session_open,
        .close = mysql_session_close,
        .socket = mysql_session_socket,
        .lost = mysql_session_lost,
        .look = look,
        .apply = apply,
        .remove = remove_it,
        .quote = mysql_session_quote,
        .query = mysql_query_run,
};
