//! How far the due table has been swept.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use posthorn_domain::Timestamp;

use super::DueRetries;
use crate::error::StorageError;
use crate::items::{millis, primary_key};
use crate::written::Written;

const MINUTE_MILLIS: i64 = 60_000;
/// The partition key of the rows with the sweep's progress, and the sort key of the floor.
const CURSOR: &str = "cursor";
/// Prefix of the sort keys of shards' places.
const SHARD: &str = "shard#";
const MINUTE: &str = "minute";
const AFTER: &str = "after";
const SENDING: &str = "sending";
const MARK: &str = "mark";
const BY_SHARD: &str = "by_shard";

/// A minute, counted from the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minute(pub i64);

impl Minute {
    /// Returns the minute that contains a time.
    pub fn of(at: Timestamp) -> Self {
        Self(at.as_millis().div_euclid(MINUTE_MILLIS))
    }

    /// Returns the next minute.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// How far one shard has been sent: row `pk = cursor`, `sk = shard#{shard}`. It is written when there was something to
/// send. Raising the [`Floor`] skips minutes without rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The first minute that has not been sent completely.
    pub minute: Minute,
    /// The sort key up to which that minute has been sent; `None` if none of it has been sent.
    pub after: Option<String>,
    /// Until when the sweep that wrote this may still be sending the rows that follow; `None` if it was about to end.
    /// If that time is over, the sweep was ended before it could write what it had sent: up to a page of the following
    /// rows.
    pub sending: Option<Timestamp>,
}

impl Place {
    /// Returns the beginning of a minute, with nothing being sent.
    pub fn start(minute: Minute) -> Self {
        Self { minute, after: None, sending: None }
    }
}

/// Identifies one write of a shard's place: 64 random bits. A write names the mark that the writer has read. So of two
/// sweeps at the same place one stops, and a sweep recognises its own write if the answer was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark(String);

impl Mark {
    /// Makes a mark of these random bits.
    pub fn of(bits: u64) -> Self {
        Self(format!("{bits:016x}"))
    }
}

/// The minute before which all shards have been sent: row `pk = sk = cursor`. Release 0.1.0 knows only this row, so
/// after an upgrade or a rollback, either release continues where the other stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// The first minute that may not have been sent completely.
    pub minute: Minute,
    /// Whether shards have places of their own. Rows of 0.1.0 count as `false`; it may have sent some of this minute.
    pub by_shard: bool,
}

/// How far the due table has been swept.
#[derive(Debug, Default)]
pub struct Places {
    /// `None` before the first sweep.
    pub floor: Option<Floor>,
    /// Rows that cannot be read. They count as missing, and are overwritten.
    pub corrupt: Vec<StorageError>,
    shards: HashMap<u32, (Option<Place>, Option<Mark>)>,
}

/// Where the sweep of a shard begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The place.
    pub place: Place,
    /// The mark in the shard's row; `None` if it has none.
    pub mark: Option<Mark>,
}

impl Places {
    /// Returns where the sweep of a shard begins: at its place, or at the floor if that is further. If there is
    /// neither, it begins at `first`.
    pub fn start_of(&self, shard: u32, first: Minute) -> Start {
        let (place, mark) = self.shards.get(&shard).cloned().unwrap_or_default();
        let floor = self.floor.map(|Floor { minute, by_shard }| {
            // 0.1.0 was stopped for the upgrade, and may have been sending.
            let sending = (!by_shard).then_some(Timestamp::from_millis(0));
            Place { sending, ..Place::start(minute) }
        });
        let place = match (place, floor) {
            (Some(place), Some(floor)) if floor.minute > place.minute => floor,
            (Some(place), _) => place,
            (None, floor) => floor.unwrap_or(Place::start(first)),
        };
        Start { place, mark }
    }

    fn read(rows: Vec<HashMap<String, AttributeValue>>) -> Self {
        let mut places = Self::default();
        for row in rows {
            let name = text(&row, "sk").unwrap_or_default();
            let number = |name: &str| row.get(name)?.as_n().ok()?.parse::<i64>().ok();
            let minute = number(MINUTE).map(Minute);
            if minute.is_none() {
                places.corrupt.push(StorageError::corrupt(
                    &name,
                    "its attribute minute is missing or not a whole number",
                ));
            }
            if name == CURSOR {
                places.floor = minute.map(|minute| Floor { minute, by_shard: row.contains_key(BY_SHARD) });
            } else if let Some(shard) = name.strip_prefix(SHARD).and_then(|shard| shard.parse().ok()) {
                let sending = number(SENDING).map(Timestamp::from_millis);
                let place = minute.map(|minute| Place { minute, after: text(&row, AFTER), sending });
                places.shards.insert(shard, (place, text(&row, MARK).map(Mark)));
            }
        }
        places
    }
}

impl DueRetries {
    /// Reads how far the due table has been swept.
    pub async fn places(&self) -> Result<Places, StorageError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(CURSOR.to_owned()))
            .consistent_read(true);
        let answer = query.send().await.map_err(StorageError::from_call("Query"))?;
        Ok(Places::read(answer.items.unwrap_or_default()))
    }

    /// Writes how far a shard has been sent, under the mark `new`, unless another sweep has written since the mark
    /// `read`.
    pub async fn keep_place(
        &self,
        shard: u32,
        place: &Place,
        read: Option<&Mark>,
        new: &Mark,
    ) -> Result<Written, StorageError> {
        let mark = |mark: &Mark| AttributeValue::S(mark.0.clone());
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(place_key(format!("{SHARD}{shard}"))))
            .item(MINUTE, AttributeValue::N(place.minute.0.to_string()))
            .item(MARK, mark(new))
            .expression_attribute_names("#mark", MARK)
            .expression_attribute_values(":new", mark(new));
        let put = match &place.after {
            Some(after) => put.item(AFTER, AttributeValue::S(after.clone())),
            None => put,
        };
        let put = match place.sending {
            Some(until) => put.item(SENDING, millis(until)),
            None => put,
        };
        let put = match read {
            Some(read) => put
                .condition_expression("#mark = :read OR #mark = :new")
                .expression_attribute_values(":read", mark(read)),
            // There is no row, or it has no readable mark.
            None => put
                .condition_expression("NOT attribute_type(#mark, :text) OR #mark = :new")
                .expression_attribute_values(":text", AttributeValue::S("S".to_owned())),
        };
        Written::read("PutItem", put.send().await)
    }

    /// Records that all shards have been sent before a minute. Never lowers the floor.
    pub async fn raise_floor(&self, to: Minute) -> Result<Written, StorageError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(place_key(CURSOR.to_owned())))
            .item(MINUTE, AttributeValue::N(to.0.to_string()))
            .item(BY_SHARD, AttributeValue::Bool(true))
            .condition_expression("NOT attribute_type(#minute, :number) OR #minute < :to")
            .expression_attribute_names("#minute", MINUTE)
            .expression_attribute_values(":number", AttributeValue::S("N".to_owned()))
            .expression_attribute_values(":to", AttributeValue::N(to.0.to_string()));
        Written::read("PutItem", put.send().await)
    }
}

fn text(row: &HashMap<String, AttributeValue>, name: &str) -> Option<String> {
    row.get(name).and_then(|value| value.as_s().ok()).cloned()
}

fn place_key(sort_key: String) -> HashMap<String, AttributeValue> {
    primary_key(CURSOR, sort_key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(sort_key: &str, minute: Option<&str>, further: &[&str]) -> HashMap<String, AttributeValue> {
        let mut row = place_key(sort_key.to_owned());
        row.extend(minute.map(|minute| (MINUTE.to_owned(), AttributeValue::N(minute.to_owned()))));
        for name in further {
            let value = match *name {
                AFTER | MARK => AttributeValue::S(format!("some {name}")),
                SENDING => AttributeValue::N("5".to_owned()),
                _ => AttributeValue::Bool(true),
            };
            row.insert((*name).to_owned(), value);
        }
        row
    }

    #[test]
    fn a_shard_is_begun_at_its_place_unless_all_shards_have_come_further() {
        let check =
            |rows: &[HashMap<String, AttributeValue>], minute, after: Option<&str>, sending: Option<i64>| {
                let start = Places::read(rows.to_vec()).start_of(2, Minute(1));
                let (after, sending) = (after.map(str::to_owned), sending.map(Timestamp::from_millis));
                assert_eq!(start.place, Place { minute: Minute(minute), after, sending }, "{rows:?}");
            };
        let floor = |minute| row(CURSOR, Some(minute), &[BY_SHARD]);
        let of_0_1_0 = |minute| row(CURSOR, Some(minute), &[]);
        let shard_row = |minute, further| row("shard#2", Some(minute), further);
        check(&[], 1, None, None);
        check(&[floor("7")], 7, None, None);
        check(&[of_0_1_0("7")], 7, None, Some(0));
        check(&[shard_row("7", &[AFTER, MARK])], 7, Some("some after"), None);
        check(&[floor("7"), shard_row("7", &[AFTER, MARK, SENDING])], 7, Some("some after"), Some(5));
        check(&[floor("6"), shard_row("7", &[MARK, SENDING])], 7, None, Some(5));
        check(&[floor("8"), shard_row("7", &[AFTER, MARK, SENDING])], 8, None, None);
        // After a rollback, 0.1.0 swept for a while.
        check(&[of_0_1_0("8"), shard_row("7", &[AFTER, MARK])], 8, None, Some(0));
        check(&[floor("7"), row("shard#1", Some("9"), &[MARK])], 7, None, None);
    }

    #[test]
    fn a_place_that_cannot_be_read_counts_as_missing_and_keeps_its_mark() {
        let places = Places::read(vec![row(CURSOR, None, &[]), row("shard#2", Some("soon"), &[MARK])]);
        let start = Start { place: Place::start(Minute(1)), mark: Some(Mark("some mark".to_owned())) };
        assert_eq!((places.start_of(2, Minute(1)), places.floor), (start, None));
        let why: Vec<_> = places.corrupt.iter().map(ToString::to_string).collect();
        let reason = "cannot be read: its attribute minute is missing or not a whole number";
        assert_eq!(why, [format!("the row cursor {reason}"), format!("the row shard#2 {reason}")]);
    }
}
