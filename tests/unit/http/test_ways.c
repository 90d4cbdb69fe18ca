/* SPDX-License-Identifier: Apache-2.0 */
/* test_ways.c - unix sockets, proxies, what the environment may not do, and the blocking face */
#include "fixture.h"

#include <errno.h>
#include <unistd.h>

static void says_ok(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL, "ok");
}

/* ---- ways */

static void unix_socket_is_a_way(void **state) {
        struct fixture *f = *state;
        char path[64];
        struct probe p;

        snprintf(path, sizeof(path), "/tmp/mooring-test-%d.sock", (int)getpid());
        server_free(f->server);
        f->server = server_new(&(struct server_config){ .unix_path = path });
        server_route(f->server, "GET", "/ok", says_ok, NULL);
        fixture_target(
                f, &(struct http_server_config){ .url = "http://localhost", .unix_socket = path });
        probe_init(&p, f, "GET", "/ok");
        probe_run(&p, f);
        assert_int_equal(p.r.end, HTTP_OK);
        assert_string_equal(p.r.reply.data, "ok");
        probe_free(&p);
        unlink(path);
        fixture_target(f, &(struct http_server_config){ .url = "http://localhost",
                                                        .unix_socket = "/nonexistent/sock" });
        probe_init(&p, f, "GET", "/ok");
        probe_run(&p, f);
        assert_int_equal(p.r.end, HTTP_UNREACHABLE);
        assert_non_null(strstr(p.r.err.text, "/nonexistent/sock: no such file or directory"));
        probe_free(&p);
}

/* As curl asks a proxy for http: with the whole URL as the path. */
static void proxy_plain(struct server_call *c, void *arg) {
        char text[256];

        snprintf(text, sizeof(text), "proxied %s", c->path);
        server_reply(c, 200, NULL, text);
}

static void http_proxy_is_a_way(void **state) {
        struct fixture *f = *state;
        struct probe p;

        server_route(f->server, "GET", "http://*", proxy_plain, NULL);
        setenv("no_proxy", "*", 1); /* the environment has no say */
        fixture_target(f, &(struct http_server_config){ .url = "http://10.9.8.7",
                                                        .proxy = server_url(f->server) });
        probe_init(&p, f, "GET", "/x");
        probe_run(&p, f);
        unsetenv("no_proxy");
        assert_int_equal(p.r.end, HTTP_OK);
        assert_string_equal(p.r.reply.data, "proxied http://10.9.8.7/x");
        probe_free(&p);
}

static void environment_names_no_proxy(void **state) {
        struct fixture *f = *state;
        struct probe p;

        server_route(f->server, "GET", "/ok", says_ok, NULL);
        setenv("http_proxy", "http://127.0.0.1:1", 1);
        setenv("all_proxy", "http://127.0.0.1:1", 1);
        probe_init(&p, f, "GET", "/ok");
        probe_run(&p, f);
        unsetenv("http_proxy");
        unsetenv("all_proxy");
        assert_int_equal(p.r.end, HTTP_OK);
        probe_free(&p);
}

/* SOCKS5 without authentication, to the port in ARG whatever is asked for. */
static void socks5(struct server_call *c, void *arg) {
        uint8_t in[300];
        static const uint8_t ok[10] = { 5, 0, 0, 1 };

        if (server_read(c, in, sizeof(in)) < 3 || in[0] != 5)
                return;
        server_raw(c, "\x05\x00", 2);
        if (server_read(c, in, sizeof(in)) < 7)
                return;
        server_raw(c, ok, sizeof(ok));
        server_tunnel(c, *(int *)arg);
}

static void socks5_proxy_is_a_way(void **state) {
        struct fixture *f = *state;
        int port = server_port(f->server);
        struct server *proxy =
                server_new(&(struct server_config){ .raw = socks5, .raw_arg = &port });
        char url[64];
        struct probe p;

        snprintf(url, sizeof(url), "socks5h://127.0.0.1:%d", server_port(proxy));
        server_route(f->server, "GET", "/ok", says_ok, NULL);
        fixture_target(f, &(struct http_server_config){ .url = "http://only.the.proxy.knows",
                                                        .proxy = url });
        probe_init(&p, f, "GET", "/ok");
        probe_run(&p, f);
        assert_int_equal(p.r.end, HTTP_OK);
        assert_string_equal(p.r.reply.data, "ok");
        probe_free(&p);
        http_free(f->http);
        f->http = NULL;
        server_free(proxy);
}

static void redirects(struct server_call *c, void *arg) {
        server_reply(c, 302, "Location: /ok\r\n", "");
}

static void redirects_are_not_followed(void **state) {
        struct fixture *f = *state;
        struct probe p;

        server_route(f->server, "GET", "/go", redirects, NULL);
        server_route(f->server, "GET", "/ok", says_ok, NULL);
        probe_init(&p, f, "GET", "/go");
        probe_run(&p, f);
        assert_int_equal(p.r.status, 302);
        assert_int_equal(server_requests(f->server), 1);
        probe_free(&p);
}

/* ---- blocking */

static void blocking_face_is_the_same_request(void **state) {
        struct fixture *f = *state;
        struct err err = { 0 };
        struct probe p;

        server_route(f->server, "GET", "/ok", says_ok, NULL);
        probe_init(&p, f, "GET", "/ok");
        assert_int_equal(http_blocking(&p.r, &err), 0);
        assert_int_equal(p.r.status, 200);
        assert_string_equal(p.r.reply.data, "ok");
        assert_int_equal(p.done, 0);
        p.r.on_data = probe_data;
        assert_int_equal(http_blocking(&p.r, &err), 0);
        assert_string_equal(p.data.data, "ok");
        assert_int_equal(p.r.reply.len, 0);
        probe_free(&p);
        fixture_target(f, &(struct http_server_config){ .url = "http://127.0.0.1:1" });
        probe_init(&p, f, "GET", "/ok");
        assert_int_equal(http_blocking(&p.r, &err), -EHOSTUNREACH);
        assert_string_equal(err.text, "127.0.0.1:1: connection refused");
        probe_free(&p);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                T(unix_socket_is_a_way),
                T(http_proxy_is_a_way),
                T(environment_names_no_proxy),
                T(socks5_proxy_is_a_way),
                T(redirects_are_not_followed),
                T(blocking_face_is_the_same_request),
        };

        return cmocka_run_group_tests_name("ways", tests, NULL, NULL);
}
