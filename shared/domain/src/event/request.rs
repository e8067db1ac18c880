//! The request that caused an event.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::invalid::Invalid;
use crate::json::{Fields, FromJson};
use crate::text::ShortText;

/// The request that caused an event, as far as the publisher knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EventRequest {
    /// The request's id.
    pub id: Option<ShortText>,
    /// The idempotency key of that request.
    pub idempotency_key: Option<ShortText>,
    /// Who made the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<ShortText>,
}

impl EventRequest {
    /// Errors if the idempotency key is empty: the publisher has forgotten to fill it in, and all of their events would
    /// count as one.
    pub(super) fn require_key(&self) -> Result<(), Invalid> {
        if self.idempotency_key.as_ref().is_some_and(|key| key.as_str().is_empty()) {
            return Err(Invalid::because(
                "must not be empty. Use a unique key for each event, or leave the field out.",
            ));
        }
        Ok(())
    }
}

impl FromJson for EventRequest {
    fn from_json(json: &RawValue) -> Result<Self, Invalid> {
        Fields::read_object(json, |fields| {
            Ok(Self {
                id: fields.optional("id")?,
                idempotency_key: fields.optional("idempotency_key")?,
                requested_by: fields.optional("requested_by")?,
            })
        })
    }
}
