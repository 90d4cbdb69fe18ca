/* SPDX-License-Identifier: Apache-2.0 */
/* declared.c - see declared.h; pure
 *
 * An edited key has taken our item out of our own entry, so that what we own now says nothing of
 * what we declare; the document does, but not which of its lists are keyed and by what. */
#include "declared.h"

#include "fieldset-inside.h"
#include "keep.h"

#include <stdlib.h>

static json_t *set_of(const json_t *value, const json_t *owned);

static json_t *set_of_members(const json_t *object, const json_t *owned) {
        json_t *set = json_object();
        const char *name;
        json_t *value;

        json_object_foreach((json_t *)object, name, value) {
                cleanup_(freep) char *element = fieldset_element(FIELDSET_FIELD, name);

                json_object_set_new(set, element, set_of(value, json_get(owned, element)));
        }
        return set;
}

/* ITEM's name in a list of which OWNED is owned. NULL: the list has no keys. */
static char *element_of(const json_t *owned, const json_t *item) {
        const char *name, *key = NULL;
        json_t *child;

        json_object_foreach((json_t *)owned, name, child) {
                if (keep_names_item(name, item))
                        return str_dup(name);
                if (str_starts(name, "k:"))
                        key = name;
        }
        return key ? keep_element(key, item, false) : NULL;
}

static json_t *set_of_items(const json_t *list, const json_t *owned) {
        json_t *set = json_object();
        const json_t *item;
        size_t i;

        json_array_foreach((json_t *)list, i, item) {
                cleanup_(freep) char *element = element_of(owned, item);

                if (element)
                        json_object_set_new(set, element, set_of(item, json_get(owned, element)));
        }
        return set;
}

static json_t *set_of(const json_t *value, const json_t *owned) {
        if (json_is_object(value))
                return set_of_members(value, owned);
        return json_is_array(value) ? set_of_items(value, owned) : json_object();
}

struct projection *declared_fields(const json_t *document, const json_t *owned) {
        cleanup_(json_freep) json_t *set = json_object();
        cleanup_(freep) char *text = NULL;
        struct projection *p = NULL;

        json_object_set(set, "apiVersion", json_get(document, "apiVersion"));
        json_object_set_new(set, "fields", set_of(document, owned));
        text = json_text(set);
        return fieldset_parse(text, &p, NULL) < 0 ? NULL : p;
}
