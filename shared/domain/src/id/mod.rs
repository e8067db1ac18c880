//! Ids. Each is a prefix and 26 characters in the alphabet of a ULID (Crockford's base 32). As text, they sort by the
//! time they were made: <https://github.com/ulid/spec>.

mod partition;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use self::partition::leading_bits;
pub use self::partition::{EventShards, Partition};
use crate::event::EventType;
use crate::invalid::Invalid;
use crate::random::Random;
use crate::time::Timestamp;

/// Parses `{prefix}{26 characters}`. An id has one spelling: upper case, no look-alike letters.
fn parse(prefix: &str, text: &str) -> Result<Ulid, Invalid> {
    text.strip_prefix(prefix)
        .and_then(|code| Ulid::from_string(code).ok().filter(|ulid| ulid.to_string() == code))
        .ok_or_else(|| {
            Invalid::because(format!("must be {prefix} and 26 characters, as in a response of this API"))
        })
}

fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.as_millis()).unwrap_or(0)
}

/// Returns the time in the first 48 bits of an id.
fn made_at(id: Ulid) -> Timestamp {
    Timestamp::from_millis(i64::try_from(id.timestamp_ms()).unwrap_or(i64::MAX))
}

/// Returns 48 bits of milliseconds and 80 random bits.
fn timed(at: Timestamp, random: &dyn Random) -> Ulid {
    Ulid::from_parts(millis(at), (u128::from(random.bits()) << 64) | u128::from(random.bits()))
}

/// Implements conversions and serialization by way of a type's text.
macro_rules! written_as_text {
    ($id:ident) => {
        impl TryFrom<String> for $id {
            type Error = Invalid;

            fn try_from(text: String) -> Result<Self, Invalid> {
                text.parse()
            }
        }

        impl From<$id> for String {
            fn from(id: $id) -> Self {
                id.to_string()
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

macro_rules! prefixed_id {
    ($id:ident, $prefix:literal) => {
        impl FromStr for $id {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                parse($prefix, text).map(Self)
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        written_as_text!($id);
    };
}

/// The id of an endpoint: `wh_` and 48 bits of milliseconds, 80 random bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EndpointId(Ulid);

prefixed_id!(EndpointId, "wh_");

impl EndpointId {
    /// Returns a new id for an endpoint registered at `at`.
    pub fn new(at: Timestamp, random: &dyn Random) -> Self {
        Self(timed(at, random))
    }

    /// Returns the id as 16 bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_bytes()
    }

    /// Returns the id with these bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Ulid::from_bytes(bytes))
    }

    /// Returns when the endpoint was registered.
    pub fn at(self) -> Timestamp {
        made_at(self.0)
    }
}

/// The id of an event: `evt_` and 48 bits of milliseconds, 16 bits of [`Partition`], 64 random bits. It contains its
/// own place: the id alone is enough to find the event's row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventId(Ulid);

prefixed_id!(EventId, "evt_");

impl EventId {
    /// The lowest id.
    pub const MIN: Self = Self(Ulid(0));
    /// The highest id.
    pub const MAX: Self = Self(Ulid(u128::MAX));

    /// Returns the id of an event accepted at `at`.
    pub fn new(at: Timestamp, partition: Partition, random: u64) -> Self {
        Self(Ulid::from_parts(millis(at), (u128::from(partition.0) << 64) | u128::from(random)))
    }

    /// Returns the id of an event of this type accepted at `at`. Its random bits also choose one of the shards.
    pub fn of_event(at: Timestamp, event_type: &EventType, shards: EventShards, random: u64) -> Self {
        Self::new(at, Partition::of(event_type).among(shards, random), random)
    }

    /// Returns the id of the event in a queue message that names none. It is always the same for the same message and
    /// number of shards, so a message received twice is the same event.
    pub fn of_message(
        sent_at: Timestamp,
        message_id: &str,
        event_type: &EventType,
        shards: EventShards,
    ) -> Self {
        Self::of_event(sent_at, event_type, shards, leading_bits(message_id))
    }

    /// Returns the other ids that the same event would have with other numbers of shards: at most four.
    pub fn in_other_shards(self) -> impl Iterator<Item = Self> {
        let partitions = EventShards::ALL.map(|shards| self.partition().among(shards, self.random()));
        let others: BTreeSet<_> =
            partitions.into_iter().filter(|partition| *partition != self.partition()).collect();
        others.into_iter().map(move |partition| Self::new(self.at(), partition, self.random()))
    }

    /// Returns the lowest id that an event accepted at `at` can have.
    pub fn first_at(at: Timestamp) -> Self {
        Self(Ulid::from_parts(millis(at), 0))
    }

    /// Returns the id that follows this one; `None` after the last.
    pub fn next(self) -> Option<Self> {
        self.0.0.checked_add(1).map(|bits| Self(Ulid(bits)))
    }

    /// Returns the id that precedes this one; `None` before the first.
    pub fn previous(self) -> Option<Self> {
        self.0.0.checked_sub(1).map(|bits| Self(Ulid(bits)))
    }

    /// Returns when the event was accepted.
    pub fn at(self) -> Timestamp {
        made_at(self.0)
    }

    /// Returns the partition that the event is stored in.
    pub fn partition(self) -> Partition {
        Partition(u16::try_from(self.0.random() >> 64).expect("the random part has 80 bits"))
    }

    /// Returns the id as 16 bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_bytes()
    }

    /// Returns the id with these bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Ulid::from_bytes(bytes))
    }

    /// Returns a shorter name of the event, for short lists. Two events have the same one about as often as two random
    /// numbers of 64 bits are equal.
    pub(crate) fn name(self) -> u64 {
        let bits = self.0.0;
        u64::try_from(bits >> 64).expect("64 bits are left") ^ self.random()
    }

    /// Returns the 64 random bits.
    fn random(self) -> u64 {
        u64::try_from(self.0.random() & u128::from(u64::MAX)).expect("64 bits are left")
    }
}

/// The id of an attempt: `att_`, the 26 characters of its event's id, the 26 of its endpoint's, and its number, 1 for
/// the delivery's first attempt. It contains its own place. Ids sort by event, then, for the same endpoint, by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AttemptId {
    /// The event that was sent.
    pub event_id: EventId,
    /// The endpoint that it was sent to.
    pub endpoint_id: EndpointId,
    /// The attempt's number. 0 is no attempt: it marks the place before the first.
    pub number: u16,
}

impl AttemptId {
    const PREFIX: &str = "att_";
    /// The number of characters of a ULID.
    const CODE: usize = 26;

    fn read(text: &str) -> Option<Self> {
        let codes = text.strip_prefix(Self::PREFIX)?;
        let (event, rest) = codes.split_at_checked(Self::CODE)?;
        let (endpoint, number) = rest.split_at_checked(Self::CODE)?;
        let id = Self {
            event_id: EventId(Ulid::from_string(event).ok()?),
            endpoint_id: EndpointId(Ulid::from_string(endpoint).ok()?),
            number: number.parse().ok()?,
        };
        (id.to_string() == text).then_some(id)
    }
}

impl FromStr for AttemptId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::read(text)
            .ok_or_else(|| Invalid::because("must be the id of an attempt, as in a response of this API"))
    }
}

written_as_text!(AttemptId);

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}{}", Self::PREFIX, self.event_id.0, self.endpoint_id.0, self.number)
    }
}

/// The id of a recovery: `rec_` and 48 bits of milliseconds, 80 random bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecoveryId(Ulid);

prefixed_id!(RecoveryId, "rec_");

impl RecoveryId {
    /// Returns a new id for a recovery requested at `at`.
    pub fn new(at: Timestamp, random: &dyn Random) -> Self {
        Self(timed(at, random))
    }
}

/// The id of an API key: `key_` and 48 bits of milliseconds, 80 random bits. It is not secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(Ulid);

prefixed_id!(KeyId, "key_");

impl KeyId {
    /// Returns a new id for a key created at `at`.
    pub fn new(at: Timestamp, random: &dyn Random) -> Self {
        Self(timed(at, random))
    }
}

/// The id of a portal session: `ses_` and 48 bits of milliseconds, 80 random bits. It is not secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(Ulid);

prefixed_id!(SessionId, "ses_");

impl SessionId {
    /// Returns a new id for a session created at `at`.
    pub fn new(at: Timestamp, random: &dyn Random) -> Self {
        Self(timed(at, random))
    }
}

/// The id of an entry of the audit log: `aud_` and 48 bits of milliseconds, 80 random bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AuditId(Ulid);

prefixed_id!(AuditId, "aud_");

impl AuditId {
    /// Returns a new id for a change made at `at`.
    pub fn new(at: Timestamp, random: &dyn Random) -> Self {
        Self(timed(at, random))
    }

    /// Returns when the change was made.
    pub fn at(self) -> Timestamp {
        made_at(self.0)
    }
}

/// The id of what a request was authorized by: a key or a session. It is not secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum GrantId {
    /// An API key or a component's key.
    Key(KeyId),
    /// A portal session.
    Session(SessionId),
}

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(id) => id.fmt(f),
            Self::Session(id) => id.fmt(f),
        }
    }
}

impl FromStr for GrantId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.parse().map(Self::Session).or_else(|_| text.parse().map(Self::Key))
    }
}

written_as_text!(GrantId);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ids_sort_by_time_and_give_back_their_time_and_partition(
            early in 0_i64..1 << 47, gap in 1_i64..1 << 40, name in "[a-z]{1,9}(\\.[a-z]{1,9}){0,3}",
            first in any::<u64>(), second in any::<u64>(),
        ) {
            let partition = Partition::of(&name.parse().unwrap()).among(EventShards(16), first);
            let (at, later) = (Timestamp::from_millis(early), Timestamp::from_millis(early + gap));
            let id = EventId::new(at, partition, first);
            prop_assert_eq!(id.at(), at);
            prop_assert_eq!(id.partition(), partition);
            prop_assert_eq!(id.to_string().parse::<EventId>().unwrap(), id);
            prop_assert!(id.to_string() < EventId::new(later, partition, second).to_string());
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            if let Ok(id) = text.parse::<EventId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn an_id_has_one_spelling() {
        let check = |text: &str, good: bool| assert_eq!(text.parse::<EndpointId>().is_ok(), good, "{text}");
        check("wh_01JDB5G8Z7M4X3W2V1T0S9R8Q7", true);
        check("wh_01jdb5g8z7m4x3w2v1t0s9r8q7", false);
        check("wh_O1JDB5G8Z7M4X3W2V1T0S9R8Q7", false);
        check("wh_81JDB5G8Z7M4X3W2V1T0S9R8Q7", false);
        check("evt_01JDB5G8Z7M4X3W2V1T0S9R8Q7", false);
        check("wh_1234567890abcdef", false);
        check("", false);
    }

    #[test]
    fn an_attempts_id_names_its_event_endpoint_and_number_in_one_spelling() {
        let (event, endpoint) = ("01JDB5G8Z7M4X3W2V1T0S9R8Q7", "01KARZ3NDEKTSV4RRFFQ69G5FA");
        let id: AttemptId = format!("att_{event}{endpoint}12").parse().unwrap();
        assert_eq!(id.event_id.to_string(), format!("evt_{event}"));
        assert_eq!((id.endpoint_id.to_string(), id.number), (format!("wh_{endpoint}"), 12));
        for text in ["", "att_", &format!("att_{event}{endpoint}"), &format!("att_{event}{endpoint}012")] {
            assert!(text.parse::<AttemptId>().is_err(), "{text}");
        }
        for number in ["+1", "-1", "65536", "x"] {
            assert!(format!("att_{event}{endpoint}{number}").parse::<AttemptId>().is_err(), "{number}");
        }
        assert!(format!("att_{}{endpoint}1", event.to_lowercase()).parse::<AttemptId>().is_err());
    }

    fn shards(number: u16) -> EventShards {
        number.to_string().parse().unwrap()
    }

    fn customer_created() -> EventType {
        "customer.created".parse().unwrap()
    }

    #[test]
    fn a_message_always_gives_the_same_event_id() {
        for number in [1, 2, 4, 8, 16] {
            let id = |message: &str| {
                EventId::of_message(Timestamp::from_millis(5), message, &customer_created(), shards(number))
            };
            assert_eq!(id("a"), id("a"));
            assert_ne!(id("a"), id("b"));
        }
    }

    #[test]
    fn a_types_events_are_spread_evenly_over_as_many_partitions_as_there_are_shards() {
        let first = Partition::of(&customer_created());
        for number in [1, 2, 4, 8, 16_u16] {
            let mut counts = vec![0; usize::from(number)];
            for message in 0..16_000 {
                let at = Timestamp::from_millis(message);
                let id = EventId::of_message(at, &message.to_string(), &customer_created(), shards(number));
                assert_eq!((id.partition().first(), id.at()), (first, at));
                counts[usize::from(id.partition().0 - first.0)] += 1;
            }
            let fair = 16_000 / i32::from(number);
            assert!(
                counts.iter().all(|count| (fair * 9 / 10..=fair * 11 / 10).contains(count)),
                "{counts:?}"
            );
        }
    }

    #[test]
    fn with_one_shard_an_id_is_what_it_was_before_there_were_shards() {
        let (at, event_type) = (Timestamp::from_millis(5), customer_created());
        let id = EventId::of_event(at, &event_type, EventShards::ONE, u64::MAX);
        assert_eq!(id, EventId::new(at, Partition::of(&event_type), u64::MAX));
    }

    #[test]
    fn an_id_knows_what_it_would_be_with_other_numbers_of_shards() {
        let of = |number, message: &str| {
            EventId::of_message(Timestamp::from_millis(5), message, &customer_created(), shards(number))
        };
        for message in ["a", "b", "c", "d", "e", "f"] {
            let all: BTreeSet<_> = [1, 2, 4, 8, 16].map(|number| of(number, message)).into();
            for number in [1, 2, 4, 8, 16] {
                let id = of(number, message);
                let others: BTreeSet<_> = id.in_other_shards().collect();
                assert!(!others.contains(&id));
                assert_eq!(others.into_iter().chain([id]).collect::<BTreeSet<_>>(), all);
            }
        }
    }

    #[test]
    fn there_are_1_2_4_8_or_16_shards() {
        for text in ["", "0", "3", "02", "+1", "32", "x"] {
            assert!(text.parse::<EventShards>().is_err(), "{text}");
        }
        assert_eq!("1".parse(), Ok(EventShards::ONE));
    }

    #[test]
    fn a_partition_is_read_as_it_is_printed() {
        for text in ["0000", "3f2e", "ffff"] {
            assert_eq!(text.parse::<Partition>().unwrap().to_string(), text);
        }
        for text in ["", "3F2E", "3f2", "03f2e", "+3f2", "xxxx"] {
            assert!(text.parse::<Partition>().is_err(), "{text}");
        }
        let partition: Partition = "3f2e".parse().unwrap();
        assert_eq!([partition.first(), partition.last()].map(|end| end.to_string()), ["3f20", "3f2f"]);
    }
}
