/* SPDX-License-Identifier: Apache-2.0 */
/* postgres.c - the engine of PostgreSQL 13 and later: which function does which kind */
#include "postgres-kinds.h"

typedef int kind_fn(struct postgres_session *s, struct sql_task *t);

/* It reads its certificate anew at a reload of its configuration, which no charm asks for; its
 * replicas are nobody's yet. */
static int refuse(struct postgres_session *s, struct sql_task *t) {
        return sql_fail(t, OUTCOME_REFUSED,
                        "postgresql: certificate and replication are not served here");
}

static kind_fn *const look_of[SQL_KIND_MAX] = { postgres_database_look, postgres_role_look,
                                                postgres_grant_look, refuse, refuse };
static kind_fn *const apply_of[SQL_KIND_MAX] = { postgres_database_apply, postgres_role_apply,
                                                 postgres_grant_apply, refuse, refuse };
static kind_fn *const remove_of[SQL_KIND_MAX] = { postgres_database_remove, postgres_role_remove,
                                                  postgres_grant_remove, refuse, refuse };

static int look(struct sql_session *s, struct sql_task *t) {
        return look_of[t->doc.kind]((struct postgres_session *)s, t);
}

static int apply(struct sql_session *s, struct sql_task *t) {
        return apply_of[t->doc.kind]((struct postgres_session *)s, t);
}

static int remove_it(struct sql_session *s, struct sql_task *t) {
        return remove_of[t->doc.kind]((struct postgres_session *)s, t);
}

const struct sql_engine postgres_engine = {
        .name = "postgresql",
        .open = postgres_session_open,
        .close = postgres_session_close,
        .socket = postgres_session_socket,
        .lost = postgres_session_lost,
        .look = look,
        .apply = apply,
        .remove = remove_it,
        .quote = postgres_session_quote,
        .query = postgres_session_query,
};
