//! Components' keys: PaymentKit's SDK signs its requests with them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha3::{Digest as _, Sha3_256};

use crate::invalid::Invalid;

/// A DID (decentralized identifier) that a component calls itself, without `did:abt:`: 1 to 128 letters and digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Did(String);

impl Did {
    /// The longest DID, in characters.
    pub const MAX_LENGTH: usize = 128;

    /// Returns the DID as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the DID of a key itself, in the role of an application: base58 with a leading `z` of two bytes that say
    /// "application, Ed25519, SHA3", 20 bytes of the key's SHA3-256, and 4 bytes of a checksum.
    pub fn of(key: &PublicKey) -> Self {
        const KIND: [u8; 2] = [0x0c, 0x01];
        let mut bytes = KIND.to_vec();
        bytes.extend_from_slice(&Sha3_256::digest(key.0)[..20]);
        let checksum = Sha3_256::digest(&bytes);
        bytes.extend_from_slice(&checksum[..4]);
        Self(format!("z{}", bs58::encode(bytes).into_string()))
    }
}

impl FromStr for Did {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bare = text.strip_prefix("did:abt:").unwrap_or(text);
        let is_valid =
            (1..=Self::MAX_LENGTH).contains(&bare.len()) && bare.chars().all(|c| c.is_ascii_alphanumeric());
        if is_valid {
            Ok(Self(bare.to_owned()))
        } else {
            Err(Invalid::because(format!("must be 1 to {} letters and digits", Self::MAX_LENGTH)))
        }
    }
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Did {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Did> for String {
    fn from(did: Did) -> Self {
        did.0
    }
}

/// Reads bytes in hexadecimal digits, with or without `0x` before them.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    hex::decode(digits).ok()
}

/// An Ed25519 public key: `0x` and 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Returns its 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for PublicKey {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl FromStr for PublicKey {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bytes = from_hex(text).and_then(|bytes| bytes.try_into().ok());
        let reason = "must be an Ed25519 public key: 0x and 64 hexadecimal digits";
        bytes.map(Self).ok_or_else(|| Invalid::because(reason))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

/// An Ed25519 secret key of a component, which signs deliveries: `0x` and 64 hexadecimal digits, or 128 as ArcBlock's wallets
/// write it, with the public key at the end. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct ComponentSecret([u8; 32]);

impl ComponentSecret {
    /// Returns the seed of the key pair.
    pub fn seed(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the key as text, `0x…`. It must never reach a log.
    pub fn reveal(&self) -> String {
        format!("0x{}", hex::encode(self.0))
    }
}

impl FromStr for ComponentSecret {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bytes = from_hex(text).filter(|bytes| [32, 64].contains(&bytes.len()));
        let seed = bytes.and_then(|bytes| bytes.first_chunk().copied());
        let reason = "must be an Ed25519 secret key: 0x and 64 or 128 hexadecimal digits";
        seed.map(Self).ok_or_else(|| Invalid::because(reason))
    }
}

impl fmt::Debug for ComponentSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x…")
    }
}

/// A public key that is registered for a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentKey {
    /// What the component calls itself.
    pub did: Did,
    /// Its public key.
    pub public_key: PublicKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keys_own_did_is_that_of_the_wallets_of_arcblock() {
        for (key, did) in [
            (
                "0x79b5562e8fe654f94078b112e8a98ba7901f853ae695bed7e0e3910bad049664",
                "zNKhmN1i3zutBkzMHrcSv8onT6CSitbVQhRk",
            ),
            (
                "0xadc14011f82d1c56d956aa4f9d73d8858361a606048525e0d08c638dc75dd8c7",
                "zNKmKqtbZh69i6wnmR6Zb5EWsiK2iJW4jRvP",
            ),
        ] {
            let public_key: PublicKey = key.parse().unwrap();
            assert_eq!(public_key.to_string(), key);
            assert_eq!(Did::of(&public_key).to_string(), did);
            assert_eq!(format!("did:abt:{did}").parse(), Ok(Did::of(&public_key)));
        }
    }

    #[test]
    fn what_is_no_key_or_did_is_refused() {
        for text in ["", "0x", "0x79b5", &"0".repeat(66), "0xzz"] {
            assert!(text.parse::<PublicKey>().is_err(), "{text}");
        }
        for text in ["", "z NK", "z#", &"z".repeat(129)] {
            assert!(text.parse::<Did>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_key_is_a_seed_or_a_seed_and_its_public_key() {
        let seed = "01".repeat(32);
        for text in [format!("0x{seed}"), seed.clone(), format!("0X{seed}{}", "02".repeat(32))] {
            let secret: ComponentSecret = text.parse().unwrap();
            assert_eq!(secret.reveal(), format!("0x{seed}"));
            assert_eq!(format!("{secret:?}"), "0x…");
        }
        for wrong in ["", "0x", "0x01", &"01".repeat(33), &"zz".repeat(32)] {
            assert!(wrong.parse::<ComponentSecret>().is_err(), "{wrong}");
        }
    }
}
