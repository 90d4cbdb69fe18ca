/* SPDX-License-Identifier: Apache-2.0 */
/* engine-gate.c - see engine-gate.h */
#include "engine-gate.h"

#include <pthread.h>

static struct {
        pthread_mutex_t lock;
        pthread_cond_t opened;
        const char *statement; /* NULL: open */
        bool reached;
        const struct store_connection *writer; /* its statements all pass */
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

/* ---- the engine: SQLite's own, but for these two */

static int open_gate(const char *dir, bool write, struct store_connection **ret, struct err *err) {
        int r = store_engine_sqlite.open(dir, write, ret, err);

        if (r >= 0 && write)
                gate.writer = *ret;
        return r;
}

static int exec(struct store_connection *c, const struct store_statement *s,
                const struct store_value *inputs, store_row_fn *row, void *arg,
                int64_t *ret_changes, struct err *err) {
        int r = store_engine_sqlite.exec(c, s, inputs, row, arg, ret_changes, err);

        if (c != gate.writer)
                pass(s);
        return r;
}

const struct store_engine *gate_engine(void) {
        static struct store_engine engine;

        engine = store_engine_sqlite;
        engine.name = "gate";
        engine.open = open_gate;
        engine.exec = exec;
        return &engine;
}
