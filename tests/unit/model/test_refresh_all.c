/* SPDX-License-Identifier: Apache-2.0 */
/* test_refresh_all.c - the order of refreshes, and what becomes of its rows */
#include "desk.h"

#include "refresh-all.h"

#include <errno.h>

/* ---- the order: "ab" is a needs b */

struct seen {
        char circles[100];
};

static void see_circle(void *arg, const size_t *members, size_t n) {
        struct seen *s = arg;
        size_t len = strlen(s->circles);

        for (size_t i = 0; i < n; i++)
                s->circles[len++] = (char)('a' + members[i]);
        s->circles[len++] = ' ';
        s->circles[len] = '\0';
}

static void who_provides_comes_first(void **state) {
        static const struct {
                size_t n;
                const char *needs, *order, *circles;
        } rows[] = {
                { 3, "", "abc", "" },
                { 3, "ab ac", "bca", "" },
                { 3, "ac", "cab", "" },
                { 4, "ab bc cd", "dcba", "" },
                { 4, "ac ad bc cd", "dcab", "" },
                { 3, "aa ba", "abc", "" },   /* itself: its peers */
                { 2, "ab ab ab", "ba", "" }, /* two relations */
                { 2, "ab ba", "ba", "ab " }, /* a circle: the last of it comes first */
                { 4, "ab bc ca da", "cbad", "abc " },
                { 4, "da ab bc cb", "cbad", "bc " }, /* who leads to it is not of it */
                { 4, "ab ba cd dc", "badc", "ab cd " },
                { 0, "", "", "" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct refresh_need needs[8];
                struct seen seen = { 0 };
                size_t order[8], n = 0;
                char text[9] = "";

                for (const char *p = rows[i].needs; *p; p += p[2] ? 3 : 2)
                        needs[n++] =
                                (struct refresh_need){ (size_t)(p[0] - 'a'), (size_t)(p[1] - 'a') };
                refresh_order(needs, n, rows[i].n, order, see_circle, &seen);
                for (size_t k = 0; k < rows[i].n; k++)
                        text[k] = (char)('a' + order[k]);
                assert_string_equal(text, rows[i].order);
                assert_string_equal(seen.circles, rows[i].circles);
        }
}

/* ---- rows */

static int order(struct desk *d, const char *const *names, bool dry_run) {
        struct refresh_all_item items[4] = { 0 };
        struct command_refresh_all c = {
                .head = { .run = command_refresh_all, .dry_run = dry_run, .of_model = "lab" },
                .model = "lab",
                .items = items
        };
        int r;

        for (; names[c.count]; c.count++) {
                items[c.count].application = (char *)names[c.count];
                desk_choose(d,
                            str_eq(names[c.count], "db")      ? "mysql-k8s"
                            : str_eq(names[c.count], "store") ? "minio"
                                                              : "mlflow-server",
                            &items[c.count].choice);
                memset(items[c.count].choice.sha256, 'e', 64);
        }
        r = desk_run(d, &c.head);
        for (size_t i = 0; i < c.count; i++)
                charm_choice_deinit(&items[i].choice);
        command_deinit(&c.head);
        return r;
}

static int view(struct tx *tx, const void *arg, json_t **ret, struct err *err) {
        return view_model_refresh(tx, "lab", ret, err);
}

static int going(struct desk *d, int (*run)(struct tx *, struct command *, struct err *)) {
        struct command_going c = { .head = { .run = run, .of_model = "lab" }, .model = "lab" };
        int r = desk_run(d, &c.head);

        command_deinit(&c.head);
        return r;
}

static void an_order_without_anything_changes_nothing(void **state) {
        static const char *const none[] = { NULL };
        struct desk *d = *state;

        assert_int_equal(order(d, none, false), 0);
        assert_true(desk_has_note(d, "nothing to change"));
        assert_int_equal(desk_read(d, view, NULL), -ENOENT);
        assert_int_equal(going(d, command_refresh_all_resume), -ENOENT);
}

/* None was ever planned, so none has stages: all are over in the transaction that orders them. */
static void what_has_no_stages_is_over_at_once(void **state) {
        static const char *const two[] = { "db", "server", NULL };
        struct desk *d = *state;

        assert_int_equal(order(d, two, true), -ECANCELED);
        assert_int_equal(desk_read(d, view, NULL), -ENOENT);
        assert_int_equal(order(d, two, false), 0);
        assert_int_equal(desk_read(d, view, NULL), 0);
        assert_string_equal(json_get_str(d->reply, "state", ""), "done");
        assert_int_equal(json_get_int(d->reply, "over", 0), 2);
        assert_int_equal(going(d, command_refresh_all_resume), -EBUSY);
        assert_int_equal(going(d, command_refresh_all_cancel), -EBUSY);
        assert_true(desk_has_error(d, "is over: done"));
        assert_int_equal(going(d, command_refresh_all_rollback), -EBUSY);
}

/* Between the look at what is on offer and the transaction. */
static void what_went_meanwhile_is_left_out(void **state) {
        static const char *const two[] = { "db", "nobody", NULL };
        struct desk *d = *state;

        assert_int_equal(order(d, two, false), 0);
        assert_int_equal(desk_read(d, view, NULL), 0);
        assert_int_equal(json_get_int(d->reply, "total", 0), 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(who_provides_comes_first),
                cmocka_unit_test_setup_teardown(an_order_without_anything_changes_nothing,
                                                desk_small_set_up, desk_tear_down),
                cmocka_unit_test_setup_teardown(what_has_no_stages_is_over_at_once,
                                                desk_small_set_up, desk_tear_down),
                cmocka_unit_test_setup_teardown(what_went_meanwhile_is_left_out, desk_small_set_up,
                                                desk_tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
