/* SPDX-License-Identifier: Apache-2.0 */
/* archive-read.c - the reading half of archive.h
 *
 * The bytes of a chunk are only used once its tag was right, and all of them count only when the
 * end was: what is written before goes into a folder that nobody uses yet. */
#include "archive.h"

#include "file.h"
#include "stream-code.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "mooring backup "
#define VERSION "1\n"
#define PIECE (256u << 10)
#define DEPTH_MAX 8 /* folders in each other; a charm has two */

struct folder_mode {
        char *path;
        mode_t mode;
};

struct reader {
        const char *path, *into;
        int fd;
        struct stream_code *code;
        struct buf plain; /* opened, not yet used from AT on */
        size_t at;
        bool last; /* all of the file was given to CODE */
        bool more; /* CODE has more of what it was given */
        bool over; /* all of it came out */
        size_t files;
        struct folder_mode *folders; /* their modes are set at the end: some are read-only */
        size_t folder_count, folder_room;
};

static int broken(const struct reader *r, const char *what, struct err *err) {
        return err_set(err, -EBADMSG, "%s: is no backup that can be used: %s", r->path, what);
}

/* ---- bytes */

/* The next bytes of the file, unless what was given before unpacks to more. */
static int open_piece(struct reader *r, struct err *err) {
        cleanup_(freep) char *piece = mem_alloc(PIECE);
        ssize_t n = 0;
        int k;

        while (!r->more && !r->last && (n = read(r->fd, piece, PIECE)) < 0)
                if (errno != EINTR)
                        return err_set(err, -errno, "%s: %s", r->path, strerror(errno));
        if (!r->more && n == 0)
                r->last = true;
        k = stream_code_work(r->code, piece, (size_t)n, r->last, &r->plain, err);
        if (k < 0)
                return err_add(err, k, "%s", r->path);
        r->more = k > 0;
        r->over = r->last && k == 0;
        return 0;
}

/* At least WANT bytes are there, unless the end comes before: *RET how many. */
static int fill(struct reader *r, size_t want, size_t *ret, struct err *err) {
        int k = 0;

        if (r->plain.len - r->at < want && r->at) {
                buf_skip(&r->plain, r->at);
                r->at = 0;
        }
        while (k == 0 && !r->over && r->plain.len - r->at < want)
                k = open_piece(r, err);
        *ret = MIN_OF(r->plain.len - r->at, want);
        return k;
}

static int take(struct reader *r, size_t want, const char **ret, struct err *err) {
        size_t n = 0;
        int k = fill(r, want, &n, err);

        *ret = NULL;
        if (k < 0)
                return k;
        if (n < want)
                return broken(r, "it ends in the middle", err);
        *ret = r->plain.data + r->at;
        r->at += want;
        return 0;
}

/* ---- parts */

static int take_magic(struct reader *r, struct err *err) {
        const char *magic;
        int k = take(r, strlen(MAGIC VERSION), &magic, err);

        if (k < 0)
                return k;
        if (memcmp(magic, MAGIC, strlen(MAGIC)) != 0)
                return broken(r, "it was sealed with this key, but is something else", err);
        if (memcmp(magic + strlen(MAGIC), VERSION, strlen(VERSION)) != 0)
                return err_set(err, -EPROTONOSUPPORT,
                               "%s is a backup of version %c, this program reads version 1: use "
                               "the program that made it, or a newer one",
                               r->path, magic[strlen(MAGIC)]);
        return 0;
}

static int take_head(struct reader *r, json_t **ret, struct err *err) {
        const char *bytes;
        uint32_t len = 0;
        int k = take(r, 4, &bytes, err);

        if (k < 0)
                return k;
        for (int i = 0; i < 4; i++)
                len = len << 8 | (uint8_t)bytes[i];
        if (!len || len > BACKUP_HEAD_MAX)
                return broken(r, "a part of it has no head", err);
        k = take(r, len, &bytes, err);
        return k < 0 ? k : json_parse(bytes, len, ret, err);
}

/* Only what a state folder has: nothing that leads out of it or hides in it. */
static bool is_ours(const char *name) {
        static const char *const roots[] = { "model.db", "key", "charms", "resources" };
        const char *slash = strchr(name, '/');
        size_t root = slash ? (size_t)(slash - name) : strlen(name), depth = 0;
        bool known = false;

        for (size_t i = 0; i < ARRAY_SIZE(roots); i++)
                known |= strlen(roots[i]) == root && memcmp(roots[i], name, root) == 0;
        for (const char *p = name; p && known; p = strchr(p, '/'), p = p ? p + 1 : NULL) {
                known = *p && *p != '/' && *p != '.';
                depth++;
        }
        return known && depth <= DEPTH_MAX && strlen(name) <= BACKUP_PATH_MAX;
}

static int write_bytes(struct reader *r, int fd, const char *path, uint64_t size, struct err *err) {
        while (size) {
                size_t want = (size_t)MIN_OF(size, (uint64_t)PIECE);
                const char *bytes;
                int k = take(r, want, &bytes, err);

                if (k < 0)
                        return k;
                k = file_write_all(fd, bytes, want);
                if (k < 0)
                        return err_set(err, k, "%s: %s", path, strerror(-k));
                size -= want;
        }
        return 0;
}

static int take_file(struct reader *r, const json_t *head, const char *name, struct err *err) {
        cleanup_(freep) char *path = str_format("%s/%s", r->into, name);
        cleanup_(closep) int fd =
                open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        int64_t size = json_get_int(head, "size", -1);
        int k;

        if (fd < 0)
                return err_set(err, -errno, "%s: %s", path, strerror(errno));
        if (size < 0 || ++r->files > BACKUP_FILES_MAX)
                return broken(r, "the size or the number of its files", err);
        k = write_bytes(r, fd, path, (uint64_t)size, err);
        if (k == 0 &&
            (fchmod(fd, (mode_t)json_get_int(head, "mode", 0600) & 0755) < 0 || fsync(fd) < 0))
                k = err_set(err, -errno, "%s: %s", path, strerror(errno));
        return k;
}

static int take_folder(struct reader *r, const json_t *head, const char *name, struct err *err) {
        struct folder_mode *f;

        if (r->folder_count == BACKUP_FILES_MAX)
                return broken(r, "the number of its folders", err);
        r->folders = mem_grow(r->folders, &r->folder_room, r->folder_count + 1, sizeof(*f));
        f = &r->folders[r->folder_count++];
        f->path = str_format("%s/%s", r->into, name);
        f->mode = (mode_t)json_get_int(head, "mode", 0700) & 0755;
        return mkdir(f->path, 0700) < 0 ? err_set(err, -errno, "%s: %s", f->path, strerror(errno))
                                        : 0;
}

/* 1: that was the last. */
static int take_part(struct reader *r, struct err *err) {
        cleanup_(json_freep) json_t *head = NULL;
        const char *file, *folder, *name;
        int k = take_head(r, &head, err);
        size_t n = 0;

        if (k < 0)
                return k;
        file = json_get_str(head, "file", NULL);
        folder = json_get_str(head, "folder", NULL);
        name = file ? file : folder;
        if (name && !is_ours(name))
                return broken(r, "a file of it belongs into no state folder", err);
        if (name)
                return file ? take_file(r, head, name, err) : take_folder(r, head, name, err);
        if (json_get_int(head, "end", -1) != (int64_t)r->files)
                return broken(r, "a part of it is not known", err);
        k = fill(r, 1, &n, err);
        if (k == 0 && n)
                k = broken(r, "there is something behind its end", err);
        return k < 0 ? k : 1;
}

static int take_all(struct reader *r, json_t **ret_info, struct err *err) {
        cleanup_(json_freep) json_t *head = NULL;
        int k = take_magic(r, err);

        if (k == 0)
                k = take_head(r, &head, err);
        if (k == 0 && !json_is_object(json_get(head, "info")))
                k = broken(r, "it does not say what it is", err);
        while (k == 0)
                k = take_part(r, err);
        for (size_t i = r->folder_count; k > 0 && i-- > 0;)
                if (chmod(r->folders[i].path, r->folders[i].mode) < 0)
                        k = err_set(err, -errno, "%s: %s", r->folders[i].path, strerror(errno));
        if (k < 0)
                return k;
        *ret_info = json_incref(json_get(head, "info"));
        return 0;
}

int archive_unpack(const char *path, const struct secret_text *key, const char *into,
                   json_t **ret_info, struct err *err) {
        struct stream_code_how how = {
                .undo = true, .gzip = true, .key = key->data, .key_len = key->len
        };
        struct reader r = { .path = path, .into = into };
        int k;

        r.fd = open(path, O_RDONLY | O_CLOEXEC);
        if (r.fd < 0)
                return err_set(err, -errno, "%s: %s", path, strerror(errno));
        r.code = stream_code_new(&how);
        k = take_all(&r, ret_info, err);
        stream_code_free(r.code);
        close(r.fd);
        buf_wipe(&r.plain);
        for (size_t i = 0; i < r.folder_count; i++)
                free(r.folders[i].path);
        free(r.folders);
        return k;
}

int archive_remove_folder(const char *folder, struct err *err) {
        cleanup_(freep) char *root = str_dup(folder);
        char *const roots[] = { root, NULL };
        FTS *tree;
        FTSENT *e;
        int r = 0;

        if (access(folder, F_OK) < 0 && errno == ENOENT)
                return 0;
        tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
        if (!tree)
                return err_set(err, -errno, "%s: %s", folder, strerror(errno));
        while ((e = fts_read(tree))) {
                if (e->fts_info == FTS_D)
                        r = chmod(e->fts_path, 0700) < 0 ? -errno : r;
                else if ((e->fts_info == FTS_DP ? rmdir(e->fts_path) : unlink(e->fts_path)) < 0)
                        r = -errno;
        }
        fts_close(tree);
        return r < 0 ? err_set(err, r, "%s: %s", folder, strerror(-r)) : 0;
}
