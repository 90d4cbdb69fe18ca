/* SPDX-License-Identifier: Apache-2.0 */
/* stage.c - see stage.h */
#include "stage.h"

#include "log.h"
#include "stage-internal.h"

#include "tally.h"

#include <ftw.h>
#include <sqlite3.h>
#include <stdlib.h>

#define STEPS_MAX 5000 /* of 20 ms at most: only a hang comes so far */
#define TICK_MS 10

/* ---- parts */

static void on_mark(void *arg, enum store_mark kind, int64_t id) {
        struct stage *s = arg;

        if (s->rec)
                reconcile_mark(s->rec, kind, id);
}

static void on_readonly(void *arg, bool readonly, const char *why) {
        struct stage *s = arg;

        if (!readonly && s->rec)
                reconcile_writable(s->rec);
}

static void open_parts(struct stage *s) {
        struct store_options store = {
                .state_dir = s->dir, .mark = on_mark, .readonly = on_readonly, .arg = s
        };
        struct seal_options seal = { .state_dir = s->dir };
        struct reconcile_options o = { .limits = LIMITS_DEFAULT,
                                       .loop = s->loop,
                                       .controller = "00000000-0000-4000-8000-000000000000",
                                       .state_dir = s->dir,
                                       .host = (struct charm_host *)s,
                                       .in_flight = 8,
                                       .audit_ms = s->audit_ms };
        struct err err = { 0 };

        assert_int_equal(store_open(s->loop, &store, &s->store, &err), 0);
        assert_int_equal(seal_new(&seal, &s->sealer, NULL, &err), 0);
        o.store = s->store;
        o.sealer = s->sealer;
        s->audit.sealer = s->sealer;
        o.audit = &s->audit;
        assert_int_equal(reconcile_new(&o, &s->rec, &err), 0);
        assert_int_equal(reconcile_start(s->rec, &err), 0);
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
        stage_settle(s);
}

static int set_up(void **state, bool watched, bool scoped) {
        struct stage *s = mem_new(struct stage);

        log_set_level(LOG_EMERG);
        clock_fake(1000000, 1000000000);
        s->dir = str_dup("/tmp/mooring-stage-XXXXXX");
        assert_non_null(mkdtemp(s->dir));
        list_init(&s->held);
        list_init(&s->asked);
        assert_int_equal(loop_new(&s->loop, NULL), 0);
        later_init(&s->answer_charms, s->loop, "charms", stage_answer_charms, s);
        stage_outside_begin(s, watched, scoped);
        open_parts(s);
        add_model(s);
        *state = s;
        return 0;
}

int stage_set_up(void **state) {
        return set_up(state, true, false);
}

int stage_set_up_polled(void **state) {
        return set_up(state, false, false);
}

int stage_set_up_scoped(void **state) {
        return set_up(state, false, true);
}

void stage_begin(struct stage *s) {
        stage_stop(s);
        s->sealer = seal_free(s->sealer);
        open_parts(s);
}

void stage_restart(struct stage *s) {
        stage_begin(s);
        stage_settle(s);
}

void stage_stop(struct stage *s) {
        if (!s->rec)
                return;
        reconcile_stop(s->rec);
        loop_finish_jobs(s->loop);
        s->store = store_close(s->store);
        s->rec = reconcile_free(s->rec);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at) {
        return remove(path);
}

int stage_tear_down(void **state) {
        struct stage *s = *state;

        stage_stop(s);
        later_cancel(&s->answer_charms);
        s->sealer = seal_free(s->sealer);
        loop_free(s->loop);
        stage_outside_end(s);
        map_free_with(&s->plans, free);
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
        size_t held = 0;

        list_each(pos, &s->held)
                held++;
        list_each(pos, &s->asked)
                held++;
        return store_unanswered(s->store) == 0 && kept_idle(s->rec) &&
               queue_waiting(s->rec->queue) == 0 && queue_busy(s->rec->queue) == held;
}

/* Kept as resources change, and counted anew: the same, but where its wants are read again soon. */
static void check_tallies(struct stage *s) {
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&s->rec->world.applications, &i));) {
                struct world_application *a = e->value;
                size_t size = TALLY_KINDS * a->tally_words * sizeof(*a->tally);
                cleanup_(freep) uint64_t *kept = size ? mem_dup(a->tally, size) : NULL;

                if (a->reread)
                        continue;
                tally_reset(&s->rec->world, a);
                if (size)
                        assert_memory_equal(kept, a->tally, size);
        }
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
        check_tallies(s);
}

void stage_run(struct stage *s, int64_t ms) {
        for (stage_settle(s); ms > 0; ms -= TICK_MS) {
                loop_advance(s->loop, TICK_MS);
                while (loop_step(s->loop, 0) || !is_quiet(s))
                        loop_step(s->loop, 2);
        }
        stage_settle(s);
}

/* ---- commands */

struct commanding {
        struct store_call call;
        bool ended;
        int result;
        struct err err;
};

static void command_done(struct store_call *c, int r, const struct err *err) {
        struct commanding *k = container_of(c, struct commanding, call);

        k->ended = true;
        k->result = r;
        k->err = *err;
}

static struct commanding command_ends(struct stage *s, struct command *c) {
        struct commanding k = { .call = { .lane = STORE_COMMAND,
                                          .actor = "uid 1000 (alice)",
                                          .run = command_run,
                                          .done = command_done,
                                          .arg = c } };

        c->sealer = s->sealer;
        c->actor = k.call.actor;
        store_submit(s->store, &k.call);
        for (int i = 0; !k.ended; i++) {
                assert_true(i < STEPS_MAX);
                loop_step(s->loop, 20);
        }
        command_deinit(c);
        return k;
}

void stage_command(struct stage *s, struct command *c) {
        struct commanding k = command_ends(s, c);

        if (k.result < 0)
                fail_msg("%s", err_text(&k.err));
}

void stage_refused(struct stage *s, struct command *c, const char *a, const char *b) {
        struct commanding k = command_ends(s, c);

        assert_true(k.result < 0);
        if (!strstr(err_text(&k.err), a) || !strstr(err_text(&k.err), b))
                fail_msg("%s", err_text(&k.err));
}

void stage_plan(struct stage *s, const char *application, const char *plan) {
        free(map_find(&s->plans, application));
        map_set(&s->plans, application, str_dup(plan));
}

void stage_deploy(struct stage *s, const char *application) {
        static const char yaml[] = "name: any\n"
                                   "requires: {in: {interface: any}, uses: {interface: "
                                   "mysql_client}}\n"
                                   "provides: {out: {interface: any}, serves: "
                                   "{interface: mysql_client}}\n"
                                   "config: {options: {word: {type: string, default: a}}}\n";
        cleanup_(charm_meta_freep) struct charm_meta *meta = NULL;
        struct charm_choice choice = { 0 };
        struct command_charm c = { .head.run = command_deploy_charm,
                                   .model = "lab",
                                   .application = application,
                                   .charm = "any",
                                   .revision = -1,
                                   .scale = -1,
                                   .trust = -1,
                                   .force = true,
                                   .choice = &choice };
        char sha256[DIGEST_HEX_SIZE];

        memset(sha256, 'a', sizeof(sha256) - 1);
        sha256[sizeof(sha256) - 1] = '\0';
        assert_int_equal(charm_meta_parse(yaml, strlen(yaml), "charm.yaml", &meta, NULL), 0);
        if (s->offer)
                charm_choice_missing(&choice, false, "not here yet");
        else
                charm_choice_found(&choice, sha256, meta);
        stage_command(s, &c.head);
        charm_choice_deinit(&choice);
}

void stage_remove(struct stage *s, const char *application, bool force) {
        struct command_application c = { .head.run = command_application_remove,
                                         .model = "lab",
                                         .application = application,
                                         .force = force };

        stage_command(s, &c.head);
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

void stage_relate(struct stage *s, const char *a, const char *b) {
        struct command_relation c = {
                .head.run = command_relation_add, .model = "lab", .a = a, .b = b
        };

        stage_command(s, &c.head);
}

/* ---- what came of it */

struct world_application *stage_application(struct stage *s, const char *name) {
        const struct world_model *m = world_model_named(&s->rec->world, "lab");

        return world_application_named(&s->rec->world, m->id, name);
}

struct world_resource *stage_resource(struct stage *s, const char *name) {
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&s->rec->world.resources, &i));) {
                struct world_resource *r = e->value;

                if (str_eq(r->path, name))
                        return r;
        }
        return NULL;
}

int64_t stage_count(struct stage *s, const char *sql) {
        cleanup_(freep) char *path = str_format("%s/model.db", s->dir);
        sqlite3_stmt *statement = NULL;
        sqlite3 *db = NULL;
        int64_t n;

        assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        n = sqlite3_column_int64(statement, 0);
        sqlite3_finalize(statement);
        sqlite3_close(db);
        return n;
}
