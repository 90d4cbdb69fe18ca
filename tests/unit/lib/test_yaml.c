/* SPDX-License-Identifier: Apache-2.0 */
/* test_yaml.c - YAML into trees: scalars of both schemas, anchors, limits, places */
#include "clock.h"
#include "yaml.h"

#include <errno.h>
#include <setjmp.h>

#include <cmocka.h>

static void check_as(const char *text, enum yaml_schema schema, const char *wanted) {
        cleanup_(yaml_stream_free) struct yaml_stream s = { 0 };
        cleanup_(freep) char *got = NULL;
        struct err e = { 0 };

        if (yaml_parse(text, strlen(text), "f.yaml", schema, &s, &e) < 0)
                fail_msg("%s: %s", text, e.text);
        assert_int_equal(s.count, 1);
        got = json_text(s.documents[0].root);
        assert_string_equal(got, wanted);
}

static void check(const char *text, const char *wanted) {
        check_as(text, YAML_KUBERNETES, wanted);
        check_as(text, YAML_CORE, wanted);
}

static void check_bad(const char *text, int code, const char *wanted) {
        cleanup_(yaml_stream_free) struct yaml_stream s = { 0 };
        struct err e = { 0 };

        assert_int_equal(yaml_parse(text, strlen(text), "f.yaml", YAML_CORE, &s, &e), code);
        assert_string_equal(e.text, wanted);
        assert_int_equal(s.count, 0);
}

static void plain_scalars_mean_what_kubectl_reads(void **state) {
        static const char *const rows[][3] = {
                /* text, for Kubernetes, in the core schema */
                { "true", "true", "true" },
                { "False", "false", "false" },
                { "yes", "true", "\"yes\"" },
                { "Off", "false", "\"Off\"" },
                { "y", "true", "\"y\"" },
                { "N", "false", "\"N\"" },
                { "yES", "\"yES\"", "\"yES\"" },
                { "~", "null", "null" },
                { "null", "null", "null" },
                { "nUll", "\"nUll\"", "\"nUll\"" },
                { "12", "12", "12" },
                { "-3", "-3", "-3" },
                { "+3", "3", "3" },
                { "0777", "511", "777" },
                { "0o777", "511", "511" },
                { "-0o7", "-7", "-7" },
                { "0O17", "15", "\"0O17\"" },
                { "08", "8", "8" },
                { "0x1F", "31", "31" },
                { "0b101", "5", "\"0b101\"" },
                { "1_000", "1000", "\"1_000\"" },
                { "_1", "\"_1\"", "\"_1\"" },
                { "1e3", "1000", "1000.0" },
                { "1.0", "1", "1.0" },
                { "1.5", "1.5", "1.5" },
                { ".5", "0.5", "0.5" },
                { "1.", "1", "1.0" },
                { "1.2.3", "\"1.2.3\"", "\"1.2.3\"" },
                { "1e", "\"1e\"", "\"1e\"" },
                { "12:30:45", "\"12:30:45\"", "\"12:30:45\"" },
                { "2001-12-14", "\"2001-12-14\"", "\"2001-12-14\"" },
                { "2001-12-14t21:59:43.10-05:00", "\"2001-12-14t21:59:43.10-05:00\"",
                  "\"2001-12-14t21:59:43.10-05:00\"" },
                { "9223372036854775807", "9223372036854775807", "9223372036854775807" },
                { "9223372036854775808", "9.223372036854776e+18", "9.223372036854776e+18" },
                { "0xffffffffffffffff", "\"0xffffffffffffffff\"", "\"0xffffffffffffffff\"" },
                { "100Mi", "\"100Mi\"", "\"100Mi\"" },
                { "1.11/stable", "\"1.11/stable\"", "\"1.11/stable\"" },
                { "'12'", "\"12\"", "\"12\"" },
                { "\"yes\"", "\"yes\"", "\"yes\"" },
                { "!!str 12", "\"12\"", "\"12\"" },
                { "! 12", "\"12\"", "\"12\"" },
                { "!!float 3", "3", "3" },
                { "!!int '3'", "3", "3" },
                { "!!bool true", "true", "true" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                check_as(rows[i][0], YAML_KUBERNETES, rows[i][1]);
                check_as(rows[i][0], YAML_CORE, rows[i][2]);
        }
}

static void keys_are_texts_and_kubernetes_sees_them_resolved(void **state) {
        check_as("on: 1\n010: 2\n1.5: 3\n\"y\": 4\n", YAML_KUBERNETES,
                 "{\"1.5\":3,\"8\":2,\"true\":1,\"y\":4}");
        check_as("true: 1\n010: 2\n1.50: 3\n", YAML_CORE, "{\"010\":2,\"1.50\":3,\"true\":1}");
        check_bad("~: 1", -EBADMSG, "f.yaml:1:1: a key must be a text");
        check_bad("? [a]\n: 1", -EBADMSG, "f.yaml:1:3: a key must be a text");
        check_bad("a: 1\nb: 2\na: 3\n", -EBADMSG, "f.yaml:3:1: key \"a\" is there twice");
}

static void blocks_and_quotes_keep_their_lines(void **state) {
        check("a: |\n  x\n   y\n\n  z\nb: >-\n  one\n  two\nc: \"t\\tn\\u00e9\"\n",
              "{\"a\":\"x\\n y\\n\\nz\\n\",\"b\":\"one two\",\"c\":\"t\\tné\"}");
}

static void nothing_and_comments_are_no_document(void **state) {
        static const char *const texts[] = { "", "\n\n", "# only a comment\n" };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                cleanup_(yaml_stream_free) struct yaml_stream s = { 0 };

                assert_int_equal(yaml_parse(texts[i], strlen(texts[i]), NULL, YAML_CORE, &s, NULL),
                                 0);
                assert_int_equal(s.count, 0);
        }
}

static void aliases_are_copies(void **state) {
        static const char text[] = "a: &x {k: [1]}\nb: *x\n";
        cleanup_(yaml_stream_free) struct yaml_stream s = { 0 };
        json_t *root;

        check("a: &x [1, &y two]\nb: *x\n*y : *y\n",
              "{\"a\":[1,\"two\"],\"b\":[1,\"two\"],\"two\":\"two\"}");
        check("- &a 1\n- &a 2\n- *a\n", "[1,2,2]");
        assert_int_equal(yaml_parse(text, strlen(text), NULL, YAML_CORE, &s, NULL), 0);
        root = s.documents[0].root;
        json_array_append_new(json_dig(root, "a", "k", NULL), json_integer(2));
        assert_int_equal(json_array_size(json_dig(root, "b", "k", NULL)), 1);
        assert_int_equal(json_line_of(s.documents[0].lines, json_get(root, "b"), "k", 0), 1);
        assert_int_equal(json_line_of(s.documents[0].lines, root, "b", 0), 2);
        check_bad("a: &x [*x]", -EBADMSG,
                  "f.yaml:1:8: alias *x stands for nothing that ended before it");
        check_bad("a: *x", -EBADMSG,
                  "f.yaml:1:4: alias *x stands for nothing that ended before it");
        check_bad("a: &x 1\n---\nb: *x\n", -EBADMSG,
                  "f.yaml:3:4: alias *x stands for nothing that ended before it");
}

static void merge_keys_fill_in_what_is_missing(void **state) {
        check("d: &d {a: 1, b: 2}\ne: &e {b: 3, c: 4}\nx:\n  <<: [*d, *e]\n  a: 0\n",
              "{\"d\":{\"a\":1,\"b\":2},\"e\":{\"b\":3,\"c\":4},\"x\":{\"a\":0,\"b\":2,\"c\":4}}");
        check("x:\n  a: 0\n  <<: {a: 1, b: 2}\n  <<: {b: 3, c: 4}\n",
              "{\"x\":{\"a\":0,\"b\":2,\"c\":4}}");
        check("\"<<\": 1\n", "{\"<<\":1}");
        check_bad("<<: 1\na: 2\n", -EBADMSG, "f.yaml:1:5: << takes a map or a list of maps");
}

static void billions_of_laughs_end_in_milliseconds(void **state) {
        cleanup_(yaml_stream_free) struct yaml_stream s = { 0 };
        cleanup_(buf_free) struct buf b = BUF_INIT;
        struct err e = { 0 };
        int64_t before = clock_mono();

        buf_puts(&b, "a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol,lol]\n");
        for (int i = 1; i < 20; i++) {
                buf_printf(&b, "a%d: &a%d [*a%d", i, i, i - 1);
                for (int k = 1; k < 10; k++)
                        buf_printf(&b, ",*a%d", i - 1);
                buf_puts(&b, "]\n");
        }
        assert_int_equal(yaml_parse(b.data, b.len, "lol.yaml", YAML_CORE, &s, &e), -E2BIG);
        assert_non_null(strstr(e.text, "aliases expand to too much"));
        /* 20 ms; 2 s tell it from the years that the whole of it would take. */
        assert_true(clock_mono() - before < 2000);
}

static void one_long_text_many_times_is_too_much_as_well(void **state) {
        cleanup_(yaml_stream_free) struct yaml_stream s = { 0 };
        cleanup_(buf_free) struct buf b = BUF_INIT;
        struct err e = { 0 };

        buf_puts(&b, "- &a \"");
        for (int i = 0; i < 100000; i++)
                buf_puts(&b, "0123456789");
        buf_puts(&b, "\"\n");
        for (int i = 0; i < 20; i++)
                buf_puts(&b, "- *a\n");
        assert_int_equal(yaml_parse(b.data, b.len, "f.yaml", YAML_CORE, &s, &e), -E2BIG);
}

static void check_depth(int depth, int wanted) {
        cleanup_(yaml_stream_free) struct yaml_stream s = { 0 };
        cleanup_(buf_free) struct buf b = BUF_INIT;

        for (int i = 0; i < depth; i++)
                buf_putc(&b, '[');
        for (int i = 0; i < depth; i++)
                buf_putc(&b, ']');
        assert_int_equal(yaml_parse(b.data, b.len, "f.yaml", YAML_CORE, &s, NULL), wanted);
}

static void nesting_has_a_limit(void **state) {
        check_depth(YAML_DEPTH_MAX, 0);
        check_depth(YAML_DEPTH_MAX + 1, -E2BIG);
        check_depth(50000, -E2BIG);
}

static void too_many_documents_are_refused(void **state) {
        cleanup_(yaml_stream_free) struct yaml_stream s = { 0 };
        cleanup_(buf_free) struct buf b = BUF_INIT;

        for (int i = 0; i < YAML_DOCUMENTS_MAX; i++)
                buf_puts(&b, "--- 1\n");
        assert_int_equal(yaml_parse(b.data, b.len, "f.yaml", YAML_CORE, &s, NULL), 0);
        assert_int_equal(s.count, YAML_DOCUMENTS_MAX);
        yaml_stream_free(&s);
        buf_puts(&b, "--- 1\n");
        assert_int_equal(yaml_parse(b.data, b.len, "f.yaml", YAML_CORE, &s, NULL), -E2BIG);
}

static void documents_know_their_lines_and_bytes(void **state) {
        static const char text[] = "# héad\n---\na: é\n---\nb: 2\n# tail\n---\n";
        cleanup_(yaml_stream_free) struct yaml_stream s = { 0 };

        assert_int_equal(yaml_parse(text, strlen(text), NULL, YAML_CORE, &s, NULL), 0);
        assert_int_equal(s.count, 3);
        assert_int_equal(s.documents[0].line, 2);
        assert_int_equal(s.documents[1].line, 4);
        assert_int_equal(s.documents[0].start, strlen("# héad\n"));
        assert_int_equal(s.documents[0].end, s.documents[1].start);
        assert_memory_equal(text + s.documents[1].start, "---\nb: 2\n", 9);
        assert_true(json_is_null(s.documents[2].root));
        assert_int_equal(s.documents[2].end, strlen(text));
}

static void lines_of_members_and_items_are_known(void **state) {
        static const char text[] = "a:\n- 1\n\n- x: 2\n  y: 3\nb: {c: 4,\n  d: 5}\n";
        cleanup_(yaml_stream_free) struct yaml_stream s = { 0 };
        const struct json_lines *lines;
        json_t *root;
        json_t *list;

        assert_int_equal(yaml_parse(text, strlen(text), NULL, YAML_CORE, &s, NULL), 0);
        lines = s.documents[0].lines;
        root = s.documents[0].root;
        list = json_get(root, "a");
        assert_int_equal(json_line_of(lines, root, "a", 0), 1);
        assert_int_equal(json_line_of(lines, list, NULL, 0), 2);
        assert_int_equal(json_line_of(lines, list, NULL, 1), 4);
        assert_int_equal(json_line_of(lines, list, NULL, 2), 0);
        assert_int_equal(json_line_of(lines, json_array_get(list, 1), "y", 0), 5);
        assert_int_equal(json_line_of(lines, json_get(root, "b"), "d", 0), 7);
        assert_int_equal(json_line_of(lines, root, "none", 0), 0);
        assert_int_equal(json_line_of(NULL, root, "a", 0), 0);
        json_object_del(root,
                        "a"); /* the table still holds the list, so its address is not used again */
        assert_int_equal(json_line_of(lines, root, "b", 0), 6);
}

static void broken_texts_name_file_line_and_column(void **state) {
        check_bad("a: [1\nb: 2\n", -EBADMSG,
                  "f.yaml:2:2: did not find expected ',' or ']' while parsing a flow sequence");
        check_bad("a:\n\t- 1\n", -EBADMSG,
                  "f.yaml:2:1: found character that cannot start any token while scanning for the "
                  "next token");
        check_bad("a: \xff\n", -EBADMSG, "f.yaml: byte 3: invalid leading UTF-8 octet");
        check_bad("a: \x01\n", -EBADMSG, "f.yaml: byte 3: control characters are not allowed");
        check_bad("a: \"x\\0y\"\n", -EBADMSG, "f.yaml:1:4: a text holds a NUL");
        check_bad("a: .inf\n", -EBADMSG,
                  "f.yaml:1:4: no number that JSON knows; a text of that name needs quotes");
        check_bad("a: !Ref b\n", -EBADMSG,
                  "f.yaml:1:4: tag !Ref is not known, or the value does not fit it");
        check_bad("a: !!int b\n", -EBADMSG,
                  "f.yaml:1:4: tag int is not known, or the value does not fit it");
        check_bad("a: !x [1]\n", -EBADMSG, "f.yaml:1:4: a tag that is not known");
        check_bad("- {a: 1, b}}\n", -EBADMSG,
                  "f.yaml:1:12: did not find expected '-' indicator while parsing a block "
                  "collection");
}

static void without_a_file_name_the_line_is_told(void **state) {
        cleanup_(yaml_stream_free) struct yaml_stream s = { 0 };
        struct err e = { 0 };

        assert_int_equal(yaml_parse("a: *b", 5, NULL, YAML_CORE, &s, &e), -EBADMSG);
        assert_string_equal(e.text,
                            "line 1, column 4: alias *b stands for nothing that ended before it");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(plain_scalars_mean_what_kubectl_reads),
                cmocka_unit_test(keys_are_texts_and_kubernetes_sees_them_resolved),
                cmocka_unit_test(blocks_and_quotes_keep_their_lines),
                cmocka_unit_test(nothing_and_comments_are_no_document),
                cmocka_unit_test(aliases_are_copies),
                cmocka_unit_test(merge_keys_fill_in_what_is_missing),
                cmocka_unit_test(billions_of_laughs_end_in_milliseconds),
                cmocka_unit_test(one_long_text_many_times_is_too_much_as_well),
                cmocka_unit_test(nesting_has_a_limit),
                cmocka_unit_test(too_many_documents_are_refused),
                cmocka_unit_test(documents_know_their_lines_and_bytes),
                cmocka_unit_test(lines_of_members_and_items_are_known),
                cmocka_unit_test(broken_texts_name_file_line_and_column),
                cmocka_unit_test(without_a_file_name_the_line_is_told),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
