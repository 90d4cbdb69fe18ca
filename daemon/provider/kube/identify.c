/* SPDX-License-Identifier: Apache-2.0 */
/* identify.c - pure: type, path, needs and flags of a document
 *
 * Called for each wanted document, before any cluster was asked. type is "Kind.group" (core:
 * "Kind"), so that an object keeps its identity when its API version goes up. Needs are by
 * reference, and only what keeps the object from working: a Secret that a pod mounts, the role
 * of a binding. What a document marks as optional is none. */
#include "identify.h"

#include "kinds.h"

#include <errno.h>

struct finding {
        struct identity *to;
        const json_t *document;
        const char *namespace; /* NULL: has none */
};

const char *identify_split(const char *path, size_t *ret_namespace_len) {
        const char *slash = strchr(path, '/');

        *ret_namespace_len = slash ? (size_t)(slash - path) : 0;
        return slash ? slash + 1 : path;
}

/* ---- needs */

static void need_in(struct finding *f, enum need_kind kind, const char *type, const char *namespace,
                    const char *name) {
        cleanup_(freep) char *path = NULL;

        if (!name || !*name)
                return;
        path = namespace ? str_format("%s/%s", namespace, name) : str_dup(name);
        identity_need(f->to, kind, type, path);
}

static void need_here(struct finding *f, const char *type, const char *name) {
        need_in(f, NEED_EXISTS, type, f->namespace, name);
}

/* REF is {"name": ..., "optional": ...}; MEMBER is what its name is called there. */
static void need_ref(struct finding *f, const char *type, const json_t *ref, const char *member) {
        if (!json_get_bool(ref, "optional", false))
                need_here(f, type, json_get_str(ref, member, NULL));
}

static void volume_needs(struct finding *f, const json_t *volume) {
        const json_t *sources = json_dig(volume, "projected", "sources", NULL);
        const json_t *source;
        size_t i;

        need_ref(f, "Secret", json_get(volume, "secret"), "secretName");
        need_ref(f, "ConfigMap", json_get(volume, "configMap"), "name");
        need_ref(f, "PersistentVolumeClaim", json_get(volume, "persistentVolumeClaim"),
                 "claimName");
        json_array_foreach(sources, i, source) {
                need_ref(f, "Secret", json_get(source, "secret"), "name");
                need_ref(f, "ConfigMap", json_get(source, "configMap"), "name");
        }
}

static void container_needs(struct finding *f, const json_t *container) {
        const json_t *item;
        size_t i;

        json_array_foreach(json_get(container, "env"), i, item) {
                const json_t *from = json_get(item, "valueFrom");

                need_ref(f, "Secret", json_get(from, "secretKeyRef"), "name");
                need_ref(f, "ConfigMap", json_get(from, "configMapKeyRef"), "name");
        }
        json_array_foreach(json_get(container, "envFrom"), i, item) {
                need_ref(f, "Secret", json_get(item, "secretRef"), "name");
                need_ref(f, "ConfigMap", json_get(item, "configMapRef"), "name");
        }
}

static void pod_needs(struct finding *f, const json_t *spec) {
        const char *account = json_get_str(spec, "serviceAccountName", "default");
        const json_t *item;
        size_t i;

        json_array_foreach(json_get(spec, "volumes"), i, item)
                volume_needs(f, item);
        json_array_foreach(json_get(spec, "containers"), i, item)
                container_needs(f, item);
        json_array_foreach(json_get(spec, "initContainers"), i, item)
                container_needs(f, item);
        json_array_foreach(json_get(spec, "imagePullSecrets"), i, item)
                need_here(f, "Secret", json_get_str(item, "name", NULL));
        if (!str_eq(account, "default")) /* the namespace makes that one */
                need_here(f, "ServiceAccount", account);
}

static void binding_needs(struct finding *f) {
        const json_t *role = json_get(f->document, "roleRef");
        const char *kind = json_get_str(role, "kind", "");
        const json_t *subject;
        size_t i;

        if (str_eq(kind, "Role"))
                need_here(f, "Role.rbac.authorization.k8s.io", json_get_str(role, "name", NULL));
        else if (str_eq(kind, "ClusterRole"))
                need_in(f, NEED_EXISTS, "ClusterRole.rbac.authorization.k8s.io", NULL,
                        json_get_str(role, "name", NULL));
        json_array_foreach(json_get(f->document, "subjects"), i, subject) {
                const char *name = json_get_str(subject, "name", NULL);

                if (str_eq(json_get_str(subject, "kind", ""), "ServiceAccount") &&
                    !str_eq(name, "default"))
                        need_in(f, NEED_EXISTS, "ServiceAccount",
                                json_get_str(subject, "namespace", f->namespace), name);
        }
}

static void service_needs(struct finding *f, const json_t *service) {
        need_in(f, NEED_READY, "Service", json_get_str(service, "namespace", "default"),
                json_get_str(service, "name", NULL));
}

static void webhook_needs(struct finding *f) {
        const json_t *webhook;
        size_t i;

        json_array_foreach(json_get(f->document, "webhooks"), i, webhook)
                service_needs(f, json_dig(webhook, "clientConfig", "service", NULL));
}

static void api_service_needs(struct finding *f) {
        service_needs(f, json_dig(f->document, "spec", "service", NULL));
}

static void ingress_needs(struct finding *f) {
        const json_t *tls;
        size_t i;

        json_array_foreach(json_dig(f->document, "spec", "tls", NULL), i, tls)
                need_here(f, "Secret", json_get_str(tls, "secretName", NULL));
}

static void stateful_set_needs(struct finding *f) {
        need_here(f, "Service", json_get_str(json_get(f->document, "spec"), "serviceName", NULL));
}

static const struct {
        const char *type;
        void (*needs)(struct finding *f);
} finders[] = {
        { "APIService.apiregistration.k8s.io", api_service_needs },
        { "ClusterRoleBinding.rbac.authorization.k8s.io", binding_needs },
        { "Ingress.networking.k8s.io", ingress_needs },
        { "MutatingWebhookConfiguration.admissionregistration.k8s.io", webhook_needs },
        { "RoleBinding.rbac.authorization.k8s.io", binding_needs },
        { "StatefulSet.apps", stateful_set_needs },
        { "ValidatingWebhookConfiguration.admissionregistration.k8s.io", webhook_needs },
};

static void find_needs(struct finding *f) {
        const char *type = f->to->type;

        if (f->namespace)
                need_in(f, NEED_EXISTS, "Namespace", NULL, f->namespace);
        pod_needs(f, kinds_pod_spec(type, f->document));
        for (size_t i = 0; i < ARRAY_SIZE(finders); i++)
                if (str_eq(finders[i].type, type))
                        finders[i].needs(f);
}

/* ---- identity */

/* Names end up in paths of requests: what Kubernetes would refuse is refused here, with the
 * reason. */
static int check_name(const char *what, const char *name, struct err *err) {
        size_t len = strlen(name);

        if (len == 0 || len > IDENTIFY_NAME_MAX)
                return err_set(err, -EINVAL, "%s: must have 1 to %d characters", what,
                               IDENTIFY_NAME_MAX);
        if (strpbrk(name, "/%?# \t\r\n\"\\") || str_eq(name, ".") || str_eq(name, ".."))
                return err_set(err, -EINVAL, "%s \"%s\": Kubernetes takes no such name", what,
                               name);
        return 0;
}

static int find_path(struct identity *to, const json_t *metadata, const char *default_scope,
                     const char **ret_namespace, struct err *err) {
        const char *name = json_get_str(metadata, "name", "");
        const char *namespace = json_get_str(metadata, "namespace", NULL);
        int r = check_name("metadata.name", name, err);

        if (r < 0)
                return err_add(err, r, "%s", to->type);
        if (kinds_cluster_scoped(to->type))
        namespace = NULL;
        else if (!namespace) namespace = default_scope;
        if (namespace) {
                r = check_name("metadata.namespace", namespace, err);
                if (r < 0)
                        return err_add(err, r, "%s %s", to->type, name);
        }
        to->path = namespace ? str_format("%s/%s", namespace, name) : str_dup(name);
        *ret_namespace = namespace;
        return 0;
}

int identify_document(const json_t *wanted, const char *default_scope, struct identity *ret,
                      struct err *err) {
        cleanup_(identity_free) struct identity i = { 0 };
        struct finding f = { .to = &i, .document = wanted };
        const struct kind_row *row;
        int r;

        i.type = kinds_type(wanted);
        if (!i.type)
                return err_set(err, -EINVAL, "a Kubernetes object needs apiVersion and kind");
        if (!json_is_object(json_get(wanted, "metadata")))
                return err_set(err, -EINVAL, "%s: no metadata", i.type);
        r = find_path(&i, json_get(wanted, "metadata"), default_scope, &f.namespace, err);
        if (r < 0)
                return r;
        row = kinds_find(i.type);
        i.data = row && row->flags & KIND_DATA;
        find_needs(&f);
        *ret = i;
        i = (struct identity){ 0 };
        return 0;
}
