//! Ranges of the log. Events are ordered by id, and so by the time they were accepted.

use crate::id::EventId;
use crate::time::Timestamp;

/// The events from one id to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventSpan {
    first: EventId,
    last: EventId,
}

impl EventSpan {
    /// All events.
    pub const ALL: Self = Self { first: EventId::MIN, last: EventId::MAX };

    /// Returns the first and the last id; `None` if the span is empty.
    pub fn ends(self) -> Option<(EventId, EventId)> {
        (self.first <= self.last).then_some((self.first, self.last))
    }

    /// Limits the span to events accepted at this time or later.
    #[must_use]
    pub fn since(self, at: Timestamp) -> Self {
        Self { first: self.first.max(EventId::first_at(at)), ..self }
    }

    /// Limits the span to events accepted before this time.
    #[must_use]
    pub fn until(self, at: Timestamp) -> Self {
        self.before(EventId::first_at(at))
    }

    /// Limits the span to events after this one.
    #[must_use]
    pub fn after(self, id: EventId) -> Self {
        id.next().map_or(Self { last: EventId::MIN, first: EventId::MAX }, |next| self.from(next))
    }

    /// Limits the span to events before this one.
    #[must_use]
    pub fn before(self, id: EventId) -> Self {
        id.previous()
            .map_or(Self { last: EventId::MIN, first: EventId::MAX }, |previous| self.up_to(previous))
    }

    /// Limits the span to this event and those after it.
    #[must_use]
    pub fn from(self, id: EventId) -> Self {
        Self { first: self.first.max(id), ..self }
    }

    /// Limits the span to this event and those before it.
    #[must_use]
    pub fn up_to(self, id: EventId) -> Self {
        Self { last: self.last.min(id), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Partition;

    fn id(millis: i64, random: u64) -> EventId {
        let partition = Partition::of(&"a".parse().unwrap());
        EventId::new(Timestamp::from_millis(millis), partition, random)
    }

    #[test]
    fn a_span_has_its_ends_and_nothing_beyond() {
        let span = EventSpan::ALL.since(Timestamp::from_millis(5)).until(Timestamp::from_millis(9));
        let (first, last) = span.ends().unwrap();
        assert!(first <= id(5, 0) && id(4, u64::MAX) < first);
        assert!(id(8, u64::MAX) <= last && last < id(9, 0));
        assert_eq!(span.before(id(7, 3)).ends(), Some((first, id(7, 2))));
        assert_eq!(span.after(id(7, 3)).ends(), Some((id(7, 4), last)));
        assert_eq!(span.up_to(id(7, 3)).from(id(7, 3)).ends(), Some((id(7, 3), id(7, 3))));
    }

    #[test]
    fn a_span_may_be_empty() {
        let at = Timestamp::from_millis(5);
        assert_eq!(EventSpan::ALL.since(at).until(at).ends(), None);
        assert_eq!(EventSpan::ALL.after(id(7, 0)).before(id(7, 0)).ends(), None);
        assert_eq!(EventSpan::ALL.before(EventId::MIN).ends(), None);
        assert_eq!(EventSpan::ALL.after(EventId::MAX).ends(), None);
    }
}
