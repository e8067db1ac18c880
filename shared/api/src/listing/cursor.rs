//! Positions in a list of endpoints.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use posthorn_domain::{EndpointId, EndpointOutline, EndpointStatus, Invalid, Timestamp};
use serde::{Deserialize, Serialize};

use crate::listing::order::OrderField;

/// A position in a list of endpoints: where an endpoint is, or was when the list was read. In the order of
/// registration, the id alone determines it. For other orders the cursor also contains the values that the list was
/// sorted by, so it works after the endpoint is deleted. It prints as the id, followed by a dot and base64 (URL
/// alphabet) if it contains such values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointCursor {
    /// The endpoint at this position.
    pub id: EndpointId,
    sorted_by: SortedBy,
}

/// An endpoint's values in the fields that the list was sorted by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SortedBy {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    updated_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<EndpointStatus>,
}

/// An endpoint's value in a field that a list can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SortValue<'a> {
    Time(Timestamp),
    Text(&'a str),
    Status(EndpointStatus),
}

impl<'a> SortValue<'a> {
    pub(crate) fn of(field: OrderField, outline: &'a EndpointOutline) -> Self {
        match field {
            OrderField::CreatedAt => Self::Time(outline.id.at()),
            OrderField::UpdatedAt => Self::Time(outline.updated_at),
            OrderField::Url => Self::Text(&outline.url),
            OrderField::Status => Self::Status(outline.status),
        }
    }
}

impl EndpointCursor {
    /// Returns the position of this endpoint in a list that is sorted by these fields.
    pub fn of(outline: &EndpointOutline, order: impl IntoIterator<Item = OrderField>) -> Self {
        let mut sorted_by = SortedBy::default();
        for field in order {
            match field {
                OrderField::CreatedAt => {}
                OrderField::UpdatedAt => sorted_by.updated_at = Some(outline.updated_at),
                OrderField::Url => sorted_by.url = Some(outline.url.clone()),
                OrderField::Status => sorted_by.status = Some(outline.status),
            }
        }
        Self { id: outline.id, sorted_by }
    }

    /// Returns the value of a field at this position, if the cursor contains it.
    pub(crate) fn value(&self, field: OrderField) -> Option<SortValue<'_>> {
        match field {
            OrderField::CreatedAt => Some(SortValue::Time(self.id.at())),
            OrderField::UpdatedAt => self.sorted_by.updated_at.map(SortValue::Time),
            OrderField::Url => self.sorted_by.url.as_deref().map(SortValue::Text),
            OrderField::Status => self.sorted_by.status.map(SortValue::Status),
        }
    }
}

impl From<EndpointId> for EndpointCursor {
    fn from(id: EndpointId) -> Self {
        Self { id, sorted_by: SortedBy::default() }
    }
}

impl FromStr for EndpointCursor {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (id, more) = text.split_once('.').map_or((text, None), |(id, more)| (id, Some(more)));
        let unreadable =
            || Invalid::because("must be the id of a webhook endpoint, or the `next_cursor` of a response");
        let id: EndpointId = id.parse().map_err(|_| unreadable())?;
        let Some(more) = more else { return Ok(id.into()) };
        let json = URL_SAFE_NO_PAD.decode(more).map_err(|_| unreadable())?;
        Ok(Self { id, sorted_by: serde_json::from_slice(&json).map_err(|_| unreadable())? })
    }
}

impl fmt::Display for EndpointCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        if self.sorted_by != SortedBy::default() {
            let json = serde_json::to_vec(&self.sorted_by).expect("JSON can express every cursor");
            write!(f, ".{}", URL_SAFE_NO_PAD.encode(json))?;
        }
        Ok(())
    }
}
