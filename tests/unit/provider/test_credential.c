/* SPDX-License-Identifier: Apache-2.0 */
/* test_credential.c - token files that change and exec plugins that answer, fail, hang or run
 * wild */
#include "clock.h"
#include "credential.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 20000 /* only reached when the test has failed */

static char dir[] = "/tmp/mooring-credential-XXXXXX";
static struct loop *loop;
static int changes, last;
static struct err last_err;

static char *put(const char *name, const char *text, mode_t mode) {
        char *path = str_format("%s/%s", dir, name);
        cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        fchmod(fd, mode);
        return path;
}

static void on_changed(void *arg, int r, const struct err *err) {
        changes++;
        last = r;
        last_err = r < 0 ? *err : (struct err){ 0 };
}

static json_t *parse(const char *text) {
        json_t *j = NULL;

        assert_int_equal(json_parse(text, strlen(text), &j, NULL), 0);
        return j;
}

static int open_login(const char *config, const char *login, const char *options,
                      struct credential **ret, struct err *err) {
        cleanup_(json_freep) json_t *row = parse(config);
        cleanup_(json_freep) json_t *sealed = parse(login);
        cleanup_(json_freep) json_t *list = parse(options);
        struct kubeconfig k;
        struct credential_config c = {
                .loop = loop, .kubeconfig = &k, .options = list, .changed = on_changed
        };

        assert_int_equal(kubeconfig_read(row, sealed, &k, err), 0);
        changes = 0;
        return credential_new(&c, ret, err);
}

static int open_with(const char *config, const char *options, struct credential **ret,
                     struct err *err) {
        return open_login(config, "{}", options, ret, err);
}

static char *authorization(struct credential *c) {
        struct buf b = BUF_INIT;

        credential_authorize(c, &b);
        return buf_take(&b);
}

static void wait_changes(int n) {
        for (int64_t end = clock_mono() + WAIT_MS; changes < n && clock_mono() < end;)
                loop_step(loop, 50);
        assert_int_equal(changes, n);
}

static void a_token_file_below_a_listed_folder_is_read_again_when_it_changes(void **state) {
        cleanup_(freep) char *path = put("token", "one\n", 0600);
        cleanup_(freep) char *config =
                str_format("{\"server\":\"https://h\",\"token-file\":\"%s\"}", path);
        cleanup_(freep) char *options = str_format("{\"token-folders\":[\"%s/\"]}", dir);
        cleanup_(freep) char *first = NULL;
        cleanup_(freep) char *second = NULL;
        struct timespec later[2] = { { .tv_sec = 2000000000 }, { .tv_sec = 2000000000 } };
        struct credential *c;

        assert_int_equal(open_with(config, options, &c, NULL), 0);
        first = authorization(c);
        assert_string_equal(first, "Bearer one");
        free(put("token", "two", 0600));
        assert_int_equal(utimensat(AT_FDCWD, path, later, 0), 0);
        credential_refused(c);
        second = authorization(c);
        assert_string_equal(second, "Bearer two");
        credential_free(c);
}

static int64_t ends_of(const char *config, const char *login, const char *options) {
        struct credential *c;
        int64_t ends;

        assert_int_equal(open_login(config, login, options, &c, NULL), 0);
        ends = credential_token_ends(c);
        credential_free(c);
        return ends;
}

/* {"exp":1700000000,"sub":"?>ÿ"}: its base64 has both letters of the other alphabet. */
#define JWT "eyJhbGciOiJub25lIn0.eyJleHAiOjE3MDAwMDAwMDAsInN1YiI6Ij8-w78ifQ.sig_-"

static void when_a_fixed_token_ends_is_read_from_it(void **state) {
        static const char plain[] = "{\"server\":\"https://h\"}";
        cleanup_(freep) char *path = put("jwt", JWT, 0600);
        cleanup_(freep) char *file =
                str_format("{\"server\":\"https://h\",\"token-file\":\"%s\"}", path);
        cleanup_(freep) char *options = str_format("{\"token-folders\":[\"%s\"]}", dir);

        assert_int_equal(ends_of(plain, "{\"token\":\"" JWT "\"}", "{}"), 1700000000000);
        assert_int_equal(ends_of(plain, "{\"token\":\"a.b.c\"}", "{}"), 0);
        assert_int_equal(ends_of(plain, "{\"token\":\"opaque\"}", "{}"), 0);
        assert_int_equal(ends_of(plain, "{\"token\":\"a.e30.c\"}", "{}"), 0);
        assert_int_equal(ends_of(plain, "{}", "{}"), 0);
        assert_int_equal(ends_of(file, "{}", options), 0); /* whoever writes it renews it */
}

static void a_token_file_elsewhere_is_not_opened(void **state) {
        static const char *const paths[] = { "/etc/passwd", "relative", "%s/../etc/passwd" };
        cleanup_(freep) char *options = str_format("{\"token-folders\":[\"%s\"]}", dir);
        struct credential *c;

        for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
                cleanup_(freep) char *path =
                        i == 2 ? str_format("%s/../passwd", dir) : str_dup(paths[i]);
                cleanup_(freep) char *config =
                        str_format("{\"server\":\"https://h\",\"token-file\":\"%s\"}", path);
                struct err err = { 0 };

                assert_true(open_with(config, options, &c, &err) < 0);
                assert_non_null(strstr(err.text, "token-file"));
        }
}

static void a_link_out_of_the_listed_folder_is_not_followed(void **state) {
        cleanup_(freep) char *link = str_format("%s/link", dir);
        cleanup_(freep) char *config =
                str_format("{\"server\":\"https://h\",\"token-file\":\"%s\"}", link);
        cleanup_(freep) char *options = str_format("{\"token-folders\":[\"%s\"]}", dir);
        struct credential *c;
        struct err err = { 0 };

        assert_int_equal(symlink("/etc/hostname", link), 0);
        assert_int_equal(open_with(config, options, &c, &err), -EPERM);
        unlink(link);
}

/* ---- plugins */

static int open_plugin(const char *script, mode_t mode, struct credential **ret, struct err *err) {
        cleanup_(freep) char *path = put("plugin", script, mode);
        cleanup_(freep) char *config =
                str_format("{\"server\":\"https://h\",\"exec\":{\"command\":\"%s\"}}", path);
        cleanup_(freep) char *options =
                str_format("{\"exec-plugins\":[\"%s\"],\"exec-variables\":[\"WHO\"]}", path);

        return open_login(config, "{\"exec-args\":[\"get-token\"],\"exec-env\":{\"WHO\":\"me\"}}",
                          options, ret, err);
}

static void needs_root(void) {
        if (geteuid() == 0)
                return;
        print_message("a plugin must be root's file: skipped\n");
        skip();
}

static void a_plugins_token_is_used_and_its_environment_is_clean(void **state) {
        static const char script[] = "#!/bin/sh\n"
                                     "[ \"$1\" = get-token ] && [ \"$WHO\" = me ] && [ -z "
                                     "\"$LEAK\" ] && [ \"$(id -u)\" != 0 ] || exit 3\n"
                                     "read line && exit 4\n"
                                     "case \"$KUBERNETES_EXEC_INFO\" in "
                                     "*client.authentication.k8s.io/v1*) ;; *) exit 5;; esac\n"
                                     "echo "
                                     "'{\"kind\":\"ExecCredential\",\"apiVersion\":\"client."
                                     "authentication.k8s.io/v1\",\"status\":{\"token\":\"t1\"}}'\n";
        cleanup_(freep) char *text = NULL;
        struct credential *c;

        needs_root();
        setenv("LEAK", "1", 1);
        assert_int_equal(open_plugin(script, 0755, &c, NULL), 0);
        assert_false(credential_ready(c));
        wait_changes(1);
        if (last < 0)
                fail_msg("%s", last_err.text);
        assert_true(credential_ready(c));
        text = authorization(c);
        assert_string_equal(text, "Bearer t1");
        credential_free(c);
}

static void a_plugin_that_does_not_answer_well_says_how(void **state) {
        static const struct {
                const char *script, *says;
        } bad[] = {
                { "#!/bin/sh\nexit 7\n", "status 7" },
                { "#!/bin/sh\necho hello\n", "JSON" },
                { "#!/bin/sh\necho '{\"kind\":\"ExecCredential\",\"status\":{}}'\n", "neither" },
                { "#!/bin/sh\necho '{}'\n", "ExecCredential" },
                { "#!/bin/sh\nexec yes\n", "more than" },
        };

        needs_root();
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                struct credential *c;

                assert_int_equal(open_plugin(bad[i].script, 0755, &c, NULL), 0);
                wait_changes(1);
                assert_true(last < 0);
                if (!strstr(last_err.text, bad[i].says))
                        fail_msg("%s", last_err.text);
                credential_free(c);
        }
}

static void a_plugin_that_failed_first_is_run_again(void **state) {
        struct credential *c;

        needs_root();
        assert_int_equal(open_plugin("#!/bin/sh\nexit 7\n", 0755, &c, NULL), 0);
        wait_changes(1);
        assert_true(last < 0);
        assert_false(credential_ready(c));
        free(put("plugin",
                 "#!/bin/sh\necho '{\"kind\":\"ExecCredential\",\"status\":{\"token\":\"t2\"}}'\n",
                 0755));
        /* It may be run while it is written. */
        for (int n = 2; !credential_ready(c) && n < 9; n++)
                wait_changes(n);
        assert_true(credential_ready(c));
        assert_int_equal(last, 0);
        credential_free(c);
}

static void a_variable_that_is_not_listed_is_not_set(void **state) {
        cleanup_(freep) char *path = put("plugin", "#!/bin/sh\n", 0755);
        cleanup_(freep) char *config =
                str_format("{\"server\":\"https://h\",\"exec\":{\"command\":\"%s\"}}", path);
        cleanup_(freep) char *options =
                str_format("{\"exec-plugins\":[\"%s\"],\"exec-variables\":[\"WHO\"]}", path);
        struct credential *c;
        struct err err = { 0 };

        needs_root();
        assert_int_equal(open_login(config, "{\"exec-env\":{\"AWS_CONFIG_FILE\":\"/tmp/x\"}}",
                                    options, &c, &err),
                         -EPERM);
        assert_non_null(strstr(err.text, "AWS_CONFIG_FILE"));
        assert_non_null(strstr(err.text, "exec-variable"));
}

static void a_plugin_that_others_can_write_is_not_run(void **state) {
        struct credential *c;
        struct err err = { 0 };

        needs_root();
        assert_int_equal(open_plugin("#!/bin/sh\n", 0777, &c, &err), -EPERM);
        assert_non_null(strstr(err.text, "nobody else can write"));
}

static void a_plugin_that_is_not_listed_is_not_run(void **state) {
        struct credential *c;
        struct err err = { 0 };

        assert_int_equal(
                open_with("{\"server\":\"https://h\",\"exec\":{\"command\":\"/bin/true\"}}", "{}",
                          &c, &err),
                -EPERM);
        assert_non_null(strstr(err.text, "exec-plugin"));
}

static int setup(void **state) {
        if (!mkdtemp(dir) || chmod(dir, 0755) < 0)
                return -1;
        return loop_new(&loop, NULL);
}

static int teardown(void **state) {
        static const char *const files[] = { "token", "plugin" };

        loop_free(loop);
        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
                cleanup_(freep) char *path = str_format("%s/%s", dir, files[i]);

                unlink(path);
        }
        return rmdir(dir);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_token_file_below_a_listed_folder_is_read_again_when_it_changes),
                cmocka_unit_test(when_a_fixed_token_ends_is_read_from_it),
                cmocka_unit_test(a_token_file_elsewhere_is_not_opened),
                cmocka_unit_test(a_link_out_of_the_listed_folder_is_not_followed),
                cmocka_unit_test(a_plugins_token_is_used_and_its_environment_is_clean),
                cmocka_unit_test(a_plugin_that_does_not_answer_well_says_how),
                cmocka_unit_test(a_plugin_that_failed_first_is_run_again),
                cmocka_unit_test(a_variable_that_is_not_listed_is_not_set),
                cmocka_unit_test(a_plugin_that_others_can_write_is_not_run),
                cmocka_unit_test(a_plugin_that_is_not_listed_is_not_run),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
