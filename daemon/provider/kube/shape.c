/* SPDX-License-Identifier: Apache-2.0 */
/* shape.c - what a model's options and its uuid mean in Kubernetes' documents; see shape.h
 *
 * Called through the provider's vtable, in any thread. Options are those of `model-config`:
 * image-registry, image-pull-secret, tolerations, node-selector; beside them, as "fields", what
 * charm.yaml says of fields. */
#include "shape.h"

#include "field-rules.h"

#include <errno.h>

json_t *shape_scope(const char *model, const char *uuid) {
        /* The annotation makes an entry of ours in managedFields: a name alone would not. */
        return json_pack("{s:s, s:s, s:{s:s, s:{s:s}}}", "apiVersion", "v1", "kind", "Namespace",
                         "metadata", "name", model, "annotations", "mooring.dev/model-uuid", uuid);
}

bool shape_secret_place(const json_t *wanted, const char *pointer) {
        return str_eq(json_get_str(wanted, "kind", ""), "Secret") &&
               str_eq(json_get_str(wanted, "apiVersion", ""), "v1") &&
               (str_starts(pointer, "/data/") || str_starts(pointer, "/stringData/"));
}

static json_t *pod_spec(json_t *wanted) {
        static const char *const with_template[] = { "Deployment", "StatefulSet", "DaemonSet",
                                                     "ReplicaSet", "Job",         NULL };
        const char *kind = json_get_str(wanted, "kind", "");

        if (str_eq(kind, "Pod"))
                return json_get(wanted, "spec");
        if (str_eq(kind, "CronJob"))
                return json_at(wanted, "/spec/jobTemplate/spec/template/spec");
        for (size_t i = 0; with_template[i]; i++)
                if (str_eq(kind, with_template[i]))
                        return json_at(wanted, "/spec/template/spec");
        return NULL;
}

/* "docker.io/library/mysql:8" from registry.example becomes "registry.example/library/mysql:8". A
 * first part without dot or colon is no registry but a folder of the default one. */
static char *from_registry(const char *image, const char *registry) {
        const char *slash = strchr(image, '/');
        size_t head = slash ? (size_t)(slash - image) : 0;

        if (slash && (memchr(image, '.', head) || memchr(image, ':', head) ||
                      strncmp(image, "localhost/", 10) == 0))
                image = slash + 1;
        return str_format("%s/%s", registry, image);
}

static void rewrite_images(json_t *containers, const char *registry) {
        json_t *container;
        size_t i;

        json_array_foreach(containers, i, container) {
                const char *image = json_get_str(container, "image", NULL);
                cleanup_(freep) char *moved = image ? from_registry(image, registry) : NULL;

                if (moved)
                        json_object_set_new(container, "image", json_string(moved));
        }
}

static json_t *list_in(json_t *spec, const char *name) {
        json_t *list = json_object_get(spec, name);

        if (!json_is_array(list)) {
                list = json_array();
                json_object_set_new(spec, name, list);
        }
        return list;
}

static void add_tolerations(json_t *spec, const json_t *tolerations) {
        json_t *item;
        size_t i;

        json_array_foreach((json_t *)tolerations, i, item)
                json_array_append(list_in(spec, "tolerations"), item);
}

/* What the charm selects by itself stays: it knows what its image runs on. */
static void add_selector(json_t *spec, const json_t *selector) {
        json_t *have = json_object_get(spec, "nodeSelector");

        if (!json_is_object(selector) || !json_object_size(selector))
                return;
        if (!have) {
                have = json_object();
                json_object_set_new(spec, "nodeSelector", have);
        }
        json_object_update_missing(have, (json_t *)selector);
}

static bool is_about(const json_t *rule, const json_t *wanted) {
        const char *name = json_get_str(rule, "name", NULL);

        return str_eq(json_get_str(rule, "kind", ""), json_get_str(wanted, "kind", "")) &&
               (!name || str_eq(name, json_get_str(json_get(wanted, "metadata"), "name", "")));
}

static json_t *member(json_t *object, const char *name) {
        json_t *value = json_object_get(object, name);

        if (value)
                return value;
        value = json_object();
        json_object_set_new(object, name, value);
        return value;
}

/* Beside what the document itself says. */
static void add_rules(json_t *wanted, const json_t *rules, const char *annotation) {
        cleanup_(buf_free) struct buf paths = BUF_INIT;
        json_t *annotations;
        const json_t *rule;
        size_t i;

        json_array_foreach((json_t *)rules, i, rule)
                if (is_about(rule, wanted))
                        buf_printf(&paths, "%s%s", paths.len ? ", " : "",
                                   json_get_str(rule, "field", ""));
        if (!paths.len || !json_is_object(json_get(wanted, "metadata")))
                return;
        annotations = member(json_get(wanted, "metadata"), "annotations");
        if (json_get(annotations, annotation))
                buf_printf(&paths, ", %s", json_get_str(annotations, annotation, ""));
        json_object_set_new(annotations, annotation, json_string(buf_str(&paths)));
}

void shape_decorate(json_t *wanted, const json_t *options) {
        const char *registry = json_get_str(options, "image-registry", "");
        const char *secret = json_get_str(options, "image-pull-secret", "");
        const json_t *fields = json_get(options, "fields");
        json_t *spec = pod_spec(wanted);

        add_rules(wanted, json_get(fields, "strict"), FIELD_RULES_STRICT);
        add_rules(wanted, json_get(fields, "runtime-fields"), FIELD_RULES_RUNTIME);
        if (!json_is_object(spec))
                return;
        if (registry[0]) {
                rewrite_images(json_get(spec, "containers"), registry);
                rewrite_images(json_get(spec, "initContainers"), registry);
        }
        if (secret[0])
                json_array_append_new(list_in(spec, "imagePullSecrets"),
                                      json_pack("{s:s}", "name", secret));
        add_tolerations(spec, json_get(options, "tolerations"));
        add_selector(spec, json_get(options, "node-selector"));
}
