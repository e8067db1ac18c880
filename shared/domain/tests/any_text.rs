//! Whatever is read from outside is read or refused, never a panic; and what is read says the same when it is written.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::fmt::Display;
use std::str::FromStr;

use posthorn_domain::{
    AttemptId, DeliveryMessage, EndpointEdit, EndpointId, EventDraft, EventId, EventMessage, EventPattern,
    EventType, Fields, KeyId, NewEndpoint, RecoveryId, RecoveryMessage, RecoveryRequest, RetrySchedule,
    Scope, Timestamp,
};
use proptest::prelude::*;
use proptest::string::string_regex;

/// Texts of any kind, and ones that are nearly an id.
fn nearly_ids() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "(wh|evt|att|rec|key)_[0-9A-HJKMNP-TV-Za-z]{24,28}",
        "att_0[0-7][0-9A-HJKMNP-TV-Z]{50}[0-9+-]{0,6}",
        "[a-z*]{0,4}(\\.[a-zA-Z0-9_*-]{0,4}){0,4}",
        "20[0-9]{2}-[0-9]{2}-[0-9]{2}[T ][0-9:.]{0,12}([Z]|[+-][0-9:]{0,5})?",
        "([0-9]{0,4}[smhd]?,? ?){0,8}",
    ]
}

/// Texts of any kind, and JSON that is nearly a message or a body.
fn nearly_messages() -> impl Strategy<Value = String> {
    let name = "(account|livemode|event|event_id|endpoint_id|attempt|resend|chunk|recovery_id|slice|type|data|url\
                |enabled_events|metadata|headers|since|until|scope|dry_run|x)";
    let value = "(true|false|null|-?[0-9]{1,12}(\\.[0-9]{1,3})?|\"[^\"]{0,12}\"|\\[\"?[^\"]{0,6}\"?\\]|\\{.{0,12}\\}\
                 |\"evt_01JDB5G8Z7M4X3W2V1T0S9R8Q7\"|\"wh_01JDB5G8Z7M4X3W2V1T0S9R8Q7\"|\"a.b\")";
    let field = format!("\"{name}\":{value}");
    let nearly = string_regex(&format!("\\{{({field},){{0,6}}{field}\\}}")).unwrap();
    prop_oneof![any::<String>(), nearly]
}

/// A text has one meaning, and a meaning one text.
fn reads_back<T: FromStr + Display>(text: &str) -> bool {
    text.parse::<T>().map_or(true, |read| read.to_string() == text)
}

fn is_read<T: FromStr>(text: &str) {
    let _: Result<T, _> = text.parse();
}

proptest! {
    #[test]
    fn any_text_is_an_id_a_pattern_or_a_time_or_it_is_refused(text in nearly_ids()) {
        prop_assert!(reads_back::<EndpointId>(&text));
        prop_assert!(reads_back::<EventId>(&text));
        prop_assert!(reads_back::<AttemptId>(&text));
        prop_assert!(reads_back::<RecoveryId>(&text));
        prop_assert!(reads_back::<KeyId>(&text));
        prop_assert!(reads_back::<EventType>(&text));
        prop_assert!(reads_back::<EventPattern>(&text));
        prop_assert!(reads_back::<Scope>(&text));
        is_read::<Timestamp>(&text);
        is_read::<RetrySchedule>(&text);
    }

    #[test]
    fn any_message_is_understood_or_refused(body in nearly_messages()) {
        if let Ok(message) = EventMessage::parse(&body) {
            prop_assert_eq!(EventMessage::parse(&message.to_json()).unwrap(), message);
        }
        if let Ok(message) = DeliveryMessage::parse(&body) {
            prop_assert_eq!(DeliveryMessage::parse(&message.to_json()).unwrap(), message);
        }
        if let Some(message) = RecoveryMessage::parse(&body) {
            prop_assert_eq!(RecoveryMessage::parse(&message.to_json()).unwrap(), message);
        }
    }

    #[test]
    fn any_body_is_understood_or_refused(body in nearly_messages()) {
        if let Ok(mut fields) = Fields::parse(&body) {
            let _ = NewEndpoint::read(&mut fields);
            let _ = EndpointEdit::read(&mut fields);
            let _ = EventDraft::read(&mut fields);
            let _ = RecoveryRequest::read(&mut fields, Timestamp::from_millis(0));
            let _ = fields.finish();
        }
    }
}

#[test]
fn json_too_deep_is_refused_and_costs_no_stack() {
    let deep = |levels: usize| format!("{}{}", r#"{"a":"#.repeat(levels), "1") + &"}".repeat(levels);
    let message =
        |data: &str| format!(r#"{{"account":"a","livemode":true,"event":{{"type":"a","data":{data}}}}}"#);
    assert!(EventMessage::parse(&message(&deep(50))).is_ok());
    for levels in [101, 20_000] {
        assert!(EventMessage::parse(&message(&deep(levels))).is_err(), "{levels}");
    }
}
