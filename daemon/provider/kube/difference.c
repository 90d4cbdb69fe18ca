/* SPDX-License-Identifier: Apache-2.0 */
/* difference.c - see difference.h
 *
 * Unlike compare.c this knows no field set: it tells all that would be other, whoever owns it.
 * Items of a list are told apart by their name, where all have one, else by their place. */
#include "difference.h"

#include "field-path.h"
#include "normalise.h"
#include "project.h"

#include <stdlib.h>

struct differing {
        json_t *fields;
        size_t more;
        struct buf path;
};

/* A keyed hash tells a reader nothing. */
static int hide(void *arg, const char *text, struct buf *out, struct err *err) {
        buf_puts(out, project_is_hidden(text) ? "(hidden)" : text);
        return 0;
}

static json_t *shown(const json_t *j, bool both) {
        cleanup_(freep) char *text = NULL;
        struct err ignored = { 0 };
        json_t *copy = NULL;

        if (both && project_is_hidden(json_string_value(j)))
                return json_string("(hidden, differs)");
        text = json_text(j);
        if (strlen(text) > DIFFERENCE_VALUE_MAX)
                return json_sprintf("(%zu bytes)", strlen(text));
        return json_fill(j, hide, NULL, &copy, &ignored) < 0 ? json_null() : copy;
}

static void tell(struct differing *d, const json_t *from, const json_t *to) {
        json_t *line;

        if (json_array_size(d->fields) == DIFFERENCE_FIELDS_MAX) {
                d->more++;
                return;
        }
        line = json_pack("{s:s}", "field", buf_str(&d->path));
        if (from)
                json_object_set_new(line, "from", shown(from, to));
        if (to)
                json_object_set_new(line, "to", shown(to, from));
        json_array_append_new(d->fields, line);
}

static bool has_names(const json_t *list) {
        const json_t *item;
        size_t i;

        json_array_foreach(list, i, item)
                if (!json_get_str(item, "name", NULL))
                        return false;
        return json_array_size(list) > 0;
}

static const json_t *named(const json_t *list, const char *name) {
        const json_t *item;
        size_t i;

        json_array_foreach(list, i, item)
                if (str_eq(json_get_str(item, "name", ""), name))
                        return item;
        return NULL;
}

static void back(struct differing *d, size_t before) {
        d->path.len = before;
        if (d->path.data)
                d->path.data[before] = '\0';
}

static void differ(struct differing *d, const json_t *from, const json_t *to);

static void member(struct differing *d, const char *name, const json_t *from, const json_t *to) {
        size_t before = d->path.len;

        field_path_add(&d->path, name);
        differ(d, from, to);
        back(d, before);
}

static void item(struct differing *d, const char *key, size_t i, const json_t *from,
                 const json_t *to) {
        size_t before = d->path.len;

        if (key)
                buf_printf(&d->path, "[name=%s]", key);
        else
                buf_printf(&d->path, "[%zu]", i);
        differ(d, from, to);
        back(d, before);
}

static void objects(struct differing *d, const json_t *from, const json_t *to) {
        const char *name;
        json_t *value;

        json_object_foreach((json_t *)from, name, value)
                member(d, name, value, json_object_get(to, name));
        json_object_foreach((json_t *)to, name, value)
                if (!json_object_get(from, name))
                        member(d, name, NULL, value);
}

static void lists(struct differing *d, const json_t *from, const json_t *to) {
        size_t i, n = MAX_OF(json_array_size(from), json_array_size(to));
        const json_t *one;

        if (!has_names(from) || !has_names(to)) {
                for (i = 0; i < n; i++)
                        item(d, NULL, i, json_array_get(from, i), json_array_get(to, i));
                return;
        }
        json_array_foreach(from, i, one) {
                const char *name = json_get_str(one, "name", "");

                item(d, name, i, one, named(to, name));
        }
        json_array_foreach(to, i, one) {
                const char *name = json_get_str(one, "name", "");

                if (!named(from, name))
                        item(d, name, i, NULL, one);
        }
}

static void differ(struct differing *d, const json_t *from, const json_t *to) {
        if (from && to && json_equal(from, to))
                return;
        if (json_is_object(from) && json_is_object(to))
                objects(d, from, to);
        else if (json_is_array(from) && json_is_array(to))
                lists(d, from, to);
        else
                tell(d, from, to);
}

/* What each write changes, and nobody declares. */
static json_t *declared(const json_t *object) {
        static const char *const server[] = { "resourceVersion", "generation", "uid",
                                              "creationTimestamp", "managedFields" };
        json_t *copy = json_copy((json_t *)object);
        json_t *metadata = json_copy(json_get(object, "metadata"));

        for (size_t i = 0; i < ARRAY_SIZE(server); i++)
                json_object_del(metadata, server[i]);
        json_object_del(copy, "status");
        if (metadata)
                json_object_set_new(copy, "metadata", metadata);
        return copy;
}

json_t *difference(const json_t *from, const json_t *to) {
        cleanup_(json_freep) json_t *a = declared(from), *b = declared(to);
        struct differing d = { .fields = json_array() };
        json_t *out;

        objects(&d, a, b);
        buf_free(&d.path);
        out = json_pack("{s:o}", "fields", d.fields);
        if (d.more)
                json_object_set_new(out, "more", json_integer((json_int_t)d.more));
        return out;
}

json_t *difference_told(const char *type, const struct buf *from, const struct buf *to,
                        const uint8_t *key) {
        cleanup_(json_freep) json_t *a = NULL, *b = NULL;

        if (!from->len)
                return json_object();
        if (from->len + to->len > DIFFERENCE_OBJECTS_MAX)
                return json_pack("{s:b}", "large", 1);
        a = normalise_found(type, scan_of(from->data, from->len), key);
        b = normalise_found(type, scan_of(to->data, to->len), key);
        return difference(a, b);
}
