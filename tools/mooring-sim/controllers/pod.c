/* SPDX-License-Identifier: Apache-2.0 */
/* pod.c - scheduler and kubelet in one: a pod is placed, waits for what it needs, runs, and ends
 *
 * No program runs. A pod is Running and Ready options.pod_start_ms after it was placed, unless a
 * Secret, ConfigMap or claim that it needs is missing, or a fault of the control socket says
 * otherwise. */
#include "control.h"
#include "controllers.h"
#include "faults.h"
#include "pod_needs.h"
#include "store.h"

#include <stdlib.h>

/* --- scheduling */

static bool fits(const json_t *pod, const json_t *node) {
        json_t *wanted = json_dig(pod, "spec", "nodeSelector", NULL), *value;
        json_t *labels = json_get(store_meta(node), "labels");
        const char *key;

        if (json_get_bool(json_get(node, "spec"), "unschedulable", false))
                return false;
        json_object_foreach(wanted, key, value) {
                if (!json_equal(value, json_object_get(labels, key)))
                        return false;
        }
        return true;
}

static void unschedulable(struct sim *sim, struct kind *kind, const json_t *pod, const char *why) {
        json_t *status = json_pack("{s:s,s:s}", "phase", "Pending", "qosClass", "BestEffort");

        control_condition(status, json_get(pod, "status"), "PodScheduled", false, "Unschedulable",
                          why);
        control_set_status(sim, kind, store_namespace(pod), store_name(pod), status,
                           "kube-scheduler");
}

/* Places the pod, round about; true when it has a node from now on. */
static bool schedule(struct sim *sim, struct kind *kind, const json_t *pod) {
        const struct collection *nodes = control_kind(sim, "", "nodes")->collection;
        cleanup_(freep) char *why = pod_needs_claim(sim, pod);
        json_t *object;

        if (!why && str_eq(faults_pod(&sim->faults, pod), "Unschedulable"))
                why = str_format("0/%zu nodes are available: %zu Insufficient memory.",
                                 nodes->count, nodes->count);
        for (size_t i = 0; !why && i < nodes->count; i++) {
                const json_t *node = nodes->items[(sim->next_node + i) % nodes->count]->json;

                if (!fits(pod, node))
                        continue;
                sim->next_node++;
                object = json_deep_copy(pod);
                json_put(object, "/spec/nodeName", json_string(store_name(node)));
                return control_update(sim, kind, object, "kube-scheduler");
        }
        if (!why)
                why = str_format("0/%zu nodes are available: %zu node(s) didn't match Pod's node "
                                 "affinity/selector.",
                                 nodes->count, nodes->count);
        unschedulable(sim, kind, pod, why);
        return false;
}

/* --- status */

enum life { LIFE_WAITING, LIFE_RUNNING, LIFE_SUCCEEDED, LIFE_FAILED };

struct view {
        struct sim *sim;
        const json_t *pod;
        enum life life;
        bool ready;
        const char *reason; /* of waiting containers */
        char *message;
        int restarts;
        int exit_code;
};

static json_t *container_state(const struct view *v, const json_t *before) {
        json_t *old = json_dig(before, "state", "running", "startedAt", NULL);

        if (v->life == LIFE_RUNNING)
                return json_pack("{s:{s:o}}", "running", "startedAt",
                                 old ? json_incref(old) : sim_now());
        if (v->life == LIFE_WAITING) {
                json_t *waiting = json_pack("{s:s}", "reason", v->reason);

                if (v->message)
                        json_object_set_new(waiting, "message", json_string(v->message));
                return json_pack("{s:o}", "waiting", waiting);
        }
        return json_pack("{s:{s:i,s:s,s:o,s:o}}", "terminated", "exitCode", v->exit_code, "reason",
                         v->exit_code ? "Error" : "Completed", "startedAt", sim_now(), "finishedAt",
                         sim_now());
}

static json_t *old_status(const json_t *pod, const char *member, const char *name) {
        json_t *c;
        size_t i;

        json_array_foreach(json_get(json_get(pod, "status"), member), i, c) {
                if (str_eq(json_get_str(c, "name", ""), name))
                        return c;
        }
        return NULL;
}

static json_t *container_status(const struct view *v, const char *member, const json_t *container,
                                bool init) {
        const char *name = json_get_str(container, "name", ""),
                   *image = json_get_str(container, "image", "");
        json_t *before = old_status(v->pod, member, name), *c;
        bool up = v->life == LIFE_RUNNING && !init;
        struct view done = *v;

        /* Init containers have ended once the others start; a terminated state keeps its times. */
        if (init && v->life != LIFE_WAITING)
                done.life = LIFE_SUCCEEDED;
        c = json_pack("{s:s,s:s,s:s,s:b,s:b,s:i,s:{}}", "name", name, "image", image, "imageID",
                      v->life == LIFE_WAITING ? "" : image, "ready",
                      init ? v->life != LIFE_WAITING : up && v->ready, "started", up,
                      "restartCount", init ? 0 : v->restarts, "lastState");
        if (json_dig(before, "state", "terminated", NULL) && done.life >= LIFE_SUCCEEDED)
                json_object_set(c, "state", json_get(before, "state"));
        else
                json_object_set_new(c, "state", container_state(&done, before));
        if (v->restarts && !init)
                json_object_set_new(c, "lastState",
                                    json_get(before, "lastState") &&
                                                    json_object_size(json_get(before, "lastState"))
                                            ? json_incref(json_get(before, "lastState"))
                                            : json_pack("{s:{s:i,s:s,s:o}}", "terminated",
                                                        "exitCode", v->exit_code, "reason",
                                                        v->exit_code == 137 ? "OOMKilled" : "Error",
                                                        "finishedAt", sim_now()));
        if (v->life != LIFE_WAITING)
                json_object_set_new(c, "containerID",
                                    json_sprintf("containerd://%s-%s", store_uid(v->pod), name));
        return c;
}

static void container_statuses(const struct view *v, json_t *status, const char *list,
                               const char *member, bool init) {
        json_t *containers = json_dig(v->pod, "spec", list, NULL), *out, *c;
        size_t i;

        if (!json_array_size(containers))
                return;
        out = json_array();
        json_array_foreach(containers, i, c) {
                json_array_append_new(out, container_status(v, member, c, init));
        }
        json_object_set_new(status, member, out);
}

static char *not_ready_text(const json_t *pod) {
        cleanup_(buf_free) struct buf names = BUF_INIT;
        json_t *c;
        size_t i;

        json_array_foreach(json_dig(pod, "spec", "containers", NULL), i, c) {
                buf_printf(&names, "%s%s", i ? " " : "", json_get_str(c, "name", ""));
        }
        return str_format("containers with unready status: [%s]", buf_str(&names));
}

static void conditions(const struct view *v, json_t *status) {
        json_t *before = json_get(v->pod, "status");
        bool started = v->life != LIFE_WAITING, ready = v->life == LIFE_RUNNING && v->ready;
        cleanup_(freep) char *unready = not_ready_text(v->pod);
        const char *reason = ready                       ? NULL
                             : v->life == LIFE_SUCCEEDED ? "PodCompleted"
                             : v->life == LIFE_FAILED    ? "PodFailed"
                                                         : "ContainersNotReady";
        const char *text = ready || v->life >= LIFE_SUCCEEDED ? NULL : unready;

        control_condition(status, before, "PodReadyToStartContainers", started, NULL, NULL);
        control_condition(status, before, "Initialized", true, NULL, NULL);
        control_condition(status, before, "Ready", ready, reason, text);
        control_condition(status, before, "ContainersReady", ready, reason, text);
        control_condition(status, before, "PodScheduled", true, NULL, NULL);
}

static const char *quality(const json_t *pod) {
        bool any = false, all = true;
        json_t *c;
        size_t i;

        json_array_foreach(json_dig(pod, "spec", "containers", NULL), i, c) {
                json_t *limits = json_dig(c, "resources", "limits", NULL);
                json_t *requests = json_dig(c, "resources", "requests", NULL);

                any = any || json_object_size(limits) || json_object_size(requests);
                all = all && json_object_size(limits) && json_equal(limits, requests);
        }
        return !any ? "BestEffort" : all ? "Guaranteed" : "Burstable";
}

static void addresses(struct sim *sim, const json_t *pod, json_t *status) {
        const char *ip = json_get_str(json_get(pod, "status"), "podIP", NULL);
        cleanup_(freep) char *fresh = NULL;

        if (!ip) {
                sim->next_ip++;
                fresh = str_format("10.244.%d.%d", (int)(sim->next_ip / 250 % 256),
                                   (int)(sim->next_ip % 250 + 2));
        }
        json_object_set_new(status, "podIP", json_string(ip ? ip : fresh));
        json_object_set_new(status, "podIPs", json_pack("[{s:s}]", "ip", ip ? ip : fresh));
}

static void write_status(struct view *v, struct kind *kind) {
        static const char *const phases[] = { "Pending", "Running", "Succeeded", "Failed" };
        json_t *before = json_get(v->pod, "status"), *status = json_object();

        /* A container that was up once keeps its pod Running while it waits to start again. */
        json_object_set_new(
                status, "phase",
                json_string(v->life == LIFE_WAITING && v->restarts ? "Running" : phases[v->life]));
        json_object_set_new(status, "qosClass", json_string(quality(v->pod)));
        json_object_set_new(status, "observedGeneration",
                            json_integer(json_get_int(store_meta(v->pod), "generation", 0)));
        json_object_set_new(status, "startTime",
                            json_get(before, "startTime")
                                    ? json_incref(json_get(before, "startTime"))
                                    : sim_now());
        json_object_set_new(status, "hostIP", json_string("10.0.0.1"));
        json_object_set_new(status, "hostIPs", json_pack("[{s:s}]", "ip", "10.0.0.1"));
        if (v->life != LIFE_WAITING || json_get(before, "podIP"))
                addresses(v->sim, v->pod, status);
        conditions(v, status);
        container_statuses(v, status, "initContainers", "initContainerStatuses", true);
        container_statuses(v, status, "containers", "containerStatuses", false);
        control_set_status(v->sim, kind, store_namespace(v->pod), store_name(v->pod), status,
                           CONTROL_KUBELET);
}

/* --- what becomes of it */

static const char *first_image(const json_t *pod) {
        return json_get_str(json_array_get(json_dig(pod, "spec", "containers", NULL), 0), "image",
                            "");
}

/* What a fault's reason means for the containers. */
static void afflict(struct view *v, const char *reason) {
        v->life = LIFE_WAITING;
        v->reason = reason;
        if (str_eq(reason, "NotReady")) {
                v->life = LIFE_RUNNING;
        } else if (str_eq(reason, "Failed") || str_eq(reason, "Error")) {
                v->life = LIFE_FAILED;
                v->exit_code = 1;
        } else if (str_eq(reason, "CrashLoopBackOff") || str_eq(reason, "OOMKilled")) {
                v->reason = "CrashLoopBackOff";
                v->restarts = 3;
                v->exit_code = str_eq(reason, "OOMKilled") ? 137 : 1;
                v->message = str_format(
                        "back-off 40s restarting failed container=%s pod=%s_%s(%s)",
                        json_get_str(
                                json_array_get(json_dig(v->pod, "spec", "containers", NULL), 0),
                                "name", ""),
                        store_name(v->pod), store_namespace(v->pod), store_uid(v->pod));
        } else if (str_eq(reason, "ImagePullBackOff")) {
                v->message = str_format("Back-off pulling image \"%s\": ErrImagePull: not found",
                                        first_image(v->pod));
        } else if (str_eq(reason, "ErrImagePull")) {
                v->message = str_format("failed to pull and unpack image \"%s\": not found",
                                        first_image(v->pod));
        }
}

/* What it needed to start it has: a running container keeps the environment and the mounts that
 * it was given. */
static bool has_started(const json_t *pod) {
        return json_at(pod, "/status/containerStatuses/0/state/running") != NULL;
}

static void decide(struct view *v) {
        const char *fault = faults_pod(&v->sim->faults, v->pod);
        const char *restart = json_get_str(json_get(v->pod, "spec"), "restartPolicy", "Always");
        bool started = has_started(v->pod);
        cleanup_(freep) char *mount = started ? NULL : pod_needs_volume(v->sim, v->pod);

        v->life = LIFE_RUNNING;
        v->ready = true;
        v->reason = "ContainerCreating";
        if (fault) {
                v->ready = false;
                afflict(v, fault);
                return;
        }
        if (mount) {
                v->life = LIFE_WAITING;
                return;
        }
        v->message = started ? NULL : pod_needs_env(v->sim, v->pod);
        if (v->message) {
                v->life = LIFE_WAITING;
                v->reason = "CreateContainerConfigError";
        } else if (!str_eq(restart, "Always")) {
                v->life = LIFE_SUCCEEDED;
        }
}

/* A volume that cannot be mounted is only told as an event, once. */
static void report_mount(struct sim *sim, struct kind *kind, const json_t *pod) {
        cleanup_(freep) char *why = pod_needs_volume(sim, pod);

        if (why && !json_get(json_get(pod, "status"), "containerStatuses"))
                control_event(sim, kind, pod, "Warning", "FailedMount", why);
}

static bool over(const json_t *pod) {
        const char *phase = json_get_str(json_get(pod, "status"), "phase", "");

        return str_eq(phase, "Succeeded") || str_eq(phase, "Failed");
}

/* The containers are started, or found to be unable to. */
static void pod_run(struct sim *sim, const char *namespace, const char *name) {
        struct kind *kind = control_kind(sim, "", "pods");
        cleanup_(json_freep) json_t *pod = json_incref(store_get(kind, namespace, name));
        struct view v = { .sim = sim, .pod = pod };

        if (!pod || control_leaving(pod) || over(pod))
                return;
        report_mount(sim, kind, pod);
        decide(&v);
        write_status(&v, kind);
        free(v.message);
}

static void finish_deletion(struct sim *sim, struct kind *kind, const json_t *pod) {
        json_t *object;

        if (json_array_size(json_get(store_meta(pod), "finalizers"))) {
                if (json_get_int(store_meta(pod), "deletionGracePeriodSeconds", 0) == 0)
                        return;
                object = json_deep_copy(pod);
                json_object_set_new(store_meta(object), "deletionGracePeriodSeconds",
                                    json_integer(0));
                store_put(sim, kind, object, NULL);
                return;
        }
        store_remove(sim, kind, store_namespace(pod), store_name(pod));
}

void pod_sync(struct sim *sim, const char *namespace, const char *name) {
        struct kind *kind = control_kind(sim, "", "pods");
        cleanup_(json_freep) json_t *pod = json_incref(store_get(kind, namespace, name));
        bool started = json_get(json_get(pod, "status"), "containerStatuses");

        if (!pod)
                return;
        if (control_leaving(pod)) {
                finish_deletion(sim, kind, pod);
                return;
        }
        if (!*json_get_str(json_get(pod, "spec"), "nodeName", "") && !schedule(sim, kind, pod))
                return;
        work_add(sim, pod_run, namespace, name, started ? 0 : sim->options.pod_start_ms);
}
