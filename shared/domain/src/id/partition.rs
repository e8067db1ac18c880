//! Where an event is stored.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::event::EventType;
use crate::invalid::Invalid;

/// The number of partitions over which the events of one type are spread: 1, 2, 4, 8 or 16. Each takes 1,000 writes a
/// second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventShards(pub(super) u16);

impl EventShards {
    /// All of a type's events in one partition.
    pub const ONE: Self = Self(1);
    /// All valid numbers of shards.
    pub(super) const ALL: [Self; 5] = [Self(1), Self(2), Self(4), Self(8), Self(16)];
}

impl FromStr for EventShards {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let shards = Self::ALL.into_iter().find(|shards| shards.to_string() == text);
        shards.ok_or_else(|| Invalid::because("must be 1, 2, 4, 8 or 16"))
    }
}

impl fmt::Display for EventShards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The part of the events table that holds an event: 12 bits of its type's hash and 4 bits of shard. It prints as four
/// hexadecimal digits, by which it also sorts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(pub(super) u16);

impl Partition {
    /// The bits of the shard.
    const SHARD: u16 = 0xf;

    /// Returns the first partition of events of this type: shard 0. With one shard, all its events are there.
    pub fn of(event_type: &EventType) -> Self {
        let hash = leading_bits(event_type.as_str()) >> 52;
        Self(u16::try_from(hash).expect("12 bits are left") << 4)
    }

    /// Returns the first partition of the same type.
    #[must_use]
    pub fn first(self) -> Self {
        Self(self.0 & !Self::SHARD)
    }

    /// Returns the last partition that the same type may have: shard 15.
    #[must_use]
    pub fn last(self) -> Self {
        Self(self.0 | Self::SHARD)
    }

    /// Returns the same type's partition in the shard, one of `shards`, that the first of these bits choose. The last
    /// bits choose the shard of the due table: if the same bits chose both, all retries of a partition would share one
    /// of its shards.
    pub(super) fn among(self, shards: EventShards, bits: u64) -> Self {
        let chosen = u16::try_from(bits >> 60).expect("4 bits are left") & (shards.0 - 1);
        Self(self.first().0 | chosen)
    }
}

impl FromStr for Partition {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let partition = u16::from_str_radix(text, 16).ok().map(Self);
        partition
            .filter(|partition| partition.to_string() == text)
            .ok_or_else(|| Invalid::because("must be a partition: four hexadecimal digits"))
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}", self.0)
    }
}

/// Returns the first 64 bits of the text's SHA-256.
pub(super) fn leading_bits(text: &str) -> u64 {
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().take(8).fold(0, |bits, byte| (bits << 8) | u64::from(*byte))
}
