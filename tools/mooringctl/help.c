/* SPDX-License-Identifier: Apache-2.0 */
/* help.c - help, man page and completion from the tables; see help.h */
#include "help.h"

#include "cli.h"

#include <stdlib.h>

static const char *blank(const char *operands) {
        return operands[0] ? " " : "";
}

void help_command(const struct command *c, FILE *out) {
        fprintf(out, "Usage: mooringctl %s%s%s [OPTION]...\n%s.\n", c->name, blank(c->operands),
                c->operands, c->help);
        if (c->alias)
                fprintf(out, "Also called: %s.\n", c->alias);
        if (c->more)
                fprintf(out, "\n%s\n", c->more);
        if (c->options) {
                fputs("\nOptions:\n", out);
                opt_help(c->options, out);
        }
        fputs("\nOptions of all commands:\n", out);
        opt_help(cli_globals_table, out);
}

typedef void each_fn(const struct command *c, FILE *out);

static void each(enum command_group g, each_fn *fn, FILE *out) {
        for (size_t i = 0; command_families[i]; i++)
                for (const struct command *c = command_families[i]; c->name; c++)
                        if (c->group == g && !(c->flags & COMMAND_HIDDEN))
                                fn(c, out);
}

static void help_line(const struct command *c, FILE *out) {
        fprintf(out, "  %-22s %s\n", c->name, c->help);
}

void help_all(FILE *out) {
        fputs("Usage: mooringctl COMMAND [OPERAND]... [OPTION]...\n"
              "Declares and watches models of an AI platform that mooringd keeps as they are "
              "declared.\n",
              out);
        for (enum command_group g = 0; g < GROUP_MAX; g++) {
                fprintf(out, "\n%s:\n", command_groups[g]);
                each(g, help_line, out);
        }
        fputs("\nOptions of all commands:\n", out);
        opt_help(cli_globals_table, out);
        fputs("\nExit codes:\n", out);
        for (int i = 0; i < CLI_EXIT_MAX; i++)
                fprintf(out, "  %d  %s\n", i, cli_exit_help[i]);
        fputs("\nmooringctl help COMMAND tells more of one.\n", out);
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

static void man_command(const struct command *c, FILE *out) {
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

/* ---- bash completion */

static void names(const struct command *c, FILE *out) {
        fprintf(out, " %s", c->name);
}

static void put_options(const struct opt *table, FILE *out) {
        for (const struct opt *o = table; o && o->name; o++)
                if (!(o->flags & (OPT_HIDDEN | OPT_SECRET)))
                        fprintf(out, " --%s", o->name);
}

static void complete_command(const struct command *c, FILE *out) {
        static const char *const kinds[] = { "", "applications", "models", "clusters", "files" };

        fprintf(out, "        %s%s%s) kind=\"%s\" options=\"", c->name, c->alias ? "|" : "",
                c->alias ? c->alias : "", kinds[c->completes]);
        put_options(c->options, out);
        fputs("\" ;;\n", out);
}

void help_completion(FILE *out) {
        fputs("# bash completion for mooringctl; made from its tables\n"
              "_mooringctl() {\n"
              "        local current=\"${COMP_WORDS[COMP_CWORD]}\" command=\"\" kind=\"\" "
              "options=\"\" i\n"
              "        for ((i = 1; i < COMP_CWORD; i++)); do\n"
              "                case \"${COMP_WORDS[i]}\" in\n"
              "                -m|-o|--model|--output|--socket|--format) i=$((i + 1)) ;;\n"
              "                -*) ;;\n"
              "                *) command=\"${COMP_WORDS[i]}\"; break ;;\n"
              "                esac\n"
              "        done\n"
              "        if [ -z \"$command\" ] && [ \"${current#-}\" = \"$current\" ]; then\n"
              "                COMPREPLY=($(compgen -W \"",
              out);
        for (enum command_group g = 0; g < GROUP_MAX; g++)
                each(g, names, out);
        fputs("\" -- \"$current\"))\n                return\n        fi\n        case \"$command\" "
              "in\n",
              out);
        for (enum command_group g = 0; g < GROUP_MAX; g++)
                each(g, complete_command, out);
        fputs("        esac\n        if [ \"${current#-}\" != \"$current\" ]; then\n               "
              " COMPREPLY=($(compgen -W "
              "\"$options",
              out);
        put_options(cli_globals_table, out);
        fputs("\" -- \"$current\"))\n"
              "        elif [ \"$kind\" = files ]; then\n"
              "                COMPREPLY=($(compgen -f -- \"$current\"))\n"
              "        elif [ -n \"$kind\" ]; then\n"
              "                COMPREPLY=($(compgen -W \"$(mooringctl complete \"$kind\" "
              "2>/dev/null)\" -- \"$current\"))\n"
              "        fi\n"
              "}\n"
              "complete -F _mooringctl mooringctl\n",
              out);
}
