/* SPDX-License-Identifier: Apache-2.0 */
/* test_words.c - sizes, names, channels, constraints and lists of faults */
#include "channel.h"
#include "constraint.h"
#include "drift-outcome.h"
#include "faults.h"
#include "files.h"
#include "name.h"
#include "size.h"

#include "unit.h"

static void sizes_read_as_juju_writes_them(void **state) {
        static const struct {
                const char *text;
                int64_t bytes;
                const char *back;
        } cases[] = {
                { "10G", 10ll << 30, "10G" },
                { "512M", 512ll << 20, "512M" },
                { "1.5G", 3ll << 29, "1536M" },
                { "10Gi", 10ll << 30, "10G" },
                { "10GiB", 10ll << 30, "10G" },
                { "2GB", 2ll << 30, "2G" },
                { "64", 64ll << 20, "64M" },
                { "7E", 7ll << 60, "7E" },
                { "3B", 3, "3B" },
                { "1k", 1024, "1K" },
                { "0", 0, "0B" },
                { "0.5K", 512, "512B" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                char text[SIZE_TEXT_MAX];
                int64_t bytes = -1;

                assert_true(size_parse(cases[i].text, &bytes));
                assert_int_equal(bytes, cases[i].bytes);
                assert_string_equal(size_text(bytes, text), cases[i].back);
        }
}

static void what_is_no_size_is_refused(void **state) {
        static const char *const cases[] = {
                "",    "G",   "-1G", "1X", "1GG", "8E", "99999999999999999999",
                "1 G", "1.G", "1Bi", ".5G"
        };
        int64_t bytes = -7;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                assert_false(size_parse(cases[i], &bytes));
        assert_int_equal(bytes, -7);
}

static void names_that_kubernetes_would_refuse_are_refused(void **state) {
        static const struct {
                const char *name, *wanted;
        } cases[] = {
                { "My-App", "upper-case" },
                { "my_app", "may only have" },
                { "", "is empty" },
                { "-a", "hyphen" },
                { "a-", "hyphen" },
                { "1a", "begin with a letter" },
                { "app-2", "part without a letter" },
                { "a--b", "part without a letter" },
                { "a.b", "may only have" },
                { "a23456789012345678901234567890123456789012345678x", "49 letters" },
        };
        struct err err = {};

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                assert_int_equal(name_check_application(cases[i].name, &err), -EINVAL);
                if (!strstr(err.text, cases[i].wanted))
                        fail_msg("%s: %s", cases[i].name, err.text);
        }
        assert_int_equal(name_check_application("mlflow-server", &err), 0);
        assert_int_equal(name_check_application("a2b-3c", &err), 0);
        assert_int_equal(name_check_model("1kubeflow", &err), 0);
        assert_int_equal(name_check_model("kube-system", &err), -EINVAL);
        assert_int_equal(name_check_model("Kubeflow", &err), -EINVAL);
        assert_int_equal(name_check_cluster("aks.west_1", &err), 0);
        assert_int_equal(name_check_cluster("a/b", &err), -EINVAL);
        assert_int_equal(name_check_cluster("", &err), -EINVAL);
}

static void channels_get_their_full_form(void **state) {
        static const struct {
                const char *text, *wanted;
        } cases[] = {
                { "stable", "latest/stable" }, { "8.0", "8.0/stable" },
                { "8.0/edge", "8.0/edge" },    { "edge/fix", "latest/edge/fix" },
                { "1/beta/x", "1/beta/x" },
        };
        static const char *const bad[] = { "", "/", "a/b", "a/stable/b/c", "a b", "8.0/" };
        char *const list[] = { (char *)"8.0", (char *)"latest/edge", NULL };
        char *const any[] = { (char *)"*", NULL };
        char full[CHANNEL_MAX];
        struct err err = {};

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                assert_int_equal(channel_parse(cases[i].text, full, &err), 0);
                assert_string_equal(full, cases[i].wanted);
        }
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                assert_int_equal(channel_parse(bad[i], full, &err), -EINVAL);
        assert_true(channel_serves(list, "8.0/stable"));
        assert_false(channel_serves(list, "8.0/edge"));
        assert_true(channel_serves(any, "8.0/edge"));
}

static void constraints_become_json_and_text_again(void **state) {
        static const struct {
                const char *text, *json, *back;
        } cases[] = {
                { "", "{}", "" },
                { "mem=2G", "{\"mem\":\"2147483648\"}", "mem=2G" },
                { " cores=2  arch=ppc64el ", "{\"arch\":\"ppc64le\",\"cores\":\"2\"}",
                  "cores=2 arch=ppc64le" },
                { "tags=pool=user,zone=a nodes.x.io/y=z",
                  "{\"nodes.pool\":\"user\",\"nodes.x.io/y\":\"z\",\"nodes.zone\":\"a\"}",
                  "nodes.pool=user nodes.zone=a nodes.x.io/y=z" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                cleanup_(json_freep) json_t *j = NULL;
                cleanup_(json_freep) json_t *again = NULL;
                cleanup_(freep) char *text = NULL;
                cleanup_(freep) char *back = NULL;
                struct err err = {};

                assert_int_equal(constraint_parse(cases[i].text, &j, &err), 0);
                text = json_text(j);
                assert_string_equal(text, cases[i].json);
                back = constraint_text(j);
                assert_string_equal(back, cases[i].back);
                assert_int_equal(constraint_parse(back, &again, &err), 0);
                assert_true(json_equal(j, again));
        }
}

static void wrong_constraints_say_what_is_wanted(void **state) {
        static const struct {
                const char *text, *wanted;
        } cases[] = {
                { "mem=lots", "constraint mem=lots: wants a size" },
                { "cores=0", "constraint cores=0: wants a whole number" },
                { "arch=vax", "wants one of amd64" },
                { "mme=2G", "did you mean \"mem\"?" },
                { "mem", "wants NAME=VALUE" },
                { "mem=", "drops all of them" },
                { "mem=1G mem=2G", "is given twice" },
                { "zones=a", "means nothing on Kubernetes" },
                { "tags=fast", "tags=LABEL=VALUE" },
                { "nodes.a=1 tags=a=2", "is both 1 and 2" },
                { "nodes.-a=1", "a node's label" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                json_t *j = NULL;
                struct err err = {};

                assert_int_equal(constraint_parse(cases[i].text, &j, &err), -EINVAL);
                if (!strstr(err.text, cases[i].wanted))
                        fail_msg("%s: %s", cases[i].text, err.text);
        }
}

static void faults_beyond_the_limit_are_counted(void **state) {
        cleanup_(faults_deinit) struct faults f = {};
        cleanup_(json_freep) json_t *j = NULL;
        struct err err = {};

        assert_int_equal(faults_end(&f, &err), 0);
        for (int i = 0; i < FAULTS_MAX + 3; i++)
                faults_add(&f, "b.yaml", i + 1, "wrong %d", i);
        j = faults_json(&f);
        assert_int_equal(json_array_size(j), FAULTS_MAX);
        assert_int_equal(faults_end(&f, &err), -EINVAL);
        assert_string_equal(err.text, "b.yaml:1: wrong 0 (and 52 more errors)");
}

static void each_way_that_drift_ends_is_in_the_manual(void **state) {
        cleanup_(freep) char *manual = files_read(EXAMPLES "/../docs/operating.md");

        assert_non_null(manual);
        for (enum drift_outcome o = 0; o < DRIFT_OUTCOME_MAX; o++) {
                cleanup_(freep) char *row = str_format("\n| `%s` | ", drift_outcome_name(o));

                if (!strstr(manual, row))
                        fail_msg("docs/operating.md has no row of the outcome \"%s\"",
                                 drift_outcome_name(o));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(sizes_read_as_juju_writes_them),
                cmocka_unit_test(what_is_no_size_is_refused),
                cmocka_unit_test(names_that_kubernetes_would_refuse_are_refused),
                cmocka_unit_test(channels_get_their_full_form),
                cmocka_unit_test(constraints_become_json_and_text_again),
                cmocka_unit_test(wrong_constraints_say_what_is_wanted),
                cmocka_unit_test(faults_beyond_the_limit_are_counted),
                cmocka_unit_test(each_way_that_drift_ends_is_in_the_manual),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
