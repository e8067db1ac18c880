//! The messages on the events queue.

use serde::Serialize;

use crate::account::{AccountId, Mode, Tenant};
use crate::event::Event;
use crate::event::draft::EventDraft;
use crate::id::{EndpointId, EventId, EventShards, Partition};
use crate::invalid::Invalid;
use crate::json::{Fields, Flag, InvalidField, escape_noncharacters, without_byte_order_mark};
use crate::metadata::KeptMetadata;
use crate::time::Timestamp;

/// Maximum size of the body of a message with several events, in bytes: SQS charges a message of up to 64 KB as one request.
const MAX_BYTES_OF_SEVERAL: usize = 64 * 1024;
/// Room for what a message with several events has beside them, in bytes: an account's id has at most 64 characters.
const FRAME: usize = 256;

/// An event as a message on the events queue has it: `{"account": …, "livemode": …, "event": {…}}`. The event has the fields that
/// [`EventDraft::read`] takes, and may have an `id`, as from `publish-event`. With an `endpoint_id` beside `account`,
/// it goes to that endpoint only, whatever the endpoint subscribes to; `test-endpoint` uses this.
///
/// `publish-event` puts several events into one message if they come in one request: `{"account": …, "livemode": …,
/// "events": [{…}, …]}`. Each has an `id`.
///
/// A message on the queue was accepted, maybe by an earlier release. So its `created_at` is ignored, as the id contains
/// the time of acceptance, and metadata that is refused today is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventMessage {
    /// The tenant that the event belongs to.
    pub tenant: Tenant,
    /// The only endpoint to send it to; `None` for all that subscribe to its type.
    pub endpoint_id: Option<EndpointId>,
    /// Whether the sender of the message has already claimed the event's idempotency key.
    pub claimed: bool,
    /// The event's id, if the producer gave one.
    pub id: Option<EventId>,
    /// The publisher's fields.
    pub draft: EventDraft,
}

impl EventMessage {
    /// Parses the body of a message with one event.
    pub fn parse(body: &str) -> Result<Self, InvalidField> {
        let mut events = Self::parse_all(body)?;
        if events.len() > 1 {
            let reason = Invalid::because("must have one event here");
            return Err(InvalidField::Field { param: "events".to_owned(), reason });
        }
        Ok(events.remove(0))
    }

    /// Parses a message body. Returns its events, at least one.
    pub fn parse_all(body: &str) -> Result<Vec<Self>, InvalidField> {
        let mut message = Fields::parse(without_byte_order_mark(body))?;
        let tenant = Tenant { account: message.required("account")?, mode: message.required("livemode")? };
        let endpoint_id = message.optional("endpoint_id")?;
        let Flag(claimed) = message.optional("claimed")?.unwrap_or_default();
        let parse = |event: Fields<'_>| Self::parse_event(tenant.clone(), endpoint_id, claimed, event);
        let Some(events) = message.objects("events")? else {
            let event = message.object("event")?;
            message.finish()?;
            return Ok(vec![parse(event)?]);
        };
        message.finish()?;
        let events = events.into_iter().map(|event| {
            let event = parse(event)?;
            // Ids made from the message's id would all be the same.
            let missing = || InvalidField::Missing { param: "events.id".to_owned() };
            if event.id.is_some() { Ok(event) } else { Err(missing()) }
        });
        events.collect()
    }

    fn parse_event(
        tenant: Tenant,
        endpoint_id: Option<EndpointId>,
        claimed: bool,
        mut fields: Fields<'_>,
    ) -> Result<Self, InvalidField> {
        let id = fields.optional("id")?;
        let had_created_at = fields.ignore(&["created_at"]);
        let mut draft = EventDraft::read_as::<KeptMetadata>(&mut fields)?;
        fields.finish()?;
        // publish-event of 0.1.0, which gives both id and time, accepts an empty key. It means no key.
        if id.is_some() && had_created_at {
            draft.request.idempotency_key.take_if(|key| key.as_str().is_empty());
        }
        draft.require_key()?;
        Ok(Self { tenant, endpoint_id, claimed, id, draft })
    }

    /// Returns the body of a message with this event.
    pub fn to_json(&self) -> String {
        self.frame(self.claimed, "event", &self.event_json())
    }

    /// Returns the bodies of as few messages as possible with these events, in their order, each with its events. Those of
    /// one message belong to one tenant.
    pub fn pack(events: &[Self]) -> Vec<(String, &[Self])> {
        let mut packs: Vec<Pack<'_>> = Vec::new();
        for (place, event) in events.iter().enumerate() {
            let json = event.event_json();
            match packs.last_mut() {
                Some(pack) if pack.has_room_for(event, &json) => pack.push(&json),
                _ => packs.push(Pack { first: event, from: place, to: place + 1, list: json }),
            }
        }
        let packed = |pack: Pack<'_>| {
            let events = &events[pack.from..pack.to];
            (pack.to_json(events), events)
        };
        packs.into_iter().map(packed).collect()
    }

    fn event_json(&self) -> String {
        #[derive(Serialize)]
        struct Event<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            id: Option<EventId>,
            #[serde(flatten)]
            draft: &'a EventDraft,
        }
        let event = Event { id: self.id, draft: &self.draft };
        let json = serde_json::to_string(&event).expect("JSON can express every event");
        escape_noncharacters(&json).into_owned()
    }

    /// Returns the body of a message that has this under a name, beside this event's tenant and endpoint.
    fn frame(&self, claimed: bool, name: &str, contents: &str) -> String {
        #[derive(Serialize)]
        struct Frame<'a> {
            account: &'a AccountId,
            livemode: Mode,
            #[serde(skip_serializing_if = "Option::is_none")]
            endpoint_id: Option<EndpointId>,
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            claimed: bool,
        }
        let Self { tenant: Tenant { account, mode }, endpoint_id, .. } = self;
        let frame = Frame { account, livemode: *mode, endpoint_id: *endpoint_id, claimed };
        let frame = serde_json::to_string(&frame).expect("JSON can express every frame");
        format!("{},\"{name}\":{contents}}}", frame.trim_end_matches('}'))
    }

    /// Returns the event. `sent_at` and `message_id` are those of the message that was sent first: an event without an
    /// id gets one that follows from them, in one of `shards` shards. Errors if the event's id is not in a partition of
    /// its type, because nobody would find the event there. The id may be in any shard, whatever the number of shards
    /// is now.
    pub fn into_event(
        self,
        message_id: &str,
        sent_at: Timestamp,
        shards: EventShards,
    ) -> Result<(Tenant, Event), InvalidField> {
        let id = self.event_id(message_id, sent_at, shards)?;
        let event = self.draft.accept(self.tenant.mode, id);
        Ok((self.tenant, event))
    }

    /// Returns the message with the id that [`Self::into_event`] would give its event. Sent again under another message
    /// id, it is still the same event, byte for byte.
    pub fn identified(
        self,
        message_id: &str,
        sent_at: Timestamp,
        shards: EventShards,
    ) -> Result<Self, InvalidField> {
        Ok(Self { id: Some(self.event_id(message_id, sent_at, shards)?), ..self })
    }

    /// Whether its idempotency key, if it has one, is claimed.
    fn has_no_open_claim(&self) -> bool {
        self.claimed || self.draft.request.idempotency_key.is_none()
    }

    fn event_id(
        &self,
        message_id: &str,
        sent_at: Timestamp,
        shards: EventShards,
    ) -> Result<EventId, InvalidField> {
        let event_type = &self.draft.event_type;
        let id = self.id.unwrap_or_else(|| EventId::of_message(sent_at, message_id, event_type, shards));
        if id.partition().first() != Partition::of(event_type) {
            let reason =
                Invalid::because("is not an id for an event of this type. Leave it out to get a valid one.");
            return Err(InvalidField::Field { param: "id".to_owned(), reason });
        }
        Ok(id)
    }
}

/// The events of one message.
struct Pack<'e> {
    first: &'e EventMessage,
    /// Where they begin and end among all events.
    from: usize,
    to: usize,
    /// The events as JSON, with commas between them.
    list: String,
}

impl Pack<'_> {
    /// Returns whether the message has room for this event: both have an id, one tenant, no endpoint, and no unclaimed key.
    fn has_room_for(&self, event: &EventMessage, json: &str) -> bool {
        let is_packable = |event: &EventMessage| {
            event.id.is_some() && event.endpoint_id.is_none() && event.has_no_open_claim()
        };
        let is_small = self.list.len() + json.len() <= MAX_BYTES_OF_SEVERAL - FRAME;
        is_small && is_packable(self.first) && is_packable(event) && self.first.tenant == event.tenant
    }

    fn push(&mut self, json: &str) {
        self.list.push(',');
        self.list.push_str(json);
        self.to += 1;
    }

    fn to_json(&self, events: &[EventMessage]) -> String {
        let claimed = events.iter().any(|event| event.claimed);
        if events.len() == 1 {
            return self.first.frame(claimed, "event", &self.list);
        }
        self.first.frame(claimed, "events", &format!("[{}]", self.list))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::event_type::EventType;

    const ODD: &str = r#"{ "z": 12345678901234567890, "a": "\u00e9😀\/", "m": [1.0e5,  -0.10] }"#;

    fn message(event: &str) -> String {
        format!(r#"{{"account":"acct_1","livemode":false,"event":{event}}}"#)
    }

    #[test]
    fn data_travels_byte_for_byte() {
        let body = message(&format!(r#"{{"type":"a.b","data":{ODD}}}"#));
        let read = EventMessage::parse(&body).unwrap();
        let again = EventMessage::parse(&read.to_json()).unwrap();
        assert_eq!(read, again);
        let (_, event) = again.into_event("m", Timestamp::from_millis(0), EventShards::ONE).unwrap();
        assert!(event.to_json().contains(&format!("\"data\":{ODD},")));
    }

    #[test]
    fn the_two_characters_that_a_queue_does_not_take_travel_as_escapes() {
        let event = "{\"type\":\"a\",\"data\":{\"\u{fffe}\":\"，\u{ffff}\"},\"object_id\":\"\u{ffff}\",\
                     \"metadata\":{\"n\":\"\u{fffe}\"}}";
        let read = EventMessage::parse(&message(event)).unwrap();
        let sent = read.to_json();
        assert!(!sent.contains(['\u{fffe}', '\u{ffff}']), "{sent}");
        assert!(sent.contains("{\"\\ufffe\":\"，\\uffff\"}"), "{sent}");
        assert_eq!(EventMessage::parse(&sent).unwrap(), read);
    }

    #[test]
    fn what_an_earlier_release_put_on_the_queue_is_understood() {
        let id = EventId::new(Timestamp::from_millis(1_000), Partition::of(&"a".parse().unwrap()), 1);
        let deep = format!("{}{}", "[".repeat(60), "]".repeat(60));
        let event = |request: &str| {
            format!(
                r#"{{"id":"{id}","created_at":"2026-01-01T00:00:00Z","type":"a","data":{{}},"request":{request},
                "metadata":{{"n":"Ada \ud83d","m":1e999,"d":{deep}}}}}"#
            )
        };
        let read = EventMessage::parse(&message(&event(r#"{"idempotency_key":""}"#))).unwrap();
        assert_eq!(EventMessage::parse(&read.to_json()).unwrap(), read);
        let (_, event) = read.into_event("m", Timestamp::from_millis(9), EventShards::ONE).unwrap();
        assert_eq!(event.created_at(), Timestamp::from_millis(1_000));
        assert!(event.to_json().contains(r#""n":"Ada \ud83d","m":1e999"#), "{}", event.to_json());
    }

    #[test]
    fn events_of_one_tenant_share_messages_of_at_most_64_kb() {
        let with_key = |n: usize, bytes: usize, request: &str| {
            let id = EventId::new(Timestamp::from_millis(1), Partition::of(&"a".parse().unwrap()), n as u64);
            let data = "x".repeat(bytes);
            let event = format!(r#"{{"id":"{id}","type":"a","data":{{"x":"{data}"}},"request":{request}}}"#);
            EventMessage::parse(&message(&event)).unwrap()
        };
        let event = |n: usize, bytes: usize| with_key(n, bytes, "{}");
        let check = |events: &[EventMessage], expected: &[usize]| {
            let packs = EventMessage::pack(events);
            assert_eq!(packs.iter().map(|(_, events)| events.len()).collect::<Vec<_>>(), expected);
            assert!(packs.iter().all(|(body, events)| events.len() == 1 || body.len() <= 64 * 1024));
            let read = packs.iter().flat_map(|(body, _)| EventMessage::parse_all(body).unwrap());
            assert_eq!(read.collect::<Vec<_>>(), events);
        };
        check(&[], &[]);
        check(&[event(1, 10)], &[1]);
        check(&(0..100).map(|n| event(n, 200)).collect::<Vec<_>>(), &[100]);
        check(&(0..5).map(|n| event(n, 30_000)).collect::<Vec<_>>(), &[2, 2, 1]);
        check(&[event(1, 10), event(2, 100_000), event(3, 10)], &[1, 1, 1]);
        let test_mode = event(2, 10);
        let tenant = Tenant { mode: Mode::Live, ..test_mode.tenant.clone() };
        check(&[event(1, 10), EventMessage { tenant, ..test_mode }, event(3, 10)], &[1, 1, 1]);
        let unclaimed = with_key(2, 10, r#"{"idempotency_key":"k"}"#);
        check(&[event(1, 10), unclaimed, event(3, 10)], &[1, 1, 1]);
        check(&[EventMessage { id: None, ..event(1, 10) }, event(2, 10)], &[1, 1]);
        let one = EventMessage {
            endpoint_id: Some("wh_01KARZ3NDEKTSV4RRFFQ69G5FA".parse().unwrap()),
            ..event(1, 10)
        };
        check(&[one, event(2, 10)], &[1, 1]);
    }

    #[test]
    fn the_events_of_a_message_with_several_have_ids() {
        let check = |events: &str, sentence: &str| {
            let body = format!(r#"{{"account":"acct_1","livemode":false,"events":{events}}}"#);
            assert_eq!(EventMessage::parse_all(&body).unwrap_err().to_string(), sentence);
        };
        check(r#"[{"type":"a","data":{}}]"#, "`events.id` is required");
        check("[]", "`events` must be a list of objects");
        check("[1]", "`events` must be a list of objects");
        check("{}", "`events` must be a list of objects");
    }

    #[test]
    fn a_message_may_begin_with_a_byte_order_mark() {
        let body = message(r#"{"type":"a","data":{}}"#);
        let marked = format!("\u{feff}{body}");
        assert_eq!(EventMessage::parse(&marked).unwrap(), EventMessage::parse(&body).unwrap());
    }

    #[test]
    fn an_empty_idempotency_key_is_an_error() {
        let error =
            EventMessage::parse(&message(r#"{"type":"a","data":{},"request":{"idempotency_key":""}}"#));
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("`request.idempotency_key` must not be empty"), "{error}");
        let mut fields = Fields::parse(r#"{"type":"a","data":{},"request":{"idempotency_key":""}}"#).unwrap();
        assert_eq!(EventDraft::read(&mut fields).unwrap_err().to_string(), error);
    }

    #[test]
    fn a_message_may_name_the_only_endpoint() {
        let id = "wh_01KARZ3NDEKTSV4RRFFQ69G5FA";
        let event = r#"{"type":"a.b","data":{}}"#;
        let body = format!(r#"{{"account":"acct_1","livemode":false,"endpoint_id":"{id}","event":{event}}}"#);
        let read = EventMessage::parse(&body).unwrap();
        assert_eq!(read.endpoint_id, Some(id.parse().unwrap()));
        assert_eq!(EventMessage::parse(&read.to_json()).unwrap(), read);
        assert_eq!(EventMessage::parse(&message(event)).unwrap().endpoint_id, None);
    }

    #[test]
    fn a_message_that_is_not_an_event_is_refused_with_the_reason() {
        let check = |body: &str, sentence: &str| {
            assert_eq!(EventMessage::parse(body).unwrap_err().to_string(), sentence);
        };
        check("", "not valid JSON: EOF while parsing a value at line 1 column 0");
        check("{}", "`account` is required");
        check(&message(r#"{"type":"a"}"#), "`data` is required");
        check(&message(r#"{"type":"a","data":[]}"#), "`data` must be an object");
        check(r#"{"account":"a","livemode":"yes","event":{}}"#, "`livemode` must be true or false");
        let unknown = EventMessage::parse(&message(r#"{"type":"a","data":{},"colour":1}"#)).unwrap_err();
        assert!(unknown.to_string().starts_with("`colour` is not a field"));
    }

    #[test]
    fn an_identified_message_is_the_same_event_under_any_other_message_id() {
        let read = || EventMessage::parse(&message(&format!(r#"{{"type":"a.b","data":{ODD}}}"#))).unwrap();
        let (first, later) = (Timestamp::from_millis(1_000), Timestamp::from_millis(9_000));
        let (tenant, event) = read().into_event("m1", first, EventShards::ONE).unwrap();
        let again = EventMessage::parse(&read().identified("m1", first, EventShards::ONE).unwrap().to_json())
            .unwrap();
        let (same_tenant, same) = again.into_event("m2", later, EventShards::ONE).unwrap();
        assert_eq!((same_tenant, same.to_json()), (tenant, event.to_json()));
        assert_ne!(read().into_event("m2", later, EventShards::ONE).unwrap().1.id, event.id);
    }

    #[test]
    fn an_id_made_for_another_type_is_refused() {
        let id = EventId::new(Timestamp::from_millis(1), Partition::of(&"a".parse().unwrap()), 1);
        let of = |event_type: &str| {
            let body = message(&format!(r#"{{"id":"{id}","type":"{event_type}","data":{{}}}}"#));
            EventMessage::parse(&body).unwrap().into_event("m", Timestamp::from_millis(0), EventShards::ONE)
        };
        assert_eq!(of("a").unwrap().1.id, id);
        assert!(of("b").is_err());
    }

    #[test]
    fn an_id_made_for_any_shard_of_its_type_is_taken_whatever_the_number_of_shards() {
        let event_type: EventType = "a".parse().unwrap();
        for shard in 0..16_u64 {
            let sixteen = "16".parse().unwrap();
            let id = EventId::of_event(Timestamp::from_millis(1), &event_type, sixteen, shard << 60);
            let body = message(&format!(r#"{{"id":"{id}","type":"a","data":{{}}}}"#));
            let read = EventMessage::parse(&body).unwrap();
            let (_, event) = read.into_event("m", Timestamp::from_millis(0), EventShards::ONE).unwrap();
            assert_eq!(
                (event.id, u64::from(id.partition() != Partition::of(&event_type))),
                (id, shard.min(1))
            );
        }
    }
}
