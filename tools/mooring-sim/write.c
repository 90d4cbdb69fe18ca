/* SPDX-License-Identifier: Apache-2.0 */
/* write.c - creating and changing objects; see write.h
 *
 * Every change runs the same way: decode and drop unknown fields, defaults, what the server
 * keeps (uid, status, generation), ownership, validation, and only if something changed the
 * store. */
#include "write.h"

#include "admission.h"
#include "crd.h"
#include "defaults.h"
#include "managed.h"
#include "patch.h"
#include "scale.h"
#include "store.h"
#include "typed.h"
#include "validate.h"

#include <errno.h>
#include <stdlib.h>

static bool is_status(const struct write *w) {
        return str_eq(w->subresource, "status");
}

static json_t *meta_of(json_t *object) {
        json_t *meta = store_meta(object);

        if (!json_is_object(meta)) {
                meta = json_object();
                json_object_set_new(object, "metadata", meta);
        }
        return meta;
}

/* --- what was sent */

static bool check_identity(struct write *w, json_t *object) {
        const struct kind *k = w->kind;
        const char *version = json_get_str(object, "apiVersion", ""),
                   *kind = json_get_str(object, "kind", "");
        const char *namespace = store_namespace(object);

        if (!*version)
                json_object_set_new(object, "apiVersion", json_string(k->api_version));
        else if (!str_eq(version, k->api_version)) {
                reply_bad_request(
                        w->reply,
                        "%s in version \"%s\" cannot be handled as a %s: no kind \"%s\" is "
                        "registered for version \"%s\" in scheme \"pkg/runtime/scheme.go:110\"",
                        *kind ? kind : k->kind, version, k->kind, *kind ? kind : k->kind, version);
                return false;
        }
        if (!*kind)
                json_object_set_new(object, "kind", json_string(k->kind));
        else if (!str_eq(kind, k->kind)) {
                reply_bad_request(w->reply,
                                  "%s in version \"%s\" cannot be handled as a %s: converting "
                                  "(%s) to (%s): unknown conversion",
                                  kind, k->version, k->kind, kind, k->kind);
                return false;
        }
        if (*namespace && !str_eq(namespace, w->namespace)) {
                reply_bad_request(
                        w->reply,
                        "the namespace of the provided object does not match the namespace "
                        "sent on the request");
                return false;
        }
        if (*w->namespace)
                json_object_set_new(meta_of(object), "namespace", json_string(w->namespace));
        return true;
}

/* Members that the type does not know are dropped, as decoding into a Go struct does. */
static void drop_unknown(const struct schema_type *t, json_t *v, const char *path,
                         json_t *unknown) {
        const char *key;
        json_t *value;
        void *tmp;
        size_t i;

        if (json_is_object(v) && t->has_map) {
                json_object_foreach_safe(v, tmp, key, value) {
                        const struct schema_type *type = schema_member(t, key);
                        cleanup_(freep) char *below =
                                str_format("%s%s%s", path, *path ? "." : "", key);

                        if (type) {
                                if (!type->deduced && !str_eq(type->name, "~"))
                                        drop_unknown(type, value, below, unknown);
                                continue;
                        }
                        json_array_append_new(unknown, json_string(below));
                        json_object_del(v, key);
                }
        } else if (json_is_array(v) && t->has_list) {
                json_array_foreach(v, i, value) {
                        cleanup_(freep) char *below = str_format("%s[%zu]", path, i);

                        drop_unknown(t->item, value, below, unknown);
                }
        }
}

static void drop_nulls(json_t *v) {
        const char *key;
        json_t *value;
        void *tmp;
        size_t i;

        json_object_foreach_safe(v, tmp, key, value) {
                if (json_is_null(value))
                        json_object_del(v, key);
                else
                        drop_nulls(value);
        }
        json_array_foreach(v, i, value) {
                drop_nulls(value);
        }
}

static bool report_unknown(struct write *w, const json_t *unknown) {
        cleanup_(buf_free) struct buf text = BUF_INIT;
        json_t *path;
        size_t i;

        if (!json_array_size(unknown) || w->unknown == WRITE_IGNORE)
                return true;
        json_array_foreach((json_t *)unknown, i, path) {
                if (w->unknown == WRITE_WARN)
                        reply_warn(w->reply, "unknown field \"%s\"", json_string_value(path));
                buf_printf(&text, "%sunknown field \"%s\"", i ? ", " : "", json_string_value(path));
        }
        if (w->unknown == WRITE_WARN)
                return true;
        reply_bad_request(
                w->reply,
                "%s in version \"%s\" cannot be handled as a %s: strict decoding error: %s",
                w->kind->kind, w->kind->version, w->kind->kind, buf_str(&text));
        return false;
}

static bool check_types(struct write *w, const json_t *object) {
        cleanup_(typed_problems_deinit) struct typed_problems problems = { 0 };
        cleanup_(buf_free) struct buf text = BUF_INIT;

        if (w->kind->flags & KIND_CUSTOM)
                return true; /* crd_validate says it better, as 422 */
        typed_check(w->kind->type, object, true, &problems);
        if (!problems.list && !validate_bytes(w->kind, object)) {
                reply_bad_request(w->reply,
                                  "%s in version \"%s\" cannot be handled as a %s: illegal base64 "
                                  "data at input byte 0",
                                  w->kind->kind, w->kind->version, w->kind->kind);
                return false;
        }
        if (!problems.list)
                return true;
        typed_problems_text(&problems, &text);
        reply_bad_request(w->reply,
                          "%s in version \"%s\" cannot be handled as a %s: json: cannot "
                          "unmarshal: %s",
                          w->kind->kind, w->kind->version, w->kind->kind, buf_str(&text));
        return false;
}

static bool decode(struct write *w, json_t *object) {
        cleanup_(json_freep) json_t *unknown = json_array();

        if (!check_identity(w, object))
                return false;
        if (w->kind->flags & KIND_CUSTOM) {
                crd_prune(w->kind, object, unknown);
        } else {
                drop_nulls(object);
                drop_unknown(w->kind->type, object, "", unknown);
        }
        return report_unknown(w, unknown) && check_types(w, object);
}

/* --- one change */

static bool spec_changed(const json_t *live, const json_t *object) {
        cleanup_(json_freep) json_t *a = json_copy((json_t *)live),
                                    *b = json_copy((json_t *)object);

        json_object_del(a, "metadata");
        json_object_del(b, "metadata");
        json_object_del(a, "status");
        json_object_del(b, "status");
        return !typed_equal(a, b);
}

static void keep(const json_t *from, json_t *to, const char *member) {
        json_t *value = json_get(from, member);

        if (value)
                json_object_set(to, member, value);
        else
                json_object_del(to, member);
}

/* What a client cannot change stays as it was. */
static void keep_from_live(struct write *w, const json_t *live, json_t *object) {
        static const char *const meta[] = { "uid",
                                            "creationTimestamp",
                                            "generation",
                                            "deletionTimestamp",
                                            "deletionGracePeriodSeconds",
                                            "selfLink",
                                            "generateName" };
        json_t *m = meta_of(object);

        for (size_t i = 0; i < ARRAY_SIZE(meta); i++)
                keep(store_meta(live), m, meta[i]);
        json_object_set_new(m, "name", json_string(store_name(live)));
        if (w->kind->flags & KIND_STATUS && !is_status(w))
                keep(live, object, "status");
        /* Binding a pod to its node is no change of what was wanted. */
        if (w->kind->flags & KIND_GENERATION && !(w->trusted && w->kind->flags & KIND_PODS) &&
            spec_changed(live, object))
                json_object_set_new(
                        m, "generation",
                        json_integer(json_get_int(store_meta(live), "generation", 0) + 1));
}

/* Only the status of OBJECT, on top of LIVE; and of a built-in kind its annotations, which
 * controllers write along with it. */
static json_t *status_only(const struct kind *kind, const json_t *live, json_t *object) {
        json_t *out = json_deep_copy(live),
               *managed = json_get(store_meta(object), "managedFields");

        keep(object, out, "status");
        if (!(kind->flags & KIND_CUSTOM))
                keep(store_meta(object), store_meta(out), "annotations");
        keep(store_meta(object), store_meta(out), "resourceVersion");
        if (managed)
                json_object_set(store_meta(out), "managedFields", managed);
        json_decref(object);
        return out;
}

static bool check_version(struct write *w, const json_t *live, const json_t *object) {
        const char *sent = json_get_str(store_meta(object), "resourceVersion", "");
        const char *uid = store_uid(object);

        if (*uid && !str_eq(uid, store_uid(live))) {
                reply_conflict(
                        w->reply, w->kind, store_name(live),
                        "Precondition failed: UID in precondition: %s, UID in object meta: %s", uid,
                        store_uid(live));
                return false;
        }
        if (!*sent || str_eq(sent, "0") ||
            str_eq(sent, json_get_str(store_meta(live), "resourceVersion", "")))
                return true;
        reply_conflict(
                w->reply, w->kind, store_name(live),
                "the object has been modified; please apply your changes to the latest version and "
                "try again");
        return false;
}

static bool check_valid(struct write *w, const json_t *live, const json_t *object) {
        cleanup_(invalid_deinit) struct invalid invalid = { 0 };

        validate_object(w->kind, live, object, &invalid);
        if (is_status(w))
                crd_validate_status(w->kind, object, &invalid);
        else
                crd_validate(w->kind, object, &invalid);
        return !invalid_reply(&invalid, w->reply, w->kind, store_name(object));
}

static struct managed_request managed_request_of(const struct write *w) {
        return (struct managed_request){ .kind = w->kind,
                                         .manager = w->manager,
                                         .subresource = w->subresource,
                                         .force = w->force };
}

static void answer(struct write *w, int code, const json_t *object) {
        if (str_eq(w->subresource, "scale"))
                reply_ok(w->reply, code, scale_of(w->kind, object));
        else
                reply_ok(w->reply, code, json_incref((json_t *)object));
}

/* Steals OBJECT. */
static void put(struct write *w, int code, json_t *object) {
        cleanup_(json_freep) json_t *kept = json_incref(object);
        struct err err = { 0 };

        if (w->dry_run)
                json_decref(object);
        else if (store_put(w->sim, w->kind, object, &err) < 0) {
                reply_status(w->reply, 507, "InsufficientStorage", NULL, "%s", err_text(&err));
                return;
        }
        answer(w, code, kept);
}

/* The last finalizer of something that is to go is gone. */
static bool finished(const json_t *object) {
        return json_get(store_meta(object), "deletionTimestamp") &&
               json_array_size(json_get(store_meta(object), "finalizers")) == 0 &&
               json_array_size(json_dig(object, "spec", "finalizers", NULL)) == 0 &&
               json_get_int(store_meta(object), "deletionGracePeriodSeconds", 0) == 0;
}

/* Steals OBJECT: LIVE becomes OBJECT, unless they are the same. OWNED: managedFields are already
 * right. */
static void change(struct write *w, const json_t *live, json_t *object, bool owned) {
        cleanup_(json_freep) json_t *mine = object;
        struct managed_request q = managed_request_of(w);

        if (!check_version(w, live, object))
                return;
        keep(store_meta(live), meta_of(object), "resourceVersion");
        if (w->kind->flags & KIND_CUSTOM) {
                crd_prune(w->kind, object, NULL);
                crd_defaults(w->kind, object);
        }
        defaults_set(w->sim, w->kind, live, object);
        if (!owned)
                managed_update(&q, live, object);
        defaults_prepare(w->kind, live, object);
        keep_from_live(w, live, object);
        if (admission_refuse_growth(w->sim, w->kind, live, object, w->reply) ||
            !check_valid(w, live, object))
                return;
        if (managed_same(live, object)) {
                answer(w, 200, live);
                return;
        }
        if (finished(object) && !w->dry_run) {
                answer(w, 200, object);
                store_remove(w->sim, w->kind, w->namespace, store_name(object));
                return;
        }
        put(w, 200, take_ptr(mine));
}

static void name_generated(struct write *w, json_t *object) {
        static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
        const char *prefix = json_get_str(store_meta(object), "generateName", "");
        uint64_t x = ++w->sim->next_uid * 0x9e3779b97f4a7c15u;
        char suffix[6];

        if (*store_name(object) || !*prefix)
                return;
        for (size_t i = 0; i < 5; i++, x >>= 8)
                suffix[i] = letters[(x >> 20) % (sizeof(letters) - 1)];
        suffix[5] = '\0';
        json_object_set_new(meta_of(object), "name",
                            json_sprintf("%.*s%s", 58, prefix, suffix)); /* 63 letters in all */
}

/* Steals OBJECT. */
static void create(struct write *w, json_t *object, bool owned) {
        cleanup_(json_freep) json_t *mine = object;
        struct managed_request q = managed_request_of(w);
        json_t *meta = meta_of(object);

        if (!w->dry_run)
                json_object_del(meta, "resourceVersion");
        json_object_del(meta, "deletionTimestamp");
        json_object_set_new(meta, "uid", sim_new_uid(w->sim));
        json_object_set_new(meta, "creationTimestamp", sim_now());
        if (w->kind->flags & KIND_GENERATION)
                json_object_set_new(meta, "generation", json_integer(1));
        if (w->kind->flags & KIND_CUSTOM) {
                crd_prune(w->kind, object, NULL);
                crd_defaults(w->kind, object);
        }
        if (!w->trusted || !json_get(object, "status"))
                defaults_status(w->kind, object);
        admission_defaults(w->sim, w->kind, object);
        defaults_set(w->sim, w->kind, NULL, object);
        if (!owned)
                managed_update(&q, NULL, object);
        defaults_prepare(w->kind, NULL, object);
        if (!check_valid(w, NULL, object))
                return;
        put(w, 201, take_ptr(mine));
}

/* --- verbs */

static bool check_namespace(struct write *w) {
        struct kind *kind = kinds_find(&w->sim->kinds, "", "v1", "namespaces");
        json_t *namespace;

        if (!*w->namespace || w->trusted)
                return true;
        namespace = store_get(kind, NULL, w->namespace);
        if (!namespace) {
                reply_not_found(w->reply, kind, w->namespace);
                return false;
        }
        if (!json_get(store_meta(namespace), "deletionTimestamp"))
                return true;
        return admission_refuse_terminating(w->kind, w->name, w->namespace, w->reply);
}

void write_create(struct write *w, json_t *object) {
        cleanup_(json_freep) json_t *mine = object;

        if (!decode(w, object))
                return;
        name_generated(w, object);
        w->name = store_name(object);
        if (!check_namespace(w))
                return;
        if (*json_get_str(store_meta(object), "resourceVersion", "")) {
                reply_status(w->reply, 500, "", NULL,
                             "resourceVersion should not be set on objects to be created");
                return;
        }
        if (store_get(w->kind, w->namespace, w->name)) {
                reply_exists(w->reply, w->kind, w->name);
                return;
        }
        if (!w->trusted && !admission_check(w->sim, w->kind, object, w->reply))
                return;
        create(w, take_ptr(mine), false);
}

static bool check_name(struct write *w, json_t *object) {
        const char *name = store_name(object);

        if (!*name)
                json_object_set_new(meta_of(object), "name", json_string(w->name));
        else if (!str_eq(name, w->name)) {
                reply_bad_request(
                        w->reply,
                        "the name of the object (%s) does not match the name on the URL (%s)", name,
                        w->name);
                return false;
        }
        return true;
}

void write_update(struct write *w, json_t *object) {
        cleanup_(json_freep) json_t *mine = object;
        json_t *live = store_get(w->kind, w->namespace, w->name);

        if (str_eq(w->subresource, "scale")) {
                if (!live) {
                        reply_not_found(w->reply, w->kind, w->name);
                        return;
                }
                object = scale_set(w->kind, live, object, w->reply);
                if (object)
                        change(w, live, object, false);
                return;
        }
        if (!check_name(w, object) || !decode(w, object))
                return;
        if (!live) {
                reply_not_found(w->reply, w->kind, w->name);
                return;
        }
        if (w->kind->flags & KIND_CUSTOM &&
            !*json_get_str(store_meta(object), "resourceVersion", "")) {
                reply_version_missing(w->reply, w->kind, w->name);
                return;
        }
        object = take_ptr(mine);
        change(w, live, is_status(w) ? status_only(w->kind, live, object) : object, false);
}

/* The patched object, or NULL: answered. */
static json_t *patched(struct write *w, const char *type, const json_t *base, const json_t *patch) {
        json_t *out = NULL;
        struct err err = { 0 };
        int r = 0;

        if (str_eq(type, "application/json-patch+json"))
                r = patch_json(base, patch, &out, &err);
        else if (str_eq(type, "application/merge-patch+json"))
                out = patch_merge(base, patch);
        else
                out = patch_strategic(w->kind->type, base, patch);
        if (r == -EINVAL)
                reply_bad_request(w->reply, "%s", err_text(&err));
        else if (r < 0)
                reply_status(w->reply, 422, "Invalid", json_object(),
                             "the server rejected our request due to an error in our request");
        return out;
}

void write_patch(struct write *w, const char *content_type, const json_t *patch) {
        json_t *live = store_get(w->kind, w->namespace, w->name), *object;
        cleanup_(json_freep) json_t *scale = NULL, *hold = json_incref(live);

        if (!live) {
                reply_not_found(w->reply, w->kind, w->name);
                return;
        }
        if (str_eq(w->subresource, "scale")) {
                scale = scale_of(w->kind, live);
                object = patched(w, content_type, scale, patch);
                if (object) {
                        json_t *after = scale_set(w->kind, live, object, w->reply);

                        json_decref(object);
                        if (after)
                                change(w, live, after, false);
                }
                return;
        }
        object = patched(w, content_type, live, patch);
        if (!object)
                return;
        if (!check_name(w, object) || !decode(w, object)) {
                json_decref(object);
                return;
        }
        change(w, live, is_status(w) ? status_only(w->kind, live, object) : object, false);
}

static bool check_apply_type(struct write *w, const json_t *config) {
        const char *version = json_get_str(config, "apiVersion", ""),
                   *kind = json_get_str(config, "kind", "");

        if (str_eq(version, w->kind->api_version) && str_eq(kind, w->kind->kind))
                return true;
        reply_bad_request(w->reply, "invalid object type: %s%s, Kind=%s",
                          strchr(version, '/') ? "" : "/", version, kind);
        return false;
}

void write_apply(struct write *w, json_t *config) {
        json_t *live = store_get(w->kind, w->namespace, w->name), *object = NULL;
        cleanup_(json_freep) json_t *mine = config, *hold = json_incref(live);
        cleanup_(freep) char *sent_namespace = NULL;
        struct managed_request q = managed_request_of(w);

        w->sim->stats.applies++;
        if (!check_apply_type(w, config) || !check_name(w, config))
                return;
        sent_namespace = str_dup(store_namespace(config));
        q.namespace = sent_namespace;
        if (!check_identity(w, config))
                return;
        if (!live && *w->subresource) {
                reply_not_found(w->reply, w->kind, w->name);
                return;
        }
        if (!live && (!check_namespace(w) || !admission_check(w->sim, w->kind, config, w->reply)))
                return;
        if (!live && *store_uid(config)) {
                reply_conflict(w->reply, w->kind, w->name,
                               "uid mismatch: the provided object specified uid %s, and no "
                               "existing object "
                               "was found",
                               store_uid(config));
                return;
        }
        if (!managed_apply(&q, live, config, &object, w->reply))
                return;
        if (!(w->kind->flags & KIND_CUSTOM))
                drop_nulls(object);
        if (!live)
                create(w, object, true);
        else
                change(w, live, is_status(w) ? status_only(w->kind, live, object) : object, true);
}
