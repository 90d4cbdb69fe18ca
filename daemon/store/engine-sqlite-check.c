/* SPDX-License-Identifier: Apache-2.0 */
/* engine-sqlite-check.c - every page, index and reference of a model.db that nobody writes
 *
 * A start looks more quickly (quick_check, engine-sqlite.c). This is for backups: it takes a
 * second for 100 MB. */
#include "store-private.h"

#include <errno.h>
#include <sqlite3.h>

static void close_dbp(sqlite3 **db) {
        sqlite3_close(*db);
}

static void finalizep(sqlite3_stmt **s) {
        sqlite3_finalize(*s);
}

static int failed(sqlite3 *db, const char *path, struct err *err) {
        return err_set(err, -EUCLEAN, "%s: %s", path, sqlite3_errmsg(db));
}

static int check_pages(sqlite3 *db, const char *path, struct err *err) {
        cleanup_(finalizep) sqlite3_stmt *s = NULL;
        const char *found;

        if (sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &s, NULL) != SQLITE_OK ||
            sqlite3_step(s) != SQLITE_ROW)
                return failed(db, path, err);
        found = (const char *)sqlite3_column_text(s, 0);
        return str_eq(found, "ok") ? 0
                                   : err_set(err, -EUCLEAN, "%s is damaged: %s", path,
                                             found ? found : "no answer");
}

static int check_references(sqlite3 *db, const char *path, struct err *err) {
        cleanup_(finalizep) sqlite3_stmt *s = NULL;
        int rc = sqlite3_prepare_v2(db, "PRAGMA foreign_key_check", -1, &s, NULL);

        if (rc == SQLITE_OK)
                rc = sqlite3_step(s);
        if (rc == SQLITE_ROW)
                return err_set(err, -EUCLEAN, "%s is damaged: row %lld of %s names no row of %s",
                               path, (long long)sqlite3_column_int64(s, 1),
                               sqlite3_column_text(s, 0), sqlite3_column_text(s, 2));
        return rc == SQLITE_DONE ? 0 : failed(db, path, err);
}

int engine_sqlite_check(const char *state_dir, struct err *err) {
        cleanup_(freep) char *path = str_format("%s/model.db", state_dir);
        cleanup_(close_dbp) sqlite3 *db = NULL;
        int r;

        if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
                return failed(db, path, err);
        r = check_pages(db, path, err);
        return r < 0 ? r : check_references(db, path, err);
}
