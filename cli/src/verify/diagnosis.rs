//! Says why no signature matches: tries the faults that are usual.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use posthorn_domain::Secret;
use serde::de::IgnoredAny;

use super::check::{Claim, WHERE_SECRETS_ARE};
use super::request::{BOM, Request, without_newline};

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// Decodes base64 as tolerant libraries do.
const TOLERANT: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, NO_PAD.with_decode_allow_trailing_bits(true));

/// What may have been signed, or signed with, and what went wrong then.
type Guess = (Vec<u8>, &'static str);

/// Returns why no signature of a webhook matches, as far as that can be told.
pub(super) fn diagnose(claim: &Claim<'_>, secret: &Secret) -> String {
    let body = || {
        let mut guesses = bodies(&claim.request.body).into_iter();
        guesses.find(|(body, _)| claim.find(secret.key(), body).is_some())
    };
    let key = || {
        let mut guesses = keys(&secret.reveal()).into_iter();
        guesses.find(|(key, _)| claim.find(key, &claim.request.body).is_some())
    };
    let reason = body().or_else(key).map(|(_, reason)| reason.to_owned());
    format!("no signature matches. {}", reason.unwrap_or_else(|| unknown(claim.request)))
}

/// Returns what is known if no guess is right.
fn unknown(request: &Request) -> String {
    let length = request.body.len();
    if length == 0 {
        return "The request has no body: it comes after the headers and an empty line".to_owned();
    }
    if let Some(sent) = request.content_length().filter(|sent| *sent != length) {
        return format!("The body has {length} bytes, but content-length is {sent}: it was cut or changed");
    }
    if str::from_utf8(&request.body).is_err() {
        return "The body is not UTF-8, but Posthorn sends only UTF-8: it was changed on the way".to_owned();
    }
    format!(
        "Either the secret is another endpoint's, or the body, webhook-id or webhook-timestamp was changed on the way. \
         {WHERE_SECRETS_ARE}"
    )
}

/// Returns what the body may have been when it was signed.
fn bodies(body: &[u8]) -> Vec<Guess> {
    let newline_lost = "One does if the body ends with a newline: an editor or a program removed it";
    let without_bom = body.strip_prefix(BOM).unwrap_or(body);
    let mut guesses = vec![
        (
            without_newline(body).to_vec(),
            "One does without the newline at the end of the body: an editor or a program added it",
        ),
        ([body, b"\n"].concat(), newline_lost),
        ([body, b"\r\n"].concat(), newline_lost),
        (
            without_carriage_returns(body),
            "One does if the lines of the body end with LF: an editor, Git or a program changed them to CRLF",
        ),
        (
            without_bom.to_vec(),
            "One does without the byte order mark before the body: an editor or a program added it",
        ),
    ];
    let rewritten = "One does if the JSON is written compactly: a program parsed the body and wrote it again, as some \
                     frameworks do. Verify the bytes of the body as they arrived";
    let compact = compact(without_bom).into_iter().flatten();
    guesses.extend(compact.map(|json| (json.into_bytes(), rewritten)));
    guesses
}

/// Returns a text with LF in place of CRLF.
fn without_carriage_returns(text: &[u8]) -> Vec<u8> {
    let is_kept = |index: usize| !text[index..].starts_with(b"\r\n");
    (0..text.len()).filter(|index| is_kept(*index)).map(|index| text[index]).collect()
}

/// Returns JSON without whitespace between its parts: once with its strings as they are, and once with no needless escapes,
/// which Python and PHP write. Numbers and the order of fields stay. `None` if it is no JSON.
fn compact(json: &[u8]) -> Option<[String; 2]> {
    let mut rest = str::from_utf8(json).ok()?;
    serde_json::from_str::<IgnoredAny>(rest).ok()?;
    let (mut same, mut unescaped) = (String::new(), String::new());
    while let Some(start) = rest.find('"') {
        let (between, strings) = rest.split_at(start);
        let mut reader = serde_json::Deserializer::from_str(strings).into_iter::<String>();
        let string = serde_json::to_string(&reader.next()?.ok()?).ok()?;
        let (as_it_is, after) = strings.split_at(reader.byte_offset());
        for (text, string) in [(&mut same, as_it_is), (&mut unescaped, string.as_str())] {
            text.extend(between.split_ascii_whitespace());
            text.push_str(string);
        }
        rest = after;
    }
    for text in [&mut same, &mut unescaped] {
        text.extend(rest.split_ascii_whitespace());
    }
    Some([same, unescaped])
}

/// Returns the keys that senders make of a secret by mistake. Posthorn makes no such mistake, but tests of a receiver may.
fn keys(secret: &str) -> Vec<Guess> {
    let encoded = secret.strip_prefix(PREFIX).unwrap_or(secret);
    let prefix_decoded =
        "One does if whsec_ is decoded with the rest of the secret: the sender must remove it first";
    vec![
        (
            encoded.into(),
            "One does if the key is the text after whsec_: the sender must decode it from base64",
        ),
        (
            secret.into(),
            "One does if the key is the text of the secret: the sender must remove whsec_, and decode the rest from base64",
        ),
        // Python and PHP skip the underscore, which is not of the alphabet. Node.js reads it as URL-safe base64 does.
        (decode_tolerantly(&secret.replace('_', "")), prefix_decoded),
        (decode_tolerantly(&secret.replace('_', "/")), prefix_decoded),
    ]
}

/// Decodes base64. Drops what is left over at the end.
fn decode_tolerantly(text: &str) -> Vec<u8> {
    let text = text.trim_end_matches('=');
    // A single character is less than a byte.
    let whole = if text.len() % 4 == 1 { text.len() - 1 } else { text.len() };
    TOLERANT.decode(&text[..whole]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use standardwebhooks::Webhook;

    use super::super::check::Report;
    use super::super::check::tests::{SECRET, webhook};
    use super::*;

    /// Asserts what is said if one body was signed, with one key, and another body arrived.
    fn check_with(key: &[u8], sent: &str, arrived: &[u8], reason: &str) {
        let signature = Webhook::from_bytes(key.to_vec()).unwrap().sign("evt_1", 1, sent.as_bytes()).unwrap();
        let report = Report::of(&webhook(1, &signature, arrived), SECRET, None);
        let found = report.checks.last().unwrap();
        assert!(!found.ok && found.detail.contains(reason), "{found:?}");
    }

    fn check(sent: &str, arrived: &str, reason: &str) {
        check_with(SECRET.parse::<Secret>().unwrap().key(), sent, arrived.as_bytes(), reason);
    }

    #[test]
    fn changes_of_the_body_are_told() {
        check("{}", "{}\n", "without the newline");
        check("{}", "{}\r\n", "without the newline");
        check("{}\n", "{}", "if the body ends with a newline");
        check("{}\r\n", "{}", "if the body ends with a newline");
        check("{\n\r}\n", "{\r\n\r}\r\n", "end with LF");
        check("{}", "\u{feff}{}", "byte order mark");
    }

    #[test]
    fn json_that_was_written_again_is_told() {
        let compactly = "if the JSON is written compactly";
        check(r#"{"a":[1.0,1e3],"b":"c d"}"#, "{\n  \"a\": [1.0, 1e3],\n  \"b\": \"c d\"\n}\n", compactly);
        check(r#"{"name":"Zoë \" 😀"}"#, r#"{"name": "Zo\u00eb \" \ud83d\ude00"}"#, compactly);
        check(r#"{"url":"https://a.test"}"#, r#"{"url":"https:\/\/a.test"}"#, compactly);
        check(r#"{"url":"https:\/\/a.test"}"#, r#"{ "url": "https:\/\/a.test" }"#, compactly);
        check(r#"{"a":1}"#, "\u{feff}{ \"a\": 1 }", compactly);
        assert_eq!(compact(b"{\"a\": \"\\ud800\"}"), None);
        assert_eq!(compact(b"{\"a\": "), None);
    }

    #[test]
    fn mistakes_of_the_sender_are_told() {
        let check_key = |key: &[u8], reason: &str| check_with(key, "{}", b"{}", reason);
        check_key(b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "the text after whsec_");
        check_key(SECRET.as_bytes(), "the text of the secret");
        for encoded in ["whsecMfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "whsec/MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            check_key(&TOLERANT.decode(encoded).unwrap(), "if whsec_ is decoded");
        }
    }

    #[test]
    fn tolerant_libraries_decode_a_secret_of_32_bytes_with_its_prefix() {
        let encoded = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";
        assert_eq!(decode_tolerantly(&format!("whsec{encoded}")).len(), 36);
        assert_eq!(decode_tolerantly(&format!("whsec/{encoded}")).len(), 36);
    }

    #[test]
    fn what_no_guess_explains_has_two_explanations() {
        check("{}", r#"{"a":1}"#, "Either the secret is another endpoint's, or the body");
        check("{}", "", "has no body");
        check_with(SECRET.parse::<Secret>().unwrap().key(), "é", b"\xe9", "is not UTF-8");
        let signature = Webhook::new(SECRET).unwrap().sign("evt_1", 1, b"{}").unwrap();
        let cut = webhook(1, &format!("{signature}\ncontent-length: 9"), b"{\"a\":1}");
        let report = Report::of(&cut, SECRET, None);
        assert!(report.checks[4].detail.contains("has 7 bytes, but content-length is 9"), "{report:?}");
    }
}
