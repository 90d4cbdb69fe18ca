/* SPDX-License-Identifier: Apache-2.0 */
/* takeover.c - rewrites managedFields; see takeover.h
 *
 * A hand-edited key of a list item (a port's number, a container's name) leaves two items of one
 * name for an apply to make: 422 for ever, or a container that nobody asked for. Owned by us,
 * the foreign item goes with the next apply, which does not declare it.
 *
 * Only lists that lost an item of ours are gone through: what others put beside ours elsewhere
 * is nobody's mistake. Entries with a subresource and those of the platform's own controllers
 * are left alone: what they wrote is theirs to keep. Pure. */
#include "takeover.h"

#include "clock.h"
#include "fieldset-inside.h"
#include "keep.h"

static bool is_left_alone(const json_t *entry) {
        return *json_get_str(entry, "subresource", "") ||
               fieldset_is_platform(json_get_str(entry, "manager", ""));
}

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

/* ---- taking */

static bool has_keys(const json_t *set) {
        const char *name;
        json_t *child;

        json_object_foreach((json_t *)set, name, child) {
                if (str_starts(name, "k:"))
                        return true;
        }
        return false;
}

/* Takes out of OTHER the items that STORED does not know, under those keyed lists that LOST names
 * (NULL: all of STORED's). NULL: nothing. */
static json_t *take_items(const json_t *stored, json_t *other, const json_t *lost) {
        bool here = lost ? json_get(lost, LOST) != NULL : has_keys(stored);
        json_t *taken = NULL;
        const char *name;
        json_t *child;
        void *next;

        json_object_foreach_safe(other, next, name, child) {
                const json_t *known = json_get(stored, name);
                json_t *part = NULL;

                if (here && str_starts(name, "k:") && !known)
                        part = json_deep_copy(child);
                else if (json_object_size(known) && (!lost || json_get(lost, name)))
                        part = take_items(known, child, json_get(lost, name));
                if (!part)
                        continue;
                if (!taken)
                        taken = json_object();
                json_object_set_new_nocheck(taken, name, part);
                if (!known)
                        json_object_del(other, name);
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
static json_t *take_from_all(json_t *entries, const json_t *stored, const json_t *lost,
                             struct buf *names) {
        json_t *all = NULL;

        for (size_t i = 0; i < json_array_size(entries);) {
                json_t *entry = json_array_get(entries, i);
                json_t *fields = json_get(entry, "fieldsV1");
                cleanup_(json_freep) json_t *taken = NULL;

                if (!is_our_entry(entry) && !is_left_alone(entry))
                        taken = take_items(stored, fields, lost);
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

static void add_operation(json_t *patch, const char *path, json_t *value) {
        json_t *operation = json_object();

        json_object_set_new(operation, "op", json_string("replace"));
        json_object_set_new(operation, "path", json_string(path));
        json_object_set_new(operation, "value", value);
        json_array_append_new(patch, operation);
}

char *takeover_patch(const struct projection *stored, struct scan_slice object, bool all,
                     int64_t now_wall, char **ret_whose) {
        struct scan_slice metadata = scan_get(object, "metadata");
        cleanup_(json_freep) json_t *entries = scan_json(scan_get(metadata, "managedFields"));
        cleanup_(json_freep) json_t *set = scan_json(scan_of(stored->text, strlen(stored->text)));
        cleanup_(json_freep) json_t *lost = all ? NULL : find_lost(stored, 0, object);
        cleanup_(json_freep) json_t *patch = json_array();
        cleanup_(json_freep) json_t *taken = NULL;
        cleanup_(buf_free) struct buf names = BUF_INIT;
        json_t *ours;

        taken = take_from_all(entries, json_get(set, "fields"), lost, &names);
        if (!taken)
                return NULL;
        ours = our_entry(entries, stored, now_wall);
        json_object_update_recursive(json_get(ours, "fieldsV1"), taken);
        add_operation(patch, "/metadata/managedFields", json_incref(entries));
        add_operation(patch, "/metadata/resourceVersion",
                      scan_json(scan_get(metadata, "resourceVersion")));
        *ret_whose = buf_take(&names);
        return json_text(patch);
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
        struct scan_slice metadata = scan_get(object, "metadata");
        cleanup_(json_freep) json_t *entries = scan_json(scan_get(metadata, "managedFields"));
        cleanup_(json_freep) json_t *patch = json_array();
        json_t *entry, *path;
        bool any = false;
        size_t i, k;

        json_array_foreach(entries, i, entry) {
                if (is_our_entry(entry))
                        json_array_foreach(owned, k, path)
                                any |= take_out(json_get(entry, "fieldsV1"), path);
        }
        if (!any)
                return NULL;
        add_operation(patch, "/metadata/managedFields", json_incref(entries));
        add_operation(patch, "/metadata/resourceVersion",
                      scan_json(scan_get(metadata, "resourceVersion")));
        return json_text(patch);
}
