/* SPDX-License-Identifier: Apache-2.0 */
/* store.h - the only truth: two SQLite files behind one call, committed in groups on its own
 * thread
 *
 * model.db: what cannot be made again. cache.db: documents by hash, may be deleted at any time.
 *
 * A write is a struct store_call with a `run` that works on the store thread inside a savepoint,
 * may run again (a group is redone when its commit's outcome is unknown), and touches only its
 * input, the transaction and its answer; and a `done` that comes back on the loop once the group
 * is durable. Writes that wait are committed together, oldest first, lane by lane. The same
 * request id gets the recorded answer without running again. Rows are numbered from counters
 * (tx_id), never by last_insert_rowid. Keys marked dirty are handed to the mark function after
 * the commit and before `done`. The term of a call is checked inside its transaction. Reads have
 * a thread of their own.
 *
 * SQL lives in schema/: tools/gen-sql writes one struct and one function a named query
 * (queries.gen.h); a misspelt column, an unindexed scan, or a read without LIMIT breaks the
 * build. Engines: SQLite here, dqlite later, `shaky` in tests, all behind struct store_engine
 * (store-engine.h).
 *
 * Full disk: calls of the history lane fail first (-ENOSPC); when that is not enough everything
 * fails with -EROFS, readonly() says so, and the store tries again every STORE_PROBE_MS until it
 * can write. What was acknowledged stays. The same when model.db, or its -wal or -shm, was removed
 * or replaced while it is open: what is written then would be in no file. */
#pragma once

#include "digest.h"
#include "err.h"
#include "list.h"
#include "loop.h"

#define STORE_GROUP_MAX 256 /* writes in one commit: bounds how long it holds up the next */
/* Where the last commit answered several, the next waits for them, at least so long: gains 10-30 %
 * on slow disks. A repair comes alone, and waits for nobody. */
#define STORE_GROUP_WAIT_US 100
#define STORE_GROUP_WAIT_MAX_US 2000 /* half of what the last commit took, at most this */
/* Patient writes wait for so long, or until there are so many: a commit costs as much as running
 * some dozen of them. Whatever is not patient takes them along at once. */
#define STORE_PATIENT_US 100000
#define STORE_PATIENT_MAX 128
#define STORE_QUEUE_MAX 100000    /* calls that wait; beyond: -EBUSY, a loop lane blocks its key */
#define STORE_ROWS_MAX 10000      /* rows one read may return; queries have a LIMIT below this */
#define STORE_REQUEST_KEEP 100000 /* recorded answers; oldest go first */
#define STORE_ANSWER_MAX (64u << 10) /* of a call with a request id, because it is recorded */
#define STORE_PROBE_MS 500           /* how often a read-only store tries to write again */
#define STORE_LOOK_MS 5000           /* how often an idle store looks whether its files are there */

struct store;
struct tx;
struct store_engine;

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
        MARK_OPERATION,
        MARK_MAX
};

struct store_call {
        /* set by who submits */
        char request[64];  /* "" for none */
        uint64_t term;     /* 0: not checked */
        const char *actor; /* "uid 1000 (alice)", "loop": borrowed until done */
        const char *name;  /* of DONE, should it be slow: a literal, or NULL */
        enum store_lane lane;
        bool patient; /* nobody waits for its answer */
        /* Store thread; may run again. <0: nothing of it stays; >=0 is handed to done. */
        int (*run)(struct tx *tx, struct store_call *c, struct err *err);
        /* Loop, once; frees C. ERR holds the reason while R < 0. */
        void (*done)(struct store_call *c, int r, const struct err *err);
        void *arg; /* the submitter's */

        /* the answer: set by run with tx_answer, readable in done, freed by the store after it;
         * recorded with the request id */
        char *answer;
        size_t answer_len;

        struct list link; /* private from here */
        int result;
        struct err err;
        bool now, finished;
};

struct store_options {
        const char *state_dir; /* holds model.db, cache.db; 0700, locked against a second daemon */
        const struct store_engine *engine; /* NULL: SQLite */
        /* After a commit, on the loop, before the calls' done: each mark once. */
        void (*mark)(void *arg, enum store_mark kind, int64_t id);
        void *arg;
        /* The disk is full or failing (true), or writable again (false): on the loop. */
        void (*readonly)(void *arg, bool readonly, const char *why);
        size_t group_max; /* 0: STORE_GROUP_MAX; 1: a commit for each call (benches) */
        bool aside;       /* a copy that was unpacked to be looked at: is migrated without a copy */
};

/* Opens, locks, migrates: in one transaction, after a copy into STORE_BEFORE. Until a person has
 * confirmed that (upgraded.h) the program before may open it again. -EWOULDBLOCK: another daemon
 * has it (its pid in the message); -EPROTONOSUPPORT: the schema is newer than what this program can
 * work on; -EUCLEAN: damaged, with what to do. */
int store_open(struct loop *l, const struct store_options *o, struct store **ret, struct err *err);
/* Waits for calls that were submitted; their done runs. What done submits then is refused
 * (-ESHUTDOWN). */
struct store *store_close(struct store *s);


#define STORE_BEFORE "before-upgrade" /* folder with the model.db of before the last migration */
#define STORE_UPGRADE "upgrade"       /* setting: JSON of a migration that is not confirmed */
#define STORE_RELEASE "release"       /* setting: version of the program that ran last */
struct store_schema {
        int number; /* of what is open: that of its last migration */
        int known;  /* to this program */
        int before; /* what it had when it was opened; 0: it was new */
        int reader; /* programs that know this one can work on it */
};
void store_schema(struct store *s, struct store_schema *ret);

void store_submit(struct store *s, struct store_call *c);
void store_read(struct store *s, struct store_call *c); /* run must not write: -EPERM if it does */
/* Runs C as a write and waits for it: before the loop runs, and when it has ended. `done` is not
 * called; the answer is the caller's to free. Its marks come when the loop runs. */
int store_now(struct store *s, struct store_call *c, struct err *err);
int64_t store_generation(struct store *s); /* rises with every committed write; any thread */
size_t store_waiting(struct store *s);     /* calls not yet taken up */
size_t store_unanswered(struct store *s);  /* calls, reads too, whose `done` is to come; tests */
bool store_is_readonly(struct store *s);
void store_metrics(struct store *s); /* sets the gauges (metric.h) to what is so now */
/* A consistent copy of model.db as a new file PATH (0600; -EEXIST when it is there). Blocks for
 * the length of the copy, writes go on meanwhile: from a job's thread. */
int store_backup(struct store *s, const char *path, struct err *err);
/* Every page, index and reference of model.db. Blocks: not for the loop. -EUCLEAN: what is wrong.
 */
int store_check(struct store *s, struct err *err);

/* ---- inside run
 * When the engine fails (disk, quorum) every further function fails, and the call with it. */
int64_t tx_id(struct tx *tx, const char *table); /* next id of the table; never reused */
void tx_mark(struct tx *tx, enum store_mark kind, int64_t id);
int64_t tx_now(struct tx *tx);           /* clock_wall, the same for the whole call */
void *tx_alloc(struct tx *tx, size_t n); /* zeroed; until run returned */
char *tx_format(struct tx *tx, const char *fmt, ...) printf_(2, 3);
void tx_answer(struct store_call *c, const void *data, size_t len); /* copies */
/* Rows of generated reads live until run returned. A UNIQUE or FOREIGN KEY failure of a
 * generated write is -EEXIST or -ENOENT, of a CHECK or NOT NULL -EINVAL; an engine may show it
 * at commit only, so look before you insert. */

/* Runs FN as a call in the call: below 0 all that it wrote and marked is taken back (-ECANCELED: it
 * only wanted to see), and the call goes on. */
int tx_try(struct tx *tx, int (*fn)(struct tx *tx, void *arg, struct err *err), void *arg,
           struct err *err);

/* cache.db: documents by SHA-256; may forget. Only inside run. */
int tx_cache_put(struct tx *tx, const void *data, size_t len, uint8_t ret_sha256[DIGEST_SIZE],
                 struct err *err);
/* 0, or -ENOENT when it is not (any more) there. Lives until run returned. */
int tx_cache_get(struct tx *tx, const uint8_t sha256[DIGEST_SIZE], const char **ret,
                 size_t *ret_len, struct err *err);
/* One short step of dropping what no resource or want names any more: 1: more to do, 0: the
 * round is over. Called by the loop now and then. */
int tx_cache_sweep(struct tx *tx, struct err *err);

/* ---- tests: the COUNTDOWN-th write or commit from now fails, or a commit's outcome is unknown;
 * FULL lasts until it is set to 0. */
enum store_fault {
        STORE_FAULT_WRITE,
        STORE_FAULT_COMMIT,
        STORE_FAULT_UNKNOWN,
        STORE_FAULT_FULL,
        STORE_FAULT_MAX
};
void store_fault(struct store *s, enum store_fault what, int countdown);
/* Called on the store thread after each commit; the crash tests exit in it. */
void store_on_commit(struct store *s, void (*fn)(void *arg, int64_t generation), void *arg);
