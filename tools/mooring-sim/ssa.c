/* SPDX-License-Identifier: Apache-2.0 */
/* ssa.c - apply and update on managers' field sets; see ssa.h. Called by managed.c and by the
 * recorded cases */
#include "ssa.h"

#include <stdlib.h>

void ssa_managers_deinit(struct ssa_managers *m) {
        for (size_t i = 0; i < m->count; i++) {
                free(m->items[i].id);
                free(m->items[i].version);
                json_decref(m->items[i].set);
        }
        free(m->items);
        *m = (struct ssa_managers){ 0 };
}

struct ssa_manager *ssa_managers_find(const struct ssa_managers *m, const char *id) {
        for (size_t i = 0; i < m->count; i++)
                if (str_eq(m->items[i].id, id))
                        return &m->items[i];
        return NULL;
}

static void manager_remove(struct ssa_managers *m, size_t i) {
        free(m->items[i].id);
        free(m->items[i].version);
        json_decref(m->items[i].set);
        memmove(&m->items[i], &m->items[i + 1], (m->count - i - 1) * sizeof(*m->items));
        m->count--;
}

void ssa_managers_set(struct ssa_managers *m, const char *id, const char *version, bool applied,
                      json_t *set) {
        struct ssa_manager *x = ssa_managers_find(m, id);

        if (fieldset_empty(set)) {
                json_decref(set);
                if (x)
                        manager_remove(m, (size_t)(x - m->items));
                return;
        }
        if (!x) {
                m->items = mem_grow(m->items, &m->room, m->count + 1, sizeof(*m->items));
                x = &m->items[m->count++];
                *x = (struct ssa_manager){ .id = str_dup(id) };
        }
        str_set(&x->version, version);
        x->applied = applied;
        json_decref(x->set);
        x->set = set;
}

void ssa_conflicts_deinit(struct ssa_conflicts *c) {
        for (size_t i = 0; i < c->count; i++) {
                free(c->items[i].id);
                free(c->items[i].path);
        }
        free(c->items);
        *c = (struct ssa_conflicts){ 0 };
}

struct collect {
        struct ssa_conflicts *out;
        const char *id;
};

static void collect_conflict(void *arg, const struct fieldset_path *path) {
        struct collect *c = arg;
        cleanup_(buf_free) struct buf text = BUF_INIT;

        fieldset_path_text(path, &text);
        c->out->items =
                mem_grow(c->out->items, &c->out->room, c->out->count + 1, sizeof(*c->out->items));
        c->out->items[c->out->count++] =
                (struct ssa_conflict){ str_dup(c->id), str_dup(buf_str(&text)) };
}

static int by_id_and_path(const void *a, const void *b) {
        const struct ssa_conflict *x = a, *y = b;
        int r = strcmp(x->id, y->id);

        return r ? r : strcmp(x->path, y->path);
}

static const json_t *ignored_at(const struct ssa_request *q, const char *version) {
        const json_t *at = q->ignored ? json_object_get(q->ignored, version) : NULL;

        return at || !q->ignored ? at : json_object_get(q->ignored, "*");
}

static void without(json_t **set, const json_t *ignored) {
        json_t *rest;

        if (!ignored)
                return;
        rest = fieldset_recursive_difference(*set, ignored);
        json_decref(*set);
        *set = rest;
}

/* COMPARISON as managers at VERSION see it. */
static void comparison_at(const struct ssa_request *q, const json_t *live, const json_t *object,
                          const char *version, struct typed_comparison *ret) {
        const json_t *ignored = ignored_at(q, version);

        typed_compare(q->type, live, object, ret);
        without(&ret->added, ignored);
        without(&ret->modified, ignored);
        without(&ret->removed, ignored);
}

/* What manager M owns of what was added or changed: empty where it owns nothing of it. */
static json_t *touched(const struct ssa_manager *m, const struct typed_comparison *c) {
        cleanup_(json_freep) json_t *changed = fieldset_union(c->modified, c->added);

        return fieldset_intersection(m->set, changed);
}

static void take_away(struct ssa_manager *m, const json_t *set) {
        json_t *rest;

        if (fieldset_empty(set))
                return;
        rest = fieldset_difference(m->set, set);
        json_decref(m->set);
        m->set = rest;
}

/* Takes changed and removed fields away from the others. SSA_CONFLICT: nothing was taken, unless
 * forced. */
static int settle(const struct ssa_request *q, const json_t *live, const json_t *object, bool force,
                  struct ssa_managers *managers, struct ssa_conflicts *ret_conflicts) {
        size_t n = managers->count;
        cleanup_(freep) json_t **lost = mem_array(json_t *, n ? n : 1);
        cleanup_(freep) json_t **removed = mem_array(json_t *, n ? n : 1);

        for (size_t i = 0; i < n; i++) {
                struct ssa_manager *m = &managers->items[i];
                struct typed_comparison c;

                if (str_eq(m->id, q->manager))
                        continue;
                comparison_at(q, live, object, m->version, &c);
                lost[i] = touched(m, &c);
                removed[i] = json_incref(c.removed);
                typed_comparison_deinit(&c);
                if (!force)
                        fieldset_each(lost[i], collect_conflict,
                                      &(struct collect){ ret_conflicts, m->id });
        }
        for (size_t i = 0; i < n; i++) {
                if ((force || !ret_conflicts->count) && lost[i]) {
                        take_away(&managers->items[i], lost[i]);
                        take_away(&managers->items[i], removed[i]);
                }
                json_decref(lost[i]);
                json_decref(removed[i]);
        }
        if (!force && ret_conflicts->count) {
                qsort(ret_conflicts->items, ret_conflicts->count, sizeof(*ret_conflicts->items),
                      by_id_and_path);
                return SSA_CONFLICT;
        }
        for (size_t i = managers->count; i-- > 0;)
                if (fieldset_empty(managers->items[i].set))
                        manager_remove(managers, i);
        return 0;
}

static void follow_schema(const struct ssa_request *q, struct ssa_managers *managers) {
        for (size_t i = 0; i < managers->count; i++) {
                json_t *set = typed_follow_schema(q->type, managers->items[i].set);

                json_decref(managers->items[i].set);
                managers->items[i].set = set;
        }
}

/* --- pruning */

static json_t *named_fields(const struct schema_type *t, const json_t *object) {
        cleanup_(json_freep) json_t *set = object ? typed_fields(t, object) : json_object();

        return typed_named_members(t, set);
}

/* MERGED without those of its fields that are not in KEEP1 nor in KEEP2. */
static json_t *keep_only(const struct schema_type *t, const json_t *merged, const json_t *keep1,
                         const json_t *keep2) {
        cleanup_(json_freep) json_t *all = named_fields(t, merged);
        cleanup_(json_freep) json_t *keep = fieldset_union(keep1, keep2);
        cleanup_(json_freep) json_t *go = fieldset_difference(all, keep);

        return typed_remove(t, merged, go);
}

static json_t *owned_by_all(const struct schema_type *t, const struct ssa_managers *managers) {
        json_t *all = json_object(), *named;

        for (size_t i = 0; i < managers->count; i++) {
                json_t *more = fieldset_union(all, managers->items[i].set);

                json_decref(all);
                all = more;
        }
        named = typed_named_members(t, all);
        json_decref(all);
        return named;
}

/* Removes what the manager owned (LAST), owns no more, and nobody else owns either. What lies
 * below something that goes, but belongs to others or to nobody, stays. */
static json_t *prune(const struct ssa_request *q, const json_t *merged,
                     const struct ssa_managers *managers, const json_t *last) {
        cleanup_(json_freep) json_t *named = typed_named_members(q->type, last);
        cleanup_(json_freep) json_t *bare = typed_remove(q->type, merged, named);
        cleanup_(json_freep) json_t *bare_fields = named_fields(q->type, bare);
        cleanup_(json_freep) json_t *owned = owned_by_all(q->type, managers);
        cleanup_(json_freep) json_t *pruned = keep_only(q->type, merged, bare_fields, owned);
        cleanup_(json_freep) json_t *all = named_fields(q->type, merged);
        cleanup_(json_freep) json_t *left = named_fields(q->type, pruned);
        cleanup_(json_freep) json_t *gone = fieldset_difference(all, left);
        cleanup_(json_freep) json_t *ours = fieldset_intersection(gone, named);

        return typed_remove(q->type, merged, ours);
}

int ssa_apply(const struct ssa_request *q, const json_t *live, const json_t *config,
              struct ssa_managers *managers, json_t **ret, struct ssa_conflicts *ret_conflicts) {
        cleanup_(json_freep) json_t *merged = NULL, *last = NULL;
        struct ssa_manager *before;
        json_t *set;
        int r;

        follow_schema(q, managers);
        merged = typed_merge(q->type, live, config);
        before = ssa_managers_find(managers, q->manager);
        if (before)
                last = json_incref(before->set);
        set = typed_fields(q->type, config);
        without(&set, ignored_at(q, q->version));
        ssa_managers_set(managers, q->manager, q->version, true, set);
        if (!fieldset_empty(last)) {
                json_t *pruned = prune(q, merged, managers, last);

                json_decref(merged);
                merged = pruned;
        }
        r = settle(q, live, merged, q->force, managers, ret_conflicts);
        if (r == 0)
                *ret = take_ptr(merged);
        return r;
}

void ssa_update(const struct ssa_request *q, const json_t *live, const json_t *object,
                struct ssa_managers *managers) {
        struct ssa_conflicts none = { 0 };
        struct typed_comparison c;
        struct ssa_manager *m;
        json_t *set, *more;

        follow_schema(q, managers);
        settle(q, live, object, true, managers, &none);
        comparison_at(q, live, object, q->version, &c);
        m = ssa_managers_find(managers, q->manager);
        set = m ? fieldset_difference(m->set, c.removed) : json_object();
        more = fieldset_union(set, c.modified);
        json_decref(set);
        set = fieldset_union(more, c.added);
        json_decref(more);
        typed_comparison_deinit(&c);
        without(&set, ignored_at(q, q->version));
        ssa_managers_set(managers, q->manager, q->version, false, set);
}
