/* SPDX-License-Identifier: Apache-2.0 */
/* err.c - the error object; see err.h */
#include "err.h"

static void mark_cut(struct err *err, int n) {
        if (n >= (int)sizeof(err->text))
                memcpy(err->text + sizeof(err->text) - 4, "...", 4);
}

int err_set(struct err *err, int code, const char *fmt, ...) {
        va_list ap;

        if (!err)
                return code;
        err->code = code;
        va_start(ap, fmt);
        mark_cut(err, vsnprintf(err->text, sizeof(err->text), fmt, ap));
        va_end(ap);
        return code;
}

int err_add(struct err *err, int code, const char *fmt, ...) {
        char head[ERR_TEXT_MAX];
        char tail[ERR_TEXT_MAX];
        va_list ap;

        if (!err)
                return code;
        va_start(ap, fmt);
        vsnprintf(head, sizeof(head), fmt, ap);
        va_end(ap);
        str_copy(tail, sizeof(tail), err->text[0] ? err->text : strerror(-code));
        err->code = code;
        mark_cut(err, snprintf(err->text, sizeof(err->text), "%s: %s", head, tail));
        return code;
}

const char *err_text(const struct err *err) {
        return err->text[0] ? err->text : strerror(-err->code);
}
