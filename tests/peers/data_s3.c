/* SPDX-License-Identifier: Apache-2.0 */
/* data_s3.c - the s3 provider against a real MinIO: made, damaged, seen and put right
 *
 * Through a tunnel to the one that speaks plain HTTP, which is only allowed so: the forward's
 * loopback port is tested on the way. With the argument "tls" directly, by HTTPS, to the one that
 * has a certificate: signatures, and the admin API's encrypted bodies. Damage is done by signed
 * requests of our own. */
#include "data_s3.h"

static bool tls;

static const char *secret(void) {
        return data_env(tls ? "PEERS_MINIO_TLS_PASSWORD" : "PEERS_MINIO_PASSWORD");
}

static char *endpoint(void) {
        if (!tls)
                return str_dup(data_env("PEERS_MINIO_URL"));
        return str_format("https://%s:%d", data_env("PEERS_MINIO_TLS_NAME"),
                          data_port("PEERS_MINIO_TLS_PORT"));
}

static json_t *config_of(const char *password) {
        cleanup_(freep) char *url = endpoint(), *ca = data_file(data_env("PEERS_DATA_CA"));

        if (tls)
                return json_pack("{s:s, s:s, s:s, s:s, s:{s:s}}", "engine", "minio", "endpoint",
                                 url, "access-key", data_env("PEERS_MINIO_USER"), "secret-key",
                                 password, "tls", "ca", ca);
        return json_pack("{s:s, s:s, s:i, s:s, s:s, s:{s:s}}", "engine", "minio", "via",
                         "store/minio-0", "port", 9000, "access-key", data_env("PEERS_MINIO_USER"),
                         "secret-key", password, "tls", "mode", "plain");
}

int s3_setup(void **state) {
        struct s3_world *w = mem_new(struct s3_world);
        cleanup_(freep) char *url = endpoint(), *ca = data_file(data_env("PEERS_DATA_CA"));
        struct http_server_config outside = { .url = url, .ca_pem = ca };
        struct err err = { 0 };

        w->d = data_new(&provider_s3);
        w->way.loop = w->d->loop;
        str_copy(w->way.address, sizeof(w->way.address), data_env("PEERS_MINIO_ADDRESS"));
        w->way.port = data_port("PEERS_MINIO_PORT");
        w->d->through = &tunnel_tcp_provider;
        w->d->reach = tunnel_tcp_target(&w->way);
        if (data_open(w->d, config_of(secret()), &err) < 0)
                fail_msg("%s", err_text(&err));
        assert_int_equal(http_server_new(&outside, &w->server, NULL), 0);
        *state = w;
        return 0;
}

int s3_teardown(void **state) {
        struct s3_world *w = *state;

        http_server_unref(w->server);
        data_free(w->d);
        assert_int_equal(w->way.opened, w->way.closed);
        free(w);
        return 0;
}

bool s3_by_tls(void) {
        return tls;
}

static long raw_body(struct s3_world *w, const char *user, const char *password, const char *method,
                     const char *path, const char *body, char **ret) {
        struct http_request r = { .server = w->server,
                                  .method = method,
                                  .path = path,
                                  .body = body,
                                  .body_len = body ? strlen(body) : 0,
                                  .aws_sigv4 = "aws:amz:us-east-1:s3",
                                  .user = user,
                                  .password = password };
        struct err err = { 0 };
        long status;

        if (http_blocking(&r, &err) < 0)
                fail_msg("%s: %s", path, err_text(&err));
        status = r.status;
        if (ret)
                *ret = str_dup(buf_str(&r.reply));
        http_deinit(&r);
        return status;
}

static long raw_as(struct s3_world *w, const char *user, const char *password, const char *method,
                   const char *path, const char *body) {
        return raw_body(w, user, password, method, path, body, NULL);
}

static void raw(struct s3_world *w, const char *method, const char *path, const char *body,
                long want) {
        assert_int_equal(raw_as(w, data_env("PEERS_MINIO_USER"), secret(), method, path, body),
                         want);
}

char *s3_raw(struct s3_world *w, const char *method, const char *path, const char *body,
             long want) {
        char *text = NULL;

        assert_int_equal(
                raw_body(w, data_env("PEERS_MINIO_USER"), secret(), method, path, body, &text),
                want);
        return text;
}

static void a_bucket_is_made_and_made_again_when_it_goes(void **state) {
        struct s3_world *w = *state;
        struct thing b = thing_of(w->d, "{'type':'bucket','name':'mlflow'}");

        assert_true(b.id.data && b.id.remake);
        thing_make(w->d, &b);
        assert_true(b.made);
        assert_string_not_equal(b.incarnation, "");
        raw(w, "DELETE", "/mlflow", NULL, 204);
        thing_healed(w->d, &b, "(absent)");
        assert_string_equal(w->way.asked, tls ? "" : "store/minio-0:9000");
        thing_gone(w->d, &b);
}

static void a_bucket_opened_to_everybody_is_closed_again(void **state) {
        struct s3_world *w = *state;
        struct thing b = thing_of(w->d, "{'type':'bucket','name':'closed'}");

        thing_make(w->d, &b);
        raw(w, "PUT", "/closed?policy=",
            "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{"
            "\"AWS\":[\"*\"]},"
            "\"Action\":[\"s3:GetObject\"],\"Resource\":[\"arn:aws:s3:::closed/*\"]}]}",
            204);
        thing_healed(w->d, &b, "public");
        thing_gone(w->d, &b);
}

static void versions_and_rules_are_put_back(void **state) {
        struct s3_world *w = *state;
        struct thing b = thing_of(w->d, "{'type':'bucket','name':'ruled','versioning':'enabled',"
                                        "'lifecycle':[{'prefix':'tmp/','expire-days':7},"
                                        "{'prefix':'','noncurrent-expire-days':30}]}");

        thing_make(w->d, &b);
        raw(w, "PUT", "/ruled?versioning=",
            "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>", 200);
        thing_healed(w->d, &b, "versioning");
        raw(w, "DELETE", "/ruled?lifecycle=", NULL, 204);
        thing_healed(w->d, &b, "lifecycle[0] lifecycle[1]");
        thing_gone(w->d, &b);
}

static void a_full_bucket_is_emptied_in_pages_before_it_goes(void **state) {
        struct s3_world *w = *state;
        struct thing b = thing_of(w->d, "{'type':'bucket','name':'full'}");
        struct op op;

        thing_make(w->d, &b);
        thing_do(w->d, &b, DATA_LOOK, 0, &op);
        assert_false(op.seen.filled);
        op_clear(&op);
        raw(w, "PUT", "/full?versioning=",
            "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>", 200);
        for (int i = 0; i < 1050; i++) {
                char path[64];

                snprintf(path, sizeof(path), "/full/some/key-%d", i);
                raw(w, "PUT", path, "x", 200);
        }
        raw(w, "PUT", "/full/a%20%26%3C%2B%22%C3%A9%25", "strange", 200);
        raw(w, "PUT", "/full/some/key-1", "second version", 200);
        raw(w, "DELETE", "/full/some/key-2", NULL, 204); /* a delete marker */
        thing_do(w->d, &b, DATA_LOOK, 0, &op);
        assert_true(op.seen.filled);
        op_clear(&op);
        thing_gone(w->d, &b);
}

static void a_bucket_of_others_is_not_taken_nor_removed(void **state) {
        struct s3_world *w = *state;
        struct thing b = thing_of(w->d, "{'type':'bucket','name':'theirs'}");
        struct op op;

        raw(w, "PUT", "/theirs", NULL, 200);
        raw(w, "PUT", "/theirs/object", "x", 200);
        assert_int_equal(thing_do(w->d, &b, DATA_APPLY, 0, &op), OUTCOME_CONFLICT);
        op_clear(&op);
        assert_int_equal(thing_do(w->d, &b, DATA_APPLY, APPLY_ADOPT, &op), OUTCOME_DONE);
        assert_false(op.created);
        op_clear(&op);
        str_copy(b.incarnation, sizeof(b.incarnation),
                 "2001-01-01T00:00:00Z"); /* as if ours were an older one */
        assert_int_equal(thing_do(w->d, &b, DATA_REMOVE, 0, &op), OUTCOME_GONE);
        op_clear(&op);
        raw(w, "DELETE", "/theirs/object", NULL, 204);
        raw(w, "DELETE", "/theirs", NULL, 204);
        thing_free(&b);
}

#define DOCUMENT                                                                                   \
        "'document':{'Version':'2012-10-17','Statement':[{'Effect':'Allow','Action':['s3:"         \
        "PutObject',"                                                                              \
        "'s3:GetObject','s3:ListBucket'],'Resource':['arn:aws:s3:::data','arn:aws:s3:::data/"      \
        "*']}]}"

static void a_policy_is_kept_as_it_was_written(void **state) {
        struct s3_world *w = *state;
        struct thing p = thing_of(w->d, "{'type':'policy','name':'data-rw'," DOCUMENT "}");
        struct thing same = thing_of(w->d, "{'type':'policy','name':'data-rw'," DOCUMENT "}");
        struct thing other = thing_of(
                w->d, "{'type':'policy','name':'data-rw','document':{'Version':'2012-10-17',"
                      "'Statement':[{'Effect':'Allow','Action':'s3:*','Resource':'*'}]}}");
        struct op op;

        thing_make(w->d, &p);
        raw(w, "PUT", "/minio/admin/v3/add-canned-policy?name=data-rw",
            "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":[\"s3:"
            "PutObject\","
            "\"s3:DeleteObject\",\"s3:GetObject\",\"s3:ListBucket\"],\"Resource\":[\"arn:aws:s3:::*"
            "\"]}]}",
            200);
        thing_healed(w->d, &p,
                     "document.Statement[0].Action[s3:DeleteObject] "
                     "document.Statement[0].Resource[arn:aws:s3:::data] "
                     "document.Statement[0].Resource[arn:aws:s3:::data/*] "
                     "document.Statement[0].Resource[arn:aws:s3:::*]");
        raw(w, "DELETE", "/minio/admin/v3/remove-canned-policy?name=data-rw", NULL, 200);
        thing_healed(w->d, &p, "(absent)");
        /* The same from a try whose answer was lost is ours; another is not. */
        thing_make(w->d, &same);
        assert_int_equal(thing_do(w->d, &other, DATA_APPLY, 0, &op), OUTCOME_CONFLICT);
        op_clear(&op);
        thing_free(&same);
        thing_free(&other);
        thing_gone(w->d, &p);
}

static void a_user_gets_its_own_bucket_and_nothing_else(void **state) {
        struct s3_world *w = *state;
        struct thing b = thing_of(w->d, "{'type':'bucket','name':'data'}");
        struct thing p = thing_of(w->d, "{'type':'policy','name':'data-rw'," DOCUMENT "}");
        struct thing u =
                thing_of(w->d, "{'type':'user','name':'RELATION1','secret-key':'correct horse'"
                               ",'policy':'data-rw'}");

        thing_make(w->d, &b);
        thing_make(w->d, &p);
        thing_make(w->d, &u);
        assert_int_equal(u.id.count, 1);
        assert_int_equal(raw_as(w, "RELATION1", "correct horse", "PUT", "/data/x", "1"), 200);
        assert_int_equal(raw_as(w, "RELATION1", "correct horse", "PUT", "/other", NULL), 403);
        assert_int_equal(
                raw_as(w, "RELATION1", "correct horse", "GET", "/minio/admin/v3/info", NULL), 403);
        raw(w, "PUT",
            "/minio/admin/v3/"
            "set-user-or-group-policy?policyName=readonly&userOrGroup=RELATION1&isGroup=false",
            NULL, 200);
        thing_healed(w->d, &u, "policies[data-rw] policies[readonly]");
        raw(w, "PUT", "/minio/admin/v3/set-user-status?accessKey=RELATION1&status=disabled", NULL,
            200);
        thing_healed(w->d, &u, "status secret-key");
        raw(w, "PUT", "/minio/admin/v3/update-group-members",
            "{\"group\":\"admins\",\"members\":[\"RELATION1\"],\"isRemove\":false}", 200);
        thing_healed(w->d, &u, "groups[admins]");
        raw(w, "DELETE", "/minio/admin/v3/remove-user?accessKey=RELATION1", NULL, 200);
        thing_healed(w->d, &u, "(absent)");
        assert_int_equal(raw_as(w, "RELATION1", "correct horse", "GET", "/data/x", NULL), 200);
        thing_gone(w->d, &u);
        assert_int_equal(raw_as(w, "RELATION1", "correct horse", "GET", "/data/x", NULL), 403);
        thing_gone(w->d, &p);
        thing_gone(w->d, &b);
}

static void a_changed_secret_key_is_seen_and_set_back(void **state) {
        struct s3_world *w = *state;
        struct thing p = thing_of(w->d, "{'type':'policy','name':'data-rw'," DOCUMENT "}");
        struct thing u = thing_of(
                w->d,
                "{'type':'user','name':'KEY2','secret-key':'first secret','policy':'data-rw'}");
        struct thing v = thing_of(
                w->d,
                "{'type':'user','name':'KEY2','secret-key':'other secret','policy':'data-rw'}");
        struct op op;

        thing_make(w->d, &p);
        thing_make(w->d, &u);
        assert_int_equal(thing_do(w->d, &v, DATA_APPLY, 0, &op), OUTCOME_CONFLICT);
        op_clear(&op);
        assert_int_equal(thing_do(w->d, &v, DATA_APPLY, APPLY_ADOPT, &op),
                         OUTCOME_DONE); /* now it is another */
        op_clear(&op);
        assert_int_equal(raw_as(w, "KEY2", "first secret", "GET", "/data/x", NULL), 403);
        thing_healed(w->d, &u, "secret-key");
        assert_int_equal(raw_as(w, "KEY2", "first secret", "GET", "/data/x", NULL), 404);
        thing_free(&v);
        thing_gone(w->d, &u);
        thing_gone(w->d, &p);
}

static void a_user_waits_for_its_policy(void **state) {
        struct s3_world *w = *state;
        struct thing u = thing_of(
                w->d,
                "{'type':'user','name':'EARLY','secret-key':'12345678','policy':'not-there'}");
        struct op op;

        assert_int_equal(thing_do(w->d, &u, DATA_APPLY, 0, &op), OUTCOME_NOT_YET);
        assert_non_null(strstr(err_text(&op.err), "not-there"));
        op_clear(&op);
        thing_do(w->d, &u, DATA_REMOVE, 0, &op);
        op_clear(&op);
        thing_free(&u);
}

static void a_wrong_key_says_the_way_back(void **state) {
        struct s3_world *w = *state;
        struct thing b = thing_of(w->d, "{'type':'bucket','name':'mlflow'}");
        struct err err = { 0 };
        struct op op;

        assert_int_equal(data_open(w->d, config_of("not the secret"), &err), 0);
        assert_int_equal(thing_do(w->d, &b, DATA_LOOK, 0, &op), OUTCOME_DENIED);
        assert_non_null(strstr(err_text(&op.err), "set it back"));
        assert_null(strstr(err_text(&op.err), "not the secret"));
        op_clear(&op);
        thing_free(&b);
}

static void a_pod_that_is_not_ready_is_said_in_its_words(void **state) {
        struct s3_world *w = *state;
        struct thing b;
        struct err err = { 0 };
        struct op op;

        if (tls)
                skip();
        b = thing_of(w->d, "{'type':'bucket','name':'mlflow'}");
        data_open(w->d, config_of(secret()), &err);
        w->way.refuse = "store/minio-0 is not ready";
        assert_int_equal(thing_do(w->d, &b, DATA_LOOK, 0, &op), OUTCOME_NOT_YET);
        assert_string_equal(err_text(&op.err), "store/minio-0 is not ready");
        op_clear(&op);
        w->way.refuse = NULL;
        assert_int_equal(thing_do(w->d, &b, DATA_LOOK, 0, &op), OUTCOME_GONE);
        op_clear(&op);
        thing_free(&b);
}

static void another_store_has_buckets_only(void **state) {
        struct s3_world *w = *state;
        struct thing b = thing_of(w->d, "{'type':'bucket','name':'plain'}");
        struct thing u =
                thing_of(w->d, "{'type':'user','name':'KEY','secret-key':'12345678','policy':'p'}");
        json_t *config = config_of(secret());
        struct err err = { 0 };
        struct op op;

        json_object_set_new(config, "engine", json_string("s3"));
        assert_int_equal(data_open(w->d, config, &err), 0);
        thing_make(w->d, &b);
        thing_gone(w->d, &b);
        assert_int_equal(thing_do(w->d, &u, DATA_APPLY, 0, &op), OUTCOME_REFUSED);
        assert_non_null(strstr(err_text(&op.err), "MinIO only"));
        op_clear(&op);
        thing_free(&u);
}

static void never_called(struct op *op) {
        fail_msg("done after cancel");
}

static void a_cancelled_operation_tells_nobody(void **state) {
        struct s3_world *w = *state;
        struct thing b = thing_of(w->d, "{'type':'bucket','name':'mlflow'}");
        struct apply_request r = {
                .type = "bucket", .path = "mlflow", .wanted = b.wanted, .incarnation = ""
        };
        struct op op = { .loop = w->d->loop, .done = never_called };

        for (int turns = 0; turns < 4; turns++) { /* before it is begun, connecting, asked */
                provider_s3.look(w->d->target, &r, &op);
                for (int i = 0; i < turns; i++)
                        loop_step(w->d->loop, 0);
                provider_s3.cancel(&op);
        }
        data_turn(w->d, 50);
        thing_free(&b);
}

int main(int argc, char **argv) {
#define T(name) cmocka_unit_test_setup_teardown(name, s3_setup, s3_teardown)
        const struct CMUnitTest tests[] = {
                T(a_bucket_is_made_and_made_again_when_it_goes),
                T(a_bucket_opened_to_everybody_is_closed_again),
                T(versions_and_rules_are_put_back),
                T(a_full_bucket_is_emptied_in_pages_before_it_goes),
                T(a_bucket_of_others_is_not_taken_nor_removed),
                T(a_policy_is_kept_as_it_was_written),
                T(a_user_gets_its_own_bucket_and_nothing_else),
                T(a_changed_secret_key_is_seen_and_set_back),
                T(a_user_waits_for_its_policy),
                T(a_wrong_key_says_the_way_back),
                T(a_pod_that_is_not_ready_is_said_in_its_words),
                T(another_store_has_buckets_only),
                T(a_cancelled_operation_tells_nobody),
        };

        tls = argc > 1 && str_eq(argv[1], "tls");
        return cmocka_run_group_tests(tests, NULL, NULL) + data_s3_objects();
}
