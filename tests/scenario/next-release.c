/* SPDX-License-Identifier: Apache-2.0 */
/* next-release.c - mooringd of a release that does not exist yet: with one migration more, which is
 * in the file beside it
 *
 *      PROGRAM.sql     a statement a line; "-- reader: NNNN" is its mark; not there: no migration
 *      PROGRAM.fails   is there: it cannot start, after its store was migrated
 *      PROGRAM.dies    N: it kills itself at the Nth call of SQLite inside of a transaction of the
 *                      start, which are those of the migration, and then those that follow; 0:
 *                      when the start is over, but for serving */
#include "controller.h"
#include "releases.h"

#include "store.h"

#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#define STATEMENTS_MAX 8

int __real_controller_new(struct options *o, struct controller **ret, struct err *err);
int __wrap_controller_new(struct options *o, struct controller **ret, struct err *err);

int __real_store_open(struct loop *l, const struct store_options *o, struct store **ret,
                      struct err *err);
int __wrap_store_open(struct loop *l, const struct store_options *o, struct store **ret,
                      struct err *err);
int __real_sqlite3_exec(sqlite3 *db, const char *sql, sqlite3_callback fn, void *arg, char **e);
int __wrap_sqlite3_exec(sqlite3 *db, const char *sql, sqlite3_callback fn, void *arg, char **e);
int __real_sqlite3_step(sqlite3_stmt *s);
int __wrap_sqlite3_step(sqlite3_stmt *s);

static char *beside(const char *suffix) {
        char self[4096];
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

        self[n < 0 ? 0 : n] = '\0';
        return str_format("%s%s", self, suffix);
}

/* -1: it does not die. */
static int dies(void) {
        cleanup_(freep) char *path = beside(".dies");
        cleanup_(fclosep) FILE *f = fopen(path, "re");
        int n;

        return f && fscanf(f, "%d", &n) == 1 ? n : -1;
}

static int calls_left; /* 0: it does not die in one */

static void count_call(sqlite3 *db) {
        if (calls_left && sqlite3_txn_state(db, "main") == SQLITE_TXN_WRITE && --calls_left == 0)
                kill(getpid(), SIGKILL);
}

int __wrap_sqlite3_exec(sqlite3 *db, const char *sql, sqlite3_callback fn, void *arg, char **e) {
        count_call(db);
        return __real_sqlite3_exec(db, sql, fn, arg, e);
}

int __wrap_sqlite3_step(sqlite3_stmt *s) {
        count_call(sqlite3_db_handle(s));
        return __real_sqlite3_step(s);
}

/* Of the state, not of a copy that is looked at. */
int __wrap_store_open(struct loop *l, const struct store_options *o, struct store **ret,
                      struct err *err) {
        int n = o->aside ? -1 : dies(), r;

        calls_left = MAX_OF(n, 0);
        r = __real_store_open(l, o, ret, err);
        calls_left = 0;
        return r;
}

int __wrap_controller_new(struct options *o, struct controller **ret, struct err *err) {
        cleanup_(freep) char *fails = beside(".fails");
        int r = __real_controller_new(o, ret, err);

        if (r == 0 && dies() == 0)
                kill(getpid(), SIGKILL);
        if (r < 0 || access(fails, F_OK) < 0)
                return r;
        *ret = controller_free(*ret);
        return err_set(err, -EIO, "what it needs is not on this machine");
}

/* The statements live as long as the program. */
__attribute__((constructor)) static void read_migration(void) {
        static char *statements[STATEMENTS_MAX + 1];
        struct store_migration m = { .name = "next-release.sql",
                                     .statements = (const char *const *)statements };
        cleanup_(freep) char *path = beside(".sql");
        cleanup_(fclosep) FILE *f = fopen(path, "re");
        size_t n = 0, room = 0;
        char *line = NULL;

        while (f && n < STATEMENTS_MAX && getline(&line, &room, f) > 0)
                if (sscanf(line, "-- reader: %d", &m.reader) != 1)
                        statements[n++] = str_dup(line);
        free(line);
        if (f)
                releases_know(-1, &m);
}
