//! Checks a webhook as the libraries of Standard Webhooks do, part by part.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use posthorn_domain::{Secret, Timestamp};
use serde::Serialize;
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook};

use super::diagnosis::diagnose;
use super::request::Request;

/// How a secret is found, as the end of a message.
pub(super) const WHERE_SECRETS_ARE: &str = "`posthorn endpoints secret ENDPOINT` prints an endpoint's secret";
/// The most seconds between a timestamp and the time of arrival. The libraries have the same.
const TOLERANCE: u64 = 5 * 60;
/// What a signature of Standard Webhooks' symmetric scheme begins with.
const VERSION: &str = "v1,";
/// The number of bytes of an HMAC-SHA256.
const MAC_LENGTH: usize = 32;

/// What was found of a webhook.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) valid: bool,
    pub(super) checks: Vec<Check>,
}

/// What was found of one part.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    /// The part.
    #[serde(rename = "check")]
    pub(super) part: &'static str,
    pub(super) ok: bool,
    pub(super) detail: String,
}

impl Report {
    /// Checks a webhook that arrived at a time; `None` accepts any timestamp.
    pub(super) fn of(request: &Request, secret: &str, arrived: Option<Timestamp>) -> Self {
        let id = header(request, HEADER_WEBHOOK_ID);
        let seconds = header(request, HEADER_WEBHOOK_TIMESTAMP).and_then(seconds);
        let signatures = header(request, HEADER_WEBHOOK_SIGNATURE).and_then(signatures);
        let secret = secret.parse::<Secret>().map_err(|reason| format!("it {reason}. {WHERE_SECRETS_ARE}"));
        let signature = match (&id, &seconds, &signatures, &secret) {
            (Ok(id), Ok(seconds), Ok(signatures), Ok(secret)) => {
                compare(&Claim { id, seconds: *seconds, signatures, request }, secret)
            }
            _ => Err("not checked, because a part that it needs is wrong".to_owned()),
        };
        let checks = vec![
            Check::of(HEADER_WEBHOOK_ID, id.map(str::to_owned)),
            Check::of(HEADER_WEBHOOK_TIMESTAMP, seconds.and_then(|seconds| timely(seconds, arrived))),
            Check::of(HEADER_WEBHOOK_SIGNATURE, signatures.map(|signatures| count(signatures.len()))),
            Check::of("secret", secret.map(|secret| format!("{} bytes", secret.key().len()))),
            Check::of("signature", signature),
        ];
        Self { valid: checks.iter().all(|check| check.ok), checks }
    }

    /// Returns the parts that are wrong.
    pub(super) fn wrong(&self) -> Vec<&'static str> {
        self.checks.iter().filter(|check| !check.ok).map(|check| check.part).collect()
    }
}

impl Check {
    fn of(part: &'static str, found: Result<String, String>) -> Self {
        let ok = found.is_ok();
        Self { part, ok, detail: found.unwrap_or_else(|wrong| wrong) }
    }
}

/// What a webhook says of its signature, and what is signed.
pub(super) struct Claim<'a> {
    pub(super) id: &'a str,
    pub(super) seconds: i64,
    /// One for each secret that signed it, `v1,…`.
    pub(super) signatures: &'a [&'a str],
    pub(super) request: &'a Request,
}

impl Claim<'_> {
    /// Returns the index of the signature that this key makes of this body. `None` if there is no such signature.
    pub(super) fn find(&self, key: &[u8], body: &[u8]) -> Option<usize> {
        // The library's `verify` reads the clock, so `--at` could not use it. This is what it compares with. It fails only
        // for a body that is not UTF-8, which the libraries refuse.
        let expected = Webhook::from_bytes(key.to_vec()).ok()?.sign(self.id, self.seconds, body).ok()?;
        self.signatures.iter().position(|signature| *signature == expected)
    }
}

fn compare(claim: &Claim<'_>, secret: &Secret) -> Result<String, String> {
    match (claim.find(secret.key(), &claim.request.body), claim.signatures.len()) {
        (Some(_), 1) => Ok("it matches".to_owned()),
        (Some(index), number) => Ok(format!("number {} of {number} matches", index + 1)),
        (None, _) => Err(diagnose(claim, secret)),
    }
}

/// Returns a header's value. Of several headers with one name, the first counts, as for the library.
fn header<'a>(request: &'a Request, name: &str) -> Result<&'a str, String> {
    let Some(value) = request.headers.get(name) else {
        // The libraries of Svix read both names, and that of Standard Webhooks only its own.
        let old = name.replacen("webhook", "svix", 1);
        return Err(if request.headers.contains_key(&old) {
            format!(
                "the header is missing. {old} does not count: Posthorn sends {name}, as Standard Webhooks specifies"
            )
        } else {
            "the header is missing".to_owned()
        });
    };
    value.to_str().map_err(|_| "it must be ASCII".to_owned())
}

fn seconds(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| format!("it must be a number of seconds, not {text:?}"))
}

/// Checks that a webhook arrived within 5 minutes of its timestamp.
fn timely(seconds: i64, arrived: Option<Timestamp>) -> Result<String, String> {
    let at = Timestamp::from_millis(seconds.saturating_mul(1_000));
    let Some(arrived) = arrived else {
        return Ok(format!("{at}, and any time is accepted"));
    };
    if arrived.as_seconds().abs_diff(seconds) <= TOLERANCE {
        return Ok(at.to_string());
    }
    let (side, advice) = if seconds < arrived.as_seconds() {
        ("before", "If the webhook arrived earlier, use --at TIME or --ignore-time")
    } else {
        ("after", "A clock may be wrong: the sender's, or that of this machine")
    };
    Err(format!("{at} is more than 5 minutes {side} {arrived}. {advice}"))
}

/// Returns the complete signatures in a header. Others do not count, as for the libraries.
fn signatures(header: &str) -> Result<Vec<&str>, String> {
    let is_complete = |entry: &&str| {
        let mac = entry.strip_prefix(VERSION).and_then(|encoded| STANDARD.decode(encoded).ok());
        mac.is_some_and(|mac| mac.len() == MAC_LENGTH)
    };
    let complete: Vec<_> = header.split(' ').filter(is_complete).collect();
    if !complete.is_empty() {
        return Ok(complete);
    }
    Err(if header.split(' ').any(|entry| entry.starts_with(VERSION)) {
        format!("after {VERSION} must be the base64 of {MAC_LENGTH} bytes: the header was cut or changed")
    } else {
        format!("it must have {VERSION} and the base64 of {MAC_LENGTH} bytes")
    })
}

fn count(signatures: usize) -> String {
    if signatures == 1 { "1 signature".to_owned() } else { format!("{signatures} signatures") }
}

#[cfg(test)]
pub(super) mod tests {
    use posthorn_domain::Clock as _;
    use posthorn_runtime::SystemClock;
    use reqwest::header::HeaderValue;
    use serde_json::json;

    use super::*;

    pub(in super::super) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const BODY: &str = r#"{"name":"Zoë"}"#;

    /// Returns a webhook with these signatures.
    pub(in super::super) fn webhook(seconds: i64, signatures: &str, body: &[u8]) -> Request {
        let head =
            format!("webhook-id: evt_1\nwebhook-timestamp: {seconds}\nwebhook-signature: {signatures}\n\n");
        Request::parse(&[head.as_bytes(), body].concat()).unwrap()
    }

    fn sign(secret: &str, seconds: i64) -> String {
        Webhook::new(secret).unwrap().sign("evt_1", seconds, BODY.as_bytes()).unwrap()
    }

    fn now() -> Timestamp {
        "2026-11-24T10:00:00.900Z".parse().unwrap()
    }

    /// Asserts which parts of a webhook are wrong, and what is said of one of them.
    fn check(request: &Request, secret: &str, wrong: &[&str], about: &str, detail: &str) {
        let report = Report::of(request, secret, Some(now()));
        assert_eq!(report.wrong(), wrong, "{report:?}");
        assert_eq!(report.valid, wrong.is_empty());
        let found = report.checks.iter().find(|check| check.part == about).unwrap();
        assert!(found.detail.contains(detail), "{found:?}");
    }

    #[test]
    fn a_webhook_is_valid_if_one_signature_matches() {
        let (at, body) = (now().as_seconds(), BODY.as_bytes());
        let (first, second) = (sign(OTHER, at), sign(SECRET, at));
        check(&webhook(at, &second, body), SECRET, &[], "signature", "it matches");
        let both = webhook(at, &format!("{first} v1a,x {second}"), body);
        check(&both, SECRET, &[], "signature", "number 2 of 2 matches");
        check(&webhook(at, &first, body), SECRET, &["signature"], "signature", "another endpoint's");
        check(&webhook(at, &second, b"{}"), SECRET, &["signature"], "signature", "another endpoint's");
    }

    #[test]
    fn a_timestamp_may_be_five_minutes_from_the_arrival() {
        let check_distance = |distance: i64, wrong: &[&str], detail: &str| {
            let at = now().as_seconds() + distance;
            check(
                &webhook(at, &sign(SECRET, at), BODY.as_bytes()),
                SECRET,
                wrong,
                HEADER_WEBHOOK_TIMESTAMP,
                detail,
            );
        };
        check_distance(0, &[], "2026-11-24T10:00:00.000Z");
        check_distance(-300, &[], "2026-11-24T09:55:00.000Z");
        check_distance(300, &[], "2026-11-24T10:05:00.000Z");
        check_distance(
            -301,
            &[HEADER_WEBHOOK_TIMESTAMP],
            "more than 5 minutes before 2026-11-24T10:00:00.900Z",
        );
        check_distance(301, &[HEADER_WEBHOOK_TIMESTAMP], "more than 5 minutes after");
        check_distance(
            i64::MAX - now().as_seconds(),
            &[HEADER_WEBHOOK_TIMESTAMP],
            "more than 5 minutes after",
        );
        let old = webhook(1, &sign(SECRET, 1), BODY.as_bytes());
        assert!(Report::of(&old, SECRET, None).valid);
    }

    #[test]
    fn each_part_is_checked() {
        let at = now().as_seconds();
        let check_part = |name: &'static str, value: Option<&str>, detail: &str| {
            let mut request = webhook(at, &sign(SECRET, at), BODY.as_bytes());
            request.headers.remove(name);
            if let Some(value) = value {
                request.headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            check(&request, SECRET, &[name, "signature"], name, detail);
            check(&request, SECRET, &[name, "signature"], "signature", "not checked");
        };
        check_part(HEADER_WEBHOOK_ID, None, "is missing");
        check_part(HEADER_WEBHOOK_ID, Some("é"), "must be ASCII");
        check_part(HEADER_WEBHOOK_TIMESTAMP, None, "is missing");
        check_part(HEADER_WEBHOOK_TIMESTAMP, Some("2026-11-24"), r#"a number of seconds, not "2026-11-24""#);
        check_part(HEADER_WEBHOOK_SIGNATURE, None, "is missing");
        check_part(HEADER_WEBHOOK_SIGNATURE, Some("v1,c2hvcnQ="), "was cut or changed");
        check_part(HEADER_WEBHOOK_SIGNATURE, Some("v1=abc"), "must have v1,");
    }

    #[test]
    fn the_headers_of_svix_are_not_those_of_posthorn() {
        let request = Request::parse(b"svix-id: evt_1\nwebhook-timestamp: 1\n\n{}").unwrap();
        let wrong = [HEADER_WEBHOOK_ID, HEADER_WEBHOOK_TIMESTAMP, HEADER_WEBHOOK_SIGNATURE, "signature"];
        check(&request, SECRET, &wrong, HEADER_WEBHOOK_ID, "svix-id does not count");
    }

    #[test]
    fn a_secret_is_never_shown() {
        let at = now().as_seconds();
        let request = webhook(at, &sign(SECRET, at), BODY.as_bytes());
        for secret in ["", "sk_test_1", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_!"] {
            check(
                &request,
                secret,
                &["secret", "signature"],
                "secret",
                "must be whsec_ and the base64 of 24",
            );
            let printed = format!("{:?}", Report::of(&request, secret, None));
            assert!(secret.is_empty() || !printed.contains(secret), "{printed}");
        }
    }

    #[test]
    fn the_verdict_is_that_of_the_library() {
        let at = SystemClock.now().as_seconds();
        let (right, other) = (sign(SECRET, at), sign(OTHER, at));
        let requests = [
            webhook(at, &right, BODY.as_bytes()),
            webhook(at, &format!("{other} {right}"), BODY.as_bytes()),
            webhook(at, &other, BODY.as_bytes()),
            webhook(at, &right, b"{}"),
            webhook(at, &right, b"\xff"),
            webhook(at + 1, &right, BODY.as_bytes()),
            webhook(at - 3_600, &sign(SECRET, at - 3_600), BODY.as_bytes()),
            webhook(at, &right[..20], BODY.as_bytes()),
            webhook(at, &right.replace("v1,", "v2,"), BODY.as_bytes()),
            webhook(at, &right.replace("v1,", "v1,v1,"), BODY.as_bytes()),
            webhook(at, "", BODY.as_bytes()),
        ];
        for request in requests {
            let theirs = Webhook::new(SECRET).unwrap().verify(&request.body, &request.headers);
            let ours = Report::of(&request, SECRET, Some(SystemClock.now()));
            assert_eq!(ours.valid, theirs.is_ok(), "{ours:?} {theirs:?}");
        }
    }

    #[test]
    fn a_report_is_json() {
        let request = webhook(1, &sign(SECRET, 1), BODY.as_bytes());
        let report = serde_json::to_value(Report::of(&request, SECRET, None)).unwrap();
        let time = "1970-01-01T00:00:01.000Z, and any time is accepted";
        let checks = json!([
            { "check": "webhook-id", "ok": true, "detail": "evt_1" },
            { "check": "webhook-timestamp", "ok": true, "detail": time },
            { "check": "webhook-signature", "ok": true, "detail": "1 signature" },
            { "check": "secret", "ok": true, "detail": "24 bytes" },
            { "check": "signature", "ok": true, "detail": "it matches" },
        ]);
        assert_eq!(report, json!({ "valid": true, "checks": checks }));
    }
}
