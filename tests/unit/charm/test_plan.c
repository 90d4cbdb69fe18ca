/* SPDX-License-Identifier: Apache-2.0 */
/* test_plan.c - a worker's frames: what is taken, what is not, and what canonical text is */
#include "plan.h"

#include <errno.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

static struct plan_reader reader;
static struct buf stream;

static int setup(void **state) {
        plan_reader_init(&reader);
        return 0;
}

static int teardown(void **state) {
        plan_reader_deinit(&reader);
        buf_free(&stream);
        return 0;
}

static void put(char type, const char *body) {
        frame_put(&stream, (uint8_t)type, body, strlen(body));
}

static void put_doc(const char *label, const char *target, const char *text) {
        cleanup_(buf_free) struct buf body = BUF_INIT;
        uint8_t sha256[DIGEST_SIZE];

        digest_sha256(text, strlen(text), sha256);
        buf_add(&body, label, strlen(label) + 1);
        buf_add(&body, target, strlen(target) + 1);
        buf_add(&body, sha256, sizeof(sha256));
        buf_puts(&body, text);
        frame_put(&stream, 'D', body.data, body.len);
}

/* Result of reading STREAM to its first answer after R. */
static int answer(struct plan **ret, struct err *err) {
        struct plan *plan = NULL;
        int r;

        plan_reader_feed(&reader, stream.data, stream.len);
        buf_clear(&stream);
        do
                r = plan_reader_next(&reader, &plan, err);
        while (r == PLAN_READY);
        *ret = plan;
        return r;
}

static void assert_refused(int code, const char *part) {
        struct plan *plan;
        struct err err = {};
        int r = answer(&plan, &err);

        if (r != code || !strstr(err_text(&err), part))
                fail_msg("%d: \"%s\", wanted %d: \"%s\"", r, err_text(&err), code, part);
        plan_reader_deinit(&reader);
        plan_reader_init(&reader);
}

static void a_whole_plan_is_taken(void **state) {
        struct plan *p;

        put('R', "");
        put('H', "{\"message\":\"m\",\"needs\":[{\"kind\":\"ready\",\"label\":\"a\",\"on\":\"crds/"
                 "x\"}],\"see\":{\"a\":[\"/spec\"]},"
                 "\"status\":\"waiting\",\"targets\":{\"db\":{\"config\":{},\"provider\":\"sql\"}},"
                 "\"tell\":{\"3\":{\"k\":1}},\"version\":\"2\"}");
        put_doc("a", "", "{\"kind\":\"A\"}");
        put_doc("b", "db", "{}");
        put('F', "{\"label\":\"crds\",\"resource\":\"manifests\"}");
        put('E', "");
        assert_int_equal(answer(&p, NULL), PLAN_WHOLE);
        assert_string_equal(p->status, "waiting");
        assert_string_equal(p->version, "2");
        assert_int_equal(p->doc_count, 2);
        assert_null(p->docs[0].target);
        assert_string_equal(p->docs[1].target, "db");
        assert_string_equal(p->docs[0].text, "{\"kind\":\"A\"}");
        assert_int_equal(p->file_count, 1);
        assert_int_equal(json_get_int(json_object_get(p->tell, "3"), "k", 0), 1);
        assert_int_equal(json_object_size(p->secrets), 0);
        plan_free(p);
}

static void frames_may_come_byte_by_byte(void **state) {
        struct plan *p = NULL;
        int r = PLAN_MORE;

        put('R', "");
        put('H', "{}");
        put_doc("a", "", "{}");
        put('E', "");
        for (size_t i = 0; i < stream.len; i++) {
                plan_reader_feed(&reader, stream.data + i, 1);
                r = plan_reader_next(&reader, &p, NULL);
                if (i + 1 < stream.len)
                        assert_null(p);
        }
        assert_int_equal(r, PLAN_WHOLE);
        assert_int_equal(p->doc_count, 1);
        plan_free(p);
}

static void a_second_plan_starts_from_nothing(void **state) {
        for (int i = 0; i < 2; i++) {
                struct plan *p;

                if (i == 0)
                        put('R', "");
                put('H', "{}");
                put_doc("same", "", "{}");
                put('E', "");
                assert_int_equal(answer(&p, NULL), PLAN_WHOLE);
                assert_int_equal(p->doc_count, 1);
                plan_free(p);
        }
}

static void a_refusal_is_told_in_one_printable_line(void **state) {
        struct plan *p;
        struct err err = {};

        put('X', "no\n\033[31mmodule");
        assert_int_equal(answer(&p, &err), PLAN_REFUSED);
        assert_string_equal(err_text(&err), "no  [31mmodule");
}

static void frames_out_of_order_are_refused(void **state) {
        put('H', "{}");
        assert_refused(-EBADMSG, "out of its order");
        put('R', "");
        put('R', "");
        assert_refused(-EBADMSG, "out of its order");
        put('R', "");
        put_doc("a", "", "{}");
        assert_refused(-EBADMSG, "out of its order");
        put('R', "");
        put('H', "{}");
        put('H', "{}");
        assert_refused(-EBADMSG, "inside a plan");
        put('R', "");
        put('?', "");
        assert_refused(-EBADMSG, "out of its order");
}

static void bad_heads_are_refused(void **state) {
        static const struct {
                const char *head, *part;
        } cases[] = {
                { "[]", "head" },
                { "{\"stauts\":\"active\"}", "stauts" },
                { "{\"status\":\"fine\"}", "no such status" },
                { "{\"tell\":{\"x\":{}}}", "no relation \"x\"" },
                { "{\"tell\":{\"1\":2}}", "no relation \"1\"" },
                { "{\"secrets\":{\"nofield\":{\"length\":8}}}", "not LABEL/FIELD" },
                { "{\"secrets\":{\"a/b\":{\"length\":0}}}", "length 0" },
                { "{\"secrets\":{\"a/b\":{\"length\":5000}}}", "length 5000" },
                { "{\"targets\":{\"t\":{\"provider\":\"sql\"}}}", "not a provider and a document" },
                { "{\"see\":{\"a\":[\"spec\"]}}", "no pointer" },
                { "{\"see\":{\"a\":{}}}", "not lists" },
                { "{\"needs\":[{\"label\":\"a\",\"on\":\"b\",\"kind\":\"later\"}]}",
                  "no such need" },
                { "{\"needs\":[{\"label\":\"a\",\"kind\":\"ready\"}]}", "without its two labels" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                put('R', "");
                put('H', cases[i].head);
                assert_refused(i < 2 ? -EINVAL : -EBADMSG,
                               cases[i].part); /* by field table, by us */
        }
}

static void bad_documents_are_refused(void **state) {
        static const struct {
                const char *label, *target, *text, *part;
        } cases[] = {
                { "", "", "{}", "a label that is none" },
                { "two words", "", "{}", "a label that is none" },
                { "a", "nowhere", "{}", "no target of that name" },
                { "a", "", "[]", "no object" },
                { "a", "", "", "no object" },
                { "a", "", "{\"b\":1,\"a\":2}", "not canonical JSON at byte" },
                { "a", "", "{} ", "not canonical JSON at byte 2" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                put('R', "");
                put('H', "{}");
                put_doc(cases[i].label, cases[i].target, cases[i].text);
                assert_refused(-EBADMSG, cases[i].part);
        }
}

static void a_document_without_its_parts_is_refused(void **state) {
        put('R', "");
        put('H', "{}");
        put('D', "no end");
        assert_refused(-EBADMSG, "without label, target and hash");
}

static void a_wrong_hash_is_refused(void **state) {
        static const char body[] = "a\0\0................................{}";

        put('R', "");
        put('H', "{}");
        frame_put(&stream, 'D', body, sizeof(body) - 1);
        assert_refused(-EBADMSG, "does not have the hash");
}

static void labels_and_needs_must_fit_together(void **state) {
        put('R', "");
        put('H', "{}");
        put_doc("a", "", "{}");
        put_doc("a", "", "{}");
        assert_refused(-EBADMSG, "label a twice");
        put('R', "");
        put('H', "{\"needs\":[{\"kind\":\"ready\",\"label\":\"a\",\"on\":\"b\"}]}");
        put_doc("a", "", "{}");
        put('E', "");
        assert_refused(-EBADMSG, "a needs b, which the plan does not want");
}

static void sizes_are_limited(void **state) {
        cleanup_(freep) char *large = mem_alloc(CHARM_DOC_MAX + 20),
                             *head = mem_alloc(CHARM_HEAD_MAX + 20);

        put('R', "");
        buf_add(&stream,
                "\0\0\0\x40"
                "D",
                5);
        assert_refused(-E2BIG, "a frame of 1073741823 bytes");
        snprintf(head, 20, "{\"message\":\"");
        memset(head + 12, 'x', CHARM_HEAD_MAX);
        put('R', "");
        put('H', head);
        assert_refused(-E2BIG, "a head of");
        memset(large, 'x', CHARM_DOC_MAX + 1);
        put('R', "");
        put('H', "{}");
        put_doc("a", "", large);
        assert_refused(-E2BIG, "a document of 3145729 bytes");
}

static void too_many_documents_are_refused(void **state) {
        put('R', "");
        put('H', "{}");
        for (int i = 0; i <= CHARM_PLAN_DOCS_MAX; i++) {
                char label[20];

                snprintf(label, sizeof(label), "d-%d", i);
                put_doc(label, "", "{}");
        }
        assert_refused(-E2BIG, "more than 20000 documents");
}

/* ---- canonical text */

static void assert_not_canonical(const char *const *texts, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (plan_canonical(texts[i], strlen(texts[i]), NULL) >= 0)
                        fail_msg("%s passes as canonical", texts[i]);
}

static void canonical_text_is_what_the_writer_writes(void **state) {
        static const char *const good[] = {
                "{}",
                "[]",
                "null",
                "true",
                "false",
                "0",
                "-1",
                "9223372036854775807",
                "-9223372036854775808",
                "0.5",
                "1e+20",
                "\"\"",
                "\"a\\n\\\"\\\\\\u0001\\u001f\"",
                "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x9a\xa2\"",
                "{\"a\":[1,{\"b\":null}],\"b\":{}}",
                "{\"\":1,\"a\":1,\"a\\n\":2,\"a \":3,\"ab\":4}",
                "[[],{},[[]]]",
                "\"\x7f\"",
        };
        static const char *const bad[] = {
                "",
                " {}",
                "{} ",
                "{ }",
                "{\"a\": 1}",
                "{\"b\":1,\"a\":2}",
                "{\"a\":1,\"a\":2}",
                "[1,]",
                "[,1]",
                "{\"a\"}",
                "{a:1}",
                "01",
                "-0",
                "1.",
                ".5",
                "1.0e5",
                "0.50",
                "1E5",
                "+1",
                "9223372036854775808",
                "tru",
                "nulll",
                "\"\\u0041\"",
                "\"\\/\"",
                "\"\\u000a\"",
                "\"\\u0000\"",
                "\"\\u001F\"",
                "\"\n\"",
                "\"\xff\"",
                "\"\xc0\x80\"",
                "\"\xed\xa0\x80\"",
                "\"\xf4\x90\x80\x80\"",
                "\"\xe2\x82\"",
                "\"open",
                "[",
                "{\"a\":",
                "\"a\\\"",
                "{\"ab\":1,\"a\\n\":2}",
                "[1 ,2]",
                "NaN",
                "1,2",
        };

        for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
                cleanup_(json_freep) json_t *j = NULL;
                cleanup_(freep) char *again = NULL;
                struct err err = {};

                if (plan_canonical(good[i], strlen(good[i]), &err) < 0)
                        fail_msg("%s: %s", good[i], err_text(&err));
                /* The list itself is right only if the writer agrees. */
                assert_int_equal(json_parse(good[i], strlen(good[i]), &j, NULL), 0);
                again = json_text(j);
                assert_string_equal(again, good[i]);
        }
        assert_not_canonical(bad, ARRAY_SIZE(bad));
}

static void depth_is_limited(void **state) {
        char text[2 * JSON_DEPTH_MAX + 3];

        for (int depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
                memset(text, '[', (size_t)depth);
                memset(text + depth, ']', (size_t)depth);
                assert_int_equal(plan_canonical(text, 2 * (size_t)depth, NULL) >= 0,
                                 depth == JSON_DEPTH_MAX);
        }
}

/* ---- answers of steps */

#define STEP(rest)                                                                                 \
        "{\"step\":\"s\",\"steps\":[\"s\"],\"deadline\":5,\"log\":[\"a\"],\"results\":{\"k\":"     \
        "\"v\"},\"state\":{"                                                                       \
        "\"n\":\"1\"}," rest "}"

static void what_a_step_says_is_taken(void **state) {
        static const char *const good[] = { STEP("\"ask\":{\"kind\":\"wait\",\"seconds\":1}"),
                                            STEP("\"next\":\"t\",\"after\":\"t\""),
                                            STEP("\"done\":true"), STEP("\"fail\":\"no\"") };
        struct plan *plan;
        struct err err = {};

        put('R', "");
        for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
                put('A', good[i]);
                if (answer(&plan, &err) != PLAN_STEP)
                        fail_msg("%s: %s", good[i], err_text(&err));
                assert_string_equal(reader.step->name, "s");
                assert_int_equal(reader.step->deadline_s, 5);
                assert_string_equal(json_get_str(reader.step->state, "n", ""), "1");
        }
        assert_string_equal(reader.step->fail, "no");
        put('X', "a mistake");
        assert_int_equal(answer(&plan, &err), PLAN_REFUSED);
}

static void what_no_step_says_is_refused(void **state) {
        static const struct {
                const char *text, *told;
        } cases[] = {
                { "[]", "step: " },
                { STEP("\"x\":1"), "is not known here" },
                { STEP("\"done\":false"), "says 0 things in place of one" },
                { STEP("\"done\":true,\"fail\":\"no\""), "says 2 things in place of one" },
                { STEP("\"ask\":{}"), "it is not said what is asked for" },
                { "{\"step\":\"s\",\"steps\":[\"s\"],\"deadline\":5,\"log\":[1],\"results\":{},"
                  "\"state\":{},"
                  "\"done\":true}",
                  "a line of log that is none" },
                { "{\"step\":\"s\",\"steps\":[\"s\"],\"deadline\":5,\"log\":[],\"results\":{\"a\":"
                  "1},\"state\":{},"
                  "\"done\":true}",
                  "result a is no text" },
                { "{\"step\":\"s\",\"steps\":[1],\"deadline\":5,\"log\":[],\"results\":{},"
                  "\"state\":{},\"done\":true}",
                  "the name of a step that is none" },
                { "{\"step\":\"s\",\"steps\":[\"s\"],\"deadline\":0,\"log\":[],\"results\":{},"
                  "\"state\":{},"
                  "\"done\":true}",
                  "deadline" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                setup(state);
                put('R', "");
                put('A', cases[i].text);
                assert_refused(-EBADMSG, cases[i].told);
                teardown(state);
        }
        setup(state);
}

static void a_state_has_a_limit(void **state) {
        cleanup_(buf_free) struct buf text = BUF_INIT;

        buf_puts(&text, "{\"step\":\"s\",\"steps\":[\"s\"],\"deadline\":5,\"log\":[],\"results\":{}"
                        ",\"done\":true,"
                        "\"state\":{\"a\":\"");
        for (size_t i = 0; i < CHARM_STATE_MAX; i++)
                buf_putc(&text, 'x');
        buf_puts(&text, "\"}}");
        put('R', "");
        put('A', buf_str(&text));
        assert_refused(-E2BIG, "a state of ");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(what_a_step_says_is_taken, setup, teardown),
                cmocka_unit_test_setup_teardown(what_no_step_says_is_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(a_state_has_a_limit, setup, teardown),
                cmocka_unit_test_setup_teardown(a_whole_plan_is_taken, setup, teardown),
                cmocka_unit_test_setup_teardown(frames_may_come_byte_by_byte, setup, teardown),
                cmocka_unit_test_setup_teardown(a_second_plan_starts_from_nothing, setup, teardown),
                cmocka_unit_test_setup_teardown(a_refusal_is_told_in_one_printable_line, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(frames_out_of_order_are_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(bad_heads_are_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(bad_documents_are_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(a_document_without_its_parts_is_refused, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(a_wrong_hash_is_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(labels_and_needs_must_fit_together, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(sizes_are_limited, setup, teardown),
                cmocka_unit_test_setup_teardown(too_many_documents_are_refused, setup, teardown),
                cmocka_unit_test(canonical_text_is_what_the_writer_writes),
                cmocka_unit_test(depth_is_limited),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
