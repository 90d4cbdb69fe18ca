/* SPDX-License-Identifier: Apache-2.0 */
/* provider_kube_state.c - readiness with its reasons, units, warnings, and a way into a pod */
#include "kube-world.h"
#include "provider_kube.h"

static void restrict_namespace(const char *level) {
        cleanup_(freep) char *url = str_format("/api/v1/namespaces/%s", w.namespace);
        cleanup_(freep) char *patch =
                str_format("[{\"op\":\"add\",\"path\":\"/metadata/labels/"
                           "pod-security.kubernetes.io~1enforce\",\"value\":\"%s\"}]",
                           level);

        world_edit(url, patch);
}

void a_deployment_that_may_make_no_pods_says_which_policy_forbids_them(void **state) {
        cleanup_(freep) char *path = world_path("forbidden");
        struct thing *t = world_thing("Deployment.apps", path);

        restrict_namespace("restricted");
        world_apply_ok(DEPLOYMENT("forbidden", "1"));
        wait_for(t->last.reason && strstr(t->last.reason, "violates PodSecurity"));
        assert_int_equal(t->last.ready, READY_NO);
        restrict_namespace("privileged");
}

#define STATEFUL_SET(name)                                                                         \
        "{\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":\"" name      \
        "\"},\"spec\":{\"replicas\":1,\"serviceName\":\"" name                                     \
        "\",\"selector\":{\"matchLabels\":{\"app\":\"" name                                        \
        "\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":\"" name                             \
        "\"}},\"spec\":{\"containers\":"                                                           \
        "[{\"name\":\"main\",\"image\":\"registry.example/pause:1\"}]}}}}"

/* A StatefulSet has no condition for it: only the event says. */
void a_stateful_set_without_its_pod_says_what_the_event_says(void **state) {
        cleanup_(freep) char *path = world_path("starved");
        struct thing *t = world_thing("StatefulSet.apps", path);

        world_apply_ok("{\"apiVersion\":\"v1\",\"kind\":\"ResourceQuota\",\"metadata\":{\"name\":"
                       "\"small\"},\"spec\":{\"hard\":{\"pods\":\"0\"}}}");
        world_apply_ok(STATEFUL_SET("starved"));
        wait_for(t->last.reason && strstr(t->last.reason, "exceeded quota: small"));
        assert_int_equal(t->last.ready, READY_NO);
        world_apply_ok("{\"apiVersion\":\"v1\",\"kind\":\"ResourceQuota\",\"metadata\":{\"name\":"
                       "\"small\"},\"spec\":{\"hard\":{\"pods\":\"100\"}}}");
}

void a_pod_that_fits_nowhere_is_its_deployments_reason(void **state) {
        static const char wanted[] = "{\"apiVersion\":\"apps/"
                                     "v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"huge\"}"
                                     ",\"spec\":{\"selector\":{\"matchLabels\":{\"app\":\"huge\"}},"
                                     "\"template\":{\"metadata\":{\"labels\":{\"app\":\"huge\"}},"
                                     "\"spec\":{\"nodeSelector\":{\"no\":\"such\"},\"containers\":["
                                     "{\"name\":\"main\",\"image\":\"x/y:1\"}]}}}}";
        cleanup_(freep) char *path = world_path("huge");
        struct thing *t = world_thing("Deployment.apps", path);

        world_apply_ok(wanted);
        wait_for(t->last.reason && strstr(t->last.reason, "Unschedulable: "));
        assert_non_null(strstr(t->last.reason, "pod huge-"));
        wait_for(world_unit_is("huge-", "waiting|peer-app|"));
}

void a_warning_of_the_server_is_handed_on(void **state) {
        cleanup_(freep) char *url = str_format("/api/v1/namespaces/%s", w.namespace);
        struct op op;

        world_edit(url, "[{\"op\":\"add\",\"path\":\"/metadata/labels/"
                        "pod-security.kubernetes.io~1warn\",\"value\":\"restricted\"}]");
        assert_int_equal(
                world_apply(DEPLOYMENT("warned", "0"), (struct asked){ .first = true }, &op),
                OUTCOME_DONE);
        assert_int_equal(json_array_size(op.warnings), 1);
        assert_non_null(strstr(json_string_value(json_array_get(op.warnings, 0)), "PodSecurity"));
        op_clear(&op);
        world_edit(url, "[{\"op\":\"remove\",\"path\":\"/metadata/labels/"
                        "pod-security.kubernetes.io~1warn\"}]");
}

/* ---- a tunnel */

struct heard {
        bool open, closed;
        int code;
        struct buf data;
        struct err err;
};

static void on_open(void *arg) {
        ((struct heard *)arg)->open = true;
}

static void on_data(void *arg, const uint8_t *data, size_t len) {
        buf_add(&((struct heard *)arg)->data, data, len);
}

static void on_close(void *arg, int r, const struct err *err) {
        struct heard *h = arg;

        h->closed = true;
        h->code = r;
        h->err = *err;
}

static struct tunnel *dig(const char *pod, int port, struct heard *h) {
        cleanup_(freep) char *path = world_path(pod);
        struct tunnel_request r = { .path = path,
                                    .port = port,
                                    .on_open = on_open,
                                    .on_data = on_data,
                                    .on_close = on_close,
                                    .arg = h };
        struct err err = { 0 };
        struct tunnel *t = kube->tunnel(w.target, &r, &err);

        if (!t)
                fail_msg("%s", err_text(&err));
        assert_false(h->open);
        return t;
}

void a_tunnel_to_no_pod_ends_with_that_reason(void **state) {
        struct heard h = { 0 };
        struct tunnel *t = dig("no-such-pod", 8000, &h);

        wait_for(h.closed);
        assert_false(h.open);
        assert_true(h.code < 0);
        assert_non_null(strstr(h.err.text, "no such pod"));
        t->free(t);
}

#define PROCESS                                                                                    \
        "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"serves\"},\"spec\":{"    \
        "\"containers\":[{\"name\":\"main\",\"image\":\"mooring.test/process:1\","                 \
        "\"command\":[\"python3\",\"-m\",\"http.server\",\"8000\",\"--directory\",\"/usr/share/"   \
        "zoneinfo\"],\"ports\":[{\"containerPort\":8000}],"                                        \
        "\"readinessProbe\":{\"periodSeconds\":1,\"tcpSocket\":{\"port\":8000}}}]}}"

void bytes_go_both_ways_through_a_tunnel(void **state) {
        static const char request[] = "GET / HTTP/1.0\r\n\r\n";
        cleanup_(freep) char *path = world_path("serves");
        struct thing *pod = world_thing("Pod", path);
        struct heard h = { 0 };
        struct tunnel *t;

        world_apply_ok(PROCESS);
        wait_for(pod->last.ready == READY_YES);
        t = dig("serves", 8000, &h);
        wait_for(h.open);
        assert_int_equal(t->send(t, request, strlen(request)), 0);
        wait_for(h.closed);
        assert_non_null(strstr(buf_str(&h.data), "200 OK"));
        assert_non_null(strstr(buf_str(&h.data), "</html>"));
        assert_int_equal(t->send(t, "x", 1), -EPIPE);
        t->free(t);
        buf_free(&h.data);
}

/* The pod of the test before. */
void a_request_goes_to_a_port_of_a_pod(void **state) {
        cleanup_(freep) char *path = world_path("serves");
        cleanup_(json_freep) json_t *ask =
                json_pack("{s:s, s:i, s:s}", "pod", path, "port", 8000, "path", "/Etc/UTC");
        struct act_request r = { .verb = "http", .ask = ask };
        bool done = false;
        struct op op = { .loop = w.loop, .done = world_done, .arg = &done };

        kube->act(w.target, &r, &op);
        wait_for(done);
        assert_int_equal(op.outcome, OUTCOME_DONE);
        assert_int_equal(json_get_int(op.told, "status", 0), 200);
        assert_true(json_get_int(op.told, "bytes", 0) > 50);
        op_clear(&op);
        json_object_set_new(ask, "port", json_integer(8001));
        done = false;
        kube->act(w.target, &r, &op);
        wait_for(done);
        assert_int_equal(op.outcome, OUTCOME_NOT_YET);
        op_clear(&op);
}

void a_tunnel_to_a_closed_port_says_so(void **state) {
        struct heard h = { 0 };
        struct tunnel *t;

        t = dig("serves", 8001, &h);
        wait_for(h.closed);
        assert_true(h.code < 0);
        t->free(t);
        buf_free(&h.data);
}
