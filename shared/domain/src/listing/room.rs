//! How much fits into one answer.

/// The most bytes that the entries of an answer's list may have, counted by [`bytes_in_answer`]: Lambda answers 6 MB
/// (6,291,456 bytes) at most ([Lambda quotas](https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)),
/// less what stands around the list.
pub const MAX_LIST_BYTES: usize = 6_200_000;

/// How many bytes this JSON takes in what Lambda hands to API Gateway: there the body is a JSON string itself, so each of
/// its quotes and backslashes counts twice.
pub fn bytes_in_answer(json: &str) -> usize {
    let added = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
        0x00..=0x1f => 5,
        _ => 0,
    };
    json.len() + json.bytes().map(added).sum::<usize>()
}

/// The room that is left in an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    left: usize,
    largest: usize,
    is_empty: bool,
}

impl Default for Room {
    fn default() -> Self {
        Self { left: MAX_LIST_BYTES, largest: 0, is_empty: true }
    }
}

impl Room {
    /// Takes the room for an entry of so many bytes, and for the comma after it; `false` where there is none. The first entry
    /// is always taken: a list that shows nothing leads nowhere, and no entry alone is larger than an answer.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        let bytes = bytes.saturating_add(1);
        self.largest = self.largest.max(bytes);
        let fits = bytes <= self.left || self.is_empty;
        if fits {
            self.left = self.left.saturating_sub(bytes);
            self.is_empty = false;
        }
        fits
    }

    /// How many entries fit that are no larger than those which it was asked to take.
    pub(crate) fn fitting(&self) -> usize {
        (MAX_LIST_BYTES / self.largest.max(1)).max(1)
    }
}

/// A numbered page has more than one answer can hold. Pages cannot end early: the next one would begin after what was left
/// out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageTooLarge {
    /// How large a page would fit.
    pub fitting: usize,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    proptest! {
        #[test]
        fn bytes_are_counted_as_they_are_written(text in any::<String>(), odd in "[\\x00-\\x1f\\x7f\"\\\\]{0,20}") {
            for text in [text, odd] {
                let in_answer = Value::from(text.as_str()).to_string();
                prop_assert_eq!(bytes_in_answer(&text), in_answer.len() - 2);
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_not_taken_unless_nothing_else_is() {
        let mut room = Room::default();
        assert!(room.take(MAX_LIST_BYTES / 2) && !room.take(MAX_LIST_BYTES / 2) && room.take(7));
        assert_eq!(room.fitting(), 1);
        assert!(Room::default().take(2 * MAX_LIST_BYTES));
        let mut room = Room::default();
        let taken = (0..100).take_while(|_| room.take(99_999)).count();
        assert_eq!((taken, room.fitting()), (62, 62));
    }
}
