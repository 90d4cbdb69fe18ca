/* SPDX-License-Identifier: Apache-2.0 */
/* store.h - the only truth: two SQLite files behind one call, committed in groups on a thread of its own
 *
 * model.db: what cannot be made again. cache.db: documents by hash, may be deleted at any time.
 * A write is a struct store_call with a `run` that works on the store thread inside a savepoint, may run again (a
 * group is redone when its commit's outcome is unknown), and touches only its input, the transaction and its answer;
 * and a `done` that comes back on the loop once the group is durable. Writes that wait are committed together, oldest
 * first, lane by lane. The same request id gets the recorded answer without running again. Rows are numbered from
 * counters (tx_id), never by last_insert_rowid. Keys marked dirty are handed to the mark function after the commit and
 * before `done`. The term of a call is checked inside its transaction. Reads have a thread of their own.
 *
 * SQL lives in schema/: tools/gen-sql writes one struct and one function a named query (queries.gen.h); a misspelt
 * column, an unindexed scan, or a read without LIMIT breaks the build. Engines: SQLite here, dqlite later, `shaky` in
 * tests, all behind struct store_engine (store-engine.h). */
#pragma once

#include "digest.h"
#include "err.h"
#include "list.h"
#include "loop.h"

#define STORE_GROUP_MAX 256         /* writes in one commit: bounds how long a commit holds up the next one */
#define STORE_GROUP_WAIT_US 100     /* a lone write waits this long for company: measured to gain 10-30 % with slow disks */
#define STORE_QUEUE_MAX 100000      /* calls that wait; beyond: -EBUSY to commands, loop lanes block their own keys */
#define STORE_ROWS_MAX 10000        /* rows one read may return; every query has a LIMIT of its own below this */
#define STORE_REQUEST_KEEP 100000   /* recorded answers; oldest go first */
#define STORE_ANSWER_MAX (64u << 10)

struct store;
struct tx;

enum store_lane {
        STORE_COMMAND, /* what a person asked: first */
        STORE_LOOP,    /* what the reconciler found or did */
        STORE_HISTORY, /* ledger, status history: dropped first when the disk is full */
        STORE_LANE_MAX
};

/* What became dirty: handled on the loop. The id is the row's. */
enum store_mark {
        MARK_MODEL,
        MARK_APPLICATION,
        MARK_RESOURCE,
        MARK_TARGET,
        MARK_SECRET,
        MARK_MAX
};

struct store_call {
        /* set by who submits */
        char request[64];       /* "" for none */
        uint64_t term;          /* 0: not checked */
        const char *actor;      /* "uid 1000 (alice)", "loop": borrowed until done */
        enum store_lane lane;
        int (*run)(struct tx *tx, struct store_call *c, struct err *err);       /* store thread; may run again */
        void (*done)(struct store_call *c, int r, const struct err *err);       /* loop, once; frees C */
        void *arg;              /* the submitter's */

        /* the answer: set by run (malloc'd; freed by the store after done), recorded with the request id */
        char *answer;
        size_t answer_len;

        struct list link;       /* private from here */
        struct store *store;
        int result;
        struct err err;
        bool reading;
        struct later later;
};

struct store_options {
        const char *state_dir;  /* holds model.db and cache.db; 0700, locked against a second daemon */
        const struct store_engine *engine; /* NULL: SQLite */
        /* After a commit, on the loop, before the calls' done: each mark once. */
        void (*mark)(void *arg, enum store_mark kind, int64_t id);
        void *arg;
        /* The disk is full or failing (true), or writable again (false): on the loop. */
        void (*readonly)(void *arg, bool readonly, const char *why);
};

/* Opens, locks, migrates. -EWOULDBLOCK: another daemon has it (its pid in the message); -EPROTONOSUPPORT: the schema is newer than
 * this program; -EUCLEAN: damaged, with what to do. */
int store_open(struct loop *l, const struct store_options *o, struct store **ret, struct err *err);
struct store *store_close(struct store *s); /* waits for writes that were submitted; their done runs */

void store_submit(struct store *s, struct store_call *c);
void store_read(struct store *s, struct store_call *c); /* run must not write: -EPERM if it does */
/* Runs C now, on the caller's thread, before the loop runs: start-up only. */
int store_now(struct store *s, struct store_call *c, struct err *err);
int64_t store_generation(struct store *s); /* rises with every committed write; safe from the loop */
size_t store_waiting(struct store *s);
bool store_is_readonly(struct store *s);

/* ---- inside run */
int64_t tx_id(struct tx *tx, const char *table); /* next id of the table's counter; never reused */
void tx_mark(struct tx *tx, enum store_mark kind, int64_t id);
int64_t tx_now(struct tx *tx);    /* clock_wall, the same for the whole call */
void *tx_alloc(struct tx *tx, size_t n);               /* until run returned */
char *tx_format(struct tx *tx, const char *fmt, ...) printf_(2, 3);
void tx_answer(struct store_call *c, const void *data, size_t len); /* copies */
/* Rows of generated reads live until run returned. A UNIQUE or FOREIGN KEY failure of a generated write is -EEXIST or
 * -ENOENT, of a CHECK -EINVAL; an engine may show it at commit only, so look before you insert. */

/* cache.db: documents by SHA-256; may forget. Threads: only inside run. */
int tx_cache_put(struct tx *tx, const void *data, size_t len, uint8_t ret_sha256[DIGEST_SIZE], struct err *err);
/* 0, or -ENOENT when it is not (any more) there. Lives until run returned. */
int tx_cache_get(struct tx *tx, const uint8_t sha256[DIGEST_SIZE], const char **ret, size_t *ret_len, struct err *err);
/* Drops what no resource or want names any more; called by the loop now and then. */
int tx_cache_sweep(struct tx *tx, struct err *err);

/* ---- tests: the N-th write, sync or commit fails, or its outcome is unknown */
enum store_fault { STORE_FAULT_WRITE, STORE_FAULT_COMMIT, STORE_FAULT_UNKNOWN, STORE_FAULT_FULL };
void store_fault(struct store *s, enum store_fault what, int countdown);
/* Called on the store thread after each commit; the crash tests exit in it. */
void store_on_commit(struct store *s, void (*fn)(void *arg, int64_t generation), void *arg);
