/* SPDX-License-Identifier: Apache-2.0 */
/* test_archive.c - files go into one sealed file and come back, or it is refused */
#include "archive.h"
#include "backup.h"
#include "stream-code.h"

#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LARGE (700u << 10) /* more than one piece, and than a chunk */

struct fixture {
        char dir[64];
        char *from, *into, *file;
        struct secret_text key;
};

static void write_file(const char *folder, const char *name, const void *data, size_t len) {
        cleanup_(freep) char *path = str_format("%s/%s", folder, name);
        cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, data, len), len);
}

static void read_file(const char *path, struct buf *ret) {
        cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct stat st;

        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        buf_reserve(ret, (size_t)st.st_size + 1);
        assert_int_equal(read(fd, ret->data, (size_t)st.st_size), st.st_size);
        ret->len = (size_t)st.st_size;
}

static void fill(struct buf *b, size_t n) {
        uint64_t x = 1;

        buf_reserve(b, n);
        for (size_t i = 0; i < n; i++)
                buf_putc(b, (char)((x = x * 6364136223846793005u + 1442695040888963407u) >> 56));
}

static int set_up(void **state) {
        struct fixture *f = mem_new(struct fixture);
        cleanup_(freep) char *folder = NULL, *charm = NULL;
        cleanup_(buf_free) struct buf large = BUF_INIT;

        str_copy(f->dir, sizeof(f->dir), "/tmp/mooring-archive-XXXXXX");
        assert_non_null(mkdtemp(f->dir));
        f->from = str_format("%s/from", f->dir);
        f->into = str_format("%s/into", f->dir);
        f->file = str_format("%s/file.backup", f->dir);
        assert_int_equal(backup_key_take("a long passphrase\n", 18, &f->key, NULL), 0);
        charm = str_format("%s/charms/abc", f->from);
        folder = str_format("%s/charms", f->from);
        assert_int_equal(mkdir(f->from, 0700), 0);
        assert_int_equal(mkdir(f->into, 0700), 0);
        assert_int_equal(mkdir(folder, 0700), 0);
        assert_int_equal(mkdir(charm, 0700), 0);
        fill(&large, LARGE);
        write_file(f->from, "model.db", large.data, large.len);
        write_file(charm, "charm.yaml", "name: a\n", 8);
        write_file(charm, "empty", "", 0);
        assert_int_equal(chmod(charm, 0500), 0); /* as pinned charms are */
        *state = f;
        return 0;
}

static int tear_down(void **state) {
        struct fixture *f = *state;

        archive_remove_folder(f->dir, NULL);
        secret_text_free(&f->key);
        free(f->from);
        free(f->into);
        free(f->file);
        free(f);
        return 0;
}

static void add(struct fixture *f, struct archive_writer *w, const char *name) {
        cleanup_(freep) char *path = str_format("%s/%s", f->from, name);

        assert_int_equal(archive_add(w, path, name, NULL), 0);
}

static void make(struct fixture *f) {
        cleanup_(json_freep) json_t *info = json_pack("{s:s}", "name", "a controller");
        struct archive_writer *w = NULL;

        assert_int_equal(archive_writer_new(f->file, &f->key, info, &w, NULL), 0);
        add(f, w, "model.db");
        add(f, w, "key"); /* there is none */
        add(f, w, "charms");
        assert_int_equal(archive_end(w, NULL), 0);
        archive_writer_free(w);
}

static void same_file(struct fixture *f, const char *name) {
        cleanup_(freep) char *from = str_format("%s/%s", f->from, name);
        cleanup_(freep) char *into = str_format("%s/%s", f->into, name);
        cleanup_(buf_free) struct buf a = BUF_INIT;
        cleanup_(buf_free) struct buf b = BUF_INIT;

        read_file(from, &a);
        read_file(into, &b);
        assert_int_equal(a.len, b.len);
        assert_memory_equal(a.data, b.data, a.len);
}

static void what_goes_in_comes_back(void **state) {
        struct fixture *f = *state;
        cleanup_(json_freep) json_t *info = NULL;
        cleanup_(freep) char *charm = str_format("%s/charms/abc", f->into);
        struct stat st;

        make(f);
        assert_int_equal(stat(f->file, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(archive_unpack(f->file, &f->key, f->into, &info, NULL), 0);
        assert_string_equal(json_get_str(info, "name", ""), "a controller");
        same_file(f, "model.db");
        same_file(f, "charms/abc/charm.yaml");
        same_file(f, "charms/abc/empty");
        assert_int_equal(stat(charm, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0500);
}

static void a_file_that_is_there_is_not_written_over(void **state) {
        struct fixture *f = *state;
        cleanup_(json_freep) json_t *info = json_object();
        struct archive_writer *w = NULL;

        make(f);
        assert_int_equal(archive_writer_new(f->file, &f->key, info, &w, NULL), -EEXIST);
        assert_null(w);
}

static void one_that_is_not_ended_leaves_nothing(void **state) {
        struct fixture *f = *state;
        cleanup_(json_freep) json_t *info = json_object();
        cleanup_(freep) char *part = str_format("%s.part", f->file);
        struct archive_writer *w = NULL;

        assert_int_equal(archive_writer_new(f->file, &f->key, info, &w, NULL), 0);
        add(f, w, "model.db");
        assert_int_equal(access(part, F_OK), 0);
        archive_writer_free(w);
        assert_int_equal(access(part, F_OK), -1);
        assert_int_equal(access(f->file, F_OK), -1);
}

/* ---- what is refused */

static void empty_into(struct fixture *f) {
        assert_int_equal(archive_remove_folder(f->into, NULL), 0);
        assert_int_equal(mkdir(f->into, 0700), 0);
}

static void refused(struct fixture *f, const struct secret_text *key, int want, const char *text) {
        json_t *info = NULL;
        struct err err = {};
        int r = archive_unpack(f->file, key, f->into, &info, &err);

        assert_null(info);
        if (r != want || !strstr(err.text, text))
                fail_msg("wanted %d \"%s\", got %d \"%s\"", want, text, r, err.text);
        empty_into(f);
}

static void rewrite(struct fixture *f, const struct buf *whole, size_t len, size_t flip) {
        cleanup_(buf_free) struct buf data = BUF_INIT;

        buf_add(&data, whole->data, len);
        if (flip < len)
                data.data[flip] ^= 1;
        unlink(f->file);
        write_file(f->dir, "file.backup", data.data, data.len);
}

static void cut_off_anywhere_it_is_refused(void **state) {
        struct fixture *f = *state;
        cleanup_(buf_free) struct buf whole = BUF_INIT;

        make(f);
        read_file(f->file, &whole);
        for (size_t len = 0; len < whole.len; len += whole.len / 3 + 1) {
                rewrite(f, &whole, len, SIZE_MAX);
                refused(f, &f->key, -EBADMSG, "cut off");
        }
        rewrite(f, &whole, whole.len - 1, SIZE_MAX);
        refused(f, &f->key, -EBADMSG, "cut off");
}

static void changed_anywhere_it_is_refused(void **state) {
        struct fixture *f = *state;
        cleanup_(buf_free) struct buf whole = BUF_INIT;

        make(f);
        read_file(f->file, &whole);
        for (size_t at = 28; at < whole.len;
             at += whole.len / 3 + 1) { /* behind the head's text */
                rewrite(f, &whole, whole.len, at);
                refused(f, &f->key, -EBADMSG, "changed");
        }
        rewrite(f, &whole, whole.len, 0);
        refused(f, &f->key, -EBADMSG, "was not sealed by Mooring");
}

static void with_another_passphrase_it_is_refused(void **state) {
        struct fixture *f = *state;
        struct secret_text other = {};

        make(f);
        secret_text_set(&other, "a long passphrasE", 17);
        refused(f, &other, -EBADMSG, "the key is not the one");
        secret_text_free(&other);
}

/* TEXT, sealed as a backup is. */
static void seal_text(struct fixture *f, const void *text, size_t len) {
        struct stream_code_how how = { .gzip = true, .key = f->key.data, .key_len = f->key.len };
        struct stream_code *c = stream_code_new(&how);
        cleanup_(buf_free) struct buf out = BUF_INIT;

        assert_int_equal(stream_code_work(c, text, len, true, &out, NULL), 0);
        stream_code_free(c);
        unlink(f->file);
        write_file(f->dir, "file.backup", out.data, out.len);
}

static void put_head(struct buf *b, const char *head) {
        for (int i = 0; i < 4; i++)
                buf_putc(b, (char)(strlen(head) >> (24 - 8 * i)));
        buf_puts(b, head);
}

static void parts_are(struct fixture *f, const char *first, const char *second, const char *text) {
        cleanup_(buf_free) struct buf plain = BUF_INIT;

        buf_puts(&plain, "mooring backup 1\n");
        put_head(&plain, first);
        if (second)
                put_head(&plain, second);
        seal_text(f, plain.data, plain.len);
        refused(f, &f->key, -EBADMSG, text);
}

static void another_version_and_other_things_are_refused(void **state) {
        struct fixture *f = *state;
        struct err err = {};
        json_t *info = NULL;

        seal_text(f, "mooring backup 2\nwho knows", 26);
        refused(f, &f->key, -EPROTONOSUPPORT, "of version 2");
        seal_text(f, "CREATE TABLE of somebody's dump;", 32);
        refused(f, &f->key, -EBADMSG, "is something else");
        unlink(f->file);
        assert_int_equal(archive_unpack(f->file, &f->key, f->into, &info, &err), -ENOENT);
}

static void what_leads_out_of_the_folder_is_refused(void **state) {
        static const char *const names[] = { "../model.db", "charms/../../x",
                                             "/etc/passwd", "charms//x",
                                             "charms/",     "charms/.x",
                                             "lock",        "" };
        struct fixture *f = *state;

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                cleanup_(freep) char *head =
                        str_format("{\"file\":\"%s\",\"mode\":384,\"size\":0}", names[i]);

                parts_are(f, "{\"info\":{}}", head, "belongs into no state folder");
        }
        parts_are(f, "{\"info\":{}}", "{\"end\":1}", "a part of it is not known");
        parts_are(f, "{\"info\":{}}", NULL, "it ends in the middle");
        parts_are(f, "{\"end\":0}", NULL, "does not say what it is");
}

static void a_weak_key_or_an_open_one_is_refused(void **state) {
        struct fixture *f = *state;
        cleanup_(freep) char *path = str_format("%s/key", f->from);
        cleanup_(freep) char *apart = str_format("%s/key", f->dir);
        struct secret_text key = {};

        assert_int_equal(backup_key_take("short\n", 6, &key, NULL), -EINVAL);
        assert_int_equal(backup_key_read(NULL, f->from, &key, NULL), -ENOKEY);
        write_file(f->from, "key", "a long passphrase", 17);
        assert_int_equal(backup_key_read(path, f->from, &key, NULL), -EPERM); /* beside the state */
        write_file(f->dir, "key", "a long passphrase\n", 18);
        assert_int_equal(backup_key_read(apart, f->from, &key, NULL), 0);
        assert_string_equal(key.data, "a long passphrase");
        assert_int_equal(chmod(apart, 0644), 0);
        assert_int_equal(backup_key_read(apart, f->from, &key, NULL), -EPERM);
        secret_text_free(&key);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(what_goes_in_comes_back),
                TEST(a_file_that_is_there_is_not_written_over),
                TEST(one_that_is_not_ended_leaves_nothing),
                TEST(cut_off_anywhere_it_is_refused),
                TEST(changed_anywhere_it_is_refused),
                TEST(with_another_passphrase_it_is_refused),
                TEST(another_version_and_other_things_are_refused),
                TEST(what_leads_out_of_the_folder_is_refused),
                TEST(a_weak_key_or_an_open_one_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
