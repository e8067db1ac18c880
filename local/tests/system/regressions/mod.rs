//! Faults that users of webhook senders have met, each told and held by a test: one file for each.

mod a_200_cut_off_without_close_notify_is_a_success;
mod a_200_that_ends_early_is_a_success;
mod a_200_that_streams_and_stays_silent_is_a_success;
mod a_body_for_the_other_mode_is_refused;
mod a_body_that_begins_with_a_byte_order_mark_is_understood;
mod a_certificate_that_cannot_be_verified_is_told_from_a_wrong_one;
mod a_change_of_one_endpoint_reads_no_other;
mod a_compressed_body_is_named_as_such;
mod a_connection_closed_between_requests_is_no_attempt;
mod a_copy_of_a_message_makes_no_second_request;
mod a_disabled_endpoint_can_be_tried_before_it_is_enabled;
mod a_disabled_endpoint_that_is_sent_back_keeps_its_reason;
mod a_host_that_tls_cannot_name_is_refused_at_registration;
mod a_key_sees_no_more_than_its_scopes_say;
mod a_large_event_is_not_paid_for_with_each_attempt;
mod a_late_hiccup_after_a_month_of_silence_disables_nobody;
mod a_list_can_be_emptied_while_it_is_read;
mod a_message_that_nobody_can_handle_is_a_dead_letter_soon;
mod a_new_connection_that_dies_is_an_attempt;
mod a_new_endpoint_does_not_wait_behind_retries;
mod a_plus_in_a_time_need_not_be_escaped;
mod a_producer_that_repeats_its_message_under_a_key_publishes_one_event;
mod a_program_can_tell_errors_apart;
mod a_receiver_that_answers_before_it_has_read_is_heard;
mod a_receiver_that_pours_out_http_2_frames_costs_one_attempt;
mod a_receiver_that_validates_survives_a_new_field;
mod a_recovery_sends_no_event_of_a_type_that_is_no_longer_wanted;
mod a_refusal_does_not_end_in_nothing;
mod a_retry_is_not_sent_to_an_endpoint_that_no_longer_wants_it;
mod a_retry_never_outlives_its_events_record;
mod a_secret_brought_from_another_provider_signs;
mod a_sweep_that_was_ended_does_not_double_its_retries;
mod a_thawed_function_does_not_blame_endpoints;
mod a_throttled_shard_or_queue_delays_no_other_retry;
mod a_web_page_cannot_use_a_laptops_api;
mod an_answer_always_fits_what_lambda_can_answer;
mod an_attempt_that_was_cut_short_is_not_listed_as_failed;
mod an_empty_idempotency_key_is_refused;
mod an_endpoint_that_has_acknowledged_nothing_is_not_shown_as_healthy;
mod an_endpoint_with_half_a_character_in_its_metadata_can_be_disabled;
mod an_event_about_an_object_with_a_number_for_an_id_is_found;
mod an_event_is_found_by_the_time_that_it_shows;
mod an_event_misses_the_endpoint_that_was_registered_right_before_it;
mod an_event_with_the_character_u_fffe_is_published_and_delivered;
mod an_http_2_receiver_gone_silent_costs_one_attempt;
mod an_http_2_receiver_that_did_nothing_gets_the_request_again;
mod an_object_with_a_broken_key_is_not_called_none;
mod endpoints_beyond_the_32nd_get_a_full_handshake_each_time;
mod endpoints_whose_health_is_written_together_do_not_wait_for_each_other;
mod large_headers_are_as_welcome_over_http_2;
mod no_process_acts_on_what_others_have_seen_change;
mod null_is_not_given;
mod one_bad_row_stops_no_other_retry;
mod one_endpoint_that_cannot_be_read_silences_no_other;
mod retries_of_0_1_0_are_sent_and_its_sweep_can_go_on;
mod the_first_sweep_finds_what_has_waited_for_days;
mod the_same_event_twice_in_a_batch_is_a_replay;
mod two_messages_for_one_attempt_do_not_come_together;
mod two_sweeps_at_once_send_each_retry_once;
mod untidy_headers_behind_a_200_are_a_success;

use posthorn_domain::Endpoint;
use serde_json::{Value, json};

use crate::strangers::{Authority, SHORT};
use crate::time_machine::TimeMachine;

/// Posthorn, which trusts an authority and gives an attempt a second.
async fn trusting(authority: &Authority) -> TimeMachine {
    let seconds = SHORT.as_secs().to_string();
    TimeMachine::start(&[("SSL_CERT_FILE", &authority.file()), ("DELIVERY_TIMEOUT_SECONDS", &seconds)]).await
}

/// An endpoint at a receiver with this URL, which fan-out itself sends to.
async fn proven(machine: &TimeMachine, url: &str) -> Endpoint {
    let endpoint = machine.register(url, &["*"]).await;
    machine.prove(std::slice::from_ref(&endpoint)).await;
    endpoint
}

/// The attempts of one event at an endpoint, as the API shows them. They are made now; retries are not.
async fn attempts(machine: &TimeMachine, endpoint: &Endpoint) -> Vec<Value> {
    let event = machine.publish("order.paid").await.to_string();
    machine.work().await;
    machine.attempts(&[("webhook_endpoint_id", &endpoint.id.to_string()), ("event_id", &event)]).await
}

/// The only attempt of one event at a receiver with this URL.
async fn attempt_at(machine: &TimeMachine, url: &str) -> Value {
    let endpoint = machine.register(url, &["*"]).await;
    let [attempt] = <[Value; 1]>::try_from(attempts(machine, &endpoint).await).unwrap();
    attempt
}

/// Checks what became of an attempt: its status, the answer's, and what went wrong besides.
#[track_caller]
fn check(attempt: &Value, status: &str, response_status: Option<u16>, error: Option<&str>) {
    let seen = json!([attempt["status"], attempt["response_status"], attempt["error"]]);
    assert_eq!(seen, json!([status, response_status, error]), "{attempt}");
}
