//! The signatures of PaymentKit's components, version 1: Ed25519 over the SHA3-256 of the request in canonical JSON, as
//! `@blocklet/sdk` makes them.

use posthorn_domain::{ComponentCall, Numbers, PublicKey};
use ring::signature::{ED25519, UnparsedPublicKey};

/// The longest time from a signature to its end, in seconds. The SDK's signatures end after 300.
const LONGEST: i64 = 300;
/// How far ahead of ours a client's clock may be, in seconds.
const SKEW: i64 = 60;

/// A request as it was signed.
#[derive(Debug)]
pub(crate) struct SignedRequest<'r> {
    /// In any case.
    pub(crate) method: &'r str,
    /// As the client sent it, without the query.
    pub(crate) path: &'r str,
    /// The query's parameters in their order, decoded.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: &'r [u8],
    pub(crate) headers: SignatureHeaders<'r>,
}

/// The headers of a signature.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SignatureHeaders<'r> {
    pub(crate) signature: &'r str,
    pub(crate) issued_at: &'r str,
    pub(crate) expires_at: &'r str,
    pub(crate) version: &'r str,
}

/// A request whose signature is well-formed and in time. Only a key can tell whether it is genuine.
pub(crate) struct Claim {
    digest: [u8; 32],
    signature: Vec<u8>,
}

impl Claim {
    /// Checks everything but the key. `now` is in seconds. The error is a sentence for the client.
    pub(crate) fn read(request: &SignedRequest<'_>, now: i64) -> Result<Self, String> {
        let SignatureHeaders { signature, issued_at, expires_at, version } = request.headers;
        if version != "1" {
            return Err(format!("Only version 1 of component signatures is supported, not {version:?}."));
        }
        let seconds = |header: &str, text: &str| {
            let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let number =
                text.parse::<i64>().ok().filter(|_| is_plain && (text == "0" || !text.starts_with('0')));
            number.ok_or_else(|| format!("The header `{header}` must be a time in whole seconds."))
        };
        let (iat, exp) =
            (seconds("x-component-sig-iat", issued_at)?, seconds("x-component-sig-exp", expires_at)?);
        if exp < now {
            return Err(format!("The component signature expired at {exp}. It is {now} now."));
        }
        if iat > now.saturating_add(SKEW) {
            return Err(format!(
                "The component signature was issued at {iat}, but it is only {now} now. Set the clock."
            ));
        }
        if exp.saturating_sub(iat) > LONGEST {
            return Err(format!("A component signature may be valid for at most {LONGEST} seconds."));
        }
        let hex = signature.strip_prefix("0x").and_then(|digits| hex::decode(digits).ok());
        let signature = hex.filter(|bytes| bytes.len() == 64);
        let signature =
            signature.ok_or("The header `x-component-sig` must be 0x and 128 hexadecimal digits.")?;
        let digest = request.call(iat, exp).digest(Numbers::AsTheyAre)?;
        Ok(Self { digest, signature })
    }

    /// Returns whether this key signed the request.
    pub(crate) fn is_by(&self, key: &PublicKey) -> bool {
        UnparsedPublicKey::new(&ED25519, key.as_bytes()).verify(&self.digest, &self.signature).is_ok()
    }
}

impl SignedRequest<'_> {
    fn call(&self, issued_at: i64, expires_at: i64) -> ComponentCall<'_> {
        let Self { method, path, query, body, .. } = self;
        ComponentCall { method, path, query, body, issued_at, expires_at }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use sha3::{Digest as _, Sha3_256};
    use url::form_urlencoded;

    use super::*;

    /// Requests that PaymentKit's unmodified SDK made, and altered ones.
    const RECORDED: &str = include_str!("testdata/component-signatures.json");

    #[derive(Deserialize)]
    struct Recorded {
        public_keys: BTreeMap<String, String>,
        requests: Vec<RecordedRequest>,
    }

    #[derive(Deserialize)]
    struct RecordedRequest {
        id: String,
        public_key: String,
        now: i64,
        method: String,
        path: String,
        query: String,
        signature: String,
        iat: String,
        exp: String,
        body: String,
        canonical: Option<String>,
        is_genuine: bool,
    }

    impl RecordedRequest {
        fn signed(&self) -> SignedRequest<'_> {
            SignedRequest {
                method: &self.method,
                path: &self.path,
                query: form_urlencoded::parse(self.query.as_bytes()).into_owned().collect(),
                body: self.body.as_bytes(),
                headers: SignatureHeaders {
                    signature: &self.signature,
                    issued_at: &self.iat,
                    expires_at: &self.exp,
                    version: "1",
                },
            }
        }
    }

    fn recorded() -> Recorded {
        serde_json::from_str(RECORDED).unwrap()
    }

    #[test]
    fn what_the_sdk_signed_is_genuine_and_what_was_altered_is_not() {
        let recorded = recorded();
        assert!(recorded.requests.len() > 15);
        for request in &recorded.requests {
            let signed = request.signed();
            if let Some(canonical) = &request.canonical {
                let (iat, exp) = (request.iat.parse().unwrap(), request.exp.parse().unwrap());
                let digest = signed.call(iat, exp).digest(Numbers::AsTheyAre).unwrap();
                assert_eq!(digest, <[u8; 32]>::from(Sha3_256::digest(canonical)), "{}", request.id);
            }
            let key: PublicKey = recorded.public_keys[&request.public_key].parse().unwrap();
            let is_genuine = Claim::read(&signed, request.now).is_ok_and(|claim| claim.is_by(&key));
            assert_eq!(is_genuine, request.is_genuine, "{}", request.id);
        }
    }

    #[test]
    fn a_signature_is_good_for_five_minutes_from_a_clock_that_is_at_most_one_minute_ahead() {
        let mut recorded = recorded();
        let request = recorded.requests.remove(0);
        let refusal = |iat: &str, exp: &str, version: &str, now: i64| {
            let headers =
                SignatureHeaders { signature: &request.signature, issued_at: iat, expires_at: exp, version };
            Claim::read(&SignedRequest { headers, ..request.signed() }, now).err().unwrap_or_default()
        };
        assert_eq!(refusal("1000", "1300", "1", 1_000), "");
        assert_eq!(refusal("1000", "1300", "1", 1_300), "");
        assert_eq!(refusal("1060", "1360", "1", 1_000), "");
        assert!(refusal("1000", "1300", "1", 1_301).contains("expired at 1300"));
        assert!(refusal("1061", "1361", "1", 1_000).contains("Set the clock"));
        assert!(refusal("1000", "1301", "1", 1_000).contains("at most 300 seconds"));
        assert!(refusal("1000", "1300", "0", 1_000).contains("version 1"));
        for odd in ["", "1e3", "+1000", "01000", "1000.0", " 1000"] {
            assert!(refusal(odd, "1300", "1", 1_000).contains("x-component-sig-iat"), "{odd}");
        }
    }
}
