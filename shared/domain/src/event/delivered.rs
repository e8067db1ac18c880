//! An event as it is read later: the body that was delivered.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::delivery::Delivery;
use crate::event::event_type::EventType;

/// The body of an event's deliveries, parsed only as far as is needed to recount `pending_webhooks`.
#[derive(Debug, Serialize, Deserialize)]
pub struct DeliveredEvent<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    livemode: &'a RawValue,
    #[serde(borrow)]
    r#type: &'a RawValue,
    #[serde(borrow)]
    api_version: &'a RawValue,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    object_type: &'a RawValue,
    #[serde(borrow)]
    object_id: &'a RawValue,
    #[serde(borrow)]
    request: &'a RawValue,
    pending_webhooks: usize,
    #[serde(borrow)]
    metadata: &'a RawValue,
    #[serde(borrow)]
    created_at: &'a RawValue,
    #[serde(borrow)]
    updated_at: &'a RawValue,
}

impl<'a> DeliveredEvent<'a> {
    /// Parses a delivery's body.
    pub fn read(body: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(body)
    }

    /// Returns the event with the number of its deliveries that are pending or held in `pending_webhooks`.
    #[must_use]
    pub fn counting(self, deliveries: &[Delivery]) -> Self {
        let open = deliveries.iter().filter(|delivery| delivery.status.is_open());
        Self { pending_webhooks: open.count(), ..self }
    }

    /// Returns the event without its `data`.
    #[must_use]
    pub fn without_data(self) -> Self {
        Self { data: None, ..self }
    }

    /// Returns the event's type.
    pub fn event_type(&self) -> Result<EventType, serde_json::Error> {
        serde_json::from_str(self.r#type.get())
    }

    /// Returns the `object_type` and `object_id`.
    pub(crate) fn object(&self) -> Result<(Option<String>, Option<String>), serde_json::Error> {
        Ok((serde_json::from_str(self.object_type.get())?, serde_json::from_str(self.object_id.get())?))
    }
}
