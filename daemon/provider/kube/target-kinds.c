/* SPDX-License-Identifier: Apache-2.0 */
/* target-kinds.c - what says that the kinds of a cluster are other ones: definitions and API
 * services, watched by their metadata alone
 *
 * Their news make discovery out of date. A definition that is being deleted is noted: a server
 * still takes objects of its kind. Who may not watch definitions learns of new kinds when something
 * is parked. */
#include "target.h"

/* What is made of a kind while its definition is being deleted goes with it, and may keep it from
 * going. One that is gone stays noted: what discovery said last may still have its kind. */
static void note_leaving(struct target *t, enum watch_event event, struct scan_slice object) {
        struct scan_slice metadata = scan_get(object, "metadata");
        cleanup_(freep) char *name = scan_dup(scan_get(metadata, "name"));

        if (!name || event == WATCH_DELETED)
                return;
        if (!scan_is_null(scan_get(metadata, "deletionTimestamp")))
                map_set(&t->leaving, name, t);
        else if (map_remove(&t->leaving, name))
                t->observer.changed(t->observer.arg);
}

bool target_leaves(const struct target *t, const struct discovery_kind *kind,
                   const struct discovery_version *version) {
        cleanup_(freep) char *name = str_format("%s.%s", version->plural, kind->group);

        return map_find(&t->leaving, name) != NULL;
}

static void on_kind(void *arg, enum watch_event event, struct scan_slice object) {
        struct kinds_watch *k = arg;

        note_leaving(k->target, event, object);
        if (event != WATCH_LISTED)
                target_discover_soon(k->target);
}

static void on_listed(void *arg, bool begin) {
        struct kinds_watch *k = arg;

        if (begin)
                return;
        if (k->listed)
                target_discover_soon(k->target);
        k->listed = true;
}

/* All is listed anew then. */
static void on_went_back(void *arg) {
}

static void on_health(void *arg, const struct watch_health *h) {
        struct kinds_watch *k = arg;

        if (h->connection)
                target_lost(k->target, h->why);
}

void target_begin_kinds(struct target *t) {
        static const char *const types[] = { TARGET_CRD, TARGET_API_SERVICE };
        struct watch_config how = { .metadata_only = true,
                                    .item = on_kind,
                                    .listed = on_listed,
                                    .went_back = on_went_back,
                                    .health = on_health };

        for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
                struct kinds_watch *k = &t->kinds[i];

                if (k->watch)
                        continue;
                *k = (struct kinds_watch){ .target = t };
                how.arg = k;
                k->watch = target_new_watch(t, types[i], NULL, &how);
        }
}
