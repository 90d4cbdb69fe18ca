/* SPDX-License-Identifier: Apache-2.0 */
/* test_store.c - what the store promises, on SQLite and on the shaky engine */
#include "store-fixture.h"

#include "engine-shaky.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

/* ---- runs */

static int run_count(struct tx *tx, struct store_call *c, struct err *err) {
        struct waited *w = waited_of(c);
        cleanup_(freep) char *value = str_format("%d", ++w->runs);

        return w_setting_set(tx, &(struct w_setting_set_in){ .name = w->name, .value = value },
                             err);
}

static int run_failing(struct tx *tx, struct store_call *c, struct err *err) {
        tx_mark(tx, MARK_MODEL, 666);
        tx_answer(c, "no", 2);
        w_setting_set(tx, &(struct w_setting_set_in){ .name = "failed", .value = "yes" }, NULL);
        return err_set(err, -EPERM, "not like this");
}

static int run_answering(struct tx *tx, struct store_call *c, struct err *err) {
        cleanup_(freep) char *text = str_format("%lld", (long long)tx_id(tx, "thing"));

        waited_of(c)->runs++;
        tx_answer(c, text, strlen(text));
        return 7;
}

/* Shown by top -H: whose the processor is. */
static int run_naming(struct tx *tx, struct store_call *c, struct err *err) {
        char name[16];

        pthread_getname_np(pthread_self(), name, sizeof(name));
        tx_answer(c, name, strlen(name));
        return 0;
}

static int run_marking(struct tx *tx, struct store_call *c, struct err *err) {
        tx_mark(tx, MARK_RESOURCE, 5);
        tx_mark(tx, MARK_APPLICATION, 5);
        tx_mark(tx, MARK_RESOURCE, 5);
        tx_mark(tx, MARK_RESOURCE, 4);
        return run_count(tx, c, err);
}

static int try_failing(struct tx *tx, void *arg, struct err *err) {
        return run_failing(tx, arg, err);
}

static int try_good(struct tx *tx, void *arg, struct err *err) {
        struct w_setting_set_in in = { .name = "tried", .value = "yes" };

        tx_mark(tx, MARK_MODEL, 777);
        return w_setting_set(tx, &in, err);
}

/* A try in a try is taken back with the outer one. */
static int try_both(struct tx *tx, void *arg, struct err *err) {
        int r = tx_try(tx, try_good, arg, err);

        return r < 0 ? r : err_set(err, -ECANCELED, "only looked");
}

static int run_trying(struct tx *tx, struct store_call *c, struct err *err) {
        struct err why = {};

        if (tx_try(tx, try_failing, c, &why) != -EPERM || !str_eq(err_text(&why), "not like this"))
                return err_set(err, -EPROTO, "what failed says something else");
        if (tx_try(tx, try_both, c, &why) != -ECANCELED)
                return err_set(err, -EPROTO, "what only looked says something else");
        return tx_try(tx, try_good, c, err);
}

/* Holds the store thread until the test has queued what it wants in one group. */
static void assert_setting(struct fixture *f, const char *name, const char *value) {
        cleanup_(freep) char *found = fixture_get(f, name);

        assert_string_equal(found, value);
}

/* ---- tests */

static void a_write_is_there_after_the_store_was_opened_again(void **state) {
        struct fixture *f = *state;

        for (int i = 0; i < 20; i++) {
                cleanup_(freep) char *name = str_format("n%d", i);

                assert_int_equal(fixture_set(f, name, name), 1);
        }
        fixture_close(f);
        fixture_open(f);
        for (int i = 0; i < 20; i++) {
                cleanup_(freep) char *name = str_format("n%d", i);

                assert_setting(f, name, name);
        }
}

static void a_failed_call_leaves_nothing_and_its_group_stays(void **state) {
        struct fixture *f = *state;
        struct waited *bad, *good;
        struct waited *b;
        sem_t sems[2];

        b = waited_block(f, sems);
        bad = waited_new(f, "bad", run_failing, NULL);
        good = waited_new(f, "good", run_marking, NULL);
        waited_submit(bad);
        waited_submit(good);
        waited_unblock(b, sems);
        assert_int_equal(waited_wait(good), 1);
        assert_int_equal(waited_wait(bad), -EPERM);
        assert_string_equal(bad->err.text, "not like this");
        assert_null(bad->answer);
        assert_int_equal(fixture_event(f, "mark 0 666"), -1);
        assert_setting(f, "failed", "");
        cleanup_(freep) char *found = fixture_get(f, "good");
        assert_string_not_equal(found, "");
        waited_free(bad);
        waited_free(good);
}

static void what_was_tried_and_failed_is_taken_back_alone(void **state) {
        struct fixture *f = *state;
        struct waited *w = waited_new(f, "trying", run_trying, NULL);

        waited_submit(w);
        assert_int_equal(waited_wait(w), 1);
        assert_setting(f, "failed", "");
        assert_setting(f, "tried", "yes");
        assert_int_equal(fixture_event(f, "mark 0 666"), -1);
        assert_true(fixture_event(f, "mark 0 777") >= 0);
        waited_free(w);
}

static void request(struct fixture *f, const char *id, const char *want, int runs) {
        struct waited *w = waited_new(f, "request", run_answering, NULL);

        str_copy(w->call.request, sizeof(w->call.request), id);
        waited_submit(w);
        assert_int_equal(waited_wait(w), 7);
        assert_string_equal(w->answer, want);
        if (runs == 0)
                assert_int_equal(w->runs, 0);
        else
                assert_true(w->runs >= runs);
        waited_free(w);
}

static void the_same_request_gets_the_recorded_answer(void **state) {
        struct fixture *f = *state;

        request(f, "r-1", "1", 1);
        request(f, "r-1", "1", 0);
        request(f, "r-2", "2", 1);
        fixture_close(f);
        fixture_open(f);
        request(f, "r-1", "1", 0);
        request(f, "r-3", "3", 1);
}

static void the_same_request_twice_in_one_group_runs_once(void **state) {
        struct fixture *f = *state;
        struct waited *w[2];
        struct waited *b;
        sem_t sems[2];

        b = waited_block(f, sems);
        for (int i = 0; i < 2; i++) {
                w[i] = waited_new(f, "twin", run_answering, NULL);
                str_copy(w[i]->call.request, sizeof(w[i]->call.request), "twin");
                waited_submit(w[i]);
        }
        waited_unblock(b, sems);
        for (int i = 0; i < 2; i++)
                assert_int_equal(waited_wait(w[i]), 7);
        assert_string_equal(w[0]->answer, w[1]->answer);
        assert_int_equal(w[1]->runs, 0);
        waited_free(w[0]);
        waited_free(w[1]);
}

static int run_big_answer(struct tx *tx, struct store_call *c, struct err *err) {
        tx_answer(c, tx_alloc(tx, STORE_ANSWER_MAX + 1), STORE_ANSWER_MAX + 1);
        return w_setting_set(tx, &(struct w_setting_set_in){ .name = "big", .value = "1" }, err);
}

static void an_answer_too_big_to_record_fails_its_call(void **state) {
        struct fixture *f = *state;
        struct waited *w = waited_new(f, "big", run_big_answer, NULL);

        str_copy(w->call.request, sizeof(w->call.request), "big");
        waited_submit(w);
        assert_int_equal(waited_wait(w), -E2BIG);
        assert_setting(f, "big", "");
        waited_free(w);
}

static int with_term(struct fixture *f, uint64_t term, const char *name) {
        struct waited *w = waited_new(f, name, run_count, NULL);
        int r;

        w->call.term = term;
        waited_submit(w);
        r = waited_wait(w);
        if (r == -ESTALE)
                assert_non_null(strstr(w->err.text, "is over"));
        waited_free(w);
        return r;
}

static void a_call_of_another_term_is_refused(void **state) {
        struct fixture *f = *state;

        assert_int_equal(with_term(f, 1, "a"), -ESTALE);
        assert_int_equal(fixture_set(f, "term", "3"), 1);
        assert_int_equal(with_term(f, 3, "b"), 1);
        assert_int_equal(with_term(f, 2, "c"), -ESTALE);
        assert_int_equal(with_term(f, 0, "d"), 1);
        assert_setting(f, "a", "");
        assert_setting(f, "c", "");
}

static void a_term_that_changes_between_two_tries_stops_the_call(void **state) {
        struct fixture *f = *state;
        int refused = 0;

        if (f->engine != &store_engine_shaky)
                skip();
        assert_int_equal(fixture_set(f, "term", "3"), 1);
        for (int i = 0; i < 10; i++) {
                if (i == 5)
                        shaky_take_term(4);
                refused += with_term(f, 3, "work") == -ESTALE;
        }
        assert_int_equal(refused, 5);
        assert_int_equal(with_term(f, 4, "work"), 1);
}

static void each_mark_comes_once_and_before_done(void **state) {
        struct fixture *f = *state;
        struct waited *w = waited_new(f, "marked", run_marking, NULL);
        int marks = 0;

        fixture_clear_events(f);
        waited_submit(w);
        waited_wait(w);
        for (int i = 0; i < f->n_events; i++)
                marks += str_starts(f->events[i], "mark");
        assert_int_equal(marks, 3);
        assert_true(fixture_event(f, "mark 2 5") >= 0);
        assert_true(fixture_event(f, "mark 2 4") >= 0);
        assert_true(fixture_event(f, "mark 1 5") >= 0);
        assert_int_equal(fixture_event(f, "done marked 1"), 3);
        waited_free(w);
}

static int run_id(struct tx *tx, struct store_call *c, struct err *err) {
        int64_t id = tx_id(tx, "leftover");
        struct w_leftover_insert_in in = { .id = id,
                                           .model = "m",
                                           .application = "a",
                                           .type = "t",
                                           .path = "p",
                                           .why = "w",
                                           .at = tx_now(tx) };

        tx_answer(c, &id, sizeof(id));
        if (waited_of(c)->arg)
                return err_set(err, -ECANCELED, "changed its mind");
        return w_leftover_insert(tx, &in, err);
}

static int64_t take_id(struct fixture *f, bool fail, int want) {
        struct waited *w = waited_new(f, "id", run_id, fail ? f : NULL);
        int64_t id = 0;

        waited_submit(w);
        assert_int_equal(waited_wait(w), want);
        if (!fail)
                memcpy(&id, w->answer, sizeof(id));
        waited_free(w);
        return id;
}

static int run_drop(struct tx *tx, struct store_call *c, struct err *err) {
        return w_leftover_prune(tx, &(struct w_leftover_prune_in){ .max = 10 }, err);
}

static void assert_thread(struct fixture *f, void (*start)(struct waited *), const char *name) {
        struct waited *w = waited_new(f, "name", run_naming, NULL);

        start(w);
        assert_int_equal(waited_wait(w), 0);
        assert_int_equal(w->answer_len, strlen(name));
        assert_memory_equal(w->answer, name, strlen(name));
        waited_free(w);
}

static void its_threads_have_names(void **state) {
        assert_thread(*state, waited_submit, "store");
        assert_thread(*state, waited_read, "store-read");
}

static void an_id_is_never_given_twice(void **state) {
        struct fixture *f = *state;
        int64_t last = 0;

        for (int i = 0; i < 12; i++) {
                int64_t id = take_id(f, false, 1);
                struct waited *w = waited_new(f, "drop", run_drop, NULL);

                assert_true(id > last);
                last = id;
                waited_submit(w);
                assert_int_equal(waited_wait(w), 1);
                waited_free(w);
                take_id(f, true, -ECANCELED);
                if (i % 4 == 3) {
                        fixture_close(f);
                        fixture_open(f);
                }
        }
}

static void an_unknown_outcome_is_found_out(void **state) {
        struct fixture *f = *state;
        int64_t first = take_id(f, false, 1);

        for (int i = 0; i < 5; i++) {
                store_fault(f->store, STORE_FAULT_UNKNOWN, 1);
                assert_true(take_id(f, false, 1) == first + i + 1);
        }
}

static int count_leftovers(struct tx *tx, struct store_call *c, struct err *err) {
        struct q_leftover_list_in in = { .max = 20000 };
        struct q_leftover_row *rows;
        size_t n;
        int r = q_leftover_list(tx, &in, &rows, &n, err);

        return r < 0 ? r : (int)n;
}

static int read_count(struct fixture *f) {
        struct waited *w = waited_new(f, "count", count_leftovers, NULL);
        int r;

        waited_read(w);
        r = waited_wait(w);
        waited_free(w);
        return r;
}

static void what_runs_again_is_there_once(void **state) {
        struct fixture *f = *state;
        int before = shaky_count();

        for (int i = 0; i < 50; i++)
                take_id(f, false, 1);
        assert_int_equal(read_count(f), 50);
        if (f->engine == &store_engine_shaky)
                assert_true(shaky_count() - before >= 20);
}

static bool is_writable(struct fixture *f) {
        return fixture_event(f, "writable") >= 0;
}

static void a_failing_disk_makes_it_read_only_until_it_works(void **state) {
        struct fixture *f = *state;

        assert_int_equal(fixture_set(f, "before", "1"), 1);
        store_fault(f->store, STORE_FAULT_FULL, 1);
        assert_int_equal(fixture_set(f, "during", "1"), -EROFS);
        assert_true(f->readonly);
        assert_true(store_is_readonly(f->store));
        assert_int_equal(fixture_event(f, "readonly") < fixture_event(f, "done set -1"), 1);
        assert_int_equal(fixture_set(f, "during", "2"), -EROFS);
        assert_setting(f, "before", "1");
        store_fault(f->store, STORE_FAULT_FULL, 0);
        fixture_wait(f, is_writable);
        assert_false(store_is_readonly(f->store));
        assert_int_equal(fixture_set(f, "after", "1"), 1);
        assert_setting(f, "during", "");
}

static void a_write_or_commit_that_fails_once_is_told_and_not_there(void **state) {
        struct fixture *f = *state;
        enum store_fault faults[] = { STORE_FAULT_WRITE, STORE_FAULT_COMMIT };

        for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
                fixture_clear_events(f);
                store_fault(f->store, faults[i], 1);
                assert_int_equal(fixture_set(f, "lost", "1"), -EROFS);
                fixture_wait(f, is_writable);
                assert_setting(f, "lost", "");
        }
}

static int run_write_in_read(struct tx *tx, struct store_call *c, struct err *err) {
        w_setting_set(tx, &(struct w_setting_set_in){ .name = "x", .value = "y" }, err);
        return 0; /* even if it hides it */
}

static int run_id_in_read(struct tx *tx, struct store_call *c, struct err *err) {
        tx_id(tx, "thing");
        return 0;
}

static void a_read_may_not_write(void **state) {
        struct fixture *f = *state;
        int (*runs[])(struct tx *, struct store_call *, struct err *) = { run_write_in_read,
                                                                          run_id_in_read };

        for (size_t i = 0; i < ARRAY_SIZE(runs); i++) {
                struct waited *w = waited_new(f, "read", runs[i], NULL);

                waited_read(w);
                assert_int_equal(waited_wait(w), -EPERM);
                assert_non_null(strstr(w->err.text, "a read may not"));
                waited_free(w);
        }
        assert_setting(f, "x", "");
}

static int run_many(struct tx *tx, struct store_call *c, struct err *err) {
        for (int i = 0; i < STORE_ROWS_MAX + 1; i++) {
                int r = run_id(tx, c, err);

                if (r < 0)
                        return r;
        }
        return 0;
}

static void a_read_beyond_the_row_limit_fails(void **state) {
        struct fixture *f = *state;
        struct waited *w = waited_new(f, "many", run_many, NULL);

        waited_submit(w);
        assert_int_equal(waited_wait(w), 0);
        waited_free(w);
        assert_int_equal(read_count(f), -E2BIG);
}

static int run_constraints(struct tx *tx, struct store_call *c, struct err *err) {
        struct w_target_insert_in t = { .id = 1,
                                        .name = "t",
                                        .provider = "kubernetes",
                                        .config = "{}",
                                        .application_id_null = true };
        struct w_model_insert_in m = { .id = 1, .name = "m", .uuid = "u", .target_id = 2 };
        struct w_model_set_life_in l = { .id = 1, .life = "undead" };
        struct q_target_by_id_in by = { .id = 1 };
        struct q_target_row *row;
        size_t n;

        assert_int_equal(w_target_insert(tx, &t, err), 1);
        t.id = 2;
        assert_int_equal(w_target_insert(tx, &t, err), -EEXIST);
        assert_int_equal(w_model_insert(tx, &m, err), -ENOENT);
        m.target_id = 1;
        assert_int_equal(w_model_insert(tx, &m, err), 1);
        assert_int_equal(w_model_set_life(tx, &l, err), -EINVAL);
        m.id = 2;
        m.name = NULL;
        assert_int_equal(w_model_insert(tx, &m, err), -EINVAL);
        assert_int_equal(q_target_by_id(tx, &by, &row, &n, err), 0);
        assert_int_equal(n, 1);
        assert_string_equal(row->name, "t");
        assert_null(row->credential);
        assert_true(row->application_id_null);
        return 0;
}

static void a_failed_constraint_has_its_code_and_the_call_goes_on(void **state) {
        struct fixture *f = *state;
        struct waited *w = waited_new(f, "constraints", run_constraints, NULL);

        waited_submit(w);
        assert_int_equal(waited_wait(w), 0);
        waited_free(w);
}

static int run_upsert(struct tx *tx, struct store_call *c, struct err *err) {
        struct w_target_insert_in t = {
                .id = 1, .name = "t", .provider = "p", .config = "{}", .application_id_null = true
        };
        struct w_model_insert_in m = { .id = 1, .name = "m", .uuid = "u", .target_id = 1 };
        struct w_relation_insert_in n = { .id = 1, .model_id = 1, .interface = "sql" };
        struct w_application_insert_in a = { .id = 1,
                                             .model_id = 1,
                                             .name = "a",
                                             .charm_name = "c",
                                             .channel = "",
                                             .revision_null = true,
                                             .constraints = "{}",
                                             .annotations = "{}" };
        struct w_relation_data_set_in d = {
                .relation_id = 1, .application_id = 1, .key = "k", .value = ""
        };

        assert_int_equal(w_target_insert(tx, &t, err), 1);
        assert_int_equal(w_model_insert(tx, &m, err), 1);
        assert_int_equal(w_relation_insert(tx, &n, err), 1);
        assert_int_equal(w_application_insert(tx, &a, err), 1);
        assert_int_equal(w_relation_data_set(tx, &d, err), 1);
        assert_int_equal(w_relation_data_set(tx, &d, err), 0);
        d.value = "v";
        assert_int_equal(w_relation_data_set(tx, &d, err), 1);
        return 0;
}

static void the_same_value_set_again_changes_nothing(void **state) {
        struct fixture *f = *state;
        struct waited *w = waited_new(f, "upsert", run_upsert, NULL);

        waited_submit(w);
        assert_int_equal(waited_wait(w), 0);
        waited_free(w);
}

static void count_commit(void *arg, int64_t generation) {
        ++*(int *)arg;
}

static void writes_that_wait_are_committed_together(void **state) {
        struct fixture *f = *state;
        int64_t generation = store_generation(f->store);
        struct waited *w[100];
        struct waited *b;
        int commits = 0;
        sem_t sems[2];

        b = waited_block(f, sems);
        store_on_commit(f->store, count_commit, &commits);
        for (int i = 0; i < 100; i++) {
                w[i] = waited_new(f, "many", run_count, NULL);
                waited_submit(w[i]);
        }
        assert_int_equal(store_waiting(f->store), 100);
        waited_unblock(b, sems);
        for (int i = 0; i < 100; i++) {
                assert_int_equal(waited_wait(w[i]), 1);
                waited_free(w[i]);
        }
        assert_int_equal(commits, 1);
        assert_int_equal(store_generation(f->store), generation + 100);
        fixture_close(f);
        fixture_open(f);
        assert_int_equal(store_generation(f->store), generation + 100);
}

static void commands_go_before_the_loop_and_the_loop_before_history(void **state) {
        struct fixture *f = *state;
        const char *names[] = { "history", "loop", "command" };
        enum store_lane lanes[] = { STORE_HISTORY, STORE_LOOP, STORE_COMMAND };
        struct waited *w[3];
        struct waited *b;
        sem_t sems[2];

        fixture_clear_events(f);
        b = waited_block(f, sems);
        for (int i = 0; i < 3; i++) {
                w[i] = waited_new(f, names[i], run_count, NULL);
                w[i]->call.lane = lanes[i];
                waited_submit(w[i]);
        }
        waited_unblock(b, sems);
        for (int i = 0; i < 3; i++)
                waited_wait(w[i]);
        assert_true(fixture_event(f, "done command 1") < fixture_event(f, "done loop 1"));
        assert_true(fixture_event(f, "done loop 1") < fixture_event(f, "done history 1"));
        for (int i = 0; i < 3; i++)
                waited_free(w[i]);
}

static void what_was_submitted_before_the_close_is_done(void **state) {
        struct fixture *f = *state;
        struct waited *w[10];

        for (int i = 0; i < 10; i++) {
                w[i] = waited_new(f, "late", run_count, NULL);
                if (i % 2)
                        waited_read(w[i]);
                else
                        waited_submit(w[i]);
        }
        fixture_close(f);
        for (int i = 0; i < 10; i++) {
                assert_true(w[i]->ended);
                assert_int_equal(w[i]->result, i % 2 ? -EPERM : 1);
                waited_free(w[i]);
        }
        fixture_open(f);
        loop_step(f->loop, 0); /* a post for the store that is gone */
}

struct chain {
        struct waited *second;
};

static void submit_another(struct store_call *c, int r, const struct err *err) {
        struct waited *w = waited_of(c);

        w->ended = true;
        w->fixture->pending--;
        waited_submit(((struct chain *)w->arg)->second);
}

static void what_a_done_submits_during_the_close_is_refused(void **state) {
        struct fixture *f = *state;
        struct chain chain = { waited_new(f, "second", run_count, NULL) };
        struct waited *w = waited_new(f, "first", run_count, &chain);

        w->call.done = submit_another;
        waited_submit(w);
        fixture_close(f);
        assert_true(chain.second->ended);
        assert_int_equal(chain.second->result, -ESHUTDOWN);
        waited_free(w);
        waited_free(chain.second);
}

static void a_call_now_is_waited_for_and_its_marks_come_later(void **state) {
        struct fixture *f = *state;
        struct waited *w = waited_new(f, "now", run_marking, NULL);
        struct err err = {};

        fixture_clear_events(f);
        assert_int_equal(store_now(f->store, &w->call, &err), 1);
        assert_int_equal(f->n_events, 0);
        while (f->n_events < 3)
                loop_step(f->loop, 10);
        assert_false(w->ended);
        free(w);
        assert_setting(f, "now", "1");
}

static int set_up_sqlite(void **state) {
        return fixture_set_up(state, &store_engine_sqlite);
}

static int set_up_shaky(void **state) {
        return fixture_set_up(state, &store_engine_shaky);
}

#define BOTH(run)                                                                                  \
        SQLITE(run), {                                                                             \
#run " (shaky)", run, set_up_shaky, fixture_tear_down, NULL                        \
        }
#define SQLITE(name) cmocka_unit_test_setup_teardown(name, set_up_sqlite, fixture_tear_down)
#define SHAKY(name) cmocka_unit_test_setup_teardown(name, set_up_shaky, fixture_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                BOTH(a_write_is_there_after_the_store_was_opened_again),
                BOTH(a_failed_call_leaves_nothing_and_its_group_stays),
                BOTH(what_was_tried_and_failed_is_taken_back_alone),
                BOTH(the_same_request_gets_the_recorded_answer),
                SQLITE(the_same_request_twice_in_one_group_runs_once),
                BOTH(an_answer_too_big_to_record_fails_its_call),
                BOTH(a_call_of_another_term_is_refused),
                SHAKY(a_term_that_changes_between_two_tries_stops_the_call),
                BOTH(each_mark_comes_once_and_before_done),
                SQLITE(its_threads_have_names),
                BOTH(an_id_is_never_given_twice),
                SQLITE(an_unknown_outcome_is_found_out),
                BOTH(what_runs_again_is_there_once),
                BOTH(a_failing_disk_makes_it_read_only_until_it_works),
                SQLITE(a_write_or_commit_that_fails_once_is_told_and_not_there),
                BOTH(a_read_may_not_write),
                BOTH(a_read_beyond_the_row_limit_fails),
                BOTH(a_failed_constraint_has_its_code_and_the_call_goes_on),
                BOTH(the_same_value_set_again_changes_nothing),
                BOTH(writes_that_wait_are_committed_together),
                BOTH(commands_go_before_the_loop_and_the_loop_before_history),
                BOTH(what_was_submitted_before_the_close_is_done),
                BOTH(what_a_done_submits_during_the_close_is_refused),
                SQLITE(a_call_now_is_waited_for_and_its_marks_come_later),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
