/* SPDX-License-Identifier: Apache-2.0 */
/* control_socket.c - the listening end of the control socket; see control_socket.h */
#include "control_socket.h"

#include "loop.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE_MAX_BYTES (4u << 20) /* an edit may carry a whole document of 3 MiB */

struct client {
        struct list entry; /* sim.clients */
        struct sim *sim;
        struct poller poller;
        struct buf in;
};

struct listener {
        struct poller poller;
        struct sim *sim;
        char *path;
};

static struct listener listener = { .poller = { .fd = -1 } };

static void client_free(struct client *c) {
        loop_remove(&c->poller);
        list_unlink(&c->entry);
        close(c->poller.fd);
        buf_free(&c->in);
        free(c);
}

/* Answers are short and their readers are ours: a blocking write is fine. */
static void answer(struct client *c, const char *line) {
        cleanup_(buf_free) struct buf out = BUF_INIT;
        struct err err = { 0 };
        int r = control_words_run(c->sim, line, &out, &err);

        if (r < 0)
                buf_printf(&out, "error: %s\n", err_text(&err));
        else
                buf_puts(&out, "ok\n");
        for (size_t at = 0; at < out.len;) {
                ssize_t n = send(c->poller.fd, out.data + at, out.len - at, MSG_NOSIGNAL);

                if (n <= 0)
                        return;
                at += (size_t)n;
        }
}

static void on_client(struct poller *p, short events) {
        struct client *c = container_of(p, struct client, poller);
        char data[65536], *end;
        ssize_t n = recv(p->fd, data, sizeof(data), MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN)
                return;
        if (n <= 0 || c->in.len + (size_t)n > LINE_MAX_BYTES) {
                client_free(c);
                return;
        }
        buf_add(&c->in, data, (size_t)n);
        while ((end = memchr(buf_str(&c->in), '\n', c->in.len))) {
                size_t length = (size_t)(end - c->in.data);
                cleanup_(freep) char *line = str_ndup(c->in.data, length);

                buf_skip(&c->in, length + 1);
                answer(c, line);
        }
}

static void on_listener(struct poller *p, short events) {
        struct listener *l = container_of(p, struct listener, poller);
        int fd = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC);
        struct client *c;

        if (fd < 0)
                return;
        c = mem_new(struct client);
        c->sim = l->sim;
        c->poller = (struct poller){ .fd = fd, .events = POLLIN, .ready = on_client };
        list_append(&c->sim->clients, &c->entry);
        loop_add(c->sim, &c->poller);
}

int control_listen(struct sim *sim, const char *path, struct err *err) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd;

        if (str_copy(address.sun_path, sizeof(address.sun_path), path) >= sizeof(address.sun_path))
                return err_set(err, -ENAMETOOLONG, "--control: the path is too long: %s", path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return err_set(err, -errno, "--control: socket");
        unlink(path);
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 16)) {
                int r = -errno;

                close(fd);
                return err_set(err, r, "--control: cannot listen on %s: %s", path, strerror(-r));
        }
        listener = (struct listener){ { .fd = fd, .events = POLLIN, .ready = on_listener },
                                      sim,
                                      str_dup(path) };
        loop_add(sim, &listener.poller);
        return 0;
}

void control_close(struct sim *sim) {
        list_each(e, &sim->clients)
                client_free(list_entry(e, struct client, entry));
        if (listener.poller.fd < 0)
                return;
        loop_remove(&listener.poller);
        close(listener.poller.fd);
        listener.poller.fd = -1;
        unlink(listener.path);
        str_set(&listener.path, NULL);
}
