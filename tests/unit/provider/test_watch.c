/* SPDX-License-Identifier: Apache-2.0 */
/* test_watch.c - list and watch against a scripted server */
#include "clock.h"
#include "server.h"
#include "watch.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

#define WAIT_MS 20000 /* only reached when the test has failed */

struct world {
        struct loop *loop;
        struct http *http;
        struct server *server;
        struct http_server *to;
        struct watch *watch;
        struct buf log; /* what was told: "[" and "]" of a list, names, "-name", "good", "bad" */
        const char *script; /* of the server: which place answers 410 */
        int lists, watches, checks, wrong_forms;
        struct buf asked; /* queries, one a line; under LOCK */
        pthread_mutex_t lock;
};

static void on_item(void *arg, enum watch_event event, struct scan_slice object) {
        struct world *w = arg;
        cleanup_(freep) char *name = scan_dup(scan_dig(object, "metadata", "name", NULL));

        buf_printf(&w->log, "%s%s ",
                   event == WATCH_DELETED    ? "-"
                   : event == WATCH_MODIFIED ? "~"
                                             : "",
                   name);
}

static void on_listed(void *arg, bool begin) {
        buf_puts(&((struct world *)arg)->log, begin ? "[ " : "] ");
}

static void on_went_back(void *arg) {
        buf_puts(&((struct world *)arg)->log, "back ");
}

static void on_health(void *arg, const struct watch_health *h) {
        struct world *w = arg;

        buf_printf(&w->log, "%s ", h->good ? "good" : h->connection ? "lost" : "bad");
}

/* ---- the server: two pages, then a watch; SCRIPT says what goes wrong once */

static int count(struct world *w, struct server_call *c, int *which) {
        int n;

        pthread_mutex_lock(&w->lock);
        n = ++*which;
        buf_printf(&w->asked, "%s\n", c->query);
        pthread_mutex_unlock(&w->lock);
        return n;
}

static bool plays(const struct world *w, const char *script) {
        return str_eq(w->script, script);
}

static void gone(struct server_call *c) {
        server_reply(c, 410, NULL,
                     "{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\",\"message\":\"too "
                     "old resource version\"}");
}

static void send_text(struct server_call *c, const char *text) {
        server_send(c, text, strlen(text));
}

/* Each request for the form that a server has for it. */
static void note_form(struct world *w, struct server_call *c) {
        const char *accept = server_header(c, "Accept");
        bool list = accept && strstr(accept, "as=PartialObjectMetadataList;");
        bool one = accept && strstr(accept, "as=PartialObjectMetadata;");

        pthread_mutex_lock(&w->lock);
        w->wrong_forms += strstr(c->query, "watch=1") ? list || !one : one || !list;
        pthread_mutex_unlock(&w->lock);
}

static void serve_watch(struct world *w, struct server_call *c) {
        int n = count(w, c, &w->watches);

        if ((plays(w, "410 before the watch") || plays(w, "504")) && n == 1) {
                gone(c);
                return;
        }
        if (plays(w, "500") && n == 1) {
                server_reply(c, 500, NULL, "{\"message\":\"etcdserver: no leader\"}");
                return;
        }
        if (plays(w, "403") && n == 1) {
                server_reply(c, 403, NULL, "{\"message\":\"things is forbidden\"}");
                return;
        }
        server_begin(c, 200, NULL);
        if (plays(w, "410 in the stream") && n == 1) {
                send_text(c, "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,"
                             "\"message\":\"too old\"}}\n");
                server_end(c);
                return;
        }
        if ((plays(w, "held") || plays(w, "told")) && n == 1)
                server_wait(c, "doubt");
        if (plays(w, "held") && n == 1) {
                server_end(c);
                return;
        }
        if (n == 1) {
                send_text(c, "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"c\","
                             "\"resourceVersion\":\"11\"}}}\n{\"type\":\"BOOKMARK\",\"object\":{"
                             "\"metad");
                send_text(c, "ata\":{\"resourceVersion\":\"15\"}}}\n");
                if (plays(w, "reset") || plays(w, "restored")) {
                        server_reset(c);
                        return;
                }
                if (plays(w, "ends") || plays(w, "told")) {
                        server_end(c);
                        return;
                }
                if (plays(w, "mute")) {
                        server_hold(c);
                        return;
                }
        }
        send_text(c, "{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"name\":\"a\","
                     "\"resourceVersion\":\"20\"}}}\n"
                     "{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"b\","
                     "\"resourceVersion\":\"21\"}}}\n");
        server_hold(c);
}

static void serve(struct server_call *c, void *arg) {
        struct world *w = arg;
        int n;

        note_form(w, c);
        if (strstr(c->query, "watch=1")) {
                serve_watch(w, c);
                return;
        }
        if (strncmp(c->query, "limit=1&", 8) == 0) {
                count(w, c, &w->checks);
                server_reply(c, 200, NULL,
                             plays(w, "restored") ? "{\"metadata\":{\"resourceVersion\":\"9\"}}"
                                                  : "{\"metadata\":{\"resourceVersion\":\"16\"}}");
                return;
        }
        n = count(w, c, &w->lists);
        if (plays(w, "504") && strstr(c->query, "NotOlderThan"))
                server_reply(c, 504, NULL, "{\"message\":\"Too large resource version\"}");
        else if (plays(w, "silent") && n == 1)
                server_hold(c);
        else if (plays(w, "401") && n == 1)
                server_reply(c, 401, NULL, "{\"message\":\"Unauthorized\"}");
        else if (plays(w, "garbage") && n == 1)
                server_reply(c, 200, NULL, "<html>");
        else if (strstr(c->query, "continue=next") && plays(w, "410 between pages") && n == 2)
                gone(c);
        else if (strstr(c->query, "continue=next"))
                server_reply(c, 200, NULL,
                             "{\"kind\":\"L\",\"metadata\":{\"resourceVersion\":\"10\"},\"items\":["
                             "{\"metadata\":{\"name\":\"b\"}}]}");
        else
                server_reply(c, 200, NULL,
                             "{\"kind\":\"L\",\"metadata\":{\"resourceVersion\":\"10\","
                             "\"continue\":\"next\"},\"items\":[{\"metadata\":{\"name\":\"a\"}}]}");
}

/* ---- fixture */

static struct world *play(const char *script, const char *version) {
        struct world *w = mem_new(struct world);
        struct watch_config c = { .path = "/things",
                                  .selector = "a=b,c",
                                  .version = version,
                                  .metadata_only = str_eq(script, "metadata"),
                                  .silence_ms = str_eq(script, "mute") ? 500 : 0,
                                  .item = on_item,
                                  .listed = on_listed,
                                  .went_back = on_went_back,
                                  .health = on_health,
                                  .arg = w };
        struct http_server_config to = { 0 };

        w->script = script;
        pthread_mutex_init(&w->lock, NULL);
        assert_int_equal(loop_new(&w->loop, NULL), 0);
        assert_int_equal(http_new(w->loop, &w->http, NULL), 0);
        w->server = server_new(NULL);
        server_route(w->server, "GET", "/things", serve, w);
        to.url = server_url(w->server);
        assert_int_equal(http_server_new(&to, &w->to, NULL), 0);
        c.loop = w->loop;
        c.http = w->http;
        c.server = w->to;
        w->watch = watch_new(&c);
        watch_start(w->watch);
        return w;
}

static void until(struct world *w, const char *end) {
        for (int64_t stop = clock_mono() + WAIT_MS; !str_ends(buf_str(&w->log), end);) {
                if (clock_mono() > stop)
                        fail_msg("%s: \"%s\" and not \"%s\"", w->script, buf_str(&w->log), end);
                loop_step(w->loop, 50);
        }
}

static void finish(struct world *w, const char *log) {
        if (log)
                assert_string_equal(buf_str(&w->log), log);
        watch_free(w->watch);
        http_free(w->http);
        http_server_unref(w->to);
        loop_free(w->loop);
        server_free(w->server);
        buf_free(&w->log);
        buf_free(&w->asked);
        pthread_mutex_destroy(&w->lock);
        free(w);
}

static void pages_are_listed_and_then_watched_with_bookmarks(void **state) {
        struct world *w = play("plain", NULL);

        until(w, "-b ");
        assert_non_null(strstr(buf_str(&w->asked), "limit=500&labelSelector=a%3Db%2Cc\n"));
        assert_non_null(
                strstr(buf_str(&w->asked), "limit=500&continue=next&labelSelector=a%3Db%2Cc\n"));
        assert_non_null(
                strstr(buf_str(&w->asked),
                       "watch=1&allowWatchBookmarks=true&resourceVersion=10&timeoutSeconds="));
        finish(w, "[ a b ] good c ~a -b ");
}

static void metadata_alone_is_asked_for_in_the_form_of_each_request(void **state) {
        struct world *w = play("metadata", NULL);

        until(w, "-b ");
        assert_int_equal(w->wrong_forms, 0);
        finish(w, "[ a b ] good c ~a -b ");
}

static void gone_before_the_watch_lists_again_not_older_than_seen(void **state) {
        struct world *w = play("410 before the watch", NULL);

        until(w, "-b ");
        assert_non_null(
                strstr(buf_str(&w->asked), "resourceVersion=10&resourceVersionMatch=NotOlderThan"));
        finish(w, "[ a b ] [ a b ] good ~a -b ");
}

static void gone_in_the_stream_lists_again(void **state) {
        struct world *w = play("410 in the stream", NULL);

        until(w, "-b ");
        assert_int_equal(w->lists, 4);
        finish(w, "[ a b ] good [ a b ] good ~a -b ");
}

static void gone_between_pages_begins_the_list_anew(void **state) {
        struct world *w = play("410 between pages", NULL);

        until(w, "-b ");
        finish(w, "[ a [ a b ] good c ~a -b ");
}

static void a_stream_that_ends_goes_on_from_its_bookmark(void **state) {
        struct world *w = play("ends", NULL);

        until(w, "-b ");
        assert_non_null(strstr(buf_str(&w->asked), "resourceVersion=15&"));
        assert_int_equal(w->lists, 2);
        assert_int_equal(w->checks, 1); /* it ended sooner than was asked for */
        finish(w, "[ a b ] good c good ~a -b ");
}

static void a_stream_that_is_silent_is_asked_for_again_without_a_list(void **state) {
        struct world *w = play("mute", NULL);

        until(w, "-b ");
        assert_non_null(strstr(buf_str(&w->asked), "resourceVersion=15&"));
        assert_int_equal(w->lists, 2);
        assert_int_equal(w->checks, 0);
        finish(w, NULL);
}

static void a_stream_that_is_reset_goes_on_from_its_bookmark(void **state) {
        struct world *w = play("reset", NULL);

        until(w, "-b ");
        assert_int_equal(w->lists, 2);
        assert_int_equal(w->checks, 1);
        finish(w, NULL);
}

static void a_server_that_was_put_back_is_listed_as_it_is(void **state) {
        struct world *w = play("restored", NULL);

        until(w, "-b ");
        assert_int_equal(w->checks, 1);
        assert_int_equal(w->lists, 4);
        assert_null(strstr(buf_str(&w->asked), "NotOlderThan"));
        finish(w, NULL);
}

/* Until it answers it may be restored, and be written to until its versions are no older. */
static void a_server_that_was_away_is_listed_as_it_is(void **state) {
        struct world *w = play("500", NULL);

        until(w, "bad ");
        watch_again(w->watch);
        until(w, "-b ");
        assert_int_equal(w->checks, 0);
        assert_int_equal(w->lists, 4);
        assert_null(strstr(buf_str(&w->asked), "NotOlderThan"));
        finish(w, "[ a b ] bad [ a b ] good ~a -b ");
}

static struct world *doubted(const char *script) {
        struct world *w = play(script, NULL);

        until(w, "good ");
        watch_doubt(w->watch);
        server_open(w->server, "doubt");
        until(w, "-b ");
        return w;
}

static void a_stream_that_was_doubted_and_told_nothing_more_ends_in_a_list(void **state) {
        finish(doubted("held"), "[ a b ] good [ a b ] good ~a -b ");
        finish(doubted("told"), "[ a b ] good c good ~a -b ");
}

static void a_version_that_never_comes_is_given_up(void **state) {
        struct world *w = play("504", "99");

        until(w, "bad ");
        watch_again(w->watch);
        until(w, "-b ");
        finish(w, "[ bad [ a b back [ a b ] good ~a -b ");
}

static void a_refused_watch_is_ill_and_is_tried_again(void **state) {
        int64_t began = clock_mono(), news, lost, later;
        struct world *w = play("403", NULL);

        until(w, "bad ");
        assert_int_equal(watch_state(w->watch), WATCH_WAITING);
        watch_times(w->watch, &news, &lost);
        assert_true(news >= began && lost >= news);
        watch_again(w->watch);
        until(w, "-b ");
        watch_times(w->watch, &later, &lost);
        assert_true(later >= news);
        assert_int_equal(lost, 0);
        finish(w, "[ a b ] bad good ~a -b ");
}

static void refused_credentials_concern_the_whole_server(void **state) {
        struct world *w = play("401", NULL);

        until(w, "lost ");
        watch_again(w->watch);
        until(w, "-b ");
        finish(w, "[ lost [ a b ] good c ~a -b ");
}

static void garbage_is_no_list(void **state) {
        struct world *w = play("garbage", NULL);

        until(w, "bad ");
        watch_again(w->watch);
        until(w, "-b ");
        finish(w, NULL);
}

static void a_known_version_needs_no_list(void **state) {
        struct world *w = play("ends", "7");

        until(w, "c good ~a -b ");
        assert_int_equal(w->lists, 0);
        assert_non_null(strstr(buf_str(&w->asked), "resourceVersion=7&"));
        finish(w, NULL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(pages_are_listed_and_then_watched_with_bookmarks),
                cmocka_unit_test(metadata_alone_is_asked_for_in_the_form_of_each_request),
                cmocka_unit_test(gone_before_the_watch_lists_again_not_older_than_seen),
                cmocka_unit_test(gone_in_the_stream_lists_again),
                cmocka_unit_test(gone_between_pages_begins_the_list_anew),
                cmocka_unit_test(a_stream_that_ends_goes_on_from_its_bookmark),
                cmocka_unit_test(a_stream_that_is_silent_is_asked_for_again_without_a_list),
                cmocka_unit_test(a_stream_that_is_reset_goes_on_from_its_bookmark),
                cmocka_unit_test(a_server_that_was_put_back_is_listed_as_it_is),
                cmocka_unit_test(a_server_that_was_away_is_listed_as_it_is),
                cmocka_unit_test(a_stream_that_was_doubted_and_told_nothing_more_ends_in_a_list),
                cmocka_unit_test(a_version_that_never_comes_is_given_up),
                cmocka_unit_test(a_refused_watch_is_ill_and_is_tried_again),
                cmocka_unit_test(refused_credentials_concern_the_whole_server),
                cmocka_unit_test(garbage_is_no_list),
                cmocka_unit_test(a_known_version_needs_no_list),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
