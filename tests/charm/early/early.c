/* SPDX-License-Identifier: Apache-2.0 */
/* early.c - a module whose constructor tries what no charm may, before the second stage of the
 * sandbox is closed
 *
 * Every attempt is one that succeeds for an ordinary process of the same user, so that a failure
 * shows the sandbox. The test checks that by loading this module without one: then
 * early_succeeded holds all of them. Its plan tells how many did. */
#include "charm.gen.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((visibility("default"))) extern unsigned early_succeeded;
unsigned early_succeeded;

static unsigned bit;

static void tried(long result) {
        if (result >= 0)
                early_succeeded |= 1u << bit;
        bit++;
}

static long try_fork(void) {
        long pid = syscall(SYS_fork);

        if (pid == 0)
                _exit(0);
        if (pid > 0)
                waitpid((pid_t)pid, NULL, 0);
        return pid;
}

static long try_memory(void) {
        char byte = 0;
        struct iovec from = { &byte, 1 };
        pid_t self = (pid_t)syscall(SYS_getpid);

        return process_vm_readv(self, &from, 1, &from, 1, 0);
}

/* Code that was in no file: new memory, and memory that was written to. */
static long try_executable(int prot) {
        void *page = mmap(NULL, 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (page == MAP_FAILED)
                return -1;
        return mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

__attribute__((constructor)) static void attack(void) {
        tried(open("/etc/passwd", O_RDONLY));
        tried(open("/proc/self/mem", O_RDWR));
        tried(open("/tmp", O_RDONLY | O_DIRECTORY));
        tried(open("/dev/null", O_WRONLY));
        tried(socket(AF_UNIX, SOCK_STREAM, 0));
        tried(socket(AF_INET, SOCK_STREAM, 0));
        tried(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, (int[2]){ 0 }));
        tried(try_fork());
        tried(kill(getpid(), 0));
        tried(try_memory());
        tried(syscall(SYS_memfd_create, "early", 0));
        tried(syscall(SYS_getppid));
        tried(syscall(SYS_unshare, 0));
        tried(pipe((int[2]){ 0 }));
        tried(syscall(SYS_prctl, 4 /* PR_SET_DUMPABLE */, 1, 0, 0, 0));
        tried(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
        tried(try_executable(PROT_READ | PROT_WRITE | PROT_EXEC));
        tried(try_executable(PROT_READ | PROT_WRITE));
}

static void plan(const struct charm_view *v, struct charm_plan *p) {
        charm_status(p, CHARM_ACTIVE, "%u attempts, succeeded: %x", bit, early_succeeded);
}

CHARM(.plan = plan);
