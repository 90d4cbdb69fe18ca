/* SPDX-License-Identifier: Apache-2.0 */
/* release-kept.c - see release-kept.h */
#include "release-kept.h"

#include "file.h"
#include "log.h"
#include "store.h"
#include "upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* In the folder UPGRADE_KEPT. */
#define PROGRAM "mooringd"
#define WORKER "mooring-charm"
#define STARTS "starts" /* "N PROGRAM": how often which one was started; "-": none yet */
#define NOBODY "-"
#define CHUNK ((size_t)64 << 10)
#define TEXT_MAX 160

static char *path_of(const char *state_dir, const char *name) {
        return str_format("%s/" UPGRADE_KEPT "/%s", state_dir, name);
}

/* ---- files, whole also after a power cut */

static int copy_bytes(int from, int to) {
        cleanup_(freep) char *chunk = (char *)mem_alloc(CHUNK);
        off_t at = 0;
        ssize_t n;

        /* The worker's descriptor is shared: its position is not ours. */
        while ((n = pread(from, chunk, CHUNK, at)) > 0) {
                int r = file_write_all(to, chunk, (size_t)n);

                if (r < 0)
                        return r;
                at += n;
        }
        return n < 0 ? -errno : 0;
}

static int finish(int fd, int r, const char *part, const char *path) {
        if (r >= 0 && fsync(fd) < 0)
                r = -errno;
        if (r >= 0 && rename(part, path) < 0)
                r = -errno;
        if (r >= 0)
                r = file_sync_folder_of(path);
        if (r < 0)
                unlink(part);
        return r;
}

/* TEXT, or a copy of FROM. It may be the very file that runs: a new one takes its name. */
static int put(const char *state_dir, const char *name, int from, const char *text) {
        cleanup_(freep) char *path = path_of(state_dir, name);
        cleanup_(freep) char *part = str_format("%s.part", path);
        cleanup_(closep) int fd = -1;
        int r;

        unlink(part);
        fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, text ? 0600 : 0700);
        if (fd < 0)
                return -errno;
        r = text ? file_write_all(fd, text, strlen(text)) : copy_bytes(from, fd);
        return finish(fd, r, part, path);
}

static int take_fd(int *fd) {
        int taken = *fd;

        *fd = -1;
        return taken;
}

/* Nobody but us can have written it. -1: it is not there, or not ours. */
static int open_own(const char *state_dir, const char *name) {
        cleanup_(freep) char *path = path_of(state_dir, name);
        cleanup_(closep) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & 022))
                return -1;
        return take_fd(&fd);
}

/* ---- the count */

static void identify(char text[static TEXT_MAX]) {
        struct stat st;

        snprintf(text, TEXT_MAX, NOBODY);
        if (stat("/proc/self/exe", &st) == 0)
                snprintf(text, TEXT_MAX, "%ju.%jd.%jd.%ld", (uintmax_t)st.st_ino,
                         (intmax_t)st.st_size, (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

/* In the room that it has already: a release that crashes because the disk is full counts too. */
static int rewrite_count(const char *state_dir, const char *text) {
        cleanup_(freep) char *path = path_of(state_dir, STARTS);
        cleanup_(closep) int fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0 || pwrite(fd, text, strlen(text), 0) < 0 || fsync(fd) < 0)
                return -errno;
        return 0;
}

static int put_count(const char *state_dir, int n, const char *who) {
        char text[2 * TEXT_MAX];
        int r;

        snprintf(text, sizeof(text), "%d %s\n", n, who);
        r = put(state_dir, STARTS, -1, text);
        return r < 0 && n > 0 ? rewrite_count(state_dir, text) : r;
}

/* -1: no release is kept. */
static int read_count(const char *state_dir, const char *who) {
        cleanup_(closep) int fd = open_own(state_dir, STARTS);
        char text[2 * TEXT_MAX] = "", name[TEXT_MAX] = "";
        int n = 0;

        if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
                return -1;
        /* What cannot be read counts from nothing. */
        if (sscanf(text, "%d %159s", &n, name) != 2 || !str_eq(name, who) || n < 0)
                return 0;
        return n;
}

/* ---- */

int release_kept_make(const char *state_dir, int program, int worker, struct err *err) {
        cleanup_(freep) char *folder = str_format("%s/" UPGRADE_KEPT, state_dir);
        int r = mkdir(folder, 0700) < 0 && errno != EEXIST ? -errno : 0;

        if (r == 0)
                r = file_sync_folder_of(folder);
        if (r == 0)
                r = put(state_dir, PROGRAM, program, NULL);
        if (r == 0)
                r = put(state_dir, WORKER, worker, NULL);
        if (r == 0)
                r = put_count(state_dir, 0, NOBODY);
        if (r == 0)
                return 0;
        release_kept_forget(state_dir);
        return err_set(err, r, "this release cannot be kept in %s: %s", folder, strerror(-r));
}

bool release_kept_start(const char *state_dir, int *ret_program, int *ret_worker) {
        cleanup_(closep) int program = -1, worker = -1;
        char who[TEXT_MAX];
        int n, r;

        identify(who);
        n = read_count(state_dir, who);
        if (n < 0)
                return false;
        if (n < RELEASE_STARTS_MAX) {
                r = put_count(state_dir, n + 1, who);
                if (r < 0)
                        log_plain(LOG_WARNING, "release", "this start is not counted: %s",
                                  strerror(-r));
                return false;
        }
        program = open_own(state_dir, PROGRAM);
        worker = open_own(state_dir, WORKER);
        if (program < 0 || worker < 0)
                return false;
        *ret_program = take_fd(&program);
        *ret_worker = take_fd(&worker);
        return true;
}

/* The store of before the migration lies there until somebody confirms. */
static bool waits_for_confirmation(const char *state_dir) {
        cleanup_(freep) char *copy = str_format("%s/" STORE_BEFORE, state_dir);

        return access(copy, F_OK) == 0;
}

void release_kept_uncount(const char *state_dir) {
        char who[TEXT_MAX];
        int n;

        identify(who);
        n = read_count(state_dir, who);
        if (n > 0 && put_count(state_dir, n - 1, who) < 0)
                log_plain(LOG_WARNING, "release", "this start counts, though another one serves");
}

void release_kept_confirm(const char *state_dir) {
        if (waits_for_confirmation(state_dir))
                release_kept_forget(state_dir);
}

void release_kept_settle(const char *state_dir) {
        char who[TEXT_MAX];

        identify(who);
        if (read_count(state_dir, who) < 0)
                return;
        if (!waits_for_confirmation(state_dir))
                release_kept_forget(state_dir);
        else if (put_count(state_dir, 0, who) < 0)
                log_plain(LOG_WARNING, "release", "that this release serves is not noted");
}

void release_kept_forget(const char *state_dir) {
        /* The count first: without it nothing is started. */
        static const char *const names[] = { STARTS, PROGRAM, WORKER, "" };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                cleanup_(freep) char *path = path_of(state_dir, names[i]);

                if (names[i][0])
                        unlink(path);
                else
                        rmdir(path);
        }
}
