/* SPDX-License-Identifier: Apache-2.0 */
/* service.c - Service → Endpoints and EndpointSlice, of the pods that it selects */
#include "control.h"
#include "controllers.h"
#include "selector.h"
#include "store.h"
#include "typed.h"

/* The number behind a service's port on one pod; 0: the pod has no port of that name. */
static int64_t target_port(const json_t *port, const json_t *pod) {
        json_t *target = json_get(port, "targetPort"), *c, *p;
        size_t i, j;

        if (json_is_integer(target))
                return json_integer_value(target);
        json_array_foreach(json_dig(pod, "spec", "containers", NULL), i, c) {
                json_array_foreach(json_get(c, "ports"), j, p) {
                        if (str_eq(json_get_str(p, "name", ""), json_string_value(target)))
                                return json_get_int(p, "containerPort", 0);
                }
        }
        return 0;
}

static json_t *endpoint_ports(const json_t *service, const json_t *pod) {
        json_t *out = json_array(), *port;
        size_t i;

        json_array_foreach(json_dig(service, "spec", "ports", NULL), i, port) {
                json_t *p = json_pack("{s:I,s:s}", "port", (json_int_t)target_port(port, pod),
                                      "protocol", json_get_str(port, "protocol", "TCP"));

                if (json_get(port, "name"))
                        json_object_set(p, "name", json_get(port, "name"));
                json_array_append_new(out, p);
        }
        return out;
}

struct chosen {
        json_t *ready, *waiting; /* addresses */
        json_t *slices;          /* endpoints of the EndpointSlice */
        json_t *first;           /* a pod, for the ports; borrowed */
};

static void choose(const json_t *pod, struct chosen *c) {
        const char *ip = json_get_str(json_get(pod, "status"), "podIP", NULL);
        const char *node = json_get_str(json_get(pod, "spec"), "nodeName", "");
        bool ready = control_pod_ready(pod);
        json_t *ref, *address;

        if (!ip)
                return;
        ref = json_pack("{s:s,s:s,s:s,s:s}", "kind", "Pod", "namespace", store_namespace(pod),
                        "name", store_name(pod), "uid", store_uid(pod));
        address = json_pack("{s:s,s:s,s:O}", "ip", ip, "nodeName", node, "targetRef", ref);
        json_array_append_new(ready ? c->ready : c->waiting, address);
        json_array_append_new(c->slices, json_pack("{s:[s],s:{s:b,s:b,s:b},s:s,s:o}", "addresses",
                                                   ip, "conditions", "ready", ready, "serving",
                                                   ready, "terminating", control_leaving(pod),
                                                   "nodeName", node, "targetRef", ref));
        c->first = (json_t *)pod;
}

static void put(struct sim *sim, struct kind *kind, const char *namespace, const char *name,
                json_t *object) {
        json_t *live = store_get(kind, namespace, name), *merged;
        const char *key;
        json_t *value;

        if (!live) {
                control_create(sim, kind, namespace, object, CONTROL_MANAGER, NULL);
                return;
        }
        merged = json_deep_copy(live);
        json_object_foreach(object, key, value) {
                if (!str_eq(key, "metadata"))
                        json_object_set(merged, key, value);
        }
        json_decref(object);
        control_update(sim, kind, merged, CONTROL_MANAGER);
}

static void put_endpoints(struct sim *sim, const json_t *service, const struct chosen *c) {
        json_t *subset = json_object();
        json_t *object = json_pack("{s:{s:s}}", "metadata", "name", store_name(service));

        if (json_array_size(c->ready))
                json_object_set(subset, "addresses", c->ready);
        if (json_array_size(c->waiting))
                json_object_set(subset, "notReadyAddresses", c->waiting);
        if (json_object_size(subset)) {
                json_object_set_new(subset, "ports", endpoint_ports(service, c->first));
                json_object_set_new(object, "subsets", json_pack("[O]", subset));
        }
        json_decref(subset);
        put(sim, control_kind(sim, "", "endpoints"), store_namespace(service), store_name(service),
            object);
}

static void put_slice(struct sim *sim, const json_t *service, const struct chosen *c) {
        cleanup_(freep) char *name = str_format("%s-sim", store_name(service));
        json_t *object = json_pack("{s:{s:s,s:{s:s,s:s},s:o},s:s,s:O,s:o}", "metadata", "name",
                                   name, "labels", "kubernetes.io/service-name",
                                   store_name(service), "endpointslice.kubernetes.io/managed-by",
                                   "endpointslice-controller.k8s.io", "ownerReferences",
                                   control_owner(control_kind(sim, "", "services"), service),
                                   "addressType", "IPv4", "endpoints", c->slices, "ports",
                                   endpoint_ports(service, c->first));

        put(sim, control_kind(sim, "discovery.k8s.io", "endpointslices"), store_namespace(service),
            name, object);
}

void service_sync(struct sim *sim, const char *namespace, const char *name) {
        cleanup_(json_freep) json_t *service =
                json_incref(control_get(sim, "", "services", namespace, name));
        json_t *selector = json_dig(service, "spec", "selector", NULL);
        const struct collection *pods = control_kind(sim, "", "pods")->collection;
        cleanup_(freep) char *prefix = str_format("%s/", namespace);
        struct chosen c = { 0 };

        if (!service) {
                if (control_get(sim, "", "endpoints", namespace, name))
                        control_delete(sim, control_kind(sim, "", "endpoints"), namespace, name,
                                       "Background");
                return;
        }
        if (control_leaving(service) || !json_object_size(selector))
                return;
        c = (struct chosen){ json_array(), json_array(), json_array(), NULL };
        for (size_t i = store_seek(pods, prefix);
             i < pods->count && str_starts(pods->items[i]->key, prefix); i++) {
                json_t *pod = pods->items[i]->json;

                if (!control_leaving(pod) &&
                    selector_matches_object(selector, json_get(store_meta(pod), "labels")))
                        choose(pod, &c);
        }
        put_endpoints(sim, service, &c);
        put_slice(sim, service, &c);
        json_decref(c.ready);
        json_decref(c.waiting);
        json_decref(c.slices);
}
