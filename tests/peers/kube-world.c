/* SPDX-License-Identifier: Apache-2.0 */
/* kube-world.c - the world of kube-world.h: opened in setup, in a namespace of its own, and left
 * clean */
#include "kube-world.h"

struct world w;
const struct provider *const kube = &provider_kube;

/* ---- observer */

struct thing *world_thing(const char *type, const char *path) {
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
        struct thing *t = world_thing(type, path);

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

void world_done(struct op *op) {
        *(bool *)op->arg = true;
}

/* ---- the provider's calls, waited for */

json_t *world_parse(const char *text) {
        struct err err = { 0 };
        json_t *j = NULL;

        if (json_parse(text, strlen(text), &j, &err) < 0)
                fail_msg("%s in %s", err_text(&err), text);
        return j;
}

void world_call(call *fn, const json_t *wanted, const char *type, const char *path,
                const struct asked *a, struct op *op) {
        struct thing *t = world_thing(type, path);
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
                .since = a->since,
                .flags = a->flags,
        };

        *op = (struct op){ .loop = w.loop, .done = world_done, .arg = &done };
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
        memcpy(t->digest, op->baseline_digest, DIGEST_SIZE);
        t->interest.baseline = t->digest;
        /* The watch may have brought it before the answer came; then there is no other event. */
        t->last.presence = op->seen.presence;
        t->last.digest_valid = op->seen.digest_valid;
        memcpy(t->last.digest, op->seen.digest, DIGEST_SIZE);
}

enum outcome world_apply_tree(const json_t *wanted, struct asked a, struct op *ret) {
        cleanup_(identity_free) struct identity id = { 0 };
        struct err err = { 0 };
        struct op op;

        if (kube->identify(wanted, w.namespace, &id, &err) < 0)
                fail_msg("%s", err_text(&err));
        kube->follow(w.target, id.type);
        world_call(kube->apply, wanted, id.type, id.path, &a, &op);
        if (op.outcome == OUTCOME_DONE && op.fields && !(a.flags & APPLY_DRY_RUN))
                remember(world_thing(id.type, id.path), &op);
        if (ret)
                *ret = op;
        else
                op_clear(&op);
        return op.outcome;
}

enum outcome world_apply(const char *text, struct asked a, struct op *ret) {
        cleanup_(json_freep) json_t *wanted = world_parse(text);

        return world_apply_tree(wanted, a, ret);
}

void world_apply_ok(const char *text) {
        struct op op;

        if (world_apply(text, (struct asked){ .first = true }, &op) != OUTCOME_DONE)
                fail_msg("%s: %s", outcome_name(op.outcome), err_text(&op.err));
        op_clear(&op);
}

enum outcome world_look(const char *type, const char *path, struct op *ret) {
        world_call(kube->look, NULL, type, path, &(struct asked){ 0 }, ret);
        return ret->outcome;
}

char *world_path(const char *name) {
        return str_format("%s/%s", w.namespace, name);
}

/* ---- somebody else's writes */

long world_send(const char *method, const char *type, const char *body, const char *path) {
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

void world_edit(const char *path, const char *patch) {
        cleanup_(freep) char *full = str_format("%s?fieldManager=" OTHER, path);

        assert_int_equal(world_send("PATCH", "application/json-patch+json", patch, full), 200);
}

json_t *world_fetch(const char *path) {
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

char *world_url(const char *api, const char *rest) {
        return str_format("%s/namespaces/%s/%s", api, w.namespace, rest);
}

/* ---- what the watch brought */

/* The newest observation differs from the baseline: its drift. */
struct drift_list world_drift(const char *type, const char *path) {
        struct thing *t = world_thing(type, path);
        struct apply_request r = {
                .type = type, .path = path, .projection = t->projection, .baseline = t->baseline
        };
        struct drift_list list = { 0 };
        struct err err = { 0 };

        if (kube->compare(&r, &t->last, &list, &err) < 0)
                fail_msg("%s", err_text(&err));
        return list;
}

bool world_drifted(const struct thing *t) {
        return t->last.presence == PRESENCE_PRESENT && t->last.digest_valid &&
               memcmp(t->last.digest, t->digest, DIGEST_SIZE) != 0;
}

bool world_in_place(const struct thing *t) {
        return t->last.presence == PRESENCE_PRESENT && t->last.digest_valid &&
               memcmp(t->last.digest, t->digest, DIGEST_SIZE) == 0;
}

void world_assert_drift(const struct drift *d, const char *field, const char *wanted,
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
void world_heal(const char *text, unsigned flags, const char *type, const char *path) {
        struct thing *t = world_thing(type, path);
        uint8_t before[DIGEST_SIZE];
        struct op op;

        memcpy(before, t->digest, DIGEST_SIZE);
        if (world_apply(text, (struct asked){ .flags = flags }, &op) != OUTCOME_DONE)
                fail_msg("%s: %s", outcome_name(op.outcome), err_text(&op.err));
        assert_memory_equal(before, op.baseline_digest, DIGEST_SIZE);
        op_clear(&op);
        wait_for(world_in_place(t));
}

bool world_unit_is(const char *prefix, const char *status) {
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&w.units, &i));)
                if (str_starts(e->key, prefix) && str_starts(e->value, status))
                        return true;
        return false;
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

/* The other writer comes with the same login. */
static void authorize(void *arg, struct buf *ret_value) {
        const char *token = json_get_str(w.credential, "token", NULL);

        if (token)
                buf_printf(ret_value, "Bearer %s", token);
}

static void make_server(void) {
        struct http_server_config c = {
                .url = json_get_str(w.config, "server", ""),
                .ca_pem = json_get_str(w.credential, "ca", NULL),
                .cert_pem = json_get_str(w.credential, "cert", NULL),
                .key_pem = json_get_str(w.credential, "key", NULL),
                .authorize = authorize,
        };
        struct err err = { 0 };

        if (http_server_new(&c, &w.server, &err) < 0)
                fail_msg("%s", err_text(&err));
}

int world_setup(void **state) {
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
        world_apply_ok(namespace);
        return 0;
}

static void thing_free(void *p) {
        struct thing *t = p;

        kube->projection_free(t->projection);
        json_decref(t->baseline);
        observation_clear(&t->last);
        free(t);
}

int world_teardown(void **state) {
        cleanup_(freep) char *crd = str_format(
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/boats.%s.example",
                w.namespace);
        cleanup_(freep) char *namespace = str_format("/api/v1/namespaces/%s", w.namespace);

        world_send("DELETE", "application/json", NULL, crd);
        world_send("DELETE", "application/json", NULL, namespace);
        kube->close(w.target);
        http_server_unref(w.server);
        http_free(w.http);
        loop_free(w.loop);
        map_free_with(&w.things, thing_free);
        map_free_with(&w.units, free);
        json_decref(w.config);
        json_decref(w.credential);
        json_decref(w.marks);
        w = (struct world){ 0 };
        return 0;
}

int world_exit(int failed) {
        if (!failed)
                return 0;
        fflush(NULL);
        _exit(1);
}
