/* SPDX-License-Identifier: Apache-2.0 */
/* mysql-query.c - see mysql-query.h
 *
 * By the text protocol: what a controller asks (FLUSH, CHANGE MASTER, SHOW, CREATE USER) is for a
 * good part not to be had by prepared statements. Rows are fetched one by one and dropped beyond
 * the limits, so that a table that is read by mistake costs time and no memory. */
#include "mysql-query.h"

static bool is_number(const MYSQL_FIELD *f) {
        return IS_NUM(f->type) && f->type != MYSQL_TYPE_FLOAT && f->type != MYSQL_TYPE_DOUBLE &&
               f->type != MYSQL_TYPE_NEWDECIMAL && f->type != MYSQL_TYPE_TIMESTAMP;
}

static json_t *columns_of(MYSQL_RES *r) {
        json_t *names = json_array();

        for (unsigned i = 0; i < mysql_num_fields(r); i++)
                json_array_append_new(names, json_words(mysql_fetch_field_direct(r, i)->name));
        return names;
}

static void add_rows(MYSQL_RES *r, json_t *result) {
        size_t bytes = 0;
        MYSQL_ROW row;

        while ((row = mysql_fetch_row(r))) {
                unsigned long *lengths = mysql_fetch_lengths(r);
                json_t *values = json_array();
                size_t size = 0;

                for (unsigned i = 0; i < mysql_num_fields(r); i++) {
                        size += lengths[i];
                        json_array_append_new(
                                values,
                                sql_engine_value(row[i], lengths[i],
                                                 is_number(mysql_fetch_field_direct(r, i))));
                }
                if (!sql_engine_row(result, values, size, &bytes))
                        return; /* the rest is read and dropped with R */
        }
}

/* The first result; a procedure's others are dropped. */
static json_t *take_result(MYSQL *my) {
        MYSQL_RES *r = mysql_use_result(my);
        json_t *result = json_object();

        if (r) {
                json_object_set_new(result, "columns", columns_of(r));
                json_object_set_new(result, "rows", json_array());
                add_rows(r, result);
        } else {
                json_object_set_new(result, "affected",
                                    json_integer((json_int_t)mysql_affected_rows(my)));
        }
        mysql_free_result(r);
        return result;
}

int mysql_query_run(struct sql_session *opaque, struct sql_task *t, const struct buf *statement,
                    json_t **ret) {
        struct mysql_session *s = (struct mysql_session *)opaque;
        cleanup_(json_freep) json_t *result = NULL;
        int more;

        if (mysql_real_query(s->my, buf_str(statement), (unsigned long)statement->len) != 0)
                return mysql_session_fail(s, t);
        result = take_result(s->my);
        while (!mysql_errno(s->my) && (more = mysql_next_result(s->my)) == 0)
                mysql_free_result(mysql_use_result(s->my));
        if (mysql_errno(s->my))
                return mysql_session_fail(s, t);
        *ret = take_ptr(result);
        return 0;
}
