/* SPDX-License-Identifier: Apache-2.0 */
/* engine-gate.c - see engine-gate.h */
#include "engine-gate.h"

#include <pthread.h>
#include <stdlib.h>

struct store_connection {
        struct store_connection *inner;
        bool write;
};

static const struct store_engine *const sqlite = &store_engine_sqlite;

static struct {
        pthread_mutex_t lock;
        pthread_cond_t opened;
        const char *statement; /* NULL: open */
        bool reached;
} gate = { .lock = PTHREAD_MUTEX_INITIALIZER, .opened = PTHREAD_COND_INITIALIZER };

void gate_shut(const char *statement) {
        pthread_mutex_lock(&gate.lock);
        gate.statement = statement;
        gate.reached = false;
        pthread_mutex_unlock(&gate.lock);
}

bool gate_reached(void) {
        bool reached;

        pthread_mutex_lock(&gate.lock);
        reached = gate.reached;
        pthread_mutex_unlock(&gate.lock);
        return reached;
}

void gate_open(void) {
        pthread_mutex_lock(&gate.lock);
        gate.statement = NULL;
        pthread_cond_broadcast(&gate.opened);
        pthread_mutex_unlock(&gate.lock);
}

static void pass(const struct store_statement *s) {
        pthread_mutex_lock(&gate.lock);
        while (gate.statement && str_eq(gate.statement, s->name)) {
                gate.reached = true;
                pthread_cond_wait(&gate.opened, &gate.lock);
        }
        pthread_mutex_unlock(&gate.lock);
}

/* ---- the engine */

static int open_gate(const char *dir, bool write, struct store_connection **ret, struct err *err) {
        struct store_connection *inner;
        int r = sqlite->open(dir, write, &inner, err);

        if (r < 0)
                return r;
        *ret = mem_new(struct store_connection);
        **ret = (struct store_connection){ inner, write };
        return 0;
}

static void close_gate(struct store_connection *c) {
        if (!c)
                return;
        sqlite->close(c->inner);
        free(c);
}

static int version(struct store_connection *c, int *ret, struct err *err) {
        return sqlite->version(c->inner, ret, err);
}

static int set_version(struct store_connection *c, int n, struct err *err) {
        return sqlite->set_version(c->inner, n, err);
}

static int script(struct store_connection *c, const char *sql, struct err *err) {
        return sqlite->script(c->inner, sql, err);
}

static int begin(struct store_connection *c, struct err *err) {
        return sqlite->begin(c->inner, err);
}

static int commit(struct store_connection *c, struct err *err) {
        return sqlite->commit(c->inner, err);
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
        int r = sqlite->exec(c->inner, s, inputs, row, arg, ret_changes, err);

        if (!c->write)
                pass(s);
        return r;
}

static int backup(const char *dir, const char *path, struct err *err) {
        return sqlite->backup(dir, path, err);
}

const struct store_engine store_engine_gate = {
        .name = "gate",
        .open = open_gate,
        .close = close_gate,
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
};
