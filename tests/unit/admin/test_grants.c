/* SPDX-License-Identifier: Apache-2.0 */
/* test_grants.c - for whom a secret opens: its owner, and whom it is told to, for as long as it is
 *
 * Rows as a plan leaves them; the opener reads them as before each write to the outside. */
#include "desk.h"

#include "opener.h"
#include "queries.gen.h"
#include "seal.h"

#include <errno.h>

#define URI "abcdefghijklmnopqrstuvwxyz"

enum { OWNER = 1, TOLD, STRANGER };

static int add_application(struct tx *tx, int64_t id, struct err *err) {
        return w_application_insert(
                tx,
                &(struct w_application_insert_in){ .id = id,
                                                   .model_id = 1,
                                                   .name = tx_format(tx, "app-%lld", (long long)id),
                                                   .charm_name = "none",
                                                   .channel = "",
                                                   .revision_null = true,
                                                   .constraints = "{}",
                                                   .annotations = "{}" },
                err);
}

static int add_side(struct tx *tx, const char *role, int64_t application, struct err *err) {
        return w_relation_side_insert(
                tx,
                &(struct w_relation_side_insert_in){ .relation_id = 1,
                                                     .role = role,
                                                     .application_id = application,
                                                     .endpoint = "e" },
                err);
}

static int add_secret(struct tx *tx, struct desk *d, struct err *err) {
        struct seal_place at = { "secret_revision", "sealed", URI, 1 };
        cleanup_(buf_free) struct buf sealed = BUF_INIT;
        int r = w_secret_insert(tx,
                                &(struct w_secret_insert_in){ .id = 1,
                                                              .uri = URI,
                                                              .model_id = 1,
                                                              .application_id = OWNER,
                                                              .label = "root",
                                                              .field = "password",
                                                              .purpose = "generated",
                                                              .policy = "{}",
                                                              .revision = 1 },
                                err);

        if (r >= 0)
                r = seal_value(d->sealer, &at, "hunter2", 7, &sealed, err);
        if (r >= 0)
                r = w_secret_revision_insert(tx,
                                             &(struct w_secret_revision_insert_in){
                                                     .secret_id = 1,
                                                     .revision = 1,
                                                     .sealed = (const uint8_t *)sealed.data,
                                                     .sealed_len = sealed.len },
                                             err);
        return r;
}

static int add_rows(struct tx *tx, struct store_call *c, struct err *err) {
        int r = w_target_insert(tx,
                                &(struct w_target_insert_in){ .id = 1,
                                                              .name = "t",
                                                              .provider = "none",
                                                              .config = "{}",
                                                              .application_id_null = true },
                                err);

        if (r >= 0)
                r = w_model_insert(tx,
                                   &(struct w_model_insert_in){
                                           .id = 1, .name = "m", .uuid = "u", .target_id = 1 },
                                   err);
        for (int64_t id = OWNER; r >= 0 && id <= STRANGER; id++)
                r = add_application(tx, id, err);
        if (r >= 0)
                r = w_relation_insert(
                        tx,
                        &(struct w_relation_insert_in){ .id = 1, .model_id = 1, .interface = "i" },
                        err);
        if (r >= 0)
                r = add_side(tx, "provides", OWNER, err);
        if (r >= 0)
                r = add_side(tx, "requires", TOLD, err);
        return r < 0 ? r : add_secret(tx, c->arg, err);
}

static int grant(struct tx *tx, struct store_call *c, struct err *err) {
        return w_secret_grant_insert(
                tx, &(struct w_secret_grant_insert_in){ .secret_id = 1, .relation_id = 1 }, err);
}

static int withdraw(struct tx *tx, struct store_call *c, struct err *err) {
        return w_secret_grant_delete(
                tx, &(struct w_secret_grant_delete_in){ .secret_id = 1, .relation_id = 1 }, err);
}

struct opening {
        struct desk *desk;
        int64_t application;
        const char *text; /* with a token */
        int result;
        struct buf filled;
};

static int open_it(struct tx *tx, struct store_call *c, struct err *err) {
        struct opening *o = c->arg;
        struct secret_values *values = secret_values_new();
        cleanup_(json_freep) json_t *document = json_string(o->text);

        buf_free(&o->filled);
        o->result = opener_open(tx, o->desk->sealer, o->application, document, values, err);
        if (o->result >= 0)
                o->result = secret_values_fill(values, o->text, &o->filled, err);
        secret_values_free(values);
        return 0;
}

static int opens(struct desk *d, int64_t application) {
        struct opening o = { d, application, "-{{secret:" URI ":1:plain}}-" };

        desk_write(d, open_it, &o);
        if (o.result >= 0)
                assert_string_equal(buf_str(&o.filled), "-hunter2-");
        buf_free(&o.filled);
        return o.result;
}

static void a_secret_opens_for_its_owner_and_for_whom_it_is_told_to(void **state) {
        struct desk *d = *state;

        desk_write(d, add_rows, d);
        assert_int_equal(opens(d, OWNER), 0);
        assert_int_equal(opens(d, TOLD), -EPERM);
        desk_write(d, grant, NULL);
        assert_int_equal(opens(d, TOLD), 0);
        assert_int_equal(opens(d, STRANGER), -EPERM);
        desk_write(d, withdraw, NULL);
        assert_int_equal(opens(d, TOLD), -EPERM);
        assert_int_equal(opens(d, 0), 0); /* what nobody owns any more: kept storage */
}

static void a_hash_is_made_where_the_secret_is_opened(void **state) {
        struct desk *d = *state;
        struct opening o = { d, OWNER, "admin:{{secret:" URI ":1:bcrypt}}" };
        cleanup_(freep) char *first = NULL;

        desk_write(d, add_rows, d);
        desk_write(d, open_it, &o);
        assert_int_equal(o.result, 0);
        assert_true(str_starts(buf_str(&o.filled), "admin:$2b$"));
        first = str_dup(buf_str(&o.filled));
        desk_write(d, open_it, &o);
        assert_string_equal(buf_str(&o.filled),
                            first); /* the same each time: no drift of our own */
        buf_free(&o.filled);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, desk_set_up, desk_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_secret_opens_for_its_owner_and_for_whom_it_is_told_to),
                TEST(a_hash_is_made_where_the_secret_is_opened),
        };

        return cmocka_run_group_tests_name("grants", tests, NULL, NULL);
}
