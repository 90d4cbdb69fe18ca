/* SPDX-License-Identifier: Apache-2.0 */
/* fieldset.c - parses field sets, and finds what they name in an object; see fieldset.h
 *
 * A projection is one array of nodes in running order and one pool of names. Children stand in
 * the order of their kind and name, so that a member of an object is found by halving, and so
 * that the digest does not depend on the order in a text. Equal sets are one projection: 10,000
 * ConfigMaps of one shape share 400 bytes.
 *
 * What reads objects with it (digest, restriction) is in project.c, what compares in compare.c. */
#include "fieldset-inside.h"

#include "map.h"
#include "field-path.h"
#include "field-rules.h"

#include <errno.h>
#include <stdlib.h>

#define FIELDSET_NODES_MAX 200000 /* the largest CRD in use has 4,000; here so that garbage ends */
#define FIELDSET_DEPTH_MAX 100

static struct map interned = MAP_INIT; /* text -> projection */

struct building {
        struct projection *p;
        size_t node_room, pool_room;
        int depth;
};

static uint32_t pool_add(struct building *b, const char *s, size_t len) {
        struct projection *p = b->p;
        size_t at = p->pool_len;

        p->pool = mem_grow(p->pool, &b->pool_room, at + len + 1, 1);
        memcpy(p->pool + at, s, len);
        p->pool[at + len] = '\0';
        p->pool_len = at + len + 1;
        return (uint32_t)at;
}

static uint32_t node_add(struct building *b, enum fieldset_kind kind, const char *name,
                         size_t len) {
        struct projection *p = b->p;
        struct fieldset_node *n;

        p->nodes = mem_grow(p->nodes, &b->node_room, p->count + 1, sizeof(*p->nodes));
        n = &p->nodes[p->count];
        *n = (struct fieldset_node){ .kind = (uint8_t)kind };
        n->name = pool_add(b, name, len);
        n->name_len = (uint32_t)len;
        return p->count++;
}

/* One member of a fieldsV1 object before it becomes a node. */
struct element {
        enum fieldset_kind kind;
        char *name; /* the member's name, the key object or the value in canonical form */
        struct scan_slice children;
        const json_t *strict, *runtime; /* what the rules say from here on, or NULL */
};

static int compare_elements(const void *a, const void *b) {
        const struct element *x = a, *y = b;

        return x->kind != y->kind ? (int)x->kind - (int)y->kind : strcmp(x->name, y->name);
}

static bool kind_of(char letter, enum fieldset_kind *ret) {
        switch (letter) {
        case 'f':
                *ret = FIELDSET_FIELD;
                return true;
        case 'k':
                *ret = FIELDSET_KEY;
                return true;
        case 'v':
                *ret = FIELDSET_VALUE;
                return true;
        case 'i':
                *ret = FIELDSET_INDEX;
                return true;
        }
        return false;
}

static int read_element(const char *name, size_t len, struct element *ret, struct err *err) {
        cleanup_(buf_free) struct buf plain = BUF_INIT;

        if (len < 2 || name[1] != ':' || !kind_of(name[0], &ret->kind))
                return err_set(err, -EBADMSG, "field set: \"%.*s\" is no path element",
                               (int)MIN_OF(len, 60u), name);
        if (ret->kind == FIELDSET_FIELD || ret->kind == FIELDSET_INDEX) {
                ret->name = str_ndup(name + 2, len - 2);
                return 0;
        }
        if (!scan_canonical(scan_of(name + 2, len - 2), &plain) ||
            (ret->kind == FIELDSET_KEY && buf_str(&plain)[0] != '{'))
                return err_set(err, -EBADMSG, "field set: \"%.*s\" has no JSON value",
                               (int)MIN_OF(len, 60u), name);
        ret->name = buf_take(&plain);
        return 0;
}

struct elements {
        struct element *items;
        size_t count, room;
        bool self; /* "." was there */
};

static void elements_free(struct elements *e) {
        for (size_t i = 0; i < e->count; i++)
                free(e->items[i].name);
        free(e->items);
}

static struct element *element_add(struct elements *e) {
        e->items = mem_grow(e->items, &e->room, e->count + 1, sizeof(*e->items));
        e->items[e->count] = (struct element){ 0 };
        return &e->items[e->count++];
}

static bool has_element(const struct elements *e, const char *field) {
        for (size_t i = 0; i < e->count; i++)
                if (e->items[i].kind == FIELDSET_FIELD && str_eq(e->items[i].name, field))
                        return true;
        return false;
}

/* What is strict is watched also where nothing of it is ours. */
static void add_strict(struct elements *e, const struct element *parent) {
        const char *name;
        json_t *below;

        json_object_foreach((json_t *)parent->strict, name, below) {
                struct element *x;

                if (!str_starts(name, "f:") || has_element(e, name + 2))
                        continue;
                x = element_add(e);
                x->name = str_dup(name + 2);
                x->strict = below;
                x->runtime = field_tree_child(parent->runtime, name);
        }
}

static int read_elements(const struct element *parent, struct elements *ret, struct err *err) {
        struct scan_slice name, value;
        struct scan_cursor c;
        int r;

        if (parent->children.text && !scan_object(parent->children, &c))
                return err_set(err, -EBADMSG, "field set: not an object");
        while (parent->children.text && scan_member(&c, &name, &value)) {
                cleanup_(buf_free) struct buf plain = BUF_INIT;
                struct element *e;

                scan_name(name, &plain);
                if (str_eq(buf_str(&plain), ".")) {
                        ret->self = true;
                        continue;
                }
                e = element_add(ret);
                e->children = value;
                e->strict = field_tree_child(parent->strict, buf_str(&plain));
                e->runtime = field_tree_child(parent->runtime, buf_str(&plain));
                r = read_element(buf_str(&plain), plain.len, e, err);
                if (r < 0)
                        return r;
        }
        add_strict(ret, parent);
        if (ret->count)
                qsort(ret->items, ret->count, sizeof(*ret->items), compare_elements);
        return 0;
}

/* {"name":"x","port":1}: one part for each key, so that an item is matched without making its
 * key's text. */
static void add_key_parts(struct building *b, const char *key) {
        struct scan_slice name, value;
        struct scan_cursor c;

        if (!scan_object(scan_of(key, strlen(key)), &c))
                return;
        while (scan_member(&c, &name, &value)) {
                cleanup_(buf_free) struct buf plain = BUF_INIT;
                uint32_t part, text;

                scan_name(name, &plain);
                part = node_add(b, FIELDSET_PART, buf_str(&plain), plain.len);
                text = pool_add(b, value.text, value.len);
                b->p->nodes[part].value = text;
                b->p->nodes[part].value_len = (uint32_t)value.len;
                b->p->nodes[part].next = (uint32_t)b->p->count;
        }
}

static int add_children(struct building *b, uint32_t at, const struct element *e, struct err *err);

static void make_strict(struct building *b, uint32_t at, const struct element *e) {
        struct projection *p = b->p;

        if (!e->strict || json_object_size(e->strict))
                return;
        p->nodes[at].strict = true;
        if (!e->runtime)
                return;
        p->left = mem_grow(p->left, &p->left_room, p->left_count + 1, sizeof(*p->left));
        p->left[p->left_count++] = (struct fieldset_left){ at, e->runtime };
}

static int add_child(struct building *b, const struct element *e, struct err *err) {
        uint32_t at = node_add(b, e->kind, e->name, strlen(e->name));
        int r;

        if (b->p->count > FIELDSET_NODES_MAX)
                return err_set(err, -EBADMSG, "field set: more than %d fields", FIELDSET_NODES_MAX);
        if (e->kind == FIELDSET_KEY)
                add_key_parts(b, e->name);
        make_strict(b, at, e);
        b->p->nodes[at].first = (uint32_t)b->p->count;
        r = add_children(b, at, e, err);
        if (r < 0)
                return r;
        b->p->nodes[at].next = (uint32_t)b->p->count;
        return 0;
}

static int add_children(struct building *b, uint32_t parent, const struct element *of,
                        struct err *err) {
        cleanup_(elements_free) struct elements e = { 0 };
        int r;

        if (b->depth >= FIELDSET_DEPTH_MAX)
                return err_set(err, -EBADMSG, "field set: nested deeper than %d",
                               FIELDSET_DEPTH_MAX);
        r = read_elements(of, &e, err);
        if (r < 0)
                return r;
        b->p->nodes[parent].self = e.self;
        b->p->nodes[parent].children = (uint32_t)e.count;
        b->depth++;
        for (size_t i = 0; i < e.count && r == 0; i++)
                r = add_child(b, &e.items[i], err);
        b->depth--;
        return r;
}

static void projection_free(struct projection *p) {
        json_decref(p->strict);
        json_decref(p->runtime);
        free(p->left);
        free(p->nodes);
        free(p->pool);
        free(p->version);
        free(p->text);
        free(p);
}

static void fit(void **p, size_t size) {
        void *copy = mem_dup(*p, size);

        free(*p);
        *p = copy;
}

/* An object of objects, at least; what else is in it leads nowhere. */
static json_t *read_tree(struct scan_slice text) {
        json_t *tree = text.text ? scan_json(text) : NULL;

        if (json_object_size(tree))
                return tree;
        json_decref(tree);
        return NULL;
}

static int build(const char *text, struct projection **ret, struct err *err) {
        struct scan_slice all = scan_of(text, strlen(text));
        struct building b = { .p = mem_new(struct projection) };
        struct element root = { .children = scan_get(all, "fields") };
        int r;

        node_add(&b, FIELDSET_FIELD, "", 0);
        b.p->version = scan_dup(scan_get(all, "apiVersion"));
        root.strict = b.p->strict = read_tree(scan_get(all, "strict"));
        root.runtime = b.p->runtime = read_tree(scan_get(all, "runtime"));
        if (!b.p->version)
                r = err_set(err, -EBADMSG, "field set: no apiVersion");
        else if (!root.children.text)
                r = err_set(err, -EBADMSG, "field set: no fields");
        else
                r = add_children(&b, 0, &root, err);
        if (r < 0) {
                projection_free(b.p);
                return r;
        }
        b.p->nodes[0].first = 1;
        b.p->nodes[0].next = (uint32_t)b.p->count;
        b.p->text = str_dup(text);
        b.p->refs = 1;
        /* Projections live long and are many: give back what growing left over. */
        fit((void **)&b.p->nodes, b.p->count * sizeof(*b.p->nodes));
        fit((void **)&b.p->pool, b.p->pool_len);
        *ret = b.p;
        return 0;
}

int fieldset_parse(const char *text, struct projection **ret, struct err *err) {
        struct projection *p = map_find(&interned, text);
        int r;

        if (p) {
                *ret = fieldset_ref(p);
                return 0;
        }
        r = build(text, &p, err);
        if (r < 0)
                return r;
        map_set(&interned, p->text, p);
        *ret = p;
        return 0;
}

struct projection *fieldset_ref(const struct projection *p) {
        struct projection *mine = (struct projection *)p;

        if (mine)
                mine->refs++;
        return mine;
}

void fieldset_unref(struct projection *p) {
        if (!p || --p->refs > 0)
                return;
        map_remove(&interned, p->text);
        if (interned.count == 0)
                map_free(&interned);
        projection_free(p);
}

bool fieldset_is_strict(const struct projection *p) {
        return p && p->strict;
}

const json_t *fieldset_left_out(const struct projection *p, uint32_t node) {
        for (size_t i = 0; i < p->left_count; i++)
                if (p->left[i].node == node)
                        return p->left[i].tree;
        return NULL;
}

const char *fieldset_version(const struct projection *p) {
        return p->version;
}

size_t fieldset_interned(void) {
        return interned.count;
}

/* ---- managedFields */

static bool is_ours(struct scan_slice entry) {
        return scan_says(scan_get(entry, "manager"), FIELDSET_MANAGER) &&
               scan_says(scan_get(entry, "operation"), "Apply") &&
               scan_is_null(scan_get(entry, "subresource"));
}

struct scan_slice fieldset_own(struct scan_slice object) {
        struct scan_slice entry;
        struct scan_cursor c;

        if (scan_list(scan_dig(object, "metadata", "managedFields", NULL), &c))
                while (scan_item(&c, &entry))
                        if (is_ours(entry))
                                return entry;
        return (struct scan_slice){ 0 };
}

static void put_tree(struct buf *out, const char *name, const json_t *tree) {
        if (!tree)
                return;
        buf_printf(out, ",\"%s\":", name);
        json_canonical(tree, out);
}

/* An autoscaler writes replicas that nobody declares, whatever is strict around them. */
static void leave_replicas(const char *type, const json_t *fields, struct field_rules *rules) {
        struct err ignored = { 0 };

        if (rules->runtime || !str_ends(type, ".apps") ||
            json_get(json_get(fields, "f:spec"), "f:replicas"))
                return;
        field_tree_parse("spec.replicas", &rules->runtime, &ignored);
}

static void put_with_rules(const char *type, struct scan_slice entry, struct field_rules *rules,
                           struct buf *out) {
        cleanup_(json_freep) json_t *fields = scan_json(scan_get(entry, "fieldsV1"));

        if (rules->runtime)
                field_tree_prune_set(fields, rules->runtime);
        if (rules->strict)
                leave_replicas(type, fields, rules);
        json_canonical(fields, out);
        if (!rules->strict)
                return;
        put_tree(out, "runtime", rules->runtime);
        put_tree(out, "strict", rules->strict);
}

char *fieldset_of_answer(const char *type, struct scan_slice object) {
        struct scan_slice entry = fieldset_own(object);
        cleanup_(field_rules_free) struct field_rules rules = { 0 };
        cleanup_(buf_free) struct buf out = BUF_INIT;

        if (!entry.text)
                return NULL;
        field_rules_read(type, object, entry, &rules);
        buf_puts(&out, "{\"apiVersion\":");
        if (!scan_canonical(scan_get(entry, "apiVersion"), &out))
                return NULL;
        buf_puts(&out, ",\"fields\":");
        if (rules.strict || rules.runtime)
                put_with_rules(type, entry, &rules, &out);
        else if (!scan_canonical(scan_get(entry, "fieldsV1"), &out))
                return NULL;
        buf_putc(&out, '}');
        return buf_take(&out);
}

json_t *fieldset_others(struct scan_slice object) {
        struct scan_slice entry;
        struct scan_cursor c;
        json_t *list;

        if (!scan_list(scan_dig(object, "metadata", "managedFields", NULL), &c))
                return NULL;
        list = json_array();
        while (scan_item(&c, &entry)) {
                json_t *other;

                if (is_ours(entry))
                        continue;
                other = json_object();
                json_object_set_new(other, "manager", scan_json(scan_get(entry, "manager")));
                json_object_set_new(other, "operation", scan_json(scan_get(entry, "operation")));
                json_object_set_new(other, "time", scan_json(scan_get(entry, "time")));
                json_object_set_new(other, "fields", scan_json(scan_get(entry, "fieldsV1")));
                json_array_append_new(list, other);
        }
        return list;
}

/* ---- names */

char *fieldset_element(enum fieldset_kind kind, const char *name) {
        static const char letters[FIELDSET_KIND_MAX] = {
                [FIELDSET_FIELD] = 'f',
                [FIELDSET_KEY] = 'k',
                [FIELDSET_VALUE] = 'v',
                [FIELDSET_INDEX] = 'i',
        };

        return str_format("%c:%s", letters[kind], name);
}

/* {"name":"x","port":1} as [name=x,port=1]. */
static void put_key(const char *key, struct buf *out) {
        struct scan_slice name, value;
        struct scan_cursor c;
        const char *comma = "[";

        if (!scan_object(scan_of(key, strlen(key)), &c))
                return;
        while (scan_member(&c, &name, &value)) {
                buf_puts(out, comma);
                scan_name(name, out);
                buf_putc(out, '=');
                if (!scan_text(value, out))
                        buf_add(out, value.text, value.len);
                comma = ",";
        }
        buf_putc(out, ']');
}

void fieldset_print(const char *element, struct buf *out) {
        const char *name = element + strlen("f:");

        if (str_starts(element, "k:"))
                put_key(name, out);
        else if (str_starts(element, "f:"))
                field_path_add(out, name);
        else
                buf_printf(out, "[%s]", name);
}
