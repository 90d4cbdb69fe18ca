/* SPDX-License-Identifier: Apache-2.0 */
/* writer.c - the store thread: takes what waits, runs it in one transaction, commits, sends it
 * back
 *
 *      wait ─▶ take a group ─▶ each call in a savepoint ─▶ commit ─▶ marks, results to the loop
 *                    ▲                │ engine fails            │ unknown
 *                    └─ shed history ─┤ full                    └─▶ is its row there? else again
 *                                     └▶ read-only: all fail, a probe each STORE_PROBE_MS
 *
 * A group that writes leaves a row of its own id among the recorded answers. After a commit of
 * unknown outcome that row tells whether it is there, so that nothing is lost and nothing is
 * done twice, also for calls without a request id. */
#include "store-private.h"

#include "clock.h"
#include "log.h"
#include "queries.gen.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define LOWER_LANE_SHARE 16      /* places of a group that commands leave to each lane below them */
#define UNKNOWN_TRIES_MAX 60     /* how often a group of unknown outcome is sent: about a minute */
#define UNKNOWN_WAIT_MAX_MS 1000 /* between two of them */
#define BUSY_TRIES_MAX 3         /* each waits the engine's own busy time */
#define SHED_MS 2000             /* how long the history lane is refused after the disk was full */
#define PROBE_BYTES (64u << 10)  /* a probe writes this much: room for more than one small row */

struct group {
        struct list calls;
        struct tx_group tx;
        char name[40]; /* its id; the same when it is sent again */
        int tries;
        int64_t committed; /* calls that wrote, in the last run */
        bool outcome_unknown;
        int64_t began; /* real_us, when it was taken */
        struct err err;
};

static void wait_until(struct timespec *t, int64_t us) {
        clock_gettime(CLOCK_MONOTONIC, t);
        t->tv_nsec += us % 1000000 * 1000;
        t->tv_sec += us / 1000000 + t->tv_nsec / 1000000000;
        t->tv_nsec %= 1000000000;
}

/* A real clock, because a real thread waits by it. */
static int64_t real_us(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * (int64_t)1000000 + t.tv_nsec / 1000;
}

static int64_t real_ms(void) {
        return real_us() / 1000;
}

/* Between two tries; not while closing. */
static void pause_ms(struct store *s, int64_t ms) {
        struct timespec t;

        wait_until(&t, ms * 1000);
        pthread_mutex_lock(&s->lock);
        while (!s->closing && pthread_cond_timedwait(&s->wake, &s->lock, &t) == 0)
                ;
        pthread_mutex_unlock(&s->lock);
}

bool writer_fault(struct store *s, enum store_fault what) {
        int n = atomic_load(&s->faults[what]);

        if (n == 0)
                return false;
        if (n == 1) {
                if (what != STORE_FAULT_FULL)
                        atomic_store(&s->faults[what], 0);
                return true;
        }
        /* Lost when store_fault sets another value meanwhile: then that one counts. */
        atomic_compare_exchange_strong(&s->faults[what], &n, n - 1);
        return false;
}

static struct tx new_tx(struct store *s, struct tx_group *group, struct tx_memory *memory) {
        return (struct tx){ .store = s,
                            .engine = s->engine,
                            .connection = s->write,
                            .cache = s->write_cache,
                            .group = group,
                            .memory = memory,
                            .now = clock_wall() };
}

/* ---- one call */

static int check_term(struct tx *tx, const struct store_call *c, struct err *err) {
        struct q_setting_get_in in = { .name = "term" };
        struct q_setting_get_row *row;
        uint64_t term;
        size_t n;
        int r;

        if (c->term == 0)
                return 0;
        r = q_setting_get(tx, &in, &row, &n, err);
        if (r < 0)
                return r;
        term = n ? strtoull(row->value, NULL, 10) : 0;
        if (term == c->term)
                return 0;
        return err_set(err, -ESTALE, "term %llu is over, it is term %llu: another controller leads",
                       (unsigned long long)c->term, (unsigned long long)term);
}

/* 1: the same request was answered before; the answer is in C and its result in *RET. */
static int recorded(struct tx *tx, struct store_call *c, int *ret, struct err *err) {
        struct q_request_get_in in = { .name = c->request };
        struct q_request_get_row *row;
        size_t n;
        int r;

        if (!c->request[0])
                return 0;
        r = q_request_get(tx, &in, &row, &n, err);
        if (r < 0 || n == 0)
                return r;
        if (row->answer)
                tx_answer(c, row->answer, row->answer_len);
        *ret = row->result;
        return 1;
}

static int record(struct tx *tx, const char *name, int result, const void *answer, size_t len,
                  struct err *err) {
        struct w_request_insert_in in = { .name = name,
                                          .serial = tx_id(tx, "request"),
                                          .result = result,
                                          .answer = answer,
                                          .answer_len = len,
                                          .at = tx->now };
        struct w_request_prune_in old = { .serial = in.serial - STORE_REQUEST_KEEP };
        int r = w_request_insert(tx, &in, err);

        if (r >= 0 && old.serial > 0)
                r = w_request_prune(tx, &old, err);
        return MIN_OF(r, 0);
}

static int run_body(struct tx *tx, struct store_call *c, struct err *err) {
        int r = c->run(tx, c, err);
        int w;

        if (r < 0 || !c->request[0])
                return r;
        if (c->answer_len > STORE_ANSWER_MAX)
                return err_set(err, -E2BIG, "the answer has %zu bytes, %u can be recorded",
                               c->answer_len, STORE_ANSWER_MAX);
        w = record(tx, c->request, r, c->answer, c->answer_len, err);
        return w < 0 ? w : r;
}

static void drop_answer(struct store_call *c) {
        free(c->answer);
        c->answer = NULL;
        c->answer_len = 0;
}

static int in_savepoint(struct store *s, struct group *g, struct tx *tx, struct store_call *c) {
        size_t marks = g->tx.batch->n_marks;
        struct err err = {};
        int r = s->engine->savepoint(tx->connection, &err);

        if (r < 0)
                return tx_lose(tx, r, &err);
        r = run_body(tx, c, &c->err);
        if (tx->lost)
                return tx->lost;
        if (r < 0) {
                g->tx.batch->n_marks = marks;
                drop_answer(c);
        } else if (tx->changed) {
                g->committed++;
        }
        if (s->engine->release(tx->connection, r >= 0, &err) < 0)
                return tx_lose(tx, err.code, &err);
        return r;
}

/* <0: the transaction is lost; else the call's own result is in it. */
static int run_call(struct store *s, struct group *g, struct store_call *c) {
        struct tx_memory memory = {};
        struct tx tx = new_tx(s, &g->tx, &memory);
        int result = 0;
        int r;

        drop_answer(c);
        c->err = (struct err){};
        r = check_term(&tx, c, &c->err);
        if (r == 0) {
                r = recorded(&tx, c, &result, &c->err);
                if (r == 1)
                        r = result;
                else if (r == 0)
                        r = in_savepoint(s, g, &tx, c);
        }
        c->result = r;
        if (tx.lost)
                g->err = tx.lost_err;
        tx_memory_free(&memory);
        return tx.lost;
}

/* ---- one transaction */

static int found_group(struct tx *tx, struct group *g) {
        struct q_request_get_in in = { .name = g->name };
        struct q_request_get_row *row;
        size_t n;
        int r = q_request_get(tx, &in, &row, &n, &g->err);

        return r < 0 ? r : n > 0;
}

static int finish(struct store *s, struct group *g, struct tx *tx) {
        int64_t generation = atomic_load(&s->generation) + g->committed;
        struct w_counter_set_in in = { .name = "generation", .value = generation };
        int r = record(tx, g->name, 0, NULL, 0, &g->err);

        if (r >= 0)
                r = tx_group_flush(tx, &g->err);
        if (r >= 0)
                r = w_counter_set(tx, &in, &g->err);
        if (r < 0)
                return r;
        if (writer_fault(s, STORE_FAULT_COMMIT))
                return err_set(&g->err, -EIO, "the commit failed (fault)");
        r = s->engine->commit(tx->connection, &g->err);
        if (r == 0 && writer_fault(s, STORE_FAULT_UNKNOWN))
                return err_set(&g->err, -ENODATA, "the commit's outcome is unknown (fault)");
        return r;
}

/* 1: the last try is there after all, its results stand. */
static int begin_group(struct store *s, struct group *g, struct tx *tx) {
        int r = s->engine->begin(s->write, &g->err);

        if (r == 0 && g->outcome_unknown)
                r = found_group(tx, g);
        if (r != 0)
                return r;
        g->outcome_unknown = false;
        g->committed = 0;
        g->tx.batch->n_marks = 0;
        tx_group_reset(&g->tx);
        return 0;
}

static int run_calls(struct store *s, struct group *g) {
        list_each(l, &g->calls) {
                int r = run_call(s, g, list_entry(l, struct store_call, link));

                if (r < 0)
                        return r;
        }
        return cache_commit(s->write_cache, &g->err);
}

/* Everything of one try. 0: durable, or nothing was to be written. */
static int try_group(struct store *s, struct group *g) {
        struct tx_memory memory = {};
        struct tx tx = new_tx(s, &g->tx, &memory);
        int r = begin_group(s, g, &tx);
        bool there = r == 1;

        if (r == 0)
                r = run_calls(s, g);
        if (r == 0 && g->committed > 0) {
                r = finish(s, g, &tx);
                g->outcome_unknown = r == -ENODATA;
        }
        if (r < 0)
                cache_rollback(s->write_cache);
        if (r < 0 || there || g->committed == 0)
                s->engine->rollback(s->write);
        tx_memory_free(&memory);
        return MIN_OF(r, 0);
}

/* ---- what becomes of a group that could not be committed */

static void set_readonly(struct store *s, struct batch *b, bool readonly, const char *why) {
        if (s->readonly == readonly)
                return;
        s->readonly = b->readonly = readonly;
        b->tells = true;
        str_copy(b->why, sizeof(b->why), why);
        str_copy(s->why, sizeof(s->why), why);
}

/* Ends the calls of LANE (or all: STORE_LANE_MAX) with R. Lock held. */
static size_t fail_calls(struct store *s, struct group *g, enum store_lane lane, int r,
                         const char *text) {
        size_t n = 0;

        list_each(l, &g->calls) {
                struct store_call *c = list_entry(l, struct store_call, link);

                if (lane != STORE_LANE_MAX && c->lane != lane)
                        continue;
                list_unlink(l);
                drop_answer(c);
                err_set(&c->err, r, "%s", text);
                batch_end_call(s, g->tx.batch, c, r);
                n++;
                g->tx.batch->shed += c->lane == STORE_HISTORY && r == -ENOSPC;
        }
        return n;
}

static bool shed(struct store *s, struct group *g) {
        size_t n;

        pthread_mutex_lock(&s->lock);
        n = fail_calls(s, g, STORE_HISTORY, -ENOSPC, "the disk is full: history is not kept");
        pthread_mutex_unlock(&s->lock);
        if (n > 0 && s->shed_until == 0)
                log_plain(LOG_WARNING, "history-shed", "the disk is full: history is not kept");
        if (n > 0)
                s->shed_until = real_ms() + SHED_MS;
        return n > 0;
}

/* Whether to send the group again. */
static bool try_again(struct store *s, struct group *g, int r) {
        g->tries++;
        switch (r) {
        case -ENODATA:
                if (g->tries > 1)
                        pause_ms(s, MIN_OF(10 << MIN_OF(g->tries, 10), UNKNOWN_WAIT_MAX_MS));
                return g->tries < UNKNOWN_TRIES_MAX;
        case -EBUSY:
                return g->tries < BUSY_TRIES_MAX;
        case -ENOSPC:
                return shed(s, g);
        default:
                return false;
        }
}

static void give_up(struct store *s, struct group *g, int r) {
        bool disk = r == -ENOSPC || r == -EIO || r == -EUCLEAN || r == -EROFS;
        int code = g->outcome_unknown ? -ENODATA : disk ? -EROFS : r;
        cleanup_(freep) char *text = str_format(
                "%s%s", g->outcome_unknown ? "it is not known whether this was written: " : "",
                err_text(&g->err));

        g->tx.batch->n_marks = 0;
        pthread_mutex_lock(&s->lock);
        if (disk)
                set_readonly(s, g->tx.batch, true, text);
        fail_calls(s, g, STORE_LANE_MAX, code, text);
        pthread_mutex_unlock(&s->lock);
}

static void succeed(struct store *s, struct group *g) {
        int64_t generation = atomic_fetch_add(&s->generation, g->committed) + g->committed;
        void (*on_commit)(void *, int64_t);
        struct list *l;

        pthread_mutex_lock(&s->lock);
        on_commit = s->on_commit;
        pthread_mutex_unlock(&s->lock);
        if (g->committed > 0 && on_commit)
                on_commit(s->on_commit_arg, generation);
        g->tx.batch->group_calls = (size_t)g->committed;
        g->tx.batch->group_us = real_us() - g->began;
        pthread_mutex_lock(&s->lock);
        while ((l = list_pop(&g->calls))) {
                struct store_call *c = list_entry(l, struct store_call, link);

                batch_end_call(s, g->tx.batch, c, c->result);
        }
        pthread_mutex_unlock(&s->lock);
}

static void run_group(struct store *s, struct group *g) {
        uint8_t id[16];
        int r;

        digest_random(id, sizeof(id));
        digest_hex(id, sizeof(id), g->name);
        do {
                r = list_empty(&g->calls) ? 0 : try_group(s, g);
        } while (r < 0 && try_again(s, g, r));
        if (r < 0)
                give_up(s, g, r);
        else
                succeed(s, g);
        tx_group_reset(&g->tx);
        batch_sort_marks(g->tx.batch);
        pthread_mutex_lock(&s->lock);
        batch_send(s, g->tx.batch);
        pthread_mutex_unlock(&s->lock);
}

/* ---- read-only: try to write now and then */

static void probe(struct store *s) {
        struct tx_memory memory = {};
        struct tx_group group = { .batch = batch_new() };
        struct tx tx = new_tx(s, &group, &memory);
        struct w_request_delete_in gone = { .name = "probe" };
        struct err err = {};
        int r = s->engine->begin(s->write, &err);

        if (r == 0)
                r = w_request_delete(&tx, &gone, &err);
        if (r >= 0)
                r = record(&tx, gone.name, 0, tx_alloc(&tx, PROBE_BYTES), PROBE_BYTES, &err);
        if (r >= 0)
                r = tx_group_flush(&tx, &err);
        if (r >= 0)
                r = s->engine->commit(s->write, &err);
        if (r < 0)
                s->engine->rollback(s->write);
        tx_group_reset(&group);
        tx_memory_free(&memory);
        pthread_mutex_lock(&s->lock);
        if (r >= 0)
                set_readonly(s, group.batch, false, "");
        batch_send(s, group.batch);
        pthread_mutex_unlock(&s->lock);
}

/* Nobody writes: are the files still where they were? Lock held, but not meanwhile. */
static void look(struct store *s) {
        struct batch *b = batch_new();
        struct err err = {};
        int r;

        pthread_mutex_unlock(&s->lock);
        r = s->engine->begin(s->write, &err);
        s->engine->rollback(s->write);
        pthread_mutex_lock(&s->lock);
        if (r == -EROFS)
                set_readonly(s, b, true, err_text(&err));
        batch_send(s, b);
}

/* ---- the thread. Lock held in all of these. */

static size_t group_max(const struct store *s) {
        return s->options.group_max ? s->options.group_max : STORE_GROUP_MAX;
}

bool writer_takes_note(struct store *s, const struct store_call *c) {
        if (!c->patient)
                return true;
        if (!s->patient++)
                s->patient_since = real_us();
        return s->patient == 1 || s->waiting >= STORE_PATIENT_MAX;
}

static bool all_are_patient(const struct store *s) {
        return s->waiting == s->patient && s->waiting < STORE_PATIENT_MAX && !s->closing;
}

/* True: their time is over, and there is nobody else. */
static bool wait_patiently(struct store *s) {
        struct timespec t;
        int64_t left = s->patient_since + STORE_PATIENT_US - real_us();

        wait_until(&t, MAX_OF(left, 0));
        while (all_are_patient(s))
                if (pthread_cond_timedwait(&s->wake, &s->lock, &t) != 0)
                        return all_are_patient(s);
        return false;
}

static bool must_wait(const struct store *s) {
        return s->waiting == 0 && !s->closing && !s->readonly;
}

/* Whoever was answered by the last group is likely to come again, beside those that came while
 * it was written: two crowds that take turns become one. Where there are several commands only
 * they are waited for: what the loop wrote between them does not come again. */
static bool has_company(const struct store *s) {
        if (s->expected_commands > 1)
                return s->commands >= MIN_OF(s->expected_commands, group_max(s));
        return s->waiting >= MIN_OF(s->expected, group_max(s));
}

static void wait_for_company(struct store *s) {
        struct timespec t;

        wait_until(&t,
                   MAX_OF(STORE_GROUP_WAIT_US, MIN_OF(s->group_us / 2, STORE_GROUP_WAIT_MAX_US)));
        while (!s->closing && !has_company(s)) {
                if (pthread_cond_timedwait(&s->wake, &s->lock, &t) != 0)
                        return;
        }
}

static void wait_for_calls(struct store *s) {
        struct timespec t;

        while (must_wait(s)) {
                wait_until(&t, STORE_LOOK_MS * 1000);
                if (pthread_cond_timedwait(&s->wake, &s->lock, &t) != 0 && must_wait(s))
                        look(s);
        }
        if (s->readonly && s->waiting == 0 && !s->closing) {
                wait_until(&t, STORE_PROBE_MS * 1000);
                pthread_cond_timedwait(&s->wake, &s->lock, &t);
                return;
        }
        if (!wait_patiently(s))
                wait_for_company(s);
}

static size_t take_lane(struct store *s, enum store_lane lane, struct list *to, size_t max) {
        struct list *l;
        size_t n = 0;

        while (n < max && (l = list_pop(&s->lanes[lane]))) {
                s->patient -= list_entry(l, struct store_call, link)->patient;
                list_append(to, l);
                n++;
        }
        s->waiting -= n;
        s->commands -= lane == STORE_COMMAND ? n : 0;
        return n;
}

static void take_group(struct store *s, struct group *g) {
        size_t room = group_max(s);

        for (int lane = 0; lane < STORE_LANE_MAX; lane++) {
                size_t below = 0;

                for (int i = lane + 1; i < STORE_LANE_MAX; i++)
                        below += list_empty(&s->lanes[i]) ? 0 : LOWER_LANE_SHARE;
                room -= take_lane(s, lane, &g->calls,
                                  room > below ? room - below : MIN_OF(room, 1u));
        }
}

/* History is refused for a while after it had to be shed; everything while read-only. */
static void refuse(struct store *s, struct group *g) {
        if (s->shed_until && real_ms() < s->shed_until)
                fail_calls(s, g, STORE_HISTORY, -ENOSPC, "the disk is full: history is not kept");
        else
                s->shed_until = 0;
        if (s->readonly)
                fail_calls(s, g, STORE_LANE_MAX, -EROFS, s->why);
}

void *writer_thread(void *arg) {
        struct store *s = arg;
        bool end = false;

        pthread_setname_np(pthread_self(), "store");
        pthread_mutex_lock(&s->lock);
        while (!end) {
                struct group g = {};
                size_t taken, commands;

                wait_for_calls(s);
                g.began = real_us();
                list_init(&g.calls);
                g.tx.batch = batch_new();
                taken = s->waiting;
                commands = s->commands;
                take_group(s, &g);
                taken -= s->waiting;
                commands -= s->commands;
                refuse(s, &g);
                end = s->closing && s->waiting == 0;
                pthread_mutex_unlock(&s->lock);
                if (s->readonly && !end)
                        probe(s);
                run_group(s, &g);
                pthread_mutex_lock(&s->lock);
                s->group_us = real_us() - g.began;
                s->expected = taken + s->waiting;
                s->expected_commands = commands + s->commands;
        }
        pthread_mutex_unlock(&s->lock);
        return NULL;
}
