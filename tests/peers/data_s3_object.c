/* SPDX-License-Identifier: Apache-2.0 */
/* data_s3_object.c - objects of a real store, as actions ask for them, and streams into and out of
 * them */
#include "data_s3.h"
#include "stream.h"

#include <fcntl.h>
#include <unistd.h>

#define BIG (20u << 20) /* three parts */
#define CLOSE_TURNS 40  /* of the loop: by then the upload is begun */

static char folder[] = "/var/tmp/peer-objects-XXXXXX";

static int setup(void **state) {
        struct s3_world *w;

        s3_setup(state);
        w = *state;
        free(s3_raw(w, "PUT", "/acts", NULL, 200));
        return 0;
}

static int teardown(void **state) {
        struct s3_world *w = *state;
        struct thing b = thing_of(w->d, "{'type':'bucket','name':'acts'}");

        b.baseline = json_object();
        thing_gone(w->d, &b);
        return s3_teardown(state);
}

/* ---- verbs */

static void an_object_is_put_read_listed_and_deleted(void **state) {
        static const char *const keys[] = { "plain", "a/b/c.txt", "a b+c%20/\303\244&=?#.txt" };
        struct s3_world *w = *state;
        struct op op;

        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                cleanup_(freep) char *put = str_format("{'bucket':'acts','key':'%s','body':'text "
                                                       "%zu','content-type':'text/plain'}",
                                                       keys[i], i);
                cleanup_(freep) char *want = str_format("text %zu", i);

                op = data_act(w->d, "put-object", put, NULL);
                data_must(&op, OUTCOME_DONE, NULL);
                op = data_act(w->d, "put-object", put, NULL); /* twice does no harm */
                data_must(&op, OUTCOME_DONE, NULL);
                op = data_act(w->d, "get-object", put, NULL);
                assert_string_equal(json_get_str(op.told, "body", ""), want);
                assert_int_equal(json_get_int(op.told, "bytes", 0), 6);
                data_must(&op, OUTCOME_DONE, NULL);
                op = data_act(w->d, "head-object", put, NULL);
                assert_int_equal(json_get_int(op.told, "bytes", 0), 6);
                assert_non_null(json_get(op.told, "modified"));
                data_must(&op, OUTCOME_DONE, NULL);
        }
        op = data_act(w->d, "list-objects", "{'bucket':'acts','prefix':'a'}", NULL);
        assert_int_equal(json_array_size(json_get(op.told, "objects")), 2);
        assert_string_equal(
                json_get_str(json_array_get(json_get(op.told, "objects"), 0), "key", ""), keys[2]);
        assert_null(json_get(op.told, "after"));
        data_must(&op, OUTCOME_DONE, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                cleanup_(freep) char *key = str_format("{'bucket':'acts','key':'%s'}", keys[i]);

                op = data_act(w->d, "delete-object", key, NULL);
                data_must(&op, OUTCOME_DONE, NULL);
                op = data_act(w->d, "delete-object", key, NULL);
                data_must(&op, OUTCOME_DONE, NULL);
                op = data_act(w->d, "get-object", key, NULL);
                data_must(&op, OUTCOME_GONE, NULL);
        }
}

static void what_is_not_there_or_not_allowed_is_said(void **state) {
        struct s3_world *w = *state;
        struct op op = data_act(w->d, "get-object", "{'bucket':'nowhere','key':'x'}", NULL);

        data_must(&op, OUTCOME_GONE, "NoSuchBucket");
        op = data_act(w->d, "head-object", "{'bucket':'acts','key':'x'}", NULL);
        data_must(&op, OUTCOME_GONE, NULL);
        op = data_act(w->d, "put-object", "{'bucket':'nowhere','key':'x','body':''}", NULL);
        data_must(&op, OUTCOME_GONE, "NoSuchBucket");
        op = data_act(w->d, "put-object", "{'bucket':'acts','key':'x'}", NULL);
        data_must(&op, OUTCOME_REFUSED, "body");
        op = data_act(w->d, "put-object", "{'bucket':'../x','key':'x','body':''}", NULL);
        data_must(&op, OUTCOME_REFUSED, "bucket");
        op = data_act(w->d, "get-object", "{'bucket':'acts','key':'/x'}", NULL);
        data_must(&op, OUTCOME_REFUSED, "key");
        op = data_act(w->d, "list-objects", "{'bucket':'acts','limit':0}", NULL);
        data_must(&op, OUTCOME_REFUSED, "limit");
        op = data_act(w->d, "burn-object", "{'bucket':'acts'}", NULL);
        data_must(&op, OUTCOME_REFUSED, "burn-object");
}

static void bytes_empty_and_large_objects_are_told_as_such(void **state) {
        struct s3_world *w = *state;
        cleanup_(buf_free) struct buf big = BUF_INIT;
        struct op op;

        op = data_act(w->d, "put-object", "{'bucket':'acts','key':'e','body':''}", NULL);
        data_must(&op, OUTCOME_DONE, NULL);
        op = data_act(w->d, "get-object", "{'bucket':'acts','key':'e'}", NULL);
        assert_string_equal(json_get_str(op.told, "body", "x"), "");
        data_must(&op, OUTCOME_DONE, NULL);
        op = data_act(w->d, "put-object", "{'bucket':'acts','key':'b','body-base64':'//4='}", NULL);
        data_must(&op, OUTCOME_DONE, NULL);
        op = data_act(w->d, "get-object", "{'bucket':'acts','key':'b'}", NULL);
        assert_string_equal(json_get_str(op.told, "body-base64", ""), "//4=");
        data_must(&op, OUTCOME_DONE, NULL);
        buf_puts(&big, "{'bucket':'acts','key':'l','body':'");
        for (int i = 0; i < 70000; i++)
                buf_putc(&big, 'x');
        buf_puts(&big, "'}");
        op = data_act(w->d, "put-object", big.data, NULL);
        data_must(&op, OUTCOME_DONE, NULL);
        op = data_act(w->d, "get-object", "{'bucket':'acts','key':'l'}", NULL);
        assert_int_equal(json_string_length(json_get(op.told, "body")), 65536);
        assert_int_equal(json_get_int(op.told, "bytes", 0), 70000);
        assert_true(json_get_bool(op.told, "truncated", false));
        data_must(&op, OUTCOME_DONE, NULL);
}

static void a_list_comes_in_pages(void **state) {
        struct s3_world *w = *state;
        cleanup_(freep) char *ask = str_dup("{'bucket':'acts','limit':3}");
        int seen = 0, pages = 0;

        for (int i = 0; i < 7; i++) {
                cleanup_(freep) char *put =
                        str_format("{'bucket':'acts','key':'k %d','body':'x'}", i);
                struct op op = data_act(w->d, "put-object", put, NULL);

                data_must(&op, OUTCOME_DONE, NULL);
        }
        while (ask) {
                struct op op = data_act(w->d, "list-objects", ask, NULL);
                const char *after = json_get_str(op.told, "after", NULL);

                seen += (int)json_array_size(json_get(op.told, "objects"));
                pages++;
                free(ask);
                ask = after ? str_format("{'bucket':'acts','limit':3,'after':'%s'}", after) : NULL;
                data_must(&op, OUTCOME_DONE, NULL);
        }
        assert_int_equal(seen, 7);
        assert_int_equal(pages, 3);
}

/* ---- streams */

static json_t *object(const char *key) {
        return json_pack("{s:s, s:s, s:i}", "bucket", "acts", "key", key, "part-size", 5 << 20);
}

static void on_done(struct op *op) {
        *(bool *)op->arg = true;
}

/* From a file to an object or back; NULL: nowhere. */
static struct op stream(struct s3_world *w, const char *from_file, const json_t *from,
                        const json_t *to, const char *sha256) {
        struct stream_request r = { .loop = w->d->loop, .folder = folder, .sha256 = sha256 };
        bool done = false;
        struct op op = { .loop = w->d->loop, .done = on_done, .arg = &done };
        int64_t until = clock_mono() + DATA_WAIT_MS;

        r.from.file = from_file;
        if (from)
                r.from = (struct stream_end){ &provider_s3, w->d->target, "object", from, NULL };
        if (to)
                r.to = (struct stream_end){ &provider_s3, w->d->target, "object", to, NULL };
        stream_start(&r, &op);
        while (!done && clock_mono() < until)
                loop_step(w->d->loop, 1000);
        assert_true(done);
        return op;
}

static void make_file(const char *name, size_t size) {
        cleanup_(freep) char *path = str_format("%s/%s", folder, name);
        cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        char *data = mem_alloc(size + 1);

        digest_random(data, size);
        assert_int_equal(write(fd, data, size), size);
        free(data);
}

/* How many uploads of KEY the store knows. */
static bool has_upload(struct s3_world *w, const char *key) {
        cleanup_(freep) char *path = str_format("/acts?uploads=&prefix=%s", key);
        cleanup_(freep) char *text = s3_raw(w, "GET", path, NULL, 200);

        return strstr(text, "<UploadId>") != NULL;
}

static void until_no_upload(struct s3_world *w, const char *key) {
        for (int i = 0; i < 600 && has_upload(w, key); i++)
                data_turn(w->d, 50);
        assert_false(has_upload(w, key));
}

static void objects_of_every_size_are_streamed(void **state) {
        static const size_t sizes[] = { 0, 1, 5u << 20, (5u << 20) + 1, BIG };
        struct s3_world *w = *state;

        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                cleanup_(json_freep) json_t *o = object("dir/a b");
                cleanup_(freep) char *sum = NULL;
                struct op op;

                make_file("in", sizes[i]);
                op = stream(w, "in", NULL, o, NULL);
                sum = str_dup(json_get_str(op.told, "sha256", ""));
                assert_int_equal(json_get_int(json_get(op.told, "to"), "parts", 0),
                                 sizes[i] < 5u << 20 ? 0 : (int)((sizes[i] - 1) / (5u << 20)) + 1);
                data_must(&op, OUTCOME_DONE, NULL);
                assert_false(has_upload(w, "dir/a%20b"));
                op = stream(w, NULL, o, NULL, sum);
                assert_int_equal(json_get_int(op.told, "bytes", -1), sizes[i]);
                data_must(&op, OUTCOME_DONE, NULL);
        }
}

static void a_stream_that_breaks_leaves_nothing(void **state) {
        struct s3_world *w = *state;
        cleanup_(json_freep) json_t *o = object("broken");
        struct op op;

        make_file("in", BIG);
        op = stream(w, "in", NULL, o, "another sum");
        data_must(&op, OUTCOME_REFUSED, "SHA-256");
        until_no_upload(w, "broken");
        op = data_act(w->d, "head-object", "{'bucket':'acts','key':'broken'}", NULL);
        data_must(&op, OUTCOME_GONE, NULL);
        op = stream(w, NULL, o, NULL, NULL);
        data_must(&op, OUTCOME_GONE, "come from");
}

static void what_a_killed_daemon_left_is_aborted(void **state) {
        struct s3_world *w = *state;
        cleanup_(json_freep) json_t *o = object("left");
        struct op op;

        for (int i = 0; i < 3; i++)
                free(s3_raw(w, "POST", "/acts/left?uploads=", NULL, 200));
        free(s3_raw(w, "POST", "/acts/left-too?uploads=", NULL, 200));
        make_file("in", BIG);
        op = stream(w, "in", NULL, o, NULL);
        data_must(&op, OUTCOME_DONE, NULL);
        assert_false(has_upload(w, "left"));
        assert_true(has_upload(w, "left-too")); /* another's */
}

static void a_bucket_that_goes_in_mid_stream_is_said(void **state) {
        struct s3_world *w = *state;
        cleanup_(json_freep) json_t *o = json_pack("{s:s, s:s}", "bucket", "nowhere", "key", "x");
        struct op op;

        make_file("in", BIG);
        op = stream(w, "in", NULL, o, NULL);
        data_must(&op, OUTCOME_GONE, "NoSuchBucket");
        json_object_set_new(o, "part-size", json_integer(1));
        op = stream(w, "in", NULL, o, NULL);
        data_must(&op, OUTCOME_REFUSED, "part-size");
}

/* A connection that breaks here and there costs a part or a piece, and nothing else. */
static void a_connection_that_breaks_is_survived(void **state) {
        static const int at[] = { 1, 2, 3, 5, 60, 200, 400, 800, 1200 };
        struct s3_world *w = *state;
        int hits = 0;

        if (s3_by_tls())
                skip();
        make_file("in", BIG);
        for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
                cleanup_(json_freep) json_t *o = object("shaky");
                int before = w->way.dropped;
                cleanup_(freep) char *sum = NULL;
                struct op op;

                w->way.drop_at = w->way.sends + at[i];
                op = stream(w, "in", NULL, o, NULL);
                sum = str_dup(json_get_str(op.told, "sha256", ""));
                data_must(&op, OUTCOME_DONE, NULL);
                hits += w->way.dropped - before;
                w->way.drop_at = w->way.sends + (int)i + 1;
                op = stream(w, NULL, o, NULL, sum);
                data_must(&op, OUTCOME_DONE, NULL);
                w->way.drop_at = 0;
                assert_false(has_upload(w, "shaky"));
        }
        assert_true(hits > 4);
}

static void a_cancelled_stream_leaves_nothing(void **state) {
        struct s3_world *w = *state;
        cleanup_(json_freep) json_t *o = object("cancelled");
        struct stream_request r = {
                .loop = w->d->loop,
                .folder = folder,
                .from = { .file = "in" },
                .to = { &provider_s3, w->d->target, "object", o, NULL },
        };
        bool done = false;
        struct op op = { .loop = w->d->loop, .done = on_done, .arg = &done };

        make_file("in", BIG);
        /* Each of the first turns, so that one ends with each request out; then further apart. */
        for (int turns = 1; turns < 200; turns += turns < CLOSE_TURNS ? 1 : turns) {
                stream_start(&r, &op);
                for (int i = 0; i < turns && !done; i++)
                        loop_step(w->d->loop, 5);
                if (done)
                        op_clear(&op);
                else
                        stream_cancel(&op);
                done = false;
                until_no_upload(w, "cancelled"); /* now: the next one would clear up */
        }
}

int data_s3_objects(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(an_object_is_put_read_listed_and_deleted),
                T(what_is_not_there_or_not_allowed_is_said),
                T(bytes_empty_and_large_objects_are_told_as_such),
                T(a_list_comes_in_pages),
                T(objects_of_every_size_are_streamed),
                T(a_stream_that_breaks_leaves_nothing),
                T(what_a_killed_daemon_left_is_aborted),
                T(a_bucket_that_goes_in_mid_stream_is_said),
                T(a_connection_that_breaks_is_survived),
                T(a_cancelled_stream_leaves_nothing),
        };
        cleanup_(freep) char *clean = NULL;
        int failed;

        if (!mkdtemp(folder))
                return 1;
        clean = str_format("rm -rf %s", folder);
        failed = cmocka_run_group_tests(tests, NULL, NULL);
        return failed + system(clean);
}
