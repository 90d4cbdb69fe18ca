/* SPDX-License-Identifier: Apache-2.0 */
/* kinds.c - the table of built-in kinds, and looking kinds up; see kinds.h */
#include "kinds.h"

#include "sim_data.h"

#include <stdlib.h>

#define N KIND_NAMESPACED
#define S KIND_STATUS
#define C KIND_SCALE
#define G KIND_GENERATION

struct row {
        const char *group, *version, *kind, *plural, *short_names, *categories, *type;
        unsigned flags;
};

static const struct row rows[] = {
        { "", "v1", "Namespace", "namespaces", "ns", "", "Namespace", S },
        { "", "v1", "Pod", "pods", "po", "all", "Pod", N | S | G | KIND_PODS },
        { "", "v1", "Service", "services", "svc", "all", "Service", N | S },
        { "", "v1", "Secret", "secrets", "", "", "Secret", N },
        { "", "v1", "ConfigMap", "configmaps", "cm", "", "ConfigMap", N },
        { "", "v1", "ServiceAccount", "serviceaccounts", "sa", "", "ServiceAccount", N },
        { "", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc", "",
          "PersistentVolumeClaim", N | S },
        { "", "v1", "PersistentVolume", "persistentvolumes", "pv", "", "PersistentVolume", S },
        { "", "v1", "Node", "nodes", "no", "", "Node", S },
        { "", "v1", "Event", "events", "ev", "", "Event", N },
        { "", "v1", "Endpoints", "endpoints", "ep", "", "Endpoints", N },
        { "", "v1", "ResourceQuota", "resourcequotas", "quota", "", "ResourceQuota", N | S },
        { "", "v1", "LimitRange", "limitranges", "limits", "", "LimitRange", N },
        { "", "v1", "PodTemplate", "podtemplates", "", "", "PodTemplate", N | G },
        { "", "v1", "ReplicationController", "replicationcontrollers", "rc", "all",
          "ReplicationController", N | S | C | G },
        { "apps", "v1", "Deployment", "deployments", "deploy", "all", "apps.Deployment",
          N | S | C | G },
        { "apps", "v1", "ReplicaSet", "replicasets", "rs", "all", "apps.ReplicaSet",
          N | S | C | G },
        { "apps", "v1", "StatefulSet", "statefulsets", "sts", "all", "apps.StatefulSet",
          N | S | C | G },
        { "apps", "v1", "DaemonSet", "daemonsets", "ds", "all", "apps.DaemonSet", N | S | G },
        { "apps", "v1", "ControllerRevision", "controllerrevisions", "", "",
          "apps.ControllerRevision", N },
        { "batch", "v1", "Job", "jobs", "", "all", "batch.Job", N | S | G },
        { "batch", "v1", "CronJob", "cronjobs", "cj", "all", "batch.CronJob", N | S | G },
        { "rbac.authorization.k8s.io", "v1", "Role", "roles", "", "", "rbac.Role", N },
        { "rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", "", "",
          "rbac.RoleBinding", N },
        { "rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", "", "",
          "rbac.ClusterRole", 0 },
        { "rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", "", "",
          "rbac.ClusterRoleBinding", 0 },
        { "networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", "netpol", "",
          "networking.NetworkPolicy", N | G },
        { "networking.k8s.io", "v1", "Ingress", "ingresses", "ing", "", "networking.Ingress",
          N | S | G },
        { "networking.k8s.io", "v1", "IngressClass", "ingressclasses", "", "",
          "networking.IngressClass", G },
        { "policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", "pdb", "",
          "policy.PodDisruptionBudget", N | S | G },
        { "autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "hpa", "all",
          "autoscaling.HorizontalPodAutoscaler", N | S },
        { "admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration",
          "validatingwebhookconfigurations", "", "api-extensions",
          "admissionregistration.ValidatingWebhookConfiguration", G },
        { "admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration",
          "mutatingwebhookconfigurations", "", "api-extensions",
          "admissionregistration.MutatingWebhookConfiguration", G },
        { "admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy",
          "validatingadmissionpolicies", "", "api-extensions",
          "admissionregistration.ValidatingAdmissionPolicy", S | G },
        { "admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicyBinding",
          "validatingadmissionpolicybindings", "", "api-extensions",
          "admissionregistration.ValidatingAdmissionPolicyBinding", G },
        { "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions",
          "crd,crds", "api-extensions", "apiext.CustomResourceDefinition", S | G },
        { "apiregistration.k8s.io", "v1", "APIService", "apiservices", "", "api-extensions",
          "apireg.APIService", S },
        { "storage.k8s.io", "v1", "StorageClass", "storageclasses", "sc", "",
          "storage.StorageClass", 0 },
        { "scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", "pc", "",
          "scheduling.PriorityClass", G },
        { "coordination.k8s.io", "v1", "Lease", "leases", "", "", "coordination.Lease", N },
        { "discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", "", "",
          "discovery.EndpointSlice", N | G },
        { "events.k8s.io", "v1", "Event", "events", "ev", "", "events.Event", N },
        { "authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", "",
          "", NULL, KIND_REVIEW },
        { "authorization.k8s.io", "v1", "SelfSubjectRulesReview", "selfsubjectrulesreviews", "", "",
          NULL, KIND_REVIEW },
        { "authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", "", "", NULL,
          KIND_REVIEW },
};

#undef N
#undef S
#undef C
#undef G

static char *path_of(const char *group, const char *version, const char *plural) {
        return str_format("%s/%s/%s", group, version, plural);
}

struct kind *kinds_find(const struct kinds *k, const char *group, const char *version,
                        const char *plural) {
        cleanup_(freep) char *path = path_of(group, version, plural);

        return map_find(&k->by_path, path);
}

struct kind *kinds_find_kind(const struct kinds *k, const char *group, const char *version,
                             const char *kind) {
        list_each(e, &k->all) {
                struct kind *x = list_entry(e, struct kind, entry);

                if (str_eq(x->kind, kind) && (!group || str_eq(x->group, group)) &&
                    (!version || str_eq(x->version, version)))
                        return x;
        }
        return NULL;
}

static bool has_word(const char *list, const char *word) {
        size_t n = strlen(word);

        for (const char *p = list; p && *p; p += strcspn(p, ","), p += *p == ',')
                if (strcspn(p, ",") == n && !strncmp(p, word, n))
                        return true;
        return false;
}

struct kind *kinds_find_word(const struct kinds *k, const char *word) {
        const char *dot = strchr(word, '.');
        cleanup_(freep) char *name = dot ? str_ndup(word, (size_t)(dot - word)) : str_dup(word);

        list_each(e, &k->all) {
                struct kind *x = list_entry(e, struct kind, entry);

                if (dot && !str_eq(x->group, dot + 1))
                        continue;
                if (str_eq(x->plural, name) || str_eq(x->singular, name) ||
                    !strcasecmp(x->kind, name) || has_word(x->short_names, name))
                        return x;
        }
        return NULL;
}

static struct collection *shared_collection(struct kinds *k, const char *group,
                                            const char *plural) {
        struct collection *c;

        list_each(e, &k->all) {
                struct kind *x = list_entry(e, struct kind, entry);

                if (str_eq(x->group, group) && str_eq(x->plural, plural)) {
                        x->collection->kinds++;
                        return x->collection;
                }
        }
        c = mem_new(struct collection);
        c->group = str_dup(group);
        c->plural = str_dup(plural);
        c->kinds = 1;
        return c;
}

static void collection_release(struct collection *c) {
        if (--c->kinds)
                return;
        for (size_t i = 0; i < c->count; i++) {
                free(c->items[i]->key);
                json_decref(c->items[i]->json);
                free(c->items[i]);
        }
        free(c->items);
        free(c->group);
        free(c->plural);
        free(c);
}

/* What the main resource and its status may not own, at any version: each leaves the other
 * alone. */
static void set_ignored(struct kind *x) {
        if (!(x->flags & KIND_STATUS))
                return;
        x->ignored_main = json_pack("{s:{s:{}}}", "*", "f:status");
        x->ignored_status = x->flags & KIND_CUSTOM
                                    ? json_pack("{s:{s:{},s:{}}}", "*", "f:spec", "f:metadata")
                                    : json_pack("{s:{s:{}}}", "*", "f:spec");
}

struct kind *kinds_add(struct kinds *k, const struct kind *from) {
        struct kind *x = mem_new(struct kind);
        cleanup_(freep) char *path = path_of(from->group, from->version, from->plural);

        x->group = str_dup(from->group);
        x->version = str_dup(from->version);
        x->kind = str_dup(from->kind);
        x->plural = str_dup(from->plural);
        x->singular = str_dup(from->singular);
        x->list_kind = str_dup(from->list_kind);
        x->short_names = str_dup(from->short_names);
        x->categories = str_dup(from->categories);
        x->api_version = *from->group ? str_format("%s/%s", from->group, from->version)
                                      : str_dup(from->version);
        x->flags = from->flags;
        x->type = from->type;
        x->collection = shared_collection(k, from->group, from->plural);
        set_ignored(x);
        list_append(&k->all, &x->entry);
        map_set(&k->by_path, path, x);
        return x;
}

void kinds_remove(struct kinds *k, struct kind *x) {
        cleanup_(freep) char *path = path_of(x->group, x->version, x->plural);

        map_remove(&k->by_path, path);
        list_unlink(&x->entry);
        collection_release(x->collection);
        json_decref(x->ignored_main);
        json_decref(x->ignored_status);
        json_decref(x->structure);
        json_decref(x->scale);
        schema_deinit(&x->schema);
        free(x->group);
        free(x->version);
        free(x->kind);
        free(x->plural);
        free(x->singular);
        free(x->list_kind);
        free(x->short_names);
        free(x->categories);
        free(x->api_version);
        free(x);
}

static void add_row(struct kinds *k, const struct row *row) {
        cleanup_(freep) char *singular = str_dup(row->kind), *list_kind = NULL;
        struct kind from = { 0 };

        for (char *p = singular; *p; p++)
                if (*p >= 'A' && *p <= 'Z')
                        *p = (char)(*p - 'A' + 'a');
        list_kind = str_format("%sList", row->kind);
        from.group = (char *)row->group;
        from.version = (char *)row->version;
        from.kind = (char *)row->kind;
        from.plural = (char *)row->plural;
        from.singular = singular;
        from.list_kind = list_kind;
        from.short_names = (char *)row->short_names;
        from.categories = (char *)row->categories;
        from.flags = row->flags;
        from.type = row->type ? schema_find(&k->schema, row->type) : schema_deduced(&k->schema);
        kinds_add(k, &from);
}

int kinds_init(struct kinds *k, struct err *err) {
        int r;

        *k = (struct kinds){ 0 };
        list_init(&k->all);
        r = schema_read(&k->schema, sim_schema_text, err);
        if (r < 0)
                return err_add(err, r, "schema.txt");
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                add_row(k, &rows[i]);
        return 0;
}

void kinds_deinit(struct kinds *k) {
        list_each(e, &k->all)
                kinds_remove(k, list_entry(e, struct kind, entry));
        map_free(&k->by_path);
        schema_deinit(&k->schema);
}

const char *kinds_resource(const struct kind *k, char *text, size_t size) {
        snprintf(text, size, "%s%s%s", k->plural, *k->group ? "." : "", k->group);
        return text;
}

const char *kinds_name(const struct kind *k, char *text, size_t size) {
        snprintf(text, size, "%s%s%s", k->kind, *k->group ? "." : "", k->group);
        return text;
}

void kinds_split_version(const char *api_version, char **ret_group, char **ret_version) {
        const char *slash = strchr(api_version, '/');

        *ret_group = slash ? str_ndup(api_version, (size_t)(slash - api_version)) : str_dup("");
        *ret_version = str_dup(slash ? slash + 1 : api_version);
}
