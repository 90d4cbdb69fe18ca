/* SPDX-License-Identifier: Apache-2.0 */
/* queries.c - reads the files of named queries; see schema/queries/README for their form */
#include "gen-sql.h"

#include <ctype.h>
#include <stdlib.h>

static const char *after_prefix(const char *line, const char *prefix) {
        size_t n = strlen(prefix);

        if (strncmp(line, prefix, n) != 0)
                return NULL;
        line += n;
        return line + strspn(line, " \t");
}

static bool is_blank(const char *line) {
        return line[strspn(line, " \t\r")] == '\0';
}

static bool is_name(const char *s, size_t len) {
        if (len == 0 || !islower((unsigned char)s[0]))
                return false;
        for (size_t i = 0; i < len; i++) {
                if (!islower((unsigned char)s[i]) && !isdigit((unsigned char)s[i]) && s[i] != '_')
                        return false;
        }
        return true;
}

struct gen_field *gen_fields_add(struct gen_fields *f, const char *name, size_t len) {
        struct gen_field *field;

        f->items = mem_grow(f->items, &f->room, f->n + 1, sizeof(*f->items));
        field = &f->items[f->n++];
        *field = (struct gen_field){ .name = str_ndup(name, len) };
        return field;
}

struct gen_field *gen_fields_find(const struct gen_fields *f, const char *name) {
        for (size_t i = 0; i < f->n; i++) {
                if (str_eq(f->items[i].name, name))
                        return &f->items[i];
        }
        return NULL;
}

enum gen_type gen_type_named(const char *name) {
        if (str_eq(name, "INT") || str_eq(name, "INTEGER"))
                return GEN_INT;
        for (enum gen_type t = GEN_TEXT; t < GEN_TYPE_MAX; t++) {
                if (str_eq(name, gen_type_name(t)))
                        return t;
        }
        return GEN_NONE;
}

const char *gen_type_name(enum gen_type type) {
        static const char *const names[GEN_TYPE_MAX] = { "NONE", "INT", "TEXT", "BLOB", "REAL" };

        return names[type];
}

/* "NAME TYPE [NULL]" */
static void read_declaration(struct gen *g, struct gen_query *q, struct gen_fields *to,
                             const char *text, int line) {
        char name[64], type[16], null[16] = "";
        int n = sscanf(text, "%63s %15s %15s", name, type, null);
        struct gen_field *field;

        if (n < 2 || gen_type_named(type) == GEN_NONE || (n == 3 && !str_eq(null, "NULL"))) {
                gen_fault(g, q->file, line, "\"%s\" is not NAME INT|TEXT|BLOB|REAL [NULL]", text);
                return;
        }
        if (gen_fields_find(to, name)) {
                gen_fault(g, q->file, line, "%s is declared twice", name);
                return;
        }
        field = gen_fields_add(to, name, strlen(name));
        field->type = gen_type_named(type);
        field->null = n == 3;
        field->line = line;
}

static void read_comment(struct gen *g, struct gen_query *q, const char *line, int number) {
        const char *rest;

        if ((rest = after_prefix(line, "-- in:"))) {
                read_declaration(g, q, &q->declared_in, rest, number);
        } else if ((rest = after_prefix(line, "-- out:"))) {
                read_declaration(g, q, &q->declared_out, rest, number);
        } else if ((rest = after_prefix(line, "-- row:"))) {
                if (!is_name(rest, strlen(rest)))
                        gen_fault(g, q->file, number, "\"%s\" is not a name", rest);
                str_set(&q->row, rest);
        } else if ((rest = after_prefix(line, "-- scan ok:"))) {
                q->scan_ok = true;
                if (is_blank(rest))
                        gen_fault(g, q->file, number, "scan ok needs its reason");
        } else if ((rest = after_prefix(line, "-- one")) && is_blank(rest)) {
                q->one = true;
        } else if ((rest = after_prefix(line, "--"))) {
                buf_printf(&q->doc, "%s%s", q->doc.len ? "\n" : "", rest);
        }
}

static struct gen_query *start_query(struct gen *g, const char *file, int line, const char *name) {
        size_t len = strcspn(name, " \t\r");
        struct gen_query *q;

        if (!is_name(name, len) || !is_blank(name + len)) {
                gen_fault(g, file, line, "\"%s\" is not a name of a query", name);
                return NULL;
        }
        for (size_t i = 0; i < g->n_queries; i++) {
                if (strlen(g->queries[i].name) == len && !strncmp(g->queries[i].name, name, len))
                        gen_fault(g, file, line, "the query %s is already at %s:%d",
                                  g->queries[i].name, g->queries[i].file, g->queries[i].line);
        }
        g->queries = mem_grow(g->queries, &g->queries_room, g->n_queries + 1, sizeof(*g->queries));
        q = &g->queries[g->n_queries++];
        *q = (struct gen_query){ .name = str_ndup(name, len), .file = file, .line = line };
        return q;
}

static void read_line(struct gen *g, struct gen_query *q, const char *file, int number,
                      const char *line) {
        const char *start = line + strspn(line, " \t");

        if (!q) {
                if (*start && !str_starts(start, "--"))
                        gen_fault(g, file, number, "SQL before the first \"-- name:\"");
                return;
        }
        if (q->sql.len == 0) {
                if (!*start)
                        return;
                if (str_starts(start, "--")) {
                        read_comment(g, q, start, number);
                        return;
                }
                q->sql_line = number;
        }
        buf_printf(&q->sql, "%s\n", line);
}

static void read_file(struct gen *g, const char *file, char *text) {
        struct gen_query *q = NULL;
        int number = 1;

        for (char *line = text, *next; line; line = next, number++) {
                const char *name;

                next = strchr(line, '\n');
                if (next)
                        *next++ = '\0';
                name = after_prefix(line, "-- name:");
                if (name)
                        q = start_query(g, file, number, name);
                else
                        read_line(g, q, file, number, line);
        }
}

void queries_read(struct gen *g) {
        for (size_t i = 0; i < g->query_files.n; i++) {
                cleanup_(freep) char *text = gen_read_file(g->query_files.paths[i]);

                if (!text)
                        gen_fault(g, g->query_files.paths[i], 0, "cannot be read");
                else
                        read_file(g, g->query_files.paths[i], text);
        }
}
