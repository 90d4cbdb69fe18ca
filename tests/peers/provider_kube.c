/* SPDX-License-Identifier: Apache-2.0 */
/* provider_kube.c - the Kubernetes provider against a server: the same file for the real one and
 * for mooring-sim
 *
 * KUBECONFIG names the server. Each test works in a namespace of its own making; another
 * writer's edits go out by plain requests under another field manager. Nothing depends on time:
 * each wait is for an event, with a deadline that only a failure meets. */
#include "clock.h"
#include "kube.h"
#include "kubeconfig-flatten.h"
#include "map.h"
#include "project.h"
#include "watch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define DEADLINE_MS 60000
#define OTHER "kubectl-edit"

struct thing {
        struct interest interest;
        struct projection *projection;
        json_t *baseline;
        struct observation last;
        int seen; /* observations so far */
};

struct world {
        struct loop *loop;
        struct http *http;
        struct http_server *server;
        struct target *target;
        json_t *config, *credential, *marks;
        struct map things;
        struct map units; /* name -> status text */
        char namespace[32];
        bool reachable;
        char identity[64];
        int changed;
        int listed_kinds;
};

static struct world w;
static const struct provider *const kube = &provider_kube;

/* ---- observer */

static struct thing *thing(const char *type, const char *path) {
        cleanup_(freep) char *key = str_format("%s %s", type, path);
        struct thing *t = map_find(&w.things, key);

        if (!t) {
                t = mem_new(struct thing);
                map_set(&w.things, key, t);
        }
        return t;
}

static const struct interest *on_interest(void *arg, const char *type, const char *path) {
        cleanup_(freep) char *key = str_format("%s %s", type, path);
        struct thing *t = map_find(&w.things, key);

        return t ? &t->interest : NULL;
}

static void on_observed(void *arg, const char *type, const char *path, struct observation *o) {
        struct thing *t = thing(type, path);

        observation_move(&t->last, o);
        t->seen++;
}

static void on_unit(void *arg, const struct unit_seen *u) {
        char *text = str_format("%s|%s|%s|%s", u->gone ? "gone" : u->status, u->application,
                                u->address, u->message);

        free(map_set(&w.units, u->name, text));
}

static void on_listed(void *arg, const char *type, bool begin) {
        w.listed_kinds += !begin;
}

static void on_reach(void *arg, bool reachable, const char *identity, const char *why) {
        w.reachable = reachable;
        str_copy(w.identity, sizeof(w.identity), identity ? identity : "");
        if (!reachable)
                print_message("not reachable: %s\n", why);
}

static void on_warning(void *arg, const char *type, const char *path, const char *text) {
        print_message("warning: %s: %s\n", type, text);
}

static void on_changed(void *arg) {
        w.changed++;
}

/* ---- waiting */

#define wait_for(condition)                                                                        \
        do {                                                                                       \
                int64_t end_ = clock_mono() + DEADLINE_MS;                                         \
                while (!(condition)) {                                                             \
                        if (clock_mono() > end_)                                                   \
                                fail_msg("line %d: never came: %s", __LINE__, #condition);         \
                        loop_step(w.loop, 100);                                                    \
                }                                                                                  \
        } while (0)

static void on_done(struct op *op) {
        *(bool *)op->arg = true;
}

/* ---- the provider's calls, waited for */

static json_t *parse(const char *text) {
        struct err err = { 0 };
        json_t *j = NULL;

        if (json_parse(text, strlen(text), &j, &err) < 0)
                fail_msg("%s in %s", err_text(&err), text);
        return j;
}

struct asked {
        unsigned flags;
        bool first;
        const struct secret_values *values;
        const char *token;
        const char *incarnation;
};

typedef void call(struct target *t, const struct apply_request *r, struct op *op);

static void run_call(call *fn, const json_t *wanted, const char *type, const char *path,
                     const struct asked *a, struct op *op) {
        struct thing *t = thing(type, path);
        bool done = false;
        struct apply_request r = {
                .type = type,
                .path = path,
                .wanted = wanted,
                .marks = w.marks,
                .values = a->values,
                .projection = t->projection,
                .baseline = t->baseline,
                .incarnation = a->incarnation ? a->incarnation : "",
                .token = a->token ? a->token : "",
                .first = a->first,
                .flags = a->flags,
        };

        *op = (struct op){ .loop = w.loop, .done = on_done, .arg = &done };
        fn(w.target, &r, op);
        assert_false(done);
        wait_for(done);
}

/* What the store would keep. */
static void remember(struct thing *t, struct op *op) {
        kube->projection_free(t->projection);
        json_decref(t->baseline);
        t->projection = NULL;
        assert_int_equal(kube->projection_parse(op->fields, &t->projection, NULL), 0);
        t->baseline = json_incref(op->baseline);
        t->interest.projection = t->projection;
        memcpy(t->interest.baseline, op->baseline_digest, DIGEST_SIZE);
        t->interest.baseline_valid = true;
        /* The watch may have brought it before the answer came; then there is no other event. */
        t->last.presence = op->seen.presence;
        t->last.digest_valid = op->seen.digest_valid;
        memcpy(t->last.digest, op->seen.digest, DIGEST_SIZE);
}

static enum outcome apply(const char *text, struct asked a, struct op *ret) {
        cleanup_(json_freep) json_t *wanted = parse(text);
        cleanup_(identity_free) struct identity id = { 0 };
        struct err err = { 0 };
        struct op op;

        if (kube->identify(wanted, w.namespace, &id, &err) < 0)
                fail_msg("%s", err_text(&err));
        kube->follow(w.target, id.type);
        run_call(kube->apply, wanted, id.type, id.path, &a, &op);
        if (op.outcome == OUTCOME_DONE && op.fields && !(a.flags & APPLY_DRY_RUN))
                remember(thing(id.type, id.path), &op);
        if (ret)
                *ret = op;
        else
                op_clear(&op);
        return op.outcome;
}

static void apply_ok(const char *text) {
        struct op op;

        if (apply(text, (struct asked){ .first = true }, &op) != OUTCOME_DONE)
                fail_msg("%s: %s", outcome_name(op.outcome), err_text(&op.err));
        op_clear(&op);
}

static enum outcome look(const char *type, const char *path, struct op *ret) {
        run_call(kube->look, NULL, type, path, &(struct asked){ 0 }, ret);
        return ret->outcome;
}

static char *in_ns(const char *name) {
        return str_format("%s/%s", w.namespace, name);
}

/* ---- somebody else's writes */

static long send(const char *method, const char *type, const char *body, const char *path) {
        cleanup_(freep) char *content = str_format("Content-Type: %s", type);
        const char *headers[] = { content, NULL };
        struct http_request r = {
                .server = w.server, .method = method, .path = path, .headers = headers
        };
        struct err err = { 0 };
        long status;

        r.body = body;
        r.body_len = body ? strlen(body) : 0;
        if (http_blocking(&r, &err) < 0)
                fail_msg("%s %s: %s", method, path, err_text(&err));
        status = r.status;
        if (status >= 300 && status != 404)
                print_message("%s %s: %ld %s\n", method, path, status, buf_str(&r.reply));
        http_deinit(&r);
        return status;
}

static void edit(const char *path, const char *patch) {
        cleanup_(freep) char *full = str_format("%s?fieldManager=" OTHER, path);

        assert_int_equal(send("PATCH", "application/json-patch+json", patch, full), 200);
}

static json_t *fetch(const char *path) {
        struct http_request r = { .server = w.server, .method = "GET", .path = path };
        struct err err = { 0 };
        json_t *j = NULL;

        if (http_blocking(&r, &err) < 0)
                fail_msg("%s", err_text(&err));
        if (r.status == 200)
                assert_int_equal(json_parse(buf_str(&r.reply), r.reply.len, &j, &err), 0);
        http_deinit(&r);
        return j;
}

static char *ns_path(const char *api, const char *rest) {
        return str_format("%s/namespaces/%s/%s", api, w.namespace, rest);
}

/* ---- what the watch brought */

/* The newest observation differs from the baseline: its drift. */
static struct drift_list drift_of(const char *type, const char *path) {
        struct thing *t = thing(type, path);
        struct apply_request r = {
                .type = type, .path = path, .projection = t->projection, .baseline = t->baseline
        };
        struct drift_list list = { 0 };
        struct err err = { 0 };

        if (kube->compare(&r, &t->last, &list, &err) < 0)
                fail_msg("%s", err_text(&err));
        return list;
}

static bool drifted(const struct thing *t) {
        return t->last.presence == PRESENCE_PRESENT && t->last.digest_valid &&
               memcmp(t->last.digest, t->interest.baseline, DIGEST_SIZE) != 0;
}

static bool in_place(const struct thing *t) {
        return t->last.presence == PRESENCE_PRESENT && t->last.digest_valid &&
               memcmp(t->last.digest, t->interest.baseline, DIGEST_SIZE) == 0;
}

static void assert_drift(const struct drift *d, const char *field, const char *wanted,
                         const char *found, const char *who) {
        cleanup_(freep) char *a = d->wanted ? json_text(d->wanted) : NULL;
        cleanup_(freep) char *b = d->found ? json_text(d->found) : NULL;

        assert_string_equal(d->field, field);
        assert_true(str_eq(a, wanted));
        if (!str_eq(b, found))
                fail_msg("found %s instead of %s", b, found);
        if (!str_eq(d->who, who))
                fail_msg("who: %s instead of %s", d->who, who);
}

/* Applied again, the server has it as wanted and so says the watch. */
static void heal(const char *text, unsigned flags, const char *type, const char *path) {
        struct thing *t = thing(type, path);
        uint8_t before[DIGEST_SIZE];
        struct op op;

        memcpy(before, t->interest.baseline, DIGEST_SIZE);
        if (apply(text, (struct asked){ .flags = flags }, &op) != OUTCOME_DONE)
                fail_msg("%s: %s", outcome_name(op.outcome), err_text(&op.err));
        assert_memory_equal(before, op.baseline_digest, DIGEST_SIZE);
        op_clear(&op);
        wait_for(in_place(t));
}

#define CONFIG_MAP(name, data)                                                                     \
        "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"" name             \
        "\"},\"data\":" data "}"

/* ---- tests */

static void a_cluster_is_reached_and_says_which_it_is(void **state) {
        wait_for(w.reachable);
        assert_true(strlen(w.identity) > 30);
}

static void an_applied_object_is_seen_in_place_by_the_watch(void **state) {
        cleanup_(freep) char *path = in_ns("plain");
        struct thing *t = thing("ConfigMap", path);
        struct op op;

        assert_int_equal(apply(CONFIG_MAP("plain", "{\"a\":\"1\",\"b\":\"2\"}"),
                               (struct asked){ .first = true }, &op),
                         OUTCOME_DONE);
        assert_true(op.created);
        assert_int_equal(op.seen.presence, PRESENCE_PRESENT);
        assert_int_equal(op.seen.ready, READY_YES);
        assert_true(op.seen.ours);
        assert_string_equal(json_get_str(json_get(op.baseline, "data"), "a", ""), "1");
        op_clear(&op);
        wait_for(t->seen > 0);
        assert_true(in_place(t));
}

static void an_identical_apply_changes_nothing(void **state) {
        struct op one, two;

        assert_int_equal(
                apply(CONFIG_MAP("same", "{\"a\":\"1\"}"), (struct asked){ .first = true }, &one),
                OUTCOME_DONE);
        assert_int_equal(apply(CONFIG_MAP("same", "{\"a\":\"1\"}"), (struct asked){ 0 }, &two),
                         OUTCOME_DONE);
        assert_false(two.created);
        assert_string_equal(one.seen.version, two.seen.version);
        assert_string_equal(one.fields, two.fields);
        op_clear(&one);
        op_clear(&two);
}

static void a_changed_value_is_drift_with_its_writer_and_is_healed(void **state) {
        cleanup_(freep) char *path = in_ns("changed");
        cleanup_(freep) char *url = ns_path("/api/v1", "configmaps/changed");
        struct thing *t = thing("ConfigMap", path);
        struct drift_list list;

        apply_ok(CONFIG_MAP("changed", "{\"a\":\"1\"}"));
        edit(url, "[{\"op\":\"replace\",\"path\":\"/data/a\",\"value\":\"2\"}]");
        wait_for(drifted(t));
        list = drift_of("ConfigMap", path);
        assert_int_equal(list.count, 1);
        assert_drift(&list.items[0], "data.a", "\"1\"", "\"2\"", OTHER);
        assert_true(list.items[0].at > 0);
        drift_list_free(&list);
        heal(CONFIG_MAP("changed", "{\"a\":\"1\"}"), 0, "ConfigMap", path);
}

static void a_removed_field_is_drift_without_a_writer(void **state) {
        cleanup_(freep) char *path = in_ns("removed");
        cleanup_(freep) char *url = ns_path("/api/v1", "configmaps/removed");
        struct thing *t = thing("ConfigMap", path);
        struct drift_list list;

        apply_ok(CONFIG_MAP("removed", "{\"a\":\"1\",\"b\":\"2\"}"));
        edit(url, "[{\"op\":\"remove\",\"path\":\"/data/b\"}]");
        wait_for(drifted(t));
        list = drift_of("ConfigMap", path);
        assert_int_equal(list.count, 1);
        assert_drift(&list.items[0], "data.b", "\"2\"", NULL, NULL);
        drift_list_free(&list);
        heal(CONFIG_MAP("removed", "{\"a\":\"1\",\"b\":\"2\"}"), 0, "ConfigMap", path);
}

static void a_field_that_is_not_ours_is_no_drift(void **state) {
        cleanup_(freep) char *path = in_ns("foreign-field");
        cleanup_(freep) char *url = ns_path("/api/v1", "configmaps/foreign-field");
        struct thing *t = thing("ConfigMap", path);
        int before;

        apply_ok(CONFIG_MAP("foreign-field", "{\"a\":\"1\"}"));
        wait_for(in_place(t));
        before = t->seen;
        edit(url, "[{\"op\":\"add\",\"path\":\"/data/z\",\"value\":\"2\"}]");
        wait_for(t->seen > before);
        assert_true(in_place(t));
}

static void a_deleted_object_is_absent_and_comes_back(void **state) {
        cleanup_(freep) char *path = in_ns("deleted");
        cleanup_(freep) char *url = ns_path("/api/v1", "configmaps/deleted");
        struct thing *t = thing("ConfigMap", path);
        struct drift_list list;

        apply_ok(CONFIG_MAP("deleted", "{\"a\":\"1\"}"));
        assert_int_equal(send("DELETE", "application/json", NULL, url), 200);
        wait_for(t->last.presence == PRESENCE_ABSENT);
        list = drift_of("ConfigMap", path);
        assert_int_equal(list.count, 1);
        drift_list_free(&list);
        heal(CONFIG_MAP("deleted", "{\"a\":\"1\"}"), 0, "ConfigMap", path);
}

static void a_removed_label_of_ours_is_drift_and_not_a_deletion(void **state) {
        cleanup_(freep) char *path = in_ns("unlabelled");
        cleanup_(freep) char *url = ns_path("/api/v1", "configmaps/unlabelled");
        struct thing *t = thing("ConfigMap", path);
        struct drift_list list;

        apply_ok(CONFIG_MAP("unlabelled", "{\"a\":\"1\"}"));
        wait_for(in_place(t));
        edit(url,
             "[{\"op\":\"remove\",\"path\":\"/metadata/labels/app.kubernetes.io~1managed-by\"}]");
        wait_for(drifted(t));
        assert_false(t->last.ours);
        list = drift_of("ConfigMap", path);
        assert_int_equal(list.count, 1);
        assert_drift(&list.items[0], "metadata.labels[\"app.kubernetes.io/managed-by\"]",
                     "\"mooring\"", NULL, NULL);
        drift_list_free(&list);
        heal(CONFIG_MAP("unlabelled", "{\"a\":\"1\"}"), 0, "ConfigMap", path);
}

#define SERVICE(ports)                                                                             \
        "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"web\"},\"spec\":"    \
        "{\"selector\":{\"app\":\"web\"},\"ports\":" ports "}}"

static void a_port_edited_by_hand_is_healed_by_taking_it_over(void **state) {
        static const char wanted[] =
                SERVICE("[{\"name\":\"http\",\"port\":80,\"targetPort\":8080}]");
        cleanup_(freep) char *path = in_ns("web");
        cleanup_(freep) char *url = ns_path("/api/v1", "services/web");
        cleanup_(json_freep) json_t *after = NULL;
        struct thing *t = thing("Service", path);
        struct drift_list list;
        struct op op;

        apply_ok(wanted);
        edit(url, "[{\"op\":\"replace\",\"path\":\"/spec/ports/0/port\",\"value\":81}]");
        wait_for(drifted(t));
        list = drift_of("Service", path);
        assert_int_equal(list.count, 2);
        assert_string_equal(list.items[0].field, "spec.ports[port=80,protocol=TCP]");
        assert_null(list.items[0].found);
        assert_string_equal(list.items[1].field, "spec.ports[port=81,protocol=TCP]");
        assert_null(list.items[1].wanted);
        assert_string_equal(list.items[1].who, OTHER);
        drift_list_free(&list);
        assert_int_equal(apply(wanted, (struct asked){ 0 }, &op), OUTCOME_DONE);
        assert_string_equal(op.took_over, OTHER);
        op_clear(&op);
        wait_for(in_place(t));
        after = fetch(url);
        assert_int_equal(json_array_size(json_dig(after, "spec", "ports", NULL)), 1);
        assert_int_equal(
                json_get_int(json_array_get(json_dig(after, "spec", "ports", NULL), 0), "port", 0),
                80);
}

#define DEPLOYMENT(name, replicas)                                                                 \
        "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"" name       \
        "\"},\"spec\":{\"replicas\":" replicas ",\"selector\":{\"matchLabels\":{\"app\":\"" name   \
        "\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":\"" name "\"}},"                     \
        "\"spec\":{\"containers\":[{\"name\":\"main\",\"image\":\"registry.example/"               \
        "pause:1\"}]}}}}"

static void a_renamed_container_is_told_and_goes_when_taken_over(void **state) {
        static const char wanted[] = DEPLOYMENT("renamed", "0");
        cleanup_(freep) char *path = in_ns("renamed");
        cleanup_(freep) char *url = ns_path("/apis/apps/v1", "deployments/renamed");
        cleanup_(json_freep) json_t *after = NULL;
        struct thing *t = thing("Deployment.apps", path);
        struct drift_list list;

        apply_ok(wanted);
        edit(url, "[{\"op\":\"replace\",\"path\":\"/spec/template/spec/containers/0/"
                  "name\",\"value\":\"evil\"}]");
        wait_for(drifted(t));
        list = drift_of("Deployment.apps", path);
        assert_int_equal(list.count, 2);
        assert_string_equal(list.items[0].field, "spec.template.spec.containers[name=main]");
        assert_string_equal(list.items[1].field, "spec.template.spec.containers[name=evil]");
        assert_null(list.items[1].wanted);
        drift_list_free(&list);
        heal(wanted, APPLY_TAKE_OVER, "Deployment.apps", path);
        after = fetch(url);
        assert_int_equal(
                json_array_size(json_dig(after, "spec", "template", "spec", "containers", NULL)),
                1);
}

static void a_field_of_a_pod_template_has_a_readable_path(void **state) {
        static const char wanted[] = DEPLOYMENT("image", "0");
        cleanup_(freep) char *path = in_ns("image");
        cleanup_(freep) char *url = ns_path("/apis/apps/v1", "deployments/image");
        struct thing *t = thing("Deployment.apps", path);
        struct drift_list list;

        apply_ok(wanted);
        edit(url, "[{\"op\":\"replace\",\"path\":\"/spec/template/spec/containers/0/"
                  "image\",\"value\":\"other\"}]");
        wait_for(drifted(t));
        list = drift_of("Deployment.apps", path);
        assert_int_equal(list.count, 1);
        assert_drift(&list.items[0], "spec.template.spec.containers[name=main].image",
                     "\"registry.example/pause:1\"", "\"other\"", OTHER);
        drift_list_free(&list);
        heal(wanted, 0, "Deployment.apps", path);
}

static bool unit_is(const char *prefix, const char *status) {
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&w.units, &i));)
                if (str_starts(e->key, prefix) && str_starts(e->value, status))
                        return true;
        return false;
}

static void a_deployment_becomes_ready_and_its_pods_are_units(void **state) {
        cleanup_(freep) char *path = in_ns("runs");
        struct thing *t = thing("Deployment.apps", path);

        apply_ok(DEPLOYMENT("runs", "2"));
        wait_for(t->last.ready == READY_YES);
        wait_for(unit_is("runs-", "active|peer-app|"));
        apply(DEPLOYMENT("runs", "0"), (struct asked){ 0 }, NULL);
        wait_for(unit_is("runs-", "gone"));
}

#define SECRET(text)                                                                               \
        "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"login\"},"            \
        "\"stringData\":{\"password\":\"" text "\"}}"

static void a_secret_is_filled_on_the_way_out_and_hidden_on_the_way_in(void **state) {
        static const char uri[] = "abcdefghijklmnopqrstuvwxyz";
        cleanup_(freep) char *path = in_ns("login");
        cleanup_(freep) char *url = ns_path("/api/v1", "secrets/login");
        cleanup_(freep) char *text = NULL;
        cleanup_(json_freep) json_t *after = NULL;
        struct secret_values *values = secret_values_new();
        char token[SECRET_TOKEN_MAX];
        cleanup_(freep) char *wanted =
                str_format(SECRET("%s"), secret_token_write(uri, 1, SECRET_PLAIN, token));
        struct thing *t = thing("Secret", path);
        struct drift_list list;
        struct op op;

        secret_values_add(values, uri, 1, "hunter2hunter2", 14);
        assert_int_equal(apply(wanted, (struct asked){ .first = true, .values = values }, &op),
                         OUTCOME_DONE);
        text = json_text(op.baseline);
        assert_null(strstr(text, "hunter2"));
        assert_null(strstr(text, "aHVudGVyM"));
        assert_non_null(strstr(text, "(hidden, "));
        op_clear(&op);
        after = fetch(url);
        assert_string_equal(json_get_str(json_get(after, "data"), "password", ""),
                            "aHVudGVyMmh1bnRlcjI=");
        edit(url,
             "[{\"op\":\"replace\",\"path\":\"/data/password\",\"value\":\"b3RoZXJvdGhlcg==\"}]");
        wait_for(drifted(t));
        list = drift_of("Secret", path);
        assert_int_equal(list.count, 1);
        assert_drift(&list.items[0], "data.password", "\"(hidden, differs)\"",
                     "\"(hidden, differs)\"", OTHER);
        drift_list_free(&list);
        free(text);
        text = json_text(t->last.found);
        assert_null(strstr(text, "b3RoZXJ"));
        assert_int_equal(apply(wanted, (struct asked){ .values = values }, NULL), OUTCOME_DONE);
        wait_for(in_place(t));
        secret_values_free(values);
}

static void a_token_outside_of_a_secret_is_refused(void **state) {
        struct op op;

        assert_int_equal(
                apply(CONFIG_MAP("leak",
                                 "{\"a\":\"{{secret:abcdefghijklmnopqrstuvwxyz:1:plain}}\"}"),
                      (struct asked){ .first = true }, &op),
                OUTCOME_REFUSED);
        assert_non_null(strstr(err_text(&op.err), "/data/a"));
        op_clear(&op);
}

static void what_is_there_and_not_ours_is_left_alone_until_adopted(void **state) {
        cleanup_(freep) char *url = ns_path("/api/v1", "configmaps?fieldManager=" OTHER);
        cleanup_(freep) char *one = ns_path("/api/v1", "configmaps/theirs");
        cleanup_(json_freep) json_t *after = NULL;
        struct op op;

        assert_int_equal(
                send("POST", "application/json", CONFIG_MAP("theirs", "{\"a\":\"theirs\"}"), url),
                201);
        assert_int_equal(apply(CONFIG_MAP("theirs", "{\"a\":\"ours\"}"),
                               (struct asked){ .first = true }, &op),
                         OUTCOME_CONFLICT);
        assert_non_null(strstr(err_text(&op.err), "mooringctl adopt configmap/theirs"));
        op_clear(&op);
        after = fetch(one);
        assert_string_equal(json_get_str(json_get(after, "data"), "a", ""), "theirs");
        assert_int_equal(apply(CONFIG_MAP("theirs", "{\"a\":\"ours\"}"),
                               (struct asked){ .first = true, .flags = APPLY_ADOPT }, &op),
                         OUTCOME_DONE);
        assert_false(op.created);
        op_clear(&op);
        json_freep(&after);
        after = fetch(one);
        assert_string_equal(json_get_str(json_get(after, "data"), "a", ""), "ours");
}

static void a_dry_run_writes_nothing(void **state) {
        cleanup_(freep) char *url = ns_path("/api/v1", "configmaps/dry");
        struct op op;

        assert_int_equal(apply(CONFIG_MAP("dry", "{\"a\":\"1\"}"),
                               (struct asked){ .flags = APPLY_DRY_RUN }, &op),
                         OUTCOME_DONE);
        op_clear(&op);
        assert_null(fetch(url));
}

static void an_unknown_field_is_refused_by_name(void **state) {
        struct op op;

        assert_int_equal(apply("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{"
                               "\"name\":\"odd\"},\"dta\":{\"a\":\"1\"}}",
                               (struct asked){ .first = true }, &op),
                         OUTCOME_REFUSED);
        assert_non_null(strstr(err_text(&op.err), "dta"));
        op_clear(&op);
}

static void an_object_waits_for_its_namespace(void **state) {
        struct op op;

        assert_int_equal(apply("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{"
                               "\"name\":\"x\",\"namespace\":\"no-such-ns\"}}",
                               (struct asked){ .first = true }, &op),
                         OUTCOME_NOT_YET);
        assert_non_null(strstr(err_text(&op.err), "no-such-ns"));
        op_clear(&op);
}

/* One CRD for all runs, with a group that carries the namespace, so that a second run meets
 * nothing of the first. */
static void a_kind_that_is_not_served_parks_its_object_until_it_is(void **state) {
        cleanup_(freep) char *crd =
                str_format("{\"apiVersion\":\"apiextensions.k8s.io/"
                           "v1\",\"kind\":\"CustomResourceDefinition\",\"metadata\":{\"name\":"
                           "\"boats.%s.example\"},"
                           "\"spec\":{\"group\":\"%s.example\",\"scope\":\"Namespaced\",\"names\":{"
                           "\"kind\":\"Boat\",\"plural\":\"boats\",\"singular\":\"boat\"},"
                           "\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,"
                           "\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":"
                           "{\"spec\":{\"type\":\"object\",\"properties\":{\"length\":{\"type\":"
                           "\"integer\"},\"crew\":{\"type\":\"array\","
                           "\"x-kubernetes-list-type\":\"map\",\"x-kubernetes-list-map-keys\":["
                           "\"name\"],\"items\":{\"type\":\"object\",\"required\":[\"name\"],"
                           "\"properties\":{\"name\":{\"type\":\"string\"},\"role\":{\"type\":"
                           "\"string\"}}}}}}}}}}]}}",
                           w.namespace, w.namespace);
        cleanup_(freep) char *boat = str_format(
                "{\"apiVersion\":\"%s.example/"
                "v1\",\"kind\":\"Boat\",\"metadata\":{\"name\":\"b\"},\"spec\":{\"length\":7,"
                "\"crew\":[{\"name\":\"jo\",\"role\":\"skipper\"}]}}",
                w.namespace);
        cleanup_(freep) char *name = str_format("boats.%s.example", w.namespace);
        cleanup_(freep) char *type = str_format("Boat.%s.example", w.namespace);
        cleanup_(freep) char *url =
                str_format("/apis/%s.example/v1/namespaces/%s/boats/b", w.namespace, w.namespace);
        cleanup_(freep) char *path = in_ns("b");
        struct thing *t = thing(type, path);
        struct thing *definition = thing("CustomResourceDefinition.apiextensions.k8s.io", name);
        struct drift_list list;
        struct op op;
        int changed;

        assert_int_equal(apply(boat, (struct asked){ .first = true }, &op), OUTCOME_NOT_YET);
        assert_non_null(strstr(err_text(&op.err), "does not serve"));
        op_clear(&op);
        changed = w.changed;
        apply_ok(crd);
        wait_for(definition->last.ready == READY_YES);
        wait_for(w.changed > changed);
        for (int64_t end = clock_mono() + DEADLINE_MS;
             apply(boat, (struct asked){ .first = true }, NULL) != OUTCOME_DONE;) {
                assert_true(clock_mono() < end);
                loop_step(w.loop, 50);
        }
        wait_for(in_place(t));
        edit(url, "[{\"op\":\"replace\",\"path\":\"/spec/crew/0/role\",\"value\":\"cook\"}]");
        wait_for(drifted(t));
        list = drift_of(type, path);
        assert_int_equal(list.count, 1);
        assert_drift(&list.items[0], "spec.crew[name=jo].role", "\"skipper\"", "\"cook\"", OTHER);
        drift_list_free(&list);
        heal(boat, 0, type, path);
}

#define JOB(image)                                                                                 \
        "{\"apiVersion\":\"batch/"                                                                 \
        "v1\",\"kind\":\"Job\",\"metadata\":{\"name\":\"fixed\"},\"spec\":{\"suspend\":true,"      \
        "\"template\":{\"spec\":"                                                                  \
        "{\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"main\",\"image\":\"" image       \
        "\"}]}}}}"

static void what_cannot_be_changed_says_so_and_is_made_anew_when_asked(void **state) {
        cleanup_(freep) char *path = in_ns("fixed");
        cleanup_(freep) char *uid = NULL;
        struct op op;

        assert_int_equal(apply(JOB("one"), (struct asked){ .first = true }, &op), OUTCOME_DONE);
        uid = str_dup(op.seen.incarnation);
        op_clear(&op);
        assert_int_equal(apply(JOB("two"), (struct asked){ 0 }, &op), OUTCOME_IMMUTABLE);
        assert_non_null(strstr(err_text(&op.err), "immutable"));
        op_clear(&op);
        assert_int_equal(apply(JOB("two"), (struct asked){ .flags = APPLY_RECREATE }, &op),
                         OUTCOME_DONE);
        assert_string_not_equal(op.seen.incarnation, uid);
        op_clear(&op);
}

static void a_wrong_value_is_refused_and_not_called_immutable(void **state) {
        struct op op;

        assert_int_equal(apply(DEPLOYMENT("wrong", "-1"), (struct asked){ .first = true }, &op),
                         OUTCOME_REFUSED);
        assert_non_null(strstr(err_text(&op.err), "spec.replicas"));
        op_clear(&op);
}

static void a_removal_waits_for_a_finalizer_and_names_it(void **state) {
        static const char wanted[] = "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{"
                                     "\"name\":\"held\",\"finalizers\":[\"example.com/hold\"]}}";
        cleanup_(freep) char *path = in_ns("held");
        cleanup_(freep) char *url = ns_path("/api/v1", "configmaps/held");
        struct thing *t = thing("ConfigMap", path);
        char uid[64];
        struct op op;

        assert_int_equal(apply(wanted, (struct asked){ .first = true }, &op), OUTCOME_DONE);
        str_copy(uid, sizeof(uid), op.seen.incarnation);
        op_clear(&op);
        run_call(kube->remove, NULL, "ConfigMap", path, &(struct asked){ .incarnation = uid }, &op);
        assert_int_equal(op.outcome, OUTCOME_RUNNING);
        assert_string_equal(op.token, uid);
        assert_non_null(strstr(err_text(&op.err), "example.com/hold"));
        op_clear(&op);
        wait_for(t->last.presence == PRESENCE_LEAVING);
        edit(url, "[{\"op\":\"remove\",\"path\":\"/metadata/finalizers\"}]");
        run_call(kube->remove, NULL, "ConfigMap", path,
                 &(struct asked){ .incarnation = uid, .token = uid }, &op);
        assert_int_equal(op.outcome, OUTCOME_GONE);
        op_clear(&op);
        wait_for(t->last.presence == PRESENCE_ABSENT);
}

static void only_the_incarnation_that_is_known_is_removed(void **state) {
        cleanup_(freep) char *path = in_ns("other-one");
        struct op op;

        apply_ok(CONFIG_MAP("other-one", "{}"));
        run_call(kube->remove, NULL, "ConfigMap", path,
                 &(struct asked){ .incarnation = "00000000-0000-0000-0000-000000000000" }, &op);
        assert_int_equal(op.outcome, OUTCOME_GONE);
        op_clear(&op);
        assert_int_equal(look("ConfigMap", path, &op), OUTCOME_DONE);
        op_clear(&op);
}

static void a_look_at_what_is_not_there_says_gone(void **state) {
        cleanup_(freep) char *path = in_ns("nothing");
        struct op op;

        assert_int_equal(look("ConfigMap", path, &op), OUTCOME_GONE);
        assert_int_equal(op.seen.presence, PRESENCE_ABSENT);
        op_clear(&op);
}

static void a_cancelled_operation_is_never_heard_of(void **state) {
        cleanup_(freep) char *path = in_ns("cancelled");
        bool done = false;
        struct op op = { .loop = w.loop, .done = on_done, .arg = &done };
        struct apply_request r = { .type = "ConfigMap", .path = path, .marks = w.marks };

        kube->look(w.target, &r, &op);
        loop_step(w.loop, 0);
        kube->cancel(&op);
        for (int i = 0; i < 20; i++)
                loop_step(w.loop, 5);
        assert_false(done);
}

/* ---- a watch whose version is too old */

static int old_listed, old_items;

static void old_item(void *arg, enum watch_event event, struct scan_slice object) {
        old_items++;
}

static void old_list(void *arg, bool begin) {
        old_listed += !begin;
}

static void old_health(void *arg, const struct watch_health *h) {
}

static void a_watch_from_an_old_version_brings_all_that_happened_since(void **state) {
        struct watch_config c = {
                .loop = w.loop,
                .http = w.http,
                .server = w.server,
                .path = "/api/v1/configmaps",
                .version = "1",
                .item = old_item,
                .listed = old_list,
                .health = old_health,
        };
        struct watch *watch = watch_new(&c);

        /* 410 and a list, or all events since: either way every object comes. */
        watch_start(watch);
        wait_for(old_items > 3);
        watch_free(watch);
}

/* ---- setup */

static const struct observer observer = {
        .interest = on_interest,
        .observed = on_observed,
        .unit = on_unit,
        .listed = on_listed,
        .reach = on_reach,
        .warning = on_warning,
        .changed = on_changed,
};

static void open_target(void) {
        static const uint8_t key[DIGEST_SIZE] = "a key for hashes of what is seen";
        struct target_config c = {
                .id = 1,
                .name = "peer",
                .config = w.config,
                .credential = w.credential,
                .marks = w.marks,
                .hash_key = key,
                .http = w.http,
                .loop = w.loop,
        };
        struct err err = { 0 };

        if (kube->open(&c, &observer, &w.target, &err) < 0)
                fail_msg("%s", err_text(&err));
}

static void make_server(void) {
        struct http_server_config c = {
                .url = json_get_str(w.config, "server", ""),
                .ca_pem = json_get_str(w.credential, "ca", NULL),
                .cert_pem = json_get_str(w.credential, "cert", NULL),
                .key_pem = json_get_str(w.credential, "key", NULL),
        };
        struct err err = { 0 };

        if (http_server_new(&c, &w.server, &err) < 0)
                fail_msg("%s", err_text(&err));
}

static int setup(void **state) {
        struct err err = { 0 };
        cleanup_(freep) char *controller = NULL;
        cleanup_(freep) char *namespace = NULL;

        snprintf(w.namespace, sizeof(w.namespace), "peer-%x-%x", (unsigned)getpid(),
                 (unsigned)clock_wall());
        controller = str_format("c-%s", w.namespace);
        w.marks = json_object();
        json_object_set_new(w.marks, "controller", json_string(controller));
        json_object_set_new(w.marks, "model", json_string(w.namespace));
        json_object_set_new(w.marks, "application", json_string("peer-app"));
        if (kubeconfig_flatten(getenv("KUBECONFIG"), NULL, &w.config, &w.credential, &err) < 0 ||
            loop_new(&w.loop, &err) < 0 || http_new(w.loop, &w.http, &err) < 0) {
                print_error("%s\n", err_text(&err));
                return -1;
        }
        make_server();
        open_target();
        namespace = str_format(
                "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"%s\"}}",
                w.namespace);
        wait_for(w.reachable);
        apply_ok(namespace);
        return 0;
}

static void thing_free(void *p) {
        struct thing *t = p;

        kube->projection_free(t->projection);
        json_decref(t->baseline);
        observation_clear(&t->last);
        free(t);
}

static int teardown(void **state) {
        cleanup_(freep) char *crd = str_format(
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/boats.%s.example",
                w.namespace);
        cleanup_(freep) char *namespace = str_format("/api/v1/namespaces/%s", w.namespace);

        send("DELETE", "application/json", NULL, crd);
        send("DELETE", "application/json", NULL, namespace);
        kube->close(w.target);
        http_server_unref(w.server);
        http_free(w.http);
        loop_free(w.loop);
        map_free_with(&w.things, thing_free);
        map_free_with(&w.units, free);
        json_decref(w.config);
        json_decref(w.credential);
        json_decref(w.marks);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_cluster_is_reached_and_says_which_it_is),
                cmocka_unit_test(an_applied_object_is_seen_in_place_by_the_watch),
                cmocka_unit_test(an_identical_apply_changes_nothing),
                cmocka_unit_test(a_changed_value_is_drift_with_its_writer_and_is_healed),
                cmocka_unit_test(a_removed_field_is_drift_without_a_writer),
                cmocka_unit_test(a_field_that_is_not_ours_is_no_drift),
                cmocka_unit_test(a_deleted_object_is_absent_and_comes_back),
                cmocka_unit_test(a_removed_label_of_ours_is_drift_and_not_a_deletion),
                cmocka_unit_test(a_port_edited_by_hand_is_healed_by_taking_it_over),
                cmocka_unit_test(a_renamed_container_is_told_and_goes_when_taken_over),
                cmocka_unit_test(a_field_of_a_pod_template_has_a_readable_path),
                cmocka_unit_test(a_deployment_becomes_ready_and_its_pods_are_units),
                cmocka_unit_test(a_secret_is_filled_on_the_way_out_and_hidden_on_the_way_in),
                cmocka_unit_test(a_token_outside_of_a_secret_is_refused),
                cmocka_unit_test(what_is_there_and_not_ours_is_left_alone_until_adopted),
                cmocka_unit_test(a_dry_run_writes_nothing),
                cmocka_unit_test(an_unknown_field_is_refused_by_name),
                cmocka_unit_test(an_object_waits_for_its_namespace),
                cmocka_unit_test(a_kind_that_is_not_served_parks_its_object_until_it_is),
                cmocka_unit_test(what_cannot_be_changed_says_so_and_is_made_anew_when_asked),
                cmocka_unit_test(a_wrong_value_is_refused_and_not_called_immutable),
                cmocka_unit_test(a_removal_waits_for_a_finalizer_and_names_it),
                cmocka_unit_test(only_the_incarnation_that_is_known_is_removed),
                cmocka_unit_test(a_look_at_what_is_not_there_says_gone),
                cmocka_unit_test(a_cancelled_operation_is_never_heard_of),
                cmocka_unit_test(a_watch_from_an_old_version_brings_all_that_happened_since),
        };

        if (!getenv("KUBECONFIG")) {
                print_message("no KUBECONFIG: nothing to test against (tools/peers run DIR ...)\n");
                return 77;
        }
        return cmocka_run_group_tests(tests, setup, teardown);
}
