/* SPDX-License-Identifier: Apache-2.0 */
/* charm-dir.c - content and hash of a charm's folder; see charm-dir.h
 *
 * Everything is opened relative to the folder's own descriptor and without following links, so
 * that what was hashed is what lies in that folder and not what a name elsewhere points to at
 * another moment. */
#include "charm-dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANIFEST_HEAD "mooring-charm-1\n"
#define MANIFEST_MAX (1u << 20) /* CHARM_DIR_FILES_MAX lines of 512 bytes */

struct charm_dir *charm_dir_free(struct charm_dir *d) {
        if (!d)
                return NULL;
        for (size_t i = 0; i < d->count; i++)
                free(d->files[i].name);
        free(d->files);
        free(d->module);
        free(d);
        return NULL;
}

void charm_dir_freep(struct charm_dir **d) {
        *d = charm_dir_free(*d);
}

static void closedirp(DIR **d) {
        if (*d)
                closedir(*d);
}

/* A descriptor at its start, whatever was read through FD before. */
static int open_listing(int fd, DIR **ret, struct err *err) {
        int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

        if (copy < 0) {
                r = -errno;
                return err_set(err, r, "cannot open the folder: %s", strerror(-r));
        }
        *ret = fdopendir(copy);
        if (!*ret) {
                r = -errno;
                close(copy);
                return err_set(err, r, "cannot list the folder: %s", strerror(-r));
        }
        return 0;
}

/* ---- walking: FN for every file that belongs to the charm */

typedef int file_fn(void *arg, int dir, const char *base, const char *name, const struct stat *st,
                    struct err *err);

static int walk(int fd, const char *prefix, int depth, file_fn *fn, void *arg, struct err *err);

/* At the top only what the charm consists of; below objects/ and files/ everything. */
static bool belongs(const char *prefix, const char *base, bool folder) {
        if (*prefix)
                return true;
        if (folder)
                return str_eq(base, "objects") || str_eq(base, "files");
        return str_eq(base, "charm.yaml") || str_ends(base, ".so");
}

static int walk_entry(int fd, const char *prefix, const char *base, int depth, file_fn *fn,
                      void *arg, struct err *err) {
        cleanup_(freep) char *name = str_format("%s%s%s", prefix, *prefix ? "/" : "", base);
        cleanup_(closep) int below = -1;
        struct stat st;
        int r;

        if (fstatat(fd, base, &st, AT_SYMLINK_NOFOLLOW) < 0) {
                r = -errno;
                return err_set(err, r, "%s: %s", name, strerror(-r));
        }
        if (!belongs(prefix, base, S_ISDIR(st.st_mode)))
                return 0;
        if (S_ISREG(st.st_mode))
                return fn(arg, fd, base, name, &st, err);
        if (!S_ISDIR(st.st_mode))
                return err_set(err, -EINVAL,
                               "%s: neither a file nor a folder; links are not allowed in a charm",
                               name);
        if (depth >= CHARM_DIR_DEPTH_MAX)
                return err_set(err, -E2BIG, "%s: folders nested more than %d deep", name,
                               CHARM_DIR_DEPTH_MAX);
        below = openat(fd, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (below < 0) {
                r = -errno;
                return err_set(err, r, "%s: %s", name, strerror(-r));
        }
        return walk(below, name, depth + 1, fn, arg, err);
}

static int walk(int fd, const char *prefix, int depth, file_fn *fn, void *arg, struct err *err) {
        cleanup_(closedirp) DIR *d = NULL;
        struct dirent *e;
        int r = open_listing(fd, &d, err);

        while (r >= 0 && (e = readdir(d)))
                if (e->d_name[0] != '.') /* editors' leftovers too */
                        r = walk_entry(fd, prefix, e->d_name, depth, fn, arg, err);
        return r;
}

/* ---- hashing */

/* Hash and size of what FD reads from its start; the bytes too when OUT is not NULL. */
static int hash_file(int fd, const char *name, uint8_t ret[DIGEST_SIZE], uint64_t *ret_size,
                     struct buf *out, struct err *err) {
        cleanup_(freep) char *part = mem_alloc(64u << 10);
        struct digest_stream s;
        uint64_t size = 0;
        ssize_t n;

        digest_start(&s);
        while ((n = pread(fd, part, 64u << 10, (off_t)size)) > 0) {
                size += (uint64_t)n;
                if (size > CHARM_DIR_FILE_MAX)
                        return err_set(err, -E2BIG, "%s: more than %u bytes", name,
                                       CHARM_DIR_FILE_MAX);
                digest_add(&s, part, (size_t)n);
                if (out)
                        buf_add(out, part, (size_t)n);
        }
        if (n < 0) {
                n = -errno;
                return err_set(err, (int)n, "%s: %s", name, strerror((int)-n));
        }
        digest_end(&s, ret);
        *ret_size = size;
        return 0;
}

static int open_plain(int dir, const char *name, int *ret, struct err *err) {
        int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), r;
        struct stat st;

        if (fd < 0) {
                r = -errno;
                return err_set(err, r, "%s: %s", name, strerror(-r));
        }
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
                close(fd);
                return err_set(err, -EINVAL, "%s: not a plain file", name);
        }
        *ret = fd;
        return 0;
}

static struct charm_file *add_file(struct charm_dir *d, const char *name, bool executable) {
        d->files = mem_grow(d->files, &d->room, d->count + 1, sizeof(*d->files));
        d->files[d->count] = (struct charm_file){ .name = str_dup(name), .executable = executable };
        return &d->files[d->count++];
}

static int set_module(struct charm_dir *d, const char *name, struct err *err) {
        if (strchr(name, '/') || !str_ends(name, ".so"))
                return 0;
        if (d->module)
                return err_set(err, -EINVAL, "two modules: %s and %s", d->module, name);
        d->module = str_dup(name);
        return 0;
}

static int name_allowed(const char *name, struct err *err) {
        for (const char *p = name; *p; p++)
                if ((unsigned char)*p <= ' ' || *p == 0x7f)
                        return err_set(err, -EINVAL, "%s: a file name with a blank or worse in it",
                                       name);
        return 0;
}

static int hash_entry(void *arg, int dir, const char *base, const char *name, const struct stat *st,
                      struct err *err) {
        cleanup_(closep) int fd = -1;
        struct charm_dir *d = arg;
        struct charm_file *f;
        int r = name_allowed(name, err);

        if (r >= 0 && d->count >= CHARM_DIR_FILES_MAX)
                r = err_set(err, -E2BIG, "more than %d files", CHARM_DIR_FILES_MAX);
        if (r >= 0)
                r = open_plain(dir, base, &fd, err);
        if (r >= 0)
                r = set_module(d, name, err);
        if (r < 0)
                return r;
        f = add_file(d, name, (st->st_mode & 0111) != 0 && !str_ends(name, ".so"));
        return hash_file(fd, name, f->sha256, &f->size, NULL, err);
}

static int compare_files(const void *a, const void *b) {
        return strcmp(((const struct charm_file *)a)->name, ((const struct charm_file *)b)->name);
}

void charm_dir_manifest(const struct charm_dir *d, struct buf *out) {
        char hex[DIGEST_HEX_SIZE];

        buf_puts(out, MANIFEST_HEAD);
        for (size_t i = 0; i < d->count; i++)
                buf_printf(out, "%c %s %llu %s\n", d->files[i].executable ? 'x' : '-',
                           digest_hex(d->files[i].sha256, DIGEST_SIZE, hex),
                           (unsigned long long)d->files[i].size, d->files[i].name);
}

static void set_identity(struct charm_dir *d) {
        cleanup_(buf_free) struct buf text = BUF_INIT;

        charm_dir_manifest(d, &text);
        digest_sha256_hex(text.data, text.len, d->sha256);
}

/* A module from elsewhere counts as if it lay in the folder. */
static int add_module(struct charm_dir *d, int module, const char *name, struct err *err) {
        struct charm_file *f;
        int r = set_module(d, name, err);

        if (r < 0)
                return r;
        f = add_file(d, name, false);
        return hash_file(module, name, f->sha256, &f->size, NULL, err);
}

int charm_dir_read(int fd, int module, const char *module_name, struct charm_dir **ret,
                   struct err *err) {
        cleanup_(charm_dir_freep) struct charm_dir *d = mem_new(struct charm_dir);
        int r = walk(fd, "", 0, hash_entry, d, err);

        if (r >= 0 && module >= 0)
                r = add_module(d, module, module_name, err);
        if (r < 0)
                return r;
        qsort(d->files, d->count, sizeof(*d->files), compare_files);
        if (!charm_dir_find(d, "charm.yaml"))
                return err_set(err, -ENOENT, "there is no charm.yaml");
        set_identity(d);
        *ret = take_ptr(d);
        return 0;
}

const struct charm_file *charm_dir_find(const struct charm_dir *d, const char *name) {
        struct charm_file key = { .name = (char *)name };

        return bsearch(&key, d->files, d->count, sizeof(*d->files), compare_files);
}

/* ---- a pinned folder's manifest */

/* One line; LINE ends in NUL where its newline was. */
static int load_line(struct charm_dir *d, const char *line, struct err *err) {
        const char *name = NULL;
        struct charm_file *f;
        char hex[DIGEST_HEX_SIZE], mode;
        unsigned long long size;
        int at = 0;

        if (sscanf(line, "%c %64[0-9a-f] %llu %n", &mode, hex, &size, &at) == 3 && at > 0)
                name = line + at;
        if (!name || !*name || *name == '/' || strstr(name, "..") ||
            d->count >= CHARM_DIR_FILES_MAX)
                return err_set(err, -EBADMSG, "its manifest is broken");
        f = add_file(d, name, mode == 'x');
        f->size = size;
        if (!digest_unhex(hex, f->sha256, DIGEST_SIZE))
                return err_set(err, -EBADMSG, "its manifest is broken");
        return set_module(d, name, err);
}

static int load_lines(struct charm_dir *d, char *text, struct err *err) {
        char *line = text, *end;
        int r = 0;

        if (!str_starts(text, MANIFEST_HEAD))
                return err_set(err, -EBADMSG, "its manifest is of another version");
        line += strlen(MANIFEST_HEAD);
        for (; r >= 0 && (end = strchr(line, '\n')); line = end + 1) {
                *end = '\0';
                r = load_line(d, line, err);
        }
        return r;
}

int charm_dir_load(int fd, const char *sha256, struct charm_dir **ret, struct err *err) {
        cleanup_(charm_dir_freep) struct charm_dir *d = mem_new(struct charm_dir);
        cleanup_(buf_free) struct buf text = BUF_INIT;
        cleanup_(closep) int file = -1;
        uint8_t digest[DIGEST_SIZE];
        uint64_t size;
        int r = open_plain(fd, CHARM_DIR_MANIFEST, &file, err);

        if (r >= 0)
                r = hash_file(file, CHARM_DIR_MANIFEST, digest, &size, &text, err);
        if (r < 0)
                return r;
        digest_hex(digest, DIGEST_SIZE, d->sha256);
        if (!str_eq(d->sha256, sha256))
                return err_set(err, -ESTALE,
                               "its manifest has the hash %.12s..., wanted is %.12s...", d->sha256,
                               sha256);
        r = size > MANIFEST_MAX ? err_set(err, -E2BIG, "its manifest is too large")
                                : load_lines(d, text.data, err);
        if (r < 0)
                return r;
        *ret = take_ptr(d);
        return 0;
}

static int open_checked(int fd, const struct charm_file *f, struct buf *out, int *ret_fd,
                        struct err *err) {
        cleanup_(closep) int file = -1;
        uint8_t digest[DIGEST_SIZE];
        uint64_t size;
        int r = open_plain(fd, f->name, &file, err);

        if (r >= 0)
                r = hash_file(file, f->name, digest, &size, out, err);
        if (r < 0)
                return r;
        if (memcmp(digest, f->sha256, DIGEST_SIZE) != 0)
                return err_set(err, -ESTALE,
                               "%s is not the file that was hashed: it was changed since", f->name);
        if (ret_fd) {
                *ret_fd = file;
                file = -1;
        }
        return 0;
}

int charm_dir_open(int fd, const struct charm_file *f, int *ret_fd, struct err *err) {
        return open_checked(fd, f, NULL, ret_fd, err);
}

int charm_dir_take(int fd, const struct charm_file *f, struct buf *out, struct err *err) {
        return open_checked(fd, f, out, NULL, err);
}

/* ---- stamp */

static int stamp_entry(void *arg, int dir, const char *base, const char *name,
                       const struct stat *st, struct err *err) {
        uint64_t *stamp = arg, parts[6] = { st->st_ino,
                                            (uint64_t)st->st_size,
                                            (uint64_t)st->st_mtim.tv_sec,
                                            (uint64_t)st->st_mtim.tv_nsec,
                                            (uint64_t)st->st_ctim.tv_sec,
                                            (uint64_t)st->st_ctim.tv_nsec };
        uint64_t h = 14695981039346656037u;

        for (const char *p = name; *p; p++)
                h = (h ^ (unsigned char)*p) * 1099511628211u;
        for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
                h = (h ^ parts[i]) * 1099511628211u;
        *stamp += h ^ h >> 29; /* a sum: the order of a listing does not matter */
        return 0;
}

int charm_dir_stamp(int fd, uint64_t *ret, struct err *err) {
        uint64_t stamp = 1;
        int r = walk(fd, "", 0, stamp_entry, &stamp, err);

        if (r >= 0)
                *ret = stamp;
        return r;
}
