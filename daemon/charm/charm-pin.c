/* SPDX-License-Identifier: Apache-2.0 */
/* charm-pin.c - the copy under its hash; see charm-pin.h
 *
 * Written into "<state>/charms/.new-<sha256>", synced, then renamed; what a crash leaves under
 * such a name is removed by the next pin of the same charm. Files are read-only, but readable by
 * all: the folder above is the daemon's own (0700), and a worker under another user gets the
 * folder as an open descriptor. */
#include "charm-pin.h"

#include "charm-dir.h"
#include "digest.h"
#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FRESH ".new-"

/* Jobs run side by side: one that takes a copy in and one that removes those of nobody. */
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

char *charm_pin_folder(const char *state_dir, const char *sha256) {
        return str_format("%s/charms/%s", state_dir, sha256);
}

static int fail(struct err *err, int r, const char *what, const char *name) {
        return err_set(err, r, "cannot %s %s: %s", what, name, strerror(-r));
}

static int make_folder(const char *path, mode_t mode, struct err *err) {
        if (mkdir(path, mode) < 0 && errno != EEXIST)
                return fail(err, -errno, "make", path);
        return 0;
}

static int sync_folder(const char *path, struct err *err) {
        cleanup_(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 || fsync(fd) < 0)
                return fail(err, -errno, "sync", path);
        return 0;
}

/* ---- removing */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

/* An ordinary user cannot empty a read-only folder of their own. */
static int open_up(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        if (type == FTW_D)
                (void)chmod(path, 0700);
        return 0;
}

static int remove_tree(const char *path, struct err *err) {
        (void)nftw(path, open_up, 16, FTW_PHYS);
        if (nftw(path, remove_entry, 16, FTW_PHYS | FTW_DEPTH) < 0 && errno != ENOENT)
                return fail(err, -errno, "remove", path);
        return 0;
}

/* ---- copying */

/* The folders on NAME's way below DIR. */
static int make_parents(int dir, const char *name, struct err *err) {
        for (const char *p = strchr(name, '/'); p; p = strchr(p + 1, '/')) {
                cleanup_(freep) char *part = str_ndup(name, (size_t)(p - name));

                if (mkdirat(dir, part, 0755) < 0 && errno != EEXIST)
                        return fail(err, -errno, "make", part);
        }
        return 0;
}

static int write_file(int dir, const char *name, mode_t mode, const struct buf *bytes,
                      struct err *err) {
        cleanup_(closep) int fd =
                openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        int r;

        if (fd < 0)
                return fail(err, -errno, "make", name);
        r = file_write_all(fd, bytes->data, bytes->len);
        if (r < 0)
                return fail(err, r, "write", name);
        if (fchmod(fd, mode) < 0 || fsync(fd) < 0)
                return fail(err, -errno, "sync", name);
        return 0;
}

static int copy_file(int from, int to, const struct charm_file *f, struct err *err) {
        cleanup_(buf_free) struct buf bytes = BUF_INIT;
        int r = charm_dir_take(from, f, &bytes, err);

        if (r >= 0)
                r = make_parents(to, f->name, err);
        if (r >= 0)
                r = write_file(to, f->name, f->executable ? 0555 : 0444, &bytes, err);
        return r;
}

static int sync_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        if (type != FTW_DP)
                return 0;
        if (sync_folder(path, NULL) < 0)
                return -1;
        return chmod(path, 0555) < 0 ? -1 : 0;
}

static int copy_files(int from, const char *path, const struct charm_dir *d, struct err *err) {
        cleanup_(buf_free) struct buf manifest = BUF_INIT;
        cleanup_(closep) int to = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int r = to < 0 ? fail(err, -errno, "open", path) : 0;

        for (size_t i = 0; r >= 0 && i < d->count; i++)
                r = copy_file(from, to, &d->files[i], err);
        if (r < 0)
                return r;
        charm_dir_manifest(d, &manifest);
        r = write_file(to, CHARM_DIR_MANIFEST, 0444, &manifest, err);
        if (r >= 0 && nftw(path, sync_entry, 16, FTW_PHYS | FTW_DEPTH) < 0)
                r = fail(err, -EIO, "sync", path);
        return r;
}

static int read_folder(const char *folder, const char *sha256, int *ret_fd, struct charm_dir **ret,
                       struct err *err) {
        cleanup_(charm_dir_freep) struct charm_dir *d = NULL;
        cleanup_(closep) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = fd < 0 ? fail(err, -errno, "open", folder) : charm_dir_read(fd, -1, NULL, &d, err);

        if (r < 0)
                return err_add(err, r, "%s", folder);
        if (!str_eq(d->sha256, sha256))
                return err_set(err, -ESTALE,
                               "%s changed while it was looked at: its content is %.12s... now",
                               folder, d->sha256);
        *ret_fd = fd;
        fd = -1;
        *ret = take_ptr(d);
        return 0;
}

/* The new folder takes the place of a damaged one. */
static int put_in_place(const char *state_dir, const char *fresh, const char *folder,
                        struct err *err) {
        cleanup_(freep) char *parent = str_format("%s/charms", state_dir);
        int r = remove_tree(folder, err);

        if (r >= 0 && rename(fresh, folder) < 0)
                r = fail(err, -errno, "rename", fresh);
        return r < 0 ? r : sync_folder(parent, err);
}

static int take_in(const char *state_dir, const char *folder, const char *sha256, struct err *err) {
        cleanup_(freep) char *parent = str_format("%s/charms", state_dir);
        cleanup_(freep) char *fresh = str_format("%s/" FRESH "%s", parent, sha256);
        cleanup_(freep) char *to = charm_pin_folder(state_dir, sha256);
        cleanup_(charm_dir_freep) struct charm_dir *d = NULL;
        cleanup_(closep) int from = -1;
        int r;

        if (charm_pin_check(state_dir, sha256, NULL) >= 0)
                return utimensat(AT_FDCWD, to, NULL, 0) < 0 ? fail(err, -errno, "stamp", to) : 0;
        r = read_folder(folder, sha256, &from, &d, err);
        if (r >= 0)
                r = make_folder(parent, 0700, err);
        if (r >= 0)
                r = remove_tree(fresh, err);
        if (r >= 0)
                r = make_folder(fresh, 0700, err);
        if (r >= 0)
                r = copy_files(from, fresh, d, err);
        if (r >= 0)
                r = put_in_place(state_dir, fresh, to, err);
        if (r < 0)
                (void)remove_tree(fresh, NULL);
        return r < 0 ? err_add(err, r, "charm %.12s...", sha256) : 1;
}

int charm_pin(const char *state_dir, const char *folder, const char *sha256, struct err *err) {
        int r;

        pthread_mutex_lock(&one_at_a_time);
        r = take_in(state_dir, folder, sha256, err);
        pthread_mutex_unlock(&one_at_a_time);
        return r;
}

int charm_pin_drop(const char *state_dir, const char *sha256, struct err *err) {
        cleanup_(freep) char *folder = charm_pin_folder(state_dir, sha256);

        return remove_tree(folder, err);
}

static void closedirp(DIR **d) {
        if (*d)
                closedir(*d);
}

/* Nothing that is not named like a copy. */
static bool is_unused(int dir, const char *name, const struct map *keep, int64_t before_ms) {
        const char *sha256 = str_starts(name, FRESH) ? name + strlen(FRESH) : name;
        struct stat st;

        return strlen(sha256) == DIGEST_HEX_SIZE - 1 &&
               strspn(sha256, "0123456789abcdef") == DIGEST_HEX_SIZE - 1 &&
               (sha256 != name || !map_find(keep, sha256)) &&
               fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
               st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000 < before_ms;
}

static int prune(const char *state_dir, DIR *d, const struct map *keep, int64_t before_ms,
                 struct err *err) {
        struct dirent *e;
        int n = 0;

        while (n < CHARM_PRUNE_MAX && (e = readdir(d))) {
                int r = 0;

                if (!is_unused(dirfd(d), e->d_name, keep, before_ms))
                        continue;
                r = charm_pin_drop(state_dir, e->d_name, err);
                if (r < 0)
                        return r;
                n++;
        }
        return n;
}

int charm_pin_prune(const char *state_dir, const struct map *keep, int64_t before_ms,
                    struct err *err) {
        cleanup_(freep) char *parent = str_format("%s/charms", state_dir);
        cleanup_(closedirp) DIR *d = opendir(parent);
        int r;

        if (!d)
                return errno == ENOENT ? 0 : fail(err, -errno, "read", parent);
        pthread_mutex_lock(&one_at_a_time);
        r = prune(state_dir, d, keep, before_ms, err);
        pthread_mutex_unlock(&one_at_a_time);
        return r;
}

int charm_pin_check(const char *state_dir, const char *sha256, struct err *err) {
        cleanup_(freep) char *folder = charm_pin_folder(state_dir, sha256);
        cleanup_(closep) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        cleanup_(charm_dir_freep) struct charm_dir *d = NULL;
        int r = fd < 0 ? fail(err, -errno, "open", folder) : charm_dir_load(fd, sha256, &d, err);

        for (size_t i = 0; r >= 0 && i < d->count; i++)
                r = charm_dir_open(fd, &d->files[i], NULL, err);
        return r;
}
