/* SPDX-License-Identifier: Apache-2.0 */
/* opt-help.c - what people read about options: opt_help for --help, opt_man for the man page */
#include "opt-parts.h"

#include <inttypes.h>
#include <stdlib.h>

#define HELP_COLUMN 30 /* where sentences begin */
#define HELP_WIDTH 80

const char *opt_number_text(const struct opt *row, int64_t n, char text[CLOCK_TEXT_MAX]) {
        static const char *const units[] = { "", "KiB", "MiB", "GiB", "TiB" };
        size_t unit = 0;

        if (row->type == OPT_DURATION)
                return clock_span(n, text);
        while (row->type == OPT_SIZE && n && n % 1024 == 0 && unit + 1 < ARRAY_SIZE(units)) {
                n /= 1024;
                unit++;
        }
        snprintf(text, CLOCK_TEXT_MAX, "%" PRId64 "%s", n, units[unit]);
        return text;
}

static const char *unit_of(const struct opt *row) {
        static const char *const units[OPT_TYPE_MAX] = {
                [OPT_STRING] = "TEXT",   [OPT_PATH] = "PATH", [OPT_INT] = "N",
                [OPT_DURATION] = "TIME", [OPT_SIZE] = "SIZE", [OPT_ENUM] = "WORD",
                [OPT_LIST] = "TEXT",
        };

        return row->unit ? row->unit : units[row->type];
}

/* "0 to 100", "json, yaml or text"; nothing for most. */
static void add_choice(const struct opt *row, struct buf *out) {
        bool number = row->type == OPT_INT || row->type == OPT_DURATION || row->type == OPT_SIZE;
        char low[CLOCK_TEXT_MAX];
        char high[CLOCK_TEXT_MAX];

        for (int i = 0; row->type == OPT_ENUM && row->names[i]; i++) {
                const char *link = row->names[i + 1] ? ", " : " or ";

                buf_printf(out, "%s%s", i ? link : "", row->names[i]);
        }
        if (!number || row->min == row->max)
                return;
        opt_number_text(row, row->min, low);
        opt_number_text(row, row->max, high);
        if (row->max == INT64_MAX)
                buf_printf(out, "at least %s", low);
        else
                buf_printf(out, "%s to %s", low, high);
}

/* The sentence with what may be given and what holds without it. */
static char *sentence(const struct opt *row) {
        struct buf text = BUF_INIT;
        cleanup_(buf_free) struct buf notes = BUF_INIT;

        buf_puts(&text, row->help);
        add_choice(row, &notes);
        if (row->type == OPT_LIST)
                buf_puts(&notes, "may be given more than once");
        if (row->value && *row->value && row->type != OPT_BOOL && !opt_unsaid(row))
                buf_printf(&notes, "%sdefault %s", notes.len ? "; " : "", row->value);
        if (row->type == OPT_BOOL && row->value && strcmp(row->value, "true") == 0)
                buf_printf(&notes, "default; --no-%s turns it off", row->name);
        if (row->flags & OPT_SECRET) {
                cleanup_(freep) char *env = opt_env_name(row);

                buf_printf(&notes, "%ssecret: only in the config file or as %s",
                           notes.len ? "; " : "", env);
        }
        if (row->flags & OPT_REQUIRED)
                buf_printf(&notes, "%smust be given", notes.len ? "; " : "");
        if (notes.len)
                buf_printf(&text, " (%s)", buf_str(&notes));
        return buf_take(&text);
}

void opt_help_text(const char *text, size_t column, FILE *out) {
        size_t at = column;

        while (*text) {
                size_t n = strcspn(text, " \n");

                if (text[n] == '\n' && !n) {
                        fprintf(out, "\n%*s", (int)column, "");
                        at = column;
                        text++;
                        continue;
                }

                if (at > column && at + n + 1 > HELP_WIDTH) {
                        fprintf(out, "\n%*s", (int)column, "");
                        at = column;
                }
                at += (size_t)fprintf(out, "%s%.*s", at > column ? " " : "", (int)n, text);
                text += n + (text[n] == ' ');
        }
        fputc('\n', out);
}

void opt_help(const struct opt *table, FILE *out) {
        for (const struct opt *row = table; row->name; row++) {
                cleanup_(freep) char *text = sentence(row);
                size_t at;

                if (row->flags & (OPT_HIDDEN | OPT_SECRET))
                        continue;
                at = row->letter ? (size_t)fprintf(out, "  -%c, ", row->letter)
                                 : (size_t)fprintf(out, "      ");
                at += (size_t)fprintf(out, "--%s", row->name);
                if (row->type != OPT_BOOL)
                        at += (size_t)fprintf(out, "=%s", unit_of(row));
                if (at + 2 > HELP_COLUMN) {
                        fputc('\n', out);
                        at = 0;
                }
                fprintf(out, "%*s", (int)(HELP_COLUMN - at), "");
                opt_help_text(text, HELP_COLUMN, out);
        }
}

/* A backslash and dashes are roff's own; a dot or quote at the line's start is a request. */
static void print_roff(const char *text, FILE *out) {
        if (*text == '.' || *text == '\'')
                fputs("\\&", out);
        for (; *text; text++) {
                if (*text == '-')
                        fputs("\\-", out);
                else if (*text == '\\')
                        fputs("\\e", out);
                else
                        fputc(*text, out);
        }
}

void opt_man(const struct opt *table, FILE *out) {
        for (const struct opt *row = table; row->name; row++) {
                cleanup_(freep) char *text = sentence(row);
                cleanup_(freep) char *env = opt_env_name(row);

                if (row->flags & OPT_HIDDEN)
                        continue;
                fputs(".TP\n", out);
                if (row->letter)
                        fprintf(out, "\\fB\\-%c\\fR, ", row->letter);
                fputs(row->flags & OPT_SECRET ? "\\fB" : "\\fB\\-\\-", out);
                print_roff(row->name, out);
                fputs("\\fR", out);
                if (row->type != OPT_BOOL)
                        fprintf(out, "=\\fI%s\\fR", unit_of(row));
                fputc('\n', out);
                print_roff(text, out);
                fputs(".\n", out);
                if (row->flags & OPT_RELOAD)
                        fputs("May change while running: SIGHUP reads it again.\n", out);
                if (!(row->flags & OPT_ACT))
                        fprintf(out, "Environment: \\fB%s\\fR.\n", env);
        }
}
