//! What dead letters are about.

use posthorn_domain::{
    DeliveryMessage, DeliveryWork, EventMessage, EventShards, InvalidField, MAX_EVENT_BYTES, RecoveryMessage,
};

use crate::dead_letters::DeadLetter;

/// Which of Posthorn's queues the messages died in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Contents {
    Events,
    Deliveries,
}

/// A message that its function will understand.
#[derive(Debug)]
pub(crate) struct Understood {
    /// The body under which it is what it was, whatever message carries it.
    pub(crate) body: String,
    /// What it is about, in a few words.
    pub(crate) about: String,
}

impl Contents {
    /// What they are called.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Deliveries => "deliveries",
        }
    }

    /// The stack's outputs with the URLs of the dead-letter queue and of the queue before it.
    pub(crate) fn outputs(self) -> [&'static str; 2] {
        match self {
            Self::Events => ["EventsDeadLetterQueueUrl", "EventsQueueUrl"],
            Self::Deliveries => ["DeliveriesDeadLetterQueueUrl", "DeliveriesQueueUrl"],
        }
    }

    /// Reads a dead letter as its function does, which spreads events over so many shards. Errors with the reason if the
    /// function would refuse it again.
    pub(crate) fn read(self, letter: &DeadLetter, shards: EventShards) -> Result<Understood, String> {
        match self {
            Self::Events => event(letter, shards),
            Self::Deliveries => delivery(letter),
        }
    }
}

/// An event without an id has its id from its first message, so it has to be written down before another brings it.
fn event(letter: &DeadLetter, shards: EventShards) -> Result<Understood, String> {
    let text = |error: InvalidField| error.to_string();
    let message = EventMessage::parse(&letter.body).map_err(text)?;
    let message = message.identified(&letter.id, letter.sent_at, shards).map_err(text)?;
    let body = message.to_json();
    let (tenant, event) = message.into_event(&letter.id, letter.sent_at, shards).map_err(text)?;
    if event.to_json().len() > MAX_EVENT_BYTES {
        return Err(format!("the event is larger than {MAX_EVENT_BYTES} bytes"));
    }
    Ok(Understood { body, about: format!("{} {} of {}", event.id, event.draft.event_type, tenant.account) })
}

/// Deliveries name their event.
fn delivery(letter: &DeadLetter) -> Result<Understood, String> {
    let body = letter.body.clone();
    if let Some(RecoveryMessage { recovery_id, slice, .. }) = RecoveryMessage::parse(&body) {
        return Ok(Understood { body, about: format!("slice {slice} of {recovery_id}") });
    }
    let message = DeliveryMessage::parse(&body).map_err(|error| error.to_string())?;
    let event_id = message.event_id;
    let about = match message.work {
        DeliveryWork::First { endpoint_id } => format!("first attempt of {event_id} at {endpoint_id}"),
        DeliveryWork::Attempt { endpoint_id, attempt } => {
            format!("attempt {attempt} of {event_id} at {endpoint_id}")
        }
        DeliveryWork::Resend { endpoint_id, .. } => format!("{event_id} again at {endpoint_id}"),
        DeliveryWork::Chunk => format!("first attempts of {event_id}"),
    };
    Ok(Understood { body, about })
}
