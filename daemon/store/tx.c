/* SPDX-License-Identifier: Apache-2.0 */
/* tx.c - what a call's run works with: typed statements, ids, dirty marks, memory
 *
 * Generated functions come in through tx_query and tx_write with tables of where each field lies
 * in their structs. An error of the engine (not of a statement) is kept in `lost`: every further
 * function fails with it, and the writer gives up the whole transaction, whatever run returns. */
#include "store-private.h"

#include "buf.h"
#include "clock.h"
#include "queries.gen.h"

#include <errno.h>
#include <stdlib.h>

/* Most calls read a row or two, for which the allocator keeps such chunks at hand; a page of rows
 * fits into the largest. What is larger gets a chunk of its own. */
#define CHUNK_FIRST (4u << 10)
#define CHUNK_MAX (32u << 10)

struct chunk {
        struct chunk *next;
        size_t used, room;
        char data[] __attribute__((aligned(16)));
};

/* ---- memory */

void *tx_alloc(struct tx *tx, size_t n) {
        struct chunk *c = tx->memory->chunks;
        void *p;

        n = (n + 15) & ~(size_t)15;
        if (!c || c->room - c->used < n) {
                size_t size =
                        c ? MIN_OF((c->room + sizeof(*c)) * 2, (size_t)CHUNK_MAX) : CHUNK_FIRST;
                size_t room = MAX_OF(n, size - sizeof(*c));

                c = mem_alloc(sizeof(*c) + room);
                c->room = room;
                c->next = tx->memory->chunks;
                tx->memory->chunks = c;
        }
        p = c->data + c->used;
        c->used += n;
        return p;
}

void tx_memory_free(struct tx_memory *m) {
        while (m->chunks) {
                struct chunk *c = m->chunks;

                m->chunks = c->next;
                free(c);
        }
}

char *tx_format(struct tx *tx, const char *fmt, ...) {
        cleanup_(freep) char *text = NULL;
        va_list ap;
        char *p;

        va_start(ap, fmt);
        text = str_vformat(fmt, ap);
        va_end(ap);
        p = tx_alloc(tx, strlen(text) + 1);
        memcpy(p, text, strlen(text) + 1);
        return p;
}

int64_t tx_now(struct tx *tx) {
        return tx->now;
}

void tx_answer(struct store_call *c, const void *data, size_t len) {
        char *copy = mem_alloc(len + 1);

        if (len)
                memcpy(copy, data, len);
        free(c->answer);
        c->answer = copy;
        c->answer_len = len;
}

/* ---- errors of the engine */

bool tx_is_loss(int r) {
        switch (r) {
        case -EEXIST: /* a statement's own: the transaction goes on */
        case -ENOENT:
        case -EINVAL:
        case -E2BIG:
        case -EPROTO:
                return false;
        default:
                return r < 0;
        }
}

int tx_lose(struct tx *tx, int r, const struct err *err) {
        if (!tx->lost) {
                tx->lost = r;
                tx->lost_err = *err;
        }
        return r;
}

static int lost_already(struct tx *tx, struct err *err) {
        if (err)
                *err = tx->lost_err;
        return tx->lost;
}

/* ---- inputs */

static bool number_is_null(const struct store_field *f, const char *in) {
        return f->null && *(const bool *)(in + f->extra);
}

static void read_input(const struct store_field *f, const char *in, struct store_value *v) {
        const char *at = in + f->offset;

        *v = (struct store_value){ .type = f->type };
        switch (f->type) {
        case STORE_INT:
                v->integer = *(const int64_t *)at;
                if (number_is_null(f, in))
                        v->type = STORE_NULL;
                break;
        case STORE_REAL:
                v->real = *(const double *)at;
                if (number_is_null(f, in))
                        v->type = STORE_NULL;
                break;
        case STORE_TEXT:
                v->data = *(const char *const *)at;
                v->len = v->data ? strlen(v->data) : 0;
                break;
        case STORE_BLOB:
                v->data = *(const uint8_t *const *)at;
                v->len = *(const size_t *)(in + f->extra);
                break;
        case STORE_NULL:
                break;
        }
        if ((f->type == STORE_TEXT || f->type == STORE_BLOB) && !v->data)
                v->type = STORE_NULL;
}

static void read_inputs(const struct store_statement *s, const void *in, struct store_value *ret) {
        for (int i = 0; i < s->inputs; i++)
                read_input(&s->in[i], in, &ret[i]);
}

/* ---- rows */

struct rows {
        struct tx *tx;
        const struct store_statement *statement;
        char *data;
        size_t n, room;
        struct err *err;
};

static const void *keep(struct tx *tx, const struct store_value *v) {
        char *p = tx_alloc(tx, v->len + 1);

        if (v->len)
                memcpy(p, v->data, v->len);
        return p;
}

static int write_column(struct rows *rows, const struct store_field *f, const struct store_value *v,
                        char *row) {
        bool null = v->type == STORE_NULL;

        if (null && !f->null)
                return err_set(rows->err, -EPROTO, "%s: %s is NULL: its query must say so",
                               rows->statement->name, f->name);
        if (!null && v->type != f->type)
                return err_set(rows->err, -EPROTO, "%s: %s has another type than its query says",
                               rows->statement->name, f->name);
        switch (f->type) {
        case STORE_INT:
                *(int64_t *)(row + f->offset) = v->integer;
                break;
        case STORE_REAL:
                *(double *)(row + f->offset) = v->real;
                break;
        case STORE_TEXT:
                *(const char **)(row + f->offset) = null ? NULL : keep(rows->tx, v);
                break;
        case STORE_BLOB:
                *(const void **)(row + f->offset) = null ? NULL : keep(rows->tx, v);
                *(size_t *)(row + f->extra) = v->len;
                break;
        case STORE_NULL:
                break;
        }
        if (f->null && (f->type == STORE_INT || f->type == STORE_REAL))
                *(bool *)(row + f->extra) = null;
        return 0;
}

static int add_row(void *arg, const struct store_value *columns) {
        struct rows *rows = arg;
        const struct store_statement *s = rows->statement;
        char *row;

        if (rows->n == STORE_ROWS_MAX)
                return err_set(rows->err, -E2BIG, "%s: more than %d rows", s->name, STORE_ROWS_MAX);
        rows->data = mem_grow(rows->data, &rows->room, rows->n + 1, s->row_size);
        row = rows->data + rows->n++ * s->row_size;
        for (int i = 0; i < s->columns; i++) {
                int r = write_column(rows, &s->out[i], &columns[i], row);

                if (r < 0)
                        return r;
        }
        return 0;
}

int tx_query(struct tx *tx, const struct store_statement *s, const void *in, void **ret_rows,
             size_t *ret_n, struct err *err) {
        struct store_value inputs[UINT8_MAX];
        struct err own = {};
        struct rows rows = { .tx = tx, .statement = s, .err = err ? err : &own };
        void *kept;
        int r;

        if (tx->lost)
                return lost_already(tx, err);
        read_inputs(s, in, inputs);
        r = tx->engine->exec(tx->connection, s, inputs, add_row, &rows, NULL, rows.err);
        if (r < 0) {
                free(rows.data);
                return tx_is_loss(r) ? tx_lose(tx, r, rows.err) : r;
        }
        kept = tx_alloc(tx, rows.n * s->row_size);
        if (rows.n)
                memcpy(kept, rows.data, rows.n * s->row_size);
        free(rows.data);
        *ret_rows = kept;
        *ret_n = rows.n;
        return 0;
}

static int fault_of(struct tx *tx, struct err *err) {
        if (writer_fault(tx->store, STORE_FAULT_FULL))
                return err_set(err, -ENOSPC, "no room left on the disk (fault)");
        if (writer_fault(tx->store, STORE_FAULT_WRITE))
                return err_set(err, -EIO, "the write failed (fault)");
        return 0;
}

int tx_write(struct tx *tx, const struct store_statement *s, const void *in, struct err *err) {
        struct store_value inputs[UINT8_MAX];
        struct err own = {};
        struct err *e = err ? err : &own;
        int64_t changes = 0;
        int r;

        if (tx->lost)
                return lost_already(tx, err);
        if (!tx->group)
                return tx_lose(tx, err_set(e, -EPERM, "%s: a read may not write", s->name), e);
        r = fault_of(tx, e);
        if (r == 0) {
                read_inputs(s, in, inputs);
                r = tx->engine->exec(tx->connection, s, inputs, NULL, NULL, &changes, e);
        }
        if (r < 0)
                return tx_is_loss(r) ? tx_lose(tx, r, e) : r;
        tx->changed = true;
        return MIN_OF(changes, INT32_MAX);
}

/* ---- a call in the call */

int tx_try(struct tx *tx, int (*fn)(struct tx *tx, void *arg, struct err *err), void *arg,
           struct err *err) {
        struct err lost = {};
        size_t marks;
        int r;

        if (tx->lost)
                return lost_already(tx, err);
        if (!tx->group)
                return tx_lose(tx, err_set(&lost, -EPERM, "a read may not try a write"), &lost);
        marks = tx->group->batch->n_marks;
        if (tx->engine->savepoint(tx->connection, &lost) < 0)
                return tx_lose(tx, lost.code, &lost);
        r = fn(tx, arg, err);
        if (tx->lost)
                return tx->lost;
        if (r < 0)
                tx->group->batch->n_marks = marks;
        if (tx->engine->release(tx->connection, r >= 0, &lost) < 0)
                return tx_lose(tx, lost.code, &lost);
        return r;
}

/* ---- ids and marks */

static struct tx_counter *find_counter(struct tx *tx, const char *name) {
        struct tx_group *g = tx->group;
        struct q_counter_get_row *row;
        struct tx_counter *c;
        struct err err = {};
        size_t n;

        for (size_t i = 0; i < g->n_counters; i++) {
                if (str_eq(g->counters[i].name, name))
                        return &g->counters[i];
        }
        if (q_counter_get(tx, &(struct q_counter_get_in){ .name = name }, &row, &n, &err) < 0)
                return NULL;
        g->counters = mem_grow(g->counters, &g->counters_room, g->n_counters + 1, sizeof(*c));
        c = &g->counters[g->n_counters++];
        *c = (struct tx_counter){ .name = str_dup(name), .value = n ? row->value : 0 };
        return c;
}

/* Numbers of a call that failed are skipped, never given again: counters belong to the group, and
 * their rows are written once at its end. */
int64_t tx_id(struct tx *tx, const char *table) {
        struct tx_counter *c;

        if (!tx->group && !tx->lost) {
                struct err err = {};

                tx_lose(tx, err_set(&err, -EPERM, "a read may not take an id"), &err);
        }
        c = tx->lost ? NULL : find_counter(tx, table);
        if (!c)
                return 0;
        tx->changed = true; /* the number may leave in the answer, so it must stay taken */
        return ++c->value;
}

void tx_group_reset(struct tx_group *g) {
        for (size_t i = 0; i < g->n_counters; i++)
                free(g->counters[i].name);
        free(g->counters);
        g->counters = NULL;
        g->n_counters = g->counters_room = 0;
        g->n_put = 0;
}

int tx_group_flush(struct tx *tx, struct err *err) {
        struct tx_group *g = tx->group;

        for (size_t i = 0; i < g->n_counters; i++) {
                struct w_counter_set_in in = { .name = g->counters[i].name,
                                               .value = g->counters[i].value };
                int r = w_counter_set(tx, &in, err);

                if (r < 0)
                        return r;
        }
        return 0;
}

void tx_mark(struct tx *tx, enum store_mark kind, int64_t id) {
        struct batch *b;

        if (!tx->group)
                return;
        b = tx->group->batch;
        b->marks = mem_grow(b->marks, &b->marks_room, b->n_marks + 1, sizeof(*b->marks));
        b->marks[b->n_marks++] = (struct tx_dirty){ .kind = kind, .id = id };
}
