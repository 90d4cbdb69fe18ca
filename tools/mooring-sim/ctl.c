/* SPDX-License-Identifier: Apache-2.0 */
/* ctl.c - `mooring-sim ctl --control SOCKET WORDS...`: sends one line and prints what comes back */
#include "control_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int usage(FILE *to, int code) {
        cleanup_(buf_free) struct buf words = BUF_INIT;

        control_words_help(&words);
        fprintf(to, "usage: mooring-sim ctl --control SOCKET WORD [ARGUMENT]...\n\n%s",
                buf_str(&words));
        return code;
}

static int dial(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        str_copy(address.sun_path, sizeof(address.sun_path), path);
        if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address))) {
                close(fd);
                fd = -1;
        }
        return fd;
}

static void add_argument(struct buf *line, const char *text) {
        bool quote = !*text || strpbrk(text, " \t");

        buf_printf(line, "%s%s%s%s", line->len ? " " : "", quote ? "'" : "", text,
                   quote ? "'" : "");
}

/* Prints lines up to the last, which says how it went. */
static int print_answer(int fd) {
        cleanup_(buf_free) struct buf in = BUF_INIT;
        char data[65536], *end;
        ssize_t n;

        while ((n = read(fd, data, sizeof(data))) > 0) {
                buf_add(&in, data, (size_t)n);
                while ((end = memchr(buf_str(&in), '\n', in.len))) {
                        *end = '\0';
                        if (str_eq(in.data, "ok"))
                                return 0;
                        if (str_starts(in.data, "error: ")) {
                                fprintf(stderr, "mooring-sim: %s\n", in.data);
                                return 1;
                        }
                        puts(in.data);
                        buf_skip(&in, (size_t)(end - in.data) + 1);
                }
        }
        fprintf(stderr, "mooring-sim: the simulator went away\n");
        return 1;
}

int ctl_main(int argc, char **argv) {
        cleanup_(buf_free) struct buf line = BUF_INIT;
        cleanup_(closep) int fd = -1;
        const char *path = getenv("MOORING_SIM_CONTROL");
        int at = 1;

        if (argc > 2 && str_eq(argv[1], "--control")) {
                path = argv[2];
                at = 3;
        }
        if (argc > 1 && str_eq(argv[at], "--help"))
                return usage(stdout, 0);
        if (!path || at >= argc)
                return usage(stderr, 2);
        for (; at < argc; at++)
                add_argument(&line, argv[at]);
        buf_putc(&line, '\n');
        fd = dial(path);
        if (fd < 0 || write(fd, line.data, line.len) != (ssize_t)line.len) {
                fprintf(stderr, "mooring-sim: no simulator listens on %s: %s\n", path,
                        strerror(errno));
                return 1;
        }
        return print_answer(fd);
}
