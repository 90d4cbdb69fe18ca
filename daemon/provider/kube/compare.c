/* SPDX-License-Identifier: Apache-2.0 */
/* compare.c - the lines of a drift record: which field, what it should say, what it says, who
 * wrote it
 *
 * Called only when the digest of an event differs from the baseline's, so trees are fine here.
 * Who: the newest entry of managedFields other than ours that owns the field. What is missing
 * has nobody's name on it: the last editor of an object need not be the one who removed
 * something, so none is given. */
#include "compare.h"

#include "clock.h"
#include "fieldset-inside.h"
#include "project.h"

#include <stdlib.h>

#define COMPARE_VALUE_MAX 4096 /* bytes of a value in the ledger; a CRD's schema has 900,000 */

struct comparing {
        const struct projection *p;
        const json_t *others;
        struct drift_list *list;
        struct buf path; /* "spec.ports[port=80]" */
        char **elements; /* "f:spec", ... as in managedFields */
        size_t depth, room;
};

/* ---- path */

/* Goes one element down; the answer is the path's length before, for leave. */
static size_t enter(struct comparing *c, enum fieldset_kind kind, const char *name) {
        size_t before = c->path.len;

        c->elements = mem_grow(c->elements, &c->room, c->depth + 1, sizeof(*c->elements));
        c->elements[c->depth] = fieldset_element(kind, name);
        fieldset_print(c->elements[c->depth++], &c->path);
        return before;
}

static void leave(struct comparing *c, size_t before) {
        free(c->elements[--c->depth]);
        c->path.len = before;
        if (c->path.data)
                c->path.data[before] = '\0';
}

/* ---- who */

/* An entry owns the path when it leads all the way down, or ends above it in a leaf. */
static bool owns(const struct comparing *c, const json_t *fields) {
        for (size_t i = 0; i < c->depth; i++) {
                const json_t *child = json_object_get(fields, c->elements[i]);

                if (!child)
                        return i > 0 && json_object_size(fields) == 0;
                fields = child;
        }
        return true;
}

static const char *writer(const struct comparing *c, int64_t *ret_at) {
        const char *who = NULL;
        int64_t newest = -1;
        const json_t *other;
        size_t i;

        json_array_foreach(c->others, i, other) {
                int64_t at = 0;

                if (!owns(c, json_get(other, "fields")))
                        continue;
                clock_parse_iso(json_get_str(other, "time", ""), &at);
                if (at <= newest)
                        continue;
                newest = at;
                who = json_get_str(other, "manager", NULL);
        }
        *ret_at = who ? newest : 0;
        return who;
}

/* ---- what */

/* A keyed hash tells a reader nothing; a value of 900 KB tells no reader anything either. */
static json_t *shown(struct scan_slice value, bool both) {
        json_t *j;

        if (!value.text)
                return NULL;
        if (value.len > COMPARE_VALUE_MAX)
                return json_sprintf("(%zu bytes)", value.len);
        j = scan_json(value);
        if (project_is_hidden(json_string_value(j))) {
                json_decref(j);
                j = json_string(both ? "(hidden, differs)" : "(hidden)");
        }
        return j;
}

/* Members that are hidden may stand deeper: a Secret's whole data gone is one line. */
static json_t *shown_all(struct scan_slice value, bool both) {
        json_t *j = shown(value, both);
        const char *name;
        json_t *member;

        json_object_foreach(j, name, member) {
                if (project_is_hidden(json_string_value(member)))
                        json_string_set(member, "(hidden)");
        }
        return j;
}

static void add(struct comparing *c, struct scan_slice wanted, struct scan_slice found) {
        struct drift *d = drift_list_add(c->list);
        const char *who = found.text ? writer(c, &d->at) : NULL;

        d->field = str_dup(buf_str(&c->path));
        d->wanted = shown_all(wanted, found.text != NULL);
        d->found = shown_all(found, wanted.text != NULL);
        d->who = str_dup(who);
}

static bool same(struct scan_slice a, struct scan_slice b) {
        cleanup_(buf_free) struct buf x = BUF_INIT;
        cleanup_(buf_free) struct buf y = BUF_INIT;

        if (a.len == b.len && memcmp(a.text, b.text, a.len) == 0)
                return true;
        scan_canonical(a, &x);
        scan_canonical(b, &y);
        return x.len == y.len && memcmp(buf_str(&x), buf_str(&y), x.len) == 0;
}

/* ---- items that others added beside ours */

/* The key of ITEM by the names of the key node KEY; NULL when it has not all of them. */
static char *key_of(const struct projection *p, uint32_t key, struct scan_slice item) {
        cleanup_(buf_free) struct buf out = BUF_INIT;
        const char *comma = "{";

        for (uint32_t i = key + 1; i < p->nodes[key].first; i++) {
                const char *name = p->pool + p->nodes[i].name;
                struct scan_slice value = scan_get(item, name);

                buf_printf(&out, "%s\"%s\":", comma, name);
                if (!scan_canonical(value, &out))
                        return NULL;
                comma = ",";
        }
        buf_putc(&out, '}');
        return buf_take(&out);
}

static bool is_matched(const struct fieldset_match *m, uint32_t count, struct scan_slice item) {
        for (uint32_t i = 0; i < count; i++)
                if (m->slots[i].text == item.text)
                        return true;
        return false;
}

static void add_extra(struct comparing *c, uint32_t key, struct scan_slice item) {
        cleanup_(freep) char *name = key_of(c->p, key, item);
        size_t before;

        if (!name)
                return;
        before = enter(c, FIELDSET_KEY, name);
        add(c, (struct scan_slice){ 0 }, item);
        leave(c, before);
}

static void add_extras(struct comparing *c, uint32_t node, const struct fieldset_match *wanted,
                       const struct fieldset_match *found, struct scan_slice list) {
        const struct fieldset_node *n = &c->p->nodes[node];
        struct scan_cursor cursor;
        struct scan_slice item;
        bool missing = false;

        if (n->children == 0 || c->p->nodes[found->nodes[0]].kind != FIELDSET_KEY)
                return;
        for (uint32_t i = 0; i < n->children; i++)
                missing = missing || (wanted->slots[i].text && !found->slots[i].text);
        if (!missing || !scan_list(list, &cursor))
                return;
        while (scan_item(&cursor, &item))
                if (!is_matched(found, n->children, item))
                        add_extra(c, found->nodes[0], item);
}

/* ---- what is strict */

#define NO_NODE UINT32_MAX /* nothing below here is declared by us */

static void walk_strict(struct comparing *c, uint32_t node, struct scan_slice wanted,
                        struct scan_slice found);

static uint32_t child_of(const struct comparing *c, uint32_t node, enum fieldset_kind kind,
                         const char *name) {
        const struct fieldset_node *n = node == NO_NODE ? NULL : &c->p->nodes[node];
        uint32_t child = n ? n->first : 0;

        for (uint32_t i = 0; n && i < n->children; i++, child = c->p->nodes[child].next)
                if (c->p->nodes[child].kind == kind &&
                    str_eq(c->p->pool + c->p->nodes[child].name, name))
                        return child;
        return NO_NODE;
}

static void strict_child(struct comparing *c, uint32_t node, enum fieldset_kind kind,
                         const char *name, struct scan_slice wanted, struct scan_slice found) {
        size_t before = enter(c, kind, name);

        walk_strict(c, child_of(c, node, kind, name), wanted, found);
        leave(c, before);
}

static void strict_members(struct comparing *c, uint32_t node, struct scan_slice wanted,
                           struct scan_slice found) {
        struct scan_slice name, value;
        struct scan_cursor cursor;

        for (int side = 0; side < 2; side++) {
                if (!scan_object(side ? found : wanted, &cursor))
                        return;
                while (scan_member(&cursor, &name, &value)) {
                        cleanup_(buf_free) struct buf plain = BUF_INIT;
                        struct scan_slice other;

                        scan_name(name, &plain);
                        other = scan_get(side ? wanted : found, buf_str(&plain));
                        if (!side)
                                strict_child(c, node, FIELDSET_FIELD, buf_str(&plain), value,
                                             other);
                        else if (!other.text)
                                strict_child(c, node, FIELDSET_FIELD, buf_str(&plain), other,
                                             value);
                }
        }
}

static struct scan_slice item_with(struct comparing *c, uint32_t key, struct scan_slice list,
                                   const char *name) {
        struct scan_cursor cursor;
        struct scan_slice item;

        if (scan_list(list, &cursor))
                while (scan_item(&cursor, &item)) {
                        cleanup_(freep) char *other = key_of(c->p, key, item);

                        if (str_eq(other, name))
                                return item;
                }
        return (struct scan_slice){ 0 };
}

static void strict_items(struct comparing *c, uint32_t node, struct scan_slice wanted,
                         struct scan_slice found) {
        uint32_t key = c->p->nodes[node].first;
        struct scan_slice item;
        struct scan_cursor cursor;

        for (int side = 0; side < 2; side++) {
                if (!scan_list(side ? found : wanted, &cursor))
                        return;
                while (scan_item(&cursor, &item)) {
                        cleanup_(freep) char *name = key_of(c->p, key, item);
                        struct scan_slice other =
                                item_with(c, key, side ? wanted : found, name ? name : "");

                        if (!side)
                                strict_child(c, node, FIELDSET_KEY, name ? name : "{}", item,
                                             other);
                        else if (!other.text)
                                strict_child(c, node, FIELDSET_KEY, name ? name : "{}", other,
                                             item);
                }
        }
}

static bool has_key_nodes(const struct comparing *c, uint32_t node) {
        const struct fieldset_node *n = node == NO_NODE ? NULL : &c->p->nodes[node];

        return n && n->children && c->p->nodes[n->first].kind == FIELDSET_KEY;
}

/* Member by member, and item by item where our own set says by what; else as one value. */
static void walk_strict(struct comparing *c, uint32_t node, struct scan_slice wanted,
                        struct scan_slice found) {
        size_t count = c->list->count;

        if (same(wanted, found))
                return;
        if (wanted.text && found.text && wanted.text[0] == '{' && found.text[0] == '{')
                strict_members(c, node, wanted, found);
        else if (wanted.text && found.text && wanted.text[0] == '[' && found.text[0] == '[' &&
                 has_key_nodes(c, node))
                strict_items(c, node, wanted, found);
        if (c->list->count == count) /* or only in another order */
                add(c, wanted, found);
}

/* FOUND without what is completed at run time, as the baseline is. */
static void start_strict(struct comparing *c, uint32_t node, struct scan_slice wanted,
                         struct scan_slice found) {
        const json_t *left_out = fieldset_left_out(c->p, node);
        cleanup_(json_freep) json_t *j = left_out && found.text ? scan_json(found) : NULL;
        cleanup_(freep) char *text = NULL;

        if (j) {
                field_tree_prune(j, left_out);
                text = json_text(j);
                found = scan_of(text, strlen(text));
        }
        walk_strict(c, node, wanted, found);
}

/* ---- the walk */

static void walk(struct comparing *c, uint32_t node, struct scan_slice wanted,
                 struct scan_slice found);

static void walk_children(struct comparing *c, uint32_t node, struct scan_slice wanted,
                          struct scan_slice found) {
        const struct fieldset_node *n = &c->p->nodes[node];
        cleanup_(project_match_free) struct fieldset_match w = { 0 };
        cleanup_(project_match_free) struct fieldset_match f = { 0 };

        project_match(c->p, node, wanted, &w);
        project_match(c->p, node, found, &f);
        for (uint32_t i = 0; i < n->children; i++) {
                const struct fieldset_node *child = &c->p->nodes[w.nodes[i]];
                size_t before = enter(c, child->kind, c->p->pool + child->name);

                walk(c, w.nodes[i], w.slots[i], f.slots[i]);
                leave(c, before);
        }
        add_extras(c, node, &w, &f, found);
}

static void walk(struct comparing *c, uint32_t node, struct scan_slice wanted,
                 struct scan_slice found) {
        const struct fieldset_node *n = &c->p->nodes[node];
        bool no_wanted = scan_is_null(wanted), no_found = scan_is_null(found);

        if (no_wanted && no_found)
                return;
        if (n->strict) {
                start_strict(c, node, no_wanted ? (struct scan_slice){ 0 } : wanted,
                             no_found ? (struct scan_slice){ 0 } : found);
                return;
        }
        if (no_wanted || no_found) {
                if (n->children == 0 || no_found)
                        add(c, no_wanted ? (struct scan_slice){ 0 } : wanted,
                            no_found ? (struct scan_slice){ 0 } : found);
                else
                        walk_children(c, node, wanted, found);
                return;
        }
        if (n->children)
                walk_children(c, node, wanted, found);
        else if (!n->self && !same(wanted, found))
                add(c, wanted, found);
}

void compare_fields(const struct projection *p, const json_t *baseline, const json_t *found,
                    struct drift_list *ret) {
        cleanup_(freep) char *wanted = json_text(baseline);
        cleanup_(freep) char *object = json_text(json_get(found, "object"));
        struct comparing c = { .p = p, .others = json_get(found, "others"), .list = ret };

        walk_children(&c, 0, scan_of(wanted, strlen(wanted)), scan_of(object, strlen(object)));
        buf_free(&c.path);
        free(c.elements);
}

/* ---- without a baseline: what the document itself says */

static void walk_said(struct comparing *c, struct scan_slice wanted, struct scan_slice found);

static void said_member(struct comparing *c, const char *name, struct scan_slice wanted,
                        struct scan_slice found) {
        size_t before = enter(c, FIELDSET_FIELD, name);

        walk_said(c, wanted, found);
        leave(c, before);
}

/* Quantities come back in another spelling, what a Secret holds under another name; and items of a
 * list have no version of their own. */
static bool is_spelt_otherwise(const char *name) {
        static const char *const names[] = { "limits", "requests",   "stringData",
                                             "kind",   "apiVersion", NULL };

        for (const char *const *n = names; *n; n++)
                if (str_eq(name, *n))
                        return true;
        return false;
}

static void said_members(struct comparing *c, struct scan_slice wanted, struct scan_slice found) {
        struct scan_slice name, value;
        struct scan_cursor cursor;

        if (!scan_object(wanted, &cursor))
                return;
        while (scan_member(&cursor, &name, &value)) {
                cleanup_(buf_free) struct buf plain = BUF_INIT;

                scan_name(name, &plain);
                if (!is_spelt_otherwise(buf_str(&plain)))
                        said_member(c, buf_str(&plain), value, scan_get(found, buf_str(&plain)));
        }
}

static struct scan_slice item_named(struct scan_slice list, struct scan_slice name) {
        struct scan_cursor cursor;
        struct scan_slice item;

        if (scan_list(list, &cursor))
                while (scan_item(&cursor, &item))
                        if (same(scan_get(item, "name"), name))
                                return item;
        return (struct scan_slice){ 0 };
}

/* Those that have names: what else tells items apart only a schema knows. */
static void said_items(struct comparing *c, struct scan_slice wanted, struct scan_slice found) {
        struct scan_cursor cursor;
        struct scan_slice item;

        if (!scan_list(wanted, &cursor))
                return;
        while (scan_item(&cursor, &item)) {
                struct scan_slice name = scan_get(item, "name");
                cleanup_(freep) char *key = NULL;
                size_t before;

                if (!scan_is_text(name))
                        continue;
                key = str_format("{\"name\":%.*s}", (int)name.len, name.text);
                before = enter(c, FIELDSET_KEY, key);
                walk_said(c, item, item_named(found, name));
                leave(c, before);
        }
}

/* Said, and not the same as not said: servers drop what is empty. */
static bool is_said(struct scan_slice value) {
        static const char *const empty[] = { "{}", "[]", "\"\"", "0", "false", NULL };

        for (const char *const *e = empty; *e; e++)
                if (same(value, scan_of(*e, strlen(*e))))
                        return false;
        /* A token: its value is not known here. */
        return !scan_is_null(value) && !memmem(value.text, value.len, "{{", 2);
}

static bool is_hash(struct scan_slice found) {
        return found.text && *found.text == '"' && project_is_hidden(found.text + 1);
}

static void walk_said(struct comparing *c, struct scan_slice wanted, struct scan_slice found) {
        bool there = !scan_is_null(found);

        if (scan_is_null(wanted))
                return;
        if (there && wanted.text[0] == '{' && found.text[0] == '{')
                said_members(c, wanted, found);
        else if (there && wanted.text[0] == '[' && found.text[0] == '[')
                said_items(c, wanted, found);
        else if (is_said(wanted) && !is_hash(found) && !same(wanted, found))
                add(c, wanted, there ? found : (struct scan_slice){ 0 });
}

void compare_said(const json_t *document, const json_t *found, struct drift_list *ret) {
        cleanup_(freep) char *wanted = json_text(document);
        cleanup_(freep) char *object = json_text(json_get(found, "object"));
        struct comparing c = { .others = json_get(found, "others"), .list = ret };

        said_members(&c, scan_of(wanted, strlen(wanted)), scan_of(object, strlen(object)));
        buf_free(&c.path);
        free(c.elements);
}
