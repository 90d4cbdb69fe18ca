/* SPDX-License-Identifier: Apache-2.0 */
/* table.c - columns; see table.h */
#include "table.h"

#include "text.h"

#include <stdlib.h>

static const char *const colors[] = {
        [STYLE_PLAIN] = "",         [STYLE_GOOD] = "\033[32m", [STYLE_WAIT] = "\033[33m",
        [STYLE_BAD] = "\033[1;31m", [STYLE_DIM] = "\033[2m",   [STYLE_BOLD] = "\033[1m",
};
_Static_assert(ARRAY_SIZE(colors) == STYLE_MAX, "a style without a colour");

void table_init(struct table *t, const char *const *head) {
        *t = (struct table){ 0 };
        while (head[t->columns])
                t->columns++;
        for (size_t i = 0; i < t->columns; i++)
                table_style(t, head[i], STYLE_BOLD);
}

void table_deinit(struct table *t) {
        for (size_t i = 0; i < t->count; i++)
                free(t->cells[i].text);
        free(t->cells);
        *t = (struct table){ 0 };
}

void table_right(struct table *t, size_t column) {
        t->right[column] = true;
}

void table_spare(struct table *t, size_t column) {
        t->spare[t->spares++] = column;
}

void table_cut_left(struct table *t, size_t column) {
        t->cut_left[column] = true;
}

void table_style(struct table *t, const char *text, enum table_style style) {
        t->cells = mem_grow(t->cells, &t->room, t->count + 1, sizeof(*t->cells));
        t->cells[t->count].text = text_safe(text);
        t->cells[t->count++].style = style;
}

void table_add(struct table *t, const char *text) {
        table_style(t, text, STYLE_PLAIN);
}

void table_printf(struct table *t, const char *fmt, ...) {
        cleanup_(freep) char *text = NULL;
        va_list ap;

        va_start(ap, fmt);
        text = str_vformat(fmt, ap);
        va_end(ap);
        table_add(t, text);
}

size_t table_rows(const struct table *t) {
        return t->count / t->columns - 1;
}

/* ---- what fits */

#define GAP 2
#define CUT_MIN 8   /* columns of a cell that is cut */
#define LAST_MIN 24 /* columns of the last cell, where it has that many */

struct fit {
        size_t width[TABLE_COLUMNS_MAX];
        bool gone[TABLE_COLUMNS_MAX];
        size_t last;
};

static const struct table_cell *cell_at(const struct table *t, size_t row, size_t column) {
        return &t->cells[row * t->columns + column];
}

static bool is_empty(const struct table *t, size_t column) {
        for (size_t row = 1; row < t->count / t->columns; row++)
                if (cell_at(t, row, column)->text[0])
                        return false;
        return true;
}

static size_t total(const struct table *t, const struct fit *f) {
        size_t sum = 0, n = 0;

        for (size_t i = 0; i < t->columns; i++) {
                sum += f->gone[i] ? 0 : i == f->last ? MIN_OF(f->width[i], LAST_MIN) : f->width[i];
                n += !f->gone[i];
        }
        return sum + GAP * (n ? n - 1 : 0);
}

static void find_last(const struct table *t, struct fit *f) {
        f->last = t->columns - 1;
        while (f->last && f->gone[f->last])
                f->last--;
}

/* The widest that may be cut, or the number of columns. The first is what commands are given, and
 * rather goes beyond the line. */
static size_t widest(const struct table *t, const struct fit *f) {
        size_t at = t->columns;

        for (size_t i = 1; i < t->columns; i++)
                if (!f->gone[i] && i != f->last &&
                    f->width[i] > MAX_OF(text_width(t->cells[i].text), (size_t)CUT_MIN) &&
                    (at == t->columns || f->width[i] > f->width[at]))
                        at = i;
        return at;
}

static void make_fit(const struct table *t, size_t room, struct fit *f) {
        size_t at;

        for (size_t i = 0; i < t->count; i++)
                f->width[i % t->columns] =
                        MAX_OF(f->width[i % t->columns], text_width(t->cells[i].text));
        find_last(t, f);
        if (!room)
                return;
        for (size_t i = 0; i < t->columns && total(t, f) > room; i++, find_last(t, f))
                f->gone[i] = is_empty(t, i);
        for (size_t i = 0; i < t->spares && total(t, f) > room; i++, find_last(t, f))
                f->gone[t->spare[i]] = true;
        while (total(t, f) > room && (at = widest(t, f)) < t->columns)
                f->width[at]--;
}

/* ---- printing */

static void print_cell(const struct table *t, const struct table_cell *c, size_t column,
                       const struct fit *f, bool last, bool color, FILE *out) {
        cleanup_(freep) char *text = text_cut(c->text, f->width[column], t->cut_left[column]);
        const char *begin = color ? colors[c->style] : "";
        size_t own = text_width(text);
        int fill = own < f->width[column] ? (int)(f->width[column] - own) : 0;

        if (t->right[column])
                fprintf(out, "%*s", fill, "");
        fprintf(out, "%s%s%s", begin, text, begin[0] ? "\033[0m" : "");
        if (!last)
                fprintf(out, "%*s", (t->right[column] ? 0 : fill) + GAP, "");
}

/* The last cell, at words, below itself. */
static void print_wrapped(const struct table_cell *c, size_t indent, size_t room, bool color,
                          FILE *out) {
        const char *begin = color ? colors[c->style] : "", *text = c->text;

        for (;;) {
                size_t n = text_line(text, room);

                fprintf(out, "%s%.*s%s", begin, (int)n, text, begin[0] ? "\033[0m" : "");
                text += n;
                text += strspn(text, " ");
                if (!*text)
                        return;
                fprintf(out, "\n%*s", (int)indent, "");
        }
}

/* How many cells of a row have something behind which nothing follows. */
static size_t filled(const struct table *t, const struct fit *f, size_t row) {
        size_t n = f->last + 1;

        while (n > 1 && (f->gone[n - 1] || !cell_at(t, row, n - 1)->text[0]))
                n--;
        return n;
}

static void print_row(const struct table *t, const struct fit *f, size_t row, size_t room,
                      bool color, FILE *out) {
        size_t n = filled(t, f, row), at = 0;

        for (size_t i = 0; i < n; i++) {
                const struct table_cell *c = cell_at(t, row, i);

                if (f->gone[i])
                        continue;
                if (i == f->last && room && at + text_width(c->text) > room && room > at)
                        print_wrapped(c, at, room - at, color, out);
                else
                        print_cell(t, c, i, f, i + 1 == n, color, out);
                at += f->width[i] + GAP;
        }
        fputc('\n', out);
}

/* Who sees no column thinks that there is none. */
static void print_left_out(const struct table *t, const struct fit *f, bool color, FILE *out) {
        cleanup_(buf_free) struct buf names = BUF_INIT;

        for (size_t i = 0; i < t->columns; i++)
                if (f->gone[i] && !is_empty(t, i))
                        buf_printf(&names, "%s%s", names.len ? ", " : "", t->cells[i].text);
        if (names.len)
                fprintf(out, "%s(no room here for %s)%s\n", color ? colors[STYLE_DIM] : "",
                        buf_str(&names), color ? "\033[0m" : "");
}

void table_print_width(const struct table *t, bool color, size_t room, FILE *out) {
        struct fit f = { 0 };

        make_fit(t, room, &f);
        for (size_t row = 0; row < t->count / t->columns; row++)
                print_row(t, &f, row, room, color, out);
        print_left_out(t, &f, color, out);
}

void table_print(const struct table *t, bool color, FILE *out) {
        table_print_width(t, color, text_columns(out), out);
}

enum table_style table_status_style(const char *status) {
        static const struct {
                const char *word;
                enum table_style style;
        } words[] = {
                { "active", STYLE_GOOD },      { "idle", STYLE_GOOD },
                { "available", STYLE_GOOD },   { "waiting", STYLE_WAIT },
                { "maintenance", STYLE_WAIT }, { "executing", STYLE_WAIT },
                { "allocating", STYLE_WAIT },  { "blocked", STYLE_BAD },
                { "error", STYLE_BAD },        { "lost", STYLE_BAD },
                { "unknown", STYLE_DIM },      { "terminated", STYLE_DIM },
        };

        for (size_t i = 0; status && i < ARRAY_SIZE(words); i++)
                if (str_eq(words[i].word, status))
                        return words[i].style;
        return STYLE_PLAIN;
}

const char *table_color(enum table_style s) {
        return colors[s];
}
