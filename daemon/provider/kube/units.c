/* SPDX-License-Identifier: Apache-2.0 */
/* units.c - from a pod's status to Juju's words, with the reason where it does not run
 *
 * Called for each pod of ours that is listed or changes. Pure but for the call of the observer.
 * The first container that keeps the pod back gives the message: of init containers first, as
 * they run first. A word of what the kubelet says is kept as it is, so that it can be searched
 * for. */
#include "units.h"

#include "normalise.h"

#include <inttypes.h>
#include <stdlib.h>

#define MESSAGE_MAX 300 /* of a container's last words: a traceback's end fits, a log does not */

static void put_message(struct units_pod *u, const char *fmt, ...) printf_(2, 3);
static void put_message(struct units_pod *u, const char *fmt, ...) {
        va_list ap;

        free(u->message);
        va_start(ap, fmt);
        u->message = str_vformat(fmt, ap);
        va_end(ap);
}

static void state(struct units_pod *u, const char *status, const char *agent, bool bad) {
        u->status = status;
        u->agent = agent;
        u->bad = bad;
}

static const json_t *condition(const json_t *status, const char *type) {
        const json_t *c;
        size_t i;

        json_array_foreach(json_get(status, "conditions"), i, c)
                if (str_eq(json_get_str(c, "type", ""), type))
                        return c;
        return NULL;
}

static bool is_false(const json_t *c) {
        return c && str_eq(json_get_str(c, "status", ""), "False");
}

/* The last line of TEXT that says something, cut to MESSAGE_MAX. */
static char *last_words(const char *text) {
        size_t end = strlen(text);
        size_t start;

        while (end && strchr(" \t\r\n", text[end - 1]))
                end--;
        for (start = end; start && text[start - 1] != '\n';)
                start--;
        if (end - start > MESSAGE_MAX)
                start = end - MESSAGE_MAX;
        return str_ndup(text + start, end - start);
}

/* "exited 1: <last words>" of the run before this one. */
static char *last_exit(const json_t *container) {
        const json_t *end = json_dig(container, "lastState", "terminated", NULL);
        cleanup_(freep) char *words = NULL;
        int64_t signal;

        if (!end)
                end = json_dig(container, "state", "terminated", NULL);
        if (!end)
                return NULL;
        words = last_words(json_get_str(end, "message", ""));
        if (!*words)
                str_set(&words, json_get_str(end, "reason", ""));
        signal = json_get_int(end, "signal", 0);
        if (signal)
                return str_format("ended by signal %" PRId64 "%s%s", signal, *words ? ": " : "",
                                  words);
        return str_format("exited %" PRId64 "%s%s", json_get_int(end, "exitCode", 0),
                          *words ? ": " : "", words);
}

static bool is_starting(const char *reason) {
        return str_eq(reason, "ContainerCreating") || str_eq(reason, "PodInitializing") || !*reason;
}

/* What kubelets say of an image, as long as there is no other cause to tell from it. */
static bool is_about_image(const char *reason) {
        static const char *const reasons[] = { "ErrImagePull",      "ImagePullBackOff",
                                               "ErrImageNeverPull", "ImageInspectError",
                                               "InvalidImageName",  "RegistryUnavailable" };

        for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
                if (str_eq(reason, reasons[i]))
                        return true;
        return false;
}

/* Which image, also where a registry's answer does not name it. */
static void no_image(struct units_pod *u, const char *reason, const json_t *container) {
        const char *image = json_get_str(container, "image", "");
        const char *message =
                json_get_str(json_dig(container, "state", "waiting", NULL), "message", "");
        bool named = !image[0] || strstr(message, image);

        put_message(u, "%s: container %s: %s%s%s%s", reason, json_get_str(container, "name", "?"),
                    named ? "" : "image ", named ? "" : image, named || !message[0] ? "" : ": ",
                    message);
        state(u, str_eq(reason, "ErrImagePull") ? "waiting" : "error", "error", true);
        u->no_image = true;
}

/* A container that waits for something else than its turn. */
static bool waiting_container(struct units_pod *u, const json_t *container) {
        const json_t *waiting = json_dig(container, "state", "waiting", NULL);
        const char *reason = json_get_str(waiting, "reason", "");
        const char *name = json_get_str(container, "name", "?");
        int64_t restarts = json_get_int(container, "restartCount", 0);
        cleanup_(freep) char *exit = NULL;

        if (!waiting || is_starting(reason))
                return false;
        if (str_eq(reason, "CrashLoopBackOff")) {
                exit = last_exit(container);
                put_message(u, "CrashLoopBackOff: container %s %s, %" PRId64 " %s", name,
                            exit ? exit : "does not stay up", restarts,
                            restarts == 1 ? "restart" : "restarts");
                state(u, "error", "error", true);
                return true;
        }
        if (is_about_image(reason)) {
                no_image(u, reason, container);
                return true;
        }
        put_message(u, "%s: container %s: %s", reason, name, json_get_str(waiting, "message", ""));
        state(u, "error", "error", true);
        return true;
}

/* One that ended with an error and has not been started again yet. */
static bool ended_container(struct units_pod *u, const json_t *container) {
        const json_t *end = json_dig(container, "state", "terminated", NULL);
        cleanup_(freep) char *exit = NULL;

        if (!end || json_get_int(end, "exitCode", 0) == 0)
                return false;
        exit = last_exit(container);
        put_message(u, "container %s %s", json_get_str(container, "name", "?"), exit);
        state(u, "error", "error", true);
        return true;
}

static bool container_trouble(struct units_pod *u, const json_t *status) {
        static const char *const lists[] = { "initContainerStatuses", "containerStatuses", NULL };

        for (const char *const *list = lists; *list; list++) {
                const json_t *container;
                size_t i;

                json_array_foreach(json_get(status, *list), i, container)
                        if (waiting_container(u, container) || ended_container(u, container))
                                return true;
        }
        return false;
}

/* All containers are ready, and kubectl shows 1/1: the node, or a gate, has the last word. */
static void unready_pod(struct units_pod *u, const json_t *ready) {
        const char *why = json_get_str(ready, "message", json_get_str(ready, "reason", NULL));
        const char *since = json_get_str(ready, "lastTransitionTime", NULL);

        put_message(u,
                    "condition Ready is False%s%s on node %s, though its containers are ready%s%s",
                    since ? " since " : "", since ? since : "", u->node[0] ? u->node : "?",
                    why ? ": " : "", why ? why : "");
}

/* Running but not ready: which probe, from the containers' own fields. */
static void not_ready(struct units_pod *u, const json_t *pod, const json_t *ready) {
        const json_t *container;
        size_t i;

        state(u, "waiting", "idle", false);
        json_array_foreach(json_dig(pod, "status", "containerStatuses", NULL), i, container) {
                if (json_get_bool(container, "ready", false))
                        continue;
                if (json_dig(container, "state", "running", NULL))
                        put_message(u, "container %s: %s has not passed yet",
                                    json_get_str(container, "name", "?"),
                                    json_get_bool(container, "started", true) ? "readiness probe"
                                                                              : "startup probe");
                else
                        put_message(u, "container %s is starting",
                                    json_get_str(container, "name", "?"));
                return;
        }
        unready_pod(u, ready);
}

static void starting(struct units_pod *u, const json_t *status) {
        const json_t *container;
        size_t i;

        state(u, "waiting", "allocating", false);
        json_array_foreach(json_get(status, "initContainerStatuses"), i, container)
                if (json_dig(container, "state", "running", NULL)) {
                        state(u, "maintenance", "executing", false);
                        put_message(u, "init container %s is running",
                                    json_get_str(container, "name", "?"));
                        return;
                }
        put_message(u, "starting containers");
}

static void judge(struct units_pod *u, const json_t *pod) {
        const json_t *status = json_get(pod, "status");
        const char *phase = json_get_str(status, "phase", "");
        const json_t *scheduled = condition(status, "PodScheduled");
        const json_t *ready = condition(status, "Ready");

        if (json_dig(pod, "metadata", "deletionTimestamp", NULL)) {
                state(u, "terminated", "executing", false);
                put_message(u, "stopping");
        } else if (str_eq(phase, "Succeeded")) {
                state(u, "terminated", "idle", false);
                put_message(u, "completed");
        } else if (str_eq(phase, "Failed") && !container_trouble(u, status)) {
                state(u, "error", "lost", true);
                put_message(u, "%s: %s", json_get_str(status, "reason", "Failed"),
                            json_get_str(status, "message", ""));
        } else if (str_eq(phase, "Failed") || container_trouble(u, status)) {
                return;
        } else if (is_false(scheduled)) {
                state(u, "waiting", "allocating", true);
                put_message(u, "%s: %s", json_get_str(scheduled, "reason", "not scheduled"),
                            json_get_str(scheduled, "message", ""));
        } else if (str_eq(phase, "Running") && ready && !is_false(ready)) {
                state(u, "active", "idle", false);
                u->ready = true;
        } else if (str_eq(phase, "Running")) {
                not_ready(u, pod, ready);
        } else {
                starting(u, status);
        }
}

/* ---- what does not change */

/* What the label says, of a unit that has a StatefulSet of its own; else the number behind the last
 * dash of a StatefulSet's pod. */
static int64_t ordinal(const char *name, const char *owner_kind, const char *label) {
        const char *dash = strrchr(name, '-');
        int64_t n;

        if (label && str_to_int(label, &n) && n >= 0)
                return n;
        if (!str_eq(owner_kind, "StatefulSet") || !dash || !str_to_int(dash + 1, &n) || n < 0)
                return -1;
        return n;
}

static char *ports_of(const json_t *spec) {
        cleanup_(buf_free) struct buf out = BUF_INIT;
        const json_t *container, *port;
        size_t i, n;

        json_array_foreach(json_get(spec, "containers"), i, container)
                json_array_foreach(json_get(container, "ports"), n, port)
                        buf_printf(&out, "%s%" PRId64 "/%s", out.len ? "," : "",
                                   json_get_int(port, "containerPort", 0),
                                   json_get_str(port, "protocol", "TCP"));
        return buf_take(&out);
}

static int64_t restarts_of(const json_t *status) {
        static const char *const lists[] = { "initContainerStatuses", "containerStatuses", NULL };
        int64_t n = 0;

        for (const char *const *list = lists; *list; list++) {
                const json_t *container;
                size_t i;

                json_array_foreach(json_get(status, *list), i, container)
                        n += json_get_int(container, "restartCount", 0);
        }
        return n;
}

static void read_owner(struct units_pod *u, const json_t *metadata) {
        const json_t *owner;
        size_t i;

        json_array_foreach(json_get(metadata, "ownerReferences"), i, owner) {
                if (!json_get_bool(owner, "controller", false))
                        continue;
                u->owner_kind = str_dup(json_get_str(owner, "kind", ""));
                u->owner = str_dup(json_get_str(owner, "name", ""));
                return;
        }
}

void units_read(const json_t *pod, struct units_pod *ret) {
        const json_t *metadata = json_get(pod, "metadata");
        const json_t *labels = json_get(metadata, "labels");
        const json_t *status = json_get(pod, "status");
        struct units_pod u = { 0 };

        u.model = str_dup(json_get_str(labels, LABEL_MODEL, ""));
        u.application = str_dup(json_get_str(labels, LABEL_APPLICATION, ""));
        u.name = str_dup(json_get_str(metadata, "name", ""));
        u.uid = str_dup(json_get_str(metadata, "uid", ""));
        u.address = str_dup(json_get_str(status, "podIP", ""));
        u.node = str_dup(json_get_str(json_get(pod, "spec"), "nodeName", ""));
        u.ports = ports_of(json_get(pod, "spec"));
        u.message = str_dup("");
        u.restarts = restarts_of(status);
        read_owner(&u, metadata);
        u.number = ordinal(u.name, u.owner_kind, json_get_str(labels, LABEL_UNIT, NULL));
        judge(&u, pod);
        *ret = u;
}

void units_clear(struct units_pod *p) {
        char **texts[] = { &p->model, &p->application, &p->name,    &p->uid,        &p->address,
                           &p->node,  &p->ports,       &p->message, &p->owner_kind, &p->owner };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                free(*texts[i]);
        *p = (struct units_pod){ 0 };
}

void units_tell(const struct units_pod *p, const struct observer *o, bool gone) {
        struct unit_seen seen = {
                .model = p->model,
                .application = p->application,
                .name = p->name,
                .uid = p->uid,
                .number = p->number,
                .gone = gone,
                .status = gone ? "terminated" : p->status,
                .agent = p->agent,
                .message = p->message,
                .address = p->address,
                .node = p->node,
                .ports = p->ports,
                .restarts = p->restarts,
                .trouble = gone || !p->bad ? NULL
                           : p->no_image   ? UNIT_NO_IMAGE
                                           : UNIT_DOES_NOT_RUN,
        };

        o->unit(o->arg, &seen);
}
