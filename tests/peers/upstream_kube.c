/* SPDX-License-Identifier: Apache-2.0 */
/* upstream_kube.c - release manifests of Kubeflow's parts on a server: all accepted, and no
 * false alarm afterwards
 *
 *     upstream_kube FOLDER
 *
 * The manifests are the YAML files of FOLDER and FOLDER/crd, without bundles. Each object but
 * webhook configurations (nothing serves them here) is applied through the provider, in rounds
 * until their kinds are served. Then the controllers have SETTLE_MS to work; an object whose
 * digest is not its baseline's is a false alarm. */
#include "kube-world.h"
#include "yaml.h"

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>

#define SETTLE_MS 30000
#define ROUNDS 20

/* What the manifests take for granted. */
static const char *const namespaces[] = {
        "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"istio-system\"}}",
        "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"kubeflow\"}}",
        "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"auth\"}}",
};

static struct yaml_stream *streams;
static size_t stream_count;

static void read_manifest(const char *path) {
        cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct err err = { 0 };
        struct stat st;
        char *text;

        if (fd < 0 || fstat(fd, &st) < 0)
                fail_msg("%s", path);
        text = mem_alloc((size_t)st.st_size + 1);
        assert_int_equal(read(fd, text, (size_t)st.st_size), st.st_size);
        if (yaml_parse(text, (size_t)st.st_size, path, YAML_KUBERNETES, &streams[stream_count++],
                       &err) < 0)
                fail_msg("%s", err_text(&err));
        free(text);
}

static bool is_taken(const json_t *j) {
        return json_is_object(j) && !strstr(json_get_str(j, "kind", ""), "WebhookConfiguration");
}

/* Returns how many of ROUND's objects are not in yet. */
static size_t apply_round(bool *done, bool last) {
        size_t left = 0, index = 0;

        for (size_t s = 0; s < stream_count; s++)
                for (size_t i = 0; i < streams[s].count; i++, index++) {
                        const json_t *wanted = streams[s].documents[i].root;
                        struct op op;

                        if (done[index] || !is_taken(wanted))
                                continue;
                        if (world_apply_tree(wanted,
                                             (struct asked){ .first = true, .flags = APPLY_ADOPT },
                                             &op) == OUTCOME_DONE)
                                done[index] = true;
                        else
                                left++;
                        if (last && op.outcome != OUTCOME_DONE)
                                print_message(
                                        "%s %s: %s: %s\n", json_get_str(wanted, "kind", ""),
                                        json_get_str(json_get(wanted, "metadata"), "name", ""),
                                        outcome_name(op.outcome), err_text(&op.err));
                        op_clear(&op);
                }
        return left;
}

static void tell_alarm(const char *key) {
        cleanup_(freep) char *type = str_ndup(key, strcspn(key, " "));
        const char *path = key + strlen(type) + 1;
        struct drift_list list = world_drift(type, path);

        for (size_t i = 0; i < list.count; i++) {
                cleanup_(freep) char *wanted = json_text(list.items[i].wanted);
                cleanup_(freep) char *found = json_text(list.items[i].found);

                print_message("%s: %s: wanted %.200s, found %.200s, by %s\n", key,
                              list.items[i].field, wanted, found, list.items[i].who);
        }
        drift_list_free(&list);
}

static void no_object_of_the_manifests_is_a_false_alarm(void **state) {
        size_t all = 0, objects = 0, left = 1, alarms = 0, checked = 0;
        struct map_entry *e;
        bool *done;
        int64_t start = clock_mono();

        for (size_t s = 0; s < stream_count; s++) {
                all += streams[s].count;
                for (size_t i = 0; i < streams[s].count; i++)
                        objects += is_taken(streams[s].documents[i].root);
        }
        done = mem_array(bool, all);
        for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
                world_apply(namespaces[i], (struct asked){ .first = true, .flags = APPLY_ADOPT },
                            NULL);
        for (int round = 0; round < ROUNDS && left; round++) {
                left = apply_round(done, round == ROUNDS - 1);
                for (int64_t end = clock_mono() + 1000; left && clock_mono() < end;)
                        loop_step(w.loop, 50);
        }
        print_message("%zu objects, %zu not taken, %lld ms\n", objects, left,
                      (long long)(clock_mono() - start));
        for (int64_t end = clock_mono() + SETTLE_MS; clock_mono() < end;)
                loop_step(w.loop, 100);
        for (size_t i = 0; (e = map_next(&w.things, &i));) {
                const struct thing *t = e->value;

                checked++;
                if (!t->projection || world_in_place(t))
                        continue;
                alarms++;
                print_message("alarm: %s (%s)\n", e->key, presence_name(t->last.presence));
                if (t->last.found)
                        tell_alarm(e->key);
        }
        print_message("%zu checked, %zu alarms\n", checked, alarms);
        free(done);
        assert_int_equal(alarms, 0);
        assert_int_equal(left, 0);
}

static void read_folder(const char *folder) {
        cleanup_(freep) char *pattern = str_format("%s/*.yaml", folder);
        cleanup_(freep) char *definitions = str_format("%s/crd/*.yaml", folder);
        glob_t found = { 0 };

        glob(pattern, 0, NULL, &found);
        glob(definitions, GLOB_APPEND, NULL, &found);
        streams = mem_array(struct yaml_stream, found.gl_pathc + 1);
        for (size_t i = 0; i < found.gl_pathc; i++)
                if (!strstr(found.gl_pathv[i], "/bundle-"))
                        read_manifest(found.gl_pathv[i]);
        globfree(&found);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(
                no_object_of_the_manifests_is_a_false_alarm) };
        int r;

        if (!getenv("KUBECONFIG") || argc != 2) {
                print_message("usage, inside tools/peers run DIR: upstream_kube FOLDER\n");
                return 1;
        }
        read_folder(argv[1]);
        if (stream_count == 0) {
                /* Not of this repository, as a peer would be: also in CI no failure. */
                print_message("skipped: no manifests in %s\n0 passed, 0 failed, 1 skipped\n",
                              argv[1]);
                free(streams);
                return 0;
        }
        r = cmocka_run_group_tests(tests, world_setup, world_teardown);
        for (size_t s = 0; s < stream_count; s++)
                yaml_stream_free(&streams[s]);
        free(streams);
        return world_exit(r);
}
