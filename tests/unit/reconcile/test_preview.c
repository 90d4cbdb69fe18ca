/* SPDX-License-Identifier: Apache-2.0 */
/* test_preview.c - which objects another plan would change is told, and nothing is done */
#include "stage.h"
#include "tally.h"

static const char before[] = "{\"docs\": {\"one\": {\"name\": \"one\", \"color\": \"red\"},"
                             " \"two\": {\"name\": \"two\"},"
                             " \"disk\": {\"name\": \"disk\", \"data\": true}}}";

struct asking {
        struct store_call call;
        struct preview *preview;
        const char *other; /* that is asked after "app", or NULL */
        bool others;       /* and who answers them */
        bool read, told;
        char *text;
};

static int read_it(struct tx *tx, struct store_call *c, struct err *err) {
        struct asking *a = c->arg;

        int r;

        preview_forget(a->preview); /* as a transaction that runs again */
        r = preview_read(a->preview, tx, "lab", "app", err);
        if (r >= 0 && a->others)
                return preview_read_others(a->preview, tx, "lab", err);
        return r < 0 || !a->other ? r : preview_read(a->preview, tx, "lab", a->other, err);
}

static void on_read(struct store_call *c, int r, const struct err *err) {
        struct asking *a = c->arg;

        assert_true(r >= 0);
        a->read = true;
}

static void on_told(void *arg, json_t *lines) {
        struct asking *a = arg;
        struct buf text = BUF_INIT;
        json_t *line;
        size_t i;

        json_array_foreach(lines, i, line) {
                if (!a->other && !a->others)
                        assert_string_equal(json_get_str(line, "application", ""), "app");
                buf_printf(&text, "%s%s", i ? "; " : "", json_get_str(line, "text", ""));
        }
        json_decref(lines);
        a->text = buf_take(&text);
        a->told = true;
}

static void read_and_start(struct stage *s, struct asking *a,
                           void (*told)(void *arg, json_t *lines)) {
        a->call = (struct store_call){
                .lane = STORE_COMMAND, .actor = "test", .run = read_it, .done = on_read, .arg = a
        };
        store_read(s->store, &a->call);
        for (int i = 0; !a->read; i++) {
                assert_true(i < 10000);
                loop_step(s->loop, 20);
        }
        preview_start(a->preview, told, a);
}

static void begin_both(struct stage *s, struct asking *a, const char *other,
                       void (*told)(void *arg, json_t *lines)) {
        *a = (struct asking){ .preview = preview_new(s->rec), .other = other };
        read_and_start(s, a, told);
}

static void begin_alone_with_others(struct stage *s, struct asking *a) {
        *a = (struct asking){ .preview = preview_new(s->rec), .others = true };
        read_and_start(s, a, on_told);
}

static void begin_with(struct stage *s, struct asking *a, const char *plan,
                       void (*told)(void *arg, json_t *lines)) {
        stage_plan(s, "app", plan);
        begin_both(s, a, NULL, told);
}

static void begin(struct stage *s, struct asking *a, const char *plan) {
        begin_with(s, a, plan, on_told);
}

/* What it does in threads is not in the stage's time. */
static void until_told(struct stage *s, struct asking *a) {
        for (int i = 0; !a->told; i++) {
                assert_true(i < 10000);
                loop_step(s->loop, 20);
        }
}

static void expect_told(struct stage *s, struct asking *a, const char *text) {
        until_told(s, a);
        assert_string_equal(a->text, text);
        free(a->text);
}

static void expect(struct stage *s, const char *plan, const char *text) {
        struct asking a;

        begin(s, &a, plan);
        expect_told(s, &a, text);
}

static void deploy(struct stage *s) {
        stage_plan(s, "app", before);
        stage_deploy(s, "app");
        stage_run(s, 500);
        assert_int_equal(s->applies, 3);
}

static void what_would_be_made_changed_and_gone_is_named(void **state) {
        struct stage *s = *state;

        deploy(s);
        expect(s,
               "{\"docs\": {\"one\": {\"name\": \"one\", \"color\": \"blue\"},"
               " \"three\": {\"name\": \"three\"}}}",
               "change Thing one; make Thing three; let go Thing disk, which holds data; "
               "remove Thing two; change 1 and let go 2 of the 3 objects of app");
        expect(s, before, "change no object");
        stage_run(s, 500);
        assert_int_equal(s->applies, 3);
        assert_int_equal(s->removes, 0);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM want"), 3);
}

static json_t *kept_lines;

static void keep_lines(void *arg, json_t *lines) {
        struct asking *a = arg;

        kept_lines = lines;
        a->told = true;
}

static const json_t *line_of(const char *path) {
        const json_t *line;
        size_t i;

        json_array_foreach(kept_lines, i, line)
                if (str_eq(json_get_str(line, "path", ""), path))
                        return line;
        fail_msg("no line of %s", path);
        return NULL;
}

/* What is outside is asked about each write, once, and says which fields would be other. */
static void what_would_be_written_is_tried(void **state) {
        struct stage *s = *state;
        struct asking a;
        const json_t *field;

        deploy(s);
        s->fail = "three";
        s->failure = OUTCOME_DENIED;
        begin_with(s, &a,
                   "{\"docs\": {\"one\": {\"name\": \"one\", \"color\": \"blue\"}, \"three\": "
                   "{\"name\": \"three\"}, \"five\": {\"name\": \"five\", \"secret\": "
                   "\"own:key/value\"}}, \"secrets\": {\"key/value\": {\"length\": 20}}}",
                   keep_lines);
        while (!a.told)
                loop_step(s->loop, 20);
        field = json_array_get(json_get(line_of("one"), "fields"), 0);
        assert_string_equal(json_get_str(field, "field", ""), "color");
        assert_string_equal(json_get_str(field, "from", ""), "red");
        assert_string_equal(json_get_str(field, "to", ""), "blue");
        assert_string_equal(json_get_str(line_of("one"), "server", ""), "accepts");
        assert_string_equal(json_get_str(line_of("three"), "server", ""), "denied");
        assert_string_equal(json_get_str(line_of("three"), "server-why", ""),
                            "three: told to fail");
        assert_string_equal(json_get_str(line_of("five"), "server", ""), "not asked");
        assert_string_equal(json_get_str(line_of("five"), "server-why", ""),
                            "it holds a secret that is not made yet");
        assert_int_equal(s->trials, 2);
        assert_int_equal(s->applies, 3);
        json_decref(take_ptr(kept_lines));
}

/* Without what it looks like nobody could say which fields the write would leave. */
static void what_was_let_go_is_looked_at_before_it_is_tried(void **state) {
        struct command_policy ignore = { .head.run = command_policy_set,
                                         .model = "lab",
                                         .type = "Thing",
                                         .path = "one",
                                         .field = "color",
                                         .mode = "ignore",
                                         .why = "x" };
        struct stage *s = *state;
        struct asking a;

        deploy(s);
        stage_command(s, &ignore.head);
        stage_run(s, 200);
        stage_change(s, "one", "color", json_string("blue"));
        stage_run(s, 200);
        assert_null(stage_resource(s, "one")->seen.found);
        s->looks = 0;
        begin_with(s, &a, "{\"docs\": {\"one\": {\"name\": \"one\", \"color\": \"green\"}}}",
                   keep_lines);
        while (!a.told)
                loop_step(s->loop, 20);
        assert_string_equal(json_get_str(line_of("one"), "server", ""), "accepts");
        assert_int_equal(s->looks, 1);
        assert_int_equal(s->trials, 1);
        json_decref(take_ptr(kept_lines));
}

/* What is out when the loop stops is given up. */
static void a_stop_ends_what_is_tried(void **state) {
        struct stage *s = *state;
        struct asking a;

        deploy(s);
        s->hold = true;
        begin(s, &a, "{\"docs\": {\"one\": {\"name\": \"one\", \"color\": \"blue\"}}}");
        for (int i = 0; !s->trials; i++) {
                assert_true(i < 10000);
                loop_step(s->loop, 20);
        }
        stage_stop(s);
        assert_true(a.told);
        free(a.text);
}

/* Whoever may read may ask for plans, and repairs go by the same connections. */
static void all_plans_share_the_room_for_asking(void **state) {
        cleanup_(json_freep) json_t *plan = json_pack("{s:{}}", "docs");
        cleanup_(freep) char *text = NULL;
        struct stage *s = *state;
        struct asking a[3];

        for (int i = 0; i < 20; i++) {
                cleanup_(freep) char *name = str_format("n%d", i);

                json_object_set_new(json_get(plan, "docs"), name, json_pack("{s:s}", "name", name));
        }
        text = json_text(plan);
        deploy(s);
        s->hold = true;
        for (size_t i = 0; i < ARRAY_SIZE(a); i++)
                begin(s, &a[i], text);
        while (s->trials < 16)
                loop_step(s->loop, 20);
        for (int i = 0; i < 50; i++)
                loop_step(s->loop, 1);
        assert_int_equal(s->trials, 16);
        stage_release(s);
        for (size_t i = 0; i < ARRAY_SIZE(a); i++) {
                while (!a[i].told)
                        loop_step(s->loop, 20);
                free(a[i].text);
        }
        assert_int_equal(s->trials, 60);
}

static void count_lines(void *arg, json_t *lines) {
        struct asking *a = arg;

        a->text = str_format("%zu", json_array_size(lines));
        json_decref(lines);
        a->told = true;
}

/* Thousands of documents are told in turns of the loop, and a stop may come between two. */
static void a_large_plan_is_told_in_slices_and_a_stop_ends_it(void **state) {
        cleanup_(json_freep) json_t *plan = json_pack("{s:{}}", "docs");
        cleanup_(freep) char *text = NULL;
        struct stage *s = *state;
        struct asking a;
        int64_t lines;

        for (int i = 0; i < 200; i++) {
                cleanup_(freep) char *name = str_format("n%d", i);

                json_object_set_new(json_get(plan, "docs"), name, json_pack("{s:s}", "name", name));
        }
        text = json_text(plan);
        deploy(s);
        begin_with(s, &a, text, count_lines);
        while (list_empty(&s->rec->trials))
                loop_step(s->loop, 20);
        loop_step(s->loop, 20);
        stage_stop(s);
        assert_true(a.told);
        assert_true(str_to_int(a.text, &lines) && lines < 200);
        free(a.text);
}

static void a_secret_that_is_not_there_is_not_made(void **state) {
        struct stage *s = *state;

        deploy(s);
        s->planned = 0;
        expect(s,
               "{\"secrets\": {\"key/value\": {\"length\": 20}}, \"docs\": {\"one\": {\"name\": "
               "\"one\"}}}",
               "change Thing one; let go Thing disk, which holds data; remove Thing two; "
               "change 1 and let go 2 of the 3 objects of app");
        assert_int_equal(s->planned, 2);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM secret"), 0);
}

static void a_plan_that_would_be_refused_is_told_as_that(void **state) {
        struct stage *s = *state;

        deploy(s);
        expect(s, "{\"error\": \"no\"}", "have its plan refused: no");
        expect(s, "{\"docs\": {\"one\": {\"color\": \"red\"}}}",
               "have its plan refused: one: no name");
}

/* What one side says is heard by the other before anything is compared; nothing of it is kept. */
static void what_one_side_tells_the_other_is_in_it(void **state) {
        struct stage *s = *state;
        struct asking a;

        stage_plan(s, "db", "{\"docs\": {\"server\": {\"name\": \"server\"}}}");
        stage_plan(s, "app",
                   "{\"docs\": {\"one\": {\"name\": \"one\"}, \"login\": {\"name\": \"login\", "
                   "\"secret\": \"told:password\"}}}");
        stage_deploy(s, "db");
        stage_deploy(s, "app");
        stage_relate(s, "app:uses", "db:serves");
        stage_run(s, 500);
        assert_int_equal(s->applies, 2);
        stage_plan(
                s, "db",
                "{\"docs\": {\"server\": {\"name\": \"server\"}, \"user\": {\"name\": \"user\"}}, "
                "\"secrets\": {\"user/password\": {\"length\": 20}}, \"tell\": {\"password\": "
                "\"own:user/password\"}}");
        begin_both(s, &a, "db", on_told);
        expect_told(s, &a, "make Thing login; make Thing user");
        stage_run(s, 500);
        assert_int_equal(s->applies, 2);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM secret"), 0);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM relation_data"), 0);
}

/* As after a start: a plan of what was not read would not hold once it is. */
static void what_is_being_read_is_waited_for(void **state) {
        struct stage *s = *state;
        struct world_resource *r;
        struct asking a;

        deploy(s);
        r = stage_resource(s, "one");
        observation_clear(&r->seen);
        r->seen.presence = PRESENCE_UNKNOWN;
        world_set_state(&s->rec->world, r, STATE_UNSEEN);
        tally_resource(&s->rec->world, r);
        begin(s, &a, "{\"docs\": {\"one\": {\"name\": \"one\", \"color\": \"blue\"}}}");
        stage_run(s, 5000);
        assert_false(a.told);
        stage_run(s, 6000);
        until_told(s, &a); /* nobody reads it: what is known is told */
        free(a.text);
        begin(s, &a, "{\"docs\": {\"one\": {\"name\": \"one\", \"color\": \"blue\"}}}");
        stage_run(s, 1000);
        assert_false(a.told);
        stage_change(s, "one", "size", json_integer(1));
        stage_run(s, 1000);
        until_told(s, &a);
        free(a.text);
}

/* Of one that is asked alone: who answers it is asked too, once it hears something new. */
static void what_others_do_in_answer_is_in_it(void **state) {
        static const char quiet[] = "{\"docs\": {\"server\": {\"name\": \"server\"}}}";
        struct stage *s = *state;
        struct asking a;

        stage_plan(s, "app", quiet);
        stage_plan(s, "db",
                   "{\"docs\": {\"one\": {\"name\": \"one\"}, \"login\": {\"name\": \"login\", "
                   "\"secret\": \"told:password\"}}}");
        stage_deploy(s, "app");
        stage_deploy(s, "db");
        stage_relate(s, "db:uses", "app:serves");
        stage_run(s, 500);
        assert_int_equal(s->applies, 2);
        begin_alone_with_others(s, &a);
        expect_told(s, &a, "change no object");
        stage_plan(s, "app",
                   "{\"docs\": {\"server\": {\"name\": \"server\"}}, "
                   "\"secrets\": {\"user/password\": {\"length\": 20}}, \"tell\": {\"password\": "
                   "\"own:user/password\"}}");
        begin_alone_with_others(s, &a);
        expect_told(s, &a, "make Thing login");
        stage_run(s, 500);
        assert_int_equal(s->applies, 2);
}

/* As the admin API does for a dry run. */
static int look(struct tx *tx, struct command *c, struct err *err) {
        struct asking *a = c->look_arg;

        return read_it(tx, &a->call, err);
}

static void expect_removal(struct stage *s, struct command *c, const char *other,
                           const char *text) {
        struct asking a = { .preview = preview_new(s->rec), .other = other };

        a.call.arg = &a;
        c->dry_run = true;
        c->look = look;
        c->look_arg = &a;
        stage_refused(s, c, "a dry run", "nothing was changed");
        preview_start(a.preview, on_told, &a);
        expect_told(s, &a, text);
}

static void what_goes_with_a_removal_is_named_and_what_others_want_is_not(void **state) {
        struct command_application adopt = { .head.run = command_application_adopt,
                                             .model = "lab",
                                             .application = "app" };
        struct command_application remove = { .head.run = command_application_remove,
                                              .model = "lab",
                                              .application = "app" };
        struct command_model model = { .head.run = command_model_remove, .model = "lab" };
        struct stage *s = *state;

        stage_plan(
                s, "app",
                "{\"targets\": {\"own\": {\"provider\": \"kubernetes\", \"config\": {\"inside\": "
                "true}}}, \"docs\": {\"disk\": {\"name\": \"disk\", \"data\": true}, "
                "\"in\": {\"name\": \"in\", \"target\": \"own\"}, \"one\": {\"name\": \"one\"}, "
                "\"old\": {\"name\": \"old\"}, \"shared\": {\"name\": \"shared\"}}}");
        stage_plan(s, "other", "{\"docs\": {\"shared\": {\"name\": \"shared\"}}}");
        s->fail = "old";
        s->failure = OUTCOME_CONFLICT; /* it was there before */
        stage_deploy(s, "app");
        stage_run(s, 300000);
        s->fail = NULL;
        stage_command(s, &adopt.head);
        stage_run(s, 1000);
        stage_deploy(s, "other");
        stage_run(s, 1000);
        expect_removal(s, &remove.head, NULL,
                       "remove Thing in, with the server that it is in; leave Thing old, which was "
                       "adopted; remove Thing one");
        expect_removal(s, &model.head, "other",
                       "remove Thing in, with the server that it is in; leave Thing old, which was "
                       "adopted; remove Thing one; remove Thing shared");
        assert_int_equal(s->removes, 0);
}

static void who_answer_each_other_for_ever_are_told_so(void **state) {
        struct stage *s = *state;
        struct asking a;

        stage_deploy(s, "db");
        stage_deploy(s, "app");
        stage_relate(s, "app:in", "db:out");
        stage_run(s, 500);
        stage_plan(s, "db", "{\"echo\": true}");
        stage_plan(s, "app", "{\"echo\": true}");
        begin_both(s, &a, "db", on_told);
        until_told(s, &a);
        assert_non_null(strstr(a.text, "answer each other for ever"));
        free(a.text);
}

static void a_stop_ends_it(void **state) {
        struct stage *s = *state;
        struct asking a;

        deploy(s);
        s->charms_silent = true;
        begin(s, &a, before);
        loop_step(s->loop, 0);
        stage_stop(s);
        assert_true(a.told);
        assert_string_equal(a.text, "");
        free(a.text);
}

#define T(f) cmocka_unit_test_setup_teardown(f, stage_set_up, stage_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                T(what_would_be_made_changed_and_gone_is_named),
                T(a_secret_that_is_not_there_is_not_made),
                T(a_plan_that_would_be_refused_is_told_as_that),
                T(what_one_side_tells_the_other_is_in_it),
                T(what_is_being_read_is_waited_for),
                T(what_others_do_in_answer_is_in_it),
                T(what_goes_with_a_removal_is_named_and_what_others_want_is_not),
                T(who_answer_each_other_for_ever_are_told_so),
                T(a_stop_ends_it),
                T(what_would_be_written_is_tried),
                T(a_stop_ends_what_is_tried),
                T(what_was_let_go_is_looked_at_before_it_is_tried),
                T(all_plans_share_the_room_for_asking),
                T(a_large_plan_is_told_in_slices_and_a_stop_ends_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
