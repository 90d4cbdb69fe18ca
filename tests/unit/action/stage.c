/* SPDX-License-Identifier: Apache-2.0 */
/* stage.c - see stage.h */
#include "stage-internal.h"

#include "engine-gate.h"
#include "log.h"

#include <ftw.h>
#include <sqlite3.h>
#include <stdlib.h>

const char stage_two_verbs[] = "[{\"name\": \"one\", \"ask\": " STAGE_EXEC ", \"deadline\": 1200},"
                               " {\"name\": \"two\", \"ask\": " STAGE_EXEC "},"
                               " {\"name\": \"tidy\", \"cleanup\": true, \"ask\": " STAGE_EXEC "}]";

#define STEPS_MAX 50000 /* of 20 ms at most: only a hang comes so far */
#define TICK_MS 50
#define TICKS_MAX 400 /* of a long time */

/* ---- parts */

static void on_mark(void *arg, enum store_mark kind, int64_t id) {
        struct stage *s = arg;

        if (s->action)
                action_mark(s->action, kind, id);
}

static void open_parts(struct stage *s) {
        struct store_options store = {
                .state_dir = s->dir, .engine = gate_engine(), .mark = on_mark, .arg = s
        };
        struct seal_options seal = { .state_dir = s->dir };
        struct action_options o = { .loop = s->loop,
                                    .host = (struct charm_host *)s,
                                    .reconcile = (struct reconcile *)s };
        struct err err = {};

        assert_int_equal(store_open(s->loop, &store, &s->store, &err), 0);
        assert_int_equal(seal_new(&seal, &s->sealer, NULL, &err), 0);
        o.store = s->store;
        o.sealer = s->sealer;
        assert_int_equal(action_new(&o, &s->action, &err), 0);
}

static void close_parts(struct stage *s) {
        action_stop(s->action);
        stage_drop(s);
        loop_finish_jobs(s->loop);
        s->store = store_close(s->store);
        s->action = action_free(s->action);
        s->sealer = seal_free(s->sealer);
}

static void add_model(struct stage *s) {
        cleanup_(json_freep) json_t *config = json_pack("{s:s}", "server", "https://127.0.0.1:1");
        struct command_cluster_add cluster = { .head.run = command_cluster_add,
                                               .name = "here",
                                               .config = config };
        struct command_model model = { .head.run = command_model_add,
                                       .model = "lab",
                                       .cluster = "here" };

        stage_command(s, &cluster.head);
        stage_command(s, &model.head);
}

static void deploy(struct stage *s, const char *application) {
        static const char yaml[] =
                "name: acting\n"
                "config: {options: {mode: {type: string, set-by-actions: true},\n"
                "  port: {type: int}}}\n"
                "actions:\n"
                "  work: {deadline: 10m, asks: [apply, exec, stream]}\n"
                "  look: {parallel: true, asks: [exec]}\n"
                "  shared: {execution-group: all, asks: [exec]}\n"
                "  alone: {parallel: true, execution-group: own/logs, asks: "
                "[exec]}\n"
                "  destroy: {destructive: true, asks: [exec]}\n";
        cleanup_(charm_meta_freep) struct charm_meta *meta = NULL;
        struct charm_choice choice = {};
        struct command_charm c = { .head.run = command_deploy_charm,
                                   .model = "lab",
                                   .application = application,
                                   .charm = "acting",
                                   .revision = -1,
                                   .scale = -1,
                                   .trust = -1,
                                   .force = true,
                                   .choice = &choice };
        char sha256[DIGEST_HEX_SIZE];

        memset(sha256, 'a', sizeof(sha256) - 1);
        sha256[sizeof(sha256) - 1] = '\0';
        assert_int_equal(charm_meta_parse(yaml, strlen(yaml), "charm.yaml", &meta, NULL), 0);
        charm_choice_found(&choice, sha256, meta);
        stage_command(s, &c.head);
        charm_choice_deinit(&choice);
}

int stage_set_up(void **state) {
        struct stage *s = mem_new(struct stage);

        log_set_level(LOG_EMERG);
        clock_fake(1000000, 1000000000);
        s->dir = str_dup("/tmp/mooring-actions-XXXXXX");
        assert_non_null(mkdtemp(s->dir));
        assert_int_equal(loop_new(&s->loop, NULL), 0);
        stage_outside_begin(s);
        open_parts(s);
        add_model(s);
        deploy(s, "a");
        deploy(s, "b");
        stage_settle(s);
        *state = s;
        return 0;
}

void stage_restart(struct stage *s) {
        close_parts(s);
        open_parts(s);
        stage_settle(s);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at) {
        return remove(path);
}

int stage_tear_down(void **state) {
        struct stage *s = *state;

        close_parts(s);
        later_cancel(&s->answer);
        loop_free(s->loop);
        json_decref(s->steps);
        nftw(s->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
        free(s->dir);
        free(s);
        clock_real();
        return 0;
}

void stage_full(struct stage *s, bool full) {
        store_fault(s->store, STORE_FAULT_FULL, full);
        for (int i = 0; !full && store_is_readonly(s->store); i++) {
                assert_true(i < STEPS_MAX);
                loop_step(s->loop, 20); /* the store tries by itself, by the real clock */
        }
}

/* ---- time */

static bool is_quiet(struct stage *s) {
        return store_unanswered(s->store) == 0 && !stage_answers(s);
}

void stage_settle(struct stage *s) {
        int quiet = 0;

        /* Quiet for some turns: what the store's threads finish comes with the next one. */
        for (int i = 0; quiet < 3; i++) {
                assert_true(i < STEPS_MAX);
                if (loop_step(s->loop, is_quiet(s) ? 2 : 20))
                        quiet = 0;
                else
                        quiet = is_quiet(s) ? quiet + 1 : 0;
        }
}

void stage_run(struct stage *s, int64_t ms) {
        int64_t tick = MAX_OF(ms / TICKS_MAX, (int64_t)TICK_MS);

        for (stage_settle(s); ms > 0; ms -= tick) {
                loop_advance(s->loop, tick);
                while (loop_step(s->loop, 0) || !is_quiet(s))
                        loop_step(s->loop, 2);
        }
        stage_settle(s);
}

/* ---- commands */

struct commanding {
        struct store_call call;
        int result; /* 1: it has not ended */
        struct err err;
};

static void command_done(struct store_call *c, int r, const struct err *err) {
        struct commanding *k = container_of(c, struct commanding, call);

        k->result = MIN_OF(r, 0);
        k->err = *err;
}

static int64_t command_ends(struct stage *s, struct command *c) {
        struct commanding k = { .call = { .lane = STORE_COMMAND,
                                          .actor = "uid 1000 (alice)",
                                          .run = command_run,
                                          .done = command_done,
                                          .arg = c },
                                .result = 1 };
        int64_t operation;

        c->sealer = s->sealer;
        c->actor = k.call.actor;
        store_submit(s->store, &k.call);
        for (int i = 0; k.result == 1; i++) {
                assert_true(i < STEPS_MAX);
                loop_step(s->loop, 20);
        }
        if (k.result < 0)
                fail_msg("%s", err_text(&k.err));
        operation = json_get_int(c->answer, "operation", 0);
        command_deinit(c);
        return operation;
}

void stage_command(struct stage *s, struct command *c) {
        command_ends(s, c);
}

void stage_steps(struct stage *s, const char *steps) {
        json_decref(s->steps);
        s->steps = NULL;
        assert_int_equal(json_parse(steps, strlen(steps), &s->steps, NULL), 0);
}

static int64_t begin(struct stage *s, const char *application, const char *action, bool frozen) {
        struct audit_entry alice = { .kind = "person", .has_login = true, .login = 1000 };
        struct command_run c = {
                .head = { .run = command_operation_run, .of_model = "lab", .entry = &alice },
                .model = "lab",
                .application = application,
                .action = action,
                .during_freeze = frozen
        };
        int64_t id = command_ends(s, &c.head);

        stage_settle(s);
        return id;
}

int64_t stage_begin(struct stage *s, const char *application, const char *action) {
        return begin(s, application, action, false);
}

int64_t stage_begin_frozen(struct stage *s, const char *application, const char *action) {
        return begin(s, application, action, true);
}

void stage_cancel(struct stage *s, int64_t id) {
        struct command_operation c = { .head = { .run = command_operation_cancel },
                                       .model = "lab",
                                       .id = id };

        stage_command(s, &c.head);
}

void stage_approve(struct stage *s, int64_t id) {
        struct audit_entry bob = { .kind = "person", .has_login = true, .login = 1001 };
        struct command_operation c = { .head = { .run = command_operation_approve, .entry = &bob },
                                       .model = "lab",
                                       .id = id };

        stage_command(s, &c.head);
        stage_settle(s);
}

void stage_freeze(struct stage *s, bool freeze) {
        struct command_freeze c = { .head.run = freeze ? command_freeze_set : command_freeze_end,
                                    .model = "lab",
                                    .why = "a test" };

        stage_command(s, &c.head);
        stage_settle(s);
}

void stage_pause(struct stage *s, const char *application, bool pause) {
        struct command_application c = { .head.run = pause ? command_application_pause
                                                           : command_application_unpause,
                                         .model = "lab",
                                         .application = application,
                                         .why = "a test" };

        stage_command(s, &c.head);
        stage_settle(s);
}

/* ---- what came of it */

const char *stage_value(struct stage *s, const char *sql) {
        static char text[1000];
        cleanup_(freep) char *path = str_format("%s/model.db", s->dir);
        sqlite3_stmt *statement = NULL;
        sqlite3 *db = NULL;

        text[0] = '\0';
        assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
        if (sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_text(statement, 0))
                str_copy(text, sizeof(text), (const char *)sqlite3_column_text(statement, 0));
        sqlite3_finalize(statement);
        sqlite3_close(db);
        return text;
}

const char *stage_ended(struct stage *s, int64_t id) {
        cleanup_(freep) char *sql = str_format(
                "SELECT status || ': ' || message FROM operation WHERE id = %lld", (long long)id);

        return stage_value(s, sql);
}

const char *stage_waits(struct stage *s, int64_t id) {
        static char text[600];
        cleanup_(json_freep) json_t *at = action_at(s->action, id);

        str_copy(text, sizeof(text), json_get_str(at, "waits", ""));
        return text;
}
