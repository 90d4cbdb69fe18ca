/* SPDX-License-Identifier: Apache-2.0 */
/* test_cli.c - the command line against a scripted daemon: exit codes, what goes to stdout and
 * what to stderr, what is sent. */
#include "cli.h"
#include "help.h"
#include "server.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define ARGS_MAX 16
#define ANSWER_MAX 4096

struct bench {
        char dir[32];
        char *socket, *out, *err;
        struct server *server;
        char *asked; /* "METHOD path?query body" of the last request */
};

static char *read_text(const char *path) {
        cleanup_(buf_free) struct buf text = BUF_INIT;

        assert_int_equal(cli_read_file(path, 1 << 20, &text, NULL), 0);
        return buf_take(&text);
}

/* Runs the command with stdout and stderr in files. */
static int run(struct bench *b, char **ret_out, char **ret_err, const char *first, ...) {
        char *argv[ARGS_MAX + 1] = { (char[]){ "mooringctl" } };
        int argc = 1, saved[2] = { dup(1), dup(2) }, code;
        va_list ap;

        va_start(ap, first);
        for (const char *a = first; a && argc < ARGS_MAX; a = va_arg(ap, const char *))
                argv[argc++] = str_dup(a);
        va_end(ap);
        fflush(NULL);
        dup2(open(b->out, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600), 1);
        dup2(open(b->err, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600), 2);
        {
                char *copy[ARGS_MAX + 1];

                memcpy(copy, argv, sizeof(copy));
                code = cli_run(argc, copy);
        }
        fflush(NULL);
        for (int i = 0; i < 2; i++) {
                dup2(saved[i], i + 1);
                close(saved[i]);
        }
        for (int i = 1; i < argc; i++)
                free(argv[i]);
        if (ret_out)
                *ret_out = read_text(b->out);
        if (ret_err)
                *ret_err = read_text(b->err);
        return code;
}

static void note(struct server_call *c, void *arg) {
        struct bench *b = arg;
        char *asked = str_format("%s %s%s%s %.*s", c->method, c->path, c->query[0] ? "?" : "",
                                 c->query, (int)c->body_len, c->body ? c->body : "");

        free(b->asked);
        b->asked = asked;
}

static void models(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL, "{\"models\":[{\"name\":\"m\"}]}");
}

static void changed(struct server_call *c, void *arg) {
        note(c, arg);
        server_reply(c, 200, NULL,
                     "{\"changes\":[{\"change\":\"x\",\"text\":\"did it\"}],\"notes\":[]}");
}

static void nothing_to_do(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL, "{\"changes\":[],\"notes\":[],\"plan\":[]}");
}

static void faults(struct server_call *c, void *arg) {
        server_reply(
                c, 400, NULL,
                "{\"error\":{\"code\":\"invalid\",\"message\":\"first, and 1 more\"},\"errors\":["
                "{\"file\":\"b.yaml\",\"line\":3,\"text\":\"one\"},{\"file\":\"b.yaml\",\"line\":7,"
                "\"text\":\"two\"}]}");
}

static void status_active(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL,
                     "{\"model\":{\"name\":\"m\"},\"applications\":{\"a\":{\"application-status\":{"
                     "\"current\":\"active\"}}}}");
}

static void status_waiting(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL,
                     "{\"model\":{\"name\":\"m\"},\"applications\":{\"a\":{\"application-status\":{"
                     "\"current\":\"unknown\","
                     "\"message\":\"last seen active 14:02\"}}}}");
}

static void no_events(struct server_call *c, void *arg) {
        server_hold(c);
}

static int set_up(void **state) {
        struct bench *b = mem_new(struct bench);
        struct server_config config = { 0 };

        str_copy(b->dir, sizeof(b->dir), "/tmp/mooringctl-XXXXXX");
        assert_non_null(mkdtemp(b->dir));
        b->socket = str_format("%s/s", b->dir);
        b->out = str_format("%s/out", b->dir);
        b->err = str_format("%s/err", b->dir);
        config.unix_path = b->socket;
        b->server = server_new(&config);
        server_route(b->server, "GET", "/v1/models", models, b);
        setenv("MOORING_SOCKET", b->socket, 1);
        setenv("XDG_CONFIG_HOME", b->dir, 1);
        unsetenv("MOORING_MODEL");
        *state = b;
        return 0;
}

static int tear_down(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *folder = str_format("%s/mooring", b->dir);
        cleanup_(freep) char *model = str_format("%s/model", folder);

        server_free(b->server);
        unlink(b->socket);
        unlink(b->out);
        unlink(b->err);
        unlink(model);
        rmdir(folder);
        rmdir(b->dir);
        free(b->socket);
        free(b->out);
        free(b->err);
        free(b->asked);
        free(b);
        return 0;
}

/* ---- usage: 2 */

static void an_unknown_command_names_the_nearest(void **state) {
        cleanup_(freep) char *err = NULL;

        assert_int_equal(run(*state, NULL, &err, "statu", NULL), CLI_USAGE);
        assert_string_equal(err, "ERROR \"statu\" is no command: did you mean status?\n");
}

static void an_unknown_option_names_the_nearest(void **state) {
        cleanup_(freep) char *err = NULL;

        assert_int_equal(run(*state, NULL, &err, "status", "--relation", NULL), CLI_USAGE);
        assert_non_null(strstr(err, "--relations"));
}

static void a_missing_operand_shows_the_usage(void **state) {
        cleanup_(freep) char *err = NULL;

        assert_int_equal(run(*state, NULL, &err, "integrate", "a", NULL), CLI_USAGE);
        assert_non_null(strstr(err, "usage: mooringctl integrate APPLICATION"));
}

/* ---- failure: 1 */

static void no_daemon_says_which_socket_and_what_to_do(void **state) {
        cleanup_(freep) char *err = NULL;
        cleanup_(freep) char *out = NULL;

        assert_int_equal(run(*state, &out, &err, "models", "--socket", "/nowhere", NULL),
                         CLI_FAILED);
        assert_string_equal(out, "");
        assert_non_null(strstr(err, "ERROR no mooringd at /nowhere"));
        assert_non_null(strstr(err, "MOORING_SOCKET"));
}

static void every_fault_of_a_bundle_has_its_line(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *err = NULL;
        cleanup_(freep) char *path = str_format("%s/out", b->dir); /* any file that exists */

        server_route(b->server, "POST", "/v1/models/m/deploy", faults, b);
        close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        assert_int_equal(run(b, NULL, &err, "deploy", path, NULL), CLI_FAILED);
        assert_string_equal(err, "ERROR b.yaml:3: one\nERROR b.yaml:7: two\n");
}

/* ---- success: 0 */

static void what_was_done_is_chatter_and_silent_with_quiet(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *out = NULL;
        cleanup_(freep) char *err = NULL;
        cleanup_(freep) char *quiet = NULL;

        server_route(b->server, "PUT", "/v1/models/m/applications/web/scale", changed, b);
        assert_int_equal(run(b, &out, &err, "scale-application", "web", "3", NULL), CLI_DONE);
        assert_string_equal(out, "");
        assert_string_equal(err, "did it\n");
        assert_string_equal(b->asked, "PUT /v1/models/m/applications/web/scale {\"scale\":3}");
        assert_int_equal(run(b, NULL, &quiet, "scale", "web", "3", "-q", NULL), CLI_DONE);
        assert_string_equal(quiet, "");
}

static void names_are_encoded_in_paths(void **state) {
        struct bench *b = *state;

        server_route(b->server, "GET", "*", changed, b);
        server_route(b->server, "GET", "/v1/models", models, b);
        run(b, NULL, NULL, "show-unit", "web/0", NULL);
        assert_string_equal(b->asked, "GET /v1/models/m/units/web%2F0 ");
}

static void options_of_one_charm_are_sent_as_its_body(void **state) {
        struct bench *b = *state;

        server_route(b->server, "POST", "/v1/models/m/applications", changed, b);
        assert_int_equal(run(b, NULL, NULL, "deploy", "minio", "store", "-n", "2", "--config",
                             "mode=gateway", "--storage", "data=fast,10G", "--dry-run", NULL),
                         CLI_DONE);
        assert_string_equal(
                b->asked,
                "POST /v1/models/m/applications?dry-run=true {\"application\":\"store\","
                "\"attach-storage\":false,\"charm\":\"minio\",\"options\":{\"mode\":\"gateway\"},"
                "\"scale\":2,\"storage\":{\"data\":\"fast,10G\"}}");
}

static void config_sets_resets_and_reads(void **state) {
        struct bench *b = *state;

        server_route(b->server, "PATCH", "/v1/models/m/applications/web/config", changed, b);
        assert_int_equal(run(b, NULL, NULL, "config", "web", "port=1", "--reset", "a,b", NULL),
                         CLI_DONE);
        assert_string_equal(b->asked, "PATCH /v1/models/m/applications/web/config "
                                      "{\"reset\":[\"a\",\"b\"],\"set\":{\"port\":\"1\"}}");
}

static void the_chosen_model_is_used_until_another_is_named(void **state) {
        struct bench *b = *state;

        server_route(b->server, NULL, "*", changed, b);
        assert_int_equal(run(b, NULL, NULL, "switch", "other", NULL), CLI_DONE);
        run(b, NULL, NULL, "storage", NULL);
        assert_string_equal(b->asked, "GET /v1/models/other/storage ");
        run(b, NULL, NULL, "storage", "-m", "third", NULL);
        assert_string_equal(b->asked, "GET /v1/models/third/storage ");
        setenv("MOORING_MODEL", "fourth", 1);
        run(b, NULL, NULL, "storage", NULL);
        assert_string_equal(b->asked, "GET /v1/models/fourth/storage ");
}

static void output_goes_to_a_file_that_only_the_user_reads(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *path = str_format("%s/printed", b->dir);
        cleanup_(freep) char *text = NULL;
        struct stat st;

        server_route(b->server, "GET", "/v1/models/m/status", status_active, b);
        assert_int_equal(run(b, NULL, NULL, "status", "--format", "json", "-o", path, NULL),
                         CLI_DONE);
        text = read_text(path);
        assert_int_equal(text[0], '{');
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        unlink(path);
}

/* ---- wait: 0, 5; plan, diff: 0, 4 */

static void wait_ends_when_all_are_active(void **state) {
        struct bench *b = *state;

        server_route(b->server, "GET", "/v1/models/m/status", status_active, b);
        assert_int_equal(run(b, NULL, NULL, "wait", "--timeout", "1m", NULL), CLI_DONE);
}

static void wait_does_not_take_unknown_for_active_and_times_out(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *err = NULL;

        server_route(b->server, "GET", "/v1/models/m/status", status_waiting, b);
        server_route(b->server, "GET", "/v1/events", no_events, b);
        assert_int_equal(run(b, NULL, &err, "wait", "--timeout", "1ms", NULL), CLI_TIMED_OUT);
        assert_non_null(strstr(err, "0 of 1 are active: a (unknown: last seen active 14:02)"));
}

static void status_dying(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL,
                     "{\"model\":{\"name\":\"m\",\"model-status\":{\"current\":\"destroying\"}},"
                     "\"applications\":{}}");
}

static void status_unsettled(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL,
                     "{\"model\":{\"name\":\"m\"},\"applications\":{\"a\":{\"settled\":false,"
                     "\"application-status\":{\"current\":\"active\"}}}}");
}

static void wait_does_not_take_active_for_done_while_a_change_is_planned(void **state) {
        struct bench *b = *state;

        server_route(b->server, "GET", "/v1/models/m/status", status_unsettled, b);
        server_route(b->server, "GET", "/v1/events", no_events, b);
        assert_int_equal(run(b, NULL, NULL, "wait", "--timeout", "1ms", NULL), CLI_TIMED_OUT);
}

static void status_blocked(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL,
                     "{\"model\":{\"name\":\"m\"},\"applications\":{\"a\":{\"application-status\":{"
                     "\"current\":\"blocked\",\"message\":\"quota\"}}}}");
}

static void a_wait_whose_time_ends_on_blocked_says_blocked(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *err = NULL;

        server_route(b->server, "GET", "/v1/models/m/status", status_blocked, b);
        server_route(b->server, "GET", "/v1/events", no_events, b);
        assert_int_equal(run(b, NULL, &err, "wait", "--timeout", "1ms", NULL), CLI_BLOCKED);
        assert_non_null(strstr(err, "a: blocked: quota"));
}

static void not_there(struct server_call *c, void *arg) {
        server_reply(
                c, 404, NULL,
                "{\"error\":{\"code\":\"not-found\",\"message\":\"no application \\\"b\\\": is it "
                "a?\"}}");
}

static void no_model(struct server_call *c, void *arg) {
        server_reply(c, 404, NULL,
                     "{\"error\":{\"code\":\"not-found\",\"message\":\"no model \\\"m\\\"\"}}");
}

static void a_name_that_is_not_there_is_told_at_once(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *err = NULL, *shown = NULL;

        server_route(b->server, "GET", "/v1/models/m/status", status_active, b);
        server_route(b->server, "GET", "/v1/models/m/applications/b", not_there, b);
        assert_int_equal(run(b, NULL, &err, "wait", "b", "--timeout", "0", NULL), CLI_FAILED);
        assert_non_null(strstr(err, "no application \"b\""));
        assert_int_equal(run(b, NULL, &shown, "status", "b", NULL), CLI_FAILED);
        assert_non_null(strstr(shown, "no application \"b\""));
}

static void a_model_that_is_not_there_is_told_at_once(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *err = NULL;

        server_route(b->server, "GET", "/v1/models/m/status", no_model, b);
        assert_int_equal(run(b, NULL, &err, "wait", "--timeout", "0", NULL), CLI_FAILED);
        assert_non_null(strstr(err, "no model"));
        assert_int_equal(run(b, NULL, NULL, "wait", "--for", "gone", NULL), CLI_DONE);
}

static void a_status_word_that_selects_nothing_is_not_an_empty_model(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *out = NULL, *err = NULL;

        server_route(b->server, "GET", "/v1/models/m/status", status_active, b);
        assert_int_equal(run(b, &out, &err, "status", "blocked", NULL), CLI_DONE);
        assert_null(strstr(out, "is empty"));
        assert_non_null(strstr(err, "no application is blocked"));
}

static void waiting_for_gone_is_not_over_before_the_model_itself_is(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *err = NULL;

        server_route(b->server, "GET", "/v1/models/m/status", status_dying, b);
        server_route(b->server, "GET", "/v1/events", no_events, b);
        assert_int_equal(run(b, NULL, &err, "wait", "--for", "gone", "--timeout", "1ms", NULL),
                         CLI_TIMED_OUT);
        assert_non_null(strstr(err, "the model is still being removed"));
        /* A named application that is not in it is gone. */
        assert_int_equal(run(b, NULL, NULL, "wait", "a", "--for", "gone", NULL), CLI_DONE);
}

static void a_plan_with_nothing_to_do_is_converged(void **state) {
        struct bench *b = *state;

        server_route(b->server, "GET", "/v1/models/m/plan", nothing_to_do, b);
        assert_int_equal(run(b, NULL, NULL, "plan", NULL), CLI_DONE);
}

static void plan_work(struct server_call *c, void *arg) {
        server_reply(
                c, 200, NULL,
                "{\"plan\":[{\"change\":\"create\",\"type\":\"Service\",\"path\":\"m/web\"}]}");
}

static void plan_unknown(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL,
                     "{\"plan\":[],\"unknown\":[{\"subject\":\"aks\",\"why\":\"cannot be read: no "
                     "route\"}]}");
}

static void a_plan_that_cannot_be_known_is_not_converged(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *out = NULL;

        server_route(b->server, "GET", "/v1/models/m/plan", plan_unknown, b);
        assert_int_equal(run(b, &out, NULL, "plan", NULL), CLI_NOT_CONVERGED);
        assert_non_null(strstr(out, "unknown"));
        assert_non_null(strstr(out, "cannot be read: no route"));
        assert_int_equal(run(b, NULL, NULL, "plan", "--format", "json", NULL), CLI_NOT_CONVERGED);
}

static void a_plan_with_work_is_not_converged(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *out = NULL;

        server_route(b->server, "GET", "/v1/models/m/plan", plan_work, b);
        assert_int_equal(run(b, &out, NULL, "plan", NULL), CLI_NOT_CONVERGED);
        assert_non_null(strstr(out, "Service m/web"));
}

/* ---- what the tables make */

static char *made(void (*make)(FILE *out)) {
        char *text = NULL;
        size_t len;
        FILE *f = open_memstream(&text, &len);

        make(f);
        fclose(f);
        return text;
}

static void help_commands(FILE *out) {
        assert_true(help_topic("commands", out));
}

static void help_exit_codes(FILE *out) {
        assert_true(help_topic("exit-codes", out));
}

static void fits(const char *what, const char *text, size_t rows) {
        size_t n = 0;

        for (const char *line = text; *line; n++) {
                size_t len = strcspn(line, "\n");

                if (len > 80)
                        fail_msg("%s: a line of %zu columns: %.*s", what, len, (int)len, line);
                line += len + (line[len] == '\n');
        }
        if (n > rows)
                fail_msg("%s: %zu lines", what, n);
}

static void the_first_help_is_a_page_and_no_line_is_wider_than_a_terminal(void **state) {
        cleanup_(freep) char *help = made(help_all);

        fits("help", help, 24);
        for (size_t i = 0; command_families[i]; i++)
                for (const struct command *c = command_families[i]; c->name; c++) {
                        char *text = NULL;
                        size_t len;
                        FILE *f = open_memstream(&text, &len);

                        help_command(c, f);
                        fclose(f);
                        fits(c->name, text, 100);
                        free(text);
                }
        assert_false(help_topic("nothing", NULL));
}

/* As a shell that knows no quotes splits it. */
static int split(char *text, char **argv, int max) {
        int n = 0;

        for (char *save, *p = strtok_r(text, " ", &save); p; p = strtok_r(NULL, " ", &save)) {
                assert_true(n < max);
                argv[n++] = p;
        }
        return n;
}

/* Each is a command line that works: its own name, options that it has, as many operands as it
 * takes. */
static void try_example(const struct command *c) {
        cleanup_(freep) char *text = str_dup(c->example);
        /* One without options of its own may show one of all commands'. */
        const struct opt *table = c->options ? c->options : cli_globals_table;
        cleanup_(freep) void *options = mem_alloc(MAX_OF(c->size, sizeof(struct cli_globals)));
        char *end = text ? strpbrk(text, "\">") : NULL, *argv[20];
        struct err err = { 0 };
        int n;

        if (!text)
                fail_msg("%s has no example", c->name);
        if (end)
                *end = '\0'; /* a text in quotes, or where it goes: no more operands */
        n = split(text, argv, ARRAY_SIZE(argv));
        assert_string_equal(argv[0], c->name);
        n--;
        if (end && strchr(c->example, '"'))
                argv[1 + n++] = (char *)"text";
        if (opt_defaults(table, options, &err) < 0 ||
            opt_from_args(table, options, &n, argv + 1, &err) < 0)
                fail_msg("%s: %s", c->example, err_text(&err));
        opt_deinit(table, options);
        if (n < c->min || (c->max >= 0 && n > c->max))
                fail_msg("%s: %d operands", c->example, n);
}

static void every_command_has_an_example_that_it_would_take(void **state) {
        for (size_t i = 0; command_families[i]; i++)
                for (const struct command *c = command_families[i]; c->name; c++)
                        if (!(c->flags & COMMAND_HIDDEN))
                                try_example(c);
}

static void every_command_is_in_help_man_page_and_completion(void **state) {
        cleanup_(freep) char *help = made(help_all);
        cleanup_(freep) char *lines = made(help_commands);
        cleanup_(freep) char *exits = made(help_exit_codes);
        cleanup_(freep) char *man = made(help_man);
        cleanup_(freep) char *completion = made(help_completion);

        for (size_t i = 0; command_families[i]; i++)
                for (const struct command *c = command_families[i]; c->name; c++) {
                        cleanup_(freep) char *case_line =
                                str_format("        %.*s%s%s", (int)strcspn(c->name, " "), c->name,
                                           strchr(c->name, ' ') ? "\\" : "",
                                           strchr(c->name, ' ') ? strchr(c->name, ' ') : "");
                        cleanup_(freep) char *line = str_format("\n  %s ", c->name);

                        if (c->flags & COMMAND_HIDDEN)
                                continue;
                        if (!strstr(help, c->name) || !strstr(lines, line) ||
                            !strstr(completion, case_line))
                                fail_msg("%s is missing", c->name);
                }
        for (int i = 0; i < CLI_EXIT_MAX; i++)
                assert_non_null(strstr(exits, cli_exit_help[i]));
        assert_non_null(strstr(man, ".SH EXIT STATUS"));
}

static void no_two_commands_have_one_name(void **state) {
        for (size_t i = 0; command_families[i]; i++)
                for (const struct command *c = command_families[i]; c->name; c++) {
                        assert_ptr_equal(command_find(c->name), c);
                        if (c->alias)
                                assert_ptr_equal(command_find(c->alias), c);
                }
}

static void status_paused(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL,
                     "{\"model\":{\"name\":\"m\"},\"applications\":{\"a\":{\"settled\":false,"
                     "\"paused\":{\"by\":\"alice\"},\"application-status\":{"
                     "\"current\":\"active\",\"message\":\"paused by alice: x\"}}}}");
}

static void a_pause_with_changes_waits_for_a_person(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *err = NULL;

        server_route(b->server, "GET", "/v1/models/m/status", status_paused, b);
        server_route(b->server, "GET", "/v1/events", no_events, b);
        assert_int_equal(run(b, NULL, &err, "wait", "--timeout", "1ms", NULL), CLI_BLOCKED);
        assert_non_null(strstr(err,
                               "a: active: paused by alice: x; not all that is wanted of it is "
                               "applied"));
}

static void log_refused(struct server_call *c, void *arg) {
        note(c, arg);
        server_reply(c, 400, NULL,
                     "{\"error\":{\"code\":\"invalid\",\"message\":\"level: must be error or "
                     "debug\"}}");
}

static void a_refused_stream_says_why(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *err = NULL;

        server_route(b->server, "GET", "/v1/log", log_refused, b);
        assert_int_equal(run(b, NULL, &err, "debug-log", "--level", "loud", NULL), CLI_FAILED);
        assert_string_equal(err, "ERROR level: must be error or debug\n");
}

static void levels_are_taken_as_juju_writes_them(void **state) {
        struct bench *b = *state;

        server_route(b->server, "GET", "/v1/log", log_refused, b);
        run(b, NULL, NULL, "debug-log", "--level", "WARNING", NULL);
        assert_non_null(strstr(b->asked, "level=warning"));
        run(b, NULL, NULL, "debug-log", "--level", "warn", NULL);
        assert_non_null(strstr(b->asked, "level=warning"));
        run(b, NULL, NULL, "debug-log", "--level", "ERROR", NULL);
        assert_non_null(strstr(b->asked, "level=error"));
}

static void jujus_other_words_are_told_in_ours(void **state) {
        static const char *const cases[][2] = {
                { "add-relation", "integrate" }, { "list-models", "models" },
                { "list-secrets", "secrets" },   { "show-storage", "storage" },
                { "show-model", "models" },      { "completion", "print-completion" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                cleanup_(freep) char *err = NULL;
                cleanup_(freep) char *wanted = str_format(
                        "ERROR \"%s\" is no command: did you mean %s?\n", cases[i][0], cases[i][1]);

                assert_int_equal(run(*state, NULL, &err, cases[i][0], NULL), CLI_USAGE);
                assert_string_equal(err, wanted);
        }
}

static void a_line_of_drift_without_show_is_no_application(void **state) {
        cleanup_(freep) char *err = NULL;

        assert_int_equal(run(*state, NULL, &err, "drift", "1", NULL), CLI_USAGE);
        assert_non_null(strstr(err, "drift show ID"));
        assert_int_equal(run(*state, NULL, NULL, "drift", "show", NULL), CLI_USAGE);
}

static void unconstrained(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL, "{\"a\":{\"constraints\":\"\"}}");
}

static void no_constraints_are_json_too(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *out = NULL;

        server_route(b->server, "GET", "/v1/models/m/applications/a", unconstrained, b);
        assert_int_equal(run(b, &out, NULL, "constraints", "a", "--format", "json", NULL),
                         CLI_DONE);
        assert_string_equal(out, "{\"constraints\":\"\"}\n");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(an_unknown_command_names_the_nearest),
                TEST(an_unknown_option_names_the_nearest),
                TEST(a_missing_operand_shows_the_usage),
                TEST(no_daemon_says_which_socket_and_what_to_do),
                TEST(every_fault_of_a_bundle_has_its_line),
                TEST(what_was_done_is_chatter_and_silent_with_quiet),
                TEST(names_are_encoded_in_paths),
                TEST(options_of_one_charm_are_sent_as_its_body),
                TEST(config_sets_resets_and_reads),
                TEST(the_chosen_model_is_used_until_another_is_named),
                TEST(output_goes_to_a_file_that_only_the_user_reads),
                TEST(wait_ends_when_all_are_active),
                TEST(wait_does_not_take_unknown_for_active_and_times_out),
                TEST(waiting_for_gone_is_not_over_before_the_model_itself_is),
                TEST(a_plan_with_nothing_to_do_is_converged),
                TEST(a_plan_with_work_is_not_converged),
                TEST(a_plan_that_cannot_be_known_is_not_converged),
                TEST(wait_does_not_take_active_for_done_while_a_change_is_planned),
                TEST(a_wait_whose_time_ends_on_blocked_says_blocked),
                TEST(a_name_that_is_not_there_is_told_at_once),
                TEST(a_model_that_is_not_there_is_told_at_once),
                TEST(a_status_word_that_selects_nothing_is_not_an_empty_model),
                cmocka_unit_test(the_first_help_is_a_page_and_no_line_is_wider_than_a_terminal),
                cmocka_unit_test(every_command_has_an_example_that_it_would_take),
                cmocka_unit_test(every_command_is_in_help_man_page_and_completion),
                cmocka_unit_test(no_two_commands_have_one_name),
                TEST(a_pause_with_changes_waits_for_a_person),
                TEST(a_refused_stream_says_why),
                TEST(levels_are_taken_as_juju_writes_them),
                TEST(jujus_other_words_are_told_in_ours),
                TEST(a_line_of_drift_without_show_is_no_application),
                TEST(no_constraints_are_json_too),
        };

        return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
