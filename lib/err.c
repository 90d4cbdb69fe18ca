/* SPDX-License-Identifier: Apache-2.0 */
/* err.c - the error object; see err.h */
#include "err.h"

#define CUT "..."

/* N: bytes that the whole text has. */
static void finish(struct err *err, int n) {
        bool cut = n >= (int)sizeof(err->text);

        if (cut)
                err->text[sizeof(err->text) - sizeof(CUT)] = '\0';
        str_make_utf8(err->text);
        if (cut)
                memcpy(err->text + strlen(err->text), CUT, sizeof(CUT));
}

int err_set(struct err *err, int code, const char *fmt, ...) {
        va_list ap;

        if (!err)
                return code;
        err->code = code;
        va_start(ap, fmt);
        finish(err, vsnprintf(err->text, sizeof(err->text), fmt, ap));
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
        finish(err, snprintf(err->text, sizeof(err->text), "%s: %s", head, tail));
        return code;
}

const char *err_text(const struct err *err) {
        return err->text[0] ? err->text : strerror(-err->code);
}
