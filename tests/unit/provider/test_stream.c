/* SPDX-License-Identifier: Apache-2.0 */
/* test_stream.c - the pump: what comes out is what went in, in bounded memory, and an end that
 * breaks ends the other
 *
 * The ends are a provider of the test's, which counts; and files. */
#include "stream.h"

#include "stream-file.h"
#include "stream-kept.h"

#include "clock.h"

#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAIT_MS 60000
#define GIVES 100000 /* bytes of the source at once */

/* ---- ends that are told what to do */

static struct world {
        struct loop *loop;
        char folder[64];
        /* the source */
        size_t size, given, break_at;
        bool paused, source_freed;
        size_t most_unpaused; /* what it gave after pause */
        /* the sink */
        struct buf got;
        size_t slow;        /* says no after so many bytes, and takes again a turn later */
        bool stuck;         /* or never */
        size_t sink_breaks; /* after so many bytes; 0: never */
        bool finished, sink_freed, opened;
        struct bytes_request from, to;
        struct later give, take;
        struct bytes source, sink;
} w;

static void give(void *arg) {
        char piece[GIVES];
        size_t n = MIN_OF(w.size - w.given, sizeof(piece));
        struct err err = { 0 };

        if (w.paused)
                return;
        if (w.break_at && w.given >= w.break_at) {
                err_set(&err, -ECONNRESET, "the pod went");
                w.from.on_end(w.from.arg, OUTCOME_UNREACHABLE, &err, NULL);
                return;
        }
        if (n == 0) {
                w.from.on_end(w.from.arg, OUTCOME_DONE, &err, json_pack("{s:i}", "exit", 0));
                return;
        }
        for (size_t i = 0; i < n; i++)
                piece[i] = (char)((w.given + i) * 2654435761u >> 7);
        w.given += n;
        later_run(&w.give);
        w.from.on_data(w.from.arg, piece, n);
}

static bool source_trouble(const struct bytes *b, char *text, size_t size) {
        snprintf(text, size, "the pod is slow");
        return true;
}

static void source_pause(struct bytes *b, bool paused) {
        w.paused = paused;
        later_run(&w.give);
}

static struct bytes *source_free(struct bytes *b) {
        w.source_freed = true;
        later_cancel(&w.give);
        return NULL;
}

static void take(void *arg) {
        w.to.on_room(w.to.arg);
}

static bool sink_write(struct bytes *b, const void *data, size_t len) {
        struct err err = { 0 };
        size_t before = w.got.len;

        buf_add(&w.got, data, len);
        if (w.sink_breaks && w.got.len >= w.sink_breaks && before < w.sink_breaks) {
                err_set(&err, -ENOSPC, "the bucket is full");
                w.to.on_end(w.to.arg, OUTCOME_REFUSED, &err, NULL);
                return false;
        }
        if (!w.slow || w.got.len / w.slow == before / w.slow)
                return true;
        if (!w.stuck)
                later_run(&w.take);
        return false;
}

static void sink_finish(struct bytes *b) {
        struct err err = { 0 };

        w.finished = true;
        w.to.on_end(w.to.arg, OUTCOME_DONE, &err, json_pack("{s:s}", "etag", "e"));
}

static struct bytes *sink_free(struct bytes *b) {
        w.sink_freed = true;
        later_cancel(&w.take);
        return NULL;
}

static struct bytes *open_end(struct target *t, const struct bytes_request *r, struct err *err) {
        if (str_eq(r->verb, "none")) {
                err_set(err, -EINVAL, "no such thing");
                return NULL;
        }
        if (r->into) {
                w.to = *r;
                w.opened = true;
                return &w.sink;
        }
        w.from = *r;
        later_run(&w.give);
        return &w.source;
}

static const struct provider ends = { .name = "ends", .bytes = open_end };

static int setup(void **state) {
        w = (struct world){ .size = 3000000, .folder = "/var/tmp/stream-XXXXXX" };
        assert_int_equal(loop_new(&w.loop, NULL), 0);
        assert_non_null(mkdtemp(w.folder));
        w.source = (struct bytes){ .pause = source_pause, .free = source_free };
        w.sink = (struct bytes){ .write = sink_write, .finish = sink_finish, .free = sink_free };
        later_init(&w.give, w.loop, "give", give, NULL);
        later_init(&w.take, w.loop, "take", take, NULL);
        return 0;
}

static int teardown(void **state) {
        cleanup_(freep) char *clean = str_format("rm -rf %s", w.folder);

        loop_finish_jobs(w.loop);
        loop_free(w.loop);
        buf_free(&w.got);
        return system(clean);
}

static void on_done(struct op *op) {
        *(bool *)op->arg = true;
}

static struct op stream(struct stream_request r) {
        bool done = false;
        struct op op = { .loop = w.loop, .done = on_done, .arg = &done };
        int64_t end = clock_mono() + WAIT_MS;

        r.loop = w.loop;
        r.folder = w.folder;
        stream_start(&r, &op);
        assert_false(done);
        while (!done && clock_mono() < end)
                loop_step(w.loop, 50);
        assert_true(done);
        return op;
}

static void must(struct op *op, enum outcome outcome, const char *text) {
        if (op->outcome != outcome || (text && !strstr(err_text(&op->err), text)))
                fail_msg("%s: %s", outcome_name(op->outcome), err_text(&op->err));
}

static const struct stream_end end = { .provider = &ends, .verb = "x" };

static struct stream_end file(const char *name) {
        return (struct stream_end){ .file = name };
}

/* ---- tests */

static void assert_got_all(void) {
        assert_int_equal(w.got.len, w.size);
        for (size_t i = 0; i < w.size; i++)
                if (w.got.data[i] != (char)(i * 2654435761u >> 7))
                        fail_msg("byte %zu is another", i);
}

static void bytes_arrive_and_are_counted(void **state) {
        char hex[DIGEST_HEX_SIZE];
        struct op op = stream((struct stream_request){ .from = end, .to = end });

        must(&op, OUTCOME_DONE, NULL);
        assert_got_all();
        assert_true(w.source_freed && w.sink_freed && w.finished);
        digest_sha256_hex(w.got.data, w.got.len, hex);
        assert_string_equal(json_get_str(op.told, "sha256", ""), hex);
        assert_string_equal(json_get_str(op.told, "plain-sha256", ""), hex);
        assert_int_equal(json_get_int(op.told, "bytes", 0), w.size);
        assert_string_equal(json_get_str(json_get(op.told, "to"), "etag", ""), "e");
        op_clear(&op);
}

static void nothing_at_all_arrives_too(void **state) {
        struct op op;

        w.size = 0;
        op = stream((struct stream_request){ .from = end, .to = end });
        must(&op, OUTCOME_DONE, NULL);
        assert_true(w.finished);
        assert_int_equal(json_get_int(op.told, "bytes", -1), 0);
        op_clear(&op);
}

/* A sink that never takes again: the source is paused after a few pieces, and stays so. */
static void a_slow_sink_holds_the_source(void **state) {
        bool done = false;
        struct op op = { .loop = w.loop, .done = on_done, .arg = &done };
        struct stream_request r = { .loop = w.loop, .from = end, .to = end };
        char text[ERR_TEXT_MAX];

        w.size = SIZE_MAX / 2;
        w.slow = 1;
        w.stuck = true;
        stream_start(&r, &op);
        while (!w.paused || !w.got.len)
                loop_step(w.loop, 50);
        for (int i = 0; i < 100; i++)
                loop_step(w.loop, 1);
        assert_true(w.paused);
        assert_true(w.given <= 6 * STREAM_PIECE);
        assert_true(stream_moved(&op) > 0);
        assert_false(stream_trouble(&op, text, sizeof(text)));
        w.source.trouble = source_trouble;
        assert_true(stream_trouble(&op, text, sizeof(text)));
        assert_string_equal(text, "where the bytes come from: the pod is slow");
        stream_cancel(&op);
        assert_true(w.source_freed && w.sink_freed);
        assert_false(done || w.finished);
}

static void a_slow_sink_gets_all(void **state) {
        struct op op;

        w.slow = 70000;
        op = stream((struct stream_request){ .from = end, .to = end });
        must(&op, OUTCOME_DONE, NULL);
        assert_got_all();
        op_clear(&op);
}

static void a_broken_source_ends_the_sink(void **state) {
        struct op op;

        w.break_at = 1500000;
        op = stream((struct stream_request){ .from = end, .to = end });
        must(&op, OUTCOME_UNREACHABLE, "come from: the pod went");
        assert_true(w.sink_freed && !w.finished);
        assert_null(op.told);
        op_clear(&op);
}

static void a_broken_sink_ends_the_source(void **state) {
        struct op op;

        w.sink_breaks = 500000;
        op = stream((struct stream_request){ .from = end, .to = end });
        must(&op, OUTCOME_REFUSED, "go to: the bucket is full");
        assert_true(w.source_freed && !w.finished);
        assert_true(w.given < w.size);
        op_clear(&op);
}

static void a_source_that_breaks_at_once_touches_nothing(void **state) {
        struct op op;

        w.break_at = 1;
        w.given = 1;
        op = stream((struct stream_request){ .from = end, .to = end });
        must(&op, OUTCOME_UNREACHABLE, NULL);
        assert_false(w.opened);
        op_clear(&op);
        op = stream((struct stream_request){ .from = { .provider = &ends, .verb = "none" },
                                             .to = end });
        must(&op, OUTCOME_REFUSED, "no such thing");
        op_clear(&op);
}

static void another_sum_finishes_nothing(void **state) {
        struct op op = stream((struct stream_request){
                .from = end, .to = end, .sha256 = "0000000000000000000000000000000000000000" });

        must(&op, OUTCOME_REFUSED, "SHA-256");
        assert_true(w.sink_freed && !w.finished);
        op_clear(&op);
}

static void a_file_is_written_whole_and_read_again(void **state) {
        struct stream_code_how seal = { .gzip = true, .key = "a passphrase", .key_len = 12 };
        struct stream_code_how open = { .undo = true, .key = "a passphrase", .key_len = 12 };
        struct op op = stream((struct stream_request){
                .from = end, .to = file("db/2026-11-22T10:00:00.dump"), .how = seal });
        cleanup_(freep) char *sum = NULL;

        must(&op, OUTCOME_DONE, NULL);
        sum = str_dup(json_get_str(op.told, "sha256", ""));
        assert_string_not_equal(sum, json_get_str(op.told, "plain-sha256", ""));
        op_clear(&op);
        op = stream((struct stream_request){ .from = file("db/2026-11-22T10:00:00.dump"),
                                             .how = open, /* nowhere: verified */
                                             .sha256 = sum });
        must(&op, OUTCOME_DONE, NULL);
        assert_int_equal(json_get_int(op.told, "plain-bytes", 0), w.size);
        op_clear(&op);
        op = stream((struct stream_request){
                .from = file("db/2026-11-22T10:00:00.dump"), .to = end, .how = open });
        must(&op, OUTCOME_DONE, NULL);
        assert_got_all();
        op_clear(&op);
}

static void a_wrong_key_touches_nothing(void **state) {
        struct stream_code_how seal = { .key = "right", .key_len = 5 };
        struct stream_code_how open = { .undo = true, .key = "wrong", .key_len = 5 };
        struct op op = stream((struct stream_request){ .from = end, .to = file("x"), .how = seal });

        must(&op, OUTCOME_DONE, NULL);
        op_clear(&op);
        op = stream((struct stream_request){ .from = file("x"), .to = end, .how = open });
        must(&op, OUTCOME_REFUSED, "the key is not the one");
        assert_false(w.opened);
        op_clear(&op);
}

/* The names in the folder, and what is below them. */
static size_t count_names(void) {
        DIR *folder = opendir(w.folder);
        size_t n = 0;

        assert_non_null(folder);
        for (struct dirent *e; (e = readdir(folder));)
                n += e->d_name[0] != '.';
        closedir(folder);
        return n;
}

static void a_file_that_breaks_is_as_it_was(void **state) {
        struct op op;

        w.size = 10;
        op = stream((struct stream_request){ .from = end, .to = file("keep") });
        must(&op, OUTCOME_DONE, NULL);
        op_clear(&op);
        w.size = 3000000;
        w.given = 0;
        w.break_at = 2000000;
        op = stream((struct stream_request){ .from = end, .to = file("keep") });
        must(&op, OUTCOME_UNREACHABLE, NULL);
        op_clear(&op);
        loop_finish_jobs(w.loop);
        loop_step(w.loop, 0);
        assert_int_equal(count_names(), 1);
        op = stream((struct stream_request){ .from = file("keep") });
        assert_int_equal(json_get_int(op.told, "bytes", 0), 10);
        op_clear(&op);
}

static void a_folder_has_so_many_files_and_no_more(void **state) {
        cleanup_(freep) char *folder = str_format("%s/full", w.folder);
        struct op op;

        assert_int_equal(mkdir(folder, 0700), 0);
        for (int i = 0; i < STREAM_FILES_MAX; i++) {
                cleanup_(freep) char *path = str_format("%s/%d", folder, i);

                assert_int_equal(mknod(path, S_IFREG | 0600, 0), 0);
        }
        w.size = 10;
        op = stream((struct stream_request){ .from = end, .to = file("full/new") });
        must(&op, OUTCOME_REFUSED, "as many as may be");
        op_clear(&op);
        w.given = 0;
        op = stream((struct stream_request){ .from = end, .to = file("full/7") });
        must(&op, OUTCOME_DONE, NULL);
        op_clear(&op);
}

static void files_are_listed_and_deleted(void **state) {
        cleanup_(freep) char *link = str_format("%s/db/link", w.folder);
        cleanup_(json_freep) json_t *list = NULL;
        struct op op;
        struct err err;

        w.size = 10;
        op = stream((struct stream_request){ .from = end, .to = file("db/a/one") });
        must(&op, OUTCOME_DONE, NULL);
        op_clear(&op);
        assert_int_equal(symlink("/etc", link), 0);
        assert_int_equal(stream_kept_list(w.folder, "db", &list, &err), 0);
        assert_int_equal(json_array_size(list), 1);
        assert_string_equal(json_get_str(json_array_get(list, 0), "file", ""), "a/one");
        assert_int_equal(json_get_int(json_array_get(list, 0), "bytes", 0), 10);
        assert_int_equal(stream_kept_remove(w.folder, "db/../db/a/one", &err), -EINVAL);
        assert_true(stream_kept_remove(w.folder, "db/link/passwd", &err) < 0);
        assert_int_equal(stream_kept_remove(w.folder, "db/a/one", &err), 0);
        assert_int_equal(stream_kept_remove(w.folder, "db/a/one", &err), -ENOENT);
        json_decref(take_ptr(list));
        assert_int_equal(stream_kept_list(w.folder, "none", &list, &err), 0);
        assert_int_equal(json_array_size(list), 0);
        assert_int_equal(stream_kept_list(w.folder, "..", &list, &err), -EINVAL);
}

static void a_file_has_no_name_before_it_is_whole(void **state) {
        bool done = false;
        struct op op = { .loop = w.loop, .done = on_done, .arg = &done };
        struct stream_request r = {
                .loop = w.loop, .from = end, .to = file("x"), .folder = w.folder
        };

        stream_start(&r, &op);
        while (w.given < w.size) {
                assert_int_equal(count_names(), 0);
                loop_step(w.loop, 5);
        }
        while (!done)
                loop_step(w.loop, 5);
        must(&op, OUTCOME_DONE, NULL);
        assert_int_equal(count_names(), 1);
        op_clear(&op);
}

/* The second one is whole, also where the first is broken off meanwhile. */
static void two_streams_to_one_name_do_not_meet(void **state) {
        bool done = false;
        struct op first = { .loop = w.loop, .done = on_done, .arg = &done }, op;
        struct stream_request r = {
                .loop = w.loop, .from = file("source"), .to = file("x"), .folder = w.folder
        };

        op = stream((struct stream_request){ .from = end, .to = file("source") });
        must(&op, OUTCOME_DONE, NULL);
        op_clear(&op);
        stream_start(&r, &first);
        for (int i = 0; i < 4; i++)
                loop_step(w.loop, 5);
        w.given = 0;
        w.paused = false;
        op = stream((struct stream_request){ .from = end, .to = file("x") });
        must(&op, OUTCOME_DONE, NULL);
        op_clear(&op);
        if (done)
                op_clear(&first);
        else
                stream_cancel(&first);
        loop_finish_jobs(w.loop);
        loop_step(w.loop, 0);
        assert_int_equal(count_names(), 2);
        op = stream((struct stream_request){ .from = file("x") });
        assert_int_equal(json_get_int(op.told, "bytes", 0), w.size);
        op_clear(&op);
}

static void no_name_leads_out_of_the_folder(void **state) {
        static const char *const bad[] = { "../x", "/etc/passwd", "a/../../x", "",   ".hidden",
                                           "a//b", "a/",          "x.part",    "a b" };
        cleanup_(freep) char *link = str_format("%s/link", w.folder);
        cleanup_(freep) char *inner = str_format("%s/folder", w.folder);
        struct op op;

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                op = stream((struct stream_request){ .from = file(bad[i]), .to = end });
                must(&op, OUTCOME_REFUSED, "backup folder");
                op_clear(&op);
        }
        assert_int_equal(symlink("/etc", link), 0);
        assert_int_equal(mkdir(inner, 0700), 0);
        op = stream((struct stream_request){ .from = file("link/passwd"), .to = end });
        must(&op, OUTCOME_REFUSED, NULL);
        op_clear(&op);
        op = stream((struct stream_request){ .from = file("folder"), .to = end });
        must(&op, OUTCOME_REFUSED, "not a regular file");
        op_clear(&op);
        op = stream((struct stream_request){ .from = file("none"), .to = end });
        must(&op, OUTCOME_GONE, NULL);
        op_clear(&op);
}

static void a_cancelled_stream_is_never_heard_of(void **state) {
        bool done = false;
        struct op op = { .loop = w.loop, .done = on_done, .arg = &done };
        struct stream_request r = {
                .loop = w.loop, .from = end, .to = file("x"), .folder = w.folder
        };

        for (int turns = 0; turns < 12; turns++) {
                w.given = 0;
                w.paused = false;
                stream_start(&r, &op);
                for (int i = 0; i < turns; i++)
                        loop_step(w.loop, 5);
                if (done) {
                        op_clear(&op);
                        done = false;
                        continue;
                }
                stream_cancel(&op);
                loop_finish_jobs(w.loop);
                while (loop_step(w.loop, 0))
                        ;
                assert_false(done);
        }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(bytes_arrive_and_are_counted),
                TEST(nothing_at_all_arrives_too),
                TEST(a_slow_sink_holds_the_source),
                TEST(a_slow_sink_gets_all),
                TEST(a_broken_source_ends_the_sink),
                TEST(a_broken_sink_ends_the_source),
                TEST(a_source_that_breaks_at_once_touches_nothing),
                TEST(another_sum_finishes_nothing),
                TEST(a_file_is_written_whole_and_read_again),
                TEST(a_wrong_key_touches_nothing),
                TEST(a_file_that_breaks_is_as_it_was),
                TEST(a_file_has_no_name_before_it_is_whole),
                TEST(a_folder_has_so_many_files_and_no_more),
                TEST(files_are_listed_and_deleted),
                TEST(two_streams_to_one_name_do_not_meet),
                TEST(no_name_leads_out_of_the_folder),
                TEST(a_cancelled_stream_is_never_heard_of),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
