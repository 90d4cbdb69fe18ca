/* SPDX-License-Identifier: Apache-2.0 */
/* test_status.c - a recorded status, drawn: equal to the byte, section by section, to what
 * people read. */
#include "status-table.h"
#include "status.h"
#include "table.h"

#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>

static json_t *status;

static char *draw(const json_t *from, bool color) {
        struct status_table_options o = { .color = color, .utc = true };
        char *text = NULL;
        size_t len;
        FILE *f = open_memstream(&text, &len);

        status_table_print(from, &o, f);
        fclose(f);
        return text;
}

static void the_screen_is_that_of_juju_status(void **state) {
        cleanup_(freep) char *text = draw(status, false);

        assert_string_equal(
                text,
                "Model     Controller  Cloud/Region  Version  Timestamp\n"
                "kubeflow  mooring     aks           0.1.0    14:02:07Z\n"
                "\n"
                "App            Version  Status   Scale  Charm          Channel      Rev  Address  "
                "Exposed  Message\n"
                "dex-auth                blocked    0/1  dex-auth       2.41/stable                "
                "no       no charm "
                "module \"dex-auth\" second?[31m line\n"
                "mlflow-mysql   8.0.41   active       1  mysql-k8s      8.0/stable   127           "
                "no\n"
                "mlflow-server           waiting    1/3  mlflow-server  2.22/stable    3           "
                "yes      pod "
                "mlflow-server-10: ImagePullBackOff\n"
                "\n"
                "Unit              Workload  Agent       Address   Ports     Message\n"
                "mlflow-mysql/0    active    idle        10.1.0.7  3306/TCP\n"
                "mlflow-server/2   active    idle        10.1.0.9  5000/TCP\n"
                "mlflow-server/10  waiting   allocating                      ImagePullBackOff\n"
                "\n"
                "Integration provider   Requirer                     Interface     Type     "
                "Message\n"
                "dex-auth:peer          dex-auth:peer                dex_peer      peer     being "
                "removed\n"
                "mlflow-mysql:database  mlflow-server:relational-db  mysql_client  regular\n"
                "\n"
                "Storage Unit  Storage ID                   Type                   Mountpoint      "
                " Size  Status    "
                "Message\n"
                "mlflow-mysql  mlflow-mysql/database        filesystem             /var/lib/mysql  "
                "10GiB  pending   the claim is Pending\n"
                "mlflow-mysql  mlflow                       database                               "
                "       attached\n"
                "minio         kubeflow/minio-data-minio-0  PersistentVolumeClaim                  "
                "       detached\n");
}

static void units_are_counted_but_those_that_are_going(void **state) {
        cleanup_(json_freep) json_t *more = json_deep_copy(status);
        json_t *a = json_get(json_get(more, "applications"), "mlflow-mysql");
        json_t *units = json_get(a, "units"), *going;
        cleanup_(freep) char *scale = NULL;

        json_object_set(units, "mlflow-mysql/1", json_get(units, "mlflow-mysql/0"));
        json_object_set(units, "mlflow-mysql/2", json_get(units, "mlflow-mysql/0"));
        scale = status_scale(a);
        assert_string_equal(scale, "3/1");
        free(scale);
        going = json_deep_copy(json_get(units, "mlflow-mysql/0"));
        json_object_set_new(going, "workload-status", json_pack("{s:s}", "current", "terminated"));
        json_object_set_new(units, "mlflow-mysql/1", going);
        json_object_set(units, "mlflow-mysql/2", going);
        scale = status_scale(a);
        assert_string_equal(scale, "1");
}

/* What was seen last is no news, and nothing seen is not none. */
static void while_a_cluster_is_away_the_scale_is_what_was_seen_last(void **state) {
        static const struct {
                const char *application, *scale;
        } cases[] = {
                { "{\"scale\":1,\"application-status\":{\"current\":\"unknown\"}}", "?/1" },
                { "{\"scale\":0,\"application-status\":{\"current\":\"unknown\"}}", "0" },
                { "{\"scale\":1,\"application-status\":{\"current\":\"waiting\"}}", "0/1" },
                { "{\"scale\":1,\"application-status\":{\"current\":\"active\"},\"runs-pods\":"
                  "false}",
                  "-" },
                { "{\"scale\":1,\"application-status\":{\"current\":\"unknown\"},\"units\":{\"a/"
                  "0\":{"
                  "\"juju-status\":{\"current\":\"lost\"}}}}",
                  "1" },
                { "{\"scale\":2,\"application-status\":{\"current\":\"unknown\"},\"units\":{\"a/"
                  "0\":{"
                  "\"juju-status\":{\"current\":\"lost\"}}}}",
                  "1/2" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                cleanup_(json_freep) json_t *a = NULL;
                cleanup_(freep) char *scale = NULL;

                assert_int_equal(
                        json_parse(cases[i].application, strlen(cases[i].application), &a, NULL),
                        0);
                scale = status_scale(a);
                assert_string_equal(scale, cases[i].scale);
        }
}

static void without_colour_there_is_no_escape(void **state) {
        cleanup_(freep) char *plain = draw(status, false);
        cleanup_(freep) char *color = draw(status, true);

        assert_null(strchr(plain, '\033'));
        assert_non_null(strstr(color, "\033[1;31mblocked\033[0m"));
        assert_non_null(strstr(color, "\033[32mactive\033[0m"));
}

static void no_line_ends_in_a_blank(void **state) {
        cleanup_(freep) char *text = draw(status, false);

        assert_null(strstr(text, " \n"));
}

static void a_cluster_that_cannot_be_read_is_in_the_notes(void **state) {
        cleanup_(json_freep) json_t *lost = json_deep_copy(status);
        json_t *target = json_array_get(json_get(lost, "targets"), 0);
        cleanup_(freep) char *text = NULL;

        json_object_set_new(target, "readable", json_false());
        json_object_set_new(target, "why", json_string("connection refused"));
        json_object_set_new(target, "next-try", json_string("2026-11-21T10:00:30Z"));
        text = draw(lost, false);
        assert_non_null(strstr(text, "Timestamp  Notes\n"));
        assert_non_null(strstr(text, "cannot be read since "));
        assert_non_null(strstr(text, ", next try "));
        assert_non_null(strstr(text, "connection refused"));
}

static void a_full_disk_of_the_controller_is_in_the_notes(void **state) {
        cleanup_(json_freep) json_t *full = json_deep_copy(status);
        cleanup_(freep) char *text = NULL;

        json_object_set_new(json_get(full, "controller"), "read-only", json_true());
        text = draw(full, false);
        assert_non_null(strstr(text, "the controller's disk is full: nothing is put right"));
}

static void an_empty_model_says_so(void **state) {
        cleanup_(json_freep) json_t *empty = json_deep_copy(status);
        cleanup_(freep) char *text = NULL;

        json_object_clear(json_get(empty, "applications"));
        json_object_del(empty, "relations");
        json_object_del(empty, "storage");
        json_object_del(empty, "detached");
        text = draw(empty, false);
        assert_non_null(strstr(text, "Model \"kubeflow\" is empty."));
        assert_null(strstr(text, "App "));
}

static void the_short_form_has_a_line_a_unit(void **state) {
        char *text = NULL;
        size_t len;
        FILE *f = open_memstream(&text, &len);

        status_table_short(status, f);
        fclose(f);
        assert_string_equal(text,
                            "\n- mlflow-mysql/0: 10.1.0.7 (agent:idle, workload:active) 3306/TCP\n"
                            "- mlflow-server/2: 10.1.0.9 (agent:idle, workload:active) 5000/TCP\n"
                            "- mlflow-server/10:  (agent:allocating, workload:waiting)\n");
        free(text);
}

/* ---- selecting */

static size_t selected(char *word, const char *name) {
        cleanup_(json_freep) json_t *copy = json_deep_copy(status);

        status_select(copy, &word, 1);
        if (name)
                assert_non_null(json_get(json_get(copy, "applications"), name));
        return json_object_size(json_get(copy, "applications"));
}

static void applications_are_selected_by_pattern_unit_or_state(void **state) {
        assert_int_equal(selected((char[]){ "mlflow-*" }, "mlflow-mysql"), 2);
        assert_int_equal(selected((char[]){ "blocked" }, "dex-auth"), 1);
        assert_int_equal(selected((char[]){ "mlflow-server/2" }, "mlflow-server"), 1);
        assert_int_equal(selected((char[]){ "nothing" }, NULL), 0);
}

static void relations_and_storage_follow_the_selection(void **state) {
        cleanup_(json_freep) json_t *copy = json_deep_copy(status);
        char *words[] = { (char[]){ "dex-auth" } };

        status_select(copy, words, 1);
        assert_int_equal(json_array_size(json_get(copy, "relations")), 1);
        assert_int_equal(json_object_size(json_get(copy, "storage")), 0);
        assert_int_equal(json_array_size(json_get(copy, "data")), 0);
}

static void numbers_stand_right_and_words_left(void **state) {
        static const char *const head[] = { "Name", "N", "Text", NULL };
        cleanup_(table_deinit) struct table t;
        char *text = NULL;
        size_t len;
        FILE *f = open_memstream(&text, &len);

        table_init(&t, head);
        table_right(&t, 1);
        table_add(&t, "a");
        table_printf(&t, "%d", 100);
        table_add(&t, NULL);
        table_add(&t, "long");
        table_add(&t, "1");
        table_add(&t, "x");
        table_print(&t, false, f);
        fclose(f);
        assert_string_equal(text, "Name    N  Text\na     100\nlong    1  x\n");
        assert_int_equal(table_rows(&t), 2);
        free(text);
}

static int read_status(void **state) {
        char text[65536];
        FILE *f = fopen(STATUS, "re");
        size_t n;

        assert_non_null(f);
        n = fread(text, 1, sizeof(text), f);
        fclose(f);
        assert_int_equal(json_parse(text, n, &status, NULL), 0);
        return 0;
}

static int drop_status(void **state) {
        json_decref(status);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_screen_is_that_of_juju_status),
                cmocka_unit_test(units_are_counted_but_those_that_are_going),
                cmocka_unit_test(while_a_cluster_is_away_the_scale_is_what_was_seen_last),
                cmocka_unit_test(without_colour_there_is_no_escape),
                cmocka_unit_test(no_line_ends_in_a_blank),
                cmocka_unit_test(a_cluster_that_cannot_be_read_is_in_the_notes),
                cmocka_unit_test(a_full_disk_of_the_controller_is_in_the_notes),
                cmocka_unit_test(an_empty_model_says_so),
                cmocka_unit_test(the_short_form_has_a_line_a_unit),
                cmocka_unit_test(applications_are_selected_by_pattern_unit_or_state),
                cmocka_unit_test(relations_and_storage_follow_the_selection),
                cmocka_unit_test(numbers_stand_right_and_words_left),
        };

        return cmocka_run_group_tests_name("status", tests, read_status, drop_status);
}
