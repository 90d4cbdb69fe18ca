/* SPDX-License-Identifier: Apache-2.0 */
/* schema.c - building type descriptions, and reading them from schema.txt; see schema.h */
#include "schema.h"

#include <errno.h>
#include <stdlib.h>

static void *field_free(struct schema_field *f) {
        json_decref(f->fallback);
        free(f);
        return NULL;
}

static void type_free(struct schema_type *t) {
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&t->fields, &i));)
                field_free(e->value);
        map_free(&t->fields);
        for (size_t i = 0; i < t->key_count; i++)
                free(t->keys[i]);
        free(t->keys);
        free(t->name);
        free(t);
}

void schema_deinit(struct schema *s) {
        for (size_t i = 0; i < s->count; i++)
                type_free(s->all[i]);
        free(s->all);
        map_free(&s->names);
        *s = (struct schema){ 0 };
}

struct schema_type *schema_add(struct schema *s, const char *name) {
        struct schema_type *t = mem_new(struct schema_type);

        t->name = str_dup(name);
        s->all = mem_grow(s->all, &s->room, s->count + 1, sizeof(*s->all));
        s->all[s->count++] = t;
        if (name)
                map_set(&s->names, name, t);
        return t;
}

struct schema_type *schema_find(const struct schema *s, const char *name) {
        return map_find(&s->names, name);
}

struct schema_type *schema_get(struct schema *s, const char *name) {
        struct schema_type *t = schema_find(s, name);

        return t ? t : schema_add(s, name);
}

struct schema_type *schema_untyped(struct schema *s) {
        struct schema_type *t = schema_find(s, "~");

        if (t)
                return t;
        t = schema_add(s, "~");
        t->scalar = SCHEMA_ANY_SCALAR;
        t->has_list = t->has_map = t->list_atomic = t->map_atomic = t->reached = true;
        t->item = t->other = t;
        return t;
}

struct schema_type *schema_deduced(struct schema *s) {
        struct schema_type *t = schema_find(s, "*");

        if (t)
                return t;
        t = schema_add(s, "*");
        t->scalar = SCHEMA_ANY_SCALAR;
        t->has_list = t->has_map = t->list_atomic = t->deduced = t->reached = true;
        t->item = schema_untyped(s);
        t->other = t;
        return t;
}

void schema_field(struct schema_type *t, const char *name, struct schema_type *type,
                  json_t *fallback) {
        struct schema_field *f = mem_new(struct schema_field), *before;

        f->type = type;
        f->fallback = fallback;
        before = map_set(&t->fields, name, f);
        if (before)
                field_free(before);
}

const struct schema_field *schema_field_find(const struct schema_type *t, const char *name) {
        return map_find(&t->fields, name);
}

const struct schema_type *schema_member(const struct schema_type *t, const char *name) {
        const struct schema_field *f = schema_field_find(t, name);

        return f ? f->type : t->other;
}

static int by_text(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

void schema_keys(struct schema_type *t, const char *comma_separated) {
        size_t room = 0;

        for (const char *p = comma_separated; *p;) {
                size_t n = strcspn(p, ",");

                t->keys = mem_grow(t->keys, &room, t->key_count + 1, sizeof(*t->keys));
                t->keys[t->key_count++] = str_ndup(p, n);
                p += n + (p[n] == ',');
        }
        if (t->key_count)
                qsort(t->keys, t->key_count, sizeof(*t->keys), by_text);
}

static struct schema_type *scalar(struct schema *s, char letter) {
        static const struct {
                char letter;
                enum schema_scalar scalar;
        } table[] = { { 's', SCHEMA_STRING },
                      { 'n', SCHEMA_NUMBER },
                      { 'b', SCHEMA_BOOLEAN },
                      { 'u', SCHEMA_ANY_SCALAR } };
        char name[2] = { letter, '\0' };
        struct schema_type *t = schema_find(s, name);

        for (size_t i = 0; !t && i < ARRAY_SIZE(table); i++) {
                if (table[i].letter != letter)
                        continue;
                t = schema_add(s, name);
                t->scalar = table[i].scalar;
                t->reached = true;
        }
        return t;
}

static struct schema_type *read_type(struct schema *s, const char *text);

/* "[]T" atomic, "[=]T" a set, "[a,b]T" keyed. */
static struct schema_type *read_list(struct schema *s, const char *text) {
        const char *end = strchr(text, ']');
        cleanup_(freep) char *keys = end ? str_ndup(text + 1, (size_t)(end - text - 1)) : NULL;
        struct schema_type *t;

        if (!end)
                return NULL;
        t = schema_add(s, NULL);
        t->has_list = t->reached = true;
        t->list_atomic = !*keys;
        if (*keys && !str_eq(keys, "="))
                schema_keys(t, keys);
        t->item = read_type(s, end + 1);
        return t->item ? t : NULL;
}

static struct schema_type *read_map(struct schema *s, const char *text) {
        struct schema_type *t = schema_add(s, NULL);

        t->has_map = t->reached = true;
        t->map_atomic = str_starts(text, "{!}");
        t->other = read_type(s, text + (t->map_atomic ? 3 : 2));
        return t->other ? t : NULL;
}

static struct schema_type *read_type(struct schema *s, const char *text) {
        struct schema_type *t;

        if (text[0] == '[')
                return read_list(s, text);
        if (text[0] == '{')
                return read_map(s, text);
        if (text[0] && !text[1]) {
                if (text[0] == '*')
                        return schema_deduced(s);
                if (text[0] == '~')
                        return schema_untyped(s);
                return scalar(s, text[0]);
        }
        t = *text ? schema_get(s, text) : NULL;
        return t;
}

/* "name:T" or "name:T=default". */
static int read_field(struct schema *s, struct schema_type *t, char *text, struct err *err) {
        char *colon = strchr(text, ':'), *equals;
        struct schema_type *type;

        if (!colon)
                return err_set(err, -EINVAL, "field \"%s\" has no type", text);
        *colon = '\0';
        equals = strrchr(colon + 1, '=');
        if (equals && equals[-1] == '[')
                equals = NULL;
        if (equals)
                *equals = '\0';
        type = read_type(s, colon + 1);
        if (!type)
                return err_set(err, -EINVAL, "field \"%s\" has the unknown type \"%s\"", text,
                               colon + 1);
        if (str_eq(text, "..."))
                t->other = type;
        else
                schema_field(t, text, type, equals ? json_string(equals + 1) : NULL);
        return 0;
}

static int read_line(struct schema *s, char *line, struct err *err) {
        char *save = NULL, *name = strtok_r(line, " ", &save), *field;
        bool atomic = name && name[0] == '!';
        struct schema_type *t;
        int r;

        if (!name || name[0] == '#')
                return 0;
        t = schema_get(s, name + atomic);
        t->has_map = t->reached = true;
        t->map_atomic = atomic;
        while ((field = strtok_r(NULL, " ", &save))) {
                r = read_field(s, t, field, err);
                if (r < 0)
                        return err_add(err, r, "type %s", t->name);
        }
        return 0;
}

int schema_read(struct schema *s, const char *text, struct err *err) {
        int r;

        while (*text) {
                size_t n = strcspn(text, "\n");
                cleanup_(freep) char *line = str_ndup(text, n);

                r = read_line(s, line, err);
                if (r < 0)
                        return r;
                text += n + (text[n] == '\n');
        }
        for (size_t i = 0; i < s->count; i++)
                if (!s->all[i]->reached)
                        return err_set(err, -EINVAL, "type %s is used but not described",
                                       s->all[i]->name);
        return 0;
}
