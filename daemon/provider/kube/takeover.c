/* SPDX-License-Identifier: Apache-2.0 */
/* takeover.c - rewrites managedFields; see takeover.h
 *
 * A hand-edited key of a list item (a port's number, a container's name) leaves two items of one
 * name for an apply to make: 422 for ever, or a container that nobody asked for. Owned by us,
 * the foreign item goes with the next apply, which does not declare it. The same goes for all
 * that others added under what is strict.
 *
 * Elsewhere only lists that lost an item of ours are gone through: what others put beside ours
 * is nobody's mistake, and what a rule, a window or a fight leaves as it is stays its writer's.
 * What nobody owns (who clears managedFields can have added it before) is
 * taken by its place: an item of such a list, and under what is strict what the baseline does
 * not have.
 *
 * What is never taken goes by the field, not by the writer's name, which anybody may give
 * himself: status, the replicas that an autoscaler sets, and the Secrets that a token controller
 * lists in a ServiceAccount. Pure. */
#include "takeover.h"

#include "clock.h"
#include "declared.h"
#include "field-path.h"
#include "field-rules.h"
#include "fieldset-inside.h"
#include "keep.h"

static bool is_our_entry(const json_t *entry) {
        return str_eq(json_get_str(entry, "manager", ""), FIELDSET_MANAGER) &&
               str_eq(json_get_str(entry, "operation", ""), "Apply") &&
               !*json_get_str(entry, "subresource", "");
}

/* ---- which lists lost an item of ours */

#define LOST "." /* of the tree below: this list did */

static json_t *find_lost(const struct projection *p, uint32_t node, struct scan_slice value) {
        cleanup_(project_match_free) struct fieldset_match m = { 0 };
        json_t *lost = json_object();

        project_match(p, node, value, &m);
        for (uint32_t i = 0; i < p->nodes[node].children; i++) {
                const struct fieldset_node *child = &p->nodes[m.nodes[i]];
                cleanup_(freep) char *name = fieldset_element(child->kind, p->pool + child->name);
                json_t *below = NULL;

                if (m.slots[i].text)
                        below = find_lost(p, m.nodes[i], m.slots[i]);
                else if (child->kind == FIELDSET_KEY)
                        json_object_set_new(lost, LOST, json_true());
                if (json_object_size(below))
                        json_object_set(lost, name, below);
                json_decref(below);
        }
        return lost;
}

/* ---- taking what others own */

static bool has_keys(const json_t *set) {
        const char *name;
        json_t *child;

        json_object_foreach((json_t *)set, name, child) {
                if (str_starts(name, "k:"))
                        return true;
        }
        return false;
}

/* One place in the tree of fields: what is said of it and of what is below. NULL: nothing. */
struct place {
        const struct takeover *wish;
        const struct place *up; /* what it lies in, as ELEMENT; NULL: the object itself */
        const char *element;
        const json_t *stored;   /* what we declare */
        const json_t *lost;     /* lists that lost an item of ours */
        const json_t *strict;   /* rules */
        const json_t *runtime;  /* what is left out of what is strict */
        const json_t *baseline; /* the value that was there, where it is strict */
        bool is_strict;
        int depth; /* 0: the object */
        bool spec; /* below the object's spec */
};

static struct place below(const struct place *p, const char *element) {
        struct place b = { .wish = p->wish,
                           .up = p,
                           .element = element,
                           .stored = json_get(p->stored, element),
                           .lost = json_get(p->lost, element),
                           .strict = field_tree_child(p->strict, element),
                           .runtime = field_tree_child(p->runtime, element),
                           .depth = p->depth + 1,
                           .spec = p->depth == 0 && str_eq(element, "f:spec") };

        b.is_strict = p->is_strict || (b.strict && json_object_size(b.strict) == 0);
        return b;
}

static bool is_left_alone(const struct place *p, const char *element) {
        const json_t *runtime = field_tree_child(p->runtime, element);

        if (str_eq(element, ".") || (runtime && json_object_size(runtime) == 0))
                return true;
        if (p->depth == 0)
                return str_eq(element, "f:status") || str_eq(element, "f:secrets");
        return p->spec && str_eq(element, "f:replicas");
}

static void print_place(const struct place *p, struct buf *path) {
        if (!p->up)
                return;
        print_place(p->up, path);
        fieldset_print(p->element, path);
}

/* The apply leaves it as it is. */
static bool is_kept(const struct place *p) {
        const struct takeover *t = p->wish;
        cleanup_(buf_free) struct buf path = BUF_INIT;

        if (t->kept_count)
                print_place(p, &path);
        for (size_t i = 0; i < t->kept_count; i++)
                if (!*t->kept[i].field || field_path_covers(t->kept[i].field, buf_str(&path)))
                        return true;
        return false;
}

/* May what is at AT, in P, and is not declared be taken? */
static bool is_to_take(const struct place *p, const struct place *at) {
        if (at->stored)
                return false;
        if (at->is_strict)
                return !is_kept(at);
        return str_starts(at->element, "k:") &&
               (p->wish->how == TAKEOVER_ALL ? has_keys(p->stored)
                                             : json_get(p->lost, LOST) != NULL) &&
               !is_kept(at);
}

/* What we declare as one value holds nothing of others. */
static bool leads_on(const struct place *p) {
        return json_object_size(p->stored) || (!p->stored && (p->strict || p->is_strict));
}

static void put_part(json_t **all, const char *name, json_t *part) {
        if (!part)
                return;
        if (!*all)
                *all = json_object();
        json_object_set_new_nocheck(*all, name, part);
}

/* Takes out of OTHER what we may have of it. NULL: nothing. */
static json_t *take_items(const struct place *p, json_t *other) {
        json_t *taken = NULL;
        const char *name;
        json_t *child;
        void *next;

        json_object_foreach_safe(other, next, name, child) {
                struct place b = below(p, name);

                if (is_left_alone(p, name))
                        continue;
                if (is_to_take(p, &b)) {
                        put_part(&taken, name, json_deep_copy(child));
                        json_object_del(other, name);
                } else if (leads_on(&b)) {
                        put_part(&taken, name, take_items(&b, child));
                        if (json_object_size(child) == 0 && !b.stored)
                                json_object_del(other, name);
                }
        }
        return taken;
}

static json_t *our_entry(json_t *entries, const struct projection *stored, int64_t now_wall) {
        json_t *entry;
        char text[CLOCK_TEXT_MAX];
        size_t i;

        json_array_foreach(entries, i, entry)
                if (is_our_entry(entry))
                        return entry;
        entry = json_object();
        json_object_set_new(entry, "manager", json_string(FIELDSET_MANAGER));
        json_object_set_new(entry, "operation", json_string("Apply"));
        json_object_set_new(entry, "apiVersion", json_string(stored->version));
        json_object_set_new(entry, "time", json_string(clock_iso(now_wall, false, text)));
        json_object_set_new(entry, "fieldsType", json_string("FieldsV1"));
        json_object_set_new(entry, "fieldsV1", json_object());
        json_array_append_new(entries, entry);
        return entry;
}

static void add_name(struct buf *names, const char *name) {
        if (strstr(buf_str(names), name))
                return;
        buf_printf(names, "%s%s", names->len ? ", " : "", name);
}

/* From all entries but ours; entries that are empty after go. */
static json_t *take_from_all(json_t *entries, const struct place *root, struct buf *names) {
        json_t *all = NULL;

        for (size_t i = 0; i < json_array_size(entries);) {
                json_t *entry = json_array_get(entries, i);
                json_t *fields = json_get(entry, "fieldsV1");
                cleanup_(json_freep) json_t *taken = NULL;

                if (!is_our_entry(entry))
                        taken = take_items(root, fields);
                i++;
                if (!taken)
                        continue;
                add_name(names, json_get_str(entry, "manager", "?"));
                if (!all)
                        all = json_object();
                json_object_update_recursive(all, taken);
                if (json_object_size(fields) == 0)
                        json_array_remove(entries, --i);
        }
        return all;
}

/* ---- taking what nobody owns */

static json_t *claim(const struct place *p, const json_t *owned, const json_t *live);

static const char *first_key(const json_t *set) {
        const char *name;
        json_t *child;

        json_object_foreach((json_t *)set, name, child) {
                if (str_starts(name, "k:"))
                        return name;
        }
        return NULL;
}

static const json_t *item_in(const json_t *list, const char *key, const char *element) {
        const json_t *item;
        size_t i;

        json_array_foreach((json_t *)list, i, item) {
                cleanup_(freep) char *own = keep_element(key, item, true);

                if (str_eq(own, element))
                        return item;
        }
        return NULL;
}

/* LIVE is at ELEMENT; BEFORE is what the baseline has there. */
static void claim_at(const struct place *p, const char *element, const json_t *owned,
                     const json_t *live, const json_t *before, json_t **claimed) {
        struct place b = below(p, element);
        bool unknown = b.is_strict && (!p->baseline || before);

        if (is_left_alone(p, element))
                return;
        b.baseline = before;
        if (!json_get(owned, element) && is_to_take(p, &b) && !unknown)
                put_part(claimed, element, json_object());
        else if (leads_on(&b) && (!b.is_strict || json_object_size(json_get(owned, element))))
                put_part(claimed, element, claim(&b, json_get(owned, element), live));
}

static void claim_items(const struct place *p, const json_t *owned, const json_t *live,
                        json_t **claimed) {
        const char *key = first_key(p->stored) ? first_key(p->stored) : first_key(owned);
        const json_t *item;
        size_t i;

        if (!key)
                return; /* atomic: one value */
        json_array_foreach((json_t *)live, i, item) {
                cleanup_(freep) char *element = keep_element(key, item, true);

                if (element)
                        claim_at(p, element, owned, item, item_in(p->baseline, key, element),
                                 claimed);
        }
}

/* What of LIVE is in no entry (OWNED: all of them as one) and may be taken. NULL: nothing. */
static json_t *claim(const struct place *p, const json_t *owned, const json_t *live) {
        json_t *claimed = NULL;
        const char *name;
        json_t *value;

        if (json_is_array(live))
                claim_items(p, owned, live, &claimed);
        json_object_foreach((json_t *)live, name, value) {
                cleanup_(freep) char *element = fieldset_element(FIELDSET_FIELD, name);

                claim_at(p, element, owned, value, json_get(p->baseline, name), &claimed);
        }
        return claimed;
}

static json_t *union_of(const json_t *entries) {
        json_t *all = json_object();
        const json_t *entry;
        size_t i;

        json_array_foreach((json_t *)entries, i, entry) {
                cleanup_(json_freep) json_t *copy = json_deep_copy(json_get(entry, "fieldsV1"));

                json_object_update_recursive(all, copy);
        }
        return all;
}

/* ---- patches */

static void add_operation(json_t *patch, const char *path, json_t *value) {
        json_t *operation = json_object();

        json_object_set_new(operation, "op", json_string("add")); /* or replace */
        json_object_set_new(operation, "path", json_string(path));
        json_object_set_new(operation, "value", value);
        json_array_append_new(patch, operation);
}

static char *patch_of(json_t *entries, struct scan_slice object) {
        cleanup_(json_freep) json_t *patch = json_array();

        add_operation(patch, "/metadata/managedFields", json_incref(entries));
        add_operation(patch, "/metadata/resourceVersion",
                      scan_json(scan_dig(object, "metadata", "resourceVersion", NULL)));
        return json_text(patch);
}

static json_t *entries_of(struct scan_slice object) {
        json_t *entries = scan_json(scan_dig(object, "metadata", "managedFields", NULL));

        return entries ? entries : json_array();
}

static char *patch_by(const struct takeover *t, const struct projection *stored, json_t *entries,
                      struct scan_slice object, int64_t now_wall, char **ret_whose) {
        cleanup_(json_freep) json_t *set = scan_json(scan_of(stored->text, strlen(stored->text)));
        cleanup_(json_freep) json_t *lost =
                t->how == TAKEOVER_LOST ? find_lost(stored, 0, object) : NULL;
        cleanup_(json_freep) json_t *taken = NULL, *nobodys = NULL;
        cleanup_(buf_free) struct buf names = BUF_INIT;
        struct place root = { .wish = t,
                              .stored = json_get(set, "fields"),
                              .lost = lost,
                              .strict = stored->strict,
                              .runtime = stored->runtime,
                              .baseline = t->baseline };
        json_t *ours;

        taken = take_from_all(entries, &root, &names);
        if (t->how != TAKEOVER_STRICT) {
                cleanup_(json_freep) json_t *owned = union_of(entries);
                cleanup_(json_freep) json_t *live = scan_json(object);

                if (taken)
                        json_object_update_recursive(owned, taken);
                nobodys = claim(&root, owned, live);
        }
        if (!taken && !nobodys)
                return NULL;
        if (!taken)
                add_name(&names, "somebody who is not recorded");
        ours = json_get(our_entry(entries, stored, now_wall), "fieldsV1");
        if (taken)
                json_object_update_recursive(ours, taken);
        if (nobodys)
                json_object_update_recursive(ours, nobodys);
        *ret_whose = buf_take(&names);
        return patch_of(entries, object);
}

char *takeover_patch(const struct takeover *t, struct scan_slice object, int64_t now_wall,
                     char **ret_whose) {
        cleanup_(json_freep) json_t *entries = entries_of(object);
        cleanup_(json_freep) json_t *owned = t->stored ? NULL : union_of(entries);
        struct projection *stored =
                t->stored ? fieldset_ref(t->stored) : declared_fields(t->document, owned);
        char *patch = stored ? patch_by(t, stored, entries, object, now_wall, ret_whose) : NULL;

        fieldset_unref(stored);
        return patch;
}

char *takeover_strict(const char *type, struct scan_slice object, int64_t now_wall,
                      char **ret_whose) {
        cleanup_(field_rules_free) struct field_rules rules = { 0 };
        cleanup_(freep) char *text = NULL;
        struct takeover t = { .how = TAKEOVER_STRICT };
        struct projection *p = NULL;
        char *patch;

        field_rules_read(type, object, fieldset_own(object), &rules);
        if (!rules.strict)
                return NULL;
        text = fieldset_of_answer(type, object);
        if (!text || fieldset_parse(text, &p, NULL) < 0)
                return NULL;
        t.stored = p;
        patch = takeover_patch(&t, object, now_wall, ret_whose);
        fieldset_unref(p);
        return patch;
}

/* ---- folding in */

#define CLIENT_SIDE "kubectl-client-side-apply"
#define BEFORE_FIRST "before-first-apply" /* what was there without any manager */

/* An old declaration of the same object, in one of its three forms. */
static bool is_old_apply(const json_t *entry) {
        const char *manager = json_get_str(entry, "manager", "");
        bool apply = str_eq(json_get_str(entry, "operation", ""), "Apply");

        if (*json_get_str(entry, "subresource", ""))
                return false;
        return apply ? str_eq(manager, "kubectl")
                     : str_eq(manager, CLIENT_SIDE) || str_eq(manager, BEFORE_FIRST);
}

/* Takes out of OTHER what is in OURS too. */
static bool drop_shared(json_t *other, const json_t *ours) {
        bool dropped = false;
        const char *name;
        json_t *child;
        void *next;

        json_object_foreach_safe(other, next, name, child) {
                const json_t *own = json_get(ours, name);

                if (!own)
                        continue;
                if (json_object_size(child) && json_object_size(own))
                        dropped |= drop_shared(child, own);
                else if (json_object_size(child) || json_object_size(own))
                        continue; /* one value here, many there */
                else
                        dropped = true;
                if (json_object_size(child) == 0)
                        json_object_del(other, name);
        }
        return dropped;
}

/* Mostly there is none: then nothing is made into a tree. */
static bool has_old_apply(struct scan_slice object) {
        struct scan_slice entry;
        struct scan_cursor c;

        if (!scan_list(scan_dig(object, "metadata", "managedFields", NULL), &c))
                return false;
        while (scan_item(&c, &entry)) {
                struct scan_slice manager = scan_get(entry, "manager");

                if (scan_says(manager, "kubectl") || scan_says(manager, CLIENT_SIDE) ||
                    scan_says(manager, BEFORE_FIRST))
                        return true;
        }
        return false;
}

char *takeover_fold(struct scan_slice object) {
        cleanup_(json_freep) json_t *entries = NULL;
        const json_t *ours = NULL, *entry;
        bool dropped = false;
        size_t i;

        if (!has_old_apply(object))
                return NULL;
        entries = entries_of(object);
        json_array_foreach(entries, i, entry)
                if (is_our_entry(entry))
                        ours = json_get(entry, "fieldsV1");
        for (i = json_array_size(entries); ours && i-- > 0;) {
                json_t *fields = json_get(json_array_get(entries, i), "fieldsV1");

                if (!is_old_apply(json_array_get(entries, i)) || !drop_shared(fields, ours))
                        continue;
                dropped = true;
                if (json_object_size(fields) == 0)
                        json_array_remove(entries, i);
        }
        return dropped ? patch_of(entries, object) : NULL;
}

/* ---- giving up */

/* What STEP, a member of managedFields or an item of a list, is called in SET; NULL: not there. */
static const char *name_in(const json_t *set, const json_t *step) {
        const char *name;
        json_t *child;

        json_object_foreach((json_t *)set, name, child) {
                if (json_is_string(step) ? str_eq(name, json_string_value(step))
                                         : keep_names_item(name, step))
                        return name;
        }
        return NULL;
}

static bool take_out(json_t *set, const json_t *path) {
        const json_t *step;
        size_t i;

        json_array_foreach(path, i, step) {
                const char *name = name_in(set, step);

                if (!name)
                        return false;
                if (i + 1 == json_array_size(path))
                        return json_object_del(set, name) == 0;
                set = json_object_get(set, name);
        }
        return false;
}

char *takeover_give_up(const json_t *owned, struct scan_slice object) {
        cleanup_(json_freep) json_t *entries = entries_of(object);
        json_t *entry, *path;
        bool any = false;
        size_t i, k;

        json_array_foreach(entries, i, entry) {
                if (is_our_entry(entry))
                        json_array_foreach(owned, k, path)
                                any |= take_out(json_get(entry, "fieldsV1"), path);
        }
        return any ? patch_of(entries, object) : NULL;
}
