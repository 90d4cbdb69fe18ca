/* SPDX-License-Identifier: Apache-2.0 */
/* desk.c - see desk.h */
#include "desk.h"

#include "clock.h"
#include "yaml.h"

static void add_cluster(struct desk *d) {
        cleanup_(json_freep) json_t *config = json_pack("{s:s}", "server", "https://127.0.0.1:1");
        struct command_cluster_add add = { .head.run = command_cluster_add,
                                           .name = "aks",
                                           .config = config };

        assert_int_equal(desk_run(d, &add.head), 0);
        command_deinit(&add.head);
}

static void add_model(struct desk *d) {
        struct command_model add = { .head.run = command_model_add,
                                     .model = "lab",
                                     .cluster = "aks" };

        assert_int_equal(desk_run(d, &add.head), 0);
        command_deinit(&add.head);
}

int desk_set_up(void **state) {
        struct desk *d = mem_new(struct desk);
        struct seal_options o = {};
        void *fixture = NULL;
        struct err err = {};
        char *made = NULL;

        fixture_set_up(&fixture, &store_engine_sqlite);
        d->fixture = fixture;
        o.state_dir = d->fixture->dir;
        if (seal_new(&o, &d->sealer, &made, &err) < 0)
                fail_msg("%s", err_text(&err));
        free(made);
        add_cluster(d);
        add_model(d);
        *state = d;
        return 0;
}

int64_t desk_midnight(void) {
        int64_t at;

        assert_true(clock_parse_iso("2026-03-02T00:00:00Z", &at));
        clock_fake(1000, at);
        return at;
}

int desk_tear_down(void **state) {
        struct desk *d = *state;
        void *fixture = d->fixture;

        for (size_t i = 0; d->charms[i]; i++)
                charm_meta_free(d->charms[i]);
        json_decref(d->reply);
        seal_free(d->sealer);
        fixture_tear_down(&fixture);
        free(d);
        return 0;
}

/* ---- charms */

void desk_charm_take(struct desk *d, struct charm_meta *m) {
        size_t n = 0;

        while (d->charms[n])
                n++;
        assert_true(n + 1 < ARRAY_SIZE(d->charms));
        d->charms[n] = m;
}

void desk_charm(struct desk *d, const char *yaml) {
        struct charm_meta *m = NULL;
        struct err err = {};

        if (charm_meta_parse(yaml, strlen(yaml), "charm.yaml", &m, &err) < 0)
                fail_msg("%s", err_text(&err));
        desk_charm_take(d, m);
}

void desk_mlflow_charms(struct desk *d) {
        desk_charm(
                d,
                "name: minio\n"
                "scale: {default: 1, max: 1, zero-keeps-data: true}\n"
                "provides:\n"
                "  object-storage: {interface: object-storage}\n"
                "  metrics-endpoint: {interface: prometheus_scrape}\n"
                "storage: {minio-data: {type: filesystem, location: /data, minimum-size: 10G}}\n"
                "resources: {oci-image: {type: oci-image, upstream-source: \"minio@sha256:00\"}}\n"
                "config:\n"
                "  options:\n"
                "    port: {type: int, default: 9000, min: 1, max: 65535}\n"
                "    mode: {type: string, default: server, enum: [server, gateway]}\n"
                "    secret-key: {type: string, secret: true, min: 8}\n");
        desk_charm(d, "name: mysql-k8s\n"
                      "scale: {default: 1, max: 1}\n"
                      "provides:\n"
                      "  database: {interface: mysql_client}\n"
                      "  metrics-endpoint: {interface: prometheus_scrape}\n"
                      "peers: {database-peers: {interface: mysql_peers}}\n"
                      "storage: {database: {type: filesystem, location: /var/lib/mysql}}\n"
                      "config: {options: {profile: {type: string, default: production}}}\n");
        desk_charm(d, "name: mlflow-server\n"
                      "requires:\n"
                      "  relational-db: {interface: mysql_client, limit: 1}\n"
                      "  object-storage: {interface: object-storage, limit: 1}\n"
                      "provides: {metrics-endpoint: {interface: prometheus_scrape}}\n"
                      "config: {options: {mlflow_port: {type: int, default: 5000}}}\n");
}

struct charm_meta *desk_find_charm(struct desk *d, const char *name) {
        for (size_t i = 0; d->charms[i]; i++) {
                if (str_eq(d->charms[i]->name, name))
                        return d->charms[i];
        }
        return NULL;
}

void desk_choose(struct desk *d, const char *charm, struct charm_choice *ret) {
        const struct charm_meta *m = charm ? desk_find_charm(d, charm) : NULL;
        cleanup_(freep) char *why = str_format("no charm module \"%s\"", charm ? charm : "");
        char hex[DIGEST_HEX_SIZE];

        if (!m) {
                charm_choice_missing(ret, false, why);
                return;
        }
        charm_choice_found(ret, digest_sha256_hex(charm, strlen(charm), hex), m);
}

/* ---- commands */

static void take_reply(struct desk *d, const char *text) {
        json_decref(d->reply);
        d->reply = NULL;
        assert_int_equal(json_parse(text, strlen(text), &d->reply, NULL), 0);
}

int desk_run(struct desk *d, struct command *c) {
        struct waited *w = waited_new(d->fixture, "command", command_run, NULL);
        int r;

        c->sealer = d->sealer;
        c->actor = c->actor ? c->actor : "uid 1000 (alice)";
        w->call.arg = c;
        waited_submit(w);
        r = waited_wait(w);
        d->err = w->err;
        take_reply(d, w->answer ? w->answer : c->reply ? c->reply : "{}");
        waited_free(w);
        return r;
}

int desk_deploy(struct desk *d, const char *text, bool dry_run) {
        struct bundle_source source = { "b.yaml", text, strlen(text) };
        cleanup_(bundle_freep) struct bundle *b = bundle_parse(&source, 1, NULL);
        cleanup_(freep) struct charm_choice *choices =
                mem_array(struct charm_choice, b->application_count + 1);
        struct command_bundle c = { .head.run = command_deploy_bundle,
                                    .head.dry_run = dry_run,
                                    .model = "lab",
                                    .bundle = b,
                                    .choices = choices };
        int r;

        for (size_t i = 0; i < b->application_count; i++)
                desk_choose(d, b->applications[i].charm, &choices[i]);
        r = desk_run(d, &c.head);
        for (size_t i = 0; i < b->application_count; i++)
                charm_choice_deinit(&choices[i]);
        command_deinit(&c.head);
        return r;
}

void desk_deployed(struct desk *d, const char *text) {
        if (desk_deploy(d, text, false) < 0)
                fail_msg("%s", desk_error(d, 0));
}

size_t desk_changes(const struct desk *d) {
        return json_array_size(json_get(d->reply, "changes"));
}

static const char *text_at(const struct desk *d, const char *list, size_t i) {
        return json_get_str(json_array_get(json_get(d->reply, list), i), "text", "");
}

const char *desk_change(const struct desk *d, size_t i) {
        return text_at(d, "changes", i);
}

const char *desk_error(const struct desk *d, size_t i) {
        return text_at(d, "errors", i);
}

static bool has(const struct desk *d, const char *list, const char *text) {
        const json_t *items = json_get(d->reply, list);
        size_t i;
        json_t *item;

        json_array_foreach(items, i, item) {
                cleanup_(freep) char *whole = str_format(
                        "%s:%lld: %s", json_get_str(item, "file", ""),
                        (long long)json_get_int(item, "line", 0), json_get_str(item, "text", ""));

                if (strstr(whole, text))
                        return true;
        }
        return false;
}

bool desk_has_error(const struct desk *d, const char *text) {
        return has(d, "errors", text);
}

bool desk_has_note(const struct desk *d, const char *text) {
        return has(d, "notes", text);
}

int desk_small_set_up(void **state) {
        int r = desk_set_up(state);

        desk_mlflow_charms(*state);
        assert_int_equal(desk_deploy(*state,
                                     "bundle: kubernetes\napplications:\n"
                                     "  store: {charm: minio}\n"
                                     "  db: {charm: mysql-k8s}\n"
                                     "  server: {charm: mlflow-server}\n",
                                     false),
                         0);
        return r;
}

int desk_application(struct desk *d, int (*run)(struct tx *, struct command *, struct err *),
                     struct command_application c) {
        int r;

        c.head = (struct command){ .run = run };
        c.model = "lab";
        r = desk_run(d, &c.head);
        command_deinit(&c.head);
        return r;
}

/* ---- reads */

struct reading {
        desk_view fn;
        const void *arg;
        json_t *document;
};

static int run_read(struct tx *tx, struct store_call *c, struct err *err) {
        struct reading *r = c->arg;

        json_decref(r->document);
        r->document = NULL;
        return r->fn(tx, r->arg, &r->document, err);
}

int desk_read(struct desk *d, desk_view fn, const void *arg) {
        struct waited *w = waited_new(d->fixture, "read", run_read, NULL);
        struct reading reading = { fn, arg, NULL };
        int r;

        w->call.arg = &reading;
        waited_read(w);
        r = waited_wait(w);
        d->err = w->err;
        json_decref(d->reply);
        d->reply = reading.document;
        waited_free(w);
        return r;
}

static int read_status(struct tx *tx, const void *arg, json_t **ret, struct err *err) {
        static const struct view_filter all = { .relations = true, .storage = true, .units = true };

        return view_model_status(tx, "lab", &all, ret, err);
}

json_t *desk_status(struct desk *d) {
        assert_int_equal(desk_read(d, read_status, NULL), 0);
        return d->reply;
}

static int read_bundle(struct tx *tx, const void *arg, json_t **ret, struct err *err) {
        return view_model_bundle(tx, "lab", arg, ret, err);
}

char *desk_export(struct desk *d, const struct sealer *sealer) {
        struct buf out = BUF_INIT;

        assert_int_equal(desk_read(d, read_bundle, sealer), 0);
        yaml_write(d->reply, &out);
        return buf_take(&out);
}

static int read_id(struct tx *tx, const void *arg, json_t **ret, struct err *err) {
        const struct q_application_row *a;
        const struct q_model_row *m;
        int r = lookup_model(tx, "lab", &m, err);

        if (r >= 0)
                r = lookup_application(tx, m, arg, &a, err);
        if (r >= 0)
                *ret = json_integer(a->id);
        return r;
}

int64_t desk_application_id(struct desk *d, const char *name) {
        return desk_read(d, read_id, name) < 0 ? 0 : json_integer_value(d->reply);
}

struct writing {
        int (*fn)(struct tx *tx, int64_t id, struct err *err);
        int64_t id;
};

static int run_write(struct tx *tx, struct store_call *c, struct err *err) {
        struct writing *w = c->arg;

        return w->fn(tx, w->id, err);
}

int desk_write(struct desk *d, int (*fn)(struct tx *tx, int64_t id, struct err *err), int64_t id) {
        struct waited *w = waited_new(d->fixture, "write", run_write, NULL);
        struct writing writing = { fn, id };
        int r;

        w->call.arg = &writing;
        waited_submit(w);
        r = waited_wait(w);
        d->err = w->err;
        waited_free(w);
        return r;
}
