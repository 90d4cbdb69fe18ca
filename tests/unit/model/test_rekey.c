/* SPDX-License-Identifier: Apache-2.0 */
/* test_rekey.c - another key seals the store: after each transaction the key file opens everything,
 * and in the end the new key alone does */
#include "desk.h"

#include "rekey.h"
#include "user-secret.h"

#include <stdlib.h>

#define SECRETS 450 /* more than two slices */

static struct seal_options where(struct desk *d) {
        return (struct seal_options){ .state_dir = d->fixture->dir, .must_exist = true };
}

static int add_secrets(struct tx *tx, int64_t application, struct err *err);
static struct desk *desk;

static int set_up(void **state) {
        int r = desk_small_set_up(state);

        desk = *state;
        assert_true(0 <= desk_write(desk, add_secrets, desk_application_id(desk, "store")));
        return r;
}

static char *value_of(struct tx *tx, int64_t id) {
        return tx_format(tx, "value-%lld", (long long)id);
}

static int add_secrets(struct tx *tx, int64_t application, struct err *err) {
        int r = 0;

        for (int64_t id = 1; r >= 0 && id <= SECRETS; id++) {
                const char *value = value_of(tx, id);
                struct w_secret_insert_in in = { .id = id,
                                                 .uri = tx_format(tx, "%026lld", (long long)id),
                                                 .model_id = 1,
                                                 .application_id = application,
                                                 .label = tx_format(tx, "l%lld", (long long)id),
                                                 .field = "password",
                                                 .purpose = "generated",
                                                 .policy = "{}",
                                                 .revision = 1,
                                                 .created_at = tx_now(tx) };
                struct secret_revision first = { in.id, in.uri, 1 };

                r = w_secret_insert(tx, &in, err);
                if (r >= 0)
                        r = secret_revision_add(tx, desk->sealer, &first, value, strlen(value),
                                                err);
        }
        return r;
}

/* By what a daemon that starts now would have: the key file. */
static struct sealer *started;

static int open_all(struct tx *tx, int64_t unused, struct err *err) {
        int r = rekey_parts(tx, started, err);

        for (int64_t id = 1; r >= 0 && id <= SECRETS; id++) {
                cleanup_(secret_text_free) struct secret_text text = {};
                struct q_secret_row *row;
                size_t n;

                r = q_secret_by_id(tx, &(struct q_secret_by_id_in){ .id = id }, &row, &n, err);
                if (r >= 0)
                        r = secret_revision_open(tx, started, row, 1, &text, err);
                if (r >= 0)
                        assert_string_equal(text.data, value_of(tx, id));
        }
        return r < 0 ? r : 0;
}

static void a_start_opens_all(struct desk *d) {
        struct seal_options o = where(d);
        struct err err = {};

        started = seal_free(started);
        if (seal_new(&o, &started, NULL, &err) < 0)
                fail_msg("%s", err_text(&err));
        if (desk_write(d, open_all, 0) < 0)
                fail_msg("%s", err_text(&d->err));
        assert_memory_equal(seal_hash_key(started), seal_hash_key(d->sealer), DIGEST_SIZE);
}

static int tear_down(void **state) {
        started = seal_free(started);
        return desk_tear_down(state);
}

static struct rekey_run run;

static int slice(struct tx *tx, int64_t id, struct err *err) {
        return rekey_slice(tx, &run, err);
}

static int parts(struct tx *tx, int64_t id, struct err *err) {
        return rekey_parts(tx, desk->sealer, err);
}

static size_t pass(struct desk *d) {
        size_t sealed = 0;

        run = (struct rekey_run){ .sealer = d->sealer };
        do {
                assert_int_equal(desk_write(d, slice, 0), 0);
                sealed += run.sealed;
                run.from = run.to;
                a_start_opens_all(d);
        } while (!run.over);
        return sealed;
}

static void the_key_file_opens_everything_at_each_step(void **state) {
        static const char link[] = "a link of the audit";
        uint8_t old_id[SEAL_ID_SIZE], before[DIGEST_SIZE], after[DIGEST_SIZE];
        struct desk *d = *state;
        struct seal_options o = where(d);
        struct err err = {};

        assert_true(0 <= desk_write(d, parts, 0));
        memcpy(old_id, seal_current_id(d->sealer), SEAL_ID_SIZE);
        assert_true(seal_chain_hash(d->sealer, old_id, link, sizeof(link), before));
        a_start_opens_all(d);
        assert_int_equal(seal_file_begin(&o, d->sealer, &err), 1);
        assert_memory_not_equal(seal_current_id(d->sealer), old_id, SEAL_ID_SIZE);
        a_start_opens_all(d);
        assert_true(pass(d) >= SECRETS);
        assert_int_equal(pass(d), 0);
        assert_int_equal(seal_file_settle(&o, d->sealer, &err), 0);
        a_start_opens_all(d);
        assert_int_equal(seal_key_count(started), 1);
        /* The audit of before is still one chain, though its key is gone. */
        assert_false(seal_has_key(started, old_id));
        assert_true(seal_chain_hash(started, old_id, link, sizeof(link), after));
        assert_memory_equal(before, after, DIGEST_SIZE);
}

static void a_key_file_of_the_operators_is_read_again(void **state) {
        cleanup_(freep) char *path = NULL;
        struct desk *d = *state;
        struct seal_options o = where(d);
        char keys[2 * SEAL_KEY_SIZE] = "a new key of thirty-two bytes...";
        struct err err = {};
        FILE *f;

        assert_true(0 <= desk_write(d, parts, 0));
        path = str_format("%s/key", d->fixture->dir);
        o.key_file = path;
        assert_int_equal(seal_file_again(&o, d->sealer, &err), 0);
        f = fopen(path, "r+");
        assert_int_equal(fread(keys + SEAL_KEY_SIZE, 1, SEAL_KEY_SIZE, f), SEAL_KEY_SIZE);
        rewind(f);
        fwrite(keys, 1, SEAL_KEY_SIZE, f);
        fclose(f);
        assert_int_equal(seal_file_again(&o, d->sealer, &err), -ENOKEY); /* the old one is lost */
        f = fopen(path, "w");
        fwrite(keys, 1, sizeof(keys), f);
        fclose(f);
        assert_int_equal(seal_file_again(&o, d->sealer, &err), 1);
        a_start_opens_all(d);
        assert_true(pass(d) >= SECRETS);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(the_key_file_opens_everything_at_each_step, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(a_key_file_of_the_operators_is_read_again, set_up,
                                                tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
