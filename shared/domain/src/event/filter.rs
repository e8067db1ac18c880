//! Filters for lists of events.

use crate::endpoint::EventPattern;
use crate::event::delivered::DeliveredEvent;
use crate::event::event_type::EventType;
use crate::text::ShortText;

/// A filter for events on record. A field that is not given matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Events of these types.
    pub event_type: Option<EventPattern>,
    /// Events about an object of this type.
    pub object_type: Option<ShortText>,
    /// Events about this object.
    pub object_id: Option<ShortText>,
}

impl EventFilter {
    /// Returns whether the filter matches events of this type.
    pub fn takes_type(&self, event_type: &EventType) -> bool {
        self.event_type.as_ref().is_none_or(|pattern| pattern.matches(event_type))
    }

    /// Returns whether the filter matches this event. Errors if the event's fields cannot be parsed.
    pub fn takes(&self, event: &DeliveredEvent<'_>) -> Result<bool, serde_json::Error> {
        let (object_type, object_id) = event.object()?;
        let is = |wanted: &Option<ShortText>, is: Option<&str>| {
            wanted.as_ref().is_none_or(|wanted| is == Some(wanted.as_str()))
        };
        Ok(self.takes_type(&event.event_type()?)
            && is(&self.object_type, object_type.as_deref())
            && is(&self.object_id, object_id.as_deref()))
    }
}
