/* SPDX-License-Identifier: Apache-2.0 */
/* typed_pair.c - walking two values together: typed_compare and typed_merge
 *
 * Lists with keys may hold one key twice (an update can do that; an apply cannot): such items
 * are compared as one and are never merged into. */
#include "typed.h"
#include "typed_shape.h"

#include <stdlib.h>

/* --- items of a keyed list or set, found by their element */

struct entry {
        char *element; /* NULL: an item without a key */
        json_t *item;  /* borrowed */
        size_t times;  /* how often the element is there; kept on its first entry */
        size_t first;  /* index of the first entry with this element */
};

struct index {
        struct entry *entries;
        size_t count;
        struct map by_element; /* -> index of the first entry + 1 */
};

static void index_deinit(struct index *x) {
        for (size_t i = 0; i < x->count; i++)
                free(x->entries[i].element);
        free(x->entries);
        map_free(&x->by_element);
}

static void index_init(struct index *x, const struct schema_type *t, const json_t *list) {
        size_t n = json_array_size(list);

        *x = (struct index){ .entries = mem_array(struct entry, n ? n : 1) };
        for (size_t i = 0; i < n; i++) {
                struct entry *e = &x->entries[x->count];
                const char *why;
                uintptr_t first;

                e->item = json_array_get(list, i);
                e->element = typed_item_element(t, e->item, &why);
                if (!e->element)
                        continue;
                first = (uintptr_t)map_find(&x->by_element, e->element);
                if (!first) {
                        first = x->count + 1;
                        map_set(&x->by_element, e->element, (void *)first);
                }
                e->first = first - 1;
                x->entries[e->first].times++;
                x->count++;
        }
}

static const struct entry *index_find(const struct index *x, const char *element) {
        uintptr_t first = (uintptr_t)map_find(&x->by_element, element);

        return first ? &x->entries[first - 1] : NULL;
}

/* The item to merge or compare with: NULL when it is not there. */
static json_t *index_only(const struct index *x, const char *element) {
        const struct entry *e = index_find(x, element);

        return !e ? NULL : e->times == 1 ? e->item : json_null();
}

/* --- comparison */

struct compare {
        struct typed_comparison *out;
        struct fieldset_path path;
};

static void compare(struct compare *c, const struct schema_type *t, const json_t *a,
                    const json_t *b);

static void compare_leaf(struct compare *c, const json_t *a, const json_t *b) {
        if (!a)
                fieldset_insert(c->out->added, &c->path);
        else if (!b)
                fieldset_insert(c->out->removed, &c->path);
        else if (!typed_equal(a, b))
                fieldset_insert(c->out->modified, &c->path);
}

static void compare_below(struct compare *c, const char *element, const struct schema_type *t,
                          const json_t *a, const json_t *b) {
        if (!t || c->path.length == FIELDSET_DEPTH_MAX)
                return;
        c->path.element[c->path.length++] = element;
        compare(c, t, a, b);
        c->path.length--;
}

static void mark(struct compare *c, json_t *set, const char *element) {
        if (c->path.length == FIELDSET_DEPTH_MAX)
                return;
        c->path.element[c->path.length++] = element;
        fieldset_insert(set, &c->path);
        c->path.length--;
}

static bool same_duplicates(const struct index *x, const struct index *y, const char *element) {
        size_t j = 0;

        for (size_t i = 0; i < x->count; i++) {
                if (!str_eq(x->entries[i].element, element))
                        continue;
                while (j < y->count && !str_eq(y->entries[j].element, element))
                        j++;
                if (j == y->count || !typed_equal(x->entries[i].item, y->entries[j].item))
                        return false;
                j++;
        }
        while (j < y->count && !str_eq(y->entries[j].element, element))
                j++;
        return j == y->count;
}

static void compare_item(struct compare *c, const struct schema_type *t, const char *element,
                         const struct index *x, const struct index *y) {
        const struct entry *a = index_find(x, element), *b = index_find(y, element);
        size_t before = a ? a->times : 0, after = b ? b->times : 0;

        if (before <= 1 && after <= 1) {
                compare_below(c, element, t->item, a ? a->item : NULL, b ? b->item : NULL);
        } else if (before >= 2 && after >= 2) {
                if (!same_duplicates(x, y, element))
                        mark(c, c->out->modified, element);
        } else if (before >= 2) {
                if (b)
                        compare_below(c, element, t->item, NULL, b->item);
                mark(c, c->out->removed, element);
        } else {
                if (a)
                        compare_below(c, element, t->item, a->item, NULL);
                mark(c, c->out->added, element);
        }
}

static void compare_items(struct compare *c, const struct schema_type *t, const json_t *a,
                          const json_t *b) {
        cleanup_(index_deinit) struct index x, y;

        index_init(&x, t, json_is_array(a) ? a : NULL);
        index_init(&y, t, json_is_array(b) ? b : NULL);
        for (size_t i = 0; i < x.count; i++)
                if (x.entries[i].first == i)
                        compare_item(c, t, x.entries[i].element, &x, &y);
        for (size_t i = 0; i < y.count; i++)
                if (y.entries[i].first == i && !index_find(&x, y.entries[i].element))
                        compare_item(c, t, y.entries[i].element, &x, &y);
}

static void compare_members(struct compare *c, const struct schema_type *t, const json_t *a,
                            const json_t *b) {
        const char *key;
        json_t *value;

        json_object_foreach((json_t *)a, key, value) {
                cleanup_(freep) char *element = str_format("f:%s", key);

                compare_below(c, element, schema_member(t, key), value, json_object_get(b, key));
        }
        json_object_foreach((json_t *)b, key, value) {
                cleanup_(freep) char *element = str_format("f:%s", key);

                if (!json_object_get(a, key))
                        compare_below(c, element, schema_member(t, key), NULL, value);
        }
}

/* One shape of the two. True: it was a leaf, so that the path is accounted for. */
static bool compare_shape(struct compare *c, const struct schema_type *t, enum typed_shape shape,
                          const json_t *a, const json_t *b) {
        const json_t *x = shape == TYPED_LIST ? (json_is_array(a) ? a : NULL)
                                              : (json_is_object(a) ? a : NULL);
        const json_t *y = shape == TYPED_LIST ? (json_is_array(b) ? b : NULL)
                                              : (json_is_object(b) ? b : NULL);
        bool atomic = shape == TYPED_LIST ? t->list_atomic : t->map_atomic;

        if (shape == TYPED_SCALAR || atomic || (typed_shape_empty(x) && typed_shape_empty(y))) {
                compare_leaf(c, a, b);
                return true;
        }
        if (shape == TYPED_LIST)
                compare_items(c, t, x, y);
        else
                compare_members(c, t, x, y);
        return false;
}

static void compare(struct compare *c, const struct schema_type *t, const json_t *a,
                    const json_t *b) {
        enum typed_shape before = typed_shape_of(t, a), after = typed_shape_of(t, b);
        bool leaf;

        if (!b) {
                leaf = compare_shape(c, t, before, a, b);
        } else {
                if (a && before != after)
                        compare_shape(c, t, before, a, b);
                leaf = compare_shape(c, t, after, a, b);
        }
        if (!leaf && !a)
                fieldset_insert(c->out->added, &c->path);
        else if (!leaf && !b)
                fieldset_insert(c->out->removed, &c->path);
}

void typed_compare(const struct schema_type *t, const json_t *before, const json_t *after,
                   struct typed_comparison *ret) {
        struct compare c = { .out = ret };

        *ret = (struct typed_comparison){ json_object(), json_object(), json_object() };
        if (before || after)
                compare(&c, t, before, after);
}

void typed_comparison_deinit(struct typed_comparison *c) {
        json_decref(c->added);
        json_decref(c->modified);
        json_decref(c->removed);
        *c = (struct typed_comparison){ 0 };
}

/* --- merge */

struct weave {
        const struct schema_type *t;
        struct index base, over;
        size_t i, j;       /* next entry of base, of over */
        size_t shared;     /* entry of over that is next among those that base has too */
        struct map merged; /* elements of over that were taken */
        json_t *out;
};

static void next_shared(struct weave *w) {
        while (w->shared < w->over.count &&
               !index_find(&w->base, w->over.entries[w->shared].element))
                w->shared++;
}

static void weave_put(struct weave *w, const json_t *base, const json_t *over) {
        json_t *item = typed_merge(w->t->item, base, over);

        if (item)
                json_array_append_new(w->out, item);
}

static void weave_over(struct weave *w) {
        const char *element = w->over.entries[w->j].element;

        map_set(&w->merged, element, w);
        weave_put(w, index_only(&w->base, element), w->over.entries[w->j].item);
        if (w->shared == w->j) {
                w->shared++;
                next_shared(w);
        }
        w->j++;
}

/* One step of bringing both orders together: the items of OVER keep their order, those that only
 * BASE has stay as near as that allows. */
static void weave_step(struct weave *w) {
        bool has_base = w->i < w->base.count, has_over = w->j < w->over.count;
        const struct entry *b = has_base ? &w->base.entries[w->i] : NULL;

        if (has_base && has_over) {
                if (str_eq(b->element, w->over.entries[w->j].element)) {
                        w->i++;
                        weave_over(w);
                        return;
                }
                if (index_find(&w->over, b->element) && w->shared < w->over.count &&
                    !str_eq(w->over.entries[w->shared].element, b->element)) {
                        w->i++;
                        return;
                }
        }
        if (has_base && !index_find(&w->over, b->element)) {
                weave_put(w, b->item, NULL);
                w->i++;
                return;
        }
        if (has_base && map_find(&w->merged, b->element))
                w->i++;
        if (has_over)
                weave_over(w);
}

static json_t *merge_items(const struct schema_type *t, const json_t *base, const json_t *over) {
        struct weave w = { .t = t, .out = json_array() };

        index_init(&w.base, t, json_is_array(base) ? base : NULL);
        index_init(&w.over, t, json_is_array(over) ? over : NULL);
        next_shared(&w);
        while (w.i < w.base.count || w.j < w.over.count)
                weave_step(&w);
        index_deinit(&w.base);
        index_deinit(&w.over);
        map_free(&w.merged);
        return w.out;
}

static void merge_member(json_t *out, const struct schema_type *t, const char *key,
                         const json_t *base, const json_t *over) {
        const struct schema_type *type = schema_member(t, key);
        json_t *value =
                type ? typed_merge(type, base, over) : json_incref((json_t *)(over ?: base));

        if (value)
                json_object_set_new(out, key, value);
}

static json_t *merge_members(const struct schema_type *t, const json_t *base, const json_t *over) {
        json_t *out = json_object(), *value;
        const char *key;

        json_object_foreach((json_t *)base, key, value) {
                merge_member(out, t, key, value, json_object_get(over, key));
        }
        json_object_foreach((json_t *)over, key, value) {
                if (!json_object_get(base, key))
                        merge_member(out, t, key, NULL, value);
        }
        return out;
}

json_t *typed_merge(const struct schema_type *t, const json_t *base, const json_t *over) {
        enum typed_shape shape = typed_shape_of(t, over ? over : base);
        bool list = shape == TYPED_LIST;
        const json_t *x =
                list ? (json_is_array(base) ? base : NULL) : (json_is_object(base) ? base : NULL);
        const json_t *y =
                list ? (json_is_array(over) ? over : NULL) : (json_is_object(over) ? over : NULL);
        json_t *out;

        if (shape == TYPED_SCALAR || (list ? t->list_atomic : t->map_atomic) ||
            (typed_shape_empty(x) && typed_shape_empty(y)))
                return json_incref((json_t *)(over ?: base));
        out = list ? merge_items(t, x, y) : merge_members(t, x, y);
        if (typed_shape_empty(out)) {
                json_decref(out);
                return NULL;
        }
        return out;
}
