/* SPDX-License-Identifier: Apache-2.0 */
/* observe.c - from an object's text to an observation: presence, incarnation, digest, readiness,
 * and what was asked for
 *
 * Called for each event and each answer. A tree is made only of objects that have a state,
 * without what readiness does not read; the object itself is attached only when its digest is
 * not the baseline's. */
#include "observe.h"

#include "clock.h"
#include "fieldset.h"
#include "kinds.h"
#include "normalise.h"
#include "poke.h"
#include "project.h"
#include "readiness.h"

#include <stdlib.h>

#define OUTPUT_MAX 4096 /* of a status handed on for others to take values from */

char *observe_path(struct scan_slice object) {
        struct scan_slice metadata = scan_get(object, "metadata");
        cleanup_(freep) char *namespace = scan_dup(scan_get(metadata, "namespace"));
        cleanup_(freep) char *name = scan_dup(scan_get(metadata, "name"));

        if (!name)
                return NULL;
        return namespace && *namespace ? str_format("%s/%s", namespace, name) : take_ptr(name);
}

void observe_absent(struct observation *ret) {
        *ret = (struct observation){ .presence = PRESENCE_ABSENT, .as_of = clock_mono() };
}

/* What readiness reads: no managedFields, and the spec only of kinds that need it. */
static json_t *small_tree(const char *type, struct scan_slice object) {
        static const char *const kept[] = { "generation", "deletionTimestamp", "creationTimestamp",
                                            "finalizers", NULL };
        struct scan_slice metadata = scan_get(object, "metadata");
        json_t *tree = json_object();
        json_t *to = json_object();

        for (const char *const *k = kept; *k; k++)
                json_object_set_new(to, *k, scan_json(scan_get(metadata, *k)));
        json_object_set_new(tree, "metadata", to);
        json_object_set_new(tree, "status", scan_json(scan_get(object, "status")));
        if (readiness_reads_spec(type))
                json_object_set_new(tree, "spec", scan_json(scan_get(object, "spec")));
        return tree;
}

static bool has_state(const char *type) {
        const struct kind_row *row = kinds_find(type);

        return !row || !(row->flags & KIND_PLAIN);
}

static void judge(struct target *t, const struct observe_context *c, const json_t *tree,
                  struct observation *ret, bool *ret_no_pods) {
        struct readiness_verdict v;
        char *better = NULL;

        readiness_judge(c->type, tree, clock_wall(), &v);
        ret->ready = v.ready;
        ret->reason = v.reason;
        ret->rollout = v.rollout;
        if (v.ready == READY_YES || v.ready == READY_UNKNOWN)
                return;
        better = target_pod_reason(t, c->type, c->path);
        if (better) {
                free(ret->reason);
                ret->reason = better;
        }
        if (ret_no_pods)
                *ret_no_pods = v.no_pods && !better;
}

/* A pointer into the text, as json_at would find it in a tree. */
static struct scan_slice value_at(struct scan_slice value, const char *pointer) {
        while (value.text && *pointer == '/') {
                size_t n = strcspn(pointer + 1, "/");
                cleanup_(freep) char *token = str_ndup(pointer + 1, n);
                struct scan_cursor c;
                int64_t index;

                pointer += 1 + n;
                if (scan_list(value, &c) && str_to_int(token, &index)) {
                        value = (struct scan_slice){ 0 };
                        while (index-- >= 0)
                                if (!scan_item(&c, &value))
                                        return (struct scan_slice){ 0 };
                        continue;
                }
                for (char *p = token; (p = strchr(p, '~')); p++) {
                        *p = p[1] == '1' ? '/' : '~';
                        memmove(p + 1, p + 2, strlen(p + 2) + 1);
                }
                value = scan_get(value, token);
        }
        return value;
}

/* Of a Secret only what it is called: an annotation may repeat all of its values, as
 * last-applied-configuration does. */
static bool is_open(const char *pointer) {
        return str_eq(pointer, "/metadata/name") || str_eq(pointer, "/metadata/uid") ||
               str_eq(pointer, "/metadata/labels") || str_starts(pointer, "/metadata/labels/");
}

static json_t *see(const struct observe_context *c, struct scan_slice object, const uint8_t *key) {
        json_t *seen = NULL;

        for (const char *const *p = c->see; p && *p; p++) {
                struct scan_slice value = value_at(object, *p);

                if (scan_is_null(value) || value.len > PROVIDER_SEEN_VALUE_MAX)
                        continue;
                if (key && !is_open(*p))
                        continue;
                if (!seen)
                        seen = json_object();
                json_object_set_new(seen, *p, scan_json(value));
        }
        return seen;
}

/* What others may take values from: addresses of Services, the status of what has one. */
static json_t *output_of(const char *type, struct scan_slice object) {
        struct scan_slice status = scan_get(object, "status");
        json_t *out = json_object();

        json_t *metadata = json_object();

        json_object_set_new(metadata, "uid", scan_json(scan_dig(object, "metadata", "uid", NULL)));
        json_object_set_new(metadata, "name",
                            scan_json(scan_dig(object, "metadata", "name", NULL)));
        json_object_set_new(out, "metadata", metadata);
        if (status.text && status.len <= OUTPUT_MAX)
                json_object_set_new(out, "status", scan_json(status));
        if (str_eq(type, "Service"))
                json_object_set_new(out, "spec", scan_json(scan_get(object, "spec")));
        return out;
}

static void take_text(struct scan_slice value, char *to, size_t size) {
        cleanup_(freep) char *text = scan_dup(value);

        str_copy(to, size, text ? text : "");
}

static void take_time(struct scan_slice value, int64_t *to) {
        char text[CLOCK_TEXT_MAX];

        take_text(value, text, sizeof(text));
        clock_parse_iso(text, to);
}

static void take_digest(const struct observe_context *c, struct scan_slice object,
                        const uint8_t *key, const uint8_t *hash_key, struct observation *ret) {
        if (!c->projection)
                return;
        if (c->digest)
                memcpy(ret->digest, c->digest, DIGEST_SIZE);
        else
                project_digest(c->projection, object, key, ret->digest);
        ret->digest_valid = true;
        if (c->baseline && memcmp(ret->digest, c->baseline, DIGEST_SIZE) == 0) {
                take_time(scan_get(fieldset_own(object), "time"), &ret->wrote_at);
                return;
        }
        ret->found = json_object();
        json_object_set_new(ret->found, "object", normalise_found(c->type, object, hash_key));
        json_object_set_new(ret->found, "others", fieldset_others(object));
}

/* The name that who set a finalizer gave himself; the newest. NULL: nobody is recorded. */
static char *setter_of(struct scan_slice object, struct scan_slice finalizer) {
        cleanup_(freep) char *element = str_format("v:%.*s", (int)finalizer.len, finalizer.text);
        struct scan_slice entry;
        struct scan_cursor c;
        char *who = NULL;

        if (!scan_list(scan_dig(object, "metadata", "managedFields", NULL), &c))
                return NULL;
        while (scan_item(&c, &entry)) {
                if (!scan_dig(entry, "fieldsV1", "f:metadata", "f:finalizers", element, NULL).text)
                        continue;
                free(who);
                who = scan_dup(scan_get(entry, "manager"));
        }
        return who;
}

char *observe_leaving(struct scan_slice object) {
        cleanup_(buf_free) struct buf out = BUF_INIT;
        struct scan_slice item;
        struct scan_cursor c;

        buf_puts(&out, "it is being deleted");
        if (!scan_list(scan_dig(object, "metadata", "finalizers", NULL), &c))
                return buf_take(&out);
        for (const char *before = ", waiting for finalizer "; scan_item(&c, &item); before = ", ") {
                cleanup_(freep) char *who = setter_of(object, item);

                buf_puts(&out, before);
                scan_text(item, &out);
                if (who)
                        buf_printf(&out, " (of %s)", who);
        }
        return buf_take(&out);
}

/* The field set means something only in its own version: "apps/v1" of the set against the
 * object's. Items of lists carry none; they were asked for in the preferred version. */
static bool other_version(struct target *t, const char *type, const struct projection *p,
                          struct scan_slice object) {
        struct scan_slice said = scan_get(object, "apiVersion");
        const struct discovery_kind *kind;
        const char *version;

        if (said.text)
                return !scan_says(said, fieldset_version(p));
        kind = discovery_find(t->discovery.table, type);
        if (!kind || !kind->count)
                return false;
        kinds_group(fieldset_version(p), &version);
        return !str_eq(version, kind->versions[0].version) && discovery_version(kind, version);
}

/* The field set that a baseline was taken with. When cache.db has lost it, the object's own entry
 * for us is the same one, unless somebody took a field of ours: then it is smaller, and the
 * digest differs from the baseline's, as it should. */
static struct projection *own_projection(const char *type, struct scan_slice object) {
        cleanup_(freep) char *text = fieldset_of_answer(type, object);
        struct projection *p = NULL;

        return text && fieldset_parse(text, &p, NULL) >= 0 ? p : NULL;
}

static void projection_unrefp(struct projection **p) {
        fieldset_unref(*p);
}

/* Of one that we wrote before and whose field set is not known. */
static void take_own_digest(struct target *t, const struct observe_context *c,
                            struct scan_slice object, const uint8_t *key, struct observation *ret) {
        cleanup_(projection_unrefp) struct projection *p = own_projection(c->type, object);
        struct observe_context own = *c;

        own.projection = p;
        if (p && !other_version(t, c->type, p, object))
                take_digest(&own, object, key, t->hash_key, ret);
}

void observe_object(struct target *t, const struct observe_context *c, struct scan_slice object,
                    struct observation *ret, bool *ret_no_pods) {
        struct scan_slice metadata = scan_get(object, "metadata");
        const uint8_t *key = normalise_secret_key(c->type, object, t->hash_key);
        cleanup_(json_freep) json_t *tree = NULL;
        bool leaving = !scan_is_null(scan_get(metadata, "deletionTimestamp"));

        *ret = (struct observation){ .presence = leaving ? PRESENCE_LEAVING : PRESENCE_PRESENT,
                                     .as_of = clock_mono(),
                                     .ready = READY_YES };
        if (ret_no_pods)
                *ret_no_pods = false;
        ret->ours = normalise_is_ours(object, t->controller, c->model);
        ret->foreign = normalise_is_foreign(object, t->controller, c->model);
        take_text(scan_get(metadata, "uid"), ret->incarnation, sizeof(ret->incarnation));
        take_text(scan_get(metadata, "resourceVersion"), ret->version, sizeof(ret->version));
        ret->order = strtoull(ret->version, NULL, 10);
        take_time(scan_get(metadata, "creationTimestamp"), &ret->since);
        /* A bound claim counts as filled: what is in it cannot be seen from here. */
        ret->filled = str_eq(c->type, "PersistentVolumeClaim") &&
                      scan_says(scan_dig(object, "status", "phase", NULL), "Bound");
        if (c->projection || !c->written)
                take_digest(c, object, key, t->hash_key, ret);
        else
                take_own_digest(t, c, object, key, ret);
        ret->seen = see(c, object, key);
        if (leaving) {
                ret->ready = READY_NO;
                ret->reason = observe_leaving(object);
                take_time(scan_get(metadata, "deletionTimestamp"), &ret->leaving_at);
                return;
        }
        if (!has_state(c->type))
                return;
        tree = small_tree(c->type, object);
        judge(t, c, tree, ret, ret_no_pods);
        ret->output = output_of(c->type, object);
}

/* ---- what is watched */

/* A kind that identify took to be namespaced and that is not: its resource stands under the
 * model's name. */
static const struct interest *find_interest(struct target *t, const char *type, const char *path,
                                            struct scan_slice object, char **ret_path) {
        const struct interest *i = t->observer.interest(t->observer.arg, type, path);
        cleanup_(freep) char *model = NULL;

        *ret_path = NULL;
        if (i || strchr(path, '/') || !object.text)
                return i;
        model = scan_dup(scan_dig(object, "metadata", "labels", LABEL_MODEL, NULL));
        if (!model)
                return NULL;
        *ret_path = str_format("%s/%s", model, path);
        return t->observer.interest(t->observer.arg, type, *ret_path);
}

void observe_tell(struct target *t, const char *type, const char *path, struct scan_slice object) {
        cleanup_(projection_unrefp) struct projection *projection = NULL;
        cleanup_(freep) char *other = NULL;
        const struct interest *i = find_interest(t, type, path, object, &other);
        struct observe_context c = { .type = type, .path = other ? other : path };
        struct observation o;
        bool no_pods;

        if (!i)
                return;
        projection = i->projection || !i->baseline ? fieldset_ref(i->projection)
                                                   : own_projection(type, object);
        if (projection && other_version(t, type, projection, object)) {
                poke_soon(t, c.type, c.path, 0);
                return;
        }
        c.projection = projection;
        c.baseline = i->baseline;
        c.see = i->see;
        observe_object(t, &c, object, &o, &no_pods);
        if (no_pods)
                poke_soon(t, c.type, c.path, POKE_EVENTS);
        t->observer.observed(t->observer.arg, c.type, c.path, &o);
        observation_clear(&o);
}

void observe_tell_absent(struct target *t, const char *type, const char *path) {
        struct observation o;

        if (!t->observer.interest(t->observer.arg, type, path))
                return;
        observe_absent(&o);
        t->observer.observed(t->observer.arg, type, path, &o);
        observation_clear(&o);
}
