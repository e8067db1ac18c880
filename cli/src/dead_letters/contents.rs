//! The contents of dead letters.

use posthorn_domain::{
    DeliveryMessage, DeliveryWork, EventMessage, EventShards, InvalidField, MAX_EVENT_BYTES, ProbeMessage,
    RecoveryMessage, WorkMessage,
};

use super::queue::DeadLetter;

/// The kind of messages in a dead-letter queue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Contents {
    Events,
    Deliveries,
}

/// A message that its function can read.
#[derive(Debug)]
pub(crate) struct Understood {
    /// The body to send. With it, a new message means the same as the dead letter.
    pub(crate) body: String,
    /// A short description.
    pub(crate) about: String,
}

impl Contents {
    /// Returns their name.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Deliveries => "deliveries",
        }
    }

    /// Returns the names of the stack's outputs with the URLs of the dead-letter queue and of the queue to move
    /// messages to.
    pub(crate) fn outputs(self) -> [&'static str; 2] {
        match self {
            Self::Events => ["EventsDeadLetterQueueUrl", "EventsQueueUrl"],
            Self::Deliveries => ["DeliveriesDeadLetterQueueUrl", "DeliveriesQueueUrl"],
        }
    }

    /// Reads a dead letter as its function does; `shards` is the stack's number of shards. Errors with the reason if
    /// the function would refuse it again.
    pub(crate) fn read(self, letter: &DeadLetter, shards: EventShards) -> Result<Understood, String> {
        match self {
            Self::Events => events(letter, shards),
            Self::Deliveries => delivery(letter),
        }
    }
}

/// Reads events. An event without an id gets its id from its first message, so the id is written into the body before
/// a new message carries it.
fn events(letter: &DeadLetter, shards: EventShards) -> Result<Understood, String> {
    let text = |error: InvalidField| error.to_string();
    let messages = EventMessage::parse_all(&letter.body).map_err(text)?.into_iter();
    let messages = messages.map(|message| message.identified(&letter.id, letter.sent_at, shards));
    let mut messages = messages.collect::<Result<Vec<_>, _>>().map_err(text)?;
    // Only a message with one event may be without an id.
    let body = if let [message] = &messages[..] { message.to_json() } else { letter.body.clone() };
    let others = messages.len() - 1;
    for message in &messages {
        let (_, event) = message.clone().into_event(&letter.id, letter.sent_at, shards).map_err(text)?;
        if event.to_json().len() > MAX_EVENT_BYTES {
            return Err(format!("the event is larger than {MAX_EVENT_BYTES} bytes"));
        }
    }
    let EventMessage { tenant, draft, id, .. } = messages.swap_remove(0);
    let id = id.map(|id| id.to_string()).unwrap_or_default();
    let others = if others > 0 { format!(" and {others} more") } else { String::new() };
    Ok(Understood { body, about: format!("{id} {}{others} of {}", draft.event_type, tenant.account) })
}

/// Reads a delivery, a recovery or a probe. Its body needs no change: it names its event.
fn delivery(letter: &DeadLetter) -> Result<Understood, String> {
    let body = letter.body.clone();
    let about = match WorkMessage::parse(&body).map_err(|error| error.to_string())? {
        WorkMessage::Recovery(RecoveryMessage { recovery_id, slice, .. }) => {
            format!("slice {slice} of {recovery_id}")
        }
        WorkMessage::Probe(ProbeMessage { endpoint_id, probe, .. }) => {
            format!("probe {probe} of {endpoint_id}")
        }
        WorkMessage::Delivery(DeliveryMessage { event_id, work, .. }) => match work {
            DeliveryWork::First { endpoint_id } => format!("first attempt of {event_id} at {endpoint_id}"),
            DeliveryWork::Attempt { endpoint_id, attempt } => {
                format!("attempt {attempt} of {event_id} at {endpoint_id}")
            }
            DeliveryWork::Resend { endpoint_id, .. } => format!("resend of {event_id} at {endpoint_id}"),
            DeliveryWork::Chunk => format!("first attempts of {event_id}"),
        },
    };
    Ok(Understood { body, about })
}
