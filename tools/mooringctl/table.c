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

static void print_cell(const struct table_cell *c, size_t width, bool right, bool last, bool color,
                       FILE *out) {
        const char *begin = color ? colors[c->style] : "";
        size_t own = text_width(c->text);
        int fill = own < width ? (int)(width - own) : 0;

        if (right)
                fprintf(out, "%*s", fill, "");
        fprintf(out, "%s%s%s", begin, c->text, begin[0] ? "\033[0m" : "");
        if (!last)
                fprintf(out, "%*s", (right ? 0 : fill) + 2, "");
}

/* How many cells of a row have something behind which nothing follows. */
static size_t filled(const struct table *t, size_t row) {
        size_t n = t->columns;

        while (n > 1 && !t->cells[row * t->columns + n - 1].text[0])
                n--;
        return n;
}

void table_print(const struct table *t, bool color, FILE *out) {
        size_t width[TABLE_COLUMNS_MAX] = { 0 };

        for (size_t i = 0; i < t->count; i++)
                width[i % t->columns] = MAX_OF(width[i % t->columns], text_width(t->cells[i].text));
        for (size_t row = 0; row < t->count / t->columns; row++) {
                size_t n = filled(t, row);

                for (size_t i = 0; i < n; i++)
                        print_cell(&t->cells[row * t->columns + i], width[i], t->right[i],
                                   i + 1 == n, color, out);
                fputc('\n', out);
        }
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
