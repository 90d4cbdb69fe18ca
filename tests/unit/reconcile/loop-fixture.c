/* SPDX-License-Identifier: Apache-2.0 */
/* loop-fixture.c - see loop-fixture.h */
#include "loop-fixture.h"

#include "clock.h"
#include "kubeconfig-flatten.h"
#include "output.h"

#include <setjmp.h>
#include <cmocka.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONG_WHILE_MS 120000 /* generous, because a loaded machine is no failure */
#define STEP_MS 20           /* how often a condition is looked at while nothing happens */

static void on_mark(void *arg, enum store_mark kind, int64_t id) {
        struct fixture *f = arg;

        if (f->rec)
                reconcile_mark(f->rec, kind, id);
}

/* ---- the simulator */

static void start_sim(struct fixture *f) {
        int64_t end = clock_mono() + LONG_WHILE_MS;
        struct stat st;

        f->kubeconfig = str_format("%s/kubeconfig", f->dir);
        f->sim = fork();
        if (f->sim == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                execl(TEST_SIM, TEST_SIM, "--pod-start", "20ms", "--kubeconfig", f->kubeconfig,
                      NULL);
                _exit(127);
        }
        while (stat(f->kubeconfig, &st) < 0 || st.st_size == 0) {
                assert_true(clock_mono() < end);
                usleep(STEP_MS * 1000);
        }
}

/* ---- parts */

static void open_state(struct fixture *f) {
        struct store_options store = {
                .state_dir = f->dir, .engine = f->engine, .mark = on_mark, .arg = f
        };
        struct seal_options seal = { .state_dir = f->dir };
        struct err err = { 0 };

        if (store_open(f->loop, &store, &f->store, &err) < 0 ||
            seal_new(&seal, &f->sealer, NULL, &err) < 0)
                fail_msg("%s", err_text(&err));
}

static void open_charms(struct fixture *f) {
        static const char *const dirs[] = { TEST_CHARM_DIR, NULL };
        struct charm_host_options o = {
                .state_dir = f->dir, .charm_dirs = dirs, .worker = TEST_WORKER, .sandbox = true
        };
        struct err err = { 0 };

        if (charm_host_new(f->loop, &o, &f->host, &err) < 0 || charm_host_scan(f->host, &err) < 0)
                fail_msg("%s", err_text(&err));
}

void fixture_open(struct fixture *f) {
        struct reconcile_options o = { .limits = LIMITS_DEFAULT,
                                       .state_dir = f->dir,
                                       .controller = "test-controller" };
        struct err err = { 0 };

        assert_int_equal(loop_new(&f->loop, NULL), 0);
        open_state(f);
        open_charms(f);
        assert_int_equal(http_new(f->loop, &f->http, NULL), 0);
        o.loop = f->loop;
        o.store = f->store;
        o.sealer = f->sealer;
        o.host = f->host;
        o.http = f->http;
        if (reconcile_new(&o, &f->rec, &err) < 0 || reconcile_start(f->rec, &err) < 0)
                fail_msg("%s", err_text(&err));
}

void fixture_close(struct fixture *f) {
        if (f->rec)
                reconcile_stop(f->rec);
        if (f->loop)
                loop_finish_jobs(f->loop);
        f->store = store_close(f->store);
        f->rec = reconcile_free(f->rec);
        f->host = charm_host_free(f->host);
        f->http = http_free(f->http);
        f->sealer = seal_free(f->sealer);
        f->loop = loop_free(f->loop);
}

/* ---- the folder goes also when a test crashes, or its setup fails and no teardown is run */

static void remove_when_told(const char *path, pid_t parent) {
        sigset_t end;
        int got;

        sigemptyset(&end);
        sigaddset(&end, SIGTERM);
        setsid(); /* whoever kills the test's group does not kill this */
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() == parent)
                sigwait(&end, &got);
        execlp("sh", "sh", "-c", "chmod -R u+w \"$0\"; rm -rf \"$0\"", path, NULL);
        _exit(127);
}

void fixture_folder(struct fixture *f) {
        pid_t self = getpid();
        sigset_t end, before;

        assert_non_null(mkdtemp(f->dir));
        sigemptyset(&end);
        sigaddset(&end, SIGTERM);
        sigprocmask(SIG_BLOCK, &end, &before);
        f->remover = fork();
        if (f->remover == 0)
                remove_when_told(f->dir, self);
        sigprocmask(SIG_SETMASK, &before, NULL);
}

static void end_process(pid_t pid) {
        kill(pid, SIGTERM);
        waitpid(pid, NULL, 0);
}

void fixture_init(struct fixture *f, const struct store_engine *engine) {
        extern const struct provider provider_kube;

        *f = (struct fixture){ .engine = engine, .dir = FIXTURE_DIR };
        fixture_folder(f);
        slow_reset();
        provider_set_table(slow_table(&provider_kube));
        start_sim(f);
        fixture_open(f);
}

void fixture_deinit(struct fixture *f) {
        fixture_close(f);
        end_process(f->sim);
        provider_set_table(NULL);
        slow_reset();
        end_process(f->remover);
        free(f->kubeconfig);
        free(f->server);
        free(f->token);
}

/* ---- turning the loop */

void fixture_until(struct fixture *f, const char *what,
                   bool (*fn)(struct fixture *f, const void *arg), const void *arg) {
        int64_t end = clock_mono() + LONG_WHILE_MS;

        while (!fn(f, arg)) {
                if (clock_mono() >= end)
                        fail_msg("waited in vain for %s", what);
                loop_step(f->loop, STEP_MS);
        }
}

static bool is_idle(struct fixture *f, const void *arg) {
        return reconcile_idle(f->rec);
}

void fixture_settle(struct fixture *f) {
        /* What a handler leaves for later is not yet in the queue when it is looked at first. */
        for (int i = 0; i < 10; i++) {
                loop_step(f->loop, STEP_MS);
                fixture_until(f, "an idle reconciler", is_idle, NULL);
        }
}

struct wanted_status {
        const char *name, *word, *text;
        char said[512];
};

static bool has_status(struct fixture *f, const void *arg) {
        struct wanted_status *w = (struct wanted_status *)arg;
        cleanup_(json_freep) json_t *all = reconcile_status(f->rec, FIXTURE_MODEL);
        const json_t *a = json_get(all, w->name);

        snprintf(w->said, sizeof(w->said), "%s: %s", json_get_str(a, "current", "?"),
                 json_get_str(a, "message", ""));
        return str_eq(json_get_str(a, "current", ""), w->word) &&
               strstr(json_get_str(a, "message", ""), w->text);
}

void fixture_until_status(struct fixture *f, const char *name, const char *word, const char *text) {
        struct wanted_status w = { .name = name, .word = word, .text = text };
        int64_t end = clock_mono() + LONG_WHILE_MS;

        while (!has_status(f, &w)) {
                if (clock_mono() >= end)
                        fail_msg("%s is not \"%s: %s\" but \"%s\"", name, word, text, w.said);
                loop_step(f->loop, STEP_MS);
        }
}

/* ---- commands */

struct waited {
        struct store_call call;
        bool done;
        int result;
        struct err err;
};

static void on_done(struct store_call *c, int r, const struct err *err) {
        struct waited *w = container_of(c, struct waited, call);

        w->done = true;
        w->result = r;
        if (r < 0)
                w->err = *err;
}

static bool is_done(struct fixture *f, const void *arg) {
        return ((const struct waited *)arg)->done;
}

static int submit(struct fixture *f, int (*run)(struct tx *, struct store_call *, struct err *),
                  void *arg, struct err *err) {
        struct waited *w = mem_new(struct waited);
        int r;

        w->call = (struct store_call){
                .lane = STORE_COMMAND, .actor = "test", .run = run, .done = on_done, .arg = arg
        };
        store_submit(f->store, &w->call);
        fixture_until(f, "a write", is_done, w);
        r = w->result;
        if (err)
                *err = w->err;
        free(w);
        return r;
}

int fixture_write(struct fixture *f, int (*run)(struct tx *, struct store_call *, struct err *),
                  void *arg) {
        return submit(f, run, arg, NULL);
}

int fixture_command(struct fixture *f, struct command *c, struct err *err) {
        int r;

        c->sealer = f->sealer;
        c->actor = "test";
        r = submit(f, command_run, c, err);
        command_deinit(c);
        return r;
}

static void must(struct fixture *f, struct command *c) {
        struct err err = { 0 };

        if (fixture_command(f, c, &err) < 0)
                fail_msg("%s", err_text(&err));
}

static void add_cluster(struct fixture *f) {
        cleanup_(json_freep) json_t *config = NULL, *credential = NULL;
        cleanup_(buf_free) struct buf sealed = BUF_INIT;
        cleanup_(freep) char *text = NULL;
        struct seal_place at = { "target", "credential", "sim", 1 };
        struct err err = { 0 };

        if (kubeconfig_flatten(f->kubeconfig, NULL, &config, &credential, &err) < 0)
                fail_msg("%s", err_text(&err));
        f->server = str_dup(json_get_str(config, "server", ""));
        f->token = str_dup(json_get_str(credential, "token", ""));
        text = json_text(credential);
        assert_int_equal(seal_value(f->sealer, &at, text, strlen(text), &sealed, NULL), 0);
        must(f, &(struct command_cluster_add){ .head = { .run = command_cluster_add },
                                               .name = "sim",
                                               .config = config,
                                               .credential = sealed.data,
                                               .credential_len = sealed.len }
                         .head);
        must(f, &(struct command_model){ .head = { .run = command_model_add },
                                         .model = FIXTURE_MODEL,
                                         .cluster = "sim" }
                         .head);
}

void fixture_deploy(struct fixture *f, const char *name, json_t *options) {
        cleanup_(json_freep) json_t *owned = options;
        const struct charm_offer *offer;
        struct charm_choice choice = { 0 };
        struct err err = { 0 };

        if (!f->server)
                add_cluster(f);
        if (charm_host_find(f->host, "across", NULL, -1, &offer, &err) < 0 ||
            charm_host_pin(f->host, offer, &err) < 0)
                fail_msg("%s", err_text(&err));
        charm_choice_found(&choice, offer->sha256, offer->meta);
        must(f, &(struct command_charm){ .head = { .run = command_deploy_charm },
                                         .model = FIXTURE_MODEL,
                                         .application = name,
                                         .charm = "across",
                                         .revision = -1,
                                         .scale = -1,
                                         .trust = -1,
                                         .options = options,
                                         .choice = &choice }
                         .head);
        charm_choice_deinit(&choice);
}

void fixture_config(struct fixture *f, const char *name, json_t *set) {
        cleanup_(json_freep) json_t *owned = set;

        must(f, &(struct command_config){ .head = { .run = command_config_set },
                                          .model = FIXTURE_MODEL,
                                          .application = name,
                                          .set = set }
                         .head);
}

/* ---- what there is */

char *fixture_why(struct fixture *f, const char *subject) {
        cleanup_(json_freep) json_t *list = reconcile_why(f->rec, FIXTURE_MODEL, subject, NULL);
        struct buf text = BUF_INIT;
        json_t *line;
        size_t i;

        json_array_foreach(list, i, line)
                buf_printf(&text, "%s: %s\n", json_get_str(line, "subject", ""),
                           json_get_str(line, "text", ""));
        return buf_take(&text);
}

/* The reply's object, or NULL; the status in *RET_STATUS. */
static json_t *ask(struct fixture *f, const char *method, const char *path, const char *type,
                   const char *body, long *ret_status) {
        struct http_server_config config = { .url = f->server };
        cleanup_(freep) char *bearer = str_format("Authorization: Bearer %s", f->token);
        struct http_server *server;
        const char *headers[] = { bearer, type, NULL };
        struct http_request r = { .method = method, .path = path, .headers = headers };
        json_t *object = NULL;

        assert_int_equal(http_server_new(&config, &server, NULL), 0);
        r.server = server;
        r.body = body;
        r.body_len = body ? strlen(body) : 0;
        assert_int_equal(http_blocking(&r, NULL), 0);
        *ret_status = r.status;
        if (r.status == 200)
                assert_int_equal(json_parse(buf_str(&r.reply), r.reply.len, &object, NULL), 0);
        http_deinit(&r);
        http_server_unref(server);
        return object;
}

json_t *fixture_object(struct fixture *f, const char *path) {
        long status;

        return ask(f, "GET", path, NULL, NULL, &status);
}

void fixture_edit(struct fixture *f, const char *path, const char *json_patch) {
        cleanup_(freep) char *url = str_format("%s?fieldManager=kubectl-edit", path);
        long status;
        cleanup_(json_freep) json_t *object = ask(
                f, "PATCH", url, "Content-Type: application/json-patch+json", json_patch, &status);

        assert_int_equal(status, 200);
}

int64_t fixture_number(struct fixture *f, const char *sql) {
        cleanup_(freep) char *path = str_format("%s/model.db", f->dir);
        sqlite3_stmt *s = NULL;
        sqlite3 *db = NULL;
        int64_t number;

        assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
        sqlite3_busy_timeout(db, LONG_WHILE_MS);
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(s), SQLITE_ROW);
        number = sqlite3_column_int64(s, 0);
        sqlite3_finalize(s);
        sqlite3_close(db);
        return number;
}
