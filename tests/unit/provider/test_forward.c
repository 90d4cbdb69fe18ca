/* SPDX-License-Identifier: Apache-2.0 */
/* test_forward.c - the loopback port: who may use it, what passes, and what ends it
 *
 * The other end of the tunnel is a listener of the test; the client is a thread's or another
 * process's socket. */
#include "forward.h"
#include "tunnel-tcp.h"

#include "clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS 20000
#define BIG (8u << 20) /* more than the forward and the kernel keep */

struct world {
        struct loop *loop;
        struct tunnel_tcp way;
        struct forward *forward;
        int listener, port;
};

static int listen_local(int *ret_port) {
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t n = sizeof(a);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
        assert_int_equal(listen(fd, 8), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
        *ret_port = ntohs(a.sin_port);
        return fd;
}

static int dial(int port) {
        struct sockaddr_in a = { .sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                 .sin_port = htons((uint16_t)port) };
        struct timeval patience = { .tv_sec = WAIT_MS / 1000 };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
                close(fd);
                return -1;
        }
        return fd;
}

static int setup(void **state) {
        struct world *w = mem_new(struct world);
        struct err err = { 0 };

        assert_int_equal(loop_new(&w->loop, NULL), 0);
        w->listener = listen_local(&w->port);
        w->way = (struct tunnel_tcp){ .loop = w->loop, .address = "127.0.0.1", .port = w->port };
        if (forward_open(w->loop, &tunnel_tcp_provider, tunnel_tcp_target(&w->way), "ns/pod-0",
                         3306, &w->forward, &err) < 0)
                fail_msg("%s", err_text(&err));
        *state = w;
        return 0;
}

static int teardown(void **state) {
        struct world *w = *state;

        forward_close(w->forward);
        loop_free(w->loop);
        close(w->listener);
        assert_int_equal(w->way.opened, w->way.closed);
        free(w);
        return 0;
}

/* Turns the loop until COND, or fails. */
#define turn_until(w, cond)                                                                        \
        do {                                                                                       \
                int64_t until_ = clock_mono() + WAIT_MS;                                           \
                while (!(cond)) {                                                                  \
                        assert_true(clock_mono() < until_);                                        \
                        loop_step((w)->loop, 10);                                                  \
                }                                                                                  \
        } while (0)

static bool readable(int fd) {
        char c;

        return recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

static bool ended(int fd) {
        char c;
        ssize_t n = recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT);

        return n == 0 || (n < 0 && errno == ECONNRESET);
}

static void bytes_pass_both_ways(void **state) {
        struct world *w = *state;
        char text[16] = "";
        int client = dial(forward_port(w->forward)), server;

        assert_true(client >= 0);
        turn_until(w, w->way.opened == 1);
        server = accept(w->listener, NULL, NULL);
        assert_string_equal(w->way.asked, "ns/pod-0:3306");
        assert_int_equal(send(client, "hello", 5, 0), 5);
        turn_until(w, readable(server));
        assert_int_equal(recv(server, text, sizeof(text), 0), 5);
        assert_string_equal(text, "hello");
        assert_int_equal(send(server, "world", 5, 0), 5);
        turn_until(w, readable(client));
        assert_int_equal(recv(client, text, sizeof(text), 0), 5);
        assert_string_equal(text, "world");
        close(client);
        turn_until(w, ended(server));
        close(server);
        turn_until(w, w->way.closed == 1);
}

static void the_end_of_the_tunnel_ends_the_client_after_its_last_byte(void **state) {
        struct world *w = *state;
        char text[16] = "";
        int client = dial(forward_port(w->forward)), server;

        turn_until(w, w->way.opened == 1);
        server = accept(w->listener, NULL, NULL);
        assert_int_equal(send(server, "bye", 3, 0), 3);
        close(server);
        turn_until(w, w->way.closed == 1);
        assert_int_equal(recv(client, text, sizeof(text), 0), 3);
        assert_int_equal(recv(client, text, sizeof(text), 0), 0);
        close(client);
}

/* Another process of the same user is a stranger too. */
static void a_stranger_is_closed_without_a_tunnel(void **state) {
        struct world *w = *state;
        int status;
        pid_t child = fork();

        if (child == 0) {
                char c;
                int fd = dial(forward_port(w->forward));

                _exit(fd >= 0 && recv(fd, &c, 1, 0) <= 0 ? 0 : 1);
        }
        assert_true(child > 0);
        turn_until(w, waitpid(child, &status, WNOHANG) == child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        assert_int_equal(w->way.opened, 0);
}

static void a_refused_tunnel_says_why_and_closes(void **state) {
        struct world *w = *state;
        int client;

        w->way.refuse = "ns/pod-0 is not ready";
        client = dial(forward_port(w->forward));
        turn_until(w, ended(client));
        close(client);
        assert_string_equal(forward_last(w->forward)->text, "ns/pod-0 is not ready");
        assert_int_equal(forward_outcome(forward_last(w->forward)), OUTCOME_NOT_YET);
        assert_int_equal(forward_outcome(&(struct err){ .code = -EACCES }), OUTCOME_DENIED);
        assert_int_equal(forward_outcome(&(struct err){ .code = -ETIMEDOUT }), OUTCOME_UNREACHABLE);
        forward_forget(w->forward);
        assert_string_equal(forward_last(w->forward)->text, "");
}

static void connections_have_a_limit(void **state) {
        struct world *w = *state;
        int clients[FORWARD_CONNECTIONS_MAX + 1];

        for (size_t i = 0; i < ARRAY_SIZE(clients); i++) {
                clients[i] = dial(forward_port(w->forward));
                turn_until(w, w->way.opened == (int)MIN_OF(i + 1, (size_t)FORWARD_CONNECTIONS_MAX));
        }
        turn_until(w, ended(clients[FORWARD_CONNECTIONS_MAX]));
        assert_non_null(strstr(forward_last(w->forward)->text, "connections"));
        for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
                close(clients[i]);
        turn_until(w, w->way.closed == FORWARD_CONNECTIONS_MAX);
}

struct flood {
        int fd;
        uint64_t sum;
        size_t bytes;
};

static void *pour(void *arg) {
        struct flood *f = arg;
        uint8_t piece[8192];

        for (size_t sent = 0; sent < BIG; sent += sizeof(piece)) {
                for (size_t i = 0; i < sizeof(piece); i++) {
                        piece[i] = (uint8_t)((sent + i) * 31 >> 3);
                        f->sum += piece[i];
                }
                if (send(f->fd, piece, sizeof(piece), MSG_NOSIGNAL) != (ssize_t)sizeof(piece))
                        return NULL;
        }
        shutdown(f->fd, SHUT_WR);
        return f;
}

/* A tunnel that takes little at a time slows the client down, and loses nothing. */
static void a_slow_tunnel_slows_the_client(void **state) {
        struct world *w = *state;
        struct flood f = { 0 };
        pthread_t thread;
        uint64_t sum = 0;
        size_t got = 0;
        int server;

        w->way.take_max = 65536;
        f.fd = dial(forward_port(w->forward));
        turn_until(w, w->way.opened == 1);
        server = accept(w->listener, NULL, NULL);
        fcntl(server, F_SETFL, O_NONBLOCK);
        assert_int_equal(pthread_create(&thread, NULL, pour, &f), 0);
        while (got < BIG) {
                uint8_t piece[65536];
                ssize_t n = read(server, piece, sizeof(piece));

                for (ssize_t i = 0; i < n; i++)
                        sum += piece[i];
                if (n > 0)
                        got += (size_t)n;
                loop_step(w->loop, n > 0 ? 0 : 5);
        }
        pthread_join(thread, NULL);
        assert_int_equal(got, BIG);
        assert_true(sum == f.sum);
        close(server);
        close(f.fd);
        turn_until(w, w->way.closed == 1);
}

/* The tunnel cannot be told to stop: a client that does not read is given up, not the daemon's
 * memory. */
static void a_client_that_does_not_read_is_given_up(void **state) {
        struct world *w = *state;
        int client = dial(forward_port(w->forward));
        struct flood f = { 0 };
        pthread_t thread;

        turn_until(w, w->way.opened == 1);
        f.fd = accept(w->listener, NULL, NULL);
        assert_int_equal(pthread_create(&thread, NULL, pour, &f), 0);
        turn_until(w, w->way.closed == 1);
        assert_non_null(strstr(forward_last(w->forward)->text, "wait for the client"));
        pthread_join(thread, NULL);
        close(f.fd);
        close(client);
}

static void closing_closes_everything(void **state) {
        struct world *w = *state;
        int port = forward_port(w->forward), client = dial(port);

        turn_until(w, w->way.opened == 1);
        w->forward = forward_close(w->forward);
        assert_int_equal(w->way.closed, 1);
        turn_until(w, ended(client));
        close(client);
        assert_int_equal(dial(port), -1);
}

static void without_a_way_there_is_no_port(void **state) {
        struct world *w = *state;
        struct forward *f = NULL;
        struct err err = { 0 };

        assert_int_equal(forward_open(w->loop, NULL, NULL, "ns/pod-0", 1, &f, &err), -ENOTSUP);
        assert_null(f);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(bytes_pass_both_ways),
                T(the_end_of_the_tunnel_ends_the_client_after_its_last_byte),
                T(a_stranger_is_closed_without_a_tunnel),
                T(a_refused_tunnel_says_why_and_closes),
                T(connections_have_a_limit),
                T(a_slow_tunnel_slows_the_client),
                T(a_client_that_does_not_read_is_given_up),
                T(closing_closes_everything),
                T(without_a_way_there_is_no_port),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
