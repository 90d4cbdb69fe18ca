/* SPDX-License-Identifier: Apache-2.0 */
/* test_charm_host.c - offers, and calls on their way to workers */
#include "host-fixture.h"

#include "charm-meta.h"
#include "charm-pin.h"
#include "clock.h"
#include "metric.h"

#include <errno.h>
#include <setjmp.h>
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct fixture fixture;
static char offered[64];

static int setup(void **state) {
        fixture_init(&fixture, NULL, false);
        return 0;
}

static int teardown(void **state) {
        fixture_deinit(&fixture);
        return 0;
}

/* ---- offers */

static const struct charm_offer *find(const char *name, const char *channel, int64_t revision,
                                      struct err *err) {
        const struct charm_offer *offer = NULL;

        return charm_host_find(fixture.host, name, channel, revision, &offer, err) < 0 ? NULL
                                                                                       : offer;
}

static void assert_not_found(const char *name, const char *channel, int64_t revision,
                             const char *part) {
        struct err err = {};

        assert_null(find(name, channel, revision, &err));
        if (!strstr(err_text(&err), part))
                fail_msg("\"%s\" does not say \"%s\"", err_text(&err), part);
}

static void charms_are_found_by_name_channel_and_revision(void **state) {
        assert_non_null(find("hello", NULL, -1, NULL));
        assert_non_null(find("hello", "1.0/stable", 1, NULL));
        assert_non_null(find("hello", "1.0", -1, NULL));
        assert_non_null(find("hostile", "latest/edge", -1, NULL));
        assert_string_equal(find("hello", NULL, -1, NULL)->meta->name, "hello");
        assert_not_found("dex-auth", NULL, -1, "no charm module \"dex-auth\" in ");
        assert_not_found("helo", NULL, -1, "did you mean \"hello\"?");
        assert_not_found("dex-auth", NULL, -1, "early, hello, hostile");
        assert_not_found("hello", "2.0/stable", -1,
                         "no channel 2.0/stable; there is revision 1 with channels 1.0/stable");
        assert_not_found("hello", NULL, 7, "no revision 7; there is revision 1");
        assert_not_found("hello", "no such/channel/of/ours", -1, "channel");
}

static int setup_copies(void **state) {
        static const char *dirs[] = { offered, NULL };
        cleanup_(freep) char *to = NULL;

        str_copy(offered, sizeof(offered), "/tmp/mooring-offer-XXXXXX");
        assert_non_null(mkdtemp(offered));
        assert_int_equal(chmod(offered, 0755), 0);
        to = str_format("%s/hello", offered);
        fixture_copy(TEST_CHARM_DIR "/hello", to);
        fixture_init(&fixture, dirs, *state != NULL);
        return 0;
}

static int setup_dev(void **state) {
        static int dev;

        *state = &dev;
        return setup_copies(state);
}

static int teardown_copies(void **state) {
        fixture_deinit(&fixture);
        fixture_remove(offered);
        return 0;
}

static void edit(const char *name, const char *text) {
        cleanup_(freep) char *path = str_format("%s/hello/%s", offered, name);
        cleanup_(fclosep) FILE *f = fopen(path, "ae");

        assert_non_null(f);
        fputs(text, f);
}

static void rescan(void) {
        struct err err = {};

        if (charm_host_scan(fixture.host, &err) < 0)
                fail_msg("%s", err_text(&err));
}

static void a_scan_sees_what_changed_and_keeps_what_did_not(void **state) {
        cleanup_(freep) char *before = str_dup(find("hello", NULL, -1, NULL)->sha256);
        const struct charm_meta *meta = find("hello", NULL, -1, NULL)->meta;

        rescan();
        assert_ptr_equal(find("hello", NULL, -1, NULL)->meta, meta);
        edit("objects/service.yaml", "# longer\n");
        rescan();
        assert_string_not_equal(find("hello", NULL, -1, NULL)->sha256, before);
}

static void a_folder_that_cannot_be_used_says_why(void **state) {
        cleanup_(freep) char *folder = str_format("%s/hello", offered),
                             *module = str_format("%s/hello.so", folder);
        struct charm_offer open_to_all;
        size_t n;

        assert_int_equal(chmod(folder, 0777), 0);
        rescan();
        assert_not_found("hello", NULL, -1, "others can write to");
        open_to_all = *charm_host_offers(fixture.host, &n);
        assert_int_equal(n, 1);
        assert_int_equal(charm_host_pin(fixture.host, &open_to_all, NULL), -EPERM);
        assert_int_equal(chmod(folder, 0755), 0);
        rescan();
        assert_non_null(find("hello", NULL, -1, NULL));
        assert_int_equal(unlink(module), 0);
        rescan();
        assert_not_found("hello", NULL, -1, "there is no module hello.so: it was not built");
        edit("charm.yaml", "\nnonsense: [\n");
        rescan();
        assert_not_found("hello", NULL, -1, "charm.yaml");
}

static void a_mistake_in_an_object_is_told_when_it_is_offered(void **state) {
        edit("objects/service.yaml", "misspelt: ${config.prot}\n");
        rescan();
        assert_not_found("hello", NULL, -1,
                         "objects/service.yaml: ${config.prot}: charm.yaml has no \"prot\"");
}

static void an_earlier_directory_wins(void **state) {
        const char *const dirs[] = { offered, TEST_CHARM_DIR, NULL };
        const char *const others[] = { TEST_CHARM_DIR, offered, NULL };

        edit("objects/service.yaml", "# ours\n");
        fixture_deinit(&fixture);
        fixture_init(&fixture, dirs, false);
        assert_true(str_starts(find("hello", NULL, -1, NULL)->folder, offered));
        fixture_deinit(&fixture);
        fixture_init(&fixture, others, false);
        assert_true(str_starts(find("hello", NULL, -1, NULL)->folder, TEST_CHARM_DIR));
}

static void a_scan_that_finds_other_offers_tells(void **state) {
        fixture.changed = false; /* the first scan found offers where there were none */
        rescan();
        assert_false(fixture.changed);
        edit("objects/service.yaml", "# another\n");
        rescan();
        assert_true(fixture.changed);
}

static void changes_are_followed_with_dev(void **state) {
        cleanup_(freep) char *before = str_dup(find("hello", NULL, -1, NULL)->sha256);

        fixture.changed = false;
        edit("objects/service.yaml", "# changed while running\n");
        for (int i = 0; !fixture.changed && i < WAIT_STEPS; i++)
                loop_step(fixture.loop, 1000);
        assert_true(fixture.changed);
        assert_string_not_equal(find("hello", NULL, -1, NULL)->sha256, before);
}

/* ---- a module and its charm.yaml */

static void assert_unusable(const char *part) {
        struct test_call c;

        rescan();
        fixture_plan(&fixture, &c, "hello", 1, "{}");
        fixture_wait(&fixture, &c);
        assert_int_equal(c.r, -ENOEXEC);
        if (!strstr(err_text(&c.err), "charm hello cannot be used: ") ||
            !strstr(err_text(&c.err), part))
                fail_msg("%s", err_text(&c.err));
        test_call_deinit(&c);
}

static void a_module_built_from_another_charm_yaml_is_refused(void **state) {
        edit("charm.yaml", "# changed after the build\n");
        assert_unusable("it was built from another charm.yaml");
}

static void a_module_that_is_no_module_is_refused(void **state) {
        cleanup_(freep) char *path = str_format("%s/hello/hello.so", offered);
        FILE *f = fopen(path, "we");

        fputs("not an ELF file", f);
        fclose(f);
        assert_unusable("hello.so cannot be loaded");
}

/* ---- calls and workers */

static void assert_plans(struct test_call *c) {
        fixture_wait(&fixture, c);
        if (c->r < 0)
                fail_msg("%s", err_text(&c->err));
        test_call_deinit(c);
}

static void calls_of_one_charm_and_model_share_a_worker(void **state) {
        struct test_call c[6];

        for (size_t i = 0; i < ARRAY_SIZE(c); i++)
                fixture_plan(&fixture, &c[i], "hello", i < 3 ? 1 : 2, "{}");
        for (size_t i = 0; i < ARRAY_SIZE(c); i++)
                assert_plans(&c[i]);
        assert_int_equal(charm_host_workers(fixture.host), 2);
}

static void the_same_view_gives_the_same_plan_from_any_worker(void **state) {
        struct test_call a, b, other;

        fixture_plan(&fixture, &a, "hello", 1, "{\"port\":9000}");
        fixture_plan(&fixture, &other, "hello", 1, "{\"port\":9001}");
        fixture_plan(&fixture, &b, "hello", 2, "{\"port\":9000}");
        fixture_wait(&fixture, &a);
        fixture_wait(&fixture, &b);
        fixture_wait(&fixture, &other);
        assert_int_equal(a.plan->doc_count, b.plan->doc_count);
        for (size_t i = 0; i < a.plan->doc_count; i++)
                assert_string_equal(a.plan->docs[i].text, b.plan->docs[i].text);
        assert_string_not_equal(a.plan->docs[1].text, other.plan->docs[1].text);
        test_call_deinit(&a);
        test_call_deinit(&b);
        test_call_deinit(&other);
}

static void idle_workers_end(void **state) {
        struct test_call c;

        fixture_plan(&fixture, &c, "hello", 1, "{}");
        assert_plans(&c);
        loop_advance(fixture.loop, CHARM_IDLE_MS - 1);
        assert_int_equal(charm_host_workers(fixture.host), 1);
        loop_advance(fixture.loop, 1);
        assert_int_equal(charm_host_workers(fixture.host), 0);
        fixture_plan(&fixture, &c, "hello", 1, "{}");
        assert_plans(&c);
}

static void workers_are_bounded_and_idle_ones_make_room(void **state) {
        enum { CALLS = CHARM_WORKERS_MAX + 6 };
        static struct test_call c[CALLS];

        for (int i = 0; i < CALLS; i++)
                fixture_plan(&fixture, &c[i], "hello", i, "{}");
        for (int i = 0; i < CALLS; i++) {
                for (int k = 0; !c[i].done && k < WAIT_STEPS; k++) {
                        assert_true(charm_host_workers(fixture.host) <= CHARM_WORKERS_MAX);
                        loop_step(fixture.loop, 100);
                        loop_advance(fixture.loop, 1000 / CHARM_STARTS_PER_S);
                }
                assert_plans(&c[i]);
        }
        assert_true(charm_host_workers(fixture.host) <= CHARM_WORKERS_MAX);
}

static double counted(const char *name) {
        cleanup_(freep) char *series = str_format("\n%s ", name);
        cleanup_(buf_free) struct buf text = BUF_INIT;
        const char *at;

        metric_print(&text);
        at = strstr(buf_str(&text), series);
        assert_non_null(at);
        return strtod(at + strlen(series), NULL);
}

static void starts_are_limited_in_time(void **state) {
        static struct test_call c[CHARM_STARTS + 2];
        double started = counted("mooring_charm_workers_started_total");
        double died = counted("mooring_charm_workers_died_total");

        for (int i = 0; i < CHARM_STARTS + 2; i++)
                fixture_plan(&fixture, &c[i], "hostile", i, "{\"attack\":\"crash\"}");
        for (int i = 0; i < CHARM_STARTS; i++) {
                fixture_wait(&fixture, &c[i]);
                test_call_deinit(&c[i]);
        }
        assert_true(counted("mooring_charm_workers_started_total") == started + CHARM_STARTS);
        assert_true(counted("mooring_charm_workers_died_total") == died + CHARM_STARTS);
        /* The bucket is empty; time stands still. */
        while (loop_step(fixture.loop, 0))
                ;
        assert_int_equal(charm_host_workers(fixture.host), 0);
        assert_false(c[CHARM_STARTS].done);
        loop_advance(fixture.loop, 1000 / CHARM_STARTS_PER_S);
        fixture_wait(&fixture, &c[CHARM_STARTS]);
        assert_false(c[CHARM_STARTS + 1].done);
        loop_advance(fixture.loop, 1000 / CHARM_STARTS_PER_S);
        fixture_wait(&fixture, &c[CHARM_STARTS + 1]);
        test_call_deinit(&c[CHARM_STARTS]);
        test_call_deinit(&c[CHARM_STARTS + 1]);
}

/* Between two calls, as soon as a look at it says so; what it was given ahead goes to the next. */
static void a_worker_that_grew_is_replaced_and_no_call_fails(void **state) {
        static struct test_call c[80];
        double started = counted("mooring_charm_workers_started_total");
        double died = counted("mooring_charm_workers_died_total");

        for (size_t i = 0; i < ARRAY_SIZE(c); i++)
                fixture_plan(&fixture, &c[i], "hostile", 1, "{\"attack\":\"keep\"}");
        for (size_t i = 0; i < ARRAY_SIZE(c); i++)
                assert_plans(&c[i]);
        assert_true(counted("mooring_charm_workers_started_total") == started + 2);
        assert_true(counted("mooring_charm_workers_died_total") == died);
}

static void a_cancelled_call_is_never_answered(void **state) {
        struct test_call waiting, running, after;

        fixture_plan(&fixture, &waiting, "hello", 1, "{}");
        charm_host_cancel(&waiting.call);
        fixture_plan(&fixture, &running, "hostile", 1, "{\"attack\":\"loop\"}");
        while (!charm_host_workers(fixture.host))
                loop_step(fixture.loop, 100);
        assert_true(charm_host_has(&running.call));
        charm_host_cancel(&running.call);
        assert_false(charm_host_has(&running.call));
        loop_advance(fixture.loop, CHARM_CALL_MS);
        fixture_plan(&fixture, &after, "hostile", 1, "{}");
        fixture_wait(&fixture, &after);
        assert_false(charm_host_has(&after.call));
        assert_plans(&after);
        assert_false(waiting.done);
        assert_false(running.done);
        test_call_deinit(&waiting);
        test_call_deinit(&running);
}

static void a_charm_that_is_not_pinned_is_an_error_of_its_call(void **state) {
        struct test_call c;

        fixture_plan(&fixture, &c, "hello", 1, "{}");
        assert_int_equal(charm_pin_drop(fixture.state, c.call.sha256, NULL), 0);
        fixture_wait(&fixture, &c);
        assert_int_equal(c.r, -ENOENT);
        test_call_deinit(&c);
}

static void a_large_view_passes(void **state) {
        cleanup_(freep) char *config = mem_alloc(CHARM_VIEW_MAX);
        struct test_call c;
        size_t n = (size_t)snprintf(config, 100, "{\"greeting\":\"");

        memset(config + n, 'x', CHARM_VIEW_MAX - 200);
        memcpy(config + CHARM_VIEW_MAX - 200, "\"}", 3);
        fixture_plan(&fixture, &c, "hello", 1, config);
        fixture_wait(&fixture, &c);
        if (c.r < 0)
                fail_msg("%s", err_text(&c.err));
        assert_true(c.plan->docs[1].len > CHARM_VIEW_MAX - 400);
        test_call_deinit(&c);
}

/* A clone below /root: the other user cannot reach the program by its path. */
static void a_worker_in_a_folder_of_our_own_is_started_for_the_other_user(void **state) {
        static const char *const dirs[] = { TEST_CHARM_DIR, NULL };
        cleanup_(freep) char *worker = str_format("%s/mooring-charm", fixture.state);
        struct charm_host_options o = {
                .state_dir = fixture.state, .charm_dirs = dirs, .worker = worker, .sandbox = true
        };
        struct test_call c;
        struct err err = {};

        fixture_copy(TEST_WORKER, worker);
        fixture.host = charm_host_free(fixture.host);
        if (charm_host_new(fixture.loop, &o, &fixture.host, &err) < 0)
                fail_msg("%s", err_text(&err));
        rescan();
        fixture_plan(&fixture, &c, "hello", 1, "{}");
        assert_plans(&c);
}

static void a_machine_that_cannot_confine_charms_is_told_what_to_do(void **state) {
#ifdef MOORING_SANITIZED
        static const char way[] = "start it with --sandbox=no";
#else
        static const char way[] = "landlock";
#endif
        static const char *const dirs[] = { TEST_CHARM_DIR, NULL };
        struct charm_host_options o = { .state_dir = fixture.state,
                                        .charm_dirs = dirs,
                                        .worker = "/bin/false",
                                        .sandbox = true };
        struct err err = {};

        fixture.host = charm_host_free(fixture.host);
        assert_int_equal(charm_host_new(fixture.loop, &o, &fixture.host, &err), -ENOSYS);
        assert_non_null(strstr(err_text(&err), way));
}

static void the_host_can_be_freed_with_calls_under_way(void **state) {
        struct test_call a, b;

        fixture_plan(&fixture, &a, "hostile", 1, "{\"attack\":\"loop\"}");
        fixture_plan(&fixture, &b, "hostile", 1, "{}");
        while (!charm_host_workers(fixture.host))
                loop_step(fixture.loop, 100);
        fixture.host = charm_host_free(fixture.host);
        assert_false(a.done);
        assert_false(b.done);
        test_call_deinit(&a);
        test_call_deinit(&b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(charms_are_found_by_name_channel_and_revision,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(a_scan_sees_what_changed_and_keeps_what_did_not,
                                                setup_copies, teardown_copies),
                cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_used_says_why, setup_copies,
                                                teardown_copies),
                cmocka_unit_test_setup_teardown(a_mistake_in_an_object_is_told_when_it_is_offered,
                                                setup_copies, teardown_copies),
                cmocka_unit_test_setup_teardown(an_earlier_directory_wins, setup_copies,
                                                teardown_copies),
                cmocka_unit_test_setup_teardown(a_scan_that_finds_other_offers_tells, setup_copies,
                                                teardown_copies),
                cmocka_unit_test_setup_teardown(changes_are_followed_with_dev, setup_dev,
                                                teardown_copies),
                cmocka_unit_test_setup_teardown(a_module_built_from_another_charm_yaml_is_refused,
                                                setup_copies, teardown_copies),
                cmocka_unit_test_setup_teardown(a_module_that_is_no_module_is_refused, setup_copies,
                                                teardown_copies),
                cmocka_unit_test_setup_teardown(calls_of_one_charm_and_model_share_a_worker, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(the_same_view_gives_the_same_plan_from_any_worker,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(idle_workers_end, setup, teardown),
                cmocka_unit_test_setup_teardown(workers_are_bounded_and_idle_ones_make_room, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(starts_are_limited_in_time, setup, teardown),
                cmocka_unit_test_setup_teardown(a_worker_that_grew_is_replaced_and_no_call_fails,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(a_cancelled_call_is_never_answered, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(a_charm_that_is_not_pinned_is_an_error_of_its_call,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(a_large_view_passes, setup, teardown),
                cmocka_unit_test_setup_teardown(
                        a_worker_in_a_folder_of_our_own_is_started_for_the_other_user, setup,
                        teardown),
                cmocka_unit_test_setup_teardown(
                        a_machine_that_cannot_confine_charms_is_told_what_to_do, setup, teardown),
                cmocka_unit_test_setup_teardown(the_host_can_be_freed_with_calls_under_way, setup,
                                                teardown),
        };

        signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
