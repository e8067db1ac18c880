//! The size limit of an answer.

use serde::Serialize;

use crate::problem::Problem;

/// The most bytes of the entries in an answer's list, counted by [`bytes_in_answer`]: Lambda's limit of 6 MB (6,291,456
/// bytes, [Lambda quotas](https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)) less what surrounds
/// the list.
pub const MAX_LIST_BYTES: usize = 6_200_000;

/// Returns the number of bytes that this JSON takes in what Lambda hands to API Gateway. There the body is itself a
/// JSON string, so each quote and backslash in it counts twice.
pub fn bytes_in_answer(json: &str) -> usize {
    let added = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
        0x00..=0x1f => 5,
        _ => 0,
    };
    json.len() + json.bytes().map(added).sum::<usize>()
}

/// Returns an entry of a list with the number of bytes that it takes in an answer.
pub fn sized<T: Serialize>(entry: T) -> (usize, T) {
    let json = serde_json::to_string(&entry).expect("JSON can express every entry");
    (bytes_in_answer(&json), entry)
}

/// The space left in an answer.
#[derive(Debug, Clone, Copy)]
pub struct Room {
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
    /// Takes the space for an entry of this many bytes and the comma after it. Returns `false` if it does not fit. The
    /// first entry always fits: no single entry is larger than an answer, and a client could not continue from an empty
    /// page.
    pub fn take(&mut self, bytes: usize) -> bool {
        let bytes = bytes.saturating_add(1);
        self.largest = self.largest.max(bytes);
        let fits = bytes <= self.left || self.is_empty;
        if fits {
            self.left = self.left.saturating_sub(bytes);
            self.is_empty = false;
        }
        fits
    }

    /// Returns how many entries would fit if all were as large as the largest one so far.
    pub(crate) fn fitting(&self) -> usize {
        (MAX_LIST_BYTES / self.largest.max(1)).max(1)
    }
}

/// A numbered page is too large for one answer. It cannot end early, because the next page would skip what was left
/// out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageTooLarge {
    /// The page size that would fit.
    pub fitting: usize,
}

impl From<PageTooLarge> for Problem {
    fn from(PageTooLarge { fitting }: PageTooLarge) -> Self {
        Self::page_too_large(fitting)
    }
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
