/* SPDX-License-Identifier: Apache-2.0 */
/* engine-sqlite.c - the SQLite engine: WAL, synchronous=FULL, foreign keys, prepared statements
 *
 * The only file that calls sqlite3_*. A connection belongs to one thread at a time. cache.db is
 * opened through it too, with synchronous=NORMAL: losing its last commits costs nothing.
 * Settings and transaction words are the only SQL here; all else comes from schema/. */
#include "store-private.h"

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODEL_APPLICATION_ID 0x4d6f6f72 /* "Moor": file(1) and we know our own */
#define BUSY_MS 5000              /* another program (a shell, a backup) may hold it briefly */
#define WAL_KEEP_BYTES (16 << 20) /* what the log may keep on disk after a burst */
#define WAL_PAGES 4000            /* then it is written into the file: a plan of 10 MB before */
#define PAGES_KIB 16384      /* of one transaction; less, and a large plan writes pages twice */
#define PAGES_KEPT (2 << 20) /* bytes of pages kept from one transaction to the next */
#define CHECK_MAX_BYTES (64 << 20) /* beyond, a check at the start would take a second or more */
#define COLUMNS_MAX 256            /* store_statement counts them in a byte */

/* What begins and ends transactions; prepared once, as each call needs several of them. */
enum word { BEGIN, COMMIT, ROLLBACK, SAVEPOINT, ROLLBACK_TO, RELEASE, WORD_MAX };

static const char *const words[WORD_MAX] = {
        [BEGIN] = "BEGIN",
        [COMMIT] = "COMMIT",
        [ROLLBACK] = "ROLLBACK",
        [SAVEPOINT] = "SAVEPOINT call",
        [ROLLBACK_TO] = "ROLLBACK TO call",
        [RELEASE] = "RELEASE call",
};

/* What a connection has open, by which the paths must go on leading to it. */
static const char *const suffixes[] = { "", "-wal", "-shm" };

struct store_connection {
        sqlite3 *db;
        char *path;
        bool write, durable;
        struct stat files[ARRAY_SIZE(suffixes)]; /* st_ino 0: not known yet */
        sqlite3_stmt *words[WORD_MAX];
        sqlite3_stmt **statements; /* by store_statement.index */
        size_t room;
        struct store_value columns[COLUMNS_MAX];
};

static int code_of(sqlite3 *db, int rc) {
        int system = sqlite3_system_errno(db);

        switch (rc & 0xff) {
        case SQLITE_FULL:
                return -ENOSPC;
        case SQLITE_IOERR:
                return system == ENOSPC || system == EDQUOT ? -ENOSPC : -EIO;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
                return -EUCLEAN;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return -EBUSY;
        case SQLITE_READONLY:
                return -EROFS;
        case SQLITE_TOOBIG:
                return -E2BIG;
        case SQLITE_CONSTRAINT:
                break;
        default:
                return -EIO;
        }
        switch (rc) {
        case SQLITE_CONSTRAINT_UNIQUE:
        case SQLITE_CONSTRAINT_PRIMARYKEY:
        case SQLITE_CONSTRAINT_ROWID:
                return -EEXIST;
        case SQLITE_CONSTRAINT_FOREIGNKEY:
                return -ENOENT;
        default:
                return -EINVAL;
        }
}

static int failed(struct store_connection *c, int rc, const char *what, struct err *err) {
        int r = code_of(c->db, rc);

        if (r == -EUCLEAN)
                return err_set(err, r,
                               "%s is damaged (%s): stop the daemon, keep a copy of the folder, "
                               "and put a backup in its place, without the -wal and -shm files",
                               c->path, sqlite3_errmsg(c->db));
        if (r == -ENOSPC)
                return err_set(err, r,
                               "%s: no room left on the disk (at %s): make room on its file system "
                               "(df -h and df -i show which is full); within a second it is "
                               "written again by itself, and what was refused has to be asked "
                               "for again",
                               c->path, what);
        return err_set(err, r, "%s: %s: %s", c->path, what, sqlite3_errmsg(c->db));
}

static int run_sql(struct store_connection *c, const char *sql, struct err *err) {
        int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);

        return rc == SQLITE_OK ? 0 : failed(c, rc, sql, err);
}

static int run_word(struct store_connection *c, enum word word, struct err *err) {
        const char *sql = word == BEGIN && c->write ? "BEGIN IMMEDIATE" : words[word];
        sqlite3_stmt **s = &c->words[word];
        int rc = SQLITE_OK;

        if (!*s)
                rc = sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, s, NULL);
        if (rc == SQLITE_OK) {
                sqlite3_step(*s);
                rc = sqlite3_reset(*s);
        }
        return rc == SQLITE_OK ? 0 : failed(c, rc, sql, err);
}

static int read_number(struct store_connection *c, const char *sql, int64_t *ret, struct err *err) {
        sqlite3_stmt *s = NULL;
        int rc = sqlite3_prepare_v2(c->db, sql, -1, &s, NULL);

        if (rc == SQLITE_OK)
                rc = sqlite3_step(s);
        if (rc == SQLITE_ROW)
                *ret = sqlite3_column_int64(s, 0);
        sqlite3_finalize(s);
        return rc == SQLITE_ROW ? 0 : failed(c, rc, sql, err);
}

/* ---- opening */

static void close_connection(struct store_connection *c) {
        if (!c)
                return;
        for (size_t i = 0; i < WORD_MAX; i++)
                sqlite3_finalize(c->words[i]);
        for (size_t i = 0; i < c->room; i++)
                sqlite3_finalize(c->statements[i]);
        free(c->statements);
        sqlite3_close(c->db);
        free(c->path);
        free(c);
}

static void close_connectionp(struct store_connection **c) {
        close_connection(*c);
}

/* SQLite would make it 0644; its -wal and -shm take over the mode. */
static int make_file(const char *path, struct err *err) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

        if (fd < 0)
                return err_set(err, -errno, "%s: %s", path, strerror(errno));
        close(fd);
        return 0;
}

static int check_whole(struct store_connection *c, struct err *err) {
        sqlite3_stmt *s = NULL;
        struct stat st;
        int rc, r = 0;

        if (stat(c->path, &st) < 0 || st.st_size > CHECK_MAX_BYTES)
                return 0;
        rc = sqlite3_prepare_v2(c->db, "PRAGMA quick_check(1)", -1, &s, NULL);
        if (rc == SQLITE_OK)
                rc = sqlite3_step(s);
        if (rc != SQLITE_ROW)
                r = failed(c, rc, "check", err);
        else if (strcmp((const char *)sqlite3_column_text(s, 0), "ok") != 0)
                r = err_set(err, -EUCLEAN,
                            "%s is damaged (%s): stop the daemon, keep a copy of the folder, and "
                            "put a backup in its place, without the -wal and -shm files",
                            c->path, sqlite3_column_text(s, 0));
        sqlite3_finalize(s);
        return r;
}

/* A new file gets our id; one with another id is none of ours. */
static int check_identity(struct store_connection *c, int32_t id, struct err *err) {
        int64_t found = 0, tables = 0;
        int r = read_number(c, "PRAGMA application_id", &found, err);

        if (r < 0 || found == id)
                return r;
        r = read_number(c, "SELECT count(*) FROM sqlite_schema", &tables, err);
        if (r < 0)
                return r;
        if (found == 0 && tables == 0 && c->write) {
                cleanup_(freep) char *sql = str_format("PRAGMA application_id = %d", id);

                return run_sql(c, sql, err);
        }
        return err_set(err, -EUCLEAN,
                       "%s is not a file of Mooring: move it away, or name another "
                       "state folder",
                       c->path);
}

static int configure(struct store_connection *c, const struct engine_sqlite_file *f,
                     struct err *err) {
        cleanup_(freep) char *limit = str_format("PRAGMA journal_size_limit = %d", WAL_KEEP_BYTES);
        cleanup_(freep) char *wal = str_format("PRAGMA wal_autocheckpoint = %d", WAL_PAGES);
        cleanup_(freep) char *pages = str_format("PRAGMA cache_size = -%d", PAGES_KIB);
        const char *settings[] = {
                "PRAGMA foreign_keys = ON",
                "PRAGMA trusted_schema = OFF",
                "PRAGMA temp_store = MEMORY",
                f->write ? "PRAGMA journal_mode = WAL" : "PRAGMA query_only = ON",
                f->durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
                limit,
                wal,
                f->write ? pages : "PRAGMA cache_size = -2048",
        };

        sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
                int r = run_sql(c, settings[i], err);

                if (r < 0)
                        return r;
        }
        return 0;
}

int engine_sqlite_open(const struct engine_sqlite_file *f, struct store_connection **ret,
                       struct err *err) {
        cleanup_(close_connectionp) struct store_connection *c = mem_new(struct store_connection);
        int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
        int r, rc;

        c->path = str_dup(f->path);
        c->write = f->write;
        c->durable = f->durable;
        r = f->write ? make_file(f->path, err) : 0;
        if (r < 0)
                return r;
        rc = sqlite3_open_v2(f->path, &c->db, flags, NULL);
        if (rc != SQLITE_OK)
                return failed(c, rc, "open", err);
        /* Before the first read: after a crash whoever comes first, us or a backup, recovers the
         * log under a lock. */
        sqlite3_busy_timeout(c->db, BUSY_MS);
        r = check_identity(c, f->application_id, err);
        if (r == 0)
                r = configure(c, f, err);
        if (r == 0 && f->write && f->durable)
                r = check_whole(c, err);
        if (r < 0)
                return r;
        *ret = take_ptr(c);
        return 0;
}

static int open_model(const char *state_dir, bool write, struct store_connection **ret,
                      struct err *err) {
        cleanup_(freep) char *path = str_format("%s/model.db", state_dir);
        struct engine_sqlite_file f = { .path = path,
                                        .application_id = MODEL_APPLICATION_ID,
                                        .write = write,
                                        .durable = true };

        return engine_sqlite_open(&f, ret, err);
}

/* ---- the schema */

static int get_version(struct store_connection *c, int *ret, struct err *err) {
        int64_t n = 0;
        int r = read_number(c, "PRAGMA user_version", &n, err);

        if (r == 0)
                *ret = n;
        return r;
}

static int set_version(struct store_connection *c, int version, struct err *err) {
        cleanup_(freep) char *sql = str_format("PRAGMA user_version = %d", version);

        return run_sql(c, sql, err);
}

/* ---- transactions */

/* SQLite goes on writing into files that were removed: all of it would be lost at the end. */
static int check_files(struct store_connection *c, struct err *err) {
        for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
                cleanup_(freep) char *path = str_format("%s%s", c->path, suffixes[i]);
                const struct stat *was = &c->files[i];
                struct stat is = { 0 };

                if (!was->st_ino ||
                    (stat(path, &is) == 0 && is.st_ino == was->st_ino && is.st_dev == was->st_dev))
                        continue;
                return err_set(err, -EROFS,
                               "%s was %s under the running daemon, which has it open still: "
                               "do not stop the daemon before model.db and model.db-wal are copied "
                               "out of /proc/%d/fd (docs/runbooks/MooringStoreReadOnly.md)",
                               path, is.st_ino ? "replaced" : "removed", getpid());
        }
        return 0;
}

/* They are all there once a transaction has begun. */
static void note_files(struct store_connection *c) {
        for (size_t i = 0; i < ARRAY_SIZE(suffixes) && !c->files[i].st_ino; i++) {
                cleanup_(freep) char *path = str_format("%s%s", c->path, suffixes[i]);

                if (stat(path, &c->files[i]) < 0)
                        c->files[i].st_ino = 0;
        }
}

static int begin(struct store_connection *c, struct err *err) {
        bool checked = c->write && c->durable;
        int r = checked ? check_files(c, err) : 0;

        if (r == 0)
                r = run_word(c, BEGIN, err);
        if (r == 0 && checked)
                note_files(c);
        return r;
}

static void rollback(struct store_connection *c) {
        struct err err = {};

        if (!sqlite3_get_autocommit(c->db))
                run_word(c, ROLLBACK, &err);
}

static void drop_pages(struct store_connection *c) {
        int bytes = 0, most = 0;

        sqlite3_db_status(c->db, SQLITE_DBSTATUS_CACHE_USED, &bytes, &most, 0);
        if (bytes > PAGES_KEPT)
                sqlite3_db_release_memory(c->db);
}

static int commit(struct store_connection *c, struct err *err) {
        int r = run_word(c, COMMIT, err);

        drop_pages(c);
        /* A failed commit leaves the transaction open; only the rollback makes sure of it. */
        if (r < 0)
                rollback(c);
        return r;
}

static int savepoint(struct store_connection *c, struct err *err) {
        return run_word(c, SAVEPOINT, err);
}

static int release(struct store_connection *c, bool keep, struct err *err) {
        int r = keep ? 0 : run_word(c, ROLLBACK_TO, err);

        return r < 0 ? r : run_word(c, RELEASE, err);
}

/* ---- statements */

static int prepared(struct store_connection *c, const struct store_statement *s, sqlite3_stmt **ret,
                    struct err *err) {
        int rc;

        c->statements = mem_grow(c->statements, &c->room, s->index + 1u, sizeof(sqlite3_stmt *));
        if (!c->statements[s->index]) {
                rc = sqlite3_prepare_v3(c->db, s->sql, -1, SQLITE_PREPARE_PERSISTENT,
                                        &c->statements[s->index], NULL);
                if (rc != SQLITE_OK)
                        return failed(c, rc, s->name, err);
        }
        *ret = c->statements[s->index];
        return 0;
}

static void bind(sqlite3_stmt *p, int i, const struct store_value *v) {
        switch (v->type) {
        case STORE_INT:
                sqlite3_bind_int64(p, i, v->integer);
                break;
        case STORE_REAL:
                sqlite3_bind_double(p, i, v->real);
                break;
        case STORE_TEXT:
                sqlite3_bind_text64(p, i, v->data, v->len, SQLITE_STATIC, SQLITE_UTF8);
                break;
        case STORE_BLOB:
                /* No pointer would bind NULL, which empty bytes are not. */
                sqlite3_bind_blob64(p, i, v->len ? v->data : "", v->len, SQLITE_STATIC);
                break;
        case STORE_NULL:
                sqlite3_bind_null(p, i);
                break;
        }
}

static void read_column(sqlite3_stmt *p, int i, struct store_value *v) {
        *v = (struct store_value){ .type = STORE_NULL };
        switch (sqlite3_column_type(p, i)) {
        case SQLITE_INTEGER:
                v->type = STORE_INT;
                v->integer = sqlite3_column_int64(p, i);
                break;
        case SQLITE_FLOAT:
                v->type = STORE_REAL;
                v->real = sqlite3_column_double(p, i);
                break;
        case SQLITE_TEXT:
                v->type = STORE_TEXT;
                v->data = sqlite3_column_text(p, i);
                v->len = sqlite3_column_bytes(p, i);
                break;
        case SQLITE_BLOB:
                v->type = STORE_BLOB;
                v->data = sqlite3_column_blob(p, i);
                v->len = sqlite3_column_bytes(p, i);
                break;
        default:
                break;
        }
}

/* SQLITE_DONE, the engine's error, or what ROW said (<0 in *RET_ROW). */
static int step_all(struct store_connection *c, sqlite3_stmt *p, store_row_fn *row, void *arg,
                    int *ret_row) {
        int n = sqlite3_column_count(p);
        int rc;

        while ((rc = sqlite3_step(p)) == SQLITE_ROW) {
                for (int i = 0; i < n; i++)
                        read_column(p, i, &c->columns[i]);
                *ret_row = row ? row(arg, c->columns) : 0;
                if (*ret_row < 0)
                        return rc;
        }
        return rc;
}

static int exec(struct store_connection *c, const struct store_statement *s,
                const struct store_value *inputs, store_row_fn *row, void *arg,
                int64_t *ret_changes, struct err *err) {
        sqlite3_stmt *p = NULL;
        int from_row = 0;
        int r = prepared(c, s, &p, err);
        int rc;

        if (r < 0)
                return r;
        for (int i = 0; i < s->inputs; i++)
                bind(p, i + 1, &inputs[i]);
        rc = step_all(c, p, row, arg, &from_row);
        if (from_row < 0)
                r = from_row;
        else if (rc != SQLITE_DONE)
                r = failed(c, rc, s->name, err);
        else if (ret_changes)
                *ret_changes = sqlite3_changes64(c->db);
        sqlite3_reset(p);
        sqlite3_clear_bindings(p);
        return r;
}

/* ---- backup */

static void close_dbp(sqlite3 **db) {
        sqlite3_close(*db);
}

/* In one step: a snapshot of the log, so writers neither wait nor make it start again. */
static int copy_into(struct store_connection *from, const char *path, struct err *err) {
        cleanup_(close_dbp) sqlite3 *to = NULL;
        sqlite3_backup *b = NULL;
        int rc = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE, NULL);

        if (rc == SQLITE_OK)
                b = sqlite3_backup_init(to, "main", from->db, "main");
        if (b) {
                sqlite3_backup_step(b, -1);
                rc = sqlite3_backup_finish(b);
        } else if (rc == SQLITE_OK) {
                rc = sqlite3_extended_errcode(to);
        }
        if (rc != SQLITE_OK)
                return err_set(err, code_of(to, rc), "%s: %s", path, sqlite3_errstr(rc));
        return 0;
}

static int backup(const char *state_dir, const char *path, struct err *err) {
        cleanup_(close_connectionp) struct store_connection *c = NULL;
        cleanup_(freep) char *part = str_format("%s.part", path);
        int r;

        if (access(path, F_OK) == 0)
                return err_set(err, -EEXIST, "%s is already there", path);
        unlink(part);
        r = open_model(state_dir, false, &c, err);
        if (r == 0)
                r = make_file(part, err);
        if (r == 0)
                r = copy_into(c, part, err);
        if (r == 0 && renameat2(AT_FDCWD, part, AT_FDCWD, path, RENAME_NOREPLACE) < 0)
                r = err_set(err, -errno, "%s: %s", path, strerror(errno));
        if (r < 0) {
                unlink(part);
                return r;
        }
        r = file_sync_folder_of(path);
        return r < 0 ? err_set(err, r, "%s: %s", path, strerror(-r)) : 0;
}

const struct store_engine store_engine_sqlite = {
        .name = "sqlite",
        .open = open_model,
        .close = close_connection,
        .version = get_version,
        .set_version = set_version,
        .script = run_sql,
        .begin = begin,
        .commit = commit,
        .rollback = rollback,
        .savepoint = savepoint,
        .release = release,
        .exec = exec,
        .backup = backup,
        .check = engine_sqlite_check,
};
