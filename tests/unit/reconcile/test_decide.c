/* SPDX-License-Identifier: Apache-2.0 */
/* test_decide.c - what is done about a resource, case by case */
#include "decide.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct resource_row in_place(void) {
        struct resource_row row = { .wanted_generation = 3,
                                    .applied_generation = 3,
                                    .made = true,
                                    .baseline_valid = true,
                                    .applied_at = 1000 };

        memset(row.baseline, 7, sizeof(row.baseline));
        str_copy(row.incarnation, sizeof(row.incarnation), "uid-1");
        return row;
}

static struct observation as_applied(void) {
        struct observation o = {
                .presence = PRESENCE_PRESENT, .ready = READY_YES, .ours = true, .digest_valid = true
        };

        memset(o.digest, 7, sizeof(o.digest));
        str_copy(o.incarnation, sizeof(o.incarnation), "uid-1");
        return o;
}

static struct decision run(const struct resource_row *row, const struct observation *o,
                           const struct policy *p) {
        struct decision d;

        decide(row, o, p, 2000, &d);
        return d;
}

static void what_is_in_place_is_left_alone(void **state) {
        struct resource_row row = in_place();
        struct observation o = as_applied();
        struct policy p = { 0 };
        struct decision d = run(&row, &o, &p);

        assert_int_equal(d.action, ACTION_NONE);
        assert_int_equal(d.state, STATE_READY);
        assert_int_equal(d.drift, DRIFT_NONE);
}

/* cache.db was lost: the field set, which a digest is taken with, is not known. */
static void what_has_no_digest_was_not_compared(void **state) {
        struct resource_row row = in_place();
        struct observation o = as_applied();
        struct policy p = { 0 };

        assert_true(run(&row, &o, &p).compared);
        o.digest_valid = false;
        assert_false(run(&row, &o, &p).compared);
        o.presence = PRESENCE_ABSENT;
        assert_true(run(&row, &o, &p).compared);
        o.presence = PRESENCE_PRESENT;
        row.baseline_valid = false; /* nothing of it is ever compared */
        assert_true(run(&row, &o, &p).compared);
}

static void what_is_new_is_applied_when_its_needs_are_met(void **state) {
        struct resource_row row = { .wanted_generation = 1 };
        struct observation o = { 0 };
        struct policy p = { .unmet = "Secret a/b: not there yet" };

        assert_int_equal(run(&row, &o, &p).action, ACTION_WAIT);
        assert_string_equal(run(&row, &o, &p).why, "waiting for Secret a/b: not there yet");
        p.unmet = NULL;
        assert_int_equal(run(&row, &o, &p).action, ACTION_APPLY);
}

static void a_changed_digest_is_drift_and_is_repaired(void **state) {
        struct resource_row row = in_place();
        struct observation o = as_applied();
        struct policy p = { 0 };
        struct decision d;

        o.digest[0]++;
        d = run(&row, &o, &p);
        assert_int_equal(d.drift, DRIFT_CHANGED);
        assert_int_equal(d.action, ACTION_APPLY);
}

static void a_deleted_object_is_made_again(void **state) {
        struct resource_row row = in_place();
        struct observation o = { .presence = PRESENCE_ABSENT };
        struct policy p = { 0 };
        struct decision d = run(&row, &o, &p);

        assert_int_equal(d.drift, DRIFT_DELETED);
        assert_int_equal(d.action, ACTION_APPLY);
}

static void another_of_the_same_name_is_drift(void **state) {
        struct resource_row row = in_place();
        struct observation o = as_applied();
        struct policy p = { 0 };

        str_copy(o.incarnation, sizeof(o.incarnation), "uid-2");
        assert_int_equal(run(&row, &o, &p).drift, DRIFT_REPLACED);
}

static void lost_data_is_never_begun_again_silently(void **state) {
        struct resource_row row = in_place();
        struct observation o = { .presence = PRESENCE_ABSENT };
        struct policy p = { 0 };
        struct decision d;

        row.data = true;
        row.initialised = 1;
        d = run(&row, &o, &p);
        assert_int_equal(d.drift, DRIFT_DATA_LOST);
        assert_int_equal(d.action, ACTION_BLOCK);
        assert_int_equal(d.state, STATE_LOST);
}

static void another_volume_of_the_same_name_needs_a_person(void **state) {
        struct resource_row row = in_place();
        struct observation o = as_applied();
        struct policy p = { 0 };

        row.data = true;
        row.initialised = 1;
        o.filled = true;
        str_copy(o.incarnation, sizeof(o.incarnation), "uid-2");
        assert_int_equal(run(&row, &o, &p).state, STATE_LOST);
        assert_int_equal(run(&row, &o, &p).action, ACTION_BLOCK);
        row.accepted_loss = true;
        assert_int_equal(run(&row, &o, &p).drift, DRIFT_REPLACED);
        assert_int_equal(run(&row, &o, &p).action, ACTION_APPLY);
}

static void accepted_loss_is_made_again(void **state) {
        struct resource_row row = in_place();
        struct observation o = { .presence = PRESENCE_ABSENT };
        struct policy p = { 0 };

        row.data = row.accepted_loss = true;
        row.initialised = 1;
        assert_int_equal(run(&row, &o, &p).action, ACTION_APPLY);
}

static void a_bucket_is_made_again_at_once_and_still_shown_as_lost(void **state) {
        struct resource_row row = in_place();
        struct observation o = { .presence = PRESENCE_ABSENT };
        struct policy p = { 0 };
        struct decision d;

        row.data = row.remake = true;
        row.initialised = 1;
        d = run(&row, &o, &p);
        assert_int_equal(d.action, ACTION_APPLY);
        assert_int_equal(d.state, STATE_LOST);
}

static void data_made_again_stays_lost_until_accepted_whatever_comes_into_it(void **state) {
        struct resource_row row = in_place();
        struct observation o = as_applied();
        struct policy p = { 0 };

        row.data = row.remake = row.lost = true;
        row.initialised = 1;
        assert_int_equal(run(&row, &o, &p).state, STATE_LOST);
        assert_int_equal(run(&row, &o, &p).action, ACTION_NONE);
        o.filled = true;
        assert_int_equal(run(&row, &o, &p).state, STATE_LOST);
        o.filled = false;
        row.accepted_loss = true;
        assert_int_equal(run(&row, &o, &p).state, STATE_READY);
}

static void data_that_was_never_filled_is_made_again(void **state) {
        struct resource_row row = in_place();
        struct observation o = { .presence = PRESENCE_ABSENT };
        struct policy p = { 0 };

        row.data = true;
        assert_int_equal(run(&row, &o, &p).drift, DRIFT_DELETED);
        assert_int_equal(run(&row, &o, &p).action, ACTION_APPLY);
}

static void a_pause_holds_writes_and_still_tells_the_drift(void **state) {
        struct resource_row row = in_place();
        struct observation o = { .presence = PRESENCE_ABSENT };
        struct policy p = { .paused = "alice: disk work" };
        struct decision d = run(&row, &o, &p);

        assert_int_equal(d.action, ACTION_WAIT);
        assert_int_equal(d.drift, DRIFT_DELETED);
        assert_string_equal(d.why, "is deleted: put right after the pause");
        p.frozen = true;
        assert_string_equal(run(&row, &o, &p).why, "is deleted: put right after the freeze");
}

static void what_is_not_ready_in_a_pause_says_why_and_not_who_paused(void **state) {
        struct resource_row row = in_place();
        struct observation o = as_applied();
        struct policy p = { .paused = "alice: disk work" };

        assert_string_equal(run(&row, &o, &p).why, "paused: alice: disk work");
        o.ready = READY_NO;
        o.reason = (char[]){ "0 of 1 pods available" };
        assert_string_equal(run(&row, &o, &p).why, "0 of 1 pods available");
        row.wanted_generation++;
        assert_string_equal(run(&row, &o, &p).why, "is to be changed: put right after the pause");
}

static void a_blocked_model_writes_nothing(void **state) {
        struct resource_row row = { .wanted_generation = 1 };
        struct observation o = { 0 };
        struct policy p = { .blocked = "another cluster" };

        assert_int_equal(run(&row, &o, &p).action, ACTION_BLOCK);
}

static void what_is_not_seen_yet_is_waited_for_or_looked_at(void **state) {
        struct resource_row row = in_place();
        struct observation o = { 0 };
        struct policy p = { .list_pending = true };

        assert_int_equal(run(&row, &o, &p).action, ACTION_WAIT);
        p.list_pending = false;
        assert_int_equal(run(&row, &o, &p).action, ACTION_LOOK);
}

static void what_is_being_deleted_is_waited_for(void **state) {
        struct resource_row row = in_place();
        struct observation o = as_applied();
        struct policy p = { 0 };

        o.presence = PRESENCE_LEAVING;
        assert_int_equal(run(&row, &o, &p).action, ACTION_WAIT);
}

static void a_failed_try_backs_off_until_its_time(void **state) {
        struct resource_row row = in_place();
        struct observation o = as_applied();
        struct policy p = { .backing_off = "quota exceeded" };
        struct decision d;

        row.outcome = OUTCOME_DENIED;
        o.digest[0]++;
        d = run(&row, &o, &p);
        assert_int_equal(d.action, ACTION_WAIT);
        assert_int_equal(d.state, STATE_BLOCKED);
        assert_string_equal(d.why, "quota exceeded");
        p.backing_off = NULL;
        assert_int_equal(run(&row, &o, &p).action, ACTION_APPLY);
}

static void the_audit_applies_again_what_is_in_place(void **state) {
        struct resource_row row = in_place();
        struct observation o = as_applied();
        struct policy p = { .audit_every_ms = 1001 };

        assert_int_equal(run(&row, &o, &p).action, ACTION_NONE);
        p.audit_every_ms = 1000;
        assert_int_equal(run(&row, &o, &p).action, ACTION_APPLY);
        assert_true(run(&row, &o, &p).audit);
}

static void what_tells_nothing_by_itself_is_looked_at_in_its_turn(void **state) {
        struct resource_row row = in_place();
        struct observation o = as_applied();
        struct policy p = { .look_due = true };

        assert_int_equal(run(&row, &o, &p).action, ACTION_LOOK);
        o.digest[0]++; /* what is known to differ is mended first */
        assert_int_equal(run(&row, &o, &p).action, ACTION_APPLY);
}

static void a_dying_resource_goes_after_what_stands_on_it(void **state) {
        struct resource_row row = in_place();
        struct observation o = as_applied();
        struct policy p = { .held_up = "Deployment a/b" };

        row.dying = true;
        assert_int_equal(run(&row, &o, &p).action, ACTION_WAIT);
        p.held_up = NULL;
        assert_int_equal(run(&row, &o, &p).action, ACTION_REMOVE);
        o.presence = PRESENCE_ABSENT;
        assert_int_equal(run(&row, &o, &p).action, ACTION_FORGET);
}

static struct resource_row attached(void) {
        struct resource_row row = {
                .wanted_generation = 1, .made = true, .data = true, .initialised = 1
        };

        str_copy(row.incarnation, sizeof(row.incarnation), "uid-1");
        return row;
}

static void attached_data_is_looked_at_before_anything_is_written(void **state) {
        struct resource_row row = attached();
        struct observation o = { 0 };
        struct policy p = { .list_pending = true };

        assert_int_equal(run(&row, &o, &p).action, ACTION_WAIT);
        p.list_pending = false;
        assert_int_equal(run(&row, &o, &p).action, ACTION_LOOK);
        o.presence = PRESENCE_ABSENT;
        assert_int_equal(run(&row, &o, &p).drift, DRIFT_DATA_LOST);
        assert_int_equal(run(&row, &o, &p).action, ACTION_BLOCK);
        o = as_applied();
        assert_int_equal(run(&row, &o, &p).action, ACTION_APPLY);
        assert_int_equal(run(&row, &o, &p).drift, DRIFT_NONE);
        str_copy(o.incarnation, sizeof(o.incarnation), "uid-2");
        assert_int_equal(run(&row, &o, &p).action, ACTION_BLOCK);
        row.accepted_loss = true;
        assert_int_equal(run(&row, &o, &p).action, ACTION_APPLY);
}

static void data_with_a_change_to_make_is_looked_at_first(void **state) {
        struct resource_row row = in_place();
        struct observation o = { 0 };
        struct policy p = { 0 };

        row.data = true;
        row.initialised = 1;
        row.wanted_generation++;
        assert_int_equal(run(&row, &o, &p).action, ACTION_LOOK);
        o.presence = PRESENCE_ABSENT;
        assert_int_equal(run(&row, &o, &p).action, ACTION_BLOCK);
        o = as_applied();
        p.look_due = true;
        assert_int_equal(run(&row, &o, &p).action, ACTION_LOOK);
        p.look_due = false;
        assert_int_equal(run(&row, &o, &p).action, ACTION_APPLY);
        row.data = false; /* nothing to lose: the change is made at once */
        o.presence = PRESENCE_UNKNOWN;
        assert_int_equal(run(&row, &o, &p).action, ACTION_APPLY);
}

static void what_answers_elsewhere_ends_no_removal(void **state) {
        struct resource_row row = in_place();
        struct observation o = { .presence = PRESENCE_ABSENT };
        struct policy p = { .blocked = "another cluster", .elsewhere = true };

        row.dying = true;
        assert_int_equal(run(&row, &o, &p).action, ACTION_BLOCK);
        p.elsewhere = false;
        assert_int_equal(run(&row, &o, &p).action, ACTION_FORGET);
}

static void what_carries_our_mark_was_made_by_a_try_whose_answer_was_lost(void **state) {
        struct resource_row row = { .wanted_generation = 1, .dying = true };
        struct observation o = { 0 };
        struct policy p = { .untried = true };

        assert_int_equal(run(&row, &o, &p).action, ACTION_FORGET);
        assert_false(run(&row, &o, &p).leaves);
        p.untried = false;
        assert_int_equal(run(&row, &o, &p).action, ACTION_LOOK);
        o = as_applied();
        assert_int_equal(run(&row, &o, &p).action, ACTION_REMOVE);
        row.data = true; /* no guess deletes data */
        assert_int_equal(run(&row, &o, &p).action, ACTION_FORGET);
        assert_true(run(&row, &o, &p).leaves);
}

static void an_adopted_or_foreign_object_is_never_deleted(void **state) {
        struct resource_row row = in_place();
        struct observation o = as_applied();
        struct policy p = { 0 };

        row.dying = row.adopted = true;
        assert_int_equal(run(&row, &o, &p).action, ACTION_FORGET);
        assert_true(run(&row, &o, &p).leaves);
        row.adopted = row.made = o.ours = false;
        assert_int_equal(run(&row, &o, &p).action, ACTION_FORGET);
        assert_true(run(&row, &o, &p).leaves);
        row.outcome = OUTCOME_CONFLICT; /* it was there before us */
        assert_false(run(&row, &o, &p).leaves);
        row.made = true;
        str_copy(o.incarnation, sizeof(o.incarnation), "uid-9");
        assert_int_equal(run(&row, &o, &p).action, ACTION_FORGET);
}

static void before_the_stamp_was_read_nothing_goes_on(void **state) {
        struct resource_row row = in_place();
        struct observation o = as_applied();
        struct policy p = { .unread = "its namespace", .unmet = "its namespace" };

        o.digest[0]++;
        assert_int_equal(run(&row, &o, &p).drift, DRIFT_CHANGED);
        assert_int_equal(run(&row, &o, &p).action, ACTION_WAIT);
        row.dying = true;
        assert_int_equal(run(&row, &o, &p).action, ACTION_WAIT);
        row.running = ACTION_REMOVE;
        assert_int_equal(run(&row, &o, &p).action, ACTION_WAIT);
        p = (struct policy){ 0 };
        assert_int_equal(run(&row, &o, &p).action, ACTION_REMOVE);
}

static void another_value_of_an_output_is_written(void **state) {
        struct resource_row row = in_place();
        struct observation o = as_applied();
        struct policy p = { .refill = true };

        assert_int_equal(run(&row, &o, &p).action, ACTION_APPLY);
        assert_int_equal(run(&row, &o, &p).drift, DRIFT_NONE);
        assert_string_equal(run(&row, &o, &p).why, "a value that it takes changed");
}

static void nothing_is_audited_while_a_value_is_missing(void **state) {
        struct resource_row row = in_place();
        struct observation o = as_applied();
        struct policy p = { .audit_every_ms = 10, .unmet = "/address of Thing a: not there yet" };

        assert_int_equal(run(&row, &o, &p).action, ACTION_NONE);
        p.unmet = NULL;
        assert_true(run(&row, &o, &p).audit);
}

/* What was begun may still make what is to go: it is not forgotten before it ended. */
static void what_is_under_way_ends_before_anything_else_begins(void **state) {
        struct resource_row row = { .wanted_generation = 1, .running = ACTION_APPLY };
        struct observation o = { 0 };
        struct policy p = { .unmet = "its target: not open yet" };

        assert_int_equal(run(&row, &o, &p).action, ACTION_APPLY);
        row.dying = true;
        assert_int_equal(run(&row, &o, &p).action, ACTION_APPLY);
        assert_int_equal(run(&row, &o, &p).state, STATE_REMOVING);
        row.running = ACTION_REMOVE;
        row.dying = false;
        assert_int_equal(run(&row, &o, &p).action, ACTION_REMOVE);
        p.backing_off = "under way outside";
        assert_int_equal(run(&row, &o, &p).action, ACTION_WAIT);
        assert_int_equal(run(&row, &o, &p).state, STATE_APPLYING);
        p.paused = "alice: a look";
        assert_string_equal(run(&row, &o, &p).why, "paused: alice: a look");
        row.dying = true;
        o.presence = PRESENCE_ABSENT; /* seen gone before it was asked about again */
        assert_int_equal(run(&row, &o, &p).action, ACTION_FORGET);
}

static struct resource_row filled_data(void) {
        struct resource_row row = in_place();

        row.data = true;
        row.initialised = 1;
        return row;
}

static void lost_data_is_looked_at_in_its_turn_and_stays_lost_until_it_answers(void **state) {
        struct resource_row row = filled_data();
        struct observation o = { .presence = PRESENCE_ABSENT };
        struct policy p = { .look_due = true };

        assert_int_equal(run(&row, &o, &p).action, ACTION_LOOK);
        assert_int_equal(run(&row, &o, &p).state, STATE_LOST);
        p.backing_off = "no answer";
        row.outcome = OUTCOME_UNREACHABLE;
        assert_int_equal(run(&row, &o, &p).action, ACTION_WAIT);
        assert_int_equal(run(&row, &o, &p).state, STATE_LOST);
}

static void a_database_with_tables_in_it_is_marked_again(void **state) {
        struct resource_row row = filled_data();
        struct observation o = as_applied();
        struct policy p = { 0 };

        str_copy(o.incarnation, sizeof(o.incarnation), "unmarked");
        o.counted = true;
        assert_int_equal(run(&row, &o, &p).drift, DRIFT_DATA_LOST);
        o.filled = true;
        assert_int_equal(run(&row, &o, &p).drift, DRIFT_REPLACED);
        assert_int_equal(run(&row, &o, &p).action, ACTION_APPLY);
}

static void what_comes_into_a_lost_database_is_not_what_was_lost(void **state) {
        struct resource_row row = filled_data();
        struct observation o = as_applied();
        struct policy p = { 0 };

        row.lost = o.counted = o.filled = true;
        str_copy(o.incarnation, sizeof(o.incarnation), "unmarked");
        assert_int_equal(run(&row, &o, &p).action, ACTION_BLOCK);
        assert_int_equal(run(&row, &o, &p).state, STATE_LOST);
        assert_non_null(strstr(run(&row, &o, &p).why, "with something in it: accept-data-loss"));
        o = as_applied(); /* the very one, with its mark */
        o.counted = true;
        assert_int_equal(run(&row, &o, &p).state, STATE_LOST);
        o.filled = true;
        assert_int_equal(run(&row, &o, &p).state, STATE_READY);
}

static void a_pause_hides_no_loss(void **state) {
        struct resource_row row = filled_data();
        struct observation o = as_applied();
        struct policy p = { .paused = "alice: why" };

        str_copy(o.incarnation, sizeof(o.incarnation), "uid-2");
        o.filled = true; /* a bound volume, not looked into */
        assert_int_equal(run(&row, &o, &p).state, STATE_LOST);
        assert_int_equal(run(&row, &o, &p).action, ACTION_WAIT);
}

static void data_that_is_marked_for_deletion_blocks_at_once(void **state) {
        struct resource_row row = filled_data();
        struct observation o = as_applied();
        struct policy p = { 0 };
        struct decision d;

        o.presence = PRESENCE_LEAVING;
        d = run(&row, &o, &p);
        assert_int_equal(d.action, ACTION_BLOCK);
        assert_int_equal(d.state, STATE_BLOCKED);
        assert_int_equal(d.drift, DRIFT_LEAVING);
        p.paused = "alice: why";
        assert_int_equal(run(&row, &o, &p).state, STATE_BLOCKED);
        row.initialised = 0;
        assert_int_equal(run(&row, &o, &p).action, ACTION_WAIT);
}

static void a_rule_leaves_what_was_deleted_and_tells_of_it_or_not(void **state) {
        struct resource_row row = in_place();
        struct observation o = { .presence = PRESENCE_ABSENT };
        struct policy p = { .reported = "mode report for the model" };
        struct decision d = run(&row, &o, &p);

        assert_int_equal(d.action, ACTION_WAIT);
        assert_int_equal(d.drift, DRIFT_DELETED);
        p = (struct policy){ .spared = "mode off for the model" };
        d = run(&row, &o, &p);
        assert_int_equal(d.action, ACTION_WAIT);
        assert_int_equal(d.drift, DRIFT_NONE);
        assert_string_equal(d.why, "was deleted: mode off for the model");
        p = (struct policy){ .window = "waits for its repair window", .window_at = 5000 };
        d = run(&row, &o, &p);
        assert_int_equal(d.action, ACTION_WAIT);
        assert_int_equal(d.again_at, 5000);
        row.wanted_generation++; /* what is wanted anew is written all the same */
        assert_int_equal(run(&row, &o, &p).action, ACTION_APPLY);
}

static void fields_are_repaired_as_the_verdict_says(void **state) {
        struct resource_row row = in_place();
        struct observation o = as_applied();
        struct verdict v = { .now = true, .reported = true };
        struct policy p = { .fields = &v };
        struct decision d;

        o.digest[0]++;
        assert_int_equal(run(&row, &o, &p).action, ACTION_APPLY);
        v = (struct verdict){ .later = true, .again_at = 7000, .why = "later" };
        d = run(&row, &o, &p);
        assert_int_equal(d.action, ACTION_WAIT);
        assert_int_equal(d.again_at, 7000);
        assert_string_equal(d.why, "later");
        v = (struct verdict){ .reported = true };
        d = run(&row, &o, &p);
        assert_int_equal(d.action, ACTION_NONE);
        assert_int_equal(d.drift, DRIFT_CHANGED);
        assert_int_equal(d.state, STATE_READY);
        v = (struct verdict){ 0 };
        d = run(&row, &o, &p);
        assert_int_equal(d.action, ACTION_NONE);
        assert_int_equal(d.drift, DRIFT_NONE);
        assert_true(d.spared);
}

static void what_keeps_fields_is_looked_at_before_a_change_is_written(void **state) {
        struct resource_row row = in_place();
        struct observation o = { 0 };
        struct policy p = { .keeps = true };

        row.wanted_generation++;
        assert_int_equal(run(&row, &o, &p).action, ACTION_LOOK);
        p.keeps = false;
        assert_int_equal(run(&row, &o, &p).action, ACTION_APPLY);
}

static void a_field_that_is_declared_again_is_applied(void **state) {
        struct resource_row row = in_place();
        struct observation o = as_applied();
        struct policy p = { .redeclared = "spec.replicas is ours again" };
        struct decision d = run(&row, &o, &p);

        assert_int_equal(d.action, ACTION_APPLY);
        assert_true(d.anew);
        assert_string_equal(d.why, "spec.replicas is ours again");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_in_place_is_left_alone),
                cmocka_unit_test(what_has_no_digest_was_not_compared),
                cmocka_unit_test(what_is_new_is_applied_when_its_needs_are_met),
                cmocka_unit_test(a_changed_digest_is_drift_and_is_repaired),
                cmocka_unit_test(a_deleted_object_is_made_again),
                cmocka_unit_test(another_of_the_same_name_is_drift),
                cmocka_unit_test(lost_data_is_never_begun_again_silently),
                cmocka_unit_test(another_volume_of_the_same_name_needs_a_person),
                cmocka_unit_test(accepted_loss_is_made_again),
                cmocka_unit_test(a_bucket_is_made_again_at_once_and_still_shown_as_lost),
                cmocka_unit_test(data_made_again_stays_lost_until_accepted_whatever_comes_into_it),
                cmocka_unit_test(data_that_was_never_filled_is_made_again),
                cmocka_unit_test(a_pause_holds_writes_and_still_tells_the_drift),
                cmocka_unit_test(what_is_not_ready_in_a_pause_says_why_and_not_who_paused),
                cmocka_unit_test(a_blocked_model_writes_nothing),
                cmocka_unit_test(what_is_not_seen_yet_is_waited_for_or_looked_at),
                cmocka_unit_test(what_is_being_deleted_is_waited_for),
                cmocka_unit_test(a_failed_try_backs_off_until_its_time),
                cmocka_unit_test(the_audit_applies_again_what_is_in_place),
                cmocka_unit_test(what_tells_nothing_by_itself_is_looked_at_in_its_turn),
                cmocka_unit_test(a_dying_resource_goes_after_what_stands_on_it),
                cmocka_unit_test(attached_data_is_looked_at_before_anything_is_written),
                cmocka_unit_test(data_with_a_change_to_make_is_looked_at_first),
                cmocka_unit_test(what_answers_elsewhere_ends_no_removal),
                cmocka_unit_test(what_carries_our_mark_was_made_by_a_try_whose_answer_was_lost),
                cmocka_unit_test(an_adopted_or_foreign_object_is_never_deleted),
                cmocka_unit_test(before_the_stamp_was_read_nothing_goes_on),
                cmocka_unit_test(another_value_of_an_output_is_written),
                cmocka_unit_test(nothing_is_audited_while_a_value_is_missing),
                cmocka_unit_test(what_is_under_way_ends_before_anything_else_begins),
                cmocka_unit_test(
                        lost_data_is_looked_at_in_its_turn_and_stays_lost_until_it_answers),
                cmocka_unit_test(a_database_with_tables_in_it_is_marked_again),
                cmocka_unit_test(what_comes_into_a_lost_database_is_not_what_was_lost),
                cmocka_unit_test(a_pause_hides_no_loss),
                cmocka_unit_test(data_that_is_marked_for_deletion_blocks_at_once),
                cmocka_unit_test(a_rule_leaves_what_was_deleted_and_tells_of_it_or_not),
                cmocka_unit_test(fields_are_repaired_as_the_verdict_says),
                cmocka_unit_test(what_keeps_fields_is_looked_at_before_a_change_is_written),
                cmocka_unit_test(a_field_that_is_declared_again_is_applied),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
