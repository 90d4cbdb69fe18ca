/* SPDX-License-Identifier: Apache-2.0 */
/* project.c - walks an object along a field set: the digest for each event, the restricted
 * document for a baseline
 *
 * Called for every watch event, so the digest is made from the text itself. What goes into it:
 * for each leaf, in the set's order, a byte that says missing or there, and the value's
 * canonical text; null counts as missing. A restriction has the same digest as what it was made
 * of: items of keyed lists carry their key values for that.
 *
 * Secrets: values under data and stringData of a Secret, by the object's own kind, are replaced
 * by keyed hashes of what they decode to before they go anywhere: digest, restriction,
 * comparison. */
#include "project.h"

#include "fieldset-inside.h"

#include <openssl/evp.h>
#include <stdlib.h>

/* 128 bits of the keyed hash: enough to tell two values apart, no use without the key. */
#define HIDDEN_HEX 32
#define HIDDEN "(hidden, "

/* ---- which child is where */

static int compare_name(const struct projection *p, uint32_t node, const char *s, size_t len) {
        const struct fieldset_node *n = &p->nodes[node];
        int r = memcmp(p->pool + n->name, s, MIN_OF(n->name_len, len));

        return r ? r : (n->name_len > len) - (n->name_len < len);
}

static void match_member(const struct projection *p, struct fieldset_match *m, uint32_t count,
                         const char *s, size_t len, struct scan_slice value) {
        uint32_t low = 0, high = count;

        while (low < high) {
                uint32_t middle = (low + high) / 2;
                int r = compare_name(p, m->nodes[middle], s, len);

                if (r == 0) {
                        m->slots[middle] = value;
                        return;
                }
                if (r < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
}

static void match_members(const struct projection *p, struct fieldset_match *m, uint32_t count,
                          struct scan_cursor *c) {
        struct scan_slice name, value;

        while (scan_member(c, &name, &value)) {
                cleanup_(buf_free) struct buf plain = BUF_INIT;

                if (!memchr(name.text, '\\', name.len)) {
                        match_member(p, m, count, name.text, name.len, value);
                        continue;
                }
                scan_name(name, &plain);
                match_member(p, m, count, buf_str(&plain), plain.len, value);
        }
}

/* Canonical forms are compared; what the server sends is canonical but for escapes and reals. */
static bool same_value(struct scan_slice value, const char *canonical, size_t len) {
        cleanup_(buf_free) struct buf plain = BUF_INIT;

        if (value.len == len && memcmp(value.text, canonical, len) == 0)
                return true;
        return scan_canonical(value, &plain) && plain.len == len &&
               memcmp(buf_str(&plain), canonical, len) == 0;
}

static bool is_item(const struct projection *p, uint32_t node, struct scan_slice item,
                    size_t index) {
        const struct fieldset_node *n = &p->nodes[node];
        int64_t wanted;

        if (n->kind == FIELDSET_VALUE)
                return same_value(item, p->pool + n->name, n->name_len);
        if (n->kind == FIELDSET_INDEX)
                return str_to_int(p->pool + n->name, &wanted) && wanted == (int64_t)index;
        if (n->kind != FIELDSET_KEY)
                return false;
        for (uint32_t i = node + 1; i < n->first; i++) {
                const struct fieldset_node *part = &p->nodes[i];
                struct scan_slice value = scan_get(item, p->pool + part->name);

                if (!value.text || !same_value(value, p->pool + part->value, part->value_len))
                        return false;
        }
        return true;
}

/* Items mostly come in the order that they have in the set: the search goes on where it last
 * ended. */
static void match_items(const struct projection *p, struct fieldset_match *m, uint32_t count,
                        struct scan_cursor *c) {
        struct scan_slice item;
        uint32_t at = 0;

        for (size_t index = 0; scan_item(c, &item); index++)
                for (uint32_t tried = 0; tried < count; tried++) {
                        uint32_t i = (at + tried) % count;

                        if (m->slots[i].text || !is_item(p, m->nodes[i], item, index))
                                continue;
                        m->slots[i] = item;
                        at = i + 1;
                        break;
                }
}

void project_match(const struct projection *p, uint32_t node, struct scan_slice value,
                   struct fieldset_match *m) {
        const struct fieldset_node *n = &p->nodes[node];
        uint32_t child = n->first;
        struct scan_cursor c;

        m->slots = mem_array(struct scan_slice, n->children);
        m->nodes = mem_array(uint32_t, n->children);
        for (uint32_t i = 0; i < n->children; i++, child = p->nodes[child].next)
                m->nodes[i] = child;
        if (scan_object(value, &c))
                match_members(p, m, n->children, &c);
        else if (scan_list(value, &c))
                match_items(p, m, n->children, &c);
}

void project_match_free(struct fieldset_match *m) {
        free(m->slots);
        free(m->nodes);
}

/* ---- secrets */

void project_hide(struct scan_slice value, bool base64, const uint8_t *key, struct buf *out) {
        cleanup_(buf_wipe) struct buf text = BUF_INIT;
        cleanup_(buf_wipe) struct buf plain = BUF_INIT;
        uint8_t hash[DIGEST_SIZE];
        char hex[DIGEST_HEX_SIZE];

        if (!scan_text(value, &text))
                scan_canonical(value, &text);
        if (!base64 || digest_unbase64(buf_str(&text), text.len, &plain, NULL) < 0) {
                buf_wipe(&plain);
                buf_add(&plain, buf_str(&text), text.len);
        }
        digest_hmac(key, DIGEST_SIZE, buf_str(&plain), plain.len, hash);
        digest_hex(hash, DIGEST_SIZE, hex);
        buf_printf(out, HIDDEN "%.*s)", HIDDEN_HEX, hex);
}

bool project_is_hidden(const char *text) {
        return text && str_starts(text, HIDDEN);
}

/* Below which member of the root a walk is. */
enum below { BELOW_NOTHING_SECRET, BELOW_DATA, BELOW_STRING_DATA };

static enum below below_member(const struct projection *p, uint32_t child) {
        const char *name = p->pool + p->nodes[child].name;

        if (str_eq(name, "data"))
                return BELOW_DATA;
        return str_eq(name, "stringData") ? BELOW_STRING_DATA : BELOW_NOTHING_SECRET;
}

/* ---- digest */

struct digesting {
        const struct projection *p;
        const uint8_t *key;
        EVP_MD_CTX *hash;
        struct buf text;
};

/* EVP's start, update and end cost a microsecond together: the text is gathered and hashed in
 * larger runs. */
#define GATHER_MAX 65536

static void gathered(struct digesting *d) {
        EVP_DigestUpdate(d->hash, buf_str(&d->text), d->text.len);
        buf_wipe(&d->text);
}

static void digest_leaf(struct digesting *d, struct scan_slice value, enum below below) {
        if (scan_is_null(value)) {
                buf_putc(&d->text, '\0');
                return;
        }
        buf_putc(&d->text, '\1');
        if (below) {
                buf_putc(&d->text, '"');
                project_hide(value, below == BELOW_DATA, d->key, &d->text);
                buf_putc(&d->text, '"');
        } else {
                scan_canonical(value, &d->text);
        }
        if (d->text.len > GATHER_MAX)
                gathered(d);
}

/* All of it, whoever's, without what is completed at run time. */
static json_t *strict_value(const struct projection *p, uint32_t node, struct scan_slice value) {
        const json_t *left_out = fieldset_left_out(p, node);
        json_t *j = scan_json(value);

        if (left_out)
                field_tree_prune(j, left_out);
        return j;
}

static void digest_strict(struct digesting *d, uint32_t node, struct scan_slice value,
                          enum below below) {
        cleanup_(json_freep) json_t *j = NULL;

        if (below || !fieldset_left_out(d->p, node)) {
                digest_leaf(d, value, below);
                return;
        }
        j = strict_value(d->p, node, value);
        buf_putc(&d->text, j ? '\1' : '\0');
        if (j)
                json_canonical(j, &d->text);
}

static void digest_node(struct digesting *d, uint32_t node, struct scan_slice value,
                        enum below below) {
        const struct fieldset_node *n = &d->p->nodes[node];
        cleanup_(project_match_free) struct fieldset_match m = { 0 };

        if (n->strict) {
                digest_strict(d, node, value, below);
                return;
        }
        if (n->children == 0) {
                if (n->self)
                        buf_putc(&d->text, scan_is_null(value) ? '\0' : '\1');
                else
                        digest_leaf(d, value, below);
                return;
        }
        project_match(d->p, node, value, &m);
        for (uint32_t i = 0; i < n->children; i++) {
                enum below child = node == 0 && d->key ? below_member(d->p, m.nodes[i]) : below;

                digest_node(d, m.nodes[i], m.slots[i], child);
        }
}

void project_digest(const struct projection *p, struct scan_slice object, const uint8_t *key,
                    uint8_t ret[DIGEST_SIZE]) {
        struct digesting d = { .p = p, .key = key, .hash = EVP_MD_CTX_new() };

        EVP_DigestInit_ex(d.hash, EVP_sha256(), NULL);
        digest_node(&d, 0, object, BELOW_NOTHING_SECRET);
        gathered(&d);
        EVP_DigestFinal_ex(d.hash, ret, NULL);
        EVP_MD_CTX_free(d.hash);
}

/* ---- restriction */

static json_t *restrict_node(const struct projection *p, uint32_t node, struct scan_slice value,
                             const uint8_t *key, enum below below);

static json_t *restrict_leaf(const struct fieldset_node *n, struct scan_slice value,
                             const uint8_t *key, enum below below) {
        cleanup_(buf_free) struct buf hidden = BUF_INIT;

        if (scan_is_null(value))
                return NULL;
        if (n->self && !n->strict)
                return value.text[0] == '[' ? json_array() : json_object();
        if (!below)
                return scan_json(value);
        project_hide(value, below == BELOW_DATA, key, &hidden);
        return json_stringn(buf_str(&hidden), hidden.len);
}

static json_t *restrict_members(const struct projection *p, const struct fieldset_match *m,
                                uint32_t count, const uint8_t *key, enum below below, bool root) {
        json_t *object = json_object();

        for (uint32_t i = 0; i < count; i++) {
                enum below child = root && key ? below_member(p, m->nodes[i]) : below;
                json_t *value = restrict_node(p, m->nodes[i], m->slots[i], key, child);

                if (value)
                        json_object_set_new_nocheck(object, p->pool + p->nodes[m->nodes[i]].name,
                                                    value);
        }
        return object;
}

static void add_parts(const struct projection *p, uint32_t node, json_t *item) {
        for (uint32_t i = node + 1; i < p->nodes[node].first; i++) {
                const struct fieldset_node *part = &p->nodes[i];
                const char *name = p->pool + part->name;

                if (!json_object_get(item, name))
                        json_object_set_new_nocheck(
                                item, name,
                                scan_json(scan_of(p->pool + part->value, part->value_len)));
        }
}

static json_t *restrict_items(const struct projection *p, const struct fieldset_match *m,
                              uint32_t count, const uint8_t *key, enum below below) {
        json_t *list = json_array();

        for (uint32_t i = 0; i < count; i++) {
                uint32_t node = m->nodes[i];
                json_t *item = restrict_node(p, node, m->slots[i], key, below);

                if (!item)
                        continue;
                if (p->nodes[node].kind == FIELDSET_KEY && json_is_object(item))
                        add_parts(p, node, item);
                json_array_append_new(list, item);
        }
        return list;
}

static json_t *restrict_node(const struct projection *p, uint32_t node, struct scan_slice value,
                             const uint8_t *key, enum below below) {
        const struct fieldset_node *n = &p->nodes[node];
        cleanup_(project_match_free) struct fieldset_match m = { 0 };

        if (n->strict && !below)
                return scan_is_null(value) ? NULL : strict_value(p, node, value);
        if (n->children == 0 || n->strict)
                return restrict_leaf(n, value, key, below);
        if (scan_is_null(value) || (value.text[0] != '{' && value.text[0] != '['))
                return NULL;
        project_match(p, node, value, &m);
        if (value.text[0] == '[')
                return restrict_items(p, &m, n->children, key, below);
        return restrict_members(p, &m, n->children, key, below, node == 0);
}

json_t *project_restrict(const struct projection *p, struct scan_slice object, const uint8_t *key) {
        json_t *j = restrict_node(p, 0, object, key, BELOW_NOTHING_SECRET);

        return j ? j : json_object();
}
