/* SPDX-License-Identifier: Apache-2.0 */
/* kinds.c - the table of kinds that Kubernetes itself brings, and the CRD kinds that are known
 * to have no namespace
 *
 * Only what is needed before discovery was read (identify is pure): whether there is a namespace
 * in the path, whether it holds data, and where its pods are described. All else comes from the
 * server. A kind that is missing here is namespaced, has no pods, and is judged by its
 * conditions. */
#include "kinds.h"

static const struct kind_row rows[] = {
        // type, flags, pod template
        { "APIService.apiregistration.k8s.io", KIND_CLUSTER, NULL },
        { "ClusterRole.rbac.authorization.k8s.io", KIND_CLUSTER | KIND_PLAIN, NULL },
        { "ClusterRoleBinding.rbac.authorization.k8s.io", KIND_CLUSTER | KIND_PLAIN, NULL },
        { "ConfigMap", KIND_PLAIN, NULL },
        { "ControllerRevision.apps", KIND_PLAIN, NULL },
        { "CronJob.batch", 0, "/spec/jobTemplate/spec/template" },
        { "CSIDriver.storage.k8s.io", KIND_CLUSTER | KIND_PLAIN, NULL },
        { "CustomResourceDefinition.apiextensions.k8s.io", KIND_CLUSTER | KIND_DATA, NULL },
        { "DaemonSet.apps", 0, "/spec/template" },
        { "Deployment.apps", 0, "/spec/template" },
        { "EndpointSlice.discovery.k8s.io", KIND_PLAIN, NULL },
        { "Endpoints", KIND_PLAIN, NULL },
        { "FlowSchema.flowcontrol.apiserver.k8s.io", KIND_CLUSTER | KIND_PLAIN, NULL },
        { "HorizontalPodAutoscaler.autoscaling", 0, NULL },
        { "Ingress.networking.k8s.io", 0, NULL },
        { "IngressClass.networking.k8s.io", KIND_CLUSTER | KIND_PLAIN, NULL },
        { "Job.batch", 0, "/spec/template" },
        { "Lease.coordination.k8s.io", KIND_PLAIN, NULL },
        { "LimitRange", KIND_PLAIN, NULL },
        { "MutatingWebhookConfiguration.admissionregistration.k8s.io", KIND_CLUSTER | KIND_PLAIN,
          NULL },
        { "Namespace", KIND_CLUSTER | KIND_DATA, NULL },
        { "NetworkPolicy.networking.k8s.io", KIND_PLAIN, NULL },
        { "Node", KIND_CLUSTER, NULL },
        { "PersistentVolume", KIND_CLUSTER | KIND_DATA, NULL },
        { "PersistentVolumeClaim", KIND_DATA, NULL },
        { "Pod", 0, "" },
        { "PodDisruptionBudget.policy", 0, NULL },
        { "PriorityClass.scheduling.k8s.io", KIND_CLUSTER | KIND_PLAIN, NULL },
        { "PriorityLevelConfiguration.flowcontrol.apiserver.k8s.io", KIND_CLUSTER | KIND_PLAIN,
          NULL },
        { "ReplicaSet.apps", 0, "/spec/template" },
        { "ReplicationController", 0, "/spec/template" },
        { "ResourceQuota", KIND_PLAIN, NULL },
        { "Role.rbac.authorization.k8s.io", KIND_PLAIN, NULL },
        { "RoleBinding.rbac.authorization.k8s.io", KIND_PLAIN, NULL },
        { "RuntimeClass.node.k8s.io", KIND_CLUSTER | KIND_PLAIN, NULL },
        { "Secret", KIND_PLAIN, NULL },
        { "Service", 0, NULL },
        { "ServiceAccount", KIND_PLAIN, NULL },
        { "StatefulSet.apps", 0, "/spec/template" },
        { "StorageClass.storage.k8s.io", KIND_CLUSTER | KIND_DATA | KIND_PLAIN, NULL },
        { "ValidatingAdmissionPolicy.admissionregistration.k8s.io", KIND_CLUSTER, NULL },
        { "ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io",
          KIND_CLUSTER | KIND_PLAIN, NULL },
        { "ValidatingWebhookConfiguration.admissionregistration.k8s.io", KIND_CLUSTER | KIND_PLAIN,
          NULL },
        { "VolumeAttributesClass.storage.k8s.io", KIND_CLUSTER | KIND_PLAIN, NULL },
};

/* Kinds of CRDs without a namespace. One that is missing here and whose document names no
 * namespace is taken to be in the model's; discovery later says that it is not, and the provider
 * then finds it all the same (target.c). */
static const char *const cluster_kinds[] = {
        "CompositeController.metacontroller.k8s.io",
        "DecoratorController.metacontroller.k8s.io",
        "Profile.kubeflow.org",
        "GatewayClass.gateway.networking.k8s.io",
        NULL,
};

const struct kind_row *kinds_find(const char *type) {
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                if (str_eq(rows[i].type, type))
                        return &rows[i];
        return NULL;
}

bool kinds_cluster_scoped(const char *type) {
        const struct kind_row *row = kinds_find(type);

        if (row)
                return row->flags & KIND_CLUSTER;
        for (const char *const *k = cluster_kinds; *k; k++)
                if (str_eq(*k, type))
                        return true;
        /* ClusterIssuer, ClusterServingRuntime, ClusterWorkflowTemplate, ...: the custom of all
         * of them. */
        return str_starts(type, "Cluster") && strchr(type, '.');
}

size_t kinds_group(const char *api_version, const char **ret_version) {
        const char *slash = strchr(api_version, '/');

        *ret_version = slash ? slash + 1 : api_version;
        return slash ? (size_t)(slash - api_version) : 0;
}

char *kinds_type_of(const char *api_version, const char *kind) {
        const char *version;
        size_t group;

        if (!api_version || !kind || !*api_version || !*kind)
                return NULL;
        group = kinds_group(api_version, &version);
        return str_format("%s%s%.*s", kind, group ? "." : "", (int)group, api_version);
}

char *kinds_type(const json_t *document) {
        return kinds_type_of(json_get_str(document, "apiVersion", NULL),
                             json_get_str(document, "kind", NULL));
}

json_t *kinds_pod_spec(const char *type, const json_t *document) {
        const struct kind_row *row = kinds_find(type);

        if (!row || !row->pod)
                return NULL;
        return json_get(json_at(document, row->pod), "spec");
}
