/* SPDX-License-Identifier: Apache-2.0 */
/* shape.c - what a model's options and its uuid mean in Kubernetes' documents; see shape.h
 *
 * Called through the provider's vtable, in any thread. Options are those of `model-config`:
 * image-registry, image-pull-secret, tolerations, node-selector. */
#include "shape.h"

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

void shape_decorate(json_t *wanted, const json_t *options) {
        const char *registry = json_get_str(options, "image-registry", "");
        const char *secret = json_get_str(options, "image-pull-secret", "");
        json_t *spec = pod_spec(wanted);

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
