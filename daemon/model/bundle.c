/* SPDX-License-Identifier: Apache-2.0 */
/* bundle.c - the struct of a bundle and the small texts in it; bundle-parse.c reads documents
 * into it */
#include "bundle.h"

#include "name.h"
#include "size.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

struct bundle *bundle_new(void) {
        return mem_new(struct bundle);
}

static void free_values(struct bundle_values *v) {
        for (size_t i = 0; i < v->count; i++) {
                free(v->items[i].name);
                json_decref(v->items[i].value);
        }
        free(v->items);
}

static void deinit_application(struct bundle_application *a) {
        free(a->name);
        free(a->charm);
        free(a->channel);
        json_decref(a->constraints);
        free_values(&a->options);
        free_values(&a->storage);
        free_values(&a->resources);
        free_values(&a->kept);
}

void bundle_side_deinit(struct bundle_side *s) {
        free(s->application);
        free(s->endpoint);
        *s = (struct bundle_side){};
}

static void deinit_relation(struct bundle_relation *r) {
        bundle_side_deinit(&r->sides[0]);
        bundle_side_deinit(&r->sides[1]);
}

struct bundle *bundle_free(struct bundle *b) {
        if (!b)
                return NULL;
        for (size_t i = 0; i < b->application_count; i++)
                deinit_application(&b->applications[i]);
        for (size_t i = 0; i < b->relation_count; i++)
                deinit_relation(&b->relations[i]);
        for (size_t i = 0; i < b->file_count; i++)
                free(b->files[i]);
        free(b->applications);
        free(b->relations);
        free(b->files);
        free(b->name);
        free(b->description);
        faults_deinit(&b->faults);
        faults_deinit(&b->notes);
        free(b);
        return NULL;
}

void bundle_freep(struct bundle **b) {
        *b = bundle_free(*b);
}

struct bundle_application *bundle_find(const struct bundle *b, const char *name) {
        for (size_t i = 0; i < b->application_count; i++) {
                if (str_eq(b->applications[i].name, name))
                        return &b->applications[i];
        }
        return NULL;
}

const struct bundle_value *bundle_value(const struct bundle_values *v, const char *name) {
        for (size_t i = 0; i < v->count; i++) {
                if (str_eq(v->items[i].name, name))
                        return &v->items[i];
        }
        return NULL;
}

void bundle_set(struct bundle_values *v, const char *name, json_t *value, struct bundle_place at) {
        struct bundle_value *item = (struct bundle_value *)bundle_value(v, name);

        if (!item) {
                v->items = mem_grow(v->items, &v->room, v->count + 1, sizeof(*v->items));
                item = &v->items[v->count++];
                *item = (struct bundle_value){ .name = str_dup(name) };
        }
        json_decref(item->value);
        item->value = value;
        item->at = at;
}

struct bundle_application *bundle_append(struct bundle *b, const char *name,
                                         struct bundle_place at) {
        struct bundle_application *a;

        b->applications = mem_grow(b->applications, &b->application_room, b->application_count + 1,
                                   sizeof(*b->applications));
        a = &b->applications[b->application_count++];
        *a = (struct bundle_application){
                .name = str_dup(name), .at = at, .revision = -1, .scale = -1, .trust = -1
        };
        return a;
}

void bundle_drop(struct bundle *b, const char *name) {
        struct bundle_application *a = bundle_find(b, name);
        size_t kept = 0, index;

        if (!a)
                return;
        for (size_t i = 0; i < b->relation_count; i++) {
                struct bundle_relation *r = &b->relations[i];

                if (str_eq(r->sides[0].application, name) || str_eq(r->sides[1].application, name))
                        deinit_relation(r);
                else
                        b->relations[kept++] = *r;
        }
        b->relation_count = kept;
        index = (size_t)(a - b->applications);
        deinit_application(a);
        b->application_count--;
        memmove(a, a + 1, (b->application_count - index) * sizeof(*a));
}

/* ---- small texts */

static bool is_endpoint(const char *s) {
        if (!isalpha((unsigned char)*s))
                return false;
        for (; *s; s++) {
                if (!isalnum((unsigned char)*s) && *s != '-' && *s != '_')
                        return false;
        }
        return true;
}

int bundle_read_side(const char *text, struct bundle_side *ret, struct err *err) {
        const char *colon = strchr(text, ':');
        cleanup_(freep) char *name = str_ndup(text, strcspn(text, ":"));
        int r = name_check_application(name, err);

        if (r < 0)
                return r;
        if (colon && !is_endpoint(colon + 1))
                return err_set(err, -EINVAL, "\"%.80s\": wants APPLICATION or APPLICATION:ENDPOINT",
                               text);
        ret->application = take_ptr(name);
        ret->endpoint = colon ? str_dup(colon + 1) : NULL;
        return 0;
}

static bool is_class(const char *s) {
        size_t n = strlen(s);

        if (n == 0 || n > 253 || !isalnum((unsigned char)s[0]) || !isalnum((unsigned char)s[n - 1]))
                return false;
        for (; *s; s++) {
                if (!islower((unsigned char)*s) && !isdigit((unsigned char)*s) && *s != '-' &&
                    *s != '.')
                        return false;
        }
        return true;
}

static int storage_part(const char *text, const char *part, bool first, bool last, json_t *into,
                        struct err *err) {
        int64_t n;

        if (str_to_int(part, &n) && !last) {
                if (n == 1)
                        return 0;
                return err_set(err, -EINVAL,
                               "storage \"%.80s\": has a count of %s; one is kept a unit", text,
                               part);
        }
        if (isdigit((unsigned char)*part) && size_parse(part, &n) && n > 0) {
                if (json_object_get(into, "size"))
                        return err_set(err, -EINVAL, "storage \"%.80s\": has two sizes", text);
                json_object_set_new(into, "size", json_integer(n));
                return 0;
        }
        /* A class may have such a name; who writes it means a size. */
        if (!first || !is_class(part) || str_to_int(part, &n))
                return err_set(err, -EINVAL,
                               "storage \"%.80s\": wants [CLASS,]SIZE, as in 10G or fast-ssd,10G",
                               text);
        json_object_set_new(into, "class", json_string(part));
        return 0;
}

int bundle_read_storage(const char *text, json_t **ret, struct err *err) {
        cleanup_(json_freep) json_t *into = json_object();
        cleanup_(freep) char *copy = str_dup(text);
        char *rest = copy, *part;
        bool first = true;

        while ((part = strsep(&rest, ","))) {
                int r = storage_part(text, part, first, !rest, into, err);

                if (r < 0)
                        return r;
                first = false;
        }
        *ret = take_ptr(into);
        return 0;
}
