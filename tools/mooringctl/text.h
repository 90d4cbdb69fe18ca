/* SPDX-License-Identifier: Apache-2.0 */
/* text.h - texts for people: times, sizes, natural order, nothing that steers a terminal */
#pragma once

#include "buf.h"
#include "json.h"

/* "file2" before "file10". */
int text_natural(const char *a, const char *b);
/* Columns that TEXT takes on a terminal, wide characters counted as two. */
size_t text_width(const char *text);
/* TEXT in at most WIDTH columns, with an ellipsis where it was cut: at its end, or its beginning.
 * The caller frees. */
char *text_cut(const char *text, size_t width, bool left);
/* Bytes of TEXT that fill a line of WIDTH columns: up to a blank, if there is one. At least a
 * letter. */
size_t text_line(const char *text, size_t width);
/* Columns of the terminal that OUT is; 0: it is none. */
size_t text_columns(FILE *out);
/* TEXT and a newline on OUT, which stands at column AT. In a terminal of COLUMNS it is broken at
 * blanks, and each further line begins with INDENT; 0: one line. */
void text_put(const char *text, size_t at, const char *indent, size_t columns, FILE *out);
#define TEXT_BAR_MAX 30
/* "###......." of WIDTH letters, at most TEXT_BAR_MAX. Returns RET. */
const char *text_bar(size_t done, size_t total, size_t width, char ret[TEXT_BAR_MAX + 1]);
/* One line: control bytes become "?" or a blank. The caller frees. */
char *text_safe(const char *text);
/* The last line of the terminal (stderr) becomes BEGIN and TEXT, safe, and cut to its width. */
void text_draw(const char *begin, const char *text);
/* "14:02:07" of an RFC 3339 time today, else with its date; "" for NULL. RET holds 40 bytes.
 * Returns RET. */
const char *text_time(const char *iso, bool utc, char ret[40]);
/* "14:02:07+02:00", "14:02:07Z": the head of status. */
const char *text_clock(const char *iso, bool utc, char ret[40]);
/* "10 GiB" as Juju writes sizes: "10GiB". */
const char *text_size(int64_t bytes, char ret[32]);
/* "1.4 GiB", of what was measured and not asked for. Returns RET. */
const char *text_bytes(int64_t bytes, char ret[32]);
/* A JSON value on one line: texts as they are, others as JSON; NULL and null: "". The caller
 * frees. */
char *text_value(const json_t *j);
/* An object of a cluster as `why` takes it, "deployment/mlflow-server"; of others both words. The
 * caller frees. */
char *text_object(const char *type, const char *path);
/* Names of an object's members in natural order; NULL-terminated, free() the array; the names
 * are J's. */
const char **text_members(const json_t *j);
