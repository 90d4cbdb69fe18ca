/* SPDX-License-Identifier: Apache-2.0 */
/* help.c - help, man page and completion from the tables; see help.h */
#include "help.h"

#include "cli.h"

#include <stdlib.h>

#define GROUP_COLUMN 11 /* where the names of a group's commands begin */
#define LINE_COLUMN 25

struct topic {
        const char *name;
        void (*print)(FILE *out);
};
static const struct topic topics[];

static const char *blank(const char *operands) {
        return operands[0] ? " " : "";
}

static void help_itself(const struct command *c, FILE *out) {
        cleanup_(freep) char *sentence = str_format("%s.", c->help);
        cleanup_(freep) char *usage = str_format("mooringctl %s%s%s [OPTION]...", c->name,
                                                 blank(c->operands), c->operands);

        fputs("Usage: ", out);
        opt_help_text(usage, strlen("Usage: "), out);
        opt_help_text(sentence, 0, out);
        if (c->alias)
                fprintf(out, "Also called: %s.\n", c->alias);
        if (c->more) {
                fputc('\n', out);
                opt_help_text(c->more, 0, out);
        }
        if (c->options) {
                fputs("\nOptions:\n", out);
                opt_help(c->options, out);
        }
        if (c->example)
                fprintf(out, "\nExample:\n  mooringctl %s\n", c->example);
}

void help_command(const struct command *c, FILE *out) {
        help_itself(c, out);
        fputs("\nOptions of all commands: mooringctl help options\n", out);
}

typedef void each_fn(const struct command *c, void *arg);

static void each(enum command_group g, each_fn *fn, void *arg) {
        for (size_t i = 0; command_families[i]; i++)
                for (const struct command *c = command_families[i]; c->name; c++)
                        if (c->group == g && !(c->flags & COMMAND_HIDDEN))
                                fn(c, arg);
}

static void add_name(const struct command *c, void *arg) {
        struct buf *names = arg;

        buf_printf(names, "%s%s", names->len ? ", " : "", c->name);
}

void help_all(FILE *out) {
        fputs("Usage: mooringctl COMMAND [OPERAND]... [OPTION]...\n"
              "Declares and watches models of an AI platform that mooringd keeps as declared.\n\n",
              out);
        for (enum command_group g = 0; g < GROUP_MAX; g++) {
                cleanup_(buf_free) struct buf names = BUF_INIT;

                each(g, add_name, &names);
                fprintf(out, "%-*s", GROUP_COLUMN, command_groups[g]);
                opt_help_text(buf_str(&names), GROUP_COLUMN, out);
        }
        fputs("\nmooringctl help COMMAND tells more of one, with an example; also:\n", out);
        for (const struct topic *t = topics; t->name; t++)
                fprintf(out, "%s help %s", t == topics ? " " : ",", t->name);
        fputc('\n', out);
}

/* ---- topics */

static void help_line(const struct command *c, void *arg) {
        FILE *out = arg;

        fprintf(out, "  %-*s", LINE_COLUMN - 2, c->name);
        opt_help_text(c->help, LINE_COLUMN, out);
}

static void help_commands(FILE *out) {
        for (enum command_group g = 0; g < GROUP_MAX; g++) {
                fprintf(out, "%s%s:\n", g ? "\n" : "", command_groups[g]);
                each(g, help_line, out);
        }
}

static void help_options(FILE *out) {
        opt_help(cli_globals_table, out);
}

static void help_exit_codes(FILE *out) {
        for (int i = 0; i < CLI_EXIT_MAX; i++)
                fprintf(out, "  %d  %s\n", i, cli_exit_help[i]);
}

static const struct topic topics[] = {
        { "commands", help_commands },
        { "options", help_options },
        { "exit-codes", help_exit_codes },
        {},
};

/* "exit-code" is "exit-codes". */
static bool is_topic(const struct topic *t, const char *name) {
        size_t n = strlen(name);

        return strncmp(t->name, name, n) == 0 && (!t->name[n] || str_eq(t->name + n, "s"));
}

bool help_topic(const char *name, FILE *out) {
        const struct topic *t = topics;

        while (t->name && !is_topic(t, name))
                t++;
        if (t->name)
                t->print(out);
        return t->name != NULL;
}

/* ---- the man page */

static void roff(const char *text, FILE *out) {
        bool start = true;

        for (; *text; text++) {
                if (start && (*text == '.' || *text == '\''))
                        fputs("\\&", out);
                if (*text == '-')
                        fputs("\\-", out);
                else if (*text == '\\')
                        fputs("\\e", out);
                else if (text[0] == '\n' && text[1] == '\n')
                        fputs("\n.PP", out);
                else
                        fputc(*text, out);
                start = *text == '\n';
        }
}

/* opt_man names an environment variable for each option, which only the global ones have. */
static void man_options(const struct opt *table, FILE *out) {
        char *text = NULL;
        size_t len = 0;
        FILE *f = open_memstream(&text, &len);

        opt_man(table, f);
        fclose(f);
        for (char *line = text; *line;) {
                size_t n = strcspn(line, "\n");

                if (!str_starts(line, "Environment:"))
                        fprintf(out, "%.*s\n", (int)n, line);
                line += n + (line[n] == '\n');
        }
        free(text);
}

static void man_command(const struct command *c, void *arg) {
        FILE *out = arg;

        fputs(".SS \"", out);
        roff(c->name, out);
        fputs(blank(c->operands), out);
        roff(c->operands, out);
        fputs("\"\n", out);
        roff(c->help, out);
        fputs(".\n", out);
        if (c->alias) {
                fputs("Also called ", out);
                roff(c->alias, out);
                fputs(".\n", out);
        }
        if (c->more) {
                fputs(".PP\n", out);
                roff(c->more, out);
                fputs("\n", out);
        }
        if (c->options)
                man_options(c->options, out);
        if (c->example) {
                fputs(".PP\nExample:\n.PP\n.RS\n.nf\nmooringctl ", out);
                roff(c->example, out);
                fputs("\n.fi\n.RE\n", out);
        }
}

static void man_ending(FILE *out) {
        fputs(".SH EXIT STATUS\n", out);
        for (int i = 0; i < CLI_EXIT_MAX; i++) {
                fprintf(out, ".TP\n.B %d\n", i);
                roff(cli_exit_help[i], out);
                fputs("\n", out);
        }
        fputs(".SH FILES\n.TP\n.I /run/mooring/admin.sock\nthe socket of mooringd\n.TP\n.I "
              "~/.config/mooring/model\n"
              "the models that switch chose, one for each socket\n.SH SEE ALSO\n.BR mooringd (8)\n",
              out);
}

void help_man(FILE *out) {
        fprintf(out,
                ".TH MOORINGCTL 1 \"\" \"mooring %s\" \"User Commands\"\n.SH NAME\nmooringctl \\- "
                "declare and "
                "watch models that mooringd keeps\n.SH SYNOPSIS\n.B mooringctl\n.I "
                "COMMAND\n[\\fIOPERAND\\fR]... "
                "[\\fIOPTION\\fR]...\n.SH DESCRIPTION\n"
                "Talks to mooringd over its unix socket. What was asked for is printed on stdout, "
                "everything else "
                "on stderr. Errors are lines that begin with ERROR and say what, where and what to "
                "do.\n",
                MOORING_VERSION);
        for (enum command_group g = 0; g < GROUP_MAX; g++) {
                fprintf(out, ".SH %s\n", command_groups[g]);
                each(g, man_command, out);
        }
        fputs(".SH OPTIONS OF ALL COMMANDS\n", out);
        opt_man(cli_globals_table, out);
        man_ending(out);
}

/* ---- the reference of the documentation */

static void reference_command(const struct command *c, void *arg) {
        FILE *out = arg;

        fprintf(out, "\n### %s\n\n```text\n", c->name);
        help_itself(c, out);
        fputs("```\n", out);
}

void help_reference(FILE *out) {
        fputs("# Commands of mooringctl\n\n"
              "As `mooringctl help COMMAND` prints them; made by `mooringctl print-reference`.\n",
              out);
        for (enum command_group g = 0; g < GROUP_MAX; g++) {
                fprintf(out, "\n## %s\n", command_groups[g]);
                each(g, reference_command, out);
        }
        fputs("\n## Options of all commands\n\n```text\n", out);
        opt_help(cli_globals_table, out);
        fputs("```\n\n## What it ends with\n\n```text\n", out);
        help_exit_codes(out);
        fputs("```\n", out);
}

/* ---- bash completion */

static void names(const struct command *c, void *arg) {
        if (!strchr(c->name, ' '))
                fprintf(arg, " %s", c->name);
}

/* As a pattern of case: of two words with a space between. */
static void put_pattern(const char *name, FILE *out) {
        for (const char *p = name; *p; p++)
                fprintf(out, "%s%c", *p == ' ' ? "\\" : "", *p);
}

static void second_word(const struct command *c, void *arg) {
        FILE *out = arg;

        if (!strchr(c->name, ' '))
                return;
        fputs("        ", out);
        put_pattern(c->name, out);
        fputs(") command=\"$command ${COMP_WORDS[i + 1]}\"; i=$((i + 1)) ;;\n", out);
}

struct words {
        const char *name;
        FILE *out;
};

static void word_of(const struct command *c, void *arg) {
        const struct words *w = arg;
        size_t len = strlen(w->name);

        if (str_starts(c->name, w->name) && c->name[len] == ' ')
                fprintf(w->out, " %s", c->name + len + 1);
}

static void put_options(const struct opt *table, FILE *out) {
        for (const struct opt *o = table; o && o->name; o++)
                if (!(o->flags & (OPT_HIDDEN | OPT_SECRET)))
                        fprintf(out, " --%s", o->name);
}

/* What stands after an option: where its value is one of some words, or names something. */
static void put_values(const struct opt *table, FILE *out) {
        for (const struct opt *o = table; o && o->name; o++) {
                const char *unit = o->unit ? o->unit : "";
                const char *kind = str_eq(unit, "APPLICATION") ? "applications"
                                   : str_eq(unit, "MODEL")     ? "models"
                                   : str_eq(unit, "FILE")      ? "files"
                                                               : "";

                if (!kind[0] && !strchr(unit, '|') && o->type != OPT_ENUM)
                        continue;
                fprintf(out, " --%s) kind=\"%s\" then=\"\" words=\"", o->name, kind);
                for (int i = 0; o->type == OPT_ENUM && o->names[i]; i++)
                        fprintf(out, " %s", o->names[i]);
                for (const char *p = strchr(unit, '|') ? unit : ""; *p; p++)
                        fputc(*p == '|' ? ' ' : *p, out);
                fputs("\" ;;", out);
        }
}

static void complete_command(const struct command *c, void *arg) {
        static const char *const kinds[] = {
                [COMPLETES_NOTHING] = "",
                [COMPLETES_APPLICATION] = "applications",
                [COMPLETES_MODEL] = "models",
                [COMPLETES_CLUSTER] = "clusters",
                [COMPLETES_FILE] = "files",
                [COMPLETES_BUNDLE_OR_CHARM] = "files charms",
                [COMPLETES_SUBJECT] = "applications objects",
                [COMPLETES_SETTING] = "settings",
                [COMPLETES_MODEL_SETTING] = "model-settings",
                [COMPLETES_ACTION] = "actions",
                [COMPLETES_OPERATION] = "operations",
                [COMPLETES_SCHEDULE] = "schedules",
        };
        FILE *out = arg;

        fputs("        ", out);
        put_pattern(c->name, out);
        fprintf(out, "%s%s) kind=\"%s\" then=\"%s\" words=\"", c->alias ? "|" : "",
                c->alias ? c->alias : "", kinds[c->completes], kinds[c->then]);
        for (enum command_group g = 0; g < GROUP_MAX; g++)
                each(g, word_of, &(struct words){ c->name, out });
        fputs("\" options=\"", out);
        put_options(c->options, out);
        fputs("\"\n                case \"$previous\" in", out);
        put_values(c->options, out);
        fputs(" esac ;;\n", out);
}

void help_completion(FILE *out) {
        fputs("# bash completion for mooringctl; made from its tables\n"
              "_mooringctl() {\n"
              "        local current=\"${COMP_WORDS[COMP_CWORD]}\" "
              "previous=\"${COMP_WORDS[COMP_CWORD - 1]}\"\n"
              "        local command=\"\" kind=\"\" then=\"\" words=\"\" options=\"\" subject=\"\" "
              "i\n"
              "        for ((i = 1; i < COMP_CWORD; i++)); do\n"
              "                case \"${COMP_WORDS[i]}\" in\n"
              "                -m|-o|--model|--output|--socket|--format|--reason) i=$((i + 1)) ;;\n"
              "                -*) ;;\n"
              "                *) command=\"${COMP_WORDS[i]}\"; break ;;\n"
              "                esac\n"
              "        done\n"
              "        if [ -z \"$command\" ] && [ \"${current#-}\" = \"$current\" ]; then\n"
              "                COMPREPLY=($(compgen -W \"",
              out);
        for (enum command_group g = 0; g < GROUP_MAX; g++)
                each(g, names, out);
        fputs("\" -- \"$current\"))\n                return\n        fi\n"
              "        if [ $((i + 1)) -lt \"$COMP_CWORD\" ]; then case \"$command ${COMP_WORDS[i "
              "+ "
              "1]}\" in\n",
              out);
        for (enum command_group g = 0; g < GROUP_MAX; g++)
                each(g, second_word, out);
        fputs("        esac; fi\n        case \"$command\" in\n", out);
        for (enum command_group g = 0; g < GROUP_MAX; g++)
                each(g, complete_command, out);
        fputs("        esac\n        case \"$previous\" in", out);
        put_values(cli_globals_table, out);
        fputs(" esac\n        if [ \"${current#-}\" != \"$current\" ]; then\n"
              "                COMPREPLY=($(compgen -W \"$options",
              out);
        put_options(cli_globals_table, out);
        fputs("\" -- \"$current\"))\n"
              "                return\n"
              "        fi\n"
              "        if [ -n \"$then\" ]; then\n"
              "                for ((i++; i < COMP_CWORD; i++)); do\n"
              "                        [ -n \"$subject\" ] || [ \"${COMP_WORDS[i]#-}\" != "
              "\"${COMP_WORDS[i]}\" ] || subject=\"${COMP_WORDS[i]}\"\n"
              "                done\n"
              "                [ -z \"$subject\" ] || kind=\"$then\"\n"
              "        fi\n"
              "        for i in $kind; do\n"
              "                case \"$i\" in\n"
              "                files) words=\"$words $(compgen -f -- \"$current\")\" ;;\n"
              "                *) words=\"$words $(mooringctl complete \"$i\" $subject "
              "2>/dev/null)\" ;;\n"
              "                esac\n"
              "        done\n"
              "        COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
              "        case \"${COMPREPLY[0]}\" in *=) compopt -o nospace 2>/dev/null ;; esac\n"
              "}\n"
              "complete -F _mooringctl mooringctl\n",
              out);
}
