/* SPDX-License-Identifier: Apache-2.0 */
/* test_admin.c - the admin socket: who may what, what is refused and how, and what stays true
 * when clients misbehave. */
#include "desk.h"

#include "clock.h"
#include "queries.gen.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A path with something in each {place}. */
static char *concrete(const char *pattern) {
        struct buf out = BUF_INIT;

        for (const char *p = pattern; *p; p++) {
                if (*p != '{') {
                        buf_putc(&out, *p);
                        continue;
                }
                buf_puts(&out, "none");
                p = strchr(p, '}');
        }
        return buf_take(&out);
}

static void every_route_takes_exactly_the_roles_from_its_own_up(void **state) {
        struct desk *d = *state;

        for (const struct route *r = route_table; r->method; r++) {
                cleanup_(freep) char *path = concrete(r->path);

                for (enum role role = ROLE_NONE; role < ROLE_MAX; role++) {
                        int status;

                        desk_role(role);
                        status = desk_status(d, r->method, path, NULL);
                        if ((status == 403) != (role < r->access))
                                fail_msg("%s %s as %s: %d", r->method, r->path,
                                         request_role_name(role), status);
                }
        }
}

static void root_is_an_admin_without_any_group(void **state) {
        static const struct peer_fake root = { 0 };
        cleanup_(answer_deinit) struct answer a;

        peer_set_fake(&root);
        desk_ask(*state, "GET", "/v1/info", NULL, NULL, 0, &a);
        assert_string_equal(json_get_str(a.json, "role", ""), "admin");
        peer_set_fake(NULL);
}

static void who_has_no_role_is_told_so_and_who_gives_one(void **state) {
        cleanup_(answer_deinit) struct answer a;

        desk_role(ROLE_NONE);
        desk_ask(*state, "GET", "/v1/whoami", NULL, NULL, 0, &a);
        assert_string_equal(json_get_str(a.json, "role", ""), "none");
        for (enum role role = ROLE_VIEWER; role < ROLE_MAX; role++)
                assert_string_not_equal(
                        json_get_str(json_get(a.json, "groups"), request_role_name(role), ""), "");
}

static void the_highest_group_counts(void **state) {
        cleanup_(answer_deinit) struct answer a;

        desk_role(ROLE_OPERATOR);
        desk_ask(*state, "GET", "/v1/info", NULL, NULL, 0, &a);
        assert_string_equal(json_get_str(a.json, "role", ""), "operator");
}

/* ---- refusals */

static void a_wrong_method_names_one_that_is_taken(void **state) {
        cleanup_(freep) char *text = desk_refusal(*state, "PUT", "/v1/info", NULL, 405);

        assert_non_null(strstr(text, "GET"));
}

static void an_unknown_path_says_where_paths_are_listed(void **state) {
        cleanup_(freep) char *text = desk_refusal(*state, "GET", "/v1/nothing", NULL, 404);

        assert_non_null(strstr(text, "openapi.yaml"));
}

static void an_unknown_field_is_named_with_the_nearest(void **state) {
        cleanup_(freep) char *text = desk_refusal(*state, "POST", "/v1/models",
                                                  "{\"name\": \"a\", \"clustr\": \"b\"}", 400);

        assert_non_null(strstr(text, "clustr"));
        assert_non_null(strstr(text, "cluster"));
}

static void an_unknown_query_parameter_is_refused(void **state) {
        cleanup_(freep) char *text = desk_refusal(*state, "GET", "/v1/models?frm=1", NULL, 400);

        assert_non_null(strstr(text, "frm"));
}

static void text_that_is_not_utf8_is_refused_everywhere(void **state) {
        assert_int_equal(desk_status(*state, "POST", "/v1/models", "{\"name\": \"\xff\xfe\"}"),
                         400);
        assert_int_equal(desk_status(*state, "GET", "/v1/models?after=%ff", NULL), 400);
        assert_int_equal(desk_status(*state, "GET", "/v1/models/%ff/config", NULL), 400);
        free(desk_refusal(*state, "GET", "/v1/\xff", NULL, 404)); /* an error with a text */
}

static void json_that_is_broken_or_no_object_is_refused(void **state) {
        assert_int_equal(desk_status(*state, "POST", "/v1/models", "{\"name\": "), 400);
        assert_int_equal(desk_status(*state, "POST", "/v1/models", "[1]"), 400);
        assert_int_equal(
                desk_status(*state, "POST", "/v1/models", "{\"name\":\"a\",\"name\":\"b\"}"), 400);
}

static void a_body_where_none_is_taken_is_refused(void **state) {
        assert_int_equal(desk_status(*state, "POST", "/v1/clusters/a/rebind", "{}"), 400);
}

static void a_body_beyond_the_limit_is_refused_and_not_kept(void **state) {
        struct desk *d = *state;
        cleanup_(closep) int fd = desk_knock(d);
        cleanup_(buf_free) struct buf reply = BUF_INIT;
        static const char head[] = "POST /v1/models HTTP/1.1\r\nHost: x\r\n"
                                   "Content-Length: 999999999999\r\n\r\n";

        /* At once: no byte of the body is waited for. */
        assert_int_equal(send(fd, head, strlen(head), MSG_NOSIGNAL), strlen(head));
        desk_read_until(d, fd, "413", &reply);
        assert_int_equal(desk_status(d, "GET", "/v1/info", NULL), 200);
}

static void a_name_with_a_slash_is_one_part_of_the_path(void **state) {
        cleanup_(freep) char *text =
                desk_refusal(*state, "GET", "/v1/models/none/units/web%2F0", NULL, 404);

        assert_non_null(strstr(text, "model")); /* the route was found: the model was not */
}

/* ---- commands */

#define CLUSTER                                                                                    \
        "{\"name\": \"c\", \"config\": {\"server\": \"https://127.0.0.1:1\"}, \"credential\": "    \
        "{\"token\": \"t0psecret\"}}"

static void a_cluster_and_a_model_are_added_and_listed_without_the_credential(void **state) {
        struct desk *d = *state;
        cleanup_(answer_deinit) struct answer a, b;

        assert_int_equal(desk_status(d, "POST", "/v1/clusters", CLUSTER), 200);
        assert_int_equal(
                desk_status(d, "POST", "/v1/models", "{\"name\": \"m\", \"cluster\": \"c\"}"), 200);
        desk_ask(d, "GET", "/v1/clusters", NULL, NULL, 0, &a);
        assert_string_equal(
                json_get_str(json_array_get(json_get(a.json, "clusters"), 0), "name", ""), "c");
        assert_null(strstr(a.body.data, "t0psecret"));
        desk_ask(d, "GET", "/v1/models/m/status?relations=true&storage=true", NULL, NULL, 0, &b);
        assert_int_equal(b.status, 200);
        assert_string_equal(json_get_str(json_get(b.json, "model"), "cloud", ""), "c");
        assert_non_null(json_get(b.json, "targets"));
}

static void the_same_idempotency_key_gets_the_recorded_answer(void **state) {
        struct desk *d = *state;
        static const char body[] = "{\"name\": \"m\", \"cluster\": \"c\"}";
        cleanup_(answer_deinit) struct answer first, again;

        assert_int_equal(desk_status(d, "POST", "/v1/clusters", CLUSTER), 200);
        desk_ask(d, "POST", "/v1/models", "Idempotency-Key: k1\r\n", body, strlen(body), &first);
        desk_ask(d, "POST", "/v1/models", "Idempotency-Key: k1\r\n", body, strlen(body), &again);
        assert_int_equal(first.status, 200);
        assert_int_equal(again.status, 200);
        assert_string_equal(first.body.data, again.body.data);
        assert_int_equal(desk_status(d, "POST", "/v1/models", body), 409);
}

static int ask_with_key(struct desk *d, const char *key, const char *path, const char *body) {
        cleanup_(answer_deinit) struct answer a;
        cleanup_(freep) char *header = str_format("Idempotency-Key: %s\r\n", key);

        desk_ask(d, "POST", path, header, body, strlen(body), &a);
        return a.status;
}

static void a_key_is_of_one_user_one_path_and_one_body(void **state) {
        struct desk *d = *state;
        static const struct peer_fake root = { 0 };
        static const char one[] = "{\"name\": \"one\", \"cluster\": \"c\"}";

        assert_int_equal(ask_with_key(d, "1", "/v1/clusters", CLUSTER), 200);
        assert_int_equal(ask_with_key(d, "1", "/v1/models", one), 200);
        assert_int_equal(
                ask_with_key(d, "1", "/v1/models", "{\"name\": \"two\", \"cluster\": \"c\"}"), 200);
        assert_int_equal(desk_status(d, "GET", "/v1/models/two/config", NULL), 200);
        assert_int_equal(ask_with_key(d, "1", "/v1/models", one), 200);
        peer_set_fake(&root);
        assert_int_equal(ask_with_key(d, "1", "/v1/models", one), 409); /* run: it is there */
        desk_role(ROLE_ADMIN);
}

static void a_key_that_is_too_long_is_refused_not_cut(void **state) {
        char key[ADMIN_KEY_MAX + 2];

        memset(key, 'k', sizeof(key) - 1);
        key[sizeof(key) - 1] = '\0';
        assert_int_equal(ask_with_key(*state, key, "/v1/clusters", CLUSTER), 400);
        key[ADMIN_KEY_MAX] = '\0';
        assert_int_equal(ask_with_key(*state, key, "/v1/clusters", CLUSTER), 200);
}

static void assert_change(const json_t *json, size_t i, const char *text) {
        const json_t *change = json_array_get(json_get(json, "changes"), i);

        assert_string_equal(json_get_str(change, "text", ""), text);
}

static void a_dry_run_says_what_it_would_do_and_does_nothing(void **state) {
        struct desk *d = *state;
        static const char bundle[] =
                "{\"sources\": [{\"file\": \"b.yaml\", \"text\": "
                "\"bundle: kubernetes\\napplications:\\n  a:\\n    charm: nosuch\\n\"}]}";
        cleanup_(answer_deinit) struct answer a, b;

        assert_int_equal(desk_status(d, "POST", "/v1/clusters", CLUSTER), 200);
        assert_int_equal(
                desk_status(d, "POST", "/v1/models", "{\"name\": \"m\", \"cluster\": \"c\"}"), 200);
        desk_ask(d, "POST", "/v1/models/m/deploy?dry-run=true", NULL, bundle, strlen(bundle), &a);
        assert_int_equal(a.status, 200);
        assert_int_equal(json_array_size(json_get(a.json, "changes")), 2);
        assert_change(a.json, 0, "deploy application a with 1 unit of charm nosuch");
        assert_change(a.json, 1, "change no object"); /* its charm is not there */
        desk_ask(d, "GET", "/v1/models/m/status", NULL, NULL, 0, &b);
        assert_int_equal(json_object_size(json_get(b.json, "applications")), 0);
}

static void all_faults_of_a_bundle_come_with_their_lines(void **state) {
        struct desk *d = *state;
        static const char bundle[] =
                "{\"sources\": [{\"file\": \"b.yaml\", \"text\": \"bundle: kubernetes\\n"
                "applications:\\n  a_b:\\n    charm: x\\n  c:\\n    scale: two\\n\"}]}";
        cleanup_(answer_deinit) struct answer a;
        const json_t *faults;

        assert_int_equal(desk_status(d, "POST", "/v1/clusters", CLUSTER), 200);
        assert_int_equal(
                desk_status(d, "POST", "/v1/models", "{\"name\": \"m\", \"cluster\": \"c\"}"), 200);
        desk_ask(d, "POST", "/v1/models/m/deploy", NULL, bundle, strlen(bundle), &a);
        assert_int_equal(a.status, 400);
        faults = json_get(a.json, "errors");
        assert_true(json_array_size(faults) >= 2);
        assert_int_equal(json_get_int(json_array_get(faults, 0), "line", 0), 3);
        assert_string_equal(json_get_str(json_array_get(faults, 0), "file", ""), "b.yaml");
}

struct heard {
        const char *event;
        char *actor;
};

static void hear(void *arg, const struct log_line *line) {
        struct heard *h = arg;

        for (const struct log_field *f = line->fields; f && f->name; f++)
                if (str_eq(line->event, h->event) && str_eq(f->name, "ACTOR"))
                        str_set(&h->actor, f->value);
}

static void a_bundle_with_secrets_is_for_admins_and_logged(void **state) {
        struct desk *d = *state;
        struct heard heard = { .event = "secrets-exported" };

        assert_int_equal(desk_status(d, "POST", "/v1/clusters", CLUSTER), 200);
        assert_int_equal(
                desk_status(d, "POST", "/v1/models", "{\"name\": \"m\", \"cluster\": \"c\"}"), 200);
        log_set_sink(hear, &heard);
        assert_int_equal(desk_status(d, "GET", "/v1/models/m/bundle?format=json", NULL), 200);
        assert_null(heard.actor);
        assert_int_equal(desk_status(d, "GET", "/v1/models/m/bundle?include-secrets=true", NULL),
                         200);
        log_set_sink(NULL, NULL);
        assert_non_null(heard.actor);
        free(heard.actor);
        desk_role(ROLE_VIEWER);
        assert_int_equal(desk_status(d, "GET", "/v1/models/m/bundle", NULL), 200);
        assert_int_equal(desk_status(d, "GET", "/v1/models/m/bundle?include-secrets=true", NULL),
                         403);
}

/* ---- secrets */

#define URI "abcdefghijklmnopqrstuvwxyz"

static int put_secret(struct tx *tx, struct store_call *c, struct err *err) {
        struct desk *d = c->arg;
        struct seal_place at = { "secret_revision", "sealed", URI, 1 };
        cleanup_(buf_free) struct buf sealed = BUF_INIT;
        struct q_model_row *m;
        size_t n;
        int64_t id = tx_id(tx, "secret");
        int r = q_model_by_name(tx, &(struct q_model_by_name_in){ .name = "m" }, &m, &n, err);

        if (r < 0 || n != 1)
                return -ENOENT;
        r = w_secret_insert(tx,
                            &(struct w_secret_insert_in){ .id = id,
                                                          .uri = URI,
                                                          .model_id = m->id,
                                                          .application_id_null = true,
                                                          .label = "root",
                                                          .field = "password",
                                                          .purpose = "generated",
                                                          .policy = "{}",
                                                          .revision = 1,
                                                          .created_at = tx_now(tx) },
                            err);
        if (r >= 0)
                r = seal_value(d->sealer, &at, "hunter2", 7, &sealed, err);
        if (r >= 0)
                r = w_secret_revision_insert(tx,
                                             &(struct w_secret_revision_insert_in){
                                                     .secret_id = id,
                                                     .revision = 1,
                                                     .sealed = (const uint8_t *)sealed.data,
                                                     .sealed_len = sealed.len,
                                                     .created_at = tx_now(tx) },
                                             err);
        return r < 0 ? r : 0;
}

static void a_secret_is_listed_without_its_value_and_revealing_it_is_logged(void **state) {
        struct desk *d = *state;
        cleanup_(answer_deinit) struct answer list, shown;
        struct heard heard = { .event = "secret-revealed" };

        assert_int_equal(desk_status(d, "POST", "/v1/clusters", CLUSTER), 200);
        assert_int_equal(
                desk_status(d, "POST", "/v1/models", "{\"name\": \"m\", \"cluster\": \"c\"}"), 200);
        desk_write(d, put_secret, d);
        desk_ask(d, "GET", "/v1/models/m/secrets", NULL, NULL, 0, &list);
        assert_non_null(strstr(list.body.data, URI));
        assert_null(strstr(list.body.data, "hunter2"));
        log_set_sink(hear, &heard);
        desk_ask(d, "POST", "/v1/models/m/secrets/" URI "/reveal", NULL, NULL, 0, &shown);
        log_set_sink(NULL, NULL);
        assert_string_equal(json_get_str(shown.json, "value", ""), "hunter2");
        assert_non_null(heard.actor);
        assert_non_null(strstr(heard.actor, "65000"));
        free(heard.actor);
}

/* ---- the socket */

static void a_second_daemon_on_the_socket_is_refused(void **state) {
        struct desk *d = *state;
        struct admin *second = NULL;
        struct err err = { 0 };

        assert_int_equal(desk_open_admin(d, &second, &err), -EADDRINUSE);
        assert_non_null(strstr(err.text, "another daemon"));
        assert_int_equal(desk_status(d, "GET", "/v1/info", NULL), 200); /* the first still has it */
}

static void a_dead_socket_is_replaced(void **state) {
        struct desk *d = *state;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct err err = { 0 };
        int fd;

        d->admin = admin_free(d->admin);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        str_copy(address.sun_path, sizeof(address.sun_path), d->socket);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        close(fd); /* bound, never listened: what a killed daemon leaves */
        assert_int_equal(desk_open_admin(d, &d->admin, &err), 0);
        assert_int_equal(desk_status(d, "GET", "/v1/info", NULL), 200);
}

static void requests_that_wait_are_told_when_the_daemon_stops(void **state) {
        struct desk *d = *state;
        int fd = desk_connect(d, "/v1/models");

        while (list_empty(&d->admin->requests))
                loop_step(d->loop, 5);
        d->admin = admin_free(d->admin);
        assert_true(desk_ended(d, fd));
        close(fd);
}

static void assert_first_get_in(struct desk *d, int places) {
        static const struct peer_fake root = { 0 };
        int fds[ADMIN_CONNECTIONS_MAX], more;

        for (int i = 0; i < places; i++)
                fds[i] = desk_knock(d);
        while (d->admin->connection_count < (size_t)places)
                loop_step(d->loop, 5);
        more = desk_knock(d);
        assert_true(desk_ended(d, more));
        close(more);
        assert_int_equal(d->admin->connection_count, places);
        peer_set_fake(&root);
        assert_int_equal(desk_status(d, "GET", "/v1/info", NULL), 200);
        for (int i = 0; i < places; i++)
                close(fds[i]);
}

static void who_has_no_role_cannot_keep_others_out(void **state) {
        desk_role(ROLE_NONE);
        assert_first_get_in(*state, ADMIN_CONNECTIONS_NOBODY);
}

static void one_users_idle_connections_are_counted(void **state) {
        desk_role(ROLE_VIEWER);
        assert_first_get_in(*state, ADMIN_CONNECTIONS_PER_UID);
}

static bool is_under_way(struct desk *d) {
        return !list_empty(&d->admin->requests) &&
               list_entry(d->admin->requests.next, struct request, link)->suspended;
}

static void a_deploy_that_takes_charms_in_ends_with_the_daemon(void **state) {
        struct desk *d = *state;
        int fd = desk_begin(d, "POST", "/v1/models/m/applications", "{\"charm\": \"nothing\"}");

        for (int i = 0; !is_under_way(d) && i < 1000; i++)
                loop_step(d->loop, 5);
        d->admin = admin_free(d->admin);
        assert_true(desk_ended(d, fd));
        close(fd);
}

/* ---- what goes by rows of the loop */

struct gate {
        sem_t held, open;
};

static int hold_store(struct tx *tx, struct store_call *c, struct err *err) {
        struct gate *g = c->arg;

        sem_post(&g->held);
        sem_wait(&g->open);
        return 0;
}

static int lose_data(struct tx *tx, struct store_call *c, struct err *err) {
        struct w_resource_insert_in in = { .id = tx_id(tx, "resource"),
                                           .target_id = 1,
                                           .type = "PersistentVolumeClaim",
                                           .path = "m/data",
                                           .wanted_generation = 1,
                                           .keep = true,
                                           .state = "lost" };
        struct q_application_row *row;
        size_t n;
        int r = q_application_by_name(
                tx, &(struct q_application_by_name_in){ .model_id = 1, .name = "a" }, &row, &n,
                err);

        if (r < 0 || !n)
                return r < 0 ? r : err_set(err, -ENOENT, "no application");
        in.owner_id = row->id;
        r = w_resource_insert(tx, &in, err);
        return r < 0 ? r
                     : w_resource_set_lost(
                               tx, &(struct w_resource_set_lost_in){ .at = 7, .id = in.id }, err);
}

static void on_written(struct store_call *c, int r, const struct err *err) {
        assert_true(r >= 0);
}

/* Status shows what the loop found before its row is written: who acts on it at once is not told
 * that there is nothing to act on. */
static void consent_waits_behind_what_the_loop_writes(void **state) {
        static const char bundle[] =
                "{\"sources\": [{\"file\": \"b.yaml\", \"text\": "
                "\"bundle: kubernetes\\napplications:\\n  a:\\n    charm: nosuch\\n\"}]}";
        struct desk *d = *state;
        cleanup_(buf_free) struct buf out = BUF_INIT;
        struct gate gate;
        struct store_call hold = {
                .lane = STORE_COMMAND, .run = hold_store, .done = on_written, .arg = &gate
        };
        struct store_call plan = { .lane = STORE_LOOP, .run = lose_data, .done = on_written };
        int fd;

        sem_init(&gate.held, 0, 0);
        sem_init(&gate.open, 0, 0);
        assert_int_equal(desk_status(d, "POST", "/v1/clusters", CLUSTER), 200);
        assert_int_equal(
                desk_status(d, "POST", "/v1/models", "{\"name\": \"m\", \"cluster\": \"c\"}"), 200);
        assert_int_equal(desk_status(d, "POST", "/v1/models/m/deploy", bundle), 200);
        store_submit(d->store, &hold);
        while (sem_trywait(&gate.held) != 0)
                loop_step(d->loop, 5);
        store_submit(d->store, &plan);
        fd = desk_begin(d, "POST", "/v1/models/m/applications/a/accept-data-loss", "");
        while (!is_under_way(d))
                loop_step(d->loop, 5);
        sem_post(&gate.open);
        desk_read_until(d, fd, "begin anew with PersistentVolumeClaim m/data", &out);
        assert_non_null(strstr(buf_str(&out), " 200 "));
        close(fd);
        sem_destroy(&gate.held);
        sem_destroy(&gate.open);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, desk_set_up, desk_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(every_route_takes_exactly_the_roles_from_its_own_up),
                TEST(root_is_an_admin_without_any_group),
                TEST(who_has_no_role_is_told_so_and_who_gives_one),
                TEST(the_highest_group_counts),
                TEST(a_wrong_method_names_one_that_is_taken),
                TEST(an_unknown_path_says_where_paths_are_listed),
                TEST(an_unknown_field_is_named_with_the_nearest),
                TEST(an_unknown_query_parameter_is_refused),
                TEST(text_that_is_not_utf8_is_refused_everywhere),
                TEST(json_that_is_broken_or_no_object_is_refused),
                TEST(a_body_where_none_is_taken_is_refused),
                TEST(a_body_beyond_the_limit_is_refused_and_not_kept),
                TEST(a_name_with_a_slash_is_one_part_of_the_path),
                TEST(a_cluster_and_a_model_are_added_and_listed_without_the_credential),
                TEST(the_same_idempotency_key_gets_the_recorded_answer),
                TEST(a_key_is_of_one_user_one_path_and_one_body),
                TEST(a_key_that_is_too_long_is_refused_not_cut),
                TEST(a_dry_run_says_what_it_would_do_and_does_nothing),
                TEST(all_faults_of_a_bundle_come_with_their_lines),
                TEST(a_bundle_with_secrets_is_for_admins_and_logged),
                TEST(a_secret_is_listed_without_its_value_and_revealing_it_is_logged),
                TEST(a_second_daemon_on_the_socket_is_refused),
                TEST(a_dead_socket_is_replaced),
                TEST(who_has_no_role_cannot_keep_others_out),
                TEST(one_users_idle_connections_are_counted),
                TEST(requests_that_wait_are_told_when_the_daemon_stops),
                TEST(a_deploy_that_takes_charms_in_ends_with_the_daemon),
                TEST(consent_waits_behind_what_the_loop_writes),
        };

        return cmocka_run_group_tests_name("admin", tests, NULL, NULL);
}
