/* SPDX-License-Identifier: Apache-2.0 */
/* verb-list.c - see verb-list.h */
#include "verb-list.h"

void verb_list_add(json_t *objects, const json_t *object) {
        json_array_append_new(
                objects, json_pack("{s:O, s:O, s:O}", "bytes", json_get(object, "bytes"), "etag",
                                   json_get(object, "etag"), "key", json_get(object, "key")));
}

char *verb_list_text(const json_t *objects) {
        cleanup_(json_freep) json_t *list = json_pack("{s:O}", "objects", objects);

        return json_text(list);
}

void verb_list_hash(const char *text, char ret[DIGEST_HEX_SIZE]) {
        digest_sha256_hex(text, strlen(text), ret);
}

json_t *verb_list_read(const char *text, const char *sha256, const char *after) {
        cleanup_(json_freep) json_t *list = NULL, *found = json_array();
        char is[DIGEST_HEX_SIZE];
        size_t i;
        json_t *one;

        verb_list_hash(text, is);
        if ((sha256 && !str_eq(sha256, is)) || json_parse(text, strlen(text), &list, NULL) < 0 ||
            !json_is_array(json_get(list, "objects")))
                return NULL;
        json_array_foreach(json_get(list, "objects"), i, one)
                if (!after || strcmp(json_get_str(one, "key", ""), after) > 0)
                        json_array_append(found, one);
        return take_ptr(found);
}
