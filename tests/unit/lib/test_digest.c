/* SPDX-License-Identifier: Apache-2.0 */
/* test_digest.c - hashes against published vectors, base64 both ways */
#include "digest.h"

#include <errno.h>
#include <setjmp.h>

#include <cmocka.h>

static void hashes_match_the_published_vectors(void **state) {
        uint8_t d[DIGEST_SIZE];
        char hex[DIGEST_HEX_SIZE];
        uint8_t key[20], long_key[131];
        const char *text = "Test Using Larger Than Block-Size Key - Hash Key First";

        assert_string_equal(digest_sha256_hex("", 0, hex),
                            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_string_equal(digest_sha256_hex("abc", 3, hex),
                            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        /* RFC 4231, case 1 */
        memset(key, 0x0b, sizeof(key));
        digest_hmac(key, sizeof(key), "Hi There", 8, d);
        assert_string_equal(digest_hex(d, DIGEST_SIZE, hex),
                            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
        /* Case 6: a key that is longer than a block. */
        memset(long_key, 0xaa, sizeof(long_key));
        digest_hmac(long_key, sizeof(long_key), text, strlen(text), d);
        assert_string_equal(digest_hex(d, DIGEST_SIZE, hex),
                            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void an_empty_key_is_not_the_key_before(void **state) {
        uint8_t keyed[DIGEST_SIZE], bare[DIGEST_SIZE];

        digest_hmac("k", 1, "x", 1, keyed);
        digest_hmac(NULL, 0, "x", 1, bare);
        assert_memory_not_equal(keyed, bare, DIGEST_SIZE);
}

static void hex_reads_back_and_refuses_the_rest(void **state) {
        uint8_t out[2] = { 9, 9 };

        assert_true(digest_unhex("0aFf", out, 2));
        assert_int_equal(out[0], 0x0a);
        assert_int_equal(out[1], 0xff);
        assert_false(digest_unhex("0aF", out, 2));
        assert_false(digest_unhex("0aFg", out, 2));
        assert_false(digest_unhex("0aFf00", out, 2));
        assert_int_equal(out[0], 0x0a);
}

static void base64_of_every_length_reads_back(void **state) {
        uint8_t data[300];

        for (size_t n = 0; n <= sizeof(data); n++) {
                struct buf text = BUF_INIT, back = BUF_INIT;

                digest_random(data, sizeof(data));
                digest_base64(data, n, &text);
                assert_int_equal(text.len, (n + 2) / 3 * 4);
                assert_int_equal(digest_unbase64(buf_str(&text), text.len, &back, NULL), 0);
                assert_int_equal(back.len, n);
                if (n)
                        assert_memory_equal(back.data, data, n);
                buf_free(&text);
                buf_free(&back);
        }
}

static void base64_vectors_and_bad_texts(void **state) {
        static const struct {
                const char *text;
                const char *data; /* NULL: refused */
        } rows[] = {
                { "Zm9vYmFy", "foobar" },
                { "Zm9vYg==", "foob" },
                { "Zm9vYg", "foob" },
                { "Zm9v\nYmE=\n", "fooba" },
                { "", "" },
                { "Zg= =", "f" },
                { "Z", NULL },
                { "Zg=", NULL },
                { "Zg==Zg==", NULL },
                { "Zg===", NULL },
                { "=", NULL },
                { "Z===", NULL },
                { "Zm9*", NULL },
                { "Zm9v-_", NULL },
                { "Zm9vYmFy=", NULL },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct buf out = BUF_INIT;
                struct err e = { 0 };
                int r;

                buf_puts(&out, "<");
                r = digest_unbase64(rows[i].text, strlen(rows[i].text), &out, &e);
                assert_int_equal(r, rows[i].data ? 0 : -EBADMSG);
                assert_int_equal(out.len, 1 + (rows[i].data ? strlen(rows[i].data) : 0));
                if (rows[i].data)
                        assert_string_equal(buf_str(&out) + 1, rows[i].data);
                else
                        assert_non_null(strstr(e.text, "not base64"));
                buf_free(&out);
        }
}

/* 171 letters: bytes taken modulo 171 would give the first 85 of them twice the share. */
static void random_texts_use_all_of_the_alphabet_evenly(void **state) {
        static char text[171000 + 1];
        char alphabet[171 + 1] = { 0 };
        int counts[256] = { 0 };

        for (int i = 0; i < 171; i++)
                alphabet[i] = (char)(i + 1);
        digest_random_text(alphabet, sizeof(text) - 1, text);
        assert_int_equal(strlen(text), sizeof(text) - 1);
        for (const char *p = text; *p; p++)
                counts[(unsigned char)*p]++;
        /* 1,000 are expected of each; ten deviations of 31 either way never happen by chance. */
        for (int i = 1; i <= 171; i++)
                assert_in_range(counts[i], 690, 1310);
}

/* Rows have such texts: they stay what they were. */
static void the_text_of_a_digest_is_the_same_for_ever(void **state) {
        uint8_t digest[DIGEST_SIZE];
        char text[26 + 1];

        digest_sha256("abc", 3, digest);
        digest_text(digest, DIGEST_BASE32, 26, text);
        assert_string_equal(text, "2yw7pbpkbba65ocdqdbdwx24uq");
        digest_text(digest, DIGEST_READABLE, 8, text);
        assert_string_equal(text, "7r5dmczz");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(hashes_match_the_published_vectors),
                cmocka_unit_test(an_empty_key_is_not_the_key_before),
                cmocka_unit_test(hex_reads_back_and_refuses_the_rest),
                cmocka_unit_test(base64_of_every_length_reads_back),
                cmocka_unit_test(base64_vectors_and_bad_texts),
                cmocka_unit_test(random_texts_use_all_of_the_alphabet_evenly),
                cmocka_unit_test(the_text_of_a_digest_is_the_same_for_ever),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
