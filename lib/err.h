/* SPDX-License-Identifier: Apache-2.0 */
/* err.h - the one way an error travels
 *
 * `int f(..., struct err *err)`: 0 is done; >0 is a result that the function's header documents
 * and only its caller handles; <0 is -errno and is passed up unchanged, after context was added:
 *
 *         return err_set(err, -ENOENT, "no application %s", name);
 *         return err_add(err, r, "unit %s", id);          // "unit mysql/0: <what was there>"
 *
 * The struct lives on the caller's stack; nothing in it is freed. Text too long for it is cut
 * and ends in "...". Messages say what, where and what to do; they never hold a secret. */
#pragma once

#include "base.h"

#define ERR_TEXT_MAX 512 /* one screen paragraph: a path, a reason and a hint fit */

struct err {
        int code; /* -errno */
        char text[ERR_TEXT_MAX];
};

/* Both return CODE, so that they end a function. ERR may be NULL when nobody wants the text. */
int err_set(struct err *err, int code, const char *fmt, ...) printf_(3, 4);
int err_add(struct err *err, int code, const char *fmt, ...) printf_(3, 4);
/* The text, or strerror of the code where there is none. */
const char *err_text(const struct err *err);
