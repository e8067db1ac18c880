//! A type of the catalogue.

use posthorn_domain::{CatalogueEntry, EventType};
use serde::Serialize;

/// A well-known event type.
#[derive(Debug, Serialize)]
pub struct EventTypeBody<'a> {
    r#type: &'a EventType,
    group: &'a str,
    description: &'a str,
}

impl<'a> From<&'a CatalogueEntry> for EventTypeBody<'a> {
    fn from(entry: &'a CatalogueEntry) -> Self {
        Self { r#type: &entry.event_type, group: &entry.group, description: &entry.description }
    }
}
