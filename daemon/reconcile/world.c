/* SPDX-License-Identifier: Apache-2.0 */
/* world.c - the loop's memory of rows and observations; see world.h */
#include "world.h"

#include "fight.h"
#include "rule.h"
#include "tally.h"

#include <errno.h>
#include <stdlib.h>

static void *find_id(const struct map *m, int64_t id) {
        return map_find_bytes(m, &id, sizeof(id));
}

static void set_id(struct map *m, int64_t id, void *value) {
        map_set_bytes(m, &id, sizeof(id), value);
}

void world_init(struct world *w) {
        *w = (struct world){ .identities = { .borrows = true }, .resources = { .borrows = true } };
}

static void target_free(void *p) {
        struct world_target *t = p;

        free(t->name);
        free(t->label);
        free(t->bound);
        free(t->identity);
        free(t->reach_why);
        map_free(&t->followed);
        free(t);
}

static void model_free(void *p) {
        struct world_model *m = p;

        free(m->name);
        free(m->uuid);
        free(m->paused);
        rules_free(m->rules);
        free(m->authority_waits);
        free(m->trouble);
        free(m);
}

void world_unit_free(void *p) {
        struct world_unit *u = p;

        if (!u)
                return;
        free(u->name);
        free(u->uid);
        free(u->status);
        free(u->agent);
        free(u->message);
        free(u->address);
        free(u->node);
        free(u->ports);
        free(u);
}

static void wants_free(struct world_want *wants, size_t n) {
        for (size_t i = 0; i < n; i++)
                free(wants[i].label);
        free(wants);
}

struct world_refresh *world_refresh_free(struct world_refresh *f) {
        if (!f)
                return NULL;
        free(f->paused);
        json_decref(f->units);
        json_decref(f->holds);
        free(f->to);
        free(f->check_text);
        free(f->waits);
        free(f);
        return NULL;
}

static void application_free(void *p) {
        struct world_application *a = p;

        wants_free(a->wants, a->want_count);
        free(a->wanted);
        free(a->tally);
        free(a->ending.ids);
        for (size_t i = 0; i < a->see_count; i++)
                free(a->see[i]);
        free(a->see);
        map_free_with(&a->units, world_unit_free);
        free(a->providers);
        free(a->peers);
        free(a->name);
        free(a->charm);
        free(a->charm_name);
        free(a->held);
        free(a->held_list);
        free(a->held_content);
        free(a->plan_error);
        json_decref(a->actions);
        free(a->plan_word);
        free(a->plan_message);
        free(a->conflicts);
        free(a->undecided);
        free(a->pin_error);
        world_refresh_free(a->refresh);
        free(a->paused);
        free(a->message);
        free(a->saved_message);
        free(a);
}

static void projection_release(struct world *w, struct world_projection *p) {
        if (!p || --p->users)
                return;
        map_remove_bytes(&w->projections, p->digest, sizeof(p->digest));
        p->provider->projection_free(p->parsed);
        free(p);
}

void world_needs_free(struct world_need *needs, size_t n) {
        for (size_t i = 0; i < n; i++)
                free(needs[i].output);
        free(needs);
}

static void resource_free(void *p) {
        struct world_resource *r = p;

        observation_clear(&r->seen);
        free(r->removal);
        free(r->judged);
        fights_free(r->fights);
        json_decref(r->kept);
        free(r->identity);
        free(r->found);
        free(r->release);
        free(r->said);
        free(r->reason);
        world_see_free(r->see);
        world_see_free(r->see_before);
        world_needs_free(r->needs, r->need_count);
        free(r->wanters);
        free(r);
}

static void ids_free(void *p) {
        struct world_ids *l = p;

        free(l->ids);
        free(l);
}

void world_deinit(struct world *w) {
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&w->resources, &i));)
                projection_release(w, ((struct world_resource *)e->value)->projection);
        map_free_with(&w->resources, resource_free);
        map_free_with(&w->applications, application_free);
        map_free_with(&w->models, model_free);
        map_free_with(&w->targets, target_free);
        map_free_with(&w->needed_by, ids_free);
        free(w->order);
        map_free(&w->identities);
        map_free_with(&w->types, free);
        map_free(&w->model_names);
        map_free(&w->projections);
}

struct world_target *world_target(struct world *w, int64_t id) {
        return find_id(&w->targets, id);
}

struct world_model *world_model(struct world *w, int64_t id) {
        return find_id(&w->models, id);
}

struct world_model *world_model_named(struct world *w, const char *name) {
        return name ? map_find(&w->model_names, name) : NULL;
}

struct world_application *world_application(struct world *w, int64_t id) {
        return find_id(&w->applications, id);
}

struct world_resource *world_resource(struct world *w, int64_t id) {
        return find_id(&w->resources, id);
}

size_t world_order_at(const struct world *w, int64_t id) {
        size_t low = 0, high = w->order_count;

        while (low < high) {
                size_t mid = (low + high) / 2;

                if (w->order[mid].id < id)
                        low = mid + 1;
                else
                        high = mid;
        }
        return low;
}

struct world_resource *world_resource_next(struct world *w, int64_t after) {
        size_t i = after == INT64_MAX ? w->order_count : world_order_at(w, after + 1);

        return i < w->order_count ? w->order[i].resource : NULL;
}

/* Mostly at the end: ids are given in their order. */
static void order_add(struct world *w, struct world_resource *r) {
        size_t i = world_order_at(w, r->id);

        w->order = mem_grow(w->order, &w->order_room, w->order_count + 1, sizeof(*w->order));
        memmove(w->order + i + 1, w->order + i, (w->order_count++ - i) * sizeof(*w->order));
        w->order[i] = (struct world_order){ r->id, r };
}

static void order_remove(struct world *w, int64_t id) {
        size_t i = world_order_at(w, id);

        memmove(w->order + i, w->order + i + 1, (--w->order_count - i) * sizeof(*w->order));
}

struct world_application *world_application_named(struct world *w, int64_t model,
                                                  const char *name) {
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&w->applications, &i));) {
                struct world_application *a = e->value;

                if (a->model == model && str_eq(a->name, name))
                        return a;
        }
        return NULL;
}

static void identity_key(struct buf *b, int64_t target, const char *type, const char *path) {
        buf_printf(b, "%lld\n%s\n%s", (long long)target, type, path);
}

struct world_resource *world_resource_at(struct world *w, int64_t target, const char *type,
                                         const char *path) {
        cleanup_(buf_free) struct buf key = BUF_INIT;

        identity_key(&key, target, type, path);
        return map_find_bytes(&w->identities, key.data, key.len);
}

struct world_target *world_target_get(struct world *w, int64_t id) {
        struct world_target *t = world_target(w, id);

        if (!t) {
                t = mem_new(struct world_target);
                t->id = id;
                set_id(&w->targets, id, t);
        }
        return t;
}

struct world_model *world_model_get(struct world *w, int64_t id) {
        struct world_model *m = world_model(w, id);

        if (!m) {
                m = mem_new(struct world_model);
                m->id = id;
                set_id(&w->models, id, m);
        }
        return m;
}

void world_model_rename(struct world *w, struct world_model *m, const char *name) {
        if (str_eq(m->name, name))
                return;
        if (m->name)
                map_remove(&w->model_names, m->name);
        str_set(&m->name, name);
        map_set(&w->model_names, name, m);
}

struct world_application *world_application_get(struct world *w, int64_t id) {
        struct world_application *a = world_application(w, id);

        if (!a) {
                a = mem_new(struct world_application);
                a->id = id;
                a->message = str_dup("");
                set_id(&w->applications, id, a);
        }
        return a;
}

/* The text that all resources of one type share. */
static const char *type_of(struct world *w, const char *type) {
        char *text = map_find(&w->types, type);

        if (!text) {
                text = str_dup(type);
                map_set(&w->types, type, text);
        }
        return text;
}

static void name_it(struct world *w, struct world_resource *r, const char *type, const char *path) {
        struct buf key = BUF_INIT;

        identity_key(&key, r->target, type, path);
        r->identity = str_dup(buf_str(&key));
        r->path = r->identity + key.len - strlen(path);
        r->type = type_of(w, type);
        buf_free(&key);
}

struct world_resource *world_resource_get(struct world *w, int64_t id, int64_t target,
                                          const char *type, const char *path) {
        struct world_resource *r = world_resource(w, id);

        if (r)
                return r;
        r = mem_new(struct world_resource);
        r->id = id;
        r->target = target;
        name_it(w, r, type, path);
        r->reason = str_dup("");
        r->stale = true;
        r->interest.resource = id;
        w->states[r->state]++;
        map_set_bytes(&w->resources, &r->id, sizeof(r->id), r);
        order_add(w, r);
        map_set(&w->identities, r->identity, r);
        return r;
}

static void remove_id(struct map *m, int64_t id) {
        map_remove_bytes(m, &id, sizeof(id));
}

void world_target_drop(struct world *w, struct world_target *t) {
        remove_id(&w->targets, t->id);
        target_free(t);
}

void world_model_drop(struct world *w, struct world_model *m) {
        remove_id(&w->models, m->id);
        if (m->name)
                map_remove(&w->model_names, m->name);
        model_free(m);
}

void world_application_drop(struct world *w, struct world_application *a) {
        remove_id(&w->applications, a->id);
        application_free(a);
}

void world_ids_add(struct world_ids *l, int64_t id) {
        if (l->count && l->ids[l->count - 1] == id)
                return; /* one resource's needs are added one after the other */
        l->ids = mem_grow(l->ids, &l->room, l->count + 1, sizeof(*l->ids));
        l->ids[l->count++] = id;
}

/* ID does not need ON any more; who is needed by nobody is forgotten. */
static void unneed(struct world *w, int64_t on, int64_t id) {
        struct world_ids *l = find_id(&w->needed_by, on);

        for (size_t i = 0; l && i < l->count; i++)
                if (l->ids[i] == id)
                        l->ids[i--] = l->ids[--l->count];
        if (!l || l->count)
                return;
        remove_id(&w->needed_by, on);
        ids_free(l);
}

const struct world_ids *world_needed_by(struct world *w, int64_t id) {
        return find_id(&w->needed_by, id);
}

static bool needs_equal(const struct world_need *needs, size_t n, const struct world_resource *r) {
        for (size_t i = 0; n == r->need_count && i < n; i++)
                if (needs[i].id != r->needs[i].id || needs[i].kind != r->needs[i].kind ||
                    !str_eq(needs[i].output, r->needs[i].output))
                        return false;
        return n == r->need_count;
}

void world_set_needs(struct world *w, struct world_resource *r, const struct world_need *needs,
                     size_t n) {
        if (needs_equal(needs, n, r))
                return;
        for (size_t i = 0; i < r->need_count; i++)
                unneed(w, r->needs[i].id, r->id);
        world_needs_free(r->needs, r->need_count);
        r->needs = n ? mem_dup(needs, n * sizeof(*needs)) : NULL;
        r->need_count = n;
        for (size_t i = 0; i < n; i++) {
                struct world_ids *l = find_id(&w->needed_by, needs[i].id);

                r->needs[i].output = str_dup(needs[i].output);
                if (!l) {
                        l = mem_new(struct world_ids);
                        set_id(&w->needed_by, needs[i].id, l);
                }
                world_ids_add(l, r->id);
        }
}

void world_set_state(struct world *w, struct world_resource *r, enum resource_state state) {
        w->states[r->state]--;
        w->states[state]++;
        r->state = state;
}

struct world_lines *world_lines(struct world_resource *r) {
        if (!r->said)
                r->said = mem_new(struct world_lines);
        return r->said;
}

const struct world_lines *world_lines_of(const struct world_resource *r) {
        static const struct world_lines nothing;

        return r->said ? r->said : &nothing;
}

void world_resource_drop(struct world *w, struct world_resource *r) {
        w->states[r->state]--;
        world_set_needs(w, r, NULL, 0);
        tally_dropped(w, r);
        projection_release(w, r->projection);
        if (map_find(&w->identities, r->identity) == r) /* not one that came in its place */
                map_remove(&w->identities, r->identity);
        remove_id(&w->resources, r->id);
        order_remove(w, r->id);
        resource_free(r);
}

bool world_has_fields(struct world *w, const uint8_t *digest) {
        return map_find_bytes(&w->projections, digest, DIGEST_SIZE) != NULL;
}

static void use_projection(struct world *w, struct world_resource *r, struct world_projection *p) {
        if (p)
                p->users++;
        projection_release(w, r->projection);
        r->projection = p;
        r->interest.projection = p ? p->parsed : NULL;
}

int world_set_fields(struct world *w, struct world_resource *r, const struct provider *provider,
                     const uint8_t *digest, const char *text, struct err *err) {
        struct world_projection *p;
        struct projection *parsed = NULL;
        int k;

        if (!digest) {
                use_projection(w, r, NULL);
                return 0;
        }
        p = map_find_bytes(&w->projections, digest, DIGEST_SIZE);
        if (!p) {
                if (!text)
                        return err_set(err, -ENOENT, "the field set is not known");
                k = provider->projection_parse(text, &parsed, err);
                if (k < 0)
                        return k;
                p = mem_new(struct world_projection);
                memcpy(p->digest, digest, DIGEST_SIZE);
                p->provider = provider;
                p->parsed = parsed;
                map_set_bytes(&w->projections, digest, DIGEST_SIZE, p);
        }
        use_projection(w, r, p);
        return 0;
}

static int by_label(const void *a, const void *b) {
        return strcmp(((const struct world_want *)a)->label, ((const struct world_want *)b)->label);
}

void world_set_wants(struct world *w, struct world_application *a, struct world_want *wants,
                     size_t n) {
        size_t i = 1;

        wants_free(a->wants, a->want_count);
        a->wants = wants;
        a->want_count = n;
        while (i < n && by_label(&wants[i - 1], &wants[i]) < 0)
                i++;
        if (i < n)
                qsort(wants, n, sizeof(*wants), by_label);
        tally_reset(w, a);
}

const struct world_want *world_want_in(const struct world_want *wants, size_t n,
                                       const char *label) {
        struct world_want key = { .label = (char *)label };

        return n ? bsearch(&key, wants, n, sizeof(*wants), by_label) : NULL;
}

const struct world_want *world_want(const struct world_application *a, const char *label) {
        return world_want_in(a->wants, a->want_count, label);
}

size_t world_see_count(const struct world_resource *r) {
        size_t n = 0;

        while (r->see && r->see[n])
                n++;
        return n;
}

void world_see_add(struct world_resource *r, const char *pointer) {
        size_t n = world_see_count(r), room = r->see ? n + 1 : 0;

        for (size_t i = 0; i < n; i++)
                if (str_eq(r->see[i], pointer))
                        return;
        if (n == PROVIDER_SEEN_MAX)
                return;
        r->see = mem_grow(r->see, &room, n + 2, sizeof(*r->see));
        r->see[n] = str_dup(pointer);
        r->see[n + 1] = NULL;
        r->interest.see = (const char *const *)r->see;
}

void world_see_withdraw(struct world_resource *r) {
        world_see_free(r->see_before);
        r->see_before = take_ptr(r->see);
        r->interest.see = NULL;
}

char **world_see_copy(const struct world_resource *r) {
        size_t n = world_see_count(r);
        char **copy = r->see ? mem_array(char *, n + 1) : NULL;

        for (size_t i = 0; i < n; i++)
                copy[i] = str_dup(r->see[i]);
        return copy;
}

void world_see_free(char **see) {
        for (char **s = see; s && *s; s++)
                free(*s);
        free(see);
}

bool world_see_more(const struct world_resource *r, char *const *see) {
        for (size_t i = 0; r->see && r->see[i]; i++) {
                char *const *s = see;

                while (s && *s && !str_eq(*s, r->see[i]))
                        s++;
                if (!s || !*s)
                        return true;
        }
        return false;
}
