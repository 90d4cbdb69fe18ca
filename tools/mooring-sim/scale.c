/* SPDX-License-Identifier: Apache-2.0 */
/* scale.c - the scale subresource; see scale.h */
#include "scale.h"

#include "store.h"

/* ".spec.replicas" of a CRD as a JSON pointer; built-in kinds have no other. */
static char *pointer(const struct kind *kind, const char *member, const char * or) {
        char *path = str_dup(json_get_str(kind->scale, member, or));

        for (char *p = path; *p; p++)
                if (*p == '.')
                        *p = '/';
        return path;
}

static void put_selector(const json_t *object, json_t *status) {
        cleanup_(buf_free) struct buf text = BUF_INIT;
        json_t *labels = json_dig(object, "spec", "selector", "matchLabels", NULL), *value;
        const char *key;

        json_object_foreach(labels, key, value) {
                buf_printf(&text, "%s%s=%s", text.len ? "," : "", key, json_string_value(value));
        }
        if (text.len)
                json_object_set_new(status, "selector", json_string(buf_str(&text)));
}

json_t *scale_of(const struct kind *kind, const json_t *object) {
        static const char *const members[] = { "name", "namespace", "uid", "resourceVersion",
                                               "creationTimestamp" };
        cleanup_(freep) char *spec = pointer(kind, "specReplicasPath", ".spec.replicas");
        cleanup_(freep) char *status = pointer(kind, "statusReplicasPath", ".status.replicas");
        json_t *wanted = json_at(object, spec), *is = json_at(object, status);
        json_t *out = json_pack("{s:s,s:s,s:{},s:{},s:{}}", "kind", "Scale", "apiVersion",
                                "autoscaling/v1", "metadata", "spec", "status");

        for (size_t i = 0; i < ARRAY_SIZE(members); i++)
                if (json_get(store_meta(object), members[i]))
                        json_object_set(store_meta(out), members[i],
                                        json_get(store_meta(object), members[i]));
        if (json_integer_value(wanted))
                json_object_set(json_get(out, "spec"), "replicas", wanted);
        json_object_set_new(json_get(out, "status"), "replicas",
                            json_integer(json_integer_value(is)));
        put_selector(object, json_get(out, "status"));
        return out;
}

/* Messages about a Scale name it, not what is scaled. */
static const struct kind scale_kind = { .group = (char *)"autoscaling", .kind = (char *)"Scale" };

json_t *scale_set(const struct kind *kind, const json_t *live, const json_t *scale,
                  struct reply *reply) {
        cleanup_(freep) char *spec = pointer(kind, "specReplicasPath", ".spec.replicas");
        int64_t replicas = json_get_int(json_get(scale, "spec"), "replicas", 0);
        json_t *out, *version = json_get(store_meta(scale), "resourceVersion");

        if (replicas < 0) {
                cleanup_(invalid_deinit) struct invalid invalid = { 0 };

                invalid_value(&invalid, "spec.replicas",
                              json_get(json_get(scale, "spec"), "replicas"),
                              "must be greater than or equal to 0");
                invalid_reply(&invalid, reply, &scale_kind, store_name(live));
                return NULL;
        }
        out = json_deep_copy(live);
        json_put(out, spec, json_integer(replicas));
        if (version)
                json_object_set(store_meta(out), "resourceVersion", version);
        return out;
}
