//! A type of the catalogue.

use posthorn_domain::{CatalogueEntry, EventType, sample};
use serde::Serialize;
use serde_json::value::RawValue;

/// A well-known event type, and a sample of the object that its events are about.
#[derive(Debug, Serialize)]
pub struct EventTypeBody<'a> {
    r#type: &'a EventType,
    group: &'a str,
    description: &'a str,
    sample: Option<&'static RawValue>,
}

impl<'a> From<&'a CatalogueEntry> for EventTypeBody<'a> {
    fn from(entry: &'a CatalogueEntry) -> Self {
        Self {
            r#type: &entry.event_type,
            group: &entry.group,
            description: &entry.description,
            sample: sample(&entry.event_type),
        }
    }
}
