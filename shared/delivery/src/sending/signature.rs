//! Signatures as Standard Webhooks defines them:
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use posthorn_domain::{EventId, Secret, Timestamp};
use sha2::Sha256;

/// Returns the value of `webhook-signature`: `v1,` and the base64 of the HMAC-SHA256 of `{id}.{timestamp}.{body}`, once
/// per secret, separated by spaces. The timestamp is in whole seconds.
pub fn sign<'a>(
    secrets: impl IntoIterator<Item = &'a Secret>,
    id: EventId,
    timestamp: Timestamp,
    body: &[u8],
) -> String {
    let head = format!("{id}.{}.", timestamp.as_seconds());
    let signature = |secret: &Secret| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.key()).expect("HMAC takes keys of any length");
        mac.update(head.as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    };
    secrets.into_iter().map(signature).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use standardwebhooks::Webhook;

    use super::*;

    #[test]
    fn signatures_are_those_of_the_official_library() {
        let text = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let id: EventId = "evt_01JDB5G8Z7M4X3W2V1T0S9R8Q7".parse().unwrap();
        let body = "{\"a\": \"é\"}".as_bytes();
        let ours = sign([&text.parse().unwrap()], id, Timestamp::from_millis(1_700_000_000_999), body);
        let theirs = Webhook::new(text).unwrap().sign(&id.to_string(), 1_700_000_000, body).unwrap();
        assert_eq!(ours, theirs);
    }

    #[test]
    fn every_secret_signs() {
        let secrets: [Secret; 2] =
            [1, 2].map(|n| format!("whsec_{}", STANDARD.encode([n; 32])).parse().unwrap());
        let id = "evt_01JDB5G8Z7M4X3W2V1T0S9R8Q7".parse().unwrap();
        let one = |secret| sign([secret], id, Timestamp::from_millis(0), b"{}");
        let both = sign(&secrets, id, Timestamp::from_millis(0), b"{}");
        assert_eq!(both, format!("{} {}", one(&secrets[0]), one(&secrets[1])));
    }
}
