/* SPDX-License-Identifier: Apache-2.0 */
/* test_yaml_write.c - what is written reads back as the same tree, in both schemas, and looks as
 * people write it */
#include "yaml.h"

#include <setjmp.h>

#include <cmocka.h>

static json_t *parse(const char *text) {
        json_t *j = NULL;
        struct err e = { 0 };

        if (json_parse(text, strlen(text), &j, &e) < 0)
                fail_msg("%s", e.text);
        return j;
}

static void check_back(const json_t *j, enum yaml_schema schema) {
        cleanup_(yaml_stream_free) struct yaml_stream s = { 0 };
        cleanup_(buf_free) struct buf out = BUF_INIT;
        struct err e = { 0 };

        yaml_write(j, &out);
        if (yaml_parse(buf_str(&out), out.len, "out", schema, &s, &e) < 0)
                fail_msg("%s\n%s", e.text, buf_str(&out));
        assert_int_equal(s.count, 1);
        if (!json_equal(s.documents[0].root, j))
                fail_msg("reads as another tree:\n%s", buf_str(&out));
}

static void check_text(const char *json, const char *wanted) {
        cleanup_(json_freep) json_t *j = parse(json);
        cleanup_(buf_free) struct buf out = BUF_INIT;

        yaml_write(j, &out);
        assert_string_equal(buf_str(&out), wanted);
        check_back(j, YAML_CORE);
}

static void trees_are_written_in_block_style(void **state) {
        check_text("{\"b\":{\"x\":1,\"l\":[\"p\",{\"k\":1,\"m\":{\"o\":[]}},[1,[2]]]},\"a\":{}}",
                   "b:\n"
                   "  x: 1\n"
                   "  l:\n"
                   "  - p\n"
                   "  - k: 1\n"
                   "    m:\n"
                   "      o: []\n"
                   "  - - 1\n"
                   "    - - 2\n"
                   "a: {}\n");
        check_text("\"text\"", "text\n");
        check_text("[]", "[]\n");
        check_text("null", "null\n");
}

static void texts_of_several_lines_become_blocks(void **state) {
        check_text("{\"a\":\"x\\n  y\\n\\nz\\n\",\"b\":\"p\\nq\",\"c\":[\"r\\n\\n\"]}",
                   "a: |\n  x\n    y\n\n  z\nb: |-\n  p\n  q\nc:\n- |+\n  r\n\n");
        check_text("\"x\\ny\"", "|-\n  x\n  y\n");
        check_text("{\"a\":\" x\\ny\"}", "a: \" x\\ny\"\n");
}

static void texts_that_read_as_something_else_are_quoted(void **state) {
        check_text(
                "[\"yes\",\"n\",\"12\",\"0x1\",\"1e3\",\"~\",\"\",\"null\",\".inf\",\"2001-01-01\","
                "\"12:30\"]",
                "- \"yes\"\n- \"n\"\n- \"12\"\n- \"0x1\"\n- \"1e3\"\n- \"~\"\n- \"\"\n- \"null\"\n"
                "- \".inf\"\n- \"2001-01-01\"\n- \"12:30\"\n");
        check_text("[\"a b\",\"latest/edge\",\"1.11/stable\",\"mlflow:db\",\"a: b\",\"a "
                   "#b\",\"-x\",\"/p\"]",
                   "- a b\n- latest/edge\n- 1.11/stable\n- mlflow:db\n- \"a: b\"\n- \"a #b\"\n- "
                   "\"-x\"\n"
                   "- /p\n");
        check_text("{\"on\":1,\"3\":2}", "\"on\": 1\n\"3\": 2\n");
}

/* Every pair of two odd characters, as a value, a key and an item. */
static void every_pair_of_odd_characters_reads_back(void **state) {
        static const char *const odd[] = {
                "a",
                "Z",
                "0",
                "9",
                " ",
                "\n",
                "\t",
                "-",
                "?",
                ":",
                ",",
                "[",
                "]",
                "{",
                "}",
                "#",
                "&",
                "*",
                "!",
                "|",
                ">",
                "'",
                "\"",
                "%",
                "@",
                "`",
                "\\",
                "/",
                "_",
                "=",
                "~",
                "<",
                ".",
                "+",
                "\x01",
                "\x7f",
                "\xc2\x85",
                "\xc2\xa0",
                "\xe2\x80\xa8",
                "\xef\xbb\xbf",
                "é",
                "\r",
                "\xf0\x9f\x9a\xa2",
                "\xef\xbf\xbe",
        };

        for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
                cleanup_(json_freep) json_t *list = json_array();
                cleanup_(json_freep) json_t *map = json_object();

                for (size_t k = 0; k < ARRAY_SIZE(odd); k++) {
                        for (int form = 0; form < 4; form++) {
                                cleanup_(freep) char *text =
                                        str_format("%s%s%s%s", form & 1 ? "x" : "", odd[i], odd[k],
                                                   form & 2 ? "x" : "");

                                json_array_append_new(list, json_string(text));
                                json_object_set_new(map, text, json_string(text));
                        }
                }
                json_object_set_new(map, "list", json_incref(list));
                check_back(map, YAML_CORE);
                check_back(map, YAML_KUBERNETES);
        }
}

static void long_keys_and_values_read_back(void **state) {
        cleanup_(json_freep) json_t *j = json_object();
        cleanup_(buf_free) struct buf key = BUF_INIT;

        for (int i = 0; i < 3000; i++)
                buf_putc(&key, (char)('a' + i % 26));
        json_object_set_new(j, key.data, json_string(key.data));
        key.data[0] = 'X';
        json_object_set_new(j, key.data, json_pack("{s:[i,i]}", "a", 1, 2));
        key.data[0] = 'Y';
        json_object_set_new(j, key.data, json_pack("[[i]]", 1));
        check_back(j, YAML_CORE);
}

static void numbers_read_back(void **state) {
        cleanup_(json_freep) json_t *j =
                parse("[0,-1,9223372036854775807,0.1,1e300,1e-7,123456789012345680.5,true,null]");

        check_back(j, YAML_CORE);
        check_back(j, YAML_KUBERNETES);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(trees_are_written_in_block_style),
                cmocka_unit_test(texts_of_several_lines_become_blocks),
                cmocka_unit_test(texts_that_read_as_something_else_are_quoted),
                cmocka_unit_test(every_pair_of_odd_characters_reads_back),
                cmocka_unit_test(long_keys_and_values_read_back),
                cmocka_unit_test(numbers_read_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
