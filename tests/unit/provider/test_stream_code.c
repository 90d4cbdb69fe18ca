/* SPDX-License-Identifier: Apache-2.0 */
/* test_stream_code.c - gzip and sealing: what comes back is what went in, or it is refused */
#include "stream-code.h"
#include "stream-seal.h"

#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

/* All of IN through a code, in pieces of STEP; the most that one call gave. */
static int through(const struct stream_code_how *how, const struct buf *in, size_t step,
                   struct buf *out, size_t *ret_most, struct err *err) {
        struct stream_code *c = stream_code_new(how);
        size_t at = 0, most = 0;
        int r = 0;
        bool last = false;

        while (r >= 0 && !(last && r == 0)) {
                size_t n = r == 1 ? 0 : MIN_OF(step, in->len - at);
                struct buf piece = BUF_INIT;

                last = at + n == in->len;
                r = stream_code_work(c, buf_str(in) + at, n, last, &piece, err);
                at += n;
                most = MAX_OF(most, piece.len);
                buf_add(out, piece.data, piece.len);
                buf_free(&piece);
        }
        if (r == 0) {
                struct stream_code_sum stored, plain;

                stream_code_sums(c, &stored, &plain);
                assert_int_equal(stored.bytes, how->undo ? in->len : out->len);
                assert_int_equal(plain.bytes, how->undo ? out->len : in->len);
                assert_int_equal(strlen(stored.sha256), 64);
        }
        stream_code_free(c);
        if (ret_most)
                *ret_most = most;
        return r;
}

static void fill(struct buf *b, size_t n) {
        uint32_t x = 1;

        buf_reserve(b, n);
        for (size_t i = 0; i < n; i++)
                buf_putc(b, (char)((x = x * 1664525 + 1013904223) >> 29)); /* compresses */
}

static struct stream_code_how how(bool gzip, const char *key, bool undo) {
        return (struct stream_code_how){
                .undo = undo, .gzip = gzip, .key = key, .key_len = key ? strlen(key) : 0
        };
}

static void what_goes_in_comes_back(void **state) {
        static const size_t sizes[] = { 0, 1, 65535, 65536, 65537, 131072, 300000 };

        for (int kind = 0; kind < 4; kind++)
                for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                        struct stream_code_how there =
                                how(kind & 1, kind & 2 ? "key" : NULL, false);
                        struct stream_code_how back = how(kind & 1, kind & 2 ? "key" : NULL, true);
                        struct buf in = BUF_INIT, stored = BUF_INIT, out = BUF_INIT;

                        fill(&in, sizes[i]);
                        assert_int_equal(through(&there, &in, 7001, &stored, NULL, NULL), 0);
                        assert_int_equal(through(&back, &stored, 65536, &out, NULL, NULL), 0);
                        assert_int_equal(out.len, in.len);
                        assert_memory_equal(buf_str(&out), buf_str(&in), in.len);
                        if (kind & 2 && in.len > 64)
                                assert_null(memmem(stored.data, stored.len, in.data, 64));
                        buf_free(&in);
                        buf_free(&stored);
                        buf_free(&out);
                }
}

/* The same key and the same text twice: nothing of it is alike. */
static void two_seals_have_nothing_in_common(void **state) {
        struct stream_code_how there = how(false, "key", false);
        struct buf in = BUF_INIT, a = BUF_INIT, b = BUF_INIT;

        fill(&in, 1000);
        assert_int_equal(through(&there, &in, 1000, &a, NULL, NULL), 0);
        assert_int_equal(through(&there, &in, 1000, &b, NULL, NULL), 0);
        assert_int_equal(a.len, b.len);
        assert_memory_not_equal(a.data + STREAM_SEAL_HEAD, b.data + STREAM_SEAL_HEAD, 64);
        buf_free(&in);
        buf_free(&a);
        buf_free(&b);
}

static void check_broken(const struct buf *stored, const struct stream_code_how *back,
                         const char *what, size_t where) {
        struct buf out = BUF_INIT;
        struct err err = { 0 };

        if (through(back, stored, 65536, &out, NULL, &err) != -EBADMSG)
                fail_msg("%s at %zu was taken", what, where);
        buf_free(&out);
}

static void what_was_cut_off_or_changed_is_refused(void **state) {
        for (int kind = 1; kind < 4; kind++) { /* gzip, sealed, both */
                struct stream_code_how there = how(kind & 1, kind & 2 ? "key" : NULL, false);
                struct stream_code_how back = how(kind & 1, kind & 2 ? "key" : NULL, true);
                struct buf in = BUF_INIT, stored = BUF_INIT;
                size_t chunk = STREAM_SEAL_HEAD + STREAM_SEAL_CHUNK + 16;

                fill(&in, 150000);
                assert_int_equal(through(&there, &in, 150000, &stored, NULL, NULL), 0);
                for (size_t i = 0; i < 8; i++) {
                        /* Also where a chunk ends, and one byte before the end. */
                        size_t at = i == 0   ? MIN_OF(chunk, stored.len - 1)
                                    : i == 1 ? stored.len - 1
                                             : stored.len * i / 9;
                        struct buf cut = { stored.data, at, stored.room };

                        check_broken(&cut, &back, "a cut", at);
                        if (kind & 2) {
                                stored.data[at] ^= 1;
                                check_broken(&stored, &back, "a flip", at);
                                stored.data[at] ^= 1;
                        }
                }
                buf_free(&in);
                buf_free(&stored);
        }
}

static void chunks_cannot_change_places_or_be_added_to(void **state) {
        struct stream_code_how there = how(false, "key", false), back = how(false, "key", true);
        size_t chunk = STREAM_SEAL_CHUNK + 16;
        struct buf in = BUF_INIT, stored = BUF_INIT;
        char *first, *spare = mem_alloc(chunk);

        fill(&in, 3 * STREAM_SEAL_CHUNK + 5);
        assert_int_equal(through(&there, &in, 1u << 20, &stored, NULL, NULL), 0);
        first = stored.data + STREAM_SEAL_HEAD;
        memcpy(spare, first, chunk);
        memcpy(first, first + chunk, chunk);
        memcpy(first + chunk, spare, chunk);
        check_broken(&stored, &back, "an exchange", 0);
        memcpy(first + chunk, first, chunk);
        memcpy(first, spare, chunk);
        buf_putc(&stored, 'x');
        check_broken(&stored, &back, "a byte more", 0);
        free(spare);
        buf_free(&in);
        buf_free(&stored);
}

static void another_key_or_file_is_said_to_be_that(void **state) {
        struct stream_code_how there = how(true, "key", false), back = how(true, "kez", true);
        struct buf in = BUF_INIT, stored = BUF_INIT, out = BUF_INIT;
        struct err err = { 0 };

        fill(&in, 100);
        assert_int_equal(through(&there, &in, 100, &stored, NULL, NULL), 0);
        assert_int_equal(through(&back, &stored, 100, &out, NULL, &err), -EBADMSG);
        assert_non_null(strstr(err_text(&err), "the key is not the one"));
        assert_int_equal(through(&back, &in, 100, &out, NULL, &err), -EBADMSG);
        assert_non_null(strstr(err_text(&err), "not sealed by Mooring"));
        stored.data[20] = (char)0xff; /* of the iterations */
        assert_int_equal(through(&back, &stored, 100, &out, NULL, &err), -EBADMSG);
        assert_non_null(strstr(err_text(&err), "broken"));
        assert_int_equal(out.len, 0);
        buf_free(&in);
        buf_free(&stored);
        buf_free(&out);
}

static void what_unpacks_to_much_comes_in_bounds(void **state) {
        struct stream_code_how there = how(true, NULL, false), back = how(true, NULL, true);
        struct buf in = BUF_INIT, stored = BUF_INIT, out = BUF_INIT;
        size_t most;

        buf_reserve(&in, 20u << 20);
        memset(in.data, 0, in.len = 20u << 20);
        assert_int_equal(through(&there, &in, 1u << 20, &stored, NULL, NULL), 0);
        assert_true(stored.len < 200000);
        assert_int_equal(through(&back, &stored, stored.len, &out, &most, NULL), 0);
        assert_int_equal(out.len, in.len);
        assert_true(most <= 600u << 10);
        buf_free(&in);
        buf_free(&stored);
        buf_free(&out);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_goes_in_comes_back),
                cmocka_unit_test(two_seals_have_nothing_in_common),
                cmocka_unit_test(what_was_cut_off_or_changed_is_refused),
                cmocka_unit_test(chunks_cannot_change_places_or_be_added_to),
                cmocka_unit_test(another_key_or_file_is_said_to_be_that),
                cmocka_unit_test(what_unpacks_to_much_comes_in_bounds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
