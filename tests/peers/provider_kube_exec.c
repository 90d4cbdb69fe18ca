/* SPDX-License-Identifier: Apache-2.0 */
/* provider_kube_exec.c - commands in a pod, through the API server: what comes back, what goes in,
 * and streams of both
 *
 * The same for the real one, whose kubelet's stand-in runs them in the pod's own process, and for
 * the simulator, which runs them on this machine. */
#include "provider_kube.h"

#include "kube-world.h"
#include "stream.h"

#define POD                                                                                        \
        "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"runs\"},\"spec\":{"      \
        "\"containers\":[{\"name\":\"main\",\"image\":\"mooring.test/process:1\","                 \
        "\"command\":[\"sleep\",\"infinity\"]}]}}"
#define SIZE "20000000"

static void pod_runs(void) {
        cleanup_(freep) char *path = world_path("runs");
        struct thing *pod = world_thing("Pod", path);

        if (pod->last.presence == PRESENCE_PRESENT)
                return;
        world_apply_ok(POD);
        wait_for(pod->last.ready == READY_YES);
}

/* ASK with ' for " and without its pod. */
static json_t *ask_of(const char *pod, const char *ask) {
        cleanup_(freep) char *path = world_path(pod);
        cleanup_(freep) char *text = str_dup(ask);
        json_t *j;

        for (char *p = text; *p; p++)
                if (*p == '\'')
                        *p = '"';
        j = world_parse(text);
        json_object_set_new(j, "pod", json_string(path));
        return j;
}

static struct op run(const char *verb, const char *pod, const char *ask) {
        cleanup_(json_freep) json_t *j = ask_of(pod, ask);
        struct act_request r = { .verb = verb, .ask = j };
        bool done = false;
        struct op op = { .loop = w.loop, .done = world_done, .arg = &done };

        kube->act(w.target, &r, &op);
        wait_for(done);
        return op;
}

static void must(struct op *op, enum outcome outcome) {
        if (op->outcome != outcome)
                fail_msg("%s: %s", outcome_name(op->outcome), err_text(&op->err));
}

void a_command_answers_with_its_output_and_exit_code(void **state) {
        struct op op;

        pod_runs();
        op = run("exec", "runs",
                 "{'container':'main','argv':['sh','-c','printf \\\"one & \\\"; echo bad >&2; cat; "
                 "exit 7'],'stdin':'two'}");
        must(&op, OUTCOME_DONE);
        assert_int_equal(json_get_int(op.told, "exit", -1), 7);
        assert_string_equal(json_get_str(op.told, "stdout", ""), "one & two");
        assert_string_equal(json_get_str(op.told, "stderr", ""), "bad\n");
        op_clear(&op);
        op = run("exec", "runs", "{'argv':['true']}");
        must(&op, OUTCOME_DONE);
        assert_int_equal(json_get_int(op.told, "exit", -1), 0);
        op_clear(&op);
}

void a_command_that_cannot_run_says_why(void **state) {
        struct op op;

        pod_runs();
        /* Some runtimes refuse it, others say 126 or 127 as a shell does. */
        op = run("exec", "runs", "{'argv':['no-such-program']}");
        assert_true(op.outcome == OUTCOME_REFUSED || json_get_int(op.told, "exit", 0) >= 126);
        op_clear(&op);
        op = run("exec", "runs", "{'argv':['true'],'container':'other'}");
        must(&op, OUTCOME_REFUSED);
        assert_non_null(strstr(err_text(&op.err), "container other is not valid"));
        op_clear(&op);
        op = run("exec", "none", "{'argv':['true']}");
        must(&op, OUTCOME_GONE);
        op_clear(&op);
        op = run("log", "none", "{}");
        must(&op, OUTCOME_GONE);
        op_clear(&op);
        op = run("log", "runs", "{}");
        must(&op, OUTCOME_DONE);
        assert_non_null(json_get(op.told, "log"));
        op_clear(&op);
}

static struct op stream(const json_t *from, const char *from_file, const json_t *to,
                        const char *to_file, const char *folder) {
        struct stream_request r = { .loop = w.loop, .folder = folder };
        bool done = false;
        struct op op = { .loop = w.loop, .done = world_done, .arg = &done };

        r.from.file = from_file;
        r.to.file = to_file;
        if (from)
                r.from = (struct stream_end){ kube, w.target, "exec", from, NULL };
        if (to)
                r.to = (struct stream_end){ kube, w.target, "exec", to, NULL };
        stream_start(&r, &op);
        wait_for(done);
        return op;
}

void a_stream_of_any_size_comes_out_and_goes_in(void **state) {
        char folder[] = "/var/tmp/peer-stream-XXXXXX";
        cleanup_(json_freep) json_t *gives =
                ask_of("runs", "{'argv':['sh','-c','yes 0123456789abcdef | head -c " SIZE "']}");
        cleanup_(json_freep) json_t *takes =
                ask_of("runs", "{'argv':['sh','-c','sha256sum > /tmp/peer-sum']}");
        cleanup_(freep) char *sum = NULL, *clean = NULL;
        struct op op;

        pod_runs();
        assert_non_null(mkdtemp(folder));
        clean = str_format("rm -rf %s", folder);
        op = stream(gives, NULL, NULL, "dump", folder);
        must(&op, OUTCOME_DONE);
        assert_int_equal(json_get_int(op.told, "bytes", 0), 20000000);
        sum = str_dup(json_get_str(op.told, "sha256", ""));
        op_clear(&op);
        op = stream(NULL, "dump", takes, NULL, folder);
        must(&op, OUTCOME_DONE);
        op_clear(&op);
        op = run("exec", "runs", "{'argv':['sh','-c','cat /tmp/peer-sum; rm /tmp/peer-sum']}");
        must(&op, OUTCOME_DONE);
        assert_true(str_starts(json_get_str(op.told, "stdout", ""), sum));
        op_clear(&op);
        op = stream(gives, NULL, takes, NULL, folder); /* from pod to pod */
        must(&op, OUTCOME_DONE);
        assert_string_equal(json_get_str(op.told, "sha256", ""), sum);
        op_clear(&op);
        assert_int_equal(system(clean), 0);
}

void a_stream_from_a_command_that_fails_is_broken(void **state) {
        cleanup_(json_freep) json_t *gives =
                ask_of("runs", "{'argv':['sh','-c','echo half; echo no disk >&2; exit 3']}");
        cleanup_(json_freep) json_t *takes =
                ask_of("runs", "{'argv':['sh','-c','head -c 10 >/dev/null; exit 4']}");
        cleanup_(json_freep) json_t *endless = ask_of("runs", "{'argv':['yes']}");
        struct op op;

        pod_runs();
        op = stream(gives, NULL, NULL, NULL, NULL);
        must(&op, OUTCOME_REFUSED);
        assert_non_null(strstr(err_text(&op.err), "no disk"));
        op_clear(&op);
        op = stream(endless, NULL, takes, NULL, NULL);
        must(&op, OUTCOME_REFUSED);
        assert_non_null(strstr(err_text(&op.err), "go to"));
        op_clear(&op);
}
