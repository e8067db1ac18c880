//! Whatever is read from outside is read or refused, never a panic; and what is read says the same when it is written.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::fmt::Display;
use std::str::FromStr;

use posthorn_domain::{
    AttemptId, DeliveredEvent, EndpointEdit, EndpointId, EventDraft, EventId, EventMessage, EventPattern,
    EventShards, EventType, Fields, KeyId, Mode, NewEndpoint, RecoveryId, RecoveryRequest, RetrySchedule,
    Scope, Tenant, Timestamp, WorkMessage,
};
use proptest::prelude::*;
use proptest::string::string_regex;
use serde_json::Value;

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

/// Events whose texts and numbers are unusual.
fn odd_events() -> impl Strategy<Value = String> {
    let text = r#""([a-zé😀\u{fffe}\u{ffff}]|\\(ud83d|ude00|ufffe|u0000|n|"|\\)){0,4}""#;
    let value =
        format!(r"({text}|-?[1-9][0-9]{{0,30}}|-?1(\.5)?e[0-9]{{1,3}}|\[{text}(,{text})?\]|\[{{1,40}})");
    let object = format!(r"\{{(({text}:{value},){{0,2}}{text}:{value})?\}}");
    let event = format!(
        r#"\{{"type":"a\.b","data":\{{"object":\{{"id":{value},"object":{value}\}}\}}(,"object_id":{text})?(,"metadata":{object})?(,"request":\{{"id":{text}\}})?\}}"#
    );
    string_regex(&event).unwrap().prop_map(|json| close_brackets(&json))
}

/// Closes each run of opening brackets that nothing closes.
fn close_brackets(json: &str) -> String {
    let mut closed = String::new();
    let (mut open, mut in_string, mut escaped) = (0, false, false);
    for character in json.chars() {
        let opens = character == '[' && !in_string;
        if open > 0 && !opens {
            if matches!(character, ',' | '}') {
                closed.push_str(&"]".repeat(open));
            }
            open = 0;
        }
        open += usize::from(opens);
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = in_string,
            '"' => in_string = !in_string,
            _ => {}
        }
        closed.push(character);
    }
    closed
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
        if let Ok(message) = WorkMessage::parse(&body) {
            let read_back = match &message {
                WorkMessage::Delivery(message) => message.to_json(),
                WorkMessage::Recovery(message) => message.to_json(),
                WorkMessage::Probe(message) => message.to_json(),
            };
            prop_assert_eq!(WorkMessage::parse(&read_back).unwrap(), message);
        }
    }

    #[test]
    fn what_is_accepted_of_an_event_its_message_and_its_body_carry(event in odd_events()) {
        let read = || EventDraft::read(&mut Fields::parse(&event).ok()?).ok();
        if let Some(draft) = read() {
            let tenant = Tenant { account: "a".parse().unwrap(), mode: Mode::Live };
            let message = EventMessage { tenant, endpoint_id: None, claimed: true, id: None, draft };
            let sent = message.to_json();
            prop_assert!(!sent.contains(['\u{fffe}', '\u{ffff}']), "SQS refuses {sent:?}");
            prop_assert_eq!(EventMessage::parse(&sent).unwrap(), message.clone());
            let (_, event) = message.into_event("m", Timestamp::from_millis(1), EventShards::ONE).unwrap();
            let body = event.to_json();
            prop_assert!(DeliveredEvent::read(&body).is_ok());
            let metadata: Result<Value, _> = serde_json::from_str(event.draft.metadata.as_json());
            prop_assert!(metadata.is_ok(), "every parser reads the metadata of {body}");
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
