/* SPDX-License-Identifier: Apache-2.0 */
/* gen-sql.c - named SQL in, typed C out; a build step
 *
 *     gen-sql --schema DIR --queries DIR --symbol NAME --header FILE --source FILE [--depfile FILE]
 *             [--additive-from NUMBER]
 *
 * Applies DIR/NNNN-*.sql in order to an empty database in memory, reads the named queries (docs
 * of the form in schema/queries/README), prepares each against that database, and writes one
 * struct and one function a query, a table of all statements, and the migrations cut into
 * statements. What would fail or crawl at run time ends the build with file, line and reason.
 * The dep file names the folders too, so that a new file is noticed. It knows nothing of the
 * daemon; the code that it writes calls tx_query and tx_write (store-engine.h). */
#include "gen-sql.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

enum {
        OPT_SCHEMA = 256,
        OPT_QUERIES,
        OPT_SYMBOL,
        OPT_HEADER,
        OPT_SOURCE,
        OPT_DEPFILE,
        OPT_ADDITIVE
};

struct arguments {
        const char *schema, *queries, *symbol, *header, *source, *depfile, *additive;
        int64_t from; /* that one as a number */
};

void gen_fault(struct gen *g, const char *file, int line, const char *fmt, ...) {
        va_list ap;

        fprintf(stderr, "%s:%d: ", file, line);
        va_start(ap, fmt);
        vfprintf(stderr, fmt, ap);
        va_end(ap);
        fputc('\n', stderr);
        g->faults++;
}

int gen_line_of(const char *text, size_t offset, int first) {
        for (size_t i = 0; i < offset && text[i]; i++)
                first += text[i] == '\n';
        return first;
}

char *gen_read_file(const char *path) {
        cleanup_(fclosep) FILE *f = fopen(path, "re");
        struct buf text = BUF_INIT;
        char chunk[4096];
        size_t n;

        if (!f)
                return NULL;
        while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
                buf_add(&text, chunk, n);
        return buf_take(&text);
}

void gen_files_add(struct gen_files *f, const char *path) {
        f->paths = mem_grow(f->paths, &f->room, f->n + 1, sizeof(*f->paths));
        f->paths[f->n++] = str_dup(path);
}

static int is_sql(const struct dirent *e) {
        return e->d_name[0] != '.' && str_ends(e->d_name, ".sql");
}

static void list_files(struct gen *g, const char *dir, struct gen_files *ret) {
        struct dirent **entries = NULL;
        int n = scandir(dir, &entries, is_sql, alphasort);

        if (n < 0)
                gen_fault(g, dir, 0, "cannot be read: %s", strerror(errno));
        for (int i = 0; i < n; i++) {
                cleanup_(freep) char *path = str_format("%s/%s", dir, entries[i]->d_name);

                gen_files_add(ret, path);
                free(entries[i]);
        }
        free(entries);
}

static void free_fields(struct gen_fields *f) {
        for (size_t i = 0; i < f->n; i++)
                free(f->items[i].name);
        free(f->items);
}

static void free_query(struct gen_query *q) {
        free(q->name);
        free(q->row);
        buf_free(&q->doc);
        buf_free(&q->sql);
        free_fields(&q->declared_in);
        free_fields(&q->declared_out);
        free_fields(&q->in);
        free_fields(&q->out);
}

static void free_files(struct gen_files *f) {
        for (size_t i = 0; i < f->n; i++)
                free(f->paths[i]);
        free(f->paths);
}

static void gen_deinit(struct gen *g) {
        for (size_t i = 0; i < g->n_queries; i++)
                free_query(&g->queries[i]);
        free(g->queries);
        for (size_t i = 0; i < g->n_migrations; i++) {
                for (size_t k = 0; k < g->migrations[i].n; k++)
                        free(g->migrations[i].statements[k]);
                free(g->migrations[i].statements);
        }
        free(g->migrations);
        free_files(&g->schema_files);
        free_files(&g->query_files);
        sqlite3_close(g->db);
}

static int write_depfile(struct gen *g, const struct arguments *a) {
        cleanup_(fclosep) FILE *f = fopen(a->depfile, "we");

        if (!f)
                return -errno;
        fprintf(f, "%s %s: %s %s", a->header, a->source, g->schema_dir, g->queries_dir);
        for (size_t i = 0; i < g->schema_files.n; i++)
                fprintf(f, " %s", g->schema_files.paths[i]);
        for (size_t i = 0; i < g->query_files.n; i++)
                fprintf(f, " %s", g->query_files.paths[i]);
        fputc('\n', f);
        return 0;
}

static int write_files(struct gen *g, const struct arguments *a) {
        cleanup_(fclosep) FILE *h = fopen(a->header, "we");
        cleanup_(fclosep) FILE *c = fopen(a->source, "we");
        const char *slash = strrchr(a->header, '/');

        if (!h || !c)
                return -EIO;
        g->header = slash ? slash + 1 : a->header;
        return print_all(g, h, c);
}

static bool read_arguments(int argc, char **argv, struct arguments *a) {
        static const struct option options[] = {
                { "schema", required_argument, NULL, OPT_SCHEMA },
                { "queries", required_argument, NULL, OPT_QUERIES },
                { "symbol", required_argument, NULL, OPT_SYMBOL },
                { "header", required_argument, NULL, OPT_HEADER },
                { "source", required_argument, NULL, OPT_SOURCE },
                { "depfile", required_argument, NULL, OPT_DEPFILE },
                { "additive-from", required_argument, NULL, OPT_ADDITIVE },
                {},
        };
        const char **places[] = { &a->schema, &a->queries, &a->symbol,  &a->header,
                                  &a->source, &a->depfile, &a->additive };
        int o;

        while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
                if (o < OPT_SCHEMA)
                        return false;
                *places[o - OPT_SCHEMA] = optarg;
        }
        return optind == argc && a->schema && a->queries && a->symbol && a->header && a->source &&
               (!a->additive || str_to_int(a->additive, &a->from));
}

int main(int argc, char **argv) {
        cleanup_(gen_deinit) struct gen g = {};
        struct arguments a = {};

        if (!read_arguments(argc, argv, &a)) {
                fprintf(stderr,
                        "usage: gen-sql --schema DIR --queries DIR --symbol NAME "
                        "--header FILE --source FILE [--depfile FILE] [--additive-from NUMBER]\n");
                return 2;
        }
        g.schema_dir = a.schema;
        g.queries_dir = a.queries;
        g.symbol = a.symbol;
        g.additive_from = a.from;
        list_files(&g, a.schema, &g.schema_files);
        list_files(&g, a.queries, &g.query_files);
        if (g.faults == 0)
                schema_apply(&g);
        if (g.faults == 0)
                queries_read(&g);
        check_all(&g);
        if (g.faults > 0)
                return 1;
        if (a.depfile && write_depfile(&g, &a) < 0) {
                fprintf(stderr, "%s: cannot be written\n", a.depfile);
                return 1;
        }
        if (write_files(&g, &a) < 0) {
                fprintf(stderr, "%s: cannot be written\n", a.header);
                return 1;
        }
        return 0;
}
