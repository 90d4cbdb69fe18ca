/* SPDX-License-Identifier: Apache-2.0 */
/* hostile.c - a module whose plan tries what no charm may: the attack that option "attack" names
 *
 * What returns from an attack that must not, tells so: "succeeded". */
#include "charm.gen.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CHANNEL 3

static const struct charm_view *view;
static struct charm_plan *out;
static pid_t victim;
static const char *path;
static volatile time_t out_time;

static void attack_open(void) {
        open(path, O_CREAT | O_WRONLY, 0644);
}
static void attack_read(void) {
        open("/etc/passwd", O_RDONLY);
}
static void attack_socket(void) {
        socket(AF_INET, SOCK_STREAM, 0);
}
static void attack_connect(void) {
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        memccpy(a.sun_path, path, 0, sizeof(a.sun_path) - 1);
        connect(fd, (struct sockaddr *)&a, sizeof(a));
}
static void attack_connect_channel(void) {
        struct sockaddr_un a = { .sun_family = AF_UNIX };

        memccpy(a.sun_path, path, 0, sizeof(a.sun_path) - 1);
        connect(CHANNEL, (struct sockaddr *)&a, sizeof(a));
}
static void attack_fork(void) {
        fork();
}
static void attack_thread(void) {
        syscall(SYS_clone3, NULL, 0);
}
static void attack_exec(void) {
        execl("/bin/sh", "sh", "-c", "true", (char *)NULL);
}
static void attack_kill(void) {
        kill(victim, SIGKILL);
}
static void attack_tgkill(void) {
        syscall(SYS_tgkill, victim, victim, SIGABRT);
}
static void attack_ptrace(void) {
        ptrace(PTRACE_ATTACH, victim, NULL, NULL);
}
static void attack_mem(void) {
        open(charm_text(out, "/proc/%d/mem", (int)victim), O_RDWR);
}
static void attack_vm_write(void) {
        static char byte;
        struct iovec v = { &byte, 1 };

        process_vm_writev(victim, &v, 1, &v, 1, 0);
}
static void attack_exec_memory(void) {
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
static void attack_exec_protect(void) {
        mprotect((void *)((uintptr_t)&view & ~4095ul), 4096, PROT_READ | PROT_EXEC);
}
static void attack_io_uring(void) {
        syscall(425, 1, NULL);
}
static void attack_time(void) {
        syscall(SYS_clock_gettime, 0, NULL);
}
static void attack_clock(void) {
        out_time = time(NULL); /* by the kernel's page: no system call is made */
}
static void attack_random(void) {
        syscall(SYS_getrandom, NULL, 0, 0);
}
static void attack_filter(void) {
        syscall(SYS_seccomp, 1, 0, NULL);
}
static void attack_other_fd(void) {
        syscall(SYS_read, 0, NULL, 0);
}

/* ---- what goes over the channel */

static void send_bytes(const void *data, size_t len) {
        while (len) {
                ssize_t n = write(CHANNEL, data, len);

                if (n <= 0)
                        _exit(1);
                data = (const char *)data + n;
                len -= (size_t)n;
        }
}
static void send_frame(char type, const char *body, size_t len) {
        unsigned char head[5] = { (unsigned char)(len + 1), (unsigned char)((len + 1) >> 8),
                                  (unsigned char)((len + 1) >> 16),
                                  (unsigned char)((len + 1) >> 24), (unsigned char)type };

        send_bytes(head, 5);
        send_bytes(body, len);
}
static void attack_gigabyte(void) {
        static char zeros[65536];

        send_bytes((unsigned char[]){ 0, 0, 0, 0x40, 'D' }, 5);
        for (int i = 0; i < 16384; i++)
                send_bytes(zeros, sizeof(zeros));
}
static void attack_garbage(void) {
        send_bytes("GET / HTTP/1.1\r\n\r\n", 18);
        for (;;)
                ;
}
static void attack_bad_hash(void) {
        static const char doc[] = "map\0\0................................{\"a\":1}";

        send_frame('H', "{}", 2);
        send_frame('D', doc, sizeof(doc) - 1);
        send_frame('E', "", 0);
}
static void attack_no_head(void) {
        send_frame('E', "", 0);
}
/* Two whole plans in one write, so that no read falls between them. */
static void attack_two_plans(void) {
        send_bytes("\3\0\0\0H{}\1\0\0\0E\3\0\0\0H{}\1\0\0\0E", 24);
}
/* A whole plan of its own: is taken for the answer; what follows is nobody's. */
static void attack_early_plan(void) {
        static const char head[] = "{\"message\":\"early\",\"status\":\"active\"}";

        send_frame('H', head, sizeof(head) - 1);
        send_frame('E', "", 0);
        for (volatile unsigned long i = 0; i < 1000000000; i++)
                ;
}
/* A frame of 100 bytes, one after the other. */
static void attack_slow(void) {
        send_bytes((unsigned char[]){ 100, 0, 0, 0, 'H' }, 5);
        for (volatile unsigned long i = 0;; i++)
                if (i % 1000000000 == 0)
                        send_bytes(" ", 1);
}
static void attack_loop(void) {
        for (volatile int i = 0;; i++)
                ;
}
/* Lives, and grows: until its worker is replaced. */
static void attack_keep(void) {
        static char *volatile kept;

        kept = malloc(2u << 20);
        if (kept)
                memset(kept, 1, 2u << 20);
}
static void attack_leak(void) {
        for (;;) {
                char *p = malloc(1 << 20);

                if (!p)
                        abort();
                memset(p, 1, 1 << 20);
        }
}
static void attack_memory(void) {
        charm_memory(out, (size_t)1 << 40);
}
static void attack_crash(void) {
        static volatile int *volatile nowhere;

        *nowhere = 1;
}
static void attack_stack(void);
static void (*volatile again)(void) = attack_stack;
static void attack_stack(void) {
        volatile char room[1 << 16];

        room[0] = 1;
        again();
        room[1] = room[0];
}
static void attack_exit(void) {
        exit(0);
}
/* No attack: what a charm's writer does. */
static void attack_print(void) {
        printf("planning %s\nand more\n", charm_application(view));
        fprintf(stderr, "to \xff stderr\n");
}
static void attack_print_much(void) {
        for (int i = 0; i < 1000; i++)
                printf("line %d\n", i);
}

/* ---- too much, by the functions that are meant for it */

static void want_text(const char *label, size_t len) {
        char *text = charm_memory(out, len + 1);

        memset(text, 'x', len);
        charm_want(out, label, "map.yaml",
                   CHARM_HOLES({ "name", CHARM_TEXT, label }, { "text", CHARM_TEXT, text }));
}
static void attack_document(void) {
        want_text("large", 4u << 20);
}
static void attack_documents(void) {
        for (int i = 0; i <= 20000; i++)
                want_text(charm_text(out, "map-%d", i), 10);
}
static void attack_plan(void) {
        for (int i = 0; i < 40; i++)
                want_text(charm_text(out, "map-%d", i), 2u << 20);
}
static void attack_twice(void) {
        want_text("same", 1);
        want_text("same", 2);
}

static const struct {
        const char *name;
        void (*run)(void);
} attacks[] = {
        { "open", attack_open },
        { "read", attack_read },
        { "socket", attack_socket },
        { "connect", attack_connect },
        { "connect-channel", attack_connect_channel },
        { "fork", attack_fork },
        { "thread", attack_thread },
        { "exec", attack_exec },
        { "kill", attack_kill },
        { "tgkill", attack_tgkill },
        { "ptrace", attack_ptrace },
        { "mem", attack_mem },
        { "vm-write", attack_vm_write },
        { "exec-memory", attack_exec_memory },
        { "exec-protect", attack_exec_protect },
        { "io-uring", attack_io_uring },
        { "time", attack_time },
        { "clock", attack_clock },
        { "random", attack_random },
        { "filter", attack_filter },
        { "other-fd", attack_other_fd },
        { "gigabyte", attack_gigabyte },
        { "garbage", attack_garbage },
        { "bad-hash", attack_bad_hash },
        { "no-head", attack_no_head },
        { "two-plans", attack_two_plans },
        { "early-plan", attack_early_plan },
        { "slow", attack_slow },
        { "loop", attack_loop },
        { "keep", attack_keep },
        { "leak", attack_leak },
        { "memory", attack_memory },
        { "crash", attack_crash },
        { "stack", attack_stack },
        { "exit", attack_exit },
        { "print", attack_print },
        { "print-much", attack_print_much },
        { "document", attack_document },
        { "documents", attack_documents },
        { "plan", attack_plan },
        { "twice", attack_twice },
};

static void plan(const struct charm_view *v, struct charm_plan *p) {
        const char *name = charm_option(v, OPTION_ATTACK);

        view = v;
        out = p;
        victim = (pid_t)charm_option_int(v, OPTION_PID);
        path = charm_option(v, OPTION_PATH);
        for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++)
                if (strcmp(attacks[i].name, name) == 0)
                        attacks[i].run();
        charm_status(p, CHARM_ACTIVE, "%s succeeded", name);
}

CHARM(.plan = plan);
