/* SPDX-License-Identifier: Apache-2.0 */
/* test_sql_act.c - threads that statements of actions take, on an engine that the test holds up */
#include "sql-act.h"

#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>

#define LANES 10
#define STEPS_MAX 5000 /* of 20 ms at most: only a hang comes so far */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t opened = PTHREAD_COND_INITIALIZER;
static bool is_open;
static size_t ended;

static struct sql_session *held_open(const struct sql_config *c, int port, struct sql_task *t) {
        pthread_mutex_lock(&lock);
        while (!is_open)
                pthread_cond_wait(&opened, &lock);
        pthread_mutex_unlock(&lock);
        return (struct sql_session *)t;
}

static struct sql_session *no_close(struct sql_session *s) {
        return NULL;
}

static int no_socket(const struct sql_session *s) {
        return -1;
}

static int one_row(struct sql_session *s, struct sql_task *t, const struct buf *statement,
                   json_t **ret) {
        *ret = json_pack("{s:i}", "affected", 1);
        return 0;
}

static void on_done(struct op *op) {
        assert_int_equal(op->outcome, OUTCOME_DONE);
        ended++;
}

static size_t threads_of(const struct sql_lane *lanes) {
        size_t n = 0;

        for (size_t i = 0; i < LANES; i++)
                n += lanes[i].threads;
        return n;
}

static void many_targets_share_few_threads(void **state) {
        static const struct sql_engine engine = { .name = "held",
                                                  .open = held_open,
                                                  .close = no_close,
                                                  .socket = no_socket,
                                                  .query = one_row };
        cleanup_(json_freep) json_t *ask =
                json_pack("{s:[{s:s}]}", "statements", "sql", "SELECT 1");
        struct act_request r = { .verb = "sql", .ask = ask };
        struct sql_lane lanes[LANES] = {};
        struct op ops[LANES] = {};
        struct loop *loop;

        assert_int_equal(loop_new(&loop, NULL), 0);
        for (size_t i = 0; i < LANES; i++) {
                lanes[i].engine = &engine;
                lanes[i].loop = loop;
                sql_act_init(&lanes[i]);
                ops[i] = (struct op){ .loop = loop, .done = on_done };
                sql_act_start(&lanes[i], &r, &ops[i]);
        }
        assert_int_equal(threads_of(lanes), SQL_ACTS_ALL_MAX);
        pthread_mutex_lock(&lock);
        is_open = true;
        pthread_cond_broadcast(&opened);
        pthread_mutex_unlock(&lock);
        for (int i = 0; ended < LANES; i++) {
                assert_true(i < STEPS_MAX);
                loop_step(loop, 20);
        }
        assert_int_equal(threads_of(lanes), 0);
        for (size_t i = 0; i < LANES; i++) {
                assert_true(sql_act_close(&lanes[i]));
                op_clear(&ops[i]);
        }
        loop_free(loop);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(many_targets_share_few_threads),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
