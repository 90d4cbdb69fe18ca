/* SPDX-License-Identifier: Apache-2.0 */
/* store-engine.h - what a store engine is: SQLite now, dqlite later, doubles in tests
 *
 * All functions are called from the store thread (write connection) or the read thread (read
 * connection) and block. A statement is one of the generated table (queries.gen.h), prepared
 * once a connection. */
#pragma once

#include "store.h"

enum store_type { STORE_NULL, STORE_INT, STORE_REAL, STORE_TEXT, STORE_BLOB };

struct store_value {
        enum store_type type;
        int64_t integer;
        double real;
        const void *data; /* text with NUL, or bytes */
        size_t len;
};

/* A member of a generated struct. */
struct store_field {
        const char *name;
        enum store_type type;
        bool null; /* may be NULL: text and bytes as a NULL pointer, numbers by x_null */
        uint16_t offset;
        uint16_t extra; /* offset of x_len, or of x_null of a number that may be NULL; else 0 */
};

struct store_statement { /* a row of the generated table */
        const char *name;
        const char *sql;
        uint16_t index; /* in its table: a connection keeps prepared statements by it */
        uint8_t inputs, columns;
        bool writes;
        const struct store_field *in, *out;
        size_t row_size;
};

/* One file of schema/, cut into statements; NULL ends them. */
struct store_migration {
        int number;
        const char *name;
        const char *const *statements;
        int reader; /* only programs that know this one work on what it made; 0: any */
};

struct store_connection;

typedef int store_row_fn(void *arg, const struct store_value *columns);

struct store_engine {
        const char *name;
        int (*open)(const char *state_dir, bool write, struct store_connection **ret,
                    struct err *err);
        void (*close)(struct store_connection *c);
        /* The schema: number of the last migration; sets it; one statement of a migration. */
        int (*version)(struct store_connection *c, int *ret, struct err *err);
        int (*set_version)(struct store_connection *c, int version, struct err *err);
        int (*script)(struct store_connection *c, const char *sql, struct err *err);
        int (*begin)(struct store_connection *c, struct err *err);
        /* 0; -ENOSPC, -EIO: nothing of it is there; -ENODATA: unknown whether it is there: the
         * group is sent again. */
        int (*commit)(struct store_connection *c, struct err *err);
        void (*rollback)(struct store_connection *c); /* fine without a transaction */
        int (*savepoint)(struct store_connection *c, struct err *err);
        /* keep=false: rolls back to the savepoint. <0: the whole transaction is lost. */
        int (*release)(struct store_connection *c, bool keep, struct err *err);
        /* Runs a statement; ROW (may be NULL) is called for each result row and stops the run by
         * returning <0, which is returned. -EEXIST, -ENOENT, -EINVAL for UNIQUE, FOREIGN KEY and
         * CHECK failures; -ENOSPC, -EIO, -EUCLEAN, -ENODATA: the transaction is lost. */
        int (*exec)(struct store_connection *c, const struct store_statement *s,
                    const struct store_value *inputs, store_row_fn *row, void *arg,
                    int64_t *ret_changes, struct err *err);
        /* A consistent copy into PATH (new, 0600), from any thread, on a connection of its own. */
        int (*backup)(const char *state_dir, const char *path, struct err *err);
        /* Looks at all of it, on a connection of its own; -EUCLEAN: what is wrong. */
        int (*check)(const char *state_dir, struct err *err);
};

extern const struct store_engine store_engine_sqlite;

/* What generated functions call. IN is the struct of inputs (NULL: none); rows live until run
 * returned. */
int tx_query(struct tx *tx, const struct store_statement *s, const void *in, void **ret_rows,
             size_t *ret_n, struct err *err);
int tx_write(struct tx *tx, const struct store_statement *s, const void *in, struct err *err);
