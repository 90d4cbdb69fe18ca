/* SPDX-License-Identifier: Apache-2.0 */
/* test_target.c - behind one address another cluster comes up
 *
 * A scripted API server serves namespaces and says who it is. The test breaks the stream, lets it
 * be another cluster, and looks at what was told and asked. */
#include "clock.h"
#include "kube-api.h"

#include <stdatomic.h>
#include <stdlib.h>

static struct world {
        struct kube_api api;
        struct buf log; /* what was told: "+IDENTITY" and "-", "[" for a list */
        int events;
        atomic_int identity, identities, lists, streams, refuse, silent, busy;
} w;

static void serve_identity(struct server_call *c, void *arg) {
        cleanup_(freep) char *text =
                str_format("{\"metadata\":{\"uid\":\"cluster-%d\"}}", atomic_load(&w.identity));

        atomic_fetch_add(&w.identities, 1);
        if (atomic_load(&w.silent))
                server_wait(c, "speak");
        if (atomic_load(&w.busy) > 0) {
                atomic_fetch_sub(&w.busy, 1);
                return server_reply(c, 429, NULL, "{\"kind\":\"Status\",\"message\":\"busy\"}");
        }
        server_reply(c, 200, NULL, text);
}

/* A stream brings one event and stands until the gate of its number is opened: then it is reset. */
static void serve_namespaces(struct server_call *c, void *arg) {
        static const char event[] = "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"n\","
                                    "\"resourceVersion\":\"15\"}}}\n";
        char gate[32];

        if (strncmp(c->query, "limit=1&", 8) == 0)
                return server_reply(c, 200, NULL, "{\"metadata\":{\"resourceVersion\":\"15\"}}");
        if (!strstr(c->query, "watch=1")) {
                atomic_fetch_add(&w.lists, 1);
                server_reply(
                        c, 200, NULL,
                        "{\"kind\":\"NamespaceList\",\"metadata\":{\"resourceVersion\":\"15\"},"
                        "\"items\":[]}");
                return;
        }
        if (atomic_load(&w.refuse)) {
                atomic_store(&w.refuse, 0);
                server_reply(c, 401, NULL, "{\"kind\":\"Status\",\"message\":\"who are you\"}");
                return;
        }
        server_begin(c, 200, NULL);
        server_send(c, event, strlen(event));
        snprintf(gate, sizeof(gate), "stream-%d", atomic_fetch_add(&w.streams, 1) + 1);
        server_wait(c, gate);
        server_reset(c);
}

static const struct interest *no_interest(void *arg, const char *type, const char *path) {
        w.events++;
        return NULL;
}

static void on_listed(void *arg, const char *type, bool begin) {
}

static void on_reach(void *arg, bool reachable, const char *identity, const char *why) {
        buf_printf(&w.log, reachable ? "+%s " : "- ", identity);
}

static json_t *quick_pulse(void) {
        return json_pack("{s:i}", "pulse-ms", 1000);
}

static int open_target(json_t *(*options)(void)) {
        w = (struct world){ 0 };
        atomic_store(&w.identity, 1);
        kube_api_init(&w.api,
                      "{\"resource\":\"namespaces\",\"responseKind\":{\"kind\":\"Namespace\"},"
                      "\"scope\":\"Cluster\",\"verbs\":[\"get\",\"list\",\"watch\"]}");
        server_route(w.api.server, "GET", "/api/v1/namespaces", serve_namespaces, NULL);
        server_route(w.api.server, "GET", "/api/v1/namespaces/kube-system", serve_identity, NULL);
        kube_api_open(&w.api,
                      &(struct observer){
                              .interest = no_interest, .listed = on_listed, .reach = on_reach },
                      options);
        provider_kube.follow(w.api.target, "Namespace");
        return 0;
}

static int setup(void **state) {
        return open_target(NULL);
}

static int setup_quick(void **state) {
        return open_target(quick_pulse);
}

static int teardown(void **state) {
        kube_api_deinit(&w.api);
        buf_free(&w.log);
        return 0;
}

/* EVENTS: of the stream that stands one came, so that it is known to live. */
static void wait_until(const char *told, int events, int streams) {
        for (int64_t end = clock_mono() + KUBE_API_WAIT_MS; clock_mono() < end;) {
                if (str_eq(buf_str(&w.log), told) && w.events >= events &&
                    atomic_load(&w.streams) == streams)
                        return;
                loop_step(w.api.loop, 50);
        }
        fail_msg("told: %s, streams: %d", buf_str(&w.log), atomic_load(&w.streams));
}

static void wait_identities(int n) {
        for (int64_t end = clock_mono() + KUBE_API_WAIT_MS;
             atomic_load(&w.identities) < n && clock_mono() < end;)
                loop_step(w.api.loop, 50);
        assert_int_equal(atomic_load(&w.identities), n);
}

static void a_stream_that_broke_makes_it_ask_who_answers_now(void **state) {
        wait_until("+cluster-1 ", 1, 1);
        assert_int_equal(atomic_load(&w.identities), 1);
        server_open(w.api.server, "stream-1");
        wait_until("+cluster-1 ", 2, 2);
        wait_identities(2);
        assert_int_equal(atomic_load(&w.lists), 1);
}

static void another_cluster_is_told_and_listed_anew(void **state) {
        wait_until("+cluster-1 ", 1, 1);
        atomic_store(&w.identity, 2);
        server_open(w.api.server, "stream-1");
        wait_until("+cluster-1 - +cluster-2 ", 1, 3);
        assert_int_equal(atomic_load(&w.lists), 2);
}

static void after_a_loss_it_is_reachable_only_when_it_said_who_it_is(void **state) {
        wait_until("+cluster-1 ", 1, 1);
        atomic_store(&w.refuse, 1);
        server_open(w.api.server, "stream-1");
        wait_until("+cluster-1 - +cluster-1 ", 2, 2);
        assert_int_equal(atomic_load(&w.lists), 2); /* what it is now: its past may be another */
        assert_true(atomic_load(&w.identities) >= 2);
}

static bool told_last(const char *what) {
        size_t n = strlen(what);

        return w.log.len >= n && str_eq(buf_str(&w.log) + w.log.len - n, what);
}

static void wait_told_last(const char *what) {
        for (int64_t end = clock_mono() + KUBE_API_WAIT_MS; !told_last(what) && clock_mono() < end;)
                loop_step(w.api.loop, 50);
        assert_true(told_last(what));
}

/* No connection breaks and no stream ends: only answers stay away. */
static void a_server_that_is_silent_cannot_be_read_until_it_speaks(void **state) {
        wait_until("+cluster-1 ", 1, 1);
        atomic_store(&w.silent, 1);
        wait_told_last("- ");
        atomic_store(&w.silent, 0);
        server_open(w.api.server, "speak");
        wait_told_last("+cluster-1 ");
}

static void a_server_that_is_busy_for_a_while_can_be_read(void **state) {
        wait_until("+cluster-1 ", 1, 1);
        atomic_store(&w.busy, 2);
        for (int64_t end = clock_mono() + KUBE_API_WAIT_MS;
             (atomic_load(&w.busy) || atomic_load(&w.identities) < 4) && clock_mono() < end;)
                loop_step(w.api.loop, 50);
        assert_int_equal(atomic_load(&w.busy), 0);
        assert_string_equal(buf_str(&w.log), "+cluster-1 ");
        atomic_store(&w.busy, 1000);
        wait_told_last("- ");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_stream_that_broke_makes_it_ask_who_answers_now,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(another_cluster_is_told_and_listed_anew, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(
                        after_a_loss_it_is_reachable_only_when_it_said_who_it_is, setup, teardown),
                cmocka_unit_test_setup_teardown(a_server_that_is_busy_for_a_while_can_be_read,
                                                setup_quick, teardown),
                cmocka_unit_test_setup_teardown(
                        a_server_that_is_silent_cannot_be_read_until_it_speaks, setup_quick,
                        teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
