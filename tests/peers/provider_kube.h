/* SPDX-License-Identifier: Apache-2.0 */
/* provider_kube.h - the tests of provider_kube that stand in files of their own */
#pragma once

void a_cluster_is_reached_and_says_which_it_is(void **state);
void an_applied_object_is_seen_in_place_by_the_watch(void **state);
void an_identical_apply_changes_nothing(void **state);
void a_changed_value_is_drift_with_its_writer_and_is_healed(void **state);
void a_removed_field_is_drift_without_a_writer(void **state);
void a_field_that_is_not_ours_is_no_drift(void **state);
void a_deleted_object_is_absent_and_comes_back(void **state);
void a_removed_label_of_ours_is_drift_and_not_a_deletion(void **state);
void a_port_edited_by_hand_is_healed_by_taking_it_over(void **state);
void a_renamed_container_is_told_and_goes_when_taken_over(void **state);
void taking_over_leaves_what_others_added_elsewhere(void **state);
void a_field_of_a_pod_template_has_a_readable_path(void **state);
void a_deployment_becomes_ready_and_its_pods_are_units(void **state);
void a_deployment_that_may_make_no_pods_says_which_policy_forbids_them(void **state);
void a_stateful_set_without_its_pod_says_what_the_event_says(void **state);
void a_pod_that_fits_nowhere_is_its_deployments_reason(void **state);
void a_warning_of_the_server_is_handed_on(void **state);
void a_command_answers_with_its_output_and_exit_code(void **state);
void a_command_that_cannot_run_says_why(void **state);
void a_stream_of_any_size_comes_out_and_goes_in(void **state);
void a_stream_from_a_command_that_fails_is_broken(void **state);
void a_tunnel_to_no_pod_ends_with_that_reason(void **state);
void bytes_go_both_ways_through_a_tunnel(void **state);
void a_request_goes_to_a_port_of_a_pod(void **state);
void a_tunnel_to_a_closed_port_says_so(void **state);
