/* SPDX-License-Identifier: Apache-2.0 */
/* test_help.c - what the tables of commands make: help, man page, completion, examples */
#include "bench.h"
#include "help.h"

#include <stdlib.h>
#include <unistd.h>

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

#define OPTIONS_MAX 64

/* All commands' options and its own, as the command line takes them. */
static void join(const struct command *c, struct opt table[OPTIONS_MAX]) {
        size_t n = 0;

        for (const struct opt *o = cli_globals_table; o->name; o++)
                table[n++] = *o;
        for (const struct opt *o = c->options; o && o->name; o++) {
                assert_true(n + 1 < OPTIONS_MAX);
                table[n] = *o;
                table[n++].offset += sizeof(struct cli_globals);
        }
        table[n] = (struct opt){ 0 };
}

/* Each is a command line that works: its own name, options that it has, as many operands as it
 * takes. */
static void try_example(const struct command *c) {
        cleanup_(freep) char *text = str_dup(c->example);
        cleanup_(freep) char *name = str_format("%s ", c->name);
        struct opt table[OPTIONS_MAX];
        cleanup_(freep) void *options = mem_alloc(sizeof(struct cli_globals) + c->size);
        char *end = text ? strpbrk(text, "\">") : NULL, *argv[24] = { c->example ? text : NULL };
        struct err err = { 0 };
        int n;

        if (!text)
                fail_msg("%s has no example", c->name);
        join(c, table);
        if (end)
                *end = '\0'; /* a text in quotes, or where it goes: no more operands */
        assert_true(str_eq(text, c->name) || str_starts(text, name));
        n = split(text + strlen(c->name), argv + 1, (int)ARRAY_SIZE(argv) - 2);
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

/* What bash offers after WORDS, whose last one is being typed; the daemon's names are those asked
 * for. */
static void completes(const char *words, const char *wanted) {
        cleanup_(freep) char *completion = made(help_completion);
        char path[] = "/tmp/mooring-completion-XXXXXX", found[4096];
        int fd = mkstemp(path);
        cleanup_(freep) char *command = str_format("bash %s", path);
        FILE *f;

        assert_true(fd >= 0);
        f = fdopen(fd, "w");
        fprintf(f,
                "mooringctl() { shift; local IFS=-; echo \"<$*>\"; }\n%s\n"
                "COMP_WORDS=(mooringctl %s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
                "_mooringctl\necho \"${COMPREPLY[*]}\"\n",
                completion, words);
        fclose(f);
        f = popen(command, "r");
        assert_non_null(f);
        found[fread(found, 1, sizeof(found) - 1, f)] = '\0';
        pclose(f);
        unlink(path);
        found[strcspn(found, "\n")] = '\0';
        if (!str_eq(found, wanted))
                fail_msg("after \"%s\" bash offers \"%s\", wanted \"%s\"", words, found, wanted);
}

static void bash_offers_what_comes_next(void **state) {
        completes("config ''", "<applications>");
        completes("config web ''", "<settings-web>");
        completes("config --format json web ''", "<settings-json>");
        completes("model-config ''", "<model-settings>");
        completes("drift policy set --mode ''", "off report repair ignore");
        completes("drift policy set --mode re", "report repair");
        completes("drift policy set --app ''", "<applications>");
        completes("drift ha", "hand-over");
        completes("status --format ''", "tabular json yaml short line oneline");
        completes("why ''", "<applications> <objects>");
        completes("deploy '<'", "<charms>");
        completes("remove-model ''", "<models>");
        completes("debug-log --lev", "--level");
        completes("destroy-st", "destroy-storage");
}

static void the_reference_is_what_help_says_today(void **state) {
        cleanup_(freep) char *wanted = made(help_reference);
        cleanup_(freep) char *found = mem_array(char, strlen(wanted) + 2);
        cleanup_(fclosep) FILE *f = fopen(REFERENCE, "re");

        assert_non_null(f);
        found[fread(found, 1, strlen(wanted) + 1, f)] = '\0';
        if (!str_eq(found, wanted))
                fail_msg("another text than help's: mooringctl print-reference >docs/commands.md");
}

static void no_two_commands_have_one_name(void **state) {
        for (size_t i = 0; command_families[i]; i++)
                for (const struct command *c = command_families[i]; c->name; c++) {
                        assert_ptr_equal(command_find(c->name), c);
                        if (c->alias)
                                assert_ptr_equal(command_find(c->alias), c);
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_first_help_is_a_page_and_no_line_is_wider_than_a_terminal),
                cmocka_unit_test(every_command_has_an_example_that_it_would_take),
                cmocka_unit_test(every_command_is_in_help_man_page_and_completion),
                cmocka_unit_test(bash_offers_what_comes_next),
                cmocka_unit_test(the_reference_is_what_help_says_today),
                cmocka_unit_test(no_two_commands_have_one_name),
        };

        return cmocka_run_group_tests_name("help", tests, NULL, NULL);
}
