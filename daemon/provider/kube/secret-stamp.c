/* SPDX-License-Identifier: Apache-2.0 */
/* secret-stamp.c - see secret-stamp.h */
#include "secret-stamp.h"

#include <stdlib.h>

static void add_members(json_t *stamp, const json_t *values) {
        const char *key, *text;
        json_t *value;

        json_object_foreach((json_t *)values, key, value) {
                struct secret_ref ref;

                text = json_string_value(value);
                json_object_del(stamp, key); /* stringData wins */
                if (text && secret_token_next(text, 0, &ref) && ref.start == 0 &&
                    ref.end == strlen(text))
                        json_object_set_new(
                                stamp, key,
                                json_sprintf("%s:%lld", ref.uri, (long long)ref.revision));
        }
}

char *secret_stamp_text(const json_t *wanted) {
        cleanup_(json_freep) json_t *stamp = json_object();
        struct buf text = BUF_INIT;

        add_members(stamp, json_get(wanted, "data"));
        add_members(stamp, json_get(wanted, "stringData"));
        if (!json_object_size(stamp))
                return NULL;
        json_canonical(stamp, &text);
        return buf_take(&text);
}

enum secret_age secret_stamp_age(struct scan_slice object, const char *key,
                                 const struct secret_ref *ref, int64_t *ret) {
        cleanup_(freep) char *text =
                scan_dup(scan_dig(object, "metadata", "annotations", ANNOTATION_REVISIONS, NULL));
        cleanup_(json_freep) json_t *stamp = NULL;
        const char *said, *colon;
        int64_t revision;

        if (!text || json_parse(text, strlen(text), &stamp, NULL) < 0)
                return SECRET_AGE_UNKNOWN;
        said = json_get_str(stamp, key, "");
        colon = strchr(said, ':');
        if (!colon || strlen(ref->uri) != (size_t)(colon - said) || !str_starts(said, ref->uri) ||
            !str_to_int(colon + 1, &revision) || revision < 1)
                return SECRET_AGE_UNKNOWN;
        *ret = revision;
        return revision > ref->revision   ? SECRET_AGE_NEWER
               : revision < ref->revision ? SECRET_AGE_OLDER
                                          : SECRET_AGE_SAME;
}
