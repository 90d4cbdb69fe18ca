/* SPDX-License-Identifier: Apache-2.0 */
/* test_audit-trail.c - who wrote it, as the API server's audit log says */
#include "audit-trail.h"

#include "clock.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define MINUTE 1767225600000ll /* 2026-01-01T00:00:00Z */

struct bench {
        struct loop *loop;
        struct audit_trail *trail;
        char dir[64], path[96];
};

static int set_up(void **state) {
        struct bench *b = mem_new(struct bench);
        struct err err = { 0 };

        clock_fake(1000, MINUTE);
        str_copy(b->dir, sizeof(b->dir), "/tmp/mooring-trail-XXXXXX");
        assert_non_null(mkdtemp(b->dir));
        snprintf(b->path, sizeof(b->path), "%s/audit.log", b->dir);
        assert_int_equal(loop_new(&b->loop, &err), 0);
        *state = b;
        return 0;
}

static int tear_down(void **state) {
        struct bench *b = *state;

        audit_trail_free(b->trail);
        loop_free(b->loop);
        unlink(b->path);
        rmdir(b->dir);
        clock_real();
        free(b);
        return 0;
}

static void append(const struct bench *b, const char *text) {
        FILE *f = fopen(b->path, "a");

        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
}

struct line {
        const char *verb, *user, *query, *agent, *object;
        int second, code;
};

static void write_line(const struct bench *b, const struct line *l) {
        cleanup_(freep) char *text = str_format(
                "{\"kind\":\"Event\",\"stage\":\"ResponseComplete\",\"requestURI\":\"/api/v1/"
                "x%s\",\"verb\":\"%s\",\"user\":{\"username\":\"%s\"},\"userAgent\":\"%s\","
                "\"objectRef\":{\"resource\":\"services\",\"namespace\":\"lab\",%s"
                "\"apiVersion\":\"v1\"},\"responseStatus\":{\"code\":%d},\"stageTimestamp\":"
                "\"2026-01-01T00:00:%02d.366334Z\"}\n",
                l->query ? l->query : "", l->verb, l->user, l->agent ? l->agent : "kubectl/v1",
                l->object ? l->object : "\"name\":\"one\",", l->code ? l->code : 200, l->second);

        append(b, text);
}

static void begin(struct bench *b) {
        b->trail = audit_trail_new(b->loop, "c", b->path);
        loop_advance(b->loop, 1);
}

static const char *user(const struct bench *b, struct audit_trail_ask a) {
        static char text[64];

        a.group = "";
        a.plural = "services";
        a.path = a.path ? a.path : "lab/one";
        return audit_trail_user(b->trail, &a, text, sizeof(text)) ? text : "";
}

static void the_writer_that_named_itself_so_is_the_user(void **state) {
        struct bench *b = *state;

        write_line(b, &(struct line){ "patch", "alice", "?fieldManager=kubectl-edit&force=true",
                                      .second = 10 });
        write_line(b, &(struct line){ "update", "bob", .agent = "tool/1", .second = 11 });
        write_line(b, &(struct line){ "patch", "carol", "?fieldManager=kubectl-edit", .second = 12,
                                      .code = 403 });
        write_line(b, &(struct line){ "get", "dave", .second = 13 });
        begin(b);
        assert_string_equal(user(b, (struct audit_trail_ask){ .manager = "kubectl-edit" }),
                            "alice");
        assert_string_equal(user(b, (struct audit_trail_ask){ .manager = "tool" }), "bob");
        assert_string_equal(user(b, (struct audit_trail_ask){ .manager = "other" }), "");
        assert_string_equal(user(b, (struct audit_trail_ask){ .path = "lab/two" }), "");
}

static void of_several_users_none_is_named_and_what_was_before_does_not_count(void **state) {
        struct bench *b = *state;

        write_line(b, &(struct line){ "patch", "alice", .second = 10 });
        write_line(b,
                   &(struct line){ "patch", "mooring", .agent = "mooringd/0.1.0", .second = 20 });
        write_line(b, &(struct line){ "patch", "bob", .second = 30 });
        begin(b);
        assert_string_equal(user(b, (struct audit_trail_ask){ 0 }), "");
        assert_string_equal(user(b, (struct audit_trail_ask){ .since = MINUTE + 20000 }), "bob");
        assert_string_equal(user(b, (struct audit_trail_ask){ .since = MINUTE + 40000 }), "");
}

static void who_deleted_the_collection_deleted_the_object(void **state) {
        struct bench *b = *state;

        write_line(b, &(struct line){ "patch", "alice", .second = 10 });
        write_line(b, &(struct line){ "deletecollection", "bob", .object = "", .second = 11 });
        begin(b);
        assert_string_equal(user(b, (struct audit_trail_ask){ .deleted = true }), "bob");
        write_line(b, &(struct line){ "delete", "carol", .second = 12 });
        loop_advance(b->loop, AUDIT_TRAIL_POLL_MS);
        assert_string_equal(user(b, (struct audit_trail_ask){ .deleted = true }), "carol");
}

static void a_log_may_come_later_and_be_rotated_and_holds_anything(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *old = str_format("%s.1", b->path);

        begin(b);
        loop_advance(b->loop, AUDIT_TRAIL_POLL_MS);
        append(b, "garbage\n{\"stage\":\"ResponseComplete\"\n{}\n[]\n\n");
        write_line(b, &(struct line){ "delete", "alice", .second = 10 });
        append(b, "{\"stage\":\"Respo");
        loop_advance(b->loop, AUDIT_TRAIL_POLL_MS);
        assert_string_equal(user(b, (struct audit_trail_ask){ .deleted = true }), "alice");
        assert_int_equal(rename(b->path, old), 0);
        write_line(b, &(struct line){ "delete", "bob", .second = 20 });
        loop_advance(b->loop, AUDIT_TRAIL_POLL_MS);
        assert_string_equal(user(b, (struct audit_trail_ask){ .deleted = true }), "bob");
        assert_int_equal(truncate(b->path, 0), 0);
        loop_advance(b->loop, AUDIT_TRAIL_POLL_MS);
        write_line(b, &(struct line){ "delete", "carol", .second = 30 });
        loop_advance(b->loop, AUDIT_TRAIL_POLL_MS);
        assert_string_equal(user(b, (struct audit_trail_ask){ .deleted = true }), "carol");
        unlink(old);
}

static void a_line_that_is_too_long_is_no_line(void **state) {
        struct bench *b = *state;
        char *text = mem_alloc(AUDIT_TRAIL_LINE_MAX + 3);

        memset(text, 'x', AUDIT_TRAIL_LINE_MAX + 1);
        text[AUDIT_TRAIL_LINE_MAX + 1] = '\n';
        append(b, text);
        free(text);
        write_line(b, &(struct line){ "delete", "alice", .second = 10 });
        begin(b);
        for (size_t i = 0; i < 2 * AUDIT_TRAIL_LINE_MAX / AUDIT_TRAIL_SLICE; i++)
                loop_advance(b->loop, 1);
        assert_string_equal(user(b, (struct audit_trail_ask){ .deleted = true }), "alice");
}

static void the_newest_are_kept(void **state) {
        struct bench *b = *state;

        write_line(b, &(struct line){ "delete", "alice", .second = 10 });
        for (int i = 0; i < AUDIT_TRAIL_KEPT; i++)
                write_line(b, &(struct line){ "delete", "bob", .object = "\"name\":\"two\",",
                                              .second = 11 });
        begin(b);
        for (int i = 0; i < 40; i++)
                loop_advance(b->loop, 1);
        assert_string_equal(user(b, (struct audit_trail_ask){ .deleted = true }), "");
        assert_string_equal(user(b, (struct audit_trail_ask){ .path = "lab/two", .deleted = true }),
                            "bob");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(the_writer_that_named_itself_so_is_the_user),
                TEST(of_several_users_none_is_named_and_what_was_before_does_not_count),
                TEST(who_deleted_the_collection_deleted_the_object),
                TEST(a_log_may_come_later_and_be_rotated_and_holds_anything),
                TEST(a_line_that_is_too_long_is_no_line),
                TEST(the_newest_are_kept),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
