/* SPDX-License-Identifier: Apache-2.0 */
/* test_seal.c - sealed values open only whole, in their place, and under a live key */
#include "seal.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const struct seal_place place = { "secret_revision", "sealed", "abc", 3 };
static const char value[] = "s3cret value";

struct folder {
        char *dir;
        struct sealer *sealer;
        struct buf sealed;
};

static char *path_of(struct folder *f, const char *name) {
        return str_format("%s/%s", f->dir, name);
}

static void write_key(const char *path, const void *data, size_t len, mode_t mode) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, data, len), len);
        assert_int_equal(fchmod(fd, mode), 0);
        close(fd);
}

static int load(struct folder *f, const char *file, bool must_exist, struct sealer **ret,
                char **made, struct err *err) {
        struct seal_options o = { .state_dir = f->dir, .key_file = file, .must_exist = must_exist };

        return seal_new(&o, ret, made, err);
}

static int set_up(void **state) {
        char template[] = "/tmp/seal-test-XXXXXX";
        struct folder *f = mem_new(struct folder);
        struct err err = {};

        unsetenv("CREDENTIALS_DIRECTORY");
        f->dir = str_dup(mkdtemp(template));
        assert_int_equal(load(f, NULL, false, &f->sealer, NULL, &err), 0);
        assert_int_equal(seal_value(f->sealer, &place, value, sizeof(value), &f->sealed, &err), 0);
        *state = f;
        return 0;
}

static int tear_down(void **state) {
        struct folder *f = *state;
        cleanup_(freep) char *command = str_format("rm -rf %s", f->dir);

        seal_free(f->sealer);
        buf_free(&f->sealed);
        assert_int_equal(system(command), 0);
        free(f->dir);
        free(f);
        assert_int_equal(arena_used(), 0);
        return 0;
}

static int open_at(struct sealer *s, const struct seal_place *at, const void *data, size_t len,
                   struct err *err) {
        cleanup_(secret_text_free) struct secret_text t = {};
        int r = seal_open(s, at, data, len, &t, err);

        if (r == 0) {
                assert_int_equal(t.len, sizeof(value));
                assert_memory_equal(t.data, value, sizeof(value));
        } else {
                assert_null(t.data);
        }
        return r;
}

static void a_sealed_value_opens_and_does_not_show(void **state) {
        struct folder *f = *state;
        struct buf again = BUF_INIT;
        struct err err = {};

        assert_int_equal(f->sealed.len, sizeof(value) + SEAL_OVERHEAD);
        assert_null(memmem(f->sealed.data, f->sealed.len, "s3cret", 6));
        assert_int_equal(open_at(f->sealer, &place, f->sealed.data, f->sealed.len, &err), 0);
        assert_int_equal(seal_value(f->sealer, &place, value, sizeof(value), &again, &err), 0);
        assert_int_not_equal(memcmp(again.data, f->sealed.data, again.len), 0);
        buf_free(&again);
}

static void an_empty_value_and_a_large_one_open(void **state) {
        struct folder *f = *state;
        cleanup_(freep) char *large = mem_alloc(1 << 20);
        size_t sizes[] = { 0, 1, 16, 1 << 20 };

        memset(large, 'x', 1 << 20);
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                struct secret_text t = {};
                struct buf sealed = BUF_INIT;
                struct err err = {};

                assert_int_equal(seal_value(f->sealer, &place, large, sizes[i], &sealed, &err), 0);
                assert_int_equal(seal_open(f->sealer, &place, sealed.data, sealed.len, &t, &err),
                                 0);
                assert_int_equal(t.len, sizes[i]);
                assert_memory_equal(t.data, large, sizes[i]);
                secret_text_free(&t);
                buf_free(&sealed);
        }
}

static void each_byte_that_changes_is_noticed(void **state) {
        struct folder *f = *state;

        for (size_t i = 0; i < f->sealed.len; i++) {
                struct err err = {};
                int r;

                f->sealed.data[i] ^= 0x20;
                r = open_at(f->sealer, &place, f->sealed.data, f->sealed.len, &err);
                assert_int_equal(r, i >= 1 && i <= 8 ? -ENOKEY : -EBADMSG);
                assert_null(strstr(err.text, "s3cret"));
                f->sealed.data[i] ^= 0x20;
        }
}

static void a_value_that_was_cut_is_noticed(void **state) {
        struct folder *f = *state;

        for (size_t len = 0; len < f->sealed.len; len++) {
                struct err err = {};

                assert_int_equal(open_at(f->sealer, &place, f->sealed.data, len, &err), -EBADMSG);
        }
}

static void a_value_opens_in_its_place_only(void **state) {
        struct folder *f = *state;
        const struct seal_place others[] = {
                {"target",           "sealed",     "abc",  3},
                { "secret_revision", "credential", "abc",  3},
                { "secret_revision", "sealed",     "abd",  3},
                { "secret_revision", "sealed",     "abc",  4},
                { "secret_revision", "seale",      "dabc", 3},
                { "secret_revision", "sealed",     "abc3", 0},
        };

        for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
                struct err err = {};

                assert_int_equal(
                        open_at(f->sealer, &others[i], f->sealed.data, f->sealed.len, &err),
                        -EBADMSG);
        }
}

static void another_key_is_named_by_its_id(void **state) {
        struct folder *f = *state;
        cleanup_(freep) char *path = path_of(f, "other");
        struct sealer *s = NULL;
        char id[17];
        struct err err = {};

        assert_int_equal(load(f, path, false, &s, NULL, &err), 0);
        assert_int_equal(open_at(s, &place, f->sealed.data, f->sealed.len, &err), -ENOKEY);
        assert_non_null(strstr(err.text, digest_hex((uint8_t *)f->sealed.data + 1, 8, id)));
        seal_free(s);
}

static void an_old_key_still_opens_and_the_first_one_seals(void **state) {
        struct folder *f = *state;
        cleanup_(freep) char *path = path_of(f, "key");
        struct sealer *s = NULL;
        struct buf again = BUF_INIT;
        char keys[2 * SEAL_KEY_SIZE];
        struct err err = {};
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        assert_int_equal(read(fd, keys + SEAL_KEY_SIZE, SEAL_KEY_SIZE), SEAL_KEY_SIZE);
        close(fd);
        memset(keys, 7, SEAL_KEY_SIZE);
        write_key(path, keys, sizeof(keys), 0600);
        assert_int_equal(load(f, NULL, true, &s, NULL, &err), 0);
        assert_int_equal(open_at(s, &place, f->sealed.data, f->sealed.len, &err), 0);
        assert_false(seal_is_current(s, f->sealed.data, f->sealed.len));
        assert_int_equal(seal_value(s, &place, value, sizeof(value), &again, &err), 0);
        assert_true(seal_is_current(s, again.data, again.len));
        assert_int_equal(open_at(f->sealer, &place, again.data, again.len, &err), -ENOKEY);
        buf_free(&again);
        seal_free(s);
}

static void the_first_start_makes_a_key_and_says_where(void **state) {
        struct folder *f = *state;
        cleanup_(freep) char *path = path_of(f, "elsewhere");
        cleanup_(freep) char *made = NULL;
        cleanup_(freep) char *second = NULL;
        struct sealer *s = NULL;
        struct stat st;
        struct err err = {};

        assert_int_equal(load(f, path, false, &s, &made, &err), 0);
        assert_string_equal(made, path);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(st.st_size, SEAL_KEY_SIZE);
        assert_int_equal(st.st_nlink, 1);
        seal_free(s);
        assert_int_equal(load(f, path, false, &s, &second, &err), 0);
        assert_null(second);
        seal_free(s);
}

static void a_missing_key_is_not_replaced_when_values_are_sealed(void **state) {
        struct folder *f = *state;
        cleanup_(freep) char *path = path_of(f, "key");
        struct sealer *s = NULL;
        struct err err = {};

        assert_int_equal(unlink(path), 0);
        assert_int_equal(load(f, NULL, true, &s, NULL, &err), -ENOKEY);
        assert_non_null(strstr(err.text, path));
        assert_non_null(strstr(err.text, "--key-file"));
        assert_int_not_equal(access(path, F_OK), 0);
}

static void a_key_that_others_can_read_is_refused(void **state) {
        struct folder *f = *state;
        cleanup_(freep) char *path = path_of(f, "open");
        char key[SEAL_KEY_SIZE] = { 1 };
        struct sealer *s = NULL;
        struct err err = {};

        write_key(path, key, sizeof(key), 0640);
        assert_int_equal(load(f, path, false, &s, NULL, &err), -EPERM);
        assert_non_null(strstr(err.text, "chmod 600"));
}

static void a_file_of_another_size_is_no_key(void **state) {
        struct folder *f = *state;
        cleanup_(freep) char *path = path_of(f, "odd");
        char keys[SEAL_KEY_SIZE * (SEAL_KEYS_MAX + 1)] = { 1 };
        size_t sizes[] = { 0, 31, 33, sizeof(keys) };

        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                struct sealer *s = NULL;
                struct err err = {};

                write_key(path, keys, sizes[i], 0600);
                assert_int_equal(load(f, path, false, &s, NULL, &err), -EINVAL);
        }
}

static void the_credential_of_systemd_goes_first(void **state) {
        struct folder *f = *state;
        cleanup_(freep) char *path = path_of(f, "mooring-key");
        char key[SEAL_KEY_SIZE] = { 9 };
        struct sealer *s = NULL;
        struct err err = {};

        setenv("CREDENTIALS_DIRECTORY", f->dir, 1);
        assert_int_equal(load(f, NULL, true, &s, NULL, &err), 0); /* none there: the state's */
        assert_int_equal(open_at(s, &place, f->sealed.data, f->sealed.len, &err), 0);
        seal_free(s);
        write_key(path, key, sizeof(key), 0440);
        assert_int_equal(load(f, NULL, true, &s, NULL, &err), 0);
        assert_int_equal(open_at(s, &place, f->sealed.data, f->sealed.len, &err), -ENOKEY);
        seal_free(s);
        unsetenv("CREDENTIALS_DIRECTORY");
}

/* Computed once with Python's hmac for the key of 32 times 7: HKDF-SHA256 without salt. */
static void a_keyed_hash_stays_the_same_and_differs_by_key(void **state) {
        struct folder *f = *state;
        cleanup_(freep) char *path = path_of(f, "fixed");
        char key[SEAL_KEY_SIZE];
        uint8_t a[DIGEST_SIZE], b[DIGEST_SIZE], plain[DIGEST_SIZE];
        char hex[DIGEST_HEX_SIZE];
        struct sealer *s = NULL;
        struct err err = {};

        memset(key, 7, sizeof(key));
        write_key(path, key, sizeof(key), 0600);
        assert_int_equal(load(f, path, false, &s, NULL, &err), 0);
        seal_keyed_hash(s, "leaf", 4, a);
        seal_keyed_hash(f->sealer, "leaf", 4, b);
        digest_hmac(seal_hash_key(s), DIGEST_SIZE, "leaf", 4, plain);
        assert_memory_equal(a, plain, DIGEST_SIZE);
        assert_memory_not_equal(a, b, DIGEST_SIZE);
        assert_string_equal(digest_hex(a, DIGEST_SIZE, hex),
                            "0bdbbc77a570df964eb13f4c9fee8849956d560ae811689cc27e111dd2696872");
        seal_free(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_sealed_value_opens_and_does_not_show),
                TEST(an_empty_value_and_a_large_one_open),
                TEST(each_byte_that_changes_is_noticed),
                TEST(a_value_that_was_cut_is_noticed),
                TEST(a_value_opens_in_its_place_only),
                TEST(another_key_is_named_by_its_id),
                TEST(an_old_key_still_opens_and_the_first_one_seals),
                TEST(the_first_start_makes_a_key_and_says_where),
                TEST(a_missing_key_is_not_replaced_when_values_are_sealed),
                TEST(a_key_that_others_can_read_is_refused),
                TEST(a_file_of_another_size_is_no_key),
                TEST(the_credential_of_systemd_goes_first),
                TEST(a_keyed_hash_stays_the_same_and_differs_by_key),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
