/* SPDX-License-Identifier: Apache-2.0 */
/* test_charm_dir.c - a charm's folder: its hash, who may write there, and the copy under the
 * hash */
#include "charm-dir.h"
#include "charm-pin.h"
#include "host-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[64];
static char folder[100];

static void write_text(const char *name, const char *text) {
        cleanup_(freep) char *path = str_format("%s/%s", folder, name);
        cleanup_(fclosep) FILE *f = NULL;

        (void)chmod(path, 0644);
        f = fopen(path, "we");
        assert_non_null(f);
        fputs(text, f);
}

static void remove_file(const char *name) {
        cleanup_(freep) char *path = str_format("%s%s", folder, name);

        assert_int_equal(unlink(path), 0);
}

static void make(const char *name) {
        cleanup_(freep) char *path = str_format("%s/%s", folder, name);

        assert_int_equal(mkdir(path, 0755), 0);
}

static int setup(void **state) {
        str_copy(top, sizeof(top), "/tmp/mooring-dir-XXXXXX");
        assert_non_null(mkdtemp(top));
        snprintf(folder, sizeof(folder), "%s/web", top);
        assert_int_equal(mkdir(folder, 0755), 0);
        make("objects");
        make("objects/more");
        make("files");
        make("tests");
        write_text("charm.yaml", "name: web\n");
        write_text("web.so", "module");
        write_text("objects/a.yaml", "a: 1\n");
        write_text("objects/more/b.yaml", "b: 1\n");
        write_text("files/crds.yaml", "c: 1\n");
        return 0;
}

static int teardown(void **state) {
        fixture_remove(top);
        return 0;
}

static int read_hash(const char *path, char ret[DIGEST_HEX_SIZE], struct err *err) {
        cleanup_(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        cleanup_(charm_dir_freep) struct charm_dir *d = NULL;
        int r = charm_dir_read(fd, -1, NULL, &d, err);

        if (r >= 0)
                memcpy(ret, d->sha256, DIGEST_HEX_SIZE);
        return r;
}

static const char *hash(void) {
        static char hex[2][DIGEST_HEX_SIZE];
        static int turn;
        struct err err = {};

        turn = !turn;
        if (read_hash(folder, hex[turn], &err) < 0)
                fail_msg("%s", err_text(&err));
        return hex[turn];
}

static void assert_changes(const char *before) {
        assert_string_not_equal(before, hash());
}

static void the_hash_is_of_names_bytes_and_executable_bits(void **state) {
        cleanup_(freep) char *first = str_dup(hash());
        cleanup_(freep) char *path = str_format("%s/files/crds.yaml", folder);

        write_text("objects/more/b.yaml", "b: 2\n");
        assert_changes(first);
        write_text("objects/more/b.yaml", "b: 1\n");
        assert_string_equal(hash(), first);
        assert_int_equal(chmod(path, 0755), 0);
        assert_changes(first);
        assert_int_equal(chmod(path, 0600), 0);
        assert_string_equal(hash(), first);
        write_text("objects/c.yaml", "");
        assert_changes(first);
}

static void what_does_not_belong_does_not_count(void **state) {
        cleanup_(freep) char *first = str_dup(hash());

        write_text("README.md", "read me");
        write_text("tests/a.view.json", "{}");
        write_text("web.c", "code");
        write_text(".hidden", "x");
        write_text("objects/.swp", "x");
        assert_string_equal(hash(), first);
}

static void the_same_content_elsewhere_has_the_same_hash(void **state) {
        cleanup_(freep) char *other = str_format("%s/other", top);
        char hex[DIGEST_HEX_SIZE];

        fixture_copy(folder, other);
        assert_int_equal(read_hash(other, hex, NULL), 0);
        assert_string_equal(hex, hash());
}

static void a_module_from_elsewhere_counts_as_if_it_lay_there(void **state) {
        cleanup_(charm_dir_freep) struct charm_dir *d = NULL;
        cleanup_(freep) char *with = str_dup(hash()), *path = str_format("%s/web.so", folder);
        cleanup_(closep) int fd = -1, module = open(path, O_RDONLY | O_CLOEXEC);

        assert_int_equal(unlink(path), 0);
        fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(charm_dir_read(fd, module, "web.so", &d, NULL), 0);
        assert_string_equal(d->sha256, with);
}

static void assert_unreadable(int code, const char *part) {
        char hex[DIGEST_HEX_SIZE];
        struct err err = {};
        int r = read_hash(folder, hex, &err);

        if (r != code || !strstr(err_text(&err), part))
                fail_msg("%d: %s", r, err_text(&err));
}

static void links_second_modules_and_strange_names_are_refused(void **state) {
        cleanup_(freep) char *link = str_format("%s/objects/link.yaml", folder);
        cleanup_(freep) char *strange = str_format("%s/objects/a\nb", folder);

        assert_int_equal(symlink("/etc/passwd", link), 0);
        assert_unreadable(-EINVAL, "links are not allowed");
        unlink(link);
        write_text("other.so", "module");
        assert_unreadable(-EINVAL, "two modules");
        remove_file("/other.so");
        write_text("objects/a\nb", "");
        assert_unreadable(-EINVAL, "a blank or worse");
        unlink(strange);
        remove_file("/charm.yaml");
        assert_unreadable(-ENOENT, "no charm.yaml");
}

static void the_stamp_changes_when_a_file_is_touched(void **state) {
        cleanup_(closep) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        uint64_t a, b;

        assert_int_equal(charm_dir_stamp(fd, &a, NULL), 0);
        assert_int_equal(charm_dir_stamp(fd, &b, NULL), 0);
        assert_true(a == b);
        write_text("objects/a.yaml", "a: 22\n");
        assert_int_equal(charm_dir_stamp(fd, &b, NULL), 0);
        assert_true(a != b);
}

/* ---- trust */

static void assert_untrusted(const char *name, mode_t mode) {
        cleanup_(freep) char *path = str_format("%s/%s", folder, name);
        struct err err = {};
        struct stat st;

        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(charm_dir_trusted(folder, geteuid(), NULL), 0);
        assert_int_equal(chmod(path, mode), 0);
        assert_int_equal(charm_dir_trusted(folder, geteuid(), &err), -EPERM);
        if (!strstr(err_text(&err), "others can write to") || !strstr(err_text(&err), "chmod go-w"))
                fail_msg("%s", err_text(&err));
        assert_int_equal(chmod(path, st.st_mode & 07777), 0);
}

static void folders_that_others_can_write_are_not_trusted(void **state) {
        assert_untrusted(".", 0775);
        assert_untrusted(".", 0757);
        assert_untrusted(".", 01777);
        assert_untrusted("objects", 0775);
        assert_untrusted("web.so", 0664);
        assert_untrusted("objects/more/b.yaml", 0646);
        assert_untrusted("..", 0775);
}

static void files_of_other_users_are_not_trusted(void **state) {
        struct err err = {};

        /* Seen with another user's eyes: our folder belongs to a stranger then, unless we are
         * root. */
        if (geteuid() == 0) {
                assert_int_equal(chown(folder, 12345, (gid_t)-1), 0);
                assert_int_equal(charm_dir_trusted(folder, 0, &err), -EPERM);
                assert_non_null(strstr(err_text(&err), "belongs to user 12345"));
                assert_int_equal(charm_dir_trusted(folder, 12345, NULL),
                                 0); /* were it the daemon's user */
        } else {
                assert_int_equal(charm_dir_trusted(folder, 12345, &err), -EPERM);
        }
}

/* ---- pinning */

static void pin(const char *sha256) {
        struct err err = {};

        if (charm_pin(top, folder, sha256, &err) < 0)
                fail_msg("%s", err_text(&err));
}

static void a_pinned_copy_is_whole_and_survives_its_source(void **state) {
        cleanup_(freep) char *sha256 = str_dup(hash());
        cleanup_(freep) char *to = charm_pin_folder(top, sha256);
        cleanup_(charm_dir_freep) struct charm_dir *d = NULL;
        cleanup_(buf_free) struct buf text = BUF_INIT;
        cleanup_(closep) int fd = -1;

        pin(sha256);
        fixture_remove(folder);
        assert_int_equal(charm_pin_check(top, sha256, NULL), 0);
        pin(sha256);
        fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(charm_dir_load(fd, sha256, &d, NULL), 0);
        assert_string_equal(d->module, "web.so");
        assert_int_equal(d->count, 5);
        assert_int_equal(charm_dir_take(fd, charm_dir_find(d, "objects/more/b.yaml"), &text, NULL),
                         0);
        assert_string_equal(buf_str(&text), "b: 1\n");
        assert_null(charm_dir_find(d, "README.md"));
}

static void a_damaged_copy_is_found_and_replaced(void **state) {
        cleanup_(freep) char *sha256 = str_dup(hash());
        cleanup_(freep) char *path = str_format("%s/charms/%s/objects/a.yaml", top, sha256);
        FILE *f;

        pin(sha256);
        assert_int_equal(chmod(path, 0644), 0);
        f = fopen(path, "we");
        fputs("a: 9\n", f);
        fclose(f);
        assert_int_equal(charm_pin_check(top, sha256, NULL), -ESTALE);
        pin(sha256);
        assert_int_equal(charm_pin_check(top, sha256, NULL), 0);
}

static void what_a_crash_left_behind_is_no_hindrance(void **state) {
        cleanup_(freep) char *sha256 = str_dup(hash());
        cleanup_(freep) char *charms = str_format("%s/charms", top),
                             *left = str_format("%s/.new-%s", charms, sha256);
        cleanup_(freep) char *file = str_format("%s/charm.yaml", left);

        assert_int_equal(mkdir(charms, 0700), 0);
        assert_int_equal(mkdir(left, 0755), 0);
        assert_int_equal(close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0444)), 0);
        assert_int_equal(chmod(left, 0555), 0);
        pin(sha256);
        assert_int_equal(access(left, F_OK), -1);
        assert_int_equal(charm_pin_check(top, sha256, NULL), 0);
}

static void a_folder_that_changed_since_is_not_pinned(void **state) {
        cleanup_(freep) char *sha256 = str_dup(hash());
        struct err err = {};

        write_text("web.so", "another module");
        assert_int_equal(charm_pin(top, folder, sha256, &err), -ESTALE);
        assert_int_equal(charm_pin_check(top, sha256, NULL), -ENOENT);
}

static void a_dropped_pin_is_gone(void **state) {
        cleanup_(freep) char *sha256 = str_dup(hash());
        cleanup_(freep) char *to = charm_pin_folder(top, sha256);

        pin(sha256);
        assert_int_equal(charm_pin_drop(top, sha256, NULL), 0);
        assert_int_equal(access(to, F_OK), -1);
        assert_int_equal(charm_pin_drop(top, sha256, NULL), 0);
}

/* ---- pruning: copies are made by name only */

#define OLD_S 1000
#define NOW_MS 1000000000000

static char *make_copy(const char *name, time_t at) {
        cleanup_(freep) char *charms = str_format("%s/charms", top);
        char *copy = str_format("%s/%s", charms, name);
        cleanup_(freep) char *file = str_format("%s/charm.yaml", copy);

        (void)mkdir(charms, 0700);
        assert_int_equal(mkdir(copy, 0755), 0);
        assert_int_equal(close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0444)), 0);
        assert_int_equal(chmod(copy, 0555), 0);
        assert_int_equal(utimensat(AT_FDCWD, copy,
                                   (struct timespec[]){ { .tv_sec = at }, { .tv_sec = at } }, 0),
                         0);
        return copy;
}

static void assert_pruned(const struct map *keep, int n) {
        struct err err = {};

        if (charm_pin_prune(top, keep, NOW_MS, &err) != n)
                fail_msg("not %d copies were removed: %s", n, err_text(&err));
}

#define NAME(letter) letter letter letter letter letter letter letter letter
#define SHA(letter) NAME(NAME(letter))

static void copies_of_nobody_go_when_they_are_old(void **state) {
        cleanup_(freep) char *used = make_copy(SHA("a"), OLD_S),
                             *unused = make_copy(SHA("b"), OLD_S),
                             *torn = make_copy(".new-" SHA("a"), OLD_S),
                             *young = make_copy(SHA("c"), NOW_MS / 1000 + 1),
                             *other = make_copy("of-a-person", OLD_S);
        cleanup_(map_free) struct map keep = MAP_INIT;

        map_set(&keep, SHA("a"), top);
        assert_pruned(&keep, 2);
        assert_int_equal(access(unused, F_OK), -1);
        assert_int_equal(access(torn, F_OK), -1);
        assert_int_equal(access(used, F_OK), 0);
        assert_int_equal(access(young, F_OK), 0);
        assert_int_equal(access(other, F_OK), 0);
        assert_pruned(&keep, 0);
}

static void a_copy_that_is_taken_in_again_is_young(void **state) {
        cleanup_(freep) char *sha256 = str_dup(hash()), *to = charm_pin_folder(top, sha256);
        struct map keep = MAP_INIT;

        pin(sha256);
        assert_int_equal(utimensat(AT_FDCWD, to,
                                   (struct timespec[]){ { .tv_sec = OLD_S }, { .tv_sec = OLD_S } },
                                   0),
                         0);
        pin(sha256);
        assert_pruned(&keep, 0);
        assert_int_equal(charm_pin_check(top, sha256, NULL), 0);
}

static void no_more_than_the_limit_go_at_once(void **state) {
        struct map keep = MAP_INIT;

        for (int i = 0; i < CHARM_PRUNE_MAX + 1; i++) {
                cleanup_(freep) char *name = str_format("%064d", i);

                free(make_copy(name, OLD_S));
        }
        assert_pruned(&keep, CHARM_PRUNE_MAX);
        assert_pruned(&keep, 1);
}

static void without_any_copy_nothing_goes(void **state) {
        struct map keep = MAP_INIT;

        assert_pruned(&keep, 0);
}

static void a_pinned_copy_with_another_manifest_is_refused(void **state) {
        cleanup_(freep) char *sha256 = str_dup(hash()), *to = charm_pin_folder(top, sha256);
        cleanup_(charm_dir_freep) struct charm_dir *d = NULL;
        cleanup_(closep) int fd = -1;
        char other[DIGEST_HEX_SIZE];

        pin(sha256);
        memset(other, 'a', sizeof(other) - 1);
        other[sizeof(other) - 1] = '\0';
        fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(charm_dir_load(fd, other, &d, NULL), -ESTALE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(the_hash_is_of_names_bytes_and_executable_bits,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(what_does_not_belong_does_not_count, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(the_same_content_elsewhere_has_the_same_hash, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(a_module_from_elsewhere_counts_as_if_it_lay_there,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(links_second_modules_and_strange_names_are_refused,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(the_stamp_changes_when_a_file_is_touched, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(folders_that_others_can_write_are_not_trusted,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(files_of_other_users_are_not_trusted, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(a_pinned_copy_is_whole_and_survives_its_source,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(a_damaged_copy_is_found_and_replaced, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(what_a_crash_left_behind_is_no_hindrance, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(a_folder_that_changed_since_is_not_pinned, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(a_dropped_pin_is_gone, setup, teardown),
                cmocka_unit_test_setup_teardown(copies_of_nobody_go_when_they_are_old, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(a_copy_that_is_taken_in_again_is_young, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(no_more_than_the_limit_go_at_once, setup, teardown),
                cmocka_unit_test_setup_teardown(without_any_copy_nothing_goes, setup, teardown),
                cmocka_unit_test_setup_teardown(a_pinned_copy_with_another_manifest_is_refused,
                                                setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
