/* SPDX-License-Identifier: Apache-2.0 */
/* scan.h - reading a few members of a JSON text without making a tree of it
 *
 * A watch brings every change of every object that we own. Most of them change nothing of ours,
 * and to see that, a tree is 5 to 18 times the text and ten times the work. So objects are read
 * where they lie: a slice is the exact bytes of one value. Texts come from jsplit, which cut
 * them out of a stream, but are not trusted: on what is not JSON these functions find nothing;
 * they never read outside of the slice. */
#pragma once

#include "buf.h"
#include "json.h"

struct scan_slice {
        const char *text; /* NULL: nothing there */
        size_t len;
};

struct scan_cursor {
        const char *p, *end;
};

struct scan_slice scan_of(const char *text, size_t len); /* blanks around it cut off */
/* Begins a walk; false when VALUE is no object (no list). */
bool scan_object(struct scan_slice value, struct scan_cursor *ret);
bool scan_list(struct scan_slice value, struct scan_cursor *ret);
/* The next member: its name without quotes, escapes still in it. */
bool scan_member(struct scan_cursor *c, struct scan_slice *ret_name, struct scan_slice *ret_value);
bool scan_item(struct scan_cursor *c, struct scan_slice *ret_value);

/* A member of an object, or along a path of members; an empty slice when it is not there. */
struct scan_slice scan_get(struct scan_slice object, const char *member);
struct scan_slice scan_dig(struct scan_slice object, ...) __attribute__((sentinel));

bool scan_is_null(struct scan_slice value); /* not there, or null */
bool scan_is_text(struct scan_slice value);
/* The text VALUE says exactly S. */
bool scan_says(struct scan_slice value, const char *s);
/* A name (without quotes, escapes in it) is exactly these bytes. */
bool scan_name_is(struct scan_slice name, const char *s, size_t len);
/* Appends the characters of a text (of a name), escapes resolved. False: VALUE is no text. */
bool scan_text(struct scan_slice value, struct buf *out);
void scan_name(struct scan_slice name, struct buf *out);
char *scan_dup(struct scan_slice value); /* a text's characters; NULL when it is none */
int64_t scan_int(struct scan_slice value, int64_t or);
json_t *scan_json(struct scan_slice value); /* a tree; NULL when it is not JSON */

/* Appends the one canonical form of VALUE: members sorted, no blanks, plain escapes. False: not
 * JSON, or nested too deep; OUT then has a part of it. */
bool scan_canonical(struct scan_slice value, struct buf *out);
