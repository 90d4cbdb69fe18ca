/* SPDX-License-Identifier: Apache-2.0 */
/* defaults.c - defaulting of the built-in kinds, by their documented defaults; see defaults.h */
#include "defaults.h"

#include "store.h"

#include <assert.h>

static void put_str(json_t *o, const char *member, const char *value) {
        if (json_is_object(o) && !json_object_get(o, member))
                json_object_set_new(o, member, json_string(value));
}

static void put_int(json_t *o, const char *member, int64_t value) {
        if (json_is_object(o) && !json_object_get(o, member))
                json_object_set_new(o, member, json_integer(value));
}

static void put_bool(json_t *o, const char *member, bool value) {
        if (json_is_object(o) && !json_object_get(o, member))
                json_object_set_new(o, member, json_boolean(value));
}

/* The object at MEMBER, made when it is not there. */
static json_t *below(json_t *o, const char *member) {
        json_t *v = json_object_get(o, member);

        if (json_is_object(v) || !json_is_object(o))
                return v;
        v = json_object();
        json_object_set_new(o, member, v);
        return v;
}

/* --- pods */

static void probe(json_t *p) {
        if (!p)
                return;
        put_int(p, "timeoutSeconds", 1);
        put_int(p, "periodSeconds", 10);
        put_int(p, "successThreshold", 1);
        put_int(p, "failureThreshold", 3);
        if (json_get(p, "httpGet")) {
                put_str(json_get(p, "httpGet"), "path", "/");
                put_str(json_get(p, "httpGet"), "scheme", "HTTP");
        }
        if (json_get(p, "grpc"))
                put_str(json_get(p, "grpc"), "service", "");
}

static const char *pull_policy(const char *image) {
        const char *slash = strrchr(image, '/'), *colon = strchr(slash ? slash : image, ':');

        if (strchr(image, '@'))
                return "IfNotPresent";
        return !colon || str_eq(colon, ":latest") ? "Always" : "IfNotPresent";
}

/* A limit without a request is requested as well. */
static void requests_from_limits(json_t *c) {
        json_t *limits = json_dig(c, "resources", "limits", NULL), *value;
        const char *key;

        json_object_foreach(limits, key, value) {
                json_t *requests = below(json_get(c, "resources"), "requests");

                if (!json_object_get(requests, key))
                        json_object_set_new(requests, key, json_deep_copy(value));
        }
}

static void env(json_t *c) {
        json_t *list = json_get(c, "env"), *e;
        size_t i;

        json_array_foreach(list, i, e) {
                json_t *ref = json_dig(e, "valueFrom", "fieldRef", NULL);

                if (ref)
                        put_str(ref, "apiVersion", "v1");
        }
}

static void container(json_t *c, bool in_pod) {
        json_t *ports = json_get(c, "ports"), *port;
        size_t i;

        put_str(c, "imagePullPolicy", pull_policy(json_get_str(c, "image", "")));
        put_str(c, "terminationMessagePath", "/dev/termination-log");
        put_str(c, "terminationMessagePolicy", "File");
        below(c, "resources");
        if (in_pod)
                requests_from_limits(c);
        env(c);
        json_array_foreach(ports, i, port) {
                put_str(port, "protocol", "TCP");
        }
        probe(json_get(c, "livenessProbe"));
        probe(json_get(c, "readinessProbe"));
        probe(json_get(c, "startupProbe"));
}

static void projected_sources(json_t *sources) {
        json_t *source;
        size_t i;

        json_array_foreach(sources, i, source) {
                json_t *token = json_get(source, "serviceAccountToken");

                if (token)
                        put_int(token, "expirationSeconds", 3600);
        }
}

static void claim_spec(json_t *spec) {
        put_str(spec, "volumeMode", "Filesystem");
}

static void volumes(json_t *list) {
        static const char *const with_mode[] = { "secret", "configMap", "projected",
                                                 "downwardAPI" };
        json_t *v;
        size_t i;

        json_array_foreach(list, i, v) {
                json_t *claim = json_dig(v, "ephemeral", "volumeClaimTemplate", "spec", NULL);

                for (size_t j = 0; j < ARRAY_SIZE(with_mode); j++)
                        if (json_get(v, with_mode[j]))
                                put_int(json_get(v, with_mode[j]), "defaultMode", 420);
                if (json_get(v, "hostPath"))
                        put_str(json_get(v, "hostPath"), "type", "");
                if (json_get(v, "projected"))
                        projected_sources(json_dig(v, "projected", "sources", NULL));
                if (claim)
                        claim_spec(claim);
        }
}

static void containers(json_t *spec, const char *member, bool in_pod) {
        json_t *list = json_get(spec, member), *c;
        size_t i;

        json_array_foreach(list, i, c) {
                container(c, in_pod);
        }
}

/* serviceAccount is an old name of serviceAccountName: both say the same. */
static void service_account(json_t *spec) {
        const char *name = json_get_str(spec, "serviceAccountName", NULL);
        const char *old = json_get_str(spec, "serviceAccount", NULL);

        if (name)
                json_object_set_new(spec, "serviceAccount", json_string(name));
        else if (old)
                json_object_set_new(spec, "serviceAccountName", json_string(old));
}

static void pod_spec(json_t *spec, bool in_pod) {
        if (!json_is_object(spec))
                return;
        put_str(spec, "restartPolicy", "Always");
        put_int(spec, "terminationGracePeriodSeconds", 30);
        put_str(spec, "dnsPolicy", "ClusterFirst");
        put_str(spec, "schedulerName", "default-scheduler");
        below(spec, "securityContext");
        service_account(spec);
        containers(spec, "containers", in_pod);
        containers(spec, "initContainers", in_pod);
        volumes(json_get(spec, "volumes"));
}

static void pod(json_t *object) {
        json_t *spec = below(object, "spec");

        pod_spec(spec, true);
        put_bool(spec, "enableServiceLinks", true);
        put_str(spec, "serviceAccountName", "default");
        put_str(spec, "serviceAccount", json_get_str(spec, "serviceAccountName", "default"));
        put_str(spec, "preemptionPolicy", "PreemptLowerPriority");
        put_int(spec, "priority", 0);
}

static void pod_template(json_t *spec) {
        json_t *template = json_get(spec, "template");

        if (!template)
                return;
        below(template, "metadata");
        pod_spec(below(template, "spec"), false);
}

/* --- workloads */

static void deployment(json_t *spec) {
        json_t *strategy = below(spec, "strategy");

        put_int(spec, "replicas", 1);
        put_int(spec, "revisionHistoryLimit", 10);
        put_int(spec, "progressDeadlineSeconds", 600);
        put_str(strategy, "type", "RollingUpdate");
        if (str_eq(json_get_str(strategy, "type", ""), "RollingUpdate")) {
                put_str(below(strategy, "rollingUpdate"), "maxUnavailable", "25%");
                put_str(below(strategy, "rollingUpdate"), "maxSurge", "25%");
        }
        pod_template(spec);
}

static void claim_templates(json_t *list) {
        json_t *claim;
        size_t i;

        json_array_foreach(list, i, claim) {
                put_str(claim, "apiVersion", "v1");
                put_str(claim, "kind", "PersistentVolumeClaim");
                below(claim, "metadata");
                claim_spec(below(claim, "spec"));
                if (!json_get(claim, "status"))
                        json_object_set_new(claim, "status",
                                            json_pack("{s:s}", "phase", "Pending"));
        }
}

static void stateful_set(json_t *spec) {
        json_t *strategy = below(spec, "updateStrategy");
        json_t *retention = below(spec, "persistentVolumeClaimRetentionPolicy");

        put_int(spec, "replicas", 1);
        put_int(spec, "revisionHistoryLimit", 10);
        put_str(spec, "podManagementPolicy", "OrderedReady");
        put_str(strategy, "type", "RollingUpdate");
        if (str_eq(json_get_str(strategy, "type", ""), "RollingUpdate"))
                put_int(below(strategy, "rollingUpdate"), "partition", 0);
        put_str(retention, "whenDeleted", "Retain");
        put_str(retention, "whenScaled", "Retain");
        claim_templates(json_get(spec, "volumeClaimTemplates"));
        pod_template(spec);
}

static void daemon_set(json_t *spec) {
        json_t *strategy = below(spec, "updateStrategy");

        put_int(spec, "revisionHistoryLimit", 10);
        put_str(strategy, "type", "RollingUpdate");
        if (str_eq(json_get_str(strategy, "type", ""), "RollingUpdate")) {
                put_int(below(strategy, "rollingUpdate"), "maxUnavailable", 1);
                put_int(below(strategy, "rollingUpdate"), "maxSurge", 0);
        }
        pod_template(spec);
}

static void replica_set(json_t *spec) {
        put_int(spec, "replicas", 1);
        pod_template(spec);
}

static void job(json_t *object) {
        json_t *spec = below(object, "spec"), *labels;
        const char *uid = store_uid(object);

        put_int(spec, "completions", 1);
        put_int(spec, "parallelism", 1);
        put_int(spec, "backoffLimit", 6);
        put_str(spec, "completionMode", "NonIndexed");
        put_bool(spec, "suspend", false);
        put_str(spec, "podReplacementPolicy", "TerminatingOrFailed");
        put_bool(spec, "manualSelector", false);
        if (!json_get_bool(spec, "manualSelector", false) && !json_get(spec, "selector") && *uid) {
                json_object_set_new(spec, "selector",
                                    json_pack("{s:{s:s}}", "matchLabels",
                                              "batch.kubernetes.io/controller-uid", uid));
                labels = below(below(below(spec, "template"), "metadata"), "labels");
                put_str(labels, "batch.kubernetes.io/controller-uid", uid);
                put_str(labels, "batch.kubernetes.io/job-name", store_name(object));
                put_str(labels, "controller-uid", uid);
                put_str(labels, "job-name", store_name(object));
        }
        pod_template(spec);
        labels = json_dig(spec, "template", "metadata", "labels", NULL);
        if (labels && !json_object_size(json_get(store_meta(object), "labels")))
                json_object_set_new(store_meta(object), "labels", json_deep_copy(labels));
}

static void cron_job(json_t *spec) {
        json_t *inner = json_dig(spec, "jobTemplate", "spec", NULL);

        put_str(spec, "concurrencyPolicy", "Allow");
        put_bool(spec, "suspend", false);
        put_int(spec, "successfulJobsHistoryLimit", 3);
        put_int(spec, "failedJobsHistoryLimit", 1);
        if (json_get(spec, "jobTemplate"))
                below(json_get(spec, "jobTemplate"), "metadata");
        pod_template(inner);
}

/* --- services and storage */

static void cluster_ip(struct sim *sim, const json_t *live, json_t *spec) {
        const char *before = json_get_str(json_get(live, "spec"), "clusterIP", NULL);
        char ip[32];
        bool both;

        if (!json_get(spec, "clusterIP") || str_eq(json_get_str(spec, "clusterIP", ""), "")) {
                if (!before) {
                        sim->next_ip++;
                        snprintf(ip, sizeof(ip), "10.96.%d.%d", (int)(sim->next_ip / 250 % 256),
                                 (int)(sim->next_ip % 250 + 2));
                        before = ip;
                }
                json_object_set_new(spec, "clusterIP", json_string(before));
        }
        if (!json_get(spec, "clusterIPs"))
                json_object_set_new(spec, "clusterIPs",
                                    json_pack("[s]", json_get_str(spec, "clusterIP", "")));
        /* Headless without a selector: whoever writes the endpoints may use both families. */
        both = str_eq(json_get_str(spec, "clusterIP", ""), "None") &&
               !json_object_size(json_get(spec, "selector"));
        put_str(spec, "ipFamilyPolicy", both ? "RequireDualStack" : "SingleStack");
        if (!json_get(spec, "ipFamilies"))
                json_object_set_new(spec, "ipFamilies",
                                    both ? json_pack("[s,s]", "IPv4", "IPv6")
                                         : json_pack("[s]", "IPv4"));
}

/* NodePorts are given out of the usual range; a port keeps what it has. */
static void node_port(struct sim *sim, const json_t *live, json_t *port) {
        json_t *old = json_dig(live, "spec", "ports", NULL), *p;
        size_t i;

        if (json_get_int(port, "nodePort", 0))
                return;
        json_array_foreach(old, i, p) {
                if (json_get_int(p, "port", 0) == json_get_int(port, "port", -1) &&
                    str_eq(json_get_str(p, "protocol", ""), json_get_str(port, "protocol", "")) &&
                    json_get_int(p, "nodePort", 0)) {
                        json_object_set(port, "nodePort", json_get(p, "nodePort"));
                        return;
                }
        }
        json_object_set_new(port, "nodePort", json_integer(30000 + (int)(sim->next_node++ % 2768)));
}

static void service(struct sim *sim, const json_t *live, json_t *spec) {
        json_t *ports = json_get(spec, "ports"), *port;
        const char *type;
        bool outside;
        size_t i;

        put_str(spec, "type", "ClusterIP");
        put_str(spec, "sessionAffinity", "None");
        type = json_get_str(spec, "type", "");
        outside = str_eq(type, "NodePort") || str_eq(type, "LoadBalancer");
        json_array_foreach(ports, i, port) {
                put_str(port, "protocol", "TCP");
                if (!json_get(port, "targetPort"))
                        json_object_set(port, "targetPort", json_get(port, "port"));
                if (outside)
                        node_port(sim, live, port);
        }
        if (outside)
                put_str(spec, "externalTrafficPolicy", "Cluster");
        if (str_eq(type, "LoadBalancer"))
                put_bool(spec, "allocateLoadBalancerNodePorts", true);
        if (str_eq(type, "ExternalName"))
                return;
        put_str(spec, "internalTrafficPolicy", "Cluster");
        cluster_ip(sim, live, spec);
}

static void secret(json_t *object) {
        static const char digits[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        json_t *plain = json_get(object, "stringData"), *value;
        const char *key;

        put_str(object, "type", "Opaque");
        json_object_foreach(plain, key, value) {
                const unsigned char *in = (const unsigned char *)json_string_value(value);
                size_t n = json_string_length(value);
                cleanup_(buf_free) struct buf out = BUF_INIT;

                for (size_t i = 0; in && i < n; i += 3) {
                        unsigned long v = (unsigned long)in[i] << 16 |
                                          (i + 1 < n ? (unsigned long)in[i + 1] << 8 : 0) |
                                          (i + 2 < n ? in[i + 2] : 0);

                        buf_putc(&out, digits[v >> 18 & 63]);
                        buf_putc(&out, digits[v >> 12 & 63]);
                        buf_putc(&out, i + 1 < n ? digits[v >> 6 & 63] : '=');
                        buf_putc(&out, i + 2 < n ? digits[v & 63] : '=');
                }
                json_object_set_new(below(object, "data"), key, json_string(buf_str(&out)));
        }
        json_object_del(object, "stringData");
}

static void webhooks(json_t *object, bool mutating) {
        json_t *list = json_get(object, "webhooks"), *hook, *rule;
        size_t i, j;

        json_array_foreach(list, i, hook) {
                json_t *service_ref = json_dig(hook, "clientConfig", "service", NULL);

                put_str(hook, "failurePolicy", "Fail");
                put_str(hook, "matchPolicy", "Equivalent");
                put_int(hook, "timeoutSeconds", 10);
                below(hook, "namespaceSelector");
                below(hook, "objectSelector");
                if (mutating)
                        put_str(hook, "reinvocationPolicy", "Never");
                if (service_ref)
                        put_int(service_ref, "port", 443);
                json_array_foreach(json_get(hook, "rules"), j, rule) {
                        put_str(rule, "scope", "*");
                }
        }
}

static void role_refs(json_t *object) {
        json_t *subjects = json_get(object, "subjects"), *s;
        size_t i;

        put_str(json_get(object, "roleRef"), "apiGroup", "rbac.authorization.k8s.io");
        json_array_foreach(subjects, i, s) {
                if (!str_eq(json_get_str(s, "kind", ""), "ServiceAccount"))
                        put_str(s, "apiGroup", "rbac.authorization.k8s.io");
        }
}

static void crd(json_t *spec) {
        json_t *names = below(spec, "names");
        cleanup_(freep) char *list = str_format("%sList", json_get_str(names, "kind", ""));
        cleanup_(freep) char *singular = str_dup(json_get_str(names, "kind", ""));

        for (char *p = singular; *p; p++)
                if (*p >= 'A' && *p <= 'Z')
                        *p = (char)(*p - 'A' + 'a');
        put_str(names, "listKind", list);
        put_str(names, "singular", singular);
        put_str(below(spec, "conversion"), "strategy", "None");
        if (json_dig(spec, "conversion", "webhook", "clientConfig", "service", NULL))
                put_int(json_dig(spec, "conversion", "webhook", "clientConfig", "service", NULL),
                        "port", 443);
}

static void policy_ports(json_t *rules) {
        json_t *rule, *port;
        size_t i, j;

        json_array_foreach(rules, i, rule) {
                json_array_foreach(json_get(rule, "ports"), j, port) {
                        put_str(port, "protocol", "TCP");
                }
        }
}

static void network_policy(json_t *spec) {
        policy_ports(json_get(spec, "ingress"));
        policy_ports(json_get(spec, "egress"));
        if (json_get(spec, "policyTypes"))
                return;
        json_object_set_new(spec, "policyTypes",
                            json_get(spec, "egress") ? json_pack("[s,s]", "Ingress", "Egress")
                                                     : json_pack("[s]", "Ingress"));
}

/* --- which kind gets what */

static void workload(const char *name, json_t *object) {
        json_t *spec = json_get(object, "spec");

        if (str_eq(name, "Deployment"))
                deployment(spec);
        else if (str_eq(name, "StatefulSet"))
                stateful_set(spec);
        else if (str_eq(name, "DaemonSet"))
                daemon_set(spec);
        else if (str_eq(name, "ReplicaSet") || str_eq(name, "ReplicationController"))
                replica_set(spec);
        else if (str_eq(name, "Job"))
                job(object);
        else if (str_eq(name, "CronJob"))
                cron_job(spec);
        else if (str_eq(name, "Pod"))
                pod(object);
}

static void other(const char *name, json_t *object) {
        json_t *spec = json_get(object, "spec");

        if (str_eq(name, "PersistentVolumeClaim"))
                claim_spec(below(object, "spec"));
        else if (str_eq(name, "PersistentVolume")) {
                put_str(spec, "volumeMode", "Filesystem");
                put_str(spec, "persistentVolumeReclaimPolicy", "Retain");
        } else if (str_eq(name, "StorageClass")) {
                put_str(object, "reclaimPolicy", "Delete");
                put_str(object, "volumeBindingMode", "Immediate");
        } else if (str_eq(name, "Secret"))
                secret(object);
        else if (str_eq(name, "RoleBinding") || str_eq(name, "ClusterRoleBinding"))
                role_refs(object);
        else if (str_eq(name, "CustomResourceDefinition"))
                crd(below(object, "spec"));
        else if (str_eq(name, "NetworkPolicy"))
                network_policy(spec);
        else if (str_eq(name, "HorizontalPodAutoscaler"))
                put_int(spec, "minReplicas", 1);
        else if (str_eq(name, "MutatingWebhookConfiguration"))
                webhooks(object, true);
        else if (str_eq(name, "ValidatingWebhookConfiguration"))
                webhooks(object, false);
        else if (str_eq(name, "PriorityClass"))
                put_str(object, "preemptionPolicy", "PreemptLowerPriority");
}

static void namespace_(json_t *object) {
        below(object, "spec");
        put_str(below(below(object, "metadata"), "labels"), "kubernetes.io/metadata.name",
                store_name(object));
}

void defaults_set(struct sim *sim, const struct kind *kind, const json_t *live, json_t *object) {
        if (kind->flags & KIND_CUSTOM)
                return;
        if (str_eq(kind->kind, "Namespace"))
                namespace_(object);
        else if (str_eq(kind->kind, "Service"))
                service(sim, live, below(object, "spec"));
        else if (str_eq(kind->group, "apps") || str_eq(kind->group, "batch") ||
                 str_eq(kind->kind, "Pod") || str_eq(kind->kind, "ReplicationController"))
                workload(kind->kind, object);
        else
                other(kind->kind, object);
}

static json_t *stored_versions(const json_t *crd) {
        json_t *list = json_array(), *version;
        size_t i;

        json_array_foreach(json_dig(crd, "spec", "versions", NULL), i, version) {
                if (json_get_bool(version, "storage", false))
                        json_array_append(list, json_get(version, "name"));
        }
        return list;
}

/* Of a text in the table below. */
static json_t *parsed(const char *text) {
        json_t *out = NULL;
        int r = json_parse(text, strlen(text), &out, NULL);

        assert(r == 0);
        return out;
}

void defaults_status(const struct kind *kind, json_t *object) {
        static const struct {
                const char *kind, *status;
        } table[] = {
                { "Pod", "{\"phase\":\"Pending\"}" },
                { "Namespace", "{\"phase\":\"Active\"}" },
                { "PersistentVolumeClaim", "{\"phase\":\"Pending\"}" },
                { "PersistentVolume", "{\"phase\":\"Pending\"}" },
                { "Service", "{\"loadBalancer\":{}}" },
                { "Ingress", "{\"loadBalancer\":{}}" },
                { "StatefulSet", "{\"replicas\":0,\"availableReplicas\":0}" },
                { "ReplicaSet", "{\"replicas\":0}" },
                { "ReplicationController", "{\"replicas\":0}" },
                { "DaemonSet", "{\"currentNumberScheduled\":0,\"numberMisscheduled\":0,"
                               "\"desiredNumberScheduled\":0,\"numberReady\":0}" },
                { "PodDisruptionBudget", "{\"disruptionsAllowed\":0,\"currentHealthy\":0,"
                                         "\"desiredHealthy\":0,\"expectedPods\":0}" },
                { "HorizontalPodAutoscaler", "{\"desiredReplicas\":0,\"currentMetrics\":null}" },
                { "CustomResourceDefinition",
                  "{\"conditions\":null,\"acceptedNames\":"
                  "{\"plural\":\"\",\"kind\":\"\"},\"storedVersions\":[]}" },
        };
        const char *status = "{}";

        json_object_del(object, "status");
        if (!(kind->flags & KIND_STATUS) || kind->flags & KIND_CUSTOM)
                return;
        for (size_t i = 0; i < ARRAY_SIZE(table); i++)
                if (str_eq(kind->kind, table[i].kind))
                        status = table[i].status;
        json_object_set_new(object, "status", parsed(status));
        if (str_eq(kind->kind, "CustomResourceDefinition"))
                json_object_set_new(json_get(object, "status"), "storedVersions",
                                    stored_versions(object));
}

/* A DaemonSet counts the changes of its template in an annotation, for clients of long ago. */
static void template_generation(const json_t *live, json_t *object) {
        static const char name[] = "deprecated.daemonset.template.generation";
        json_t *annotations = below(below(object, "metadata"), "annotations");
        int64_t n = 0;

        str_to_int(json_get_str(json_get(store_meta(live), "annotations"), name, "0"), &n);
        n += !live || !json_equal(json_dig(live, "spec", "template", NULL),
                                  json_dig(object, "spec", "template", NULL));
        json_object_set_new(annotations, name, json_sprintf("%lld", (long long)n));
}

void defaults_prepare(const struct kind *kind, const json_t *live, json_t *object) {
        json_t *spec = json_get(object, "spec");

        if (kind->flags & KIND_CUSTOM)
                return;
        if (str_eq(kind->kind, "DaemonSet"))
                template_generation(live, object);
        if (!*kind->group && str_eq(kind->kind, "Namespace") && !live &&
            !json_get(spec, "finalizers"))
                json_object_set_new(spec, "finalizers", json_pack("[s]", "kubernetes"));
}
