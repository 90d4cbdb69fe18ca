/* SPDX-License-Identifier: Apache-2.0 */
/* table.h - columns as `juju` aligns them: two blanks between, no blanks at a line's end, colour
 * only when asked for
 *
 * On a terminal that is too narrow, columns that are empty go first, then those that may (in the
 * order in which table_spare names them); then the widest are cut, never the first, which is what
 * commands are given, and the last one goes on in further lines. A line below names the columns
 * that had something and are left out. Elsewhere nothing is left out or cut: what reads a file or
 * pipe gets all.
 *
 * libsmartcols was tried: it pads the last column and cannot leave a section's widths alone, so
 * these lines are our own. */
#pragma once

#include "base.h"

#define TABLE_COLUMNS_MAX 12

enum table_style {
        STYLE_PLAIN,
        STYLE_GOOD,
        STYLE_WAIT,
        STYLE_BAD,
        STYLE_DIM,
        STYLE_BOLD,
        STYLE_MAX
};

struct table_cell {
        char *text;
        enum table_style style;
};

struct table {
        size_t columns;
        bool right[TABLE_COLUMNS_MAX], cut_left[TABLE_COLUMNS_MAX];
        size_t spare[TABLE_COLUMNS_MAX], spares;
        struct table_cell *cells; /* row by row, the head first */
        size_t count, room;
};

/* HEAD is NULL-terminated. */
void table_init(struct table *t, const char *const *head);
void table_deinit(struct table *t);
void table_right(struct table *t, size_t column); /* numbers */
/* The next cell; NULL is empty. Text is made safe for terminals. */
void table_add(struct table *t, const char *text);
void table_style(struct table *t, const char *text, enum table_style style);
void table_printf(struct table *t, const char *fmt, ...) printf_(2, 3);
size_t table_rows(const struct table *t); /* without the head */
/* It may be left out where there is no room. */
void table_spare(struct table *t, size_t column);
/* Of a path the end tells more: what has no room is cut off its beginning. */
void table_cut_left(struct table *t, size_t column);
/* As wide as the terminal that OUT is, or all. */
void table_print(const struct table *t, bool color, FILE *out);
void table_print_width(const struct table *t, bool color, size_t room, FILE *out); /* 0: all */
/* Juju's colours: active good, blocked and error bad, waiting and maintenance in between. */
enum table_style table_status_style(const char *status);
const char *table_color(enum table_style s); /* the terminal's sequence; "" for plain */
