/* SPDX-License-Identifier: Apache-2.0 */
/* json.h - jansson with limits, decoding by field table, and one canonical form
 *
 * Decoding: a static table says which member goes where in a struct; every message names the
 * file, the line where it is known (text that came through yaml.h), and the path:
 *
 *         bundle.yaml:12: applications.minio.scale: must be a whole number, is the text "two"
 *
 * Ownership: decoded strings are borrowed from the json_t, which must outlive the struct. */
#pragma once

#include "buf.h"
#include "err.h"

#include <jansson.h>

#define JSON_DEPTH_MAX 128        /* deeper text is an attack; Kubernetes' deepest CRD has 40 */
#define JSON_TEXT_MAX (64u << 20) /* callers cap lower; here only so that sizes stay sane */

void json_freep(json_t **p); /* cleanup_(json_freep) json_t *j = NULL; */
/* As json_decref, and every text in it is overwritten first, also where others still hold it. */
void json_wipe(json_t *j);

/* Parses one JSON value that fills all of TEXT. Duplicate members, bad UTF-8 and what is deeper
 * than JSON_DEPTH_MAX are errors (-EBADMSG). */
int json_parse(const char *text, size_t len, json_t **ret, struct err *err);

/* Sorted members, no blanks, plain escapes (no `\/`): equal values give equal bytes. */
void json_canonical(const json_t *j, struct buf *out);
char *json_text(const json_t *j); /* canonical, caller frees; NULL gives "null" */
/* Somebody's words as a text value; when they are not UTF-8 (an error that was cut within a letter)
 * with "?" for each byte that is not ASCII. NULL: "". */
json_t *json_words(const char *text);
/* WALL as clock_iso writes it, with MS to the millisecond; null when it is 0, which is no time. */
json_t *json_stamp(int64_t wall, bool ms);

/* RFC 6901 pointer, borrowed; NULL when nothing is there. "" is J itself. */
json_t *json_at(const json_t *j, const char *pointer);
/* Sets what POINTER names, making objects on the way; steals VALUE. False when a parent is no
 * object. */
bool json_put(json_t *j, const char *pointer, json_t *value);

/* Calls FN with each text of J, members' names too, and the pointer of where it stands. FN returns
 * <0 to stop. */
typedef int json_text_fn(void *arg, const char *text, const char *pointer, bool in_name,
                         struct err *err);
int json_walk(const json_t *j, json_text_fn *fn, void *arg, struct err *err);
/* A copy of J in which FN wrote each text anew; names stay. What was written is wiped behind the
 * copy. FN returns <0 to stop. */
typedef int json_fill_fn(void *arg, const char *text, struct buf *out, struct err *err);
int json_fill(const json_t *j, json_fill_fn *fn, void *arg, json_t **ret, struct err *err);

/* Members of an object; the default when J is no object, the member is missing or of another
 * type. */
const char *json_get_str(const json_t *j, const char *member, const char *fallback);
int64_t json_get_int(const json_t *j, const char *member, int64_t fallback);
bool json_get_bool(const json_t *j, const char *member, bool fallback);
json_t *json_get(const json_t *j, const char *member); /* borrowed or NULL */
/* Path of members: json_dig(j, "metadata", "labels", NULL). */
json_t *json_dig(const json_t *j, ...) __attribute__((sentinel));
const char *json_type_name(const json_t *j); /* "a text", "a list", ... for messages */

/* Where a value came from, for messages. LINES may be NULL. */
struct json_lines;
struct json_where {
        const char *file; /* NULL: no file part in messages */
        const struct json_lines *lines;
        const char *path; /* "" at the root, else "applications.minio" */
};

enum json_kind {
        JSON_FIELD_STRING, /* const char *; min/max are its length */
        JSON_FIELD_INT,    /* int64_t; min/max when they differ */
        JSON_FIELD_BOOL,   /* bool */
        JSON_FIELD_NUMBER, /* double */
        JSON_FIELD_OBJECT, /* json_t *, borrowed */
        JSON_FIELD_LIST,   /* json_t *, borrowed */
        JSON_FIELD_ANY,    /* json_t *, borrowed */
        JSON_FIELD_SCALAR, /* json_t *, borrowed: text, number or boolean */
        JSON_FIELD_ENUM,   /* int: index in NAMES */
        JSON_FIELD_KIND_MAX
};

enum {
        JSON_REQUIRED = 1 << 0,
        JSON_NULL_OK = 1 << 1, /* null counts as absent */
        JSON_SECRET = 1 << 2,  /* messages never show the value */
};

struct json_field {
        const char *name;
        enum json_kind kind;
        size_t offset; /* in the target struct */
        unsigned flags;
        int64_t min, max;
        const char *const *names; /* JSON_FIELD_ENUM: NULL-terminated */
};

/* Members that are not in the table are errors that name the nearest known one, unless they
 * start with "_" or "x-" (bundles carry such notes) or OPEN is set. Fields that are absent are
 * not written: fill in defaults before. -EINVAL. */
int json_decode(const json_t *j, const struct json_field *fields, bool open, void *target,
                const struct json_where *where, struct err *err);

/* err_set with file, line and path in front. MEMBER may be NULL: the value itself. */
int json_error(struct err *err, const struct json_where *where, const json_t *container,
               const char *member, const char *fmt, ...) printf_(5, 6);

/* Line of a member (or of item INDEX when MEMBER is NULL) of CONTAINER; 0: not known. */
int json_line_of(const struct json_lines *lines, const json_t *container, const char *member,
                 size_t index);
