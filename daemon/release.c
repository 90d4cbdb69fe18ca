/* SPDX-License-Identifier: Apache-2.0 */
/* release.c - see release.h */
#include "release.h"

#include "log.h"
#include "release-kept.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define PREVIOUS "MOORINGD_PREVIOUS" /* "PROGRAM WORKER": two descriptors */
#define WORKER "MOORINGD_WORKER"     /* "WORKER": ours, from before */
#define FAILED "MOORINGD_FAILED"     /* why we are here again */
#define PROGRAM "MOORINGD_PROGRAM"   /* where we are installed, when we run from our copy */
/* A start copies the store and migrates it before it pings, and nobody waits for it at a boot. */
#define START_WATCHDOG_USEC "1800000000"

static struct {
        char program[PATH_MAX];
        char worker_path[32];
        int worker;
        int previous, previous_worker;
        char *failed;
} release = { .worker = -1, .previous = -1, .previous_worker = -1 };

/* A descriptor that was left to us: not for our children. */
static int take_descriptor(const char *text, char **ret_end) {
        long fd = strtol(text, ret_end, 10);

        if (*ret_end == text || fd < 3 || fd > INT_MAX || fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
                return -1;
        return (int)fd;
}

static void take_previous(void) {
        const char *text = getenv(PREVIOUS);
        char *end;

        if (text) {
                release.previous = take_descriptor(text, &end);
                release.previous_worker = take_descriptor(end, &end);
        }
        unsetenv(PREVIOUS);
}

static void take_own(void) {
        const char *worker = getenv(WORKER), *failed = getenv(FAILED);
        char *end;

        if (worker)
                release.worker = take_descriptor(worker, &end);
        if (failed)
                release.failed = str_dup(failed);
        unsetenv(WORKER);
        unsetenv(FAILED);
}

/* Of a file that was replaced the kernel says so. */
static void find_program(void) {
        static const char gone[] = " (deleted)";
        const char *installed = getenv(PROGRAM);
        ssize_t n = readlink("/proc/self/exe", release.program, sizeof(release.program) - 1);

        release.program[n < 0 ? 0 : n] = '\0';
        if (str_ends(release.program, gone))
                release.program[strlen(release.program) - strlen(gone)] = '\0';
        if (installed)
                snprintf(release.program, sizeof(release.program), "%s", installed);
        unsetenv(PROGRAM);
}

void release_init(void) {
        find_program();
        take_previous();
        take_own();
}

/* ---- the workers' program */

static char *find_worker(const struct options *o) {
        /* Installed into one folder; in the build tree. */
        static const char *const beside[] = { "mooring-charm", "charm/worker/mooring-charm" };
        const char *slash = strrchr(release.program, '/');

        if (o->worker)
                return str_dup(o->worker);
        for (size_t i = 0; slash && i < ARRAY_SIZE(beside); i++) {
                char *path = str_format("%.*s/%s", (int)(slash - release.program), release.program,
                                        beside[i]);

                if (access(path, X_OK) == 0)
                        return path;
                free(path);
        }
        return str_dup(MOORING_BIN "/mooring-charm");
}

int release_open(const struct options *o, struct err *err) {
        cleanup_(freep) char *path = find_worker(o);

        if (release.worker < 0)
                release.worker = open(path, O_RDONLY | O_CLOEXEC);
        if (release.worker < 0)
                return err_set(err, -errno, "%s: %s", path, strerror(errno));
        snprintf(release.worker_path, sizeof(release.worker_path), "/proc/self/fd/%d",
                 release.worker);
        return 0;
}

const char *release_worker(void) {
        return release.worker_path;
}

const char *release_program(void) {
        return release.program;
}

const char *release_failed(void) {
        return release.failed;
}

/* ---- another one */

void release_serves(void) {
        const char *usec = getenv("WATCHDOG_USEC");

        if (usec && (release.previous >= 0 || release.failed))
                sd_notifyf(0, "WATCHDOG_USEC=%s", usec);
        closep(&release.previous);
        closep(&release.previous_worker);
}

static void keep(int fd) {
        (void)fcntl(fd, F_SETFD, 0);
}

/* From its descriptor: its file may be gone. */
static void become(int program, int worker, char *const *argv, const char *why) {
        cleanup_(freep) char *path = str_format("/proc/self/fd/%d", program);
        cleanup_(freep) char *fd = str_format("%d", worker);

        keep(program);
        keep(worker);
        setenv(WORKER, fd, 1);
        setenv(FAILED, why, 1);
        setenv(PROGRAM, release.program, 1);
        execv(path, argv);
        log_plain(LOG_ERR, "release", "the release before cannot be started: %s", strerror(errno));
}

/* Does not return when it could be started. RET_WHY: free it. */
static void start_installed(const struct options *o, char *const *argv, int self, char **ret_why) {
        cleanup_(freep) char *previous = str_format("%d %d", self, release.worker);
        struct err err = { 0 };

        if (release_kept_make(o->state_dir, self, release.worker, &err) < 0) {
                *ret_why = str_dup(err_text(&err));
                return;
        }
        keep(self);
        keep(release.worker);
        setenv(PREVIOUS, previous, 1);
        execv(release.program, argv);
        *ret_why = str_format("%s: %s", release.program, strerror(errno));
        unsetenv(PREVIOUS);
        release_kept_forget(o->state_dir);
}

void release_hand_over(const struct options *o, char *const *argv) {
        int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        cleanup_(freep) char *why = NULL;

        log_plain(LOG_NOTICE, "release", "%s takes the place of this release (%s)", release.program,
                  MOORING_VERSION);
        sd_notify(0, "WATCHDOG_USEC=" START_WATCHDOG_USEC);
        start_installed(o, argv, self, &why);
        become(self, release.worker, argv, why);
}

void release_hand_back(char *const *argv, const char *why) {
        if (release.previous < 0)
                return;
        log_plain(LOG_ERR, "release", "the release before starts again: %s", why);
        become(release.previous, release.previous_worker, argv, why);
}

/* ---- the one that crashes */

void release_begin(const struct options *o, char *const *argv) {
        cleanup_(freep) char *why = NULL;
        int program, worker;

        if (release.failed || !release_kept_start(o->state_dir, &program, &worker))
                return;
        why = str_format("%s was started %d times and ended each time before it had served for %d "
                         "s: the journal has why. Install a release that starts (or the one before "
                         "again), then mooringctl upgrade-controller",
                         release.program, RELEASE_STARTS_MAX, RELEASE_SETTLED_MS / 1000);
        log_plain(LOG_ERR, "release", "the release before starts again: %s", why);
        become(program, worker, argv, why);
}

void release_settled(const struct options *o) {
        if (!release.failed)
                release_kept_settle(o->state_dir);
}

void release_not_served(const struct options *o) {
        if (!release.failed)
                release_kept_uncount(o->state_dir);
}

void release_stays(const struct options *o) {
        release_kept_confirm(o->state_dir);
}
