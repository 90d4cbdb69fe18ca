/* SPDX-License-Identifier: Apache-2.0 */
/* archive-write.c - the writing half of archive.h
 *
 * Who runs out of room, or is killed, leaves PATH.part only, which the next one writes over. */
#include "archive.h"

#include "file.h"
#include "stream-code.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "mooring backup 1\n"
#define PIECE (256u << 10)

struct archive_writer {
        char *path, *part;
        int fd;
        struct stream_code *code;
        struct buf out;
        size_t files;
        uint64_t written;
        bool done;
};

static int put(struct archive_writer *w, const void *data, size_t len, bool last, struct err *err) {
        int r = stream_code_work(w->code, data, len, last, &w->out, err);

        if (r < 0)
                return r;
        w->written += w->out.len;
        r = file_write_all(w->fd, buf_str(&w->out), w->out.len);
        buf_clear(&w->out);
        return r < 0 ? err_set(err, r, "%s: %s", w->part, strerror(-r)) : 0;
}

/* Takes HEAD over. */
static int put_head(struct archive_writer *w, json_t *head, bool last, struct err *err) {
        cleanup_(buf_free) struct buf text = BUF_INIT;
        uint8_t len[4];
        int r;

        json_canonical(head, &text);
        json_decref(head);
        if (text.len > BACKUP_HEAD_MAX)
                return err_set(err, -E2BIG, "%s: a name is too long", w->part);
        for (int i = 0; i < 4; i++)
                len[i] = (uint8_t)(text.len >> (24 - 8 * i));
        r = put(w, len, sizeof(len), false, err);
        return r < 0 ? r : put(w, text.data, text.len, last, err);
}

int archive_writer_new(const char *path, const struct secret_text *key, const json_t *info,
                       struct archive_writer **ret, struct err *err) {
        struct archive_writer *w = mem_new(struct archive_writer);
        struct stream_code_how how = { .gzip = true, .key = key->data, .key_len = key->len };
        int r = 0;

        w->path = str_dup(path);
        w->part = str_format("%s.part", path);
        w->code = stream_code_new(&how);
        w->fd = -1;
        if (access(path, F_OK) == 0)
                r = err_set(err, -EEXIST, "%s is there already: name another file", path);
        if (r == 0) {
                unlink(w->part);
                w->fd = open(w->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
                if (w->fd < 0)
                        r = err_set(err, -errno, "%s: %s", w->part, strerror(errno));
        }
        if (r == 0)
                r = put(w, MAGIC, strlen(MAGIC), false, err);
        if (r == 0)
                r = put_head(w, json_pack("{s:O}", "info", (json_t *)info), false, err);
        if (r < 0) {
                archive_writer_free(w);
                return r;
        }
        *ret = w;
        return 0;
}

/* ---- files */

static int add_bytes(struct archive_writer *w, int fd, const char *from, uint64_t size,
                     struct err *err) {
        cleanup_(freep) char *piece = mem_alloc(PIECE);

        while (size) {
                ssize_t n = read(fd, piece, MIN_OF(size, (uint64_t)PIECE));
                int r;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return err_set(err, -errno, "%s: %s", from, strerror(errno));
                if (n == 0)
                        return err_set(err, -EAGAIN, "%s became shorter meanwhile: try again",
                                       from);
                r = put(w, piece, (size_t)n, false, err);
                explicit_bzero(piece, (size_t)n); /* the key is among them */
                if (r < 0)
                        return r;
                size -= (uint64_t)n;
        }
        return 0;
}

static int add_file(struct archive_writer *w, const char *from, const char *name, struct err *err) {
        cleanup_(closep) int fd = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        struct stat st;
        int r;

        if (fd < 0 && errno == ENOENT)
                return 0; /* it went meanwhile */
        if (fd < 0 || fstat(fd, &st) < 0)
                return err_set(err, -errno, "%s: %s", from, strerror(errno));
        r = put_head(w,
                     json_pack("{s:s, s:I, s:I}", "file", name, "mode",
                               (json_int_t)(st.st_mode & 0777), "size", (json_int_t)st.st_size),
                     false, err);
        w->files++;
        return r < 0 ? r : add_bytes(w, fd, from, (uint64_t)st.st_size, err);
}

static int add_entry(struct archive_writer *w, const FTSENT *e, const char *name, struct err *err) {
        switch (e->fts_info) {
        case FTS_D:
                return put_head(w,
                                json_pack("{s:s, s:I}", "folder", name, "mode",
                                          (json_int_t)(e->fts_statp->st_mode & 0777)),
                                false, err);
        case FTS_F:
                return add_file(w, e->fts_path, name, err);
        case FTS_DNR:
        case FTS_ERR:
                return err_set(err, -e->fts_errno, "%s: %s", e->fts_path, strerror(e->fts_errno));
        default:
                return 0;
        }
}

int archive_add(struct archive_writer *w, const char *from, const char *name, struct err *err) {
        cleanup_(freep) char *root = str_dup(from);
        char *const roots[] = { root, NULL };
        FTS *tree;
        FTSENT *e;
        int r = 0;

        if (access(from, F_OK) < 0 && errno == ENOENT)
                return 0;
        tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
        if (!tree)
                return err_set(err, -errno, "%s: %s", from, strerror(errno));
        while (r == 0 && (e = fts_read(tree))) {
                cleanup_(freep) char *at = str_format("%s%s", name, e->fts_path + strlen(from));

                r = add_entry(w, e, at, err);
        }
        fts_close(tree);
        return r;
}

/* ---- the end */

int archive_end(struct archive_writer *w, struct err *err) {
        int r = put_head(w, json_pack("{s:I}", "end", (json_int_t)w->files), true, err);

        if (r < 0)
                return r;
        if (fsync(w->fd) < 0)
                return err_set(err, -errno, "%s: %s", w->part, strerror(errno));
        if (renameat2(AT_FDCWD, w->part, AT_FDCWD, w->path, RENAME_NOREPLACE) < 0)
                return err_set(err, -errno, "%s: %s", w->path, strerror(errno));
        w->done = true;
        r = file_sync_folder_of(w->path);
        return r < 0 ? err_set(err, r, "%s: %s", w->path, strerror(-r)) : 0;
}

uint64_t archive_size(const struct archive_writer *w) {
        return w->written;
}

struct archive_writer *archive_writer_free(struct archive_writer *w) {
        if (!w)
                return NULL;
        if (w->fd >= 0 && !w->done)
                unlink(w->part);
        closep(&w->fd);
        stream_code_free(w->code);
        buf_free(&w->out);
        free(w->path);
        free(w->part);
        free(w);
        return NULL;
}
