/* SPDX-License-Identifier: Apache-2.0 */
/* test_bundle.c - good, bad and real bundles, and overlays */
#include "bundle.h"

#include "files.h"
#include "unit.h"

static struct bundle *parse_with(const char *text, const char *overlay, const json_t *includes) {
        struct bundle_source sources[] = {
                { "b.yaml", text, strlen(text) },
                { "o.yaml", overlay, overlay ? strlen(overlay) : 0 },
        };

        return bundle_parse(sources, overlay ? 2 : 1, includes);
}

static struct bundle *parse(const char *text) {
        return parse_with(text, NULL, NULL);
}

static void no_faults(const struct bundle *b) {
        for (size_t i = 0; i < b->faults.count; i++) {
                cleanup_(freep) char *text = faults_text(&b->faults.items[i]);

                print_error("%s\n", text);
        }
        assert_int_equal(b->faults.count, 0);
}

static bool has_text(const struct faults *f, const char *wanted) {
        for (size_t i = 0; i < f->count; i++) {
                cleanup_(freep) char *text = faults_text(&f->items[i]);

                if (strstr(text, wanted))
                        return true;
        }
        return false;
}

#define HEAD "bundle: kubernetes\n"

static void all_keys_of_an_application_are_read(void **state) {
        cleanup_(bundle_freep) struct bundle *b =
                parse(HEAD "name: shop\n"
                           "applications:\n"
                           "  store:\n"
                           "    charm: ch:amd64/jammy/minio-45\n"
                           "    channel: \"1.10\"\n"
                           "    num_units: 2\n"
                           "    trust: true\n"
                           "    constraints: mem=2G arch=arm64\n"
                           "    to: [pool=user]\n"
                           "    options: {port: 9001, mode: server, gone: null}\n"
                           "    storage: {minio-data: \"fast,20G\", cache: 5G}\n"
                           "    resources: {oci-image: \"minio:1\", other: 7}\n"
                           "    annotations: {gui-x: \"1\"}\n"
                           "    expose: true\n"
                           "    _github_repo_name: minio-operator\n");
        const struct bundle_application *a = bundle_find(b, "store");
        const json_t *storage;

        no_faults(b);
        assert_string_equal(b->name, "shop");
        assert_string_equal(a->charm, "minio");
        assert_int_equal(a->revision, 45);
        assert_string_equal(a->channel, "1.10/stable");
        assert_int_equal(a->scale, 2);
        assert_int_equal(a->trust, 1);
        assert_string_equal(json_get_str(a->constraints, "mem", ""), "2147483648");
        assert_string_equal(json_get_str(a->constraints, "nodes.pool", ""), "user");
        assert_int_equal(a->options.count, 2);
        assert_int_equal(json_integer_value(bundle_value(&a->options, "port")->value), 9001);
        assert_int_equal(bundle_value(&a->options, "port")->at.line, 11);
        storage = bundle_value(&a->storage, "minio-data")->value;
        assert_string_equal(json_get_str(storage, "class", ""), "fast");
        assert_int_equal(json_get_int(storage, "size", 0), 20ll << 30);
        assert_null(json_get_str(bundle_value(&a->storage, "cache")->value, "class", NULL));
        assert_int_equal(a->resources.count, 1);
        assert_string_equal(json_string_value(bundle_value(&a->kept, "_github_repo_name")->value),
                            "minio-operator");
        assert_non_null(bundle_value(&a->kept, "annotations"));
        assert_true(has_text(&b->notes, "b.yaml:15: application store: expose is kept"));
        assert_true(has_text(&b->notes, "resources.other: a revision at Charmhub"));
}

static void relations_are_read_in_all_forms(void **state) {
        cleanup_(bundle_freep) struct bundle *b = parse(HEAD "services:\n"
                                                             "  a: {charm: x}\n"
                                                             "  b: {charm: x}\n"
                                                             "  c: {charm: x}\n"
                                                             "relations:\n"
                                                             "- [a, b]\n"
                                                             "- [\"a:x\", \"b:y\"]\n"
                                                             "- [[a], [c]]\n"
                                                             "- - \"a:z\"\n"
                                                             "  - [\"b:z\", \"c:z\"]\n");

        no_faults(b);
        assert_int_equal(b->relation_count, 5);
        assert_null(b->relations[0].sides[1].endpoint);
        assert_string_equal(b->relations[1].sides[1].endpoint, "y");
        assert_string_equal(b->relations[2].sides[1].application, "c");
        assert_string_equal(b->relations[4].sides[1].application, "c");
        assert_int_equal(b->relations[4].at.line, 10);
}

static void overlays_merge_replace_and_take_away(void **state) {
        static const char base[] =
                HEAD "applications:\n"
                     "  a: {charm: x, scale: 1, options: {p: 1, q: 2}, storage: "
                     "{d: \"fast,1G\"}, annotations: {k: v}}\n"
                     "  b: {charm: v}\n"
                     "  c: {charm: z}\n"
                     "relations:\n"
                     "- [a, b]\n"
                     "- [a, c]\n"
                     "---\n"
                     "applications:\n"
                     "  a: {options: {q: 3, r: 4}, storage: {d: 5G}, annotations: {l: w}}\n"
                     "  b:\n";
        static const char over[] = "applications:\n"
                                   "  a: {scale: 4, options: {p: null}}\n"
                                   "  d: {charm: w}\n"
                                   "relations:\n"
                                   "- [a, d]\n";
        cleanup_(bundle_freep) struct bundle *b = parse_with(base, over, NULL);
        const struct bundle_application *a = bundle_find(b, "a");
        const json_t *storage;

        no_faults(b);
        assert_int_equal(b->application_count, 3);
        assert_null(bundle_find(b, "b"));
        assert_int_equal(b->relation_count, 2);
        assert_string_equal(b->relations[1].sides[1].application, "d");
        assert_string_equal(b->relations[1].at.file, "o.yaml");
        assert_int_equal(a->scale, 4);
        assert_null(bundle_value(&a->options, "p"));
        assert_int_equal(json_integer_value(bundle_value(&a->options, "q")->value), 3);
        assert_int_equal(bundle_value(&a->options, "q")->at.line, 11);
        storage = bundle_value(&a->storage, "d")->value;
        assert_int_equal(json_get_int(storage, "size", 0), 5ll << 30);
        assert_string_equal(json_get_str(storage, "class", ""), "fast");
        assert_int_equal(json_object_size(bundle_value(&a->kept, "annotations")->value), 2);
}

static void included_files_come_with_the_request(void **state) {
        static const char text[] = HEAD "applications:\n"
                                        "  a:\n"
                                        "    charm: x\n"
                                        "    options:\n"
                                        "      cert: include-file://cert.pem\n"
                                        "      key: include-base64://cert.pem\n"
                                        "      none: include-file://none.pem\n";
        cleanup_(json_freep) json_t *includes = json_pack("{s:s}", "cert.pem", "abc");
        cleanup_(bundle_freep) struct bundle *b = parse_with(text, NULL, includes);
        const struct bundle_application *a = bundle_find(b, "a");

        assert_string_equal(json_string_value(bundle_value(&a->options, "cert")->value), "abc");
        assert_string_equal(json_string_value(bundle_value(&a->options, "key")->value), "YWJj");
        assert_int_equal(b->faults.count, 1);
        assert_true(has_text(&b->faults,
                             "b.yaml:8: application a: options.none: the file \"none.pem\""));
}

static const struct {
        const char *text, *wanted;
} faulty[] = {
        { "a: [\n", "b.yaml:2:" },
        { "", "b.yaml: has no bundle in it" },
        { "[]\n", "b.yaml:1: a bundle must be an object, is a list" },
        { "applications: {a: {charm: x}}\n",
          "a machine bundle: it does not say `bundle: kubernetes`" },
        { HEAD "machines: {\"0\": {}}\n", "b.yaml:2: a machine bundle: it has machines" },
        { "bundle: lxd\n", "b.yaml:1: a machine bundle: bundle says" },
        { HEAD "saas: {x: {url: y}}\n", "b.yaml:2: saas: offers" },
        { HEAD "aplications: {}\n", "b.yaml:2: bundle: key \"aplications\" is not known, did you "
                                    "mean \"applications\"?" },
        { HEAD "applications:\n  a: {charm: x}\n  a: {charm: x}\n", "b.yaml:4" },
        { HEAD "applications: {a: {charm: x}}\nservices: {b: {charm: x}}\n",
          "b.yaml:3: applications and services" },
        { HEAD "applications: []\n", "b.yaml:2: applications: must be an object" },
        { HEAD "applications:\n  My_App: {charm: x}\n", "b.yaml:3: application name \"My_App\"" },
        { HEAD "applications:\n  a: null\n", "b.yaml:3: application a: must be an object" },
        { HEAD "applications:\n  a: {scale: 1}\n", "b.yaml:3: application a: no charm" },
        { HEAD "applications:\n  a:\n    charm: x\n    scalee: 1\n",
          "b.yaml:5: application a: key \"scalee\" is not known, did you mean \"scale\"?" },
        { HEAD "applications:\n  a: {charm: \"cs:x\"}\n", "application a: charm: the charm store" },
        { HEAD "applications:\n  a: {charm: ./x.charm}\n", "application a: charm: a charm's file" },
        { HEAD "applications:\n  a: {charm: x, channel: 1.10}\n",
          "b.yaml:3: application a: channel: must be a text (put it in quotes), is" },
        { HEAD "applications:\n  a: {charm: x, channel: a/b}\n",
          "application a: channel: channel" },
        { HEAD "applications:\n  a: {charm: x, scale: two}\n",
          "application a: scale: must be a whole number between 0 and 10000, is a text" },
        { HEAD "applications:\n  a: {charm: x, scale: -1}\n",
          "application a: scale: must be a whole number between 0 and 10000, is -1" },
        { HEAD "applications:\n  a: {charm: x, scale: 1, num_units: 2}\n",
          "application a: num_units: says something else" },
        { HEAD "applications:\n  a: {charm: x, trust: 1}\n", "application a: trust: must be true" },
        { HEAD "applications:\n  a: {charm: x, constraints: mme=2G}\n", "did you mean \"mem\"?" },
        { HEAD "applications:\n  a: {charm: x, to: [lxd]}\n",
          "application a: to: \"lxd\" is a machine or container: this is a machine "
          "bundle" },
        { HEAD "applications:\n  a: {charm: x, options: [1]}\n",
          "application a: options: must be an" },
        { HEAD "applications:\n  a:\n    charm: x\n    options:\n      p: [1]\n",
          "b.yaml:6: application a: option p: must be a text, a number" },
        { HEAD "applications:\n  a: {charm: x, storage: {d: \"2,10G\"}}\n", "has a count of 2" },
        { HEAD "applications:\n  a: {charm: x, storage: {d: \"10G,20G\"}}\n", "has two sizes" },
        { HEAD "applications:\n  a: {charm: x, storage: {d: \"10Q\"}}\n", "wants [CLASS,]SIZE" },
        { HEAD "applications:\n  a: {charm: x, storage: {d: \"0\"}}\n", "wants [CLASS,]SIZE" },
        { HEAD "applications:\n  a: {charm: x, resources: {i: true}}\n",
          "resources.i: must be an image" },
        { HEAD "applications:\n  a: {charm: x, offers: {}}\n",
          "application a: offers: offers between" },
        { HEAD "relations: {}\n", "b.yaml:2: relations: must be a list" },
        { HEAD "relations:\n- [a]\n", "b.yaml:3: relation: must be a list of two" },
        { HEAD "relations:\n- [a, 1]\n", "b.yaml:3: relation: each side must be" },
        { HEAD "relations:\n- [\"a:\", b]\n",
          "b.yaml:3: relation [a:, b]: \"a:\": wants APPLICATION" },
        { HEAD "applications:\n  minio: {charm: x}\nrelations:\n- [minio, mnio]\n",
          "b.yaml:5: relation [minio, mnio]: there is no application \"mnio\" in this "
          "bundle, did "
          "you mean \"minio\"?" },
        { HEAD "applications:\n  a: {charm: x}\nrelations:\n- [a, a]\n", "related to itself" },
        { HEAD "applications:\n  a: {charm: x}\n  b: {charm: x}\nrelations:\n- [a, b]\n- "
               "[b, a]\n",
          "b.yaml:7: relation [b, a]: is already at b.yaml:6" },
        { HEAD "applications:\n  a: {charm: x}\n---\napplications:\n  c:\n",
          "b.yaml:6: application c: is taken away, and is not in the bundle" },
};

static void each_fault_names_its_line(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(faulty); i++) {
                cleanup_(bundle_freep) struct bundle *b = parse(faulty[i].text);

                if (has_text(&b->faults, faulty[i].wanted))
                        continue;
                for (size_t k = 0; k < b->faults.count; k++) {
                        cleanup_(freep) char *text = faults_text(&b->faults.items[k]);

                        print_error("case %zu: %s\n", i, text);
                }
                fail_msg("case %zu: wanted %s", i, faulty[i].wanted);
        }
}

static void all_faults_are_told_at_once(void **state) {
        cleanup_(bundle_freep) struct bundle *b =
                parse(HEAD "applications:\n"
                           "  a: {charm: x, scale: two, chanel: 1}\n"
                           "  B: {charm: x}\n"
                           "relations:\n"
                           "- [a, nobody]\n");

        assert_int_equal(b->faults.count, 4);
}

static void a_bundle_beyond_the_limits_is_refused(void **state) {
        cleanup_(buf_free) struct buf text = BUF_INIT;
        cleanup_(bundle_freep) struct bundle *b = NULL;

        buf_puts(&text, HEAD "applications:\n");
        for (int i = 0; i <= BUNDLE_APPLICATIONS_MAX; i++)
                buf_printf(&text, "  a%d: {charm: x}\n", i);
        b = parse(buf_str(&text));
        assert_true(has_text(&b->faults, "501 applications, at most 500 are read"));
}

static void more_relations_than_the_limit_are_refused(void **state) {
        cleanup_(buf_free) struct buf text = BUF_INIT;
        cleanup_(bundle_freep) struct bundle *b = NULL;

        buf_puts(&text, HEAD "relations:\n");
        for (int i = 0; i <= BUNDLE_RELATIONS_MAX; i++)
                buf_printf(&text, "- [\"a:e%d\", b]\n", i);
        b = parse(buf_str(&text));
        assert_true(has_text(&b->faults, "more than 2000 relations"));
}

static struct bundle *parse_file(const char *path) {
        cleanup_(freep) char *text = files_read(path);
        struct bundle_source s = { path, text, text ? strlen(text) : 0 };

        return text ? bundle_parse(&s, 1, NULL) : NULL;
}

static void the_mlflow_bundle_is_read_as_it_is(void **state) {
        cleanup_(bundle_freep) struct bundle *b = parse_file(EXAMPLES "/bundle-mlflow.yaml");

        assert_non_null(b);
        no_faults(b);
        assert_int_equal(b->application_count, 3);
        assert_int_equal(b->relation_count, 2);
        assert_string_equal(bundle_find(b, "mlflow-mysql")->channel, "8.0/stable");
}

/* skip() jumps: nothing may be held then. */
static void the_example_is_the_upstream_bundle(void **state) {
        cleanup_(freep) char *path = files_shared("upstream/bundle-mlflow-2.22.yaml");
        cleanup_(freep) char *upstream = NULL;
        cleanup_(freep) char *ours = NULL;

        if (!path) {
                print_message("skipped: no shared folder with upstream/ (MOORING_SHARED)\n");
                skip();
        }
        upstream = files_read(path);
        ours = files_read(EXAMPLES "/bundle-mlflow.yaml");
        assert_string_equal(strstr(ours, "bundle: kubernetes"), upstream);
}

static void the_kubeflow_bundles_are_read_as_they_are(void **state) {
        static const char *const files[] = { "upstream/bundle-kubeflow-1.11.yaml",
                                             "upstream/bundle-kubeflow-1.10.yaml" };

        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
                cleanup_(freep) char *path = files_shared(files[i]);
                cleanup_(bundle_freep) struct bundle *b = path ? parse_file(path) : NULL;

                if (!b) {
                        print_message(
                                "skipped: no shared folder with upstream/ (MOORING_SHARED)\n");
                        skip();
                }
                no_faults(b);
                assert_int_equal(b->application_count, 37);
                assert_int_equal(b->relation_count, i == 0 ? 35 : b->relation_count);
                assert_int_equal(b->notes.count, 0);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(all_keys_of_an_application_are_read),
                cmocka_unit_test(relations_are_read_in_all_forms),
                cmocka_unit_test(overlays_merge_replace_and_take_away),
                cmocka_unit_test(included_files_come_with_the_request),
                cmocka_unit_test(each_fault_names_its_line),
                cmocka_unit_test(all_faults_are_told_at_once),
                cmocka_unit_test(a_bundle_beyond_the_limits_is_refused),
                cmocka_unit_test(more_relations_than_the_limit_are_refused),
                cmocka_unit_test(the_mlflow_bundle_is_read_as_it_is),
                cmocka_unit_test(the_example_is_the_upstream_bundle),
                cmocka_unit_test(the_kubeflow_bundles_are_read_as_they_are),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
