/* SPDX-License-Identifier: Apache-2.0 */
/* test_opt.c - option rows: every type from every source, every message, --help and the man page */
#include "opt.h"

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct target {
        char *state_dir, *name, *token;
        int64_t scale, wait, size, jobs;
        bool verbose, color;
        int format;
        char **list;
};

#define AT(m) offsetof(struct target, m)

static const char *const formats[] = { "text", "json", "yaml", NULL };

static const struct opt table[] = {
        { "state-dir", 's', OPT_PATH, AT(state_dir), "/var/lib/mooring", 0, 0, "DIR", 0, NULL,
          "where state is kept" },
        { "name", 'n', OPT_STRING, AT(name), NULL, 0, 0, NULL, OPT_REQUIRED, NULL,
          "what it is called" },
        { "scale", 0, OPT_INT, AT(scale), "1", 0, 100, NULL, OPT_RELOAD, NULL, "how many units" },
        { "jobs", 'j', OPT_INT, AT(jobs), NULL, 0, 0, NULL, 0, NULL, "how many at once" },
        { "verbose", 'v', OPT_BOOL, AT(verbose), NULL, 0, 0, NULL, 0, NULL, "say more" },
        { "color", 0, OPT_BOOL, AT(color), "true", 0, 0, NULL, OPT_ARGS_ONLY, NULL, "use colours" },
        { "wait", 'w', OPT_DURATION, AT(wait), "10m", 1000, 3600000, NULL, 0, NULL,
          "how long to wait for all of the units before giving up" },
        { "size", 0, OPT_SIZE, AT(size), "64MiB", 1, INT64_MAX, NULL, 0, NULL, "how much is kept" },
        { "format", 'f', OPT_ENUM, AT(format), "text", 0, 0, NULL, 0, formats,
          "how it is written" },
        { "list", 'l', OPT_LIST, AT(list), "a,b", 0, 0, "NAME", 0, NULL, "names" },
        { "token", 0, OPT_STRING, AT(token), NULL, 0, 0, NULL, OPT_SECRET, NULL, "opens the door" },
        { NULL },
};

static void setup_target(struct target *t) {
        struct err e = { 0 };

        *t = (struct target){ 0 };
        assert_int_equal(opt_defaults(table, t, &e), 0);
}

static void defaults_fill_every_type(void **state) {
        struct target t;

        setup_target(&t);
        assert_string_equal(t.state_dir, "/var/lib/mooring");
        assert_null(t.name);
        assert_int_equal(t.scale, 1);
        assert_int_equal(t.jobs, 0);
        assert_true(t.color);
        assert_int_equal(t.wait, 600000);
        assert_int_equal(t.size, 64 << 20);
        assert_int_equal(t.format, 0);
        assert_string_equal(t.list[0], "a");
        assert_string_equal(t.list[1], "b");
        assert_null(t.list[2]);
        opt_deinit(table, &t);
        assert_null(t.state_dir);
        assert_null(t.list);
}

/* Splits LINE at blanks into ARGV. */
static int split(char *line, char **argv) {
        int n = 0;
        char *save = NULL;

        for (char *p = strtok_r(line, " ", &save); p; p = strtok_r(NULL, " ", &save))
                argv[n++] = p;
        argv[n] = NULL;
        return n;
}

static int parse(struct target *t, const char *text, int *argc, char **argv, char *line,
                 struct err *e) {
        str_copy(line, 200, text);
        *argc = split(line, argv);
        return opt_from_args(table, t, argc, argv, e);
}

static void arguments_are_taken_wherever_they_stand(void **state) {
        struct target t;
        char line[200];
        char *argv[40];
        int argc;

        setup_target(&t);
        assert_int_equal(
                parse(&t,
                      "deploy -vs /tmp/x --scale=5 ./b.yaml -j7 --wait 90s -f json --no-color "
                      "--size=10G - --name= -- --scale=6 -v",
                      &argc, argv, line, NULL),
                0);
        assert_int_equal(argc, 5);
        assert_string_equal(argv[0], "deploy");
        assert_string_equal(argv[1], "./b.yaml");
        assert_string_equal(argv[2], "-");
        assert_string_equal(argv[3], "--scale=6");
        assert_string_equal(argv[4], "-v");
        assert_null(argv[5]);
        assert_string_equal(t.state_dir, "/tmp/x");
        assert_true(t.verbose);
        assert_false(t.color);
        assert_int_equal(t.scale, 5);
        assert_int_equal(t.jobs, 7);
        assert_int_equal(t.wait, 90000);
        assert_int_equal(t.format, 1);
        assert_true(t.size == 10ll << 30);
        assert_string_equal(t.name, "");
        opt_deinit(table, &t);
}

static void a_list_replaces_what_came_before_and_then_appends(void **state) {
        struct target t;
        char line[200];
        char *argv[40];
        int argc;

        setup_target(&t);
        assert_int_equal(parse(&t, "-l x --list=y,z --list w", &argc, argv, line, NULL), 0);
        assert_string_equal(t.list[0], "x");
        assert_string_equal(t.list[1], "y,z");
        assert_string_equal(t.list[2], "w");
        assert_null(t.list[3]);
        opt_deinit(table, &t);
}

static void every_wrong_argument_has_its_message(void **state) {
        static const char *const rows[][2] = {
                { "--scale=x", "--scale: must be a whole number between 0 and 100, is \"x\"" },
                { "--scale 101", "--scale: must be a whole number between 0 and 100, is \"101\"" },
                { "--scale=", "--scale: must be a whole number between 0 and 100, is \"\"" },
                { "--jobs=2.5", "--jobs: must be a whole number, is \"2.5\"" },
                { "-jx", "-j: must be a whole number, is \"x\"" },
                { "--wait=2h",
                  "--wait: must be a time such as 90s, 10m or 2h, between 1s and 1h, is \"2h\"" },
                { "--wait=soon",
                  "--wait: must be a time such as 90s, 10m or 2h, between 1s and 1h, is \"soon\"" },
                { "--size=0", "--size: must be a size such as 64MiB or 10G, at least 1, is \"0\"" },
                { "--size=5X",
                  "--size: must be a size such as 64MiB or 10G, at least 1, is \"5X\"" },
                { "--size=G", "--size: must be a size such as 64MiB or 10G, at least 1, is \"G\"" },
                { "--size=99999999999T",
                  "--size: must be a size such as 64MiB or 10G, at least 1, is \"99999999999T\"" },
                { "--verbose=maybe", "--verbose: must be true or false, is \"maybe\"" },
                { "--format=jsn", "--format: must be one of text, json, yaml, is \"jsn\"" },
                { "--sclae=3", "--sclae: no such option, did you mean --scale?" },
                { "--statedir=3", "--statedir: no such option, did you mean --state-dir?" },
                { "--xyz", "--xyz: no such option, --help lists all" },
                { "--no-scale", "--no-scale: no such option, --help lists all" },
                { "--no-color=x", "--no-color: takes no value" },
                { "-x", "-x: no such option, --help lists all" },
                { "-vx", "-x: no such option, --help lists all" },
                { "--state-dir", "--state-dir: a value is missing (DIR)" },
                { "-s", "-s: a value is missing (DIR)" },
                { "--token=abc",
                  "--token: is secret, and every user of the machine sees arguments; use "
                  "the config file or MOORING_TOKEN" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct target t;
                struct err e = { 0 };
                char line[200];
                char *argv[40];
                int argc;

                setup_target(&t);
                assert_int_equal(parse(&t, rows[i][0], &argc, argv, line, &e), -EINVAL);
                assert_string_equal(e.text, rows[i][1]);
                assert_int_equal(t.scale, 1);
                opt_deinit(table, &t);
        }
}

static void sizes_have_units_of_both_kinds(void **state) {
        static const struct {
                const char *text;
                int64_t bytes;
        } rows[] = {
                { "5", 5 },          { "5B", 5 },           { "2k", 2048 },
                { "2K", 2048 },      { "2KiB", 2048 },      { "2Ki", 2048 },
                { "2kB", 2000 },     { "3MB", 3000000 },    { "64MiB", 64 << 20 },
                { "1T", 1ll << 40 }, { "1GB", 1000000000 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct target t = { 0 };

                assert_int_equal(opt_set(opt_find(table, "size"), &t, rows[i].text, "x", NULL), 0);
                assert_true(t.size == rows[i].bytes);
        }
}

static void the_environment_is_read(void **state) {
        struct target t;
        struct err e = { 0 };

        setup_target(&t);
        setenv("MOORING_STATE_DIR", "/env", 1);
        setenv("MOORING_LIST", "p,,q", 1);
        setenv("MOORING_TOKEN", "from-env", 1);
        assert_int_equal(opt_from_env(table, &t, &e), 0);
        assert_string_equal(t.state_dir, "/env");
        assert_string_equal(t.list[0], "p");
        assert_string_equal(t.list[1], "q");
        assert_null(t.list[2]);
        assert_string_equal(t.token, "from-env");
        setenv("MOORING_SCALE", "many", 1);
        assert_int_equal(opt_from_env(table, &t, &e), -EINVAL);
        assert_string_equal(e.text,
                            "MOORING_SCALE: must be a whole number between 0 and 100, is \"many\"");
        unsetenv("MOORING_STATE_DIR");
        unsetenv("MOORING_LIST");
        unsetenv("MOORING_TOKEN");
        unsetenv("MOORING_SCALE");
        opt_deinit(table, &t);
}

/* Reads TEXT as a config file. In *MESSAGE "FILE" stands for the file's path. */
static int from_file(struct target *t, const char *text, struct buf *message) {
        char path[] = "/tmp/test-opt-XXXXXX";
        int fd = mkstemp(path);
        struct err e = { 0 };
        int r;

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close(fd);
        r = opt_from_file(table, t, path, &e);
        unlink(path);
        if (str_starts(e.text, path))
                buf_printf(message, "FILE%s", e.text + strlen(path));
        else
                buf_puts(message, e.text);
        return r;
}

static void the_config_file_is_read(void **state) {
        cleanup_(buf_free) struct buf message = BUF_INIT;
        struct target t;

        setup_target(&t);
        assert_int_equal(
                from_file(&t,
                          "# comment\nstate-dir: /file\nscale: 7\nverbose: true\nwait: 90\n"
                          "size: 1G\nformat: yaml\nlist: [x, y]\ntoken: abc\nname: \"12\"\n",
                          &message),
                0);
        assert_string_equal(t.state_dir, "/file");
        assert_int_equal(t.scale, 7);
        assert_true(t.verbose);
        assert_int_equal(t.wait, 90000);
        assert_int_equal(t.size, 1 << 30);
        assert_int_equal(t.format, 2);
        assert_string_equal(t.list[1], "y");
        assert_string_equal(t.token, "abc");
        assert_string_equal(t.name, "12");
        assert_int_equal(from_file(&t, "", &message), 0);
        assert_int_equal(from_file(&t, "# nothing\n---\n", &message), 0);
        assert_int_equal(t.scale, 7);
        opt_deinit(table, &t);
}

static void every_wrong_line_of_the_config_file_has_its_message(void **state) {
        static const char *const rows[][2] = {
                { "\nscale: two\n",
                  "FILE:2: scale: must be a whole number between 0 and 100, is \"two\"" },
                { "sclae: 2\n", "FILE:1: sclae: is not an option, did you mean \"scale\"?" },
                { "nothing-like-it: 2\n", "FILE:1: nothing-like-it: is not an option" },
                { "color: true\n", "FILE:1: color: is given as --color, not in the config file" },
                { "name: 1.10\n", "FILE:1: name: must be a text, put it in quotes" },
                { "list: [a, 2]\n", "FILE:1: list: must be a text, put it in quotes" },
                { "name: [x]\n", "FILE:1: name: must be one value, is a list" },
                { "name: {}\n", "FILE:1: name: must be one value, is an object" },
                { "scale:\n", "FILE:1: scale: must be one value, is null" },
                { "- a\n", "FILE: must be a map of options, is a list" },
                { "a: 1\n---\nb: 2\n", "FILE:2: a config file has one document" },
                { "scale: 1\nscale: 2\n", "FILE:2:1: key \"scale\" is there twice" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                cleanup_(buf_free) struct buf message = BUF_INIT;
                struct target t;

                setup_target(&t);
                assert_true(from_file(&t, rows[i][0], &message) < 0);
                assert_string_equal(buf_str(&message), rows[i][1]);
                opt_deinit(table, &t);
        }
}

static void a_missing_or_huge_file_is_told(void **state) {
        cleanup_(buf_free) struct buf big = BUF_INIT;
        cleanup_(buf_free) struct buf message = BUF_INIT;
        struct target t;
        struct err e = { 0 };

        setup_target(&t);
        assert_int_equal(opt_from_file(table, &t, "/nonexistent/x.yaml", &e), -ENOENT);
        assert_string_equal(e.text, "cannot open /nonexistent/x.yaml: No such file or directory");
        while (big.len <= 1u << 20)
                buf_puts(&big, "# a comment that goes on and on\n");
        assert_int_equal(from_file(&t, big.data, &message), -E2BIG);
        opt_deinit(table, &t);
}

static void a_secret_is_not_in_messages(void **state) {
        static const struct opt secret = { "pin", 0,    OPT_INT,    0,    NULL, 0,
                                           9999,  NULL, OPT_SECRET, NULL, "x" };
        int64_t pin = 0;
        struct err e = { 0 };

        assert_int_equal(opt_set(&secret, &pin, "hunter2", "f:1: pin", &e), -EINVAL);
        assert_string_equal(e.text, "f:1: pin: must be a whole number between 0 and 9999");
}

static void required_options_are_asked_for(void **state) {
        struct target t;
        struct err e = { 0 };

        setup_target(&t);
        assert_int_equal(opt_check(table, &t, &e), -EINVAL);
        assert_string_equal(e.text, "--name is missing (or MOORING_NAME)");
        str_set(&t.name, "x");
        assert_int_equal(opt_check(table, &t, &e), 0);
        opt_deinit(table, &t);
}

static char *printed(void (*print)(const struct opt *, FILE *)) {
        char *text = NULL;
        size_t len;
        FILE *f = open_memstream(&text, &len);

        print(table, f);
        fclose(f);
        return text;
}

static void help_has_a_line_for_each_option_and_no_secret(void **state) {
        cleanup_(freep) char *text = printed(opt_help);

        assert_string_equal(
                text,
                "  -s, --state-dir=DIR         where state is kept (default /var/lib/mooring)\n"
                "  -n, --name=TEXT             what it is called (must be given)\n"
                "      --scale=N               how many units (0 to 100; default 1)\n"
                "  -j, --jobs=N                how many at once\n"
                "  -v, --verbose               say more\n"
                "      --color                 use colours (default; --no-color turns it off)\n"
                "  -w, --wait=TIME             how long to wait for all of the units before\n"
                "                              giving up (1s to 1h; default 10m)\n"
                "      --size=SIZE             how much is kept (at least 1; default 64MiB)\n"
                "  -f, --format=WORD           how it is written (text, json or yaml; default\n"
                "                              text)\n"
                "  -l, --list=NAME             names (may be given more than once; default a,b)\n");
}

static void the_man_page_has_an_entry_for_each_option(void **state) {
        cleanup_(freep) char *text = printed(opt_man);

        assert_non_null(strstr(text, ".TP\n\\fB\\-s\\fR, \\fB\\-\\-state\\-dir\\fR=\\fIDIR\\fR\n"
                                     "where state is kept (default /var/lib/mooring).\n"
                                     "Environment: \\fBMOORING_STATE_DIR\\fR.\n"));
        assert_non_null(strstr(text, "how many units (0 to 100; default 1).\n"
                                     "May change while running: SIGHUP reads it again.\n"));
        assert_non_null(strstr(text,
                               ".TP\n\\fBtoken\\fR=\\fITEXT\\fR\nopens the door (secret: only in "
                               "the config file or as MOORING_TOKEN).\n"));
}

static void the_nearest_name_lies_within_a_third_of_the_letters(void **state) {
        static const char *const names[] = { "scale", "status", "state-dir", "x", NULL };

        assert_string_equal(opt_nearest("sclae", names), "scale");
        assert_string_equal(opt_nearest("statsu", names), "status");
        assert_string_equal(opt_nearest("satedir", names), "state-dir");
        assert_null(opt_nearest("y", names));
        assert_null(opt_nearest("quite-another", names));
        assert_null(opt_nearest("", names));
}

static void a_reload_takes_what_may_change_and_names_the_rest(void **state) {
        struct target live, fresh;
        cleanup_(freep) char *told = NULL, *again = NULL;
        struct err e = { 0 };

        setup_target(&live);
        setup_target(&fresh);
        assert_int_equal(opt_set(opt_find(table, "scale"), &fresh, "7", "x", &e), 0);
        assert_int_equal(opt_set(opt_find(table, "state-dir"), &fresh, "/elsewhere", "x", &e), 0);
        opt_reload(table, &live, &fresh, &told);
        assert_string_equal(told, "state-dir (needs a restart) scale");
        assert_int_equal(live.scale, 7);
        assert_string_equal(live.state_dir, "/var/lib/mooring");
        opt_deinit(table, &fresh);
        setup_target(&fresh);
        assert_int_equal(opt_set(opt_find(table, "scale"), &fresh, "7", "x", &e), 0);
        opt_reload(table, &live, &fresh, &again);
        assert_string_equal(again, "");
        opt_deinit(table, &fresh);
        opt_deinit(table, &live);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(defaults_fill_every_type),
                cmocka_unit_test(arguments_are_taken_wherever_they_stand),
                cmocka_unit_test(a_list_replaces_what_came_before_and_then_appends),
                cmocka_unit_test(every_wrong_argument_has_its_message),
                cmocka_unit_test(sizes_have_units_of_both_kinds),
                cmocka_unit_test(the_environment_is_read),
                cmocka_unit_test(the_config_file_is_read),
                cmocka_unit_test(every_wrong_line_of_the_config_file_has_its_message),
                cmocka_unit_test(a_missing_or_huge_file_is_told),
                cmocka_unit_test(a_secret_is_not_in_messages),
                cmocka_unit_test(required_options_are_asked_for),
                cmocka_unit_test(help_has_a_line_for_each_option_and_no_secret),
                cmocka_unit_test(the_man_page_has_an_entry_for_each_option),
                cmocka_unit_test(a_reload_takes_what_may_change_and_names_the_rest),
                cmocka_unit_test(the_nearest_name_lies_within_a_third_of_the_letters),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
