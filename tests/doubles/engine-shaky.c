/* SPDX-License-Identifier: Apache-2.0 */
/* engine-shaky.c - see engine-shaky.h */
#include "engine-shaky.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#define TERM_STATEMENT 1000 /* an index that the generated table does not reach */

struct store_connection {
        struct store_connection *inner;
        bool write, broken;
        int commits;
        bool migrating; /* of the schema: how many there are must not matter */
};

static const struct store_engine *const sqlite = &store_engine_sqlite;
static _Atomic uint64_t next_term;
static _Atomic int unknown;

static int open_shaky(const char *dir, bool write, struct store_connection **ret, struct err *err) {
        struct store_connection *inner;
        int r = sqlite->open(dir, write, &inner, err);

        if (r < 0)
                return r;
        *ret = mem_new(struct store_connection);
        (*ret)->inner = inner;
        (*ret)->write = write;
        return 0;
}

static void close_shaky(struct store_connection *c) {
        if (!c)
                return;
        sqlite->close(c->inner);
        free(c);
}

static int version(struct store_connection *c, int *ret, struct err *err) {
        return sqlite->version(c->inner, ret, err);
}

static int set_version(struct store_connection *c, int n, struct err *err) {
        c->migrating = true;
        return sqlite->set_version(c->inner, n, err);
}

static int script(struct store_connection *c, const char *sql, struct err *err) {
        return sqlite->script(c->inner, sql, err);
}

static int take_term(struct store_connection *c, uint64_t term, struct err *err) {
        static const struct store_statement s = {
                .name = "take_term",
                .index = TERM_STATEMENT,
                .inputs = 1,
                .writes = true,
                .sql = "INSERT INTO setting (name, value) VALUES ('term', :value) "
                       "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        };
        cleanup_(freep) char *text = str_format("%llu", (unsigned long long)term);
        struct store_value v = { .type = STORE_TEXT, .data = text, .len = strlen(text) };
        int r = sqlite->begin(c->inner, err);

        if (r == 0)
                r = sqlite->exec(c->inner, &s, &v, NULL, NULL, NULL, err);
        return r == 0 ? sqlite->commit(c->inner, err) : r;
}

static int begin(struct store_connection *c, struct err *err) {
        uint64_t term = c->write ? atomic_exchange(&next_term, 0) : 0;

        if (c->broken) {
                c->broken = false;
                return err_set(err, -ENODATA, "the connection is gone");
        }
        if (term > 0) {
                int r = take_term(c, term, err);

                if (r < 0)
                        return r;
        }
        return sqlite->begin(c->inner, err);
}

static int commit(struct store_connection *c, struct err *err) {
        bool migrating = c->migrating;
        bool again = !migrating && c->write && ++c->commits % SHAKY_AGAIN_EVERY == 0;
        bool lost = !migrating && c->write && c->commits % SHAKY_LOST_EVERY == 0;
        int r = 0;

        c->migrating = false;
        if (again)
                sqlite->rollback(c->inner);
        else
                r = sqlite->commit(c->inner, err);
        if (r < 0 || (!again && !lost))
                return r;
        c->broken = true;
        atomic_fetch_add(&unknown, 1);
        return err_set(err, -ENODATA, "the connection was lost during the commit");
}

static void rollback(struct store_connection *c) {
        sqlite->rollback(c->inner);
}

static int savepoint(struct store_connection *c, struct err *err) {
        return sqlite->savepoint(c->inner, err);
}

static int release(struct store_connection *c, bool keep, struct err *err) {
        return sqlite->release(c->inner, keep, err);
}

static int exec(struct store_connection *c, const struct store_statement *s,
                const struct store_value *inputs, store_row_fn *row, void *arg,
                int64_t *ret_changes, struct err *err) {
        return sqlite->exec(c->inner, s, inputs, row, arg, ret_changes, err);
}

static int backup(const char *dir, const char *path, struct err *err) {
        return sqlite->backup(dir, path, err);
}

static int check(const char *dir, struct err *err) {
        return sqlite->check(dir, err);
}

void shaky_take_term(uint64_t term) {
        atomic_store(&next_term, term);
}

int shaky_count(void) {
        return atomic_load(&unknown);
}

const struct store_engine store_engine_shaky = {
        .name = "shaky",
        .open = open_shaky,
        .close = close_shaky,
        .version = version,
        .set_version = set_version,
        .script = script,
        .begin = begin,
        .commit = commit,
        .rollback = rollback,
        .savepoint = savepoint,
        .release = release,
        .exec = exec,
        .backup = backup,
        .check = check,
};
