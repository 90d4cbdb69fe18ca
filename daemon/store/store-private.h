/* SPDX-License-Identifier: Apache-2.0 */
/* store-private.h - what the files of the store share; nobody else includes it
 *
 * Three threads: the loop (store.c), the store thread (writer.c) and the read thread (reader.c).
 * `lock` guards the queues and flags; a connection belongs to its thread. */
#pragma once

#include "store-engine.h"

#include <pthread.h>
#include <stdatomic.h>

struct cache;

struct tx_dirty {
        int64_t id;
        enum store_mark kind;
};

/* Calls that ended together, on their way to the loop. */
struct batch {
        struct list link, calls;
        struct tx_dirty *marks;
        size_t n_marks, marks_room, told; /* marks that were told */
        bool tells, readonly;             /* tells: the state changed to `readonly` */
        size_t group_calls;               /* committed together; 0: nothing was */
        int64_t group_us;                 /* from their being taken up until they were durable */
        size_t shed;                      /* calls of the history lane that were refused */
        char why[ERR_TEXT_MAX];
};

/* What loop_post gets: outlives the store when the loop has not run since. */
struct mailbox {
        struct store *store; /* NULL: closed */
        struct mailbox *next_orphan;
};

struct store {
        struct loop *loop;
        struct store_options options;
        char *state_dir;
        const struct store_engine *engine;
        int lock_fd;
        struct store_connection *write, *read;
        struct store_schema schema;
        struct cache *write_cache, *read_cache;
        pthread_t writer, reader;
        bool running; /* both threads are there */

        pthread_mutex_t lock;
        pthread_cond_t wake, wake_reader, ended; /* ended: a call of store_now */
        struct list lanes[STORE_LANE_MAX], reads;
        size_t waiting;        /* in lanes */
        size_t commands;       /* of these in the lane of commands */
        size_t patient;        /* of these that may wait */
        int64_t patient_since; /* real time, when the first of those came */
        size_t expected; /* calls of the last group, and those that came while it was written */
        size_t expected_commands; /* of these */
        int64_t group_us;         /* what the last group took */
        struct list finished;     /* batches */
        struct mailbox *mailbox;
        bool posted, closing, readonly;
        char why[ERR_TEXT_MAX]; /* of readonly */

        int64_t shed_until; /* store thread: history is refused until then */
        _Atomic int64_t generation;
        _Atomic size_t unanswered; /* calls that are out: in lanes, in a thread, in FINISHED */
        _Atomic int faults[STORE_FAULT_MAX];
        void (*on_commit)(void *arg, int64_t generation);
        void *on_commit_arg;
};

/* Memory of one call. */
struct chunk;
struct tx_memory {
        struct chunk *chunks;
};

struct tx_counter {
        char *name;
        int64_t value;
};

/* What the calls of one transaction share. */
#define TX_PUT_MAX 4 /* objects of one charm have one field set, or a few */

struct tx_group {
        struct tx_counter *counters;
        size_t n_counters, counters_room;
        struct batch *batch;                  /* marks go here */
        uint8_t put[TX_PUT_MAX][DIGEST_SIZE]; /* what its calls put into cache.db last */
        size_t n_put;
};

struct tx {
        struct store *store;
        const struct store_engine *engine;
        struct store_connection *connection;
        struct cache *cache;
        struct tx_group *group; /* NULL: reading */
        struct tx_memory *memory;
        int64_t now;
        bool changed; /* something was written */
        int lost;     /* the engine's error that ended the transaction, or -EPERM */
        struct err lost_err;
};

/* tx.c */
void tx_memory_free(struct tx_memory *m);
void tx_group_reset(struct tx_group *g);                  /* counters are read again */
int tx_group_flush(struct tx *tx, struct err *err);       /* counters to their rows */
int tx_lose(struct tx *tx, int r, const struct err *err); /* returns R */
bool tx_is_loss(int r);

/* migrate.c */
struct migration {
        const struct store_engine *engine;
        struct store_connection *connection;
        const struct store_migration *all;
        int from, to; /* numbers: what it has, what it is to have */
        /* In the same transaction, as the last; or NULL. */
        int (*also)(void *arg, struct err *err);
        void *arg;
};
/* All of them or none; fine when there is nothing to do. */
int migrate_run(const struct migration *m, struct err *err);

/* schema.c: model.db to the schema of this program, or as it is where this program may. */
int schema_open(struct store *s, struct err *err);

/* cache.c */
int cache_open(const char *state_dir, bool write, struct cache **ret, struct err *err);
struct cache *cache_close(struct cache *c);
struct store_connection *cache_connection(struct cache *c);
int cache_begin(struct cache *c, struct err *err);  /* fine when begun */
int cache_commit(struct cache *c, struct err *err); /* fine when not begun */
void cache_rollback(struct cache *c);               /* fine when not begun */
int cache_recreate(struct cache *c, struct err *err);
/* Opens again what WRITER made anew: the file that is open here was unlinked. */
void cache_follow(struct cache *c, const struct cache *writer);

/* engine-sqlite.c */
struct engine_sqlite_file {
        const char *path;
        int32_t application_id;
        bool write;
        bool durable; /* a commit is on the disk before it returns */
};
int engine_sqlite_open(const struct engine_sqlite_file *f, struct store_connection **ret,
                       struct err *err);

/* engine-sqlite-check.c */
int engine_sqlite_check(const char *state_dir, struct err *err);

/* batch.c: the way back to the loop */
struct batch *batch_new(void);
void batch_free(struct batch *b);
void batch_end_call(struct store *s, struct batch *b, struct store_call *c, int r); /* lock held */
/* Each once, in their order: before it is sent, and without the lock. */
void batch_sort_marks(struct batch *b);
void batch_send(struct store *s, struct batch *b); /* lock held */
void batch_deliver_all(struct store *s);           /* loop; the threads are gone */
struct mailbox *batch_mailbox_new(struct store *s);
void batch_mailbox_close(struct store *s);

/* store-metrics.c: counters and histograms, written on the loop. */
void store_note_batch(const struct batch *b);

void *writer_thread(void *store);
void *reader_thread(void *store);
/* Lock held. C came: whether the thread is to be woken for it. */
bool writer_takes_note(struct store *s, const struct store_call *c);
bool writer_fault(struct store *s, enum store_fault what); /* whether it strikes now */
