/* SPDX-License-Identifier: Apache-2.0 */
/* check.c - prepares each query against the migrated schema: what it may not do, and the types
 * of its fields */
#include "gen-sql.h"

#include <stdlib.h>

#define ROWS_MAX 10000 /* STORE_ROWS_MAX: no LIMIT may promise more */

static void fault(struct gen *g, const struct gen_query *q, const char *text) {
        gen_fault(g, q->file, q->line, "%s: %s", q->name, text);
}

/* ---- the plan */

/* The unique index, or not: how many columns it has; 0: not unique. */
static int unique_columns(struct gen *g, const char *index, size_t len) {
        static const char sql[] = "SELECT (SELECT count(*) FROM pragma_index_info(l.name))"
                                  " FROM sqlite_schema t, pragma_index_list(t.name) l"
                                  " WHERE t.type = 'table' AND l.name = ?1 AND l.\"unique\"";
        sqlite3_stmt *s = NULL;
        int n = 0;

        if (sqlite3_prepare_v2(g->db, sql, -1, &s, NULL) != SQLITE_OK)
                return 0;
        sqlite3_bind_text(s, 1, index, len, SQLITE_TRANSIENT);
        if (sqlite3_step(s) == SQLITE_ROW)
                n = sqlite3_column_int(s, 0);
        sqlite3_finalize(s);
        return n;
}

static int count_of(const char *text, const char *what) {
        int n = 0;

        for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
                n++;
        return n;
}

/* How many columns the primary key of the table has that this line of a plan begins with. */
static int key_columns(struct gen *g, const char *table) {
        static const char sql[] = "SELECT count(*) FROM pragma_table_info(?1) WHERE pk > 0";
        sqlite3_stmt *s = NULL;
        int n = 0;

        if (sqlite3_prepare_v2(g->db, sql, -1, &s, NULL) != SQLITE_OK)
                return 0;
        sqlite3_bind_text(s, 1, table, strcspn(table, " "), SQLITE_TRANSIENT);
        if (sqlite3_step(s) == SQLITE_ROW)
                n = sqlite3_column_int(s, 0);
        sqlite3_finalize(s);
        return n;
}

/* Whether this line of a plan can find one row at most. */
static bool finds_one(struct gen *g, const char *detail) {
        const char *index = strstr(detail, "INDEX ");

        if (!str_starts(detail, "SEARCH "))
                return false;
        if (strstr(detail, "INTEGER PRIMARY KEY (rowid=?)"))
                return true;
        if (strstr(detail, "USING PRIMARY KEY"))
                return count_of(detail, "=?") == key_columns(g, detail + strlen("SEARCH "));
        if (!index)
                return false;
        index += strlen("INDEX ");
        return count_of(index, "=?") > 0 &&
               count_of(index, "=?") == unique_columns(g, index, strcspn(index, " "));
}

static bool reads_all(const char *detail) {
        if (strstr(detail, "AUTOMATIC"))
                return true;
        return str_starts(detail, "SCAN ") && !strstr(detail, "CONSTANT ROW") &&
               !strstr(detail, "VIRTUAL TABLE");
}

static void check_plan(struct gen *g, const struct gen_query *q) {
        cleanup_(freep) char *sql = str_format("EXPLAIN QUERY PLAN %s", buf_str(&q->sql));
        sqlite3_stmt *s = NULL;

        if (sqlite3_prepare_v2(g->db, sql, -1, &s, NULL) != SQLITE_OK) {
                fault(g, q, sqlite3_errmsg(g->db));
                return;
        }
        while (sqlite3_step(s) == SQLITE_ROW) {
                const char *detail = (const char *)sqlite3_column_text(s, 3);

                if (!q->scan_ok && reads_all(detail))
                        gen_fault(g, q->file, q->line,
                                  "%s: %s: every row is read; add an index, or say "
                                  "\"-- scan ok: reason\"",
                                  q->name, detail);
                if (q->one && !finds_one(g, detail))
                        gen_fault(g, q->file, q->line,
                                  "%s: -- one, but \"%s\" is not by a unique key: say LIMIT 1",
                                  q->name, detail);
        }
        sqlite3_finalize(s);
}

/* ---- limits */

static void check_limit(struct gen *g, const struct gen_query *q) {
        const char *p = buf_str(&q->sql);
        struct gen_token t;
        bool found = false;
        int depth = 0;

        while (gen_token_next(&p, &t)) {
                depth += (t.kind == '(') - (t.kind == ')');
                if (depth == 0 && gen_token_is(&t, "LIMIT")) {
                        found = true;
                        if (strtol(p, NULL, 10) > ROWS_MAX)
                                gen_fault(g, q->file, q->line, "%s: a LIMIT is at most %d", q->name,
                                          ROWS_MAX);
                }
        }
        if (!found && !q->one)
                fault(g, q,
                      "a read without LIMIT; or \"-- one\", where a unique key finds the row");
}

static bool first_word_ok(struct gen *g, const struct gen_query *q) {
        static const char *const words[] = { "SELECT", "WITH", "INSERT", "UPDATE", "DELETE" };
        const char *p = buf_str(&q->sql);
        struct gen_token t;

        if (!gen_token_next(&p, &t)) {
                fault(g, q, "has no SQL");
                return false;
        }
        for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
                if (gen_token_is(&t, words[i]))
                        return true;
        }
        gen_fault(g, q->file, q->sql_line,
                  "%s: %.*s is not allowed: a query is SELECT, INSERT, "
                  "UPDATE or DELETE",
                  q->name, (int)t.len, t.start);
        return false;
}

/* ---- types */

static bool mentions(const struct gen_query *q, const char *table) {
        const char *p = buf_str(&q->sql);
        struct gen_token t;

        while (gen_token_next(&p, &t)) {
                if (gen_token_is(&t, table))
                        return true;
        }
        return false;
}

/* By the column of that name in any table; the tables must agree. It may be NULL where a table
 * that the query names allows it. */
static void type_by_name(struct gen *g, const struct gen_query *q, struct gen_field *f) {
        static const char sql[] = "SELECT c.type, t.name, NOT (c.\"notnull\" OR c.pk > 0)"
                                  " FROM sqlite_schema t, pragma_table_info(t.name) c"
                                  " WHERE t.type = 'table' AND c.name = ?1 ORDER BY t.name";
        cleanup_(freep) char *first = NULL;
        sqlite3_stmt *s = NULL;

        if (sqlite3_prepare_v2(g->db, sql, -1, &s, NULL) != SQLITE_OK)
                return;
        sqlite3_bind_text(s, 1, f->name, -1, SQLITE_STATIC);
        while (sqlite3_step(s) == SQLITE_ROW) {
                enum gen_type type = gen_type_named((const char *)sqlite3_column_text(s, 0));
                const char *table = (const char *)sqlite3_column_text(s, 1);

                f->null |= sqlite3_column_int(s, 2) && mentions(q, table);
                if (f->type != GEN_NONE && type != f->type) {
                        gen_fault(g, q->file, q->line,
                                  "%s: :%s is %s in table %s and %s in %s; say \"-- in: %s TYPE\"",
                                  q->name, f->name, gen_type_name(f->type), first,
                                  gen_type_name(type), table, f->name);
                        break;
                }
                f->type = type;
                str_set(&first, table);
        }
        sqlite3_finalize(s);
        if (f->type == GEN_NONE)
                gen_fault(g, q->file, q->line,
                          "%s: no table has a column %s, the type of :%s is not known; say "
                          "\"-- in: %s TYPE\"",
                          q->name, f->name, f->name, f->name);
}

static void find_inputs(struct gen *g, struct gen_query *q, sqlite3_stmt *s) {
        for (int i = 1; i <= sqlite3_bind_parameter_count(s); i++) {
                const char *name = sqlite3_bind_parameter_name(s, i);
                const struct gen_field *declared;
                struct gen_field *f;

                if (!name || name[0] != ':') {
                        fault(g, q, "an input is written :name");
                        return;
                }
                f = gen_fields_add(&q->in, name + 1, strlen(name + 1));
                declared = gen_fields_find(&q->declared_in, f->name);
                if (declared) {
                        f->type = declared->type;
                        f->null = declared->null;
                } else {
                        type_by_name(g, q, f);
                }
        }
        for (size_t i = 0; i < q->declared_in.n; i++) {
                const struct gen_field *d = &q->declared_in.items[i];

                if (!gen_fields_find(&q->in, d->name))
                        gen_fault(g, q->file, d->line, "%s: there is no input :%s", q->name,
                                  d->name);
        }
}

/* An outer join makes NULL of what the schema forbids to be NULL. */
static bool has_outer_join(const struct gen_query *q) {
        const char *p = buf_str(&q->sql);
        struct gen_token t;

        while (gen_token_next(&p, &t)) {
                if (gen_token_is(&t, "LEFT") || gen_token_is(&t, "RIGHT") ||
                    gen_token_is(&t, "FULL"))
                        return true;
        }
        return false;
}

static bool column_null(struct gen *g, sqlite3_stmt *s, int i) {
        const char *table = sqlite3_column_table_name(s, i);
        int not_null = 0, key = 0;

        if (!table)
                return true;
        sqlite3_table_column_metadata(g->db, NULL, table, sqlite3_column_origin_name(s, i), NULL,
                                      NULL, &not_null, &key, NULL);
        return !not_null && !key;
}

static void find_column(struct gen *g, struct gen_query *q, sqlite3_stmt *s, int i, bool outer) {
        const char *name = sqlite3_column_name(s, i);
        const struct gen_field *declared = gen_fields_find(&q->declared_out, name);
        const char *type = sqlite3_column_decltype(s, i);
        struct gen_field *f;

        if (name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")]) {
                gen_fault(g, q->file, q->line, "%s: the column \"%s\" needs a name: AS name",
                          q->name, name);
                return;
        }
        if (gen_fields_find(&q->out, name)) {
                gen_fault(g, q->file, q->line, "%s: two columns are named %s", q->name, name);
                return;
        }
        f = gen_fields_add(&q->out, name, strlen(name));
        if (declared) {
                f->type = declared->type;
                f->null = declared->null;
        } else {
                f->type = type ? gen_type_named(type) : GEN_NONE;
                f->null = outer || column_null(g, s, i);
        }
        if (f->type == GEN_NONE)
                gen_fault(g, q->file, q->line,
                          "%s: %s is an expression; say \"-- out: %s TYPE [NULL]\"", q->name, name,
                          name);
}

static void find_columns(struct gen *g, struct gen_query *q, sqlite3_stmt *s) {
        bool outer = has_outer_join(q);

        for (int i = 0; i < sqlite3_column_count(s); i++)
                find_column(g, q, s, i, outer);
        for (size_t i = 0; i < q->declared_out.n; i++) {
                const struct gen_field *d = &q->declared_out.items[i];

                if (!gen_fields_find(&q->out, d->name))
                        gen_fault(g, q->file, d->line, "%s: there is no column %s", q->name,
                                  d->name);
        }
}

static bool same_fields(const struct gen_fields *a, const struct gen_fields *b) {
        if (a->n != b->n)
                return false;
        for (size_t i = 0; i < a->n; i++) {
                const struct gen_field *x = &a->items[i];
                const struct gen_field *y = &b->items[i];

                if (!str_eq(x->name, y->name) || x->type != y->type || x->null != y->null)
                        return false;
        }
        return true;
}

/* Queries with the same "-- row:" fill the same struct. */
static void check_row(struct gen *g, const struct gen_query *q) {
        for (const struct gen_query *o = g->queries; o < q; o++) {
                if (!str_eq(o->row, q->row))
                        continue;
                if (!same_fields(&o->out, &q->out))
                        gen_fault(g, q->file, q->line,
                                  "%s: its columns are not those of %s, whose row %s it shares",
                                  q->name, o->name, q->row);
                return;
        }
}

static void check_query(struct gen *g, struct gen_query *q) {
        sqlite3_stmt *s = NULL;
        const char *tail;
        struct gen_token t;

        if (!first_word_ok(g, q) || gen_forbidden(g, q->file, q->sql_line, buf_str(&q->sql)))
                return;
        if (sqlite3_prepare_v2(g->db, buf_str(&q->sql), -1, &s, &tail) != SQLITE_OK) {
                int offset = MAX_OF(sqlite3_error_offset(g->db), 0);

                gen_fault(g, q->file, gen_line_of(buf_str(&q->sql), offset, q->sql_line), "%s: %s",
                          q->name, sqlite3_errmsg(g->db));
                return;
        }
        if (gen_token_next(&tail, &t))
                fault(g, q, "is more than one statement");
        q->writes = !sqlite3_stmt_readonly(s);
        find_inputs(g, q, s);
        find_columns(g, q, s);
        sqlite3_finalize(s);
        if (!q->writes)
                check_limit(g, q);
        if (q->row)
                check_row(g, q);
        check_plan(g, q);
}

void check_all(struct gen *g) {
        for (size_t i = 0; i < g->n_queries; i++)
                check_query(g, &g->queries[i]);
}
