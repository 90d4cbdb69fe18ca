/* SPDX-License-Identifier: Apache-2.0 */
/* store-engine.h - what a store engine is: SQLite now, dqlite later, doubles in tests
 *
 * All functions are called from the store thread (write connection) or the read thread (read connection) and block.
 * A statement is one of the generated table (queries.gen.h), prepared once a connection. */
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

struct store_statement { /* a row of the generated table */
        const char *name;
        const char *sql;
        uint8_t inputs, columns;
        bool writes;
};

struct store_connection;

struct store_engine {
        const char *name;
        int (*open)(const char *state_dir, bool write, struct store_connection **ret, struct err *err);
        void (*close)(struct store_connection *c);
        int (*begin)(struct store_connection *c, struct err *err);
        /* 0; -ENOSPC, -EIO: nothing of it is there; -ENODATA: unknown whether it is there: run the group again. */
        int (*commit)(struct store_connection *c, struct err *err);
        void (*rollback)(struct store_connection *c);
        int (*savepoint)(struct store_connection *c, struct err *err);
        void (*release)(struct store_connection *c, bool keep); /* keep=false: rolls back to the savepoint */
        /* Runs a statement; ROW (may be NULL) is called for each result row and stops the run by returning <0.
         * -EEXIST, -ENOENT, -EINVAL for UNIQUE, FOREIGN KEY and CHECK failures. */
        int (*exec)(struct store_connection *c, const struct store_statement *s, const struct store_value *inputs,
                    int (*row)(void *arg, const struct store_value *columns), void *arg, int64_t *ret_changes,
                    struct err *err);
};

extern const struct store_engine store_engine_sqlite;
