/* SPDX-License-Identifier: Apache-2.0 */
/* test_shown.c - plans that were shown are kept for as long as they should be, sealed, and what
 * moved since is named */
#include "desk.h"

#include "shown.h"

#include <sqlite3.h>

static const char then[] =
        "[{\"text\": \"set the scale of web to 2\"},"
        " {\"type\": \"Deployment.apps\", \"path\": \"lab/web\", \"do\": \"change\", \"content\": "
        "\"c1\", \"seen\": \"s1\", \"server\": \"accepts\", \"fields\": [1]}]";

static json_t *parsed(const char *text) {
        json_t *json = NULL;
        struct err err = { 0 };

        assert_int_equal(json_parse(text, strlen(text), &json, &err), 0);
        return json;
}

/* All that is told, a line each. */
static char *moved(const char *now, const char *since) {
        cleanup_(json_freep) json_t *a = parsed(then), *b = parsed(now);
        cleanup_(json_freep) json_t *s = since ? parsed(since) : NULL;
        cleanup_(json_freep) json_t *kept = shown_lines(a);
        cleanup_(faults_deinit) struct faults f = { 0 };
        struct buf out = BUF_INIT;

        shown_moved(kept, b, s, &f);
        for (size_t i = 0; i < f.count; i++)
                buf_printf(&out, "%s%s", i ? "\n" : "", f.items[i].text);
        buf_puts(&out, "");
        return buf_take(&out);
}

static void expect(const char *now, const char *since, const char *text) {
        cleanup_(freep) char *told = moved(now, since);

        assert_string_equal(told ? told : "", text);
}

#define WEB(what, content, seen, server)                                                           \
        "[{\"text\": \"set the scale of web to 2\"}, {\"type\": \"Deployment.apps\", \"path\": "   \
        "\"lab/web\", \"do\": \"" what "\", \"content\": \"" content "\", \"seen\": \"" seen       \
        "\", \"server\": \"" server "\"}]"

static void what_moved_is_named(void **state) {
        expect(then, NULL, "");
        expect(WEB("change", "c1", "s2", "accepts"), NULL,
               "Deployment.apps lab/web: what is there is other now");
        expect(WEB("change", "c1", "s2", "accepts"),
               "{\"objects\": {\"Deployment.apps lab/web\": \"kubectl-edit\"}, \"people\": "
               "[\"config by alice\"]}",
               "Deployment.apps lab/web: what is there is other now: changed by kubectl-edit\n"
               "since then: config by alice");
        expect(WEB("change", "c2", "s1", "accepts"), NULL,
               "Deployment.apps lab/web: what would be written is other now");
        expect(WEB("remove", "c1", "s1", "accepts"), NULL,
               "Deployment.apps lab/web: the plan says change, now it is remove");
        expect(WEB("change", "c1", "s1", "refused"), NULL,
               "Deployment.apps lab/web: the server said accepts, now it says refused");
        expect("[{\"text\": \"set the scale of web to 2\"}]", NULL,
               "Deployment.apps lab/web: the plan would change it, and now nothing is to be done "
               "with it");
}

static void a_line_more_is_named_too(void **state) {
        cleanup_(freep) char *told = moved(
                "[{\"text\": \"set the scale of web to 3\"}, {\"type\": \"Deployment.apps\","
                " \"path\": \"lab/web\", \"do\": \"change\", \"content\": \"c1\", \"seen\": \"s1\","
                " \"server\": \"accepts\"}, {\"type\": \"Service\", \"path\": \"lab/web\","
                " \"do\": \"remove\"}]",
                NULL);

        assert_non_null(strstr(told, "no longer: set the scale of web to 2"));
        assert_non_null(strstr(told, "new: set the scale of web to 3"));
        assert_non_null(
                strstr(told, "Service lab/web: not in the plan, and to be done too now: remove"));
}

/* ---- kept */

static struct sealer *sealer;
static struct shown_new in;
static char name[SHOWN_NAME_SIZE];
static struct shown *found;
static const char *asked_name;

static int keep(struct tx *tx, int64_t id, struct err *err) {
        return shown_keep(tx, sealer, &in, name, err);
}

static int age(struct tx *tx, int64_t id, struct err *err) {
        return w_shown_again(tx, &(struct w_shown_again_in){ .id = id, .at = 1, .until = 2 }, err);
}

static int find(struct tx *tx, int64_t id, struct err *err) {
        found = shown_free(found);
        return shown_find(tx, sealer, "lab", asked_name ? asked_name : name, &found, err);
}

static int count(struct desk *d, const char *sql) {
        cleanup_(freep) char *path = fixture_path(d->fixture, "model.db");
        sqlite3 *db = NULL;
        sqlite3_stmt *s = NULL;
        int n;

        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(s), SQLITE_ROW);
        n = sqlite3_column_int(s, 0);
        sqlite3_finalize(s);
        sqlite3_close(db);
        return n;
}

static void begin(struct desk *d, const char *owner, const json_t *request, const json_t *lines) {
        sealer = d->sealer;
        asked_name = NULL;
        in = (struct shown_new){ .model = "lab",
                                 .application = "",
                                 .owner = owner,
                                 .request = request,
                                 .lines = lines };
}

static void the_same_plan_keeps_its_name_and_is_sealed(void **state) {
        struct desk *d = *state;
        cleanup_(json_freep) json_t *request = parsed("{\"body\": \"password=hunter2\"}");
        cleanup_(json_freep) json_t *lines = parsed(then);
        char first[SHOWN_NAME_SIZE];

        begin(d, "alice", request, lines);
        assert_int_equal(desk_write(d, keep, 0), 0);
        str_copy(first, sizeof(first), name);
        assert_int_equal(desk_write(d, keep, 0), 0);
        assert_string_equal(name, first);
        assert_int_equal(count(d, "SELECT count(*) FROM shown"), 1);
        assert_int_equal(count(d, "SELECT count(*) FROM shown WHERE instr(request, 'hunter2') > 0"),
                         0);
        assert_int_equal(desk_write(d, find, 0), 0);
        assert_string_equal(json_get_str(found->request, "body", ""), "password=hunter2");
        assert_null(json_get(json_array_get(found->lines, 1), "fields")); /* of no use to compare */
        in.owner = "bob";
        assert_int_equal(desk_write(d, keep, 0), 0);
        assert_string_not_equal(name, first);
        found = shown_free(found);
}

static void the_oldest_of_a_person_goes_and_what_is_over_is_not_found(void **state) {
        struct desk *d = *state;
        char first[SHOWN_NAME_SIZE], others[SHOWN_NAME_SIZE];

        begin(d, "bob", NULL, NULL);
        for (int i = 0; i <= SHOWN_OWNER_MAX + 1; i++) {
                cleanup_(json_freep) json_t *lines = json_array();

                json_array_append_new(lines, json_pack("{s:s}", "text", i ? "many" : "one"));
                for (int k = 0; k < i; k++)
                        json_array_append_new(lines, json_pack("{s:s}", "text", "more"));
                in.owner = i ? "alice" : "bob";
                in.lines = lines;
                assert_int_equal(desk_write(d, keep, 0), 0);
                str_copy(i ? first : others, SHOWN_NAME_SIZE, i < 2 ? name : first);
        }
        assert_int_equal(count(d, "SELECT count(*) FROM shown WHERE owner = 'alice'"),
                         SHOWN_OWNER_MAX);
        asked_name = first;
        assert_int_equal(desk_write(d, find, 0), -ENOENT);
        asked_name = others; /* bob's is still there */
        assert_int_equal(desk_write(d, find, 0), 0);
        assert_int_equal(desk_write(d, age, found->id), 1);
        assert_int_equal(desk_write(d, find, 0), -ENOENT);
        found = shown_free(found);
}

static void too_much_is_not_kept(void **state) {
        struct desk *d = *state;
        cleanup_(json_freep) json_t *lines = json_array();

        for (int i = 0; i <= SHOWN_LINES_MAX; i++)
                json_array_append_new(lines, json_pack("{s:s}", "text", "more"));
        begin(d, "alice", NULL, lines);
        assert_int_equal(desk_write(d, keep, 0), -E2BIG);
}

#define T(f) cmocka_unit_test_setup_teardown(f, desk_set_up, desk_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_moved_is_named),
                cmocka_unit_test(a_line_more_is_named_too),
                T(the_same_plan_keeps_its_name_and_is_sealed),
                T(the_oldest_of_a_person_goes_and_what_is_over_is_not_found),
                T(too_much_is_not_kept),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
