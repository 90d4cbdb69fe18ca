/* SPDX-License-Identifier: Apache-2.0 */
/* takeover.c - rewrites managedFields; see takeover.h
 *
 * A hand-edited key of a list item (a port's number, a container's name) leaves two items of one
 * name for an apply to make: 422 for ever, or a container that nobody asked for. Owned by us,
 * the foreign item goes with the next apply, which does not declare it.
 *
 * Entries with a subresource and those of the platform's own controllers are left alone: what
 * they wrote is theirs to keep. Pure. */
#include "takeover.h"

#include "clock.h"
#include "fieldset-inside.h"

static const char *const platform_writers[] = {
        "kube-controller-manager", "kube-scheduler",     "kubelet",
        "kube-apiserver",          "cluster-autoscaler", NULL,
};

static bool is_left_alone(const json_t *entry) {
        const char *manager = json_get_str(entry, "manager", "");

        if (*json_get_str(entry, "subresource", ""))
                return true;
        for (const char *const *p = platform_writers; *p; p++)
                if (str_eq(*p, manager))
                        return true;
        return false;
}

static bool is_our_entry(const json_t *entry) {
        return str_eq(json_get_str(entry, "manager", ""), FIELDSET_MANAGER) &&
               str_eq(json_get_str(entry, "operation", ""), "Apply") &&
               !*json_get_str(entry, "subresource", "");
}

static bool has_keys(const json_t *set) {
        const char *name;
        json_t *child;

        json_object_foreach((json_t *)set, name, child) {
                if (str_starts(name, "k:"))
                        return true;
        }
        return false;
}

/* Takes out of OTHER what lies under keyed lists of STORED and is not in it; NULL: nothing. */
static json_t *take_items(const json_t *stored, json_t *other) {
        bool keyed = has_keys(stored);
        json_t *taken = NULL;
        const char *name;
        json_t *child;
        void *next;

        json_object_foreach_safe(other, next, name, child) {
                const json_t *known = json_get(stored, name);
                json_t *part = NULL;

                if (keyed && str_starts(name, "k:") && !known)
                        part = json_deep_copy(child);
                else if (json_object_size(known))
                        part = take_items(known, child);
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
static json_t *take_from_all(json_t *entries, const json_t *stored, struct buf *names) {
        json_t *all = NULL;

        for (size_t i = 0; i < json_array_size(entries);) {
                json_t *entry = json_array_get(entries, i);
                json_t *fields = json_get(entry, "fieldsV1");
                cleanup_(json_freep) json_t *taken = NULL;

                if (!is_our_entry(entry) && !is_left_alone(entry))
                        taken = take_items(stored, fields);
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

char *takeover_patch(const struct projection *stored, struct scan_slice object, int64_t now_wall,
                     char **ret_whose) {
        struct scan_slice metadata = scan_get(object, "metadata");
        cleanup_(json_freep) json_t *entries = scan_json(scan_get(metadata, "managedFields"));
        cleanup_(json_freep) json_t *set = scan_json(scan_of(stored->text, strlen(stored->text)));
        cleanup_(json_freep) json_t *patch = json_array();
        cleanup_(json_freep) json_t *taken = NULL;
        cleanup_(buf_free) struct buf names = BUF_INIT;
        json_t *ours;

        taken = take_from_all(entries, json_get(set, "fields"), &names);
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
