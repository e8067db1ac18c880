//! Signing secrets.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::invalid::Invalid;
use crate::random::Random;

/// An endpoint's signing secret: `whsec_` and the base64 of 24 to 64 bytes
/// ([Standard Webhooks, "Signature scheme"](https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md)).
/// `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    const PREFIX: &str = "whsec_";
    /// The number of bytes of a new secret.
    const NEW_LENGTH: usize = 32;

    /// Returns a new secret of 32 random bytes.
    pub fn new(random: &dyn Random) -> Self {
        let mut key = vec![0; Self::NEW_LENGTH];
        random.fill(&mut key);
        Self(key)
    }

    /// Returns the key of the HMAC.
    pub fn key(&self) -> &[u8] {
        &self.0
    }

    /// Returns the secret as text, `whsec_…`. It must never reach a log.
    pub fn reveal(&self) -> String {
        format!("{}{}", Self::PREFIX, STANDARD.encode(&self.0))
    }
}

impl FromStr for Secret {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.strip_prefix(Self::PREFIX)
            .and_then(|encoded| STANDARD.decode(encoded).ok())
            .filter(|key| (24..=64).contains(&key.len()))
            .map(Self)
            .ok_or_else(|| Invalid::because("must be whsec_ and the base64 of 24 to 64 bytes"))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("whsec_…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_reads_back_and_never_shows_itself() {
        let text = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let secret: Secret = text.parse().unwrap();
        assert_eq!(secret.reveal(), text);
        assert_eq!(format!("{secret:?}"), "whsec_…");
    }

    #[test]
    fn malformed_secrets_are_refused() {
        for text in ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!!"] {
            assert!(text.parse::<Secret>().is_err(), "{text}");
        }
        assert!(format!("whsec_{}", STANDARD.encode([7; 65])).parse::<Secret>().is_err());
    }
}
