/* SPDX-License-Identifier: Apache-2.0 */
/* die.c - a mooringd that kills itself after a committed transaction
 *
 * Linked into mooringd-crash only, never installed. store_open is wrapped by the linker:
 * MOORING_DIE_AFTER=N is the number of commits after which the process is gone, in the store's
 * thread, before anybody hears of the commit; MOORING_DIE_BEFORE=N: it is gone when it is about to
 * commit for the Nth time, so that what was done outside is in no row; MOORING_COMMITS=FILE gets
 * the number of commits so far, to know how many there are. */
#include "store.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

int __real_store_open(struct loop *l, const struct store_options *o, struct store **ret,
                      struct err *err);
int __wrap_store_open(struct loop *l, const struct store_options *o, struct store **ret,
                      struct err *err);

int __real_sqlite3_step(sqlite3_stmt *statement);
int __wrap_sqlite3_step(sqlite3_stmt *statement);

static atomic_llong commits, begun;

/* Always as long as before, so that a reader finds this number and nothing else at all times. */
static void write_count(const char *path, long long n) {
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        if (fd < 0)
                return;
        dprintf(fd, "%-20lld\n", n);
        close(fd);
}

static void die_at(const char *variable, long long n) {
        const char *limit = getenv(variable);

        if (limit && n >= strtoll(limit, NULL, 10))
                kill(getpid(), SIGKILL);
}

static void on_commit(void *arg, int64_t generation) {
        const char *path = getenv("MOORING_COMMITS");
        long long n = atomic_fetch_add(&commits, 1) + 1;

        if (path)
                write_count(path, n);
        die_at("MOORING_DIE_AFTER", n);
}

/* Of model.db: cache.db may be lost at any time. */
static bool commits_model(sqlite3_stmt *statement) {
        sqlite3 *db = sqlite3_db_handle(statement);
        const char *sql = sqlite3_sql(statement), *file = sqlite3_db_filename(db, "main");

        return sql && str_eq(sql, "COMMIT") && file && str_ends(file, "/model.db") &&
               sqlite3_txn_state(db, "main") == SQLITE_TXN_WRITE;
}

int __wrap_sqlite3_step(sqlite3_stmt *statement) {
        if (commits_model(statement))
                die_at("MOORING_DIE_BEFORE", atomic_fetch_add(&begun, 1) + 1);
        return __real_sqlite3_step(statement);
}

int __wrap_store_open(struct loop *l, const struct store_options *o, struct store **ret,
                      struct err *err) {
        int r = __real_store_open(l, o, ret, err);

        if (r >= 0)
                store_on_commit(*ret, on_commit, NULL);
        return r;
}
