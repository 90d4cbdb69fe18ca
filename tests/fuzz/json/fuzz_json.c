/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_json.c - parsing, canonical text and decoding: the text of a tree reads back as the same
 * tree and the same text, and decoding any object fails with a message or not at all */
#include "json.h"

#include "json-quick.h"

#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct target {
        const char *name;
        int64_t scale;
        bool trust;
        double ratio;
        json_t *options, *to, *value;
        int channel;
};

static const char *const channels[] = { "stable", "edge", NULL };

static const struct json_field fields[] = {
        { "name", JSON_FIELD_STRING, offsetof(struct target, name), JSON_REQUIRED, 1, 63 },
        { "scale", JSON_FIELD_INT, offsetof(struct target, scale), JSON_NULL_OK, 0, 100 },
        { "trust", JSON_FIELD_BOOL, offsetof(struct target, trust) },
        { "ratio", JSON_FIELD_NUMBER, offsetof(struct target, ratio) },
        { "options", JSON_FIELD_OBJECT, offsetof(struct target, options) },
        { "to", JSON_FIELD_LIST, offsetof(struct target, to) },
        { "value", JSON_FIELD_SCALAR, offsetof(struct target, value), JSON_SECRET },
        { "channel", JSON_FIELD_ENUM, offsetof(struct target, channel), 0, 0, 0, channels },
        { NULL },
};

static void check_decode(const json_t *j) {
        struct target t = { .name = NULL };
        struct err e = { 0 };
        int r = json_decode(j, fields, false, &t, &(struct json_where){ "f", NULL, "" }, &e);

        if (r == 0 && (!t.name || !*t.name || t.scale < 0 || t.scale > 100))
                abort();
        if (r != 0 && (r != -EINVAL || !str_starts(e.text, "f: ")))
                abort();
}

/* What is read the fast way is what jansson reads. */
static void check_quick(const char *text, size_t len) {
        cleanup_(json_freep) json_t *quick = json_quick(text, len);
        cleanup_(json_freep) json_t *slow = NULL;

        if (!quick)
                return;
        /* check-style: banned: what json_parse would else have called */
        slow = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
        if (!slow || !json_equal(quick, slow))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        cleanup_(json_freep) json_t *j = NULL;
        cleanup_(json_freep) json_t *back = NULL;
        cleanup_(freep) char *text = NULL;
        cleanup_(freep) char *again = NULL;
        struct err e = { 0 };

        check_quick((const char *)data, size);
        if (json_parse((const char *)data, size, &j, &e) < 0) {
                if (!e.text[0])
                        abort();
                return 0;
        }
        text = json_text(j);
        if (json_parse(text, strlen(text), &back, &e) < 0 || !json_equal(j, back))
                abort();
        again = json_text(back);
        if (strcmp(text, again) != 0)
                abort();
        check_decode(j);
        return 0;
}
