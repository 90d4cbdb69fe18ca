/* SPDX-License-Identifier: Apache-2.0 */
/* print.c - writes the header and the source: structs, functions, the table of statements, the
 * migrations */
#include "gen-sql.h"

#include <errno.h>

static const char *prefix(const struct gen_query *q) {
        return q->writes ? "w" : "q";
}

/* A C string; the line breaks of SQL stay, so that messages of the engine and the file agree. */
static void print_text(FILE *f, const char *text, size_t len, const char *indent) {
        fprintf(f, "%s\"", indent);
        for (size_t i = 0; i < len; i++) {
                if (text[i] == '\n' && i + 1 < len)
                        fprintf(f, "\\n\"\n%s\"", indent);
                else if (text[i] == '\n')
                        break;
                else if (text[i] == '"' || text[i] == '\\')
                        fprintf(f, "\\%c", text[i]);
                else
                        fputc(text[i], f);
        }
        fputc('"', f);
}

static void print_comment(FILE *f, const struct gen_query *q) {
        const char *name = strrchr(q->file, '/');

        fputs("\n/* ", f);
        for (const char *p = buf_str(&q->doc); *p; p++) {
                fputc(*p, f);
                if (*p == '\n')
                        fputs(" * ", f);
        }
        fprintf(f, "%s(%s) */\n", q->doc.len ? " " : "", name ? name + 1 : q->file);
}

static void print_fields(FILE *f, const struct gen_fields *fields) {
        for (size_t i = 0; i < fields->n; i++) {
                const struct gen_field *x = &fields->items[i];

                if (x->type == GEN_TEXT)
                        fprintf(f, "        const char *%s;%s\n", x->name,
                                x->null ? " /* may be NULL */" : "");
                else if (x->type == GEN_BLOB)
                        fprintf(f, "        const uint8_t *%s;%s\n        size_t %s_len;\n",
                                x->name, x->null ? " /* may be NULL */" : "", x->name);
                else
                        fprintf(f, "        %s %s;\n", x->type == GEN_REAL ? "double" : "int64_t",
                                x->name);
                if (x->null && (x->type == GEN_INT || x->type == GEN_REAL))
                        fprintf(f, "        bool %s_null;\n", x->name);
        }
}

static const char *row_name(const struct gen_query *q) {
        return q->row ? q->row : q->name;
}

static bool row_is_printed(const struct gen *g, const struct gen_query *q) {
        for (const struct gen_query *o = g->queries; o < q; o++) {
                if (str_eq(row_name(o), row_name(q)) && !o->writes)
                        return true;
        }
        return false;
}

static void print_head(FILE *f, const struct gen_query *q, const char *end) {
        fprintf(f, "int %s_%s(struct tx *tx", prefix(q), q->name);
        if (q->in.n)
                fprintf(f, ", const struct %s_%s_in *in", prefix(q), q->name);
        if (!q->writes)
                fprintf(f, ", struct q_%s_row **ret, size_t *ret_n", row_name(q));
        fprintf(f, ", struct err *err)%s\n", end);
}

static void print_header(struct gen *g, FILE *f) {
        fprintf(f,
                "/* Written by gen-sql from schema/: not for editing. */\n#pragma once\n\n"
                "#include \"store-engine.h\"\n\n"
                "extern const struct store_statement %s_statements[];\n"
                "#define %s_statements_count %zu\n"
                "extern const struct store_migration %s_migrations[];\n"
                "#define %s_migrations_count %zu\n",
                g->symbol, g->symbol, g->n_queries, g->symbol, g->symbol, g->n_migrations);
        for (size_t i = 0; i < g->n_queries; i++) {
                const struct gen_query *q = &g->queries[i];

                print_comment(f, q);
                if (q->in.n) {
                        fprintf(f, "struct %s_%s_in {\n", prefix(q), q->name);
                        print_fields(f, &q->in);
                        fputs("};\n", f);
                }
                if (!q->writes && !row_is_printed(g, q)) {
                        fprintf(f, "struct q_%s_row {\n", row_name(q));
                        print_fields(f, &q->out);
                        fputs("};\n", f);
                }
                print_head(f, q, ";");
        }
}

static void print_field_table(FILE *f, const struct gen_fields *fields, const char *name,
                              const char *structure) {
        static const char *const types[GEN_TYPE_MAX] = { "STORE_NULL", "STORE_INT", "STORE_TEXT",
                                                         "STORE_BLOB", "STORE_REAL" };

        if (fields->n == 0)
                return;
        fprintf(f, "static const struct store_field %s[] = {\n", name);
        for (size_t i = 0; i < fields->n; i++) {
                const struct gen_field *x = &fields->items[i];
                bool number = x->type == GEN_INT || x->type == GEN_REAL;

                fprintf(f, "        { \"%s\", %s, %s, offsetof(struct %s, %s), ", x->name,
                        types[x->type], x->null ? "true" : "false", structure, x->name);
                if (x->type == GEN_BLOB)
                        fprintf(f, "offsetof(struct %s, %s_len) },\n", structure, x->name);
                else if (number && x->null)
                        fprintf(f, "offsetof(struct %s, %s_null) },\n", structure, x->name);
                else
                        fputs("0 },\n", f);
        }
        fputs("};\n", f);
}

static void print_field_tables(FILE *f, const struct gen_query *q) {
        cleanup_(freep) char *in = str_format("in_%s", q->name);
        cleanup_(freep) char *out = str_format("out_%s", q->name);
        cleanup_(freep) char *in_struct = str_format("%s_%s_in", prefix(q), q->name);
        cleanup_(freep) char *out_struct = str_format("q_%s_row", row_name(q));

        print_field_table(f, &q->in, in, in_struct);
        if (!q->writes)
                print_field_table(f, &q->out, out, out_struct);
}

static void print_statement(FILE *f, const struct gen_query *q, size_t index) {
        fprintf(f,
                "        { .name = \"%s\", .index = %zu, .inputs = %zu, .columns = %zu, "
                ".writes = %s,\n",
                q->name, index, q->in.n, q->out.n, q->writes ? "true" : "false");
        if (q->in.n)
                fprintf(f, "          .in = in_%s,\n", q->name);
        if (!q->writes)
                fprintf(f, "          .out = out_%s, .row_size = sizeof(struct q_%s_row),\n",
                        q->name, row_name(q));
        fputs("          .sql =\n", f);
        print_text(f, q->sql.data, q->sql.len, "          ");
        fputs(" },\n", f);
}

static void print_function(struct gen *g, FILE *f, const struct gen_query *q, size_t index) {
        const char *in = q->in.n ? "in" : "NULL";

        fputc('\n', f);
        print_head(f, q, " {");
        if (q->writes) {
                fprintf(f, "        return tx_write(tx, &%s_statements[%zu], %s, err);\n}\n",
                        g->symbol, index, in);
                return;
        }
        fprintf(f,
                "        void *rows;\n"
                "        int r = tx_query(tx, &%s_statements[%zu], %s, &rows, ret_n, err);\n\n"
                "        if (r < 0)\n                return r;\n"
                "        *ret = rows;\n        return 0;\n}\n",
                g->symbol, index, in);
}

static void print_migrations(struct gen *g, FILE *f) {
        for (size_t i = 0; i < g->n_migrations; i++) {
                const struct gen_migration *m = &g->migrations[i];

                fprintf(f, "\nstatic const char *const migration_%zu[] = {\n", i + 1);
                for (size_t k = 0; k < m->n; k++) {
                        print_text(f, m->statements[k], strlen(m->statements[k]), "        ");
                        fputs(",\n", f);
                }
                fputs("        NULL\n};\n", f);
        }
        fprintf(f, "\nconst struct store_migration %s_migrations[] = {\n", g->symbol);
        for (size_t i = 0; i < g->n_migrations; i++) {
                const char *name = strrchr(g->migrations[i].file, '/');

                fprintf(f, "        { %zu, \"%s\", migration_%zu, %lld },\n", i + 1,
                        name ? name + 1 : g->migrations[i].file, i + 1,
                        (long long)g->migrations[i].reader);
        }
        fputs("        {}\n};\n", f);
}

int print_all(struct gen *g, FILE *h, FILE *c) {
        print_header(g, h);
        fprintf(c, "/* Written by gen-sql from schema/: not for editing. */\n#include \"%s\"\n\n",
                g->header);
        for (size_t i = 0; i < g->n_queries; i++)
                print_field_tables(c, &g->queries[i]);
        fprintf(c, "\nconst struct store_statement %s_statements[] = {\n", g->symbol);
        for (size_t i = 0; i < g->n_queries; i++)
                print_statement(c, &g->queries[i], i);
        fputs("        {}\n};\n", c);
        for (size_t i = 0; i < g->n_queries; i++)
                print_function(g, c, &g->queries[i], i);
        print_migrations(g, c);
        return fflush(h) == 0 && fflush(c) == 0 && !ferror(h) && !ferror(c) ? 0 : -EIO;
}
