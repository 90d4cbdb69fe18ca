/* SPDX-License-Identifier: Apache-2.0 */
/* additive.c - a migration leaves the release before it able to work on what it made, or says which
 * is the first that can
 *
 * That release inserts rows without the new columns, and deletes rows that new tables point to. So
 * a migration may make tables, indexes that are not unique and columns; what is new points to what
 * was there with ON DELETE CASCADE or SET NULL. One that does more says so:
 *
 *     -- reader: 0027    the first schema whose programs do without what it takes away
 *
 * Holds from --additive-from on: no release that looked for it knew less. */
#include "gen-sql.h"

#include <stdlib.h>

#define MARK "-- reader: "
#define TABLES "SELECT name FROM sqlite_schema WHERE type = 'table'"
/* What would keep a release from deleting rows. */
#define KEYS                                                                                       \
        "SELECT t.name, k.\"from\", k.\"table\" FROM sqlite_schema t, "                            \
        "pragma_foreign_key_list(t.name) k WHERE t.type = 'table' "                                \
        "AND k.on_delete NOT IN ('CASCADE', 'SET NULL')"

void additive_begin(struct gen *g) {
        sqlite3_exec(g->db,
                     "CREATE TEMP TABLE tables_before AS " TABLES
                     "; CREATE TEMP TABLE keys_before AS " KEYS,
                     NULL, NULL, NULL);
}

static bool adds(const char *sql) {
        struct gen_token t[4];

        for (size_t i = 0; i < ARRAY_SIZE(t); i++)
                if (!gen_token_next(&sql, &t[i]))
                        return false;
        if (gen_token_is(&t[0], "CREATE"))
                return gen_token_is(&t[1], "TABLE") || gen_token_is(&t[1], "INDEX");
        return gen_token_is(&t[0], "ALTER") && gen_token_is(&t[1], "TABLE") &&
               gen_token_is(&t[3], "ADD");
}

static void check_statements(struct gen *g, const struct gen_migration *m) {
        for (size_t i = 0; i < m->n; i++)
                if (!adds(m->statements[i]))
                        gen_fault(g, m->file, 1,
                                  "\"%.40s\" does more than add tables, columns and indexes: the "
                                  "release before cannot work on that. Leave it to a later one, "
                                  "or say which schema can: " MARK "NNNN",
                                  m->statements[i]);
}

static void check_keys(struct gen *g, const struct gen_migration *m) {
        static const char sql[] = KEYS " AND k.\"table\" IN (SELECT name FROM temp.tables_before) "
                                       "EXCEPT SELECT * FROM temp.keys_before";
        sqlite3_stmt *s = NULL;

        if (sqlite3_prepare_v2(g->db, sql, -1, &s, NULL) != SQLITE_OK)
                gen_fault(g, m->file, 1, "%s", sqlite3_errmsg(g->db));
        while (s && sqlite3_step(s) == SQLITE_ROW)
                gen_fault(g, m->file, 1,
                          "%s.%s keeps the release before from deleting rows of %s: it points to "
                          "them without ON DELETE CASCADE or SET NULL",
                          sqlite3_column_text(s, 0), sqlite3_column_text(s, 1),
                          sqlite3_column_text(s, 2));
        sqlite3_finalize(s);
}

static bool read_mark(struct gen *g, struct gen_migration *m, const char *text) {
        const char *mark = strstr(text, MARK);
        char *end;

        if (!mark)
                return false;
        m->reader = strtol(mark + strlen(MARK), &end, 10);
        if (m->reader < 1 || m->reader > m->number || (*end != '\n' && *end != ' '))
                gen_fault(g, m->file, gen_line_of(text, (size_t)(mark - text), 1),
                          MARK "NNNN is a schema up to this one");
        return true;
}

void additive_check(struct gen *g, struct gen_migration *m, const char *text) {
        if (!read_mark(g, m, text) && g->additive_from && m->number >= g->additive_from) {
                check_statements(g, m);
                check_keys(g, m);
        }
        sqlite3_exec(g->db, "DROP TABLE temp.tables_before; DROP TABLE temp.keys_before", NULL,
                     NULL, NULL);
}
