/* SPDX-License-Identifier: Apache-2.0 */
/* vfs-test.c - see vfs-test.h
 *
 * A shim over the default VFS. For each file it keeps the writes since the last sync with the bytes
 * that they replaced; a power cut undoes them all, newest first, and then writes some again. */
#include "vfs-test.h"

#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct write {
        int64_t at, size_before;
        int len, old_len; /* len -1: cut to AT */
        char *old, *data;
        struct write *older;
};

struct node { /* one path, however often it is open */
        char *path;
        struct write *writes;
        struct node *next;
};

struct shim {
        sqlite3_file file;
        struct node *node; /* NULL: not watched */
        sqlite3_file base[];
};

static sqlite3_vfs vfs;
static sqlite3_vfs *real;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct node *nodes;
static int64_t delay_us, room = -1, syncs;
static bool watching, dark;

static sqlite3_file *base_of(sqlite3_file *f) {
        return ((struct shim *)f)->base;
}

static void free_writes(struct node *n) {
        while (n->writes) {
                struct write *w = n->writes;

                n->writes = w->older;
                free(w->old);
                free(w->data);
                free(w);
        }
}

static struct node *node_of(const char *path) {
        struct node *n;

        for (n = nodes; n; n = n->next) {
                if (str_eq(n->path, path))
                        return n;
        }
        n = mem_new(struct node);
        n->path = str_dup(path);
        n->next = nodes;
        nodes = n;
        return n;
}

static void remember(struct shim *s, const void *data, int len, int64_t at) {
        struct write *w = mem_new(struct write);
        sqlite3_int64 size = 0;
        int want = len;

        s->base->pMethods->xFileSize(s->base, &size);
        w->at = at;
        w->len = len;
        w->size_before = size;
        if (len < 0)
                want = size > at ? size - at : 0;
        w->old_len = at >= size ? 0 : MIN_OF(want, size - at);
        w->old = mem_alloc(w->old_len + 1);
        if (w->old_len)
                s->base->pMethods->xRead(s->base, w->old, w->old_len, at);
        w->data = len > 0 ? mem_dup(data, len) : NULL;
        w->older = s->node->writes;
        s->node->writes = w;
}

/* ---- methods */

static int shim_close(sqlite3_file *f) {
        return base_of(f)->pMethods->xClose(base_of(f));
}

static int shim_read(sqlite3_file *f, void *data, int n, sqlite3_int64 at) {
        return base_of(f)->pMethods->xRead(base_of(f), data, n, at);
}

static int take_room(sqlite3_file *f, int n, sqlite3_int64 at) {
        sqlite3_int64 size = 0;

        if (room < 0)
                return SQLITE_OK;
        base_of(f)->pMethods->xFileSize(base_of(f), &size);
        if (at + n <= size)
                return SQLITE_OK;
        if (at + n - size > room)
                return SQLITE_FULL;
        room -= at + n - size;
        return SQLITE_OK;
}

static int shim_write(sqlite3_file *f, const void *data, int n, sqlite3_int64 at) {
        int rc;

        pthread_mutex_lock(&lock);
        rc = dark ? SQLITE_IOERR_WRITE : take_room(f, n, at);
        if (rc == SQLITE_OK && watching && ((struct shim *)f)->node)
                remember((struct shim *)f, data, n, at);
        if (rc == SQLITE_OK)
                rc = base_of(f)->pMethods->xWrite(base_of(f), data, n, at);
        pthread_mutex_unlock(&lock);
        return rc;
}

static int shim_truncate(sqlite3_file *f, sqlite3_int64 size) {
        int rc = SQLITE_IOERR_TRUNCATE;

        pthread_mutex_lock(&lock);
        if (!dark) {
                if (watching && ((struct shim *)f)->node)
                        remember((struct shim *)f, NULL, -1, size);
                rc = base_of(f)->pMethods->xTruncate(base_of(f), size);
        }
        pthread_mutex_unlock(&lock);
        return rc;
}

static int64_t now_us(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * (int64_t)1000000 + t.tv_nsec / 1000;
}

/* The real sync, and what is then still missing to the time that this disk takes. */
static int slow_sync(sqlite3_file *f, int flags) {
        int64_t start = now_us();
        int rc = base_of(f)->pMethods->xSync(base_of(f), flags);
        int64_t rest = delay_us - (now_us() - start);
        struct timespec t = { .tv_sec = rest / 1000000, .tv_nsec = rest % 1000000 * 1000 };

        if (rest > 0)
                nanosleep(&t, NULL);
        return rc;
}

static int shim_sync(sqlite3_file *f, int flags) {
        bool off, watched;
        int rc;

        pthread_mutex_lock(&lock);
        syncs++;
        off = dark;
        watched = watching;
        pthread_mutex_unlock(&lock);
        if (off)
                return SQLITE_IOERR_FSYNC;
        /* Watched, the cut is undone by us and not by the disk: no need for the real one. */
        rc = watched ? SQLITE_OK : slow_sync(f, flags);
        pthread_mutex_lock(&lock);
        if (dark)
                rc = SQLITE_IOERR_FSYNC;
        if (rc == SQLITE_OK && ((struct shim *)f)->node)
                free_writes(((struct shim *)f)->node);
        pthread_mutex_unlock(&lock);
        return rc;
}

static int shim_file_size(sqlite3_file *f, sqlite3_int64 *ret) {
        return base_of(f)->pMethods->xFileSize(base_of(f), ret);
}
static int shim_lock(sqlite3_file *f, int how) {
        return base_of(f)->pMethods->xLock(base_of(f), how);
}
static int shim_unlock(sqlite3_file *f, int how) {
        return base_of(f)->pMethods->xUnlock(base_of(f), how);
}
static int shim_reserved(sqlite3_file *f, int *ret) {
        return base_of(f)->pMethods->xCheckReservedLock(base_of(f), ret);
}
static int shim_control(sqlite3_file *f, int op, void *arg) {
        return base_of(f)->pMethods->xFileControl(base_of(f), op, arg);
}
static int shim_sector(sqlite3_file *f) {
        return base_of(f)->pMethods->xSectorSize(base_of(f));
}
static int shim_device(sqlite3_file *f) {
        return base_of(f)->pMethods->xDeviceCharacteristics(base_of(f));
}
static int shim_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **ret) {
        return base_of(f)->pMethods->xShmMap(base_of(f), page, size, extend, ret);
}
static int shim_shm_lock(sqlite3_file *f, int offset, int n, int flags) {
        return base_of(f)->pMethods->xShmLock(base_of(f), offset, n, flags);
}
static void shim_shm_barrier(sqlite3_file *f) {
        base_of(f)->pMethods->xShmBarrier(base_of(f));
}
static int shim_shm_unmap(sqlite3_file *f, int delete_it) {
        return base_of(f)->pMethods->xShmUnmap(base_of(f), dark ? 0 : delete_it);
}

static const sqlite3_io_methods methods = {
        .iVersion = 2, /* no mapped files: what is written goes through xWrite */
        .xClose = shim_close,
        .xRead = shim_read,
        .xWrite = shim_write,
        .xTruncate = shim_truncate,
        .xSync = shim_sync,
        .xFileSize = shim_file_size,
        .xLock = shim_lock,
        .xUnlock = shim_unlock,
        .xCheckReservedLock = shim_reserved,
        .xFileControl = shim_control,
        .xSectorSize = shim_sector,
        .xDeviceCharacteristics = shim_device,
        .xShmMap = shim_shm_map,
        .xShmLock = shim_shm_lock,
        .xShmBarrier = shim_shm_barrier,
        .xShmUnmap = shim_shm_unmap,
};

static int shim_open(sqlite3_vfs *v, const char *path, sqlite3_file *f, int flags, int *ret_flags) {
        struct shim *s = (struct shim *)f;
        int rc;

        f->pMethods = NULL;
        s->node = NULL;
        rc = real->xOpen(real, path, s->base, flags, ret_flags);
        if (rc != SQLITE_OK)
                return rc;
        if (path && (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL))) {
                pthread_mutex_lock(&lock);
                s->node = node_of(path);
                pthread_mutex_unlock(&lock);
        }
        f->pMethods = &methods;
        return rc;
}

static int shim_delete(sqlite3_vfs *v, const char *path, int sync) {
        return dark ? SQLITE_IOERR_DELETE : real->xDelete(real, path, sync);
}

void vfs_test_install(void) {
        if (real)
                return;
        real = sqlite3_vfs_find(NULL);
        vfs = *real;
        vfs.zName = "test";
        vfs.szOsFile = sizeof(struct shim) + real->szOsFile;
        vfs.xOpen = shim_open;
        vfs.xDelete = shim_delete;
        sqlite3_vfs_register(&vfs, 1);
}

/* ---- orders */

void vfs_test_delay(int64_t us) {
        delay_us = us;
}

void vfs_test_room(int64_t bytes) {
        pthread_mutex_lock(&lock);
        room = bytes;
        pthread_mutex_unlock(&lock);
}

int64_t vfs_test_syncs(void) {
        int64_t n;

        pthread_mutex_lock(&lock);
        n = syncs;
        pthread_mutex_unlock(&lock);
        return n;
}

void vfs_test_watch(bool on) {
        pthread_mutex_lock(&lock);
        watching = on;
        /* Nodes stay: open files point at them. */
        for (struct node *n = nodes; n; n = n->next)
                free_writes(n);
        pthread_mutex_unlock(&lock);
}

void vfs_test_cut(void) {
        pthread_mutex_lock(&lock);
        dark = true;
        pthread_mutex_unlock(&lock);
}

static void undo(int fd, const struct write *w) {
        if (w->old_len)
                assert(pwrite(fd, w->old, w->old_len, w->at) == w->old_len);
        assert(ftruncate(fd, w->size_before) == 0);
}

static void redo_some(int fd, const struct write *w, unsigned *seed) {
        if (!w)
                return;
        redo_some(fd, w->older, seed);
        if (w->len > 0 && rand_r(seed) % 2)
                assert(pwrite(fd, w->data, w->len, w->at) == w->len);
}

void vfs_test_restore(unsigned seed) {
        pthread_mutex_lock(&lock);
        for (struct node *n = nodes; n; n = n->next) {
                int fd = open(n->path, O_RDWR | O_CLOEXEC);

                if (fd < 0)
                        continue;
                for (const struct write *w = n->writes; w; w = w->older)
                        undo(fd, w);
                if (seed)
                        redo_some(fd, n->writes, &seed);
                close(fd);
                free_writes(n);
        }
        dark = false;
        pthread_mutex_unlock(&lock);
}
