/* SPDX-License-Identifier: Apache-2.0 */
/* stream-file.c - see stream-file.h
 *
 * Each read and write is a job in a thread, one at a time. Who frees an end while its thread is
 * out leaves it to itself: it goes when the thread is back. What is written has no name before it
 * is whole (O_TMPFILE), so that two streams to one name, or a killed daemon, leave nothing. */
#include "stream-file.h"

#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#define READ_SIZE (256u << 10)
#define PENDING_MAX (2u << 20) /* written while the disk is slow, before write says no more */
#define NAME_LONGEST 500       /* with its folders; the file system limits each part */
#define PART ".part"

struct file {
        struct bytes bytes; /* first: what the caller holds */
        struct bytes_request request;
        char *folder, *name;
        struct job job;
        struct later soon;  /* goes on, from the loop */
        struct buf pending; /* into: not yet with the thread */
        bool paused, finishing, full, told, freed;
        /* the thread's, while it is out: */
        int fd, parent; /* PARENT: the folder that the file itself lies in */
        struct buf data;
        bool finish, named, ended;
        struct err err;
};

static struct file *file_of(struct bytes *b) {
        return container_of(b, struct file, bytes);
}

static const char *base_of(const struct file *f) {
        const char *slash = strrchr(f->name, '/');

        return slash ? slash + 1 : f->name;
}

/* ---- in the thread */

static int fail(struct file *f, const char *what) {
        return err_set(&f->err, -errno, "%s: %s: %m", f->name, what);
}

static int open_below(int at, const char *path, int flags, mode_t mode) {
        struct open_how how = { .flags = (uint64_t)(flags | O_CLOEXEC),
                                .mode = mode,
                                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };

        return (int)syscall(SYS_openat2, at, path, &how, sizeof(how));
}

/* A folder that was made is there after a loss of power too. */
static int make_folder(int at, const char *name) {
        if (mkdirat(at, name, 0700) < 0)
                return errno == EEXIST ? 0 : -1;
        return fsync(at);
}

/* The folders on the way, made where they are to be written into. */
static int open_parent(struct file *f) {
        cleanup_(closep) int at = open(f->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const char *from = f->name;

        for (const char *slash; at >= 0 && (slash = strchr(from, '/')); from = slash + 1) {
                cleanup_(freep) char *part = str_ndup(from, (size_t)(slash - from));
                int next;

                if (f->request.into && make_folder(at, part) < 0)
                        return fail(f, "its folder");
                next = open_below(at, part, O_RDONLY | O_DIRECTORY, 0);
                if (next < 0)
                        return fail(f, "its folder");
                close(at);
                at = next;
        }
        if (at < 0)
                return fail(f, f->folder);
        f->parent = at;
        at = -1;
        return 0;
}

/* Room for LEN bytes more, and for what else is written there. */
static int check_disk(struct file *f, size_t len) {
        struct statvfs disk;

        if (fstatvfs(f->parent, &disk) < 0)
                return fail(f, "its disk");
        if ((int64_t)(disk.f_bavail * disk.f_frsize) - (int64_t)len >= STREAM_DISK_KEEP)
                return 0;
        return err_set(&f->err, -ENOSPC,
                       "%s: less than %lld MiB would be left on the disk, which the daemon's own "
                       "state needs: make room there",
                       f->name, STREAM_DISK_KEEP >> 20);
}

/* One that takes another's place is none more. */
static int check_count(struct file *f) {
        int at = open_below(f->parent, ".", O_RDONLY | O_DIRECTORY, 0);
        DIR *folder = at < 0 ? NULL : fdopendir(at);
        int count = 0;

        if (!folder)
                return fail(f, "its folder");
        while (count <= STREAM_FILES_MAX + 2 && readdir(folder)) /* with "." and ".." */
                count++;
        closedir(folder);
        if (count < STREAM_FILES_MAX + 2 || faccessat(f->parent, base_of(f), F_OK, 0) == 0)
                return 0;
        return err_set(&f->err, -EDQUOT, "%s: its folder has %d files, which is as many as may be",
                       f->name, STREAM_FILES_MAX);
}

static int open_file(struct file *f) {
        struct stat st;

        if (open_parent(f) < 0)
                return -1;
        if (f->request.into && (check_count(f) < 0 || check_disk(f, 0) < 0))
                return -1;
        if (f->request.into)
                f->fd = openat(f->parent, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
        else
                f->fd = open_below(f->parent, base_of(f), O_RDONLY | O_NOCTTY | O_NONBLOCK, 0);
        if (f->fd < 0 || fstat(f->fd, &st) < 0)
                return fail(f, "open");
        if (!S_ISREG(st.st_mode))
                return err_set(&f->err, -EINVAL, "%s: not a regular file", f->name);
        return 0;
}

static int write_all(struct file *f) {
        if (f->data.len && check_disk(f, f->data.len) < 0)
                return -1;
        if (file_write_all(f->fd, f->data.data, f->data.len) < 0)
                return fail(f, "write");
        buf_clear(&f->data);
        return 0;
}

static int link_as(const struct file *f, const char *name) {
        char self[40];

        snprintf(self, sizeof(self), "/proc/self/fd/%d", f->fd);
        return linkat(AT_FDCWD, self, f->parent, name, AT_SYMLINK_FOLLOW);
}

/* In the place of what has the name: by way of another, which no other file can want. */
static int replace(const struct file *f) {
        cleanup_(freep) char *part = NULL;
        struct stat st;

        if (fstat(f->fd, &st) < 0)
                return -1;
        part = str_format("%llu" PART, (unsigned long long)st.st_ino);
        if (link_as(f, part) < 0)
                return -1;
        return renameat(f->parent, part, f->parent, base_of(f));
}

/* Named after all of it is on the disk: a name is a promise. */
static int give_name(struct file *f) {
        if (fsync(f->fd) < 0)
                return fail(f, "sync");
        if (link_as(f, base_of(f)) < 0 && (errno != EEXIST || replace(f) < 0))
                return fail(f, "its name");
        f->named = true;
        return fsync(f->parent) < 0 ? fail(f, "sync of its folder") : 0;
}

static int read_some(struct file *f) {
        ssize_t n;

        buf_clear(&f->data);
        buf_reserve(&f->data, READ_SIZE);
        n = read(f->fd, f->data.data, READ_SIZE);
        if (n < 0 && errno != EINTR)
                return fail(f, "read");
        f->ended = n == 0;
        f->data.len = n > 0 ? (size_t)n : 0;
        return 0;
}

static void work(void *arg) {
        struct file *f = arg;

        if (f->fd < 0 && open_file(f) < 0)
                return;
        if (!f->request.into)
                read_some(f);
        else if (write_all(f) == 0 && f->finish)
                give_name(f);
}

/* ---- on the loop */

static void destroy(struct file *f) {
        later_cancel(&f->soon);
        closep(&f->fd);
        closep(&f->parent);
        buf_wipe(&f->pending);
        buf_wipe(&f->data);
        free(f->folder);
        free(f->name);
        free(f);
}

static enum outcome outcome_of(int code) {
        switch (code) {
        case -ENOENT:
                return OUTCOME_GONE;
        case -EACCES:
        case -EPERM:
        case -EROFS:
                return OUTCOME_DENIED;
        case -EIO:
                return OUTCOME_UNREACHABLE;
        default:
                return OUTCOME_REFUSED; /* a full disk, a name that leads out, a folder */
        }
}

static void tell(struct file *f) {
        f->told = true;
        f->request.on_end(f->request.arg, f->err.code ? outcome_of(f->err.code) : OUTCOME_DONE,
                          &f->err, json_pack("{s:s}", "file", f->name));
}

static void go_on(void *arg) {
        struct file *f = arg;

        if (f->job.busy || f->told)
                return;
        if (f->request.into) {
                if (!f->pending.len && !f->finishing)
                        return;
                buf_free(&f->data);
                f->data = f->pending;
                f->pending = (struct buf)BUF_INIT;
                f->finish = f->finishing;
        } else if (f->paused) {
                return;
        }
        job_start(&f->job);
}

static void on_done(void *arg) {
        struct file *f = arg;

        if (f->freed)
                return destroy(f);
        if (f->err.code || f->ended || f->named)
                return tell(f);
        later_run(&f->soon);
        if (!f->request.into)
                return f->request.on_data(f->request.arg, f->data.data, f->data.len);
        if (f->full && f->pending.len < PENDING_MAX) {
                f->full = false;
                f->request.on_room(f->request.arg);
        }
}

static void file_pause(struct bytes *b, bool paused) {
        struct file *f = file_of(b);

        f->paused = paused;
        later_run(&f->soon);
}

static bool file_write(struct bytes *b, const void *data, size_t len) {
        struct file *f = file_of(b);

        buf_add(&f->pending, data, len);
        later_run(&f->soon);
        f->full = f->pending.len >= PENDING_MAX;
        return !f->full;
}

static void file_finish(struct bytes *b) {
        struct file *f = file_of(b);

        f->finishing = true;
        later_run(&f->soon);
}

static struct bytes *file_free(struct bytes *b) {
        struct file *f = b ? file_of(b) : NULL;

        if (!f)
                return NULL;
        f->freed = true;
        if (!f->job.busy)
                destroy(f);
        return NULL;
}

/* ---- begin */

bool stream_file_name(const char *name) {
        static const char *const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                           "0123456789._-/:";

        return *name && strlen(name) <= NAME_LONGEST && strspn(name, letters) == strlen(name) &&
               name[0] != '/' && name[0] != '.' && !str_ends(name, "/") && !str_ends(name, PART) &&
               !strstr(name, "//") && !strstr(name, "/.");
}

struct bytes *stream_file_open(struct loop *l, const char *folder, const char *name,
                               const struct bytes_request *r, struct err *err) {
        struct file *f;

        if (!folder || !stream_file_name(name)) {
                err_set(err, -EINVAL,
                        "file \"%.100s\": letters, digits and \"._-:/\", below the backup folder",
                        name);
                return NULL;
        }
        f = mem_new(struct file);
        f->bytes = (struct bytes){
                .pause = file_pause, .write = file_write, .finish = file_finish, .free = file_free
        };
        f->request = *r;
        f->folder = str_dup(folder);
        f->name = str_dup(name);
        f->fd = f->parent = -1;
        f->job = (struct job){ .loop = l,
                               .work = work,
                               .done = on_done,
                               .dropped = on_done,
                               .arg = f,
                               .name = "stream-file" };
        later_init(&f->soon, l, "stream-file", go_on, f);
        later_run(&f->soon);
        return &f->bytes;
}
