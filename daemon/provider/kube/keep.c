/* SPDX-License-Identifier: Apache-2.0 */
/* keep.c - see keep.h; pure
 *
 * Walks document, found object, baseline and the other writers' field sets together, down the
 * path of a field. A rule may name an object: then each leaf below it that we declare is kept. Of
 * values that are hidden nothing can be declared: they stay as the document says, unless another
 * writer owns them. */
#include "keep.h"

#include "field-path.h"
#include "project.h"

#include <stdlib.h>

#define OTHERS_MAX 16 /* writers of one object that are looked at: the newest are the last */

struct at { /* the same place in all of them; NULL: it is not there */
        json_t *document;
        const json_t *found, *baseline;
        const json_t *others[OTHERS_MAX];
        size_t other_count;
};

struct keeping {
        const struct apply_request *request;
        bool give_up, changed;
        json_t *owned; /* list of paths */
        json_t *path;  /* of managedFields, to where the walk is */
};

static void walk(struct keeping *k, const struct at *at, const char *path);

/* ---- one step down */

static const json_t *child_of_set(const json_t *set, const char *element) {
        return set ? json_object_get(set, element) : NULL;
}

bool keep_names_item(const char *element, const json_t *item) {
        cleanup_(json_freep) json_t *key = NULL;
        const char *name;
        json_t *value;
        bool said = false;

        if (!str_starts(element, "k:") ||
            json_parse(element + 2, strlen(element + 2), &key, NULL) < 0)
                return false;
        json_object_foreach(key, name, value) {
                const json_t *has = json_object_get(item, name);

                if (has && !json_equal(has, value))
                        return false;
                said |= has != NULL;
        }
        return said;
}

char *keep_element(const char *like, const json_t *item, bool whole) {
        cleanup_(json_freep) json_t *names = NULL, *own = json_object();
        cleanup_(freep) char *text = NULL;
        const char *name;
        json_t *value;

        if (json_parse(like + 2, strlen(like + 2), &names, NULL) < 0)
                return NULL;
        json_object_foreach(names, name, value) {
                if (json_get(item, name))
                        json_object_set(own, name, json_get(item, name));
                else if (whole)
                        return NULL;
        }
        if (json_object_size(own) == 0)
                return NULL;
        text = json_text(own);
        return str_format("k:%s", text);
}

static const json_t *item_of_set(const json_t *set, const json_t *item) {
        const char *name;
        json_t *child;

        json_object_foreach((json_t *)set, name, child) {
                if (keep_names_item(name, item))
                        return child;
        }
        return NULL;
}

static struct at step_member(const struct at *at, const char *name) {
        cleanup_(freep) char *element = str_format("f:%s", name);
        struct at to = { .document = json_object_get(at->document, name),
                         .found = json_object_get(at->found, name),
                         .baseline = json_object_get(at->baseline, name),
                         .other_count = at->other_count };

        for (size_t i = 0; i < at->other_count; i++)
                to.others[i] = child_of_set(at->others[i], element);
        return to;
}

/* The item of LIST that is the same one as ITEM: by what names items of lists. */
static const json_t *same_item(const json_t *list, const json_t *item) {
        static const char *const keys[] = { "name", "containerPort", "port", "mountPath",
                                            "ip",   "key",           "type", NULL };
        const json_t *other;
        size_t i;

        for (const char *const *k = keys; *k; k++) {
                const json_t *value = json_get(item, *k);

                if (!value)
                        continue;
                json_array_foreach(list, i, other)
                        if (json_equal(json_get(other, *k), value))
                                return other;
                return NULL;
        }
        return NULL;
}

/* ---- at the field */

/* Another writer has items of this list, and the rest is not its: left out, ours would go. */
static bool others_own_items(const struct at *at) {
        for (size_t i = 0; json_is_array(at->document) && i < at->other_count; i++)
                if (json_object_size(at->others[i]))
                        return true;
        return false;
}

static bool others_own(const struct at *at) {
        for (size_t i = 0; i < at->other_count; i++)
                if (at->others[i] &&
                    !(json_is_array(at->document) && json_object_size(at->others[i])))
                        return true;
        return false;
}

static bool has_value(const json_t *list, const json_t *value) {
        const json_t *other;
        size_t i;

        json_array_foreach(list, i, other)
                if (json_equal(other, value))
                        return true;
        return false;
}

/* The items of LIVE that DOCUMENT declares, as they are. NULL: none is there. */
static json_t *declared_items(const json_t *live, const json_t *document) {
        json_t *list = json_array(), *item;
        size_t i;

        json_array_foreach(live, i, item)
                if (json_is_object(item) ? same_item(document, item) != NULL
                                         : has_value(document, item))
                        json_array_append_new(list, json_deep_copy(item));
        if (json_array_size(list))
                return list;
        json_decref(list);
        return NULL;
}

enum keep { KEEP_AS_DECLARED, KEEP_LEAVE_OUT, KEEP_SET };

static enum keep judge(const struct keeping *k, const struct at *at, const json_t **ret_live) {
        const struct apply_request *r = k->request;

        *ret_live = r->found ? at->found : at->baseline;
        if (others_own(at))
                return KEEP_LEAVE_OUT;
        if (!r->found && !r->baseline)
                return KEEP_AS_DECLARED; /* nothing is known: left out, it might be deleted */
        if (!*ret_live)
                return KEEP_LEAVE_OUT;
        if (k->give_up)
                return KEEP_LEAVE_OUT;
        if (project_is_hidden(json_string_value(*ret_live)) || json_equal(*ret_live, at->document))
                return KEEP_AS_DECLARED;
        return KEEP_SET;
}

/* At NAME of the object OBJECT, or at INDEX of a list. */
struct slot {
        json_t *object;
        const char *name;
        size_t index;
};

static void keep_leaf(struct keeping *k, const struct at *at, const struct slot *s) {
        const json_t *live;
        enum keep what = judge(k, at, &live);
        json_t *value = NULL;

        if (what == KEEP_AS_DECLARED)
                return;
        if (what == KEEP_SET)
                value = others_own_items(at) ? declared_items(live, at->document)
                                             : json_deep_copy(live);
        k->changed = true;
        if (what == KEEP_LEAVE_OUT && k->give_up && live && !others_own(at)) {
                if (!k->owned)
                        k->owned = json_array();
                json_array_append_new(k->owned, json_deep_copy(k->path));
        }
        if (value && s->name)
                json_object_set_new(s->object, s->name, value);
        else if (value)
                json_array_set_new(s->object, s->index, value);
        else if (s->name)
                json_object_del(s->object, s->name);
        else
                json_array_remove(s->object, s->index);
}

static void push(struct keeping *k, json_t *element) {
        json_array_append_new(k->path, element);
}

static void pop(struct keeping *k) {
        json_array_remove(k->path, json_array_size(k->path) - 1);
}

/* Without it the document is none, or of another object: it is declared whatever a rule says. */
static bool names_it(const struct keeping *k, const char *name) {
        size_t depth = json_array_size(k->path);
        const char *first = json_string_value(json_array_get(k->path, 0));

        if (depth == 0)
                return str_eq(name, "apiVersion") || str_eq(name, "kind");
        return depth == 1 && str_eq(first, "f:metadata") &&
               (str_eq(name, "name") || str_eq(name, "namespace"));
}

static void walk_member(struct keeping *k, const struct at *at, const char *name,
                        const char *rest) {
        struct at to = step_member(at, name);
        struct slot slot = { at->document, name, 0 };

        if (!to.document || names_it(k, name))
                return;
        push(k, json_sprintf("f:%s", name));
        if (*rest || json_object_size(to.document))
                walk(k, &to, rest);
        else
                keep_leaf(k, &to, &slot);
        pop(k);
}

/* All members: a rule may name what they lie in. */
static void walk_all(struct keeping *k, const struct at *at) {
        cleanup_(json_freep) json_t *names = json_array();
        const char *name;
        json_t *value;
        size_t i;

        json_object_foreach(at->document, name, value) {
                json_array_append_new(names, json_string(name));
        }
        json_array_foreach(names, i, value)
                walk_member(k, at, json_string_value(value), "");
}

static void walk_item(struct keeping *k, const struct at *at, size_t index, const char *rest) {
        json_t *item = json_array_get(at->document, index);
        struct at to = { .document = item,
                         .found = same_item(at->found, item),
                         .baseline = same_item(at->baseline, item),
                         .other_count = at->other_count };

        for (size_t i = 0; i < at->other_count; i++)
                to.others[i] = item_of_set(at->others[i], item);
        push(k, json_deep_copy(item));
        if (json_is_object(item))
                walk(k, &to, rest);
        pop(k);
}

static void walk_items(struct keeping *k, const struct at *at, const char *chosen,
                       const char *rest) {
        for (size_t i = json_array_size(at->document); i-- > 0;)
                if (field_path_chooses(chosen, json_array_get(at->document, i)))
                        walk_item(k, at, i, rest);
}

static void walk(struct keeping *k, const struct at *at, const char *path) {
        struct field_step s;

        if (!field_path_next(&path, &s)) {
                if (json_is_object(at->document))
                        walk_all(k, at);
                return;
        }
        if (json_is_object(at->document) && (!s.item || str_eq(s.text, "*"))) {
                if (s.item)
                        walk_all(k, at);
                else
                        walk_member(k, at, s.text, path);
        } else if (json_is_array(at->document)) {
                walk_items(k, at, s.text, path);
        }
        free(s.text);
}

static void gather_others(const json_t *found, struct at *at) {
        const json_t *other, *list = json_get(found, "others");
        size_t i;

        json_array_foreach(list, i, other)
                if (at->other_count < OTHERS_MAX)
                        at->others[at->other_count++] = json_get(other, "fields");
}

json_t *keep_document(const struct apply_request *r, json_t **ret_owned) {
        struct keeping k = { .request = r };
        struct at at = { .found = json_get(r->found, "object"), .baseline = r->baseline };
        json_t *copy;

        *ret_owned = NULL;
        if (!r->kept_count)
                return NULL;
        copy = json_deep_copy(r->wanted);
        at.document = copy;
        gather_others(r->found, &at);
        for (size_t i = 0; i < r->kept_count; i++) {
                k.path = json_array();
                k.give_up = r->kept[i].give_up;
                walk(&k, &at, r->kept[i].field);
                json_decref(k.path);
        }
        if (!k.changed) {
                json_decref(copy);
                return NULL;
        }
        *ret_owned = k.owned;
        return copy;
}
