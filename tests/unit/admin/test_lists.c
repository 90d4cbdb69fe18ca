/* SPDX-License-Identifier: Apache-2.0 */
/* test_lists.c - lists whose rows are filtered one by one: an answer looks at a window of them,
 * and "next" leads on where nothing fitted yet */
#include "desk.h"

#include "audit.h"
#include "queries.gen.h"

#define MANY (REQUEST_WINDOW + 100)

static int add_model(struct tx *tx, int64_t id, const char *name, struct err *err) {
        return w_model_insert(
                tx,
                &(struct w_model_insert_in){ .id = id, .name = name, .uuid = name, .target_id = 1 },
                err);
}

static int add_drift(struct tx *tx, int64_t model, const char *application, struct err *err) {
        return w_drift_insert(tx,
                              &(struct w_drift_insert_in){ .id = tx_id(tx, "drift"),
                                                           .model_id = model,
                                                           .application = application,
                                                           .resource_id = 1,
                                                           .type = "Secret",
                                                           .path = "lab/x",
                                                           .fields = "[]",
                                                           .who = "not recorded",
                                                           .changed_at_null = true,
                                                           .seen_at = tx_now(tx),
                                                           .detected_ms_null = true,
                                                           .action = "repair",
                                                           .outcome = "repaired" },
                              err);
}

/* The oldest line is the only one of its application. */
static int fill_drift(struct tx *tx, struct store_call *c, struct err *err) {
        int r = w_target_insert(tx,
                                &(struct w_target_insert_in){ .id = 1,
                                                              .name = "t",
                                                              .provider = "none",
                                                              .config = "{}",
                                                              .application_id_null = true },
                                err);

        if (r >= 0)
                r = add_model(tx, 1, "one", err);
        if (r >= 0)
                r = add_model(tx, 2, "two", err);
        if (r >= 0)
                r = add_drift(tx, 1, "rare", err);
        for (int i = 0; r >= 0 && i < MANY; i++)
                r = add_drift(tx, 1, "often", err);
        return r < 0 ? r : add_drift(tx, 2, "other", err);
}

static int fill_audit(struct tx *tx, struct store_call *c, struct err *err) {
        const struct desk *d = c->arg;
        struct audit_entry e = { .kind = "person", .what = "rare", .outcome = "done" };
        int r = audit_append(tx, &d->audit, &e, err);

        e.what = "often";
        for (int i = 0; r >= 0 && i < MANY; i++)
                r = audit_append(tx, &d->audit, &e, err);
        return r < 0 ? r : 0;
}

/* Rows of LIST; the cursor of the following page, 0: that was the last. */
static size_t ask(struct desk *d, const char *path, const char *list, int64_t before,
                  int64_t *ret_next) {
        cleanup_(answer_deinit) struct answer a = { 0 };
        cleanup_(freep) char *page =
                before ? str_format("%s&before=%lld", path, (long long)before) : str_dup(path);

        desk_ask(d, "GET", page, NULL, NULL, 0, &a);
        assert_int_equal(a.status, 200);
        *ret_next = json_get_int(a.json, "next", 0);
        return json_array_size(json_get(a.json, list));
}

static void what_fits_nothing_reads_a_window(struct desk *d, const char *path, const char *list,
                                             int64_t oldest) {
        int64_t next, last;

        assert_int_equal(ask(d, path, list, 0, &next), 0);
        assert_int_equal(next, oldest);
        assert_int_equal(ask(d, path, list, next, &last), 1);
        assert_int_equal(last, 0);
}

static void a_filter_of_the_audit_reads_a_window_at_once(void **state) {
        struct desk *d = *state;
        int64_t newest, next;

        desk_write(d, fill_audit, d);
        assert_int_equal(ask(d, "/v1/audit?max=1", "audit", 0, &newest), 1);
        what_fits_nothing_reads_a_window(d, "/v1/audit?what=rare", "audit",
                                         newest - REQUEST_WINDOW + 1);
        assert_int_equal(ask(d, "/v1/audit?max=10", "audit", 0, &next), 10);
        assert_int_equal(next, newest - 9);
        assert_int_equal(ask(d, "/v1/audit?max=10", "audit", 1, &next), 0);
        assert_int_equal(next, 0);
}

static void a_filter_of_the_ledger_reads_a_window_at_once(void **state) {
        struct desk *d = *state;
        int64_t next;

        desk_write(d, fill_drift, NULL);
        what_fits_nothing_reads_a_window(d, "/v1/models/one/drift?application=rare", "drift",
                                         MANY + 1 - REQUEST_WINDOW + 1);
        /* Numbers are of all models: the window begins at this one's newest. */
        assert_int_equal(ask(d, "/v1/models/two/drift?max=10", "drift", 0, &next), 1);
        assert_int_equal(ask(d, "/v1/models/two/drift?max=10", "drift", next, &next), 0);
        assert_int_equal(next, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, desk_set_up, desk_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_filter_of_the_audit_reads_a_window_at_once),
                TEST(a_filter_of_the_ledger_reads_a_window_at_once),
        };

        return cmocka_run_group_tests_name("lists", tests, NULL, NULL);
}
