/* SPDX-License-Identifier: Apache-2.0 */
/* gen-sql.h - what the four parts of gen-sql share: a query, its fields, and how a fault is
 * reported
 *
 * schema.c applies the migrations, additive.c looks what they do to the release before, queries.c
 * reads the named queries, check.c prepares them and
 * finds the types of what goes in and comes out, print.c writes the C. Faults are collected, so
 * that one run shows all of them. */
#pragma once

#include "buf.h"

#include <sqlite3.h>

enum gen_type { GEN_NONE, GEN_INT, GEN_TEXT, GEN_BLOB, GEN_REAL, GEN_TYPE_MAX };

struct gen_field {
        char *name;
        enum gen_type type;
        bool null; /* may be NULL */
        int line;
};

struct gen_fields {
        struct gen_field *items;
        size_t n, room;
};

struct gen_query {
        char *name;
        const char *file; /* borrowed from gen_files */
        int line;         /* of its name */
        int sql_line;     /* where its SQL begins */
        struct buf doc, sql;
        struct gen_fields declared_in, declared_out; /* -- in: and -- out: */
        struct gen_fields in, out;
        char *row; /* -- row: NAME: the row struct that it shares, or NULL */
        bool one;  /* -- one: at most one row, by a unique key */
        bool scan_ok;
        bool writes;
};

struct gen_migration {
        int64_t number;
        const char *file; /* borrowed from gen_files */
        char **statements;
        size_t n, room;
        int64_t reader; /* additive.c; 0: any */
};

struct gen_files { /* the *.sql of a folder, sorted; path as given */
        char **paths;
        size_t n, room;
};

struct gen {
        sqlite3 *db;
        const char *schema_dir, *queries_dir;
        const char *symbol; /* "store": names of the tables that are written */
        const char *header; /* name that the .c includes */
        struct gen_files schema_files, query_files;
        struct gen_migration *migrations;
        size_t n_migrations, migrations_room;
        struct gen_query *queries;
        size_t n_queries, queries_room;
        int64_t additive_from; /* number; 0: never */
        int faults;
};

/* A word, number, text or sign of SQL; comments are skipped. */
struct gen_token {
        const char *start;
        size_t len;
        char kind; /* 'w' word, 's' text in quotes, or the sign itself */
};

/* "FILE:LINE: text" on stderr, and counts. */
void gen_fault(struct gen *g, const char *file, int line, const char *fmt, ...) printf_(4, 5);
int gen_line_of(const char *text, size_t offset,
                int first);            /* the line of an offset, counted from FIRST */
char *gen_read_file(const char *path); /* NULL: cannot be read */
void gen_files_add(struct gen_files *f, const char *path);

bool gen_token_next(const char **p, struct gen_token *ret);
bool gen_token_is(const struct gen_token *t, const char *word); /* in any case */
/* What neither a query nor a migration may say: reports it and returns true. */
bool gen_forbidden(struct gen *g, const char *file, int line, const char *sql);

struct gen_field *gen_fields_add(struct gen_fields *f, const char *name, size_t len);
struct gen_field *gen_fields_find(const struct gen_fields *f, const char *name);
enum gen_type gen_type_named(const char *name); /* INT, INTEGER, TEXT, BLOB, REAL; else GEN_NONE */
const char *gen_type_name(enum gen_type type);

void schema_apply(struct gen *g);
/* Before and after the statements of M are run; TEXT is its file. */
void additive_begin(struct gen *g);
void additive_check(struct gen *g, struct gen_migration *m, const char *text);
void queries_read(struct gen *g);
void check_all(struct gen *g);
int print_all(struct gen *g, FILE *h, FILE *c);
