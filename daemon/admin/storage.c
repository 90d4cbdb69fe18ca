/* SPDX-License-Identifier: Apache-2.0 */
/* storage.c - what applications declare, and beside it how what was made of it stands
 *
 * "storage" has the declared ones, "data" everything that holds data and is none of those
 * (databases, buckets, what is being destroyed), "detached" what nobody wants any more. */
#include "routes.h"

#include <stdlib.h>

/* Which of an application's volumes a declared storage is: the only one's, or the one that has its
 * name. */
static bool is_of(const json_t *data, const json_t *declared, size_t count) {
        const char *name = json_get_str(declared, "name", "");

        if (!json_get_bool(data, "volume", false) ||
            !str_eq(json_get_str(data, "application", ""),
                    json_get_str(declared, "application", "")))
                return false;
        return count == 1 || (*name && strstr(json_get_str(data, "path", ""), name));
}

static size_t declared_by(const json_t *storage, const char *application) {
        const char *id;
        json_t *s;
        size_t n = 0;

        json_object_foreach((json_t *)storage, id, s)
                n += str_eq(json_get_str(s, "application", ""), application);
        return n;
}

/* Of several volumes (one a unit) the first that is not well is shown. */
static void add_status(json_t *declared, const json_t *status) {
        const json_t *before = json_get(declared, "status");

        if (!before || str_eq(json_get_str(before, "current", ""), "attached"))
                json_object_set(declared, "status", (json_t *)status);
}

static bool give(const json_t *storage, const json_t *data) {
        const char *id;
        json_t *s;

        json_object_foreach((json_t *)storage, id, s) {
                size_t count = declared_by(storage, json_get_str(s, "application", ""));

                if (!is_of(data, s, count))
                        continue;
                add_status(s, json_get(data, "status"));
                return true;
        }
        return false;
}

/* Its row says what trouble was found last, the loop what it sees now. */
static json_t *detached_status(const json_t *row, const json_t *kept) {
        const char *trouble = json_get_str(row, "trouble", "");
        char id[32];
        json_t *live;

        snprintf(id, sizeof(id), "%lld", (long long)json_get_int(row, "id", 0));
        live = json_get(kept, id);
        if (live)
                return json_incref(live);
        return json_pack("{s:s, s:s}", "current", *trouble ? trouble : "detached", "message", "");
}

static bool has_detached(const json_t *detached, const json_t *declared) {
        const json_t *row;
        size_t i;

        json_array_foreach(detached, i, row)
                if (str_eq(json_get_str(row, "application", ""),
                           json_get_str(declared, "application", "")))
                        return true;
        return false;
}

static void fill_rest(json_t *storage, json_t *detached, const json_t *kept) {
        const char *id;
        void *next;
        json_t *s;
        size_t i;

        json_object_foreach_safe(storage, next, id, s) {
                bool dying = json_get_bool(s, "dying", false);

                json_object_del(s, "dying");
                if (json_get(s, "status"))
                        continue;
                if (dying && has_detached(detached, s)) /* it has a row there */
                        json_object_del(storage, id);
                else
                        json_object_set_new(s, "status",
                                            json_pack("{s:s, s:s}", "current", "pending", "message",
                                                      "nothing of it was made yet"));
        }
        json_array_foreach(detached, i, s)
                json_object_set_new(s, "status", detached_status(s, kept));
}

void storage_add_live(struct reconcile *r, const char *model, json_t *shown,
                      const char *application) {
        cleanup_(json_freep) json_t *live = reconcile_storage(r, model);
        cleanup_(json_freep) json_t *kept = reconcile_kept(r, model);
        json_t *storage = json_get(shown, "storage"), *rest = json_array(), *data;
        size_t i;

        json_array_foreach(live, i, data) {
                const char *of = json_get_str(data, "application", "");

                if (application && *of && !str_eq(application, of))
                        continue;
                if (!give(storage, data))
                        json_array_append(rest, data);
        }
        fill_rest(storage, json_get(shown, "detached"), kept);
        json_object_set_new(shown, "data", rest);
}
