/* SPDX-License-Identifier: Apache-2.0 */
/* test_store_patient.c - writes that nobody waits for: they go with others, and need none */
#include "store-fixture.h"

#include "engine-shaky.h"

static int run_set(struct tx *tx, struct store_call *c, struct err *err) {
        return w_setting_set(
                tx, &(struct w_setting_set_in){ .name = waited_of(c)->name, .value = "1" }, err);
}

static void count_commit(void *arg, int64_t generation) {
        ++*(int *)arg;
}

static struct waited *patient_new(struct fixture *f, const char *name) {
        struct waited *w = waited_new(f, name, run_set, NULL);

        w->call.patient = true;
        waited_submit(w);
        return w;
}

static void wait_all(struct waited *const *w, size_t n) {
        for (size_t i = 0; i < n; i++) {
                assert_true(waited_wait(w[i]) >= 0);
                waited_free(w[i]);
        }
}

/* Alone, in numbers, and when the store is closed. */
static void a_patient_write_needs_nobody_to_be_committed(void **state) {
        struct waited *alone, *many[STORE_PATIENT_MAX + 1], *last;
        struct fixture *f = *state;

        alone = patient_new(f, "alone");
        wait_all(&alone, 1);
        for (size_t i = 0; i < ARRAY_SIZE(many); i++)
                many[i] = patient_new(f, "many");
        wait_all(many, ARRAY_SIZE(many));
        last = patient_new(f, "last");
        fixture_close(f);
        assert_true(last->ended);
        wait_all(&last, 1);
        fixture_open(f);
}

static void who_is_not_patient_takes_the_patient_along(void **state) {
        struct waited *b, *w[3];
        struct fixture *f = *state;
        int commits = 0;
        sem_t sems[2];

        b = waited_block(f, sems);
        store_on_commit(f->store, count_commit, &commits);
        w[0] = patient_new(f, "patient");
        w[1] = patient_new(f, "patient");
        w[2] = waited_new(f, "plain", run_set, NULL);
        waited_submit(w[2]);
        waited_unblock(b, sems);
        wait_all(w, ARRAY_SIZE(w));
        assert_int_equal(commits, 1);
}

static int set_up_sqlite(void **state) {
        return fixture_set_up(state, &store_engine_sqlite);
}

static int set_up_shaky(void **state) {
        return fixture_set_up(state, &store_engine_shaky);
}

#define BOTH(run)                                                                                  \
        cmocka_unit_test_setup_teardown(run, set_up_sqlite, fixture_tear_down),                    \
                cmocka_unit_test_setup_teardown(run, set_up_shaky, fixture_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                BOTH(a_patient_write_needs_nobody_to_be_committed),
                BOTH(who_is_not_patient_takes_the_patient_along),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
