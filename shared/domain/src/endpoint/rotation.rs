//! Replacing an endpoint's secret.

use std::time::Duration;

use crate::endpoint::Endpoint;
use crate::endpoint::secret::Secret;
use crate::json::{Fields, Flag, InvalidField};
use crate::random::Random;
use crate::time::Timestamp;

/// A replaced secret, which signs beside the new one for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetiredSecret {
    /// The replaced secret.
    pub secret: Secret,
    /// When it stops signing.
    pub until: Timestamp,
}

/// A request to replace an endpoint's secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRotation {
    secret: Secret,
    expire_now: bool,
}

/// Why a secret was not replaced. Prints as a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RotationRefused {
    /// The new secret is the current one.
    #[error("is already the secret of this endpoint. Leave it out to get a new one.")]
    SameSecret,
    /// Too many replaced secrets still sign.
    #[error(
        "{} replaced secrets of this endpoint still sign, which is the limit. Wait until one of them expires, or send \
         `expire_now` to expire all of them now.",
        SecretRotation::MAX_RETIRED
    )]
    TooManyRetired,
}

impl SecretRotation {
    /// How long a replaced secret signs beside the new one.
    pub const OVERLAP: Duration = Duration::from_hours(24);
    /// The most replaced secrets that sign at the same time.
    pub const MAX_RETIRED: usize = 5;

    /// Reads a request's fields, all optional: the new `secret` (a random one if not given), and `expire_now`, which
    /// ends the old ones at once.
    pub fn read(fields: &mut Fields<'_>, random: &dyn Random) -> Result<Self, InvalidField> {
        let Flag(expire_now) = fields.optional("expire_now")?.unwrap_or_default();
        let secret = fields.optional("secret")?;
        Ok(Self { secret: secret.unwrap_or_else(|| Secret::new(random)), expire_now })
    }

    /// Returns the endpoint after its secret was replaced `now`. The old one signs for 24 more hours, unless
    /// `expire_now` is set.
    pub fn apply(&self, mut endpoint: Endpoint, now: Timestamp) -> Result<Endpoint, RotationRefused> {
        if self.secret == endpoint.secret {
            return Err(RotationRefused::SameSecret);
        }
        let old = std::mem::replace(&mut endpoint.secret, self.secret.clone());
        if self.expire_now {
            endpoint.retired_secrets.clear();
        } else {
            endpoint.retired_secrets.retain(|retired| retired.until > now && retired.secret != self.secret);
            if endpoint.retired_secrets.len() >= Self::MAX_RETIRED {
                return Err(RotationRefused::TooManyRetired);
            }
            endpoint.retired_secrets.push(RetiredSecret { secret: old, until: now.plus(Self::OVERLAP) });
        }
        endpoint.updated_at = now;
        Ok(endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Same, registered};

    const HOUR: Duration = Duration::from_hours(1);
    const START: i64 = 1_795_514_400_000;

    fn start() -> Timestamp {
        Timestamp::from_millis(START)
    }

    fn secret(byte: u8) -> Secret {
        Secret::new(&Same::byte(byte))
    }

    /// An endpoint with the secret 0.
    fn endpoint() -> Endpoint {
        registered(r#"{"url": "https://a.example", "enabled_events": ["*"]}"#, start())
    }

    /// Replaces the secret by the one made of this byte.
    fn rotate(endpoint: Endpoint, byte: u8, now: Timestamp) -> Result<Endpoint, RotationRefused> {
        SecretRotation { secret: secret(byte), expire_now: false }.apply(endpoint, now)
    }

    fn signing(endpoint: &Endpoint, at: Timestamp) -> Vec<Secret> {
        endpoint.signing_secrets(at).cloned().collect()
    }

    #[test]
    fn an_old_secret_signs_for_a_day_beside_the_new_one() {
        let endpoint = rotate(endpoint(), 1, start()).unwrap();
        assert_eq!(signing(&endpoint, start()), [secret(1), secret(0)]);
        assert_eq!(signing(&endpoint, start().plus(23 * HOUR)), [secret(1), secret(0)]);
        assert_eq!(signing(&endpoint, start().plus(24 * HOUR)), [secret(1)]);
        let later = rotate(endpoint, 2, start().plus(24 * HOUR)).unwrap();
        assert_eq!(later.retired_secrets.len(), 1, "the expired one is forgotten");
    }

    #[test]
    fn the_old_secrets_end_at_once_where_that_is_asked_for() {
        let endpoint = rotate(endpoint(), 1, start()).unwrap();
        let leaked = SecretRotation { secret: secret(2), expire_now: true };
        assert_eq!(signing(&leaked.apply(endpoint, start()).unwrap(), start()), [secret(2)]);
    }

    #[test]
    fn five_old_secrets_sign_at_most() {
        let five = (1..=5).try_fold(endpoint(), |endpoint, byte| rotate(endpoint, byte, start())).unwrap();
        assert_eq!(signing(&five, start()).len(), 6);
        assert_eq!(rotate(five.clone(), 6, start()), Err(RotationRefused::TooManyRetired));
        assert!(rotate(five.clone(), 6, start().plus(24 * HOUR)).is_ok());
        assert!(SecretRotation { secret: secret(6), expire_now: true }.apply(five, start()).is_ok());
    }

    #[test]
    fn a_secret_that_comes_back_signs_once_and_the_one_in_use_is_refused() {
        let back = rotate(rotate(endpoint(), 1, start()).unwrap(), 0, start()).unwrap();
        assert_eq!(signing(&back, start()), [secret(0), secret(1)]);
        assert_eq!(rotate(back, 0, start()), Err(RotationRefused::SameSecret));
    }

    #[test]
    fn a_rotation_reads_from_its_fields_and_needs_none() {
        let read = |json: &str| SecretRotation::read(&mut Fields::parse(json).unwrap(), &Same::byte(7));
        assert_eq!(read("{}").unwrap(), SecretRotation { secret: secret(7), expire_now: false });
        let own = format!(r#"{{"secret": "{}", "expire_now": true}}"#, secret(9).reveal());
        assert_eq!(read(&own).unwrap(), SecretRotation { secret: secret(9), expire_now: true });
        let check = |json: &str, sentence: &str| assert_eq!(read(json).unwrap_err().to_string(), sentence);
        check(r#"{"expire_now": "yes"}"#, "`expire_now` must be true or false");
        check(r#"{"secret": "mine"}"#, "`secret` must be whsec_ and the base64 of 24 to 64 bytes");
    }
}
