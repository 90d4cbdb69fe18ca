/* SPDX-License-Identifier: Apache-2.0 */
/* schema.c - the migrations: numbered without gap or double, applied in order, cut into
 * statements */
#include "gen-sql.h"

#include <ctype.h>

/* "NNNN-words.sql"; 0: not of that form. */
static int number_of(const char *path) {
        const char *name = strrchr(path, '/');
        int n = 0;

        name = name ? name + 1 : path;
        for (int i = 0; i < 4; i++) {
                if (!isdigit((unsigned char)name[i]))
                        return 0;
                n = n * 10 + name[i] - '0';
        }
        return name[4] == '-' ? n : 0;
}

static bool check_number(struct gen *g, const char *file, int want) {
        int number = number_of(file);

        if (number == want)
                return true;
        if (number == 0)
                gen_fault(g, file, 1, "a migration is named NNNN-what.sql");
        else if (number < want)
                gen_fault(g, file, 1, "the number %04d is there twice", number);
        else
                gen_fault(g, file, 1, "the number %04d is missing before it", want);
        return false;
}

static void keep_statement(struct gen_migration *m, const char *sql, size_t len) {
        m->statements = mem_grow(m->statements, &m->room, m->n + 1, sizeof(*m->statements));
        m->statements[m->n++] = str_ndup(sql, len);
}

static int fault_line(sqlite3 *db, const char *text, const char *at) {
        int offset = sqlite3_error_offset(db);

        return gen_line_of(text, (at - text) + (offset > 0 ? offset : 0), 1);
}

static void apply_file(struct gen *g, struct gen_migration *m, const char *text) {
        const char *p = text;
        struct gen_token t;

        for (;;) {
                sqlite3_stmt *s = NULL;
                const char *after = p;
                const char *tail;

                if (!gen_token_next(&after, &t))
                        return;
                p = t.start;
                if (sqlite3_prepare_v2(g->db, p, -1, &s, &tail) != SQLITE_OK) {
                        gen_fault(g, m->file, fault_line(g->db, text, p), "%s",
                                  sqlite3_errmsg(g->db));
                        return;
                }
                if (sqlite3_step(s) != SQLITE_DONE)
                        gen_fault(g, m->file, fault_line(g->db, text, p), "%s",
                                  sqlite3_errmsg(g->db));
                sqlite3_finalize(s);
                keep_statement(m, p, tail - p);
                p = tail;
        }
}

/* STRICT keeps out the types that the two engines read differently (BOOLEAN, DATE). */
static void check_strict(struct gen *g) {
        static const char sql[] =
                "SELECT name FROM pragma_table_list"
                " WHERE type = 'table' AND strict = 0 AND name NOT LIKE 'sqlite_%'";
        sqlite3_stmt *s = NULL;

        if (sqlite3_prepare_v2(g->db, sql, -1, &s, NULL) != SQLITE_OK) {
                gen_fault(g, g->schema_dir, 0, "%s", sqlite3_errmsg(g->db));
                return;
        }
        while (sqlite3_step(s) == SQLITE_ROW)
                gen_fault(g, g->schema_dir, 0, "table %s is not STRICT", sqlite3_column_text(s, 0));
        sqlite3_finalize(s);
}

void schema_apply(struct gen *g) {
        if (sqlite3_open(":memory:", &g->db) != SQLITE_OK) {
                gen_fault(g, g->schema_dir, 0, "no database in memory");
                return;
        }
        sqlite3_exec(g->db, "PRAGMA foreign_keys = ON", NULL, NULL, NULL);
        for (size_t i = 0; i < g->schema_files.n; i++) {
                const char *file = g->schema_files.paths[i];
                cleanup_(freep) char *text = NULL;
                struct gen_migration *m;

                if (!check_number(g, file, i + 1))
                        return;
                text = gen_read_file(file);
                if (!text) {
                        gen_fault(g, file, 0, "cannot be read");
                        return;
                }
                g->migrations =
                        mem_grow(g->migrations, &g->migrations_room, i + 1, sizeof(*g->migrations));
                m = &g->migrations[g->n_migrations++];
                *m = (struct gen_migration){ .number = i + 1, .file = file };
                if (gen_forbidden(g, file, 1, text))
                        return;
                additive_begin(g);
                apply_file(g, m, text);
                additive_check(g, m, text);
        }
        check_strict(g);
}
