//! Signs a delivery as PaymentKit's components sign their calls, version 1: for receivers behind `verifySig` of `@blocklet/sdk`.

use http::{HeaderMap, HeaderName, HeaderValue};
use posthorn_domain::{ComponentSecret, Did, PublicKey, Timestamp, delivery_digest};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use tracing::warn;
use url::Url;

/// How long a signature is good, in seconds: as long as the SDK's own.
const GOOD_FOR: i64 = 300;

/// Adds the signature's headers. They are left out, with a line in the log, if the request cannot be signed: because of the
/// URL's query, which a client is told when it registers the endpoint, or because the name of a field is not Unicode.
pub(super) fn sign(headers: &mut HeaderMap, secret: &ComponentSecret, url: &Url, at: Timestamp, body: &[u8]) {
    let pair = Ed25519KeyPair::from_seed_unchecked(secret.seed()).expect("every seed of 32 bytes is one");
    let public_key = <[u8; 32]>::try_from(pair.public_key().as_ref()).expect("a public key has 32 bytes");
    let issued_at = at.as_seconds();
    let expires_at = issued_at + GOOD_FOR;
    let digest = match delivery_digest(url, body, issued_at, expires_at) {
        Ok(digest) => digest,
        Err(reason) => return warn!(reason, "a delivery is sent without the signature of its component"),
    };
    let fields = [
        ("x-component-did", Did::of(&PublicKey::from(public_key)).to_string()),
        ("x-component-sig", format!("0x{}", hex::encode(pair.sign(&digest)))),
        ("x-component-sig-iat", issued_at.to_string()),
        ("x-component-sig-exp", expires_at.to_string()),
        ("x-component-sig-version", "1".to_owned()),
    ];
    for (name, text) in fields {
        let value = HeaderValue::try_from(text).expect("letters and digits are visible ASCII");
        headers.insert(HeaderName::from_static(name), value);
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// Deliveries that the `verifySig` of the unmodified SDK has accepted.
    const RECORDED: &str = include_str!("testdata/component-deliveries.json");

    #[derive(Deserialize)]
    struct Recorded {
        secret_key: String,
        deliveries: Vec<Delivery>,
    }

    #[derive(Deserialize)]
    struct Delivery {
        name: String,
        url: String,
        issued_at: i64,
        signature: String,
        body: String,
    }

    #[test]
    fn a_delivery_has_the_signature_that_the_sdk_accepts() {
        let recorded: Recorded = serde_json::from_str(RECORDED).unwrap();
        assert!(recorded.deliveries.len() >= 3);
        for Delivery { name, url, issued_at, signature, body } in recorded.deliveries {
            let mut headers = HeaderMap::new();
            let at = Timestamp::from_millis(1_000 * issued_at);
            let secret = recorded.secret_key.parse().unwrap();
            sign(&mut headers, &secret, &url.parse().unwrap(), at, body.as_bytes());
            assert_eq!(headers["x-component-sig"], signature, "{name}");
            assert_eq!(headers["x-component-sig-exp"], (issued_at + 300).to_string());
        }
    }
}
