/* SPDX-License-Identifier: Apache-2.0 */
/* cache.c - cache.db: always SQLite, synchronous=NORMAL, made anew whenever it is not as it
 * should be
 *
 * Its transaction begins with the first document of a group and is committed before the model's,
 * so that what model.db names is there; documents of a group that fails stay until the sweep. */
#include "store-private.h"

#include "cache.gen.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define CACHE_APPLICATION_ID 0x4d6f6f63 /* "Mooc" */

struct cache {
        char *path;
        bool write, begun;
        _Atomic unsigned made; /* how often it was made anew; of a reader: which one is open */
        struct store_connection *connection; /* NULL: could not be opened; nothing is found */
};

static int open_file(struct cache *c, struct err *err) {
        struct engine_sqlite_file f = { .path = c->path,
                                        .application_id = CACHE_APPLICATION_ID,
                                        .write = c->write };
        int version = 0;
        int r = engine_sqlite_open(&f, &c->connection, err);

        if (r < 0 || !c->write)
                return r;
        r = store_engine_sqlite.version(c->connection, &version, err);
        if (r == 0 && version != 0 && version != cache_migrations_count)
                r = err_set(err, -EUCLEAN, "%s has schema %d", c->path, version);
        if (r == 0)
                r = migrate_run(&(struct migration){ .engine = &store_engine_sqlite,
                                                     .connection = c->connection,
                                                     .all = cache_migrations,
                                                     .from = version,
                                                     .to = cache_migrations_count },
                                err);
        return r;
}

static void close_file(struct cache *c) {
        store_engine_sqlite.close(c->connection);
        c->connection = NULL;
        c->begun = false;
}

int cache_recreate(struct cache *c, struct err *err) {
        static const char *const ends[] = { "", "-wal", "-shm" };
        int r;

        close_file(c);
        for (size_t i = 0; c->write && i < ARRAY_SIZE(ends); i++) {
                cleanup_(freep) char *path = str_format("%s%s", c->path, ends[i]);

                unlink(path);
        }
        r = open_file(c, err);
        if (r < 0)
                close_file(c);
        else
                c->made++;
        return r;
}

void cache_follow(struct cache *c, const struct cache *writer) {
        unsigned made = writer->made;
        struct err err = {};

        if (c->made == made)
                return;
        close_file(c);
        if (open_file(c, &err) < 0) {
                log_plain(LOG_WARNING, "cache-unreadable", "%s", err_text(&err));
                close_file(c);
                return;
        }
        c->made = made;
}

int cache_open(const char *state_dir, bool write, struct cache **ret, struct err *err) {
        struct cache *c = mem_new(struct cache);
        struct err why = {};
        int r;

        c->path = str_format("%s/cache.db", state_dir);
        c->write = write;
        if (write && access(c->path, F_OK) < 0)
                log_plain(LOG_INFO, "cache-made", "%s is not there: made empty", c->path);
        r = open_file(c, &why);
        if (r < 0 && write && r != -ENOSPC) {
                log_plain(LOG_NOTICE, "cache-made", "%s: made anew, empty", err_text(&why));
                r = cache_recreate(c, &why);
        }
        if (r < 0) {
                cache_close(c);
                return err_add(err, r, "%s", why.text);
        }
        *ret = c;
        return 0;
}

struct cache *cache_close(struct cache *c) {
        if (!c)
                return NULL;
        close_file(c);
        free(c->path);
        free(c);
        return NULL;
}

struct store_connection *cache_connection(struct cache *c) {
        return c->connection;
}

int cache_begin(struct cache *c, struct err *err) {
        int r;

        if (c->begun)
                return 0;
        if (!c->connection)
                return err_set(err, -EUCLEAN, "%s is not open", c->path);
        r = store_engine_sqlite.begin(c->connection, err);
        c->begun = r == 0;
        return r;
}

int cache_commit(struct cache *c, struct err *err) {
        int r;

        if (!c->begun)
                return 0;
        c->begun = false;
        r = store_engine_sqlite.commit(c->connection, err);
        if (r != -EUCLEAN)
                return r;
        /* It may forget: better an empty one than a write refused. */
        log_plain(LOG_WARNING, "cache-made", "%s is damaged: made anew, empty", c->path);
        return cache_recreate(c, err);
}

void cache_rollback(struct cache *c) {
        if (c->begun)
                store_engine_sqlite.rollback(c->connection);
        c->begun = false;
}
