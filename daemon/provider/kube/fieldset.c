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

static int read_elements(struct scan_slice object, struct elements *ret, struct err *err) {
        struct scan_slice name, value;
        struct scan_cursor c;
        int r;

        if (!scan_object(object, &c))
                return err_set(err, -EBADMSG, "field set: not an object");
        while (scan_member(&c, &name, &value)) {
                cleanup_(buf_free) struct buf plain = BUF_INIT;

                scan_name(name, &plain);
                if (str_eq(buf_str(&plain), ".")) {
                        ret->self = true;
                        continue;
                }
                ret->items = mem_grow(ret->items, &ret->room, ret->count + 1, sizeof(*ret->items));
                ret->items[ret->count] = (struct element){ .children = value };
                r = read_element(buf_str(&plain), plain.len, &ret->items[ret->count], err);
                if (r < 0)
                        return r;
                ret->count++;
        }
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

static int add_children(struct building *b, uint32_t parent, struct scan_slice object,
                        struct err *err);

static int add_child(struct building *b, const struct element *e, struct err *err) {
        uint32_t at = node_add(b, e->kind, e->name, strlen(e->name));
        int r;

        if (b->p->count > FIELDSET_NODES_MAX)
                return err_set(err, -EBADMSG, "field set: more than %d fields", FIELDSET_NODES_MAX);
        if (e->kind == FIELDSET_KEY)
                add_key_parts(b, e->name);
        b->p->nodes[at].first = (uint32_t)b->p->count;
        r = add_children(b, at, e->children, err);
        if (r < 0)
                return r;
        b->p->nodes[at].next = (uint32_t)b->p->count;
        return 0;
}

static int add_children(struct building *b, uint32_t parent, struct scan_slice object,
                        struct err *err) {
        cleanup_(elements_free) struct elements e = { 0 };
        int r;

        if (b->depth >= FIELDSET_DEPTH_MAX)
                return err_set(err, -EBADMSG, "field set: nested deeper than %d",
                               FIELDSET_DEPTH_MAX);
        r = read_elements(object, &e, err);
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

static int build(const char *text, struct projection **ret, struct err *err) {
        struct scan_slice all = scan_of(text, strlen(text));
        struct building b = { .p = mem_new(struct projection) };
        int r;

        node_add(&b, FIELDSET_FIELD, "", 0);
        b.p->version = scan_dup(scan_get(all, "apiVersion"));
        if (!b.p->version)
                r = err_set(err, -EBADMSG, "field set: no apiVersion");
        else
                r = add_children(&b, 0, scan_get(all, "fields"), err);
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

char *fieldset_of_answer(struct scan_slice object) {
        cleanup_(buf_free) struct buf out = BUF_INIT;
        struct scan_slice entry;
        struct scan_cursor c;

        if (!scan_list(scan_dig(object, "metadata", "managedFields", NULL), &c))
                return NULL;
        while (scan_item(&c, &entry)) {
                if (!is_ours(entry))
                        continue;
                buf_puts(&out, "{\"apiVersion\":");
                if (!scan_canonical(scan_get(entry, "apiVersion"), &out))
                        return NULL;
                buf_puts(&out, ",\"fields\":");
                if (!scan_canonical(scan_get(entry, "fieldsV1"), &out))
                        return NULL;
                buf_putc(&out, '}');
                return buf_take(&out);
        }
        return NULL;
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

bool fieldset_is_platform(const char *manager) {
        static const char *const writers[] = {
                "kube-controller-manager", "kube-scheduler",  "kubelet", "kube-apiserver",
                "cluster-autoscaler",      "vpa-recommender", NULL,
        };

        for (const char *const *w = writers; *w; w++)
                if (str_eq(*w, manager))
                        return true;
        return false;
}
