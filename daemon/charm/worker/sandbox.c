/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox.c - landlock, seccomp and limits of a worker; see sandbox.h
 *
 * landlock has no library here: three calls and two structs, with the numbers of its later
 * versions named below, because the headers that this is built with may know fewer than the
 * kernel that it runs on. */
#include "sandbox.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHANNEL 3

/* ---- landlock */

/* As of version 6; an older kernel takes a shorter struct. */
struct ruleset {
        uint64_t fs, net, scoped;
};
/* File system rights by version: 13 of the first, then REFER (2), TRUNCATE (3), IOCTL_DEV (5). */
#define FS_RIGHTS_1 ((1ull << 13) - 1)
#define FS_RIGHT_REFER (1ull << 13)
#define FS_RIGHT_TRUNCATE (1ull << 14)
#define FS_RIGHT_IOCTL (1ull << 15)
#define NET_RIGHTS_4 3ull /* bind and connect of TCP */
#define SCOPES_6 3ull     /* abstract unix sockets, signals */

static int restrict_files(int module, struct err *err) {
        int version =
                (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
        struct ruleset rules = { FS_RIGHTS_1, 0, 0 };
        cleanup_(closep) int fd = -1;
        int r = -errno;

        if (version < 1)
                return err_set(err, version < 0 ? r : -ENOSYS, "this kernel has no landlock: %s",
                               strerror(-r));
        rules.fs |= (version >= 2 ? FS_RIGHT_REFER : 0) | (version >= 3 ? FS_RIGHT_TRUNCATE : 0) |
                    (version >= 5 ? FS_RIGHT_IOCTL : 0);
        rules.net = version >= 4 ? NET_RIGHTS_4 : 0;
        rules.scoped = version >= 6 ? SCOPES_6 : 0;
        fd = (int)syscall(SYS_landlock_create_ruleset, &rules,
                          version >= 6   ? 24
                          : version >= 4 ? 16
                                         : 8,
                          0);
        if (fd < 0) {
                r = -errno;
                return err_set(err, r, "landlock refuses its rules: %s", strerror(-r));
        }
        if (module >= 0) {
                struct landlock_path_beneath_attr one = { .allowed_access =
                                                                  LANDLOCK_ACCESS_FS_READ_FILE,
                                                          .parent_fd = module };

                if (syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &one, 0) < 0) {
                        r = -errno;
                        return err_set(err, r, "landlock refuses the module: %s", strerror(-r));
                }
        }
        if (syscall(SYS_landlock_restrict_self, fd, 0) < 0) {
                r = -errno;
                return err_set(err, r, "landlock cannot be switched on: %s", strerror(-r));
        }
        return 0;
}

/* ---- seccomp */

static void release(scmp_filter_ctx *c) {
        seccomp_release(*c);
}

/* Calls without conditions, of both stages: memory, waiting for a lock, the end. */
static const int always[] = {
        SCMP_SYS(brk),
        SCMP_SYS(munmap),
        SCMP_SYS(mremap),
        SCMP_SYS(madvise),
        SCMP_SYS(futex),
        SCMP_SYS(exit),
        SCMP_SYS(exit_group),
        SCMP_SYS(rt_sigreturn),
        SCMP_SYS(restart_syscall),
        SCMP_SYS(rt_sigprocmask),
};
/* What the loader and stage two itself need. Which files, landlock decides. */
static const int loading[] = {
        SCMP_SYS(openat),
        SCMP_SYS(open),
        SCMP_SYS(close),
        SCMP_SYS(read),
        SCMP_SYS(pread64),
        SCMP_SYS(fstat),
        SCMP_SYS(newfstatat),
        SCMP_SYS(lseek),
        SCMP_SYS(seccomp),
        SCMP_SYS(landlock_create_ruleset),
        SCMP_SYS(landlock_restrict_self),
};

static int allow(scmp_filter_ctx c, const int *calls, size_t n) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = seccomp_rule_add(c, SCMP_ACT_ALLOW, calls[i], 0);
        return r;
}

/* Memory as long as it cannot be run. */
static int allow_memory(scmp_filter_ctx c) {
        int r = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                                 SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

        if (r >= 0)
                r = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                                     SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
        return r;
}

/* Code only from a file, as it stands there: landlock leaves none but the module. */
static int allow_loading(scmp_filter_ctx c) {
        int r = allow(c, loading, ARRAY_SIZE(loading));

        if (r >= 0)
                r = seccomp_rule_add(
                        c, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
                        SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC | PROT_WRITE, PROT_EXEC),
                        SCMP_A3_32(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, 0));
        return r;
}

/* Output, and a process that ends itself: abort() says so with a signal to itself. */
static int allow_common(scmp_filter_ctx c) {
        pid_t self = getpid();
        int r = allow(c, always, ARRAY_SIZE(always));

        if (r >= 0)
                r = allow_memory(c);
        if (r >= 0)
                r = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
                                     SCMP_A0_32(SCMP_CMP_LE, CHANNEL));
        if (r >= 0)
                r = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(getpid), 0);
        if (r >= 0)
                r = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(gettid), 0);
        if (r >= 0)
                r = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 3,
                                     SCMP_A0_32(SCMP_CMP_EQ, (unsigned)self),
                                     SCMP_A1_32(SCMP_CMP_EQ, (unsigned)self),
                                     SCMP_A2_32(SCMP_CMP_EQ, SIGABRT));
        return r;
}

/* Reading from the channel only. */
static int allow_planning(scmp_filter_ctx c) {
        return seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(read), 1,
                                SCMP_A0_32(SCMP_CMP_EQ, CHANNEL));
}

static int restrict_calls(bool planning, struct err *err) {
        cleanup_(release) scmp_filter_ctx c =
                seccomp_init(planning ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(EPERM));
        int r = c ? 0 : -ENOMEM;

        /* Set before, by prctl: stage one leaves no prctl to set it again. */
        if (r >= 0)
                r = seccomp_attr_set(c, SCMP_FLTATR_CTL_NNP, 0);
        if (r >= 0)
                r = allow_common(c);
        if (r >= 0)
                r = planning ? allow_planning(c) : allow_loading(c);
        if (r >= 0)
                r = seccomp_load(c);
        return r < 0 ? err_set(err, r, "seccomp cannot be switched on: %s", strerror(-r)) : 0;
}

/* ---- limits */

static int limit(int what, rlim_t soft, rlim_t hard, const char *name, struct err *err) {
        struct rlimit l = { soft, hard };
        int r;

        if (setrlimit(what, &l) == 0)
                return 0;
        r = -errno;
        return err_set(err, r, "limit %s cannot be set: %s", name, strerror(-r));
}

static int set_limits(size_t memory, unsigned cpu_s, struct err *err) {
        int r = limit(RLIMIT_AS, memory, memory, "AS", err);

        if (r >= 0)
                r = limit(RLIMIT_CPU, cpu_s, cpu_s + 1, "CPU",
                          err); /* SIGXCPU may be caught, SIGKILL not */
        if (r >= 0)
                r = limit(RLIMIT_NPROC, 0, 0, "NPROC", err);
        if (r >= 0)
                r = limit(RLIMIT_NOFILE, 8, 8, "NOFILE",
                          err); /* 0 to 5 are in use, the loader opens one */
        if (r >= 0)
                r = limit(RLIMIT_CORE, 0, 0, "CORE", err); /* a core would hold the view */
        if (r >= 0)
                r = limit(RLIMIT_FSIZE, 0, 0, "FSIZE", err);
        if (r >= 0)
                r = limit(RLIMIT_MEMLOCK, 0, 0, "MEMLOCK", err);
        return r;
}

bool sandbox_follow(pid_t parent) {
        return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent;
}

/* ---- the clock */

/* The kernel's page of times, which libc reads without a system call, goes; so does the counter
 * of the processor, where the kernel can forbid it (x86; arm64 from 6.12). Who asks crashes. */
static int hide_clock(struct err *err) {
        cleanup_(fclosep) FILE *f = fopen("/proc/self/maps", "re");
        uintptr_t begin[4], end[4];
        char line[512];
        size_t n = 0;

        if (!f)
                return err_set(err, -errno, "/proc/self/maps: %s", strerror(errno));
        while (n < ARRAY_SIZE(begin) && fgets(line, sizeof(line), f))
                if (strstr(line, "[vvar") &&
                    sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &begin[n], &end[n]) == 2)
                        n++;
        for (size_t i = 0; i < n; i++)
                if (munmap((void *)begin[i], end[i] - begin[i]) < 0)
                        return err_set(err, -errno, "the clock cannot be taken away: %s",
                                       strerror(errno));
        (void)prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0);
        return 0;
}

int sandbox_one(int module, size_t memory, unsigned cpu_s, struct err *err) {
        int r = hide_clock(err);

        if (r >= 0)
                r = set_limits(memory, cpu_s, err);
        if (r >= 0 && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
                       prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)) {
                r = -errno;
                r = err_set(err, r, "privileges cannot be given up: %s", strerror(-r));
        }
        if (r >= 0)
                r = restrict_files(module, err);
        return r < 0 ? r : restrict_calls(false, err);
}

int sandbox_two(struct err *err) {
        int r = restrict_files(-1, err);

        return r < 0 ? r : restrict_calls(true, err);
}
