/* SPDX-License-Identifier: Apache-2.0 */
/* data_cluster.c - the sql and s3 providers through a real API server's port-forward, to servers
 * that are pods
 *
 * Runs inside peers with a cluster (tests/peers/with-cluster). The pods are bare, with an
 * emptyDir, so that a process that is killed comes back with its data. */
#include "kube-world.h"

extern const struct provider provider_sql, provider_s3;

#define DATABASE_POD                                                                               \
        "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"db-0\"},\"spec\":{"      \
        "\"containers\":[{"                                                                        \
        "\"name\":\"mysql\",\"image\":\"docker.io/library/"                                        \
        "mysql:8.0\",\"ports\":[{\"containerPort\":3306}],"                                        \
        "\"env\":[{\"name\":\"MYSQL_ROOT_PASSWORD\",\"value\":\"word\"}],\"readinessProbe\":{"     \
        "\"periodSeconds\":1,"                                                                     \
        "\"exec\":{\"command\":[\"sh\",\"-c\",\"mysqladmin ping -uroot -pword -h "                 \
        "127.0.0.1\"]}},\"volumeMounts\":[{"                                                       \
        "\"name\":\"data\",\"mountPath\":\"/var/lib/"                                              \
        "mysql\"}]}],\"volumes\":[{\"name\":\"data\",\"emptyDir\":{}}]}}"
#define STORE_POD                                                                                  \
        "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"store-0\"},\"spec\":{"   \
        "\"containers\":[{"                                                                        \
        "\"name\":\"minio\",\"image\":\"quay.io/minio/"                                            \
        "minio:RELEASE.2025-01-20T14-49-07Z\",\"args\":[\"server\","                               \
        "\"/"                                                                                      \
        "data\"],\"env\":[{\"name\":\"MINIO_ROOT_USER\",\"value\":\"root\"},{\"name\":\"MINIO_"    \
        "ROOT_PASSWORD\","                                                                         \
        "\"value\":\"root-secret\"}],\"readinessProbe\":{\"periodSeconds\":1,\"httpGet\":{"        \
        "\"path\":"                                                                                \
        "\"/minio/health/"                                                                         \
        "ready\",\"port\":9000}},\"volumeMounts\":[{\"name\":\"data\",\"mountPath\":\"/"           \
        "data\"}]}],"                                                                              \
        "\"volumes\":[{\"name\":\"data\",\"emptyDir\":{}}]}}"

static struct target *open_target(const struct provider *p, const char *text) {
        static const uint8_t key[DIGEST_SIZE] = { 7 };
        cleanup_(json_freep) json_t *config = world_parse(text);
        struct target_config c = { .name = "peer",
                                   .config = config,
                                   .hash_key = key,
                                   .http = w.http,
                                   .loop = w.loop,
                                   .reach_provider = kube,
                                   .reach = w.target };
        struct target *t = NULL;
        struct err err = { 0 };

        if (p->check(config, NULL, &err) < 0 || p->open(&c, NULL, &t, &err) < 0)
                fail_msg("%s", err_text(&err));
        return t;
}

static enum outcome do_it(const struct provider *p, struct target *t, call *fn, const char *text,
                          struct op *ret) {
        cleanup_(json_freep) json_t *wanted = world_parse(text);
        cleanup_(identity_free) struct identity id = { 0 };
        struct apply_request r = {
                .wanted = wanted, .incarnation = "", .token = "", .first = true
        };
        bool done = false;

        assert_int_equal(p->identify(wanted, w.namespace, &id, NULL), 0);
        r.type = id.type;
        r.path = id.path;
        *ret = (struct op){ .loop = w.loop, .done = world_done, .arg = &done };
        fn(t, &r, ret);
        wait_for(done);
        return ret->outcome;
}

static void do_well(const struct provider *p, struct target *t, call *fn, const char *text) {
        struct op op;

        if (do_it(p, t, fn, text, &op) != OUTCOME_DONE)
                fail_msg("%s: %s: %s", text, outcome_name(op.outcome), err_text(&op.err));
        op_clear(&op);
}

/* Asked again until it is: what a restarted server takes is its own affair. */
static void until(const struct provider *p, struct target *t, call *fn, const char *text,
                  enum outcome want) {
        enum outcome is;
        int64_t end = clock_mono() + DEADLINE_MS;
        struct op op;

        do {
                assert_true(clock_mono() < end);
                is = do_it(p, t, fn, text, &op);
                op_clear(&op);
        } while (is != want);
}

/* The pod's target: MORE behind engine and via. */
static char *make_pod(const char *text, const char *name, const char *engine, const char *more) {
        cleanup_(freep) char *path = world_path(name);

        world_apply_ok(text);
        wait_for(world_thing("Pod", path)->last.ready == READY_YES);
        return str_format("{\"engine\":\"%s\",\"via\":\"%s\",%s,\"tls\":{\"mode\":\"plain\"}}",
                          engine, path, more);
}

/* This pod's server has no TLS: met with mode plain, and with no other. */
static void without_tls_is_refused_where_it_is_wanted(void) {
        cleanup_(freep) char *path = world_path("db-0");
        cleanup_(freep) char *config = str_format("{\"engine\":\"mysql\",\"via\":\"%s\",\"user\":"
                                                  "\"root\",\"password\":\"word\",\"tls\":{"
                                                  "\"mode\":\"encrypt\"}}",
                                                  path);
        struct target *t = open_target(&provider_sql, config);
        struct op op;

        assert_int_equal(do_it(&provider_sql, t, provider_sql.look,
                               "{\"type\":\"database\",\"name\":\"x\"}", &op),
                         OUTCOME_UNREACHABLE);
        assert_non_null(strstr(err_text(&op.err), "TLS"));
        op_clear(&op);
        provider_sql.close(t);
}

static void a_database_in_a_pod_is_reached_and_met_again_after_its_death(void **state) {
        cleanup_(freep) char *config =
                make_pod(DATABASE_POD, "db-0", "mysql", "\"user\":\"root\",\"password\":\"word\"");
        static const char db[] = "{\"type\":\"database\",\"name\":\"mlflow\"}";
        static const char user[] = "{\"type\":\"user\",\"name\":\"u1\",\"password\":\"w\"}";
        static const char grant[] = "{\"type\":\"grant\",\"user\":\"u1\",\"database\":\"mlflow\","
                                    "\"privileges\":[\"ALL PRIVILEGES\"]}";
        struct target *t = open_target(&provider_sql, config);

        do_well(&provider_sql, t, provider_sql.apply, db);
        do_well(&provider_sql, t, provider_sql.apply, user);
        do_well(&provider_sql, t, provider_sql.apply, grant);
        do_well(&provider_sql, t, provider_sql.look, grant);
        without_tls_is_refused_where_it_is_wanted();
        if (getenv("PEERS_TOOL")) {
                cleanup_(freep) char *kill =
                        str_format("\"$PEERS_TOOL\" kill-pod \"$PEERS_DIR\" %s/db-0 --signal KILL",
                                   w.namespace);

                assert_int_equal(system(kill), 0);
                until(&provider_sql, t, provider_sql.look, user, OUTCOME_DONE);
                do_well(&provider_sql, t, provider_sql.look, grant);
        }
        do_well(&provider_sql, t, provider_sql.remove, grant);
        do_well(&provider_sql, t, provider_sql.remove, user);
        do_well(&provider_sql, t, provider_sql.remove, db);
        provider_sql.close(t);
}

static void a_store_in_a_pod_is_reached(void **state) {
        cleanup_(freep) char *config =
                make_pod(STORE_POD, "store-0", "minio",
                         "\"access-key\":\"root\",\"secret-key\":\"root-secret\"");
        static const char bucket[] = "{\"type\":\"bucket\",\"name\":\"mlflow\"}";
        static const char policy[] = "{\"type\":\"policy\",\"name\":\"mlflow-rw\",\"document\":{"
                                     "\"Version\":\"2012-10-17\",\"Statement\":[{"
                                     "\"Effect\":\"Allow\",\"Action\":[\"s3:*\"],\"Resource\":["
                                     "\"arn:aws:s3:::mlflow/*\"]}]}}";
        static const char user[] = "{\"type\":\"user\",\"name\":\"MLFLOW\",\"secret-key\":"
                                   "\"12345678\",\"policy\":\"mlflow-rw\"}";
        struct target *t = open_target(&provider_s3, config);

        do_well(&provider_s3, t, provider_s3.apply, bucket);
        do_well(&provider_s3, t, provider_s3.apply, policy);
        do_well(&provider_s3, t, provider_s3.apply, user);
        do_well(&provider_s3, t, provider_s3.look, user);
        do_well(&provider_s3, t, provider_s3.remove, user);
        do_well(&provider_s3, t, provider_s3.remove, policy);
        do_well(&provider_s3, t, provider_s3.remove, bucket);
        provider_s3.close(t);
}

static void a_pod_that_is_not_there_is_waited_for(void **state) {
        cleanup_(freep) char *path = world_path("nobody-0");
        cleanup_(freep) char *sql =
                str_format("{\"engine\":\"mysql\",\"via\":\"%s\",\"user\":\"root\",\"password\":"
                           "\"word\",\"tls\":{\"mode\":\"plain\"}}",
                           path);
        struct target *t = open_target(&provider_sql, sql);
        struct op op;

        assert_int_equal(do_it(&provider_sql, t, provider_sql.look,
                               "{\"type\":\"database\",\"name\":\"x\"}", &op),
                         OUTCOME_NOT_YET);
        assert_non_null(strstr(err_text(&op.err), path));
        op_clear(&op);
        provider_sql.close(t);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_database_in_a_pod_is_reached_and_met_again_after_its_death),
                cmocka_unit_test(a_store_in_a_pod_is_reached),
                cmocka_unit_test(a_pod_that_is_not_there_is_waited_for),
        };

        return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
