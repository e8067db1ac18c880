//! Reads a request as tools print it: `curl -v`, `nc -l`, or the laptop's `receive`.

use anyhow::{Context as _, Result, ensure};
use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};

/// The byte order mark, which editors on Windows write before UTF-8.
pub(super) const BOM: &[u8] = "\u{feff}".as_bytes();
/// The first line that `receive` prints.
const GREETING: &[u8] = b"The receiver prints every webhook sent to ";
/// What `receive` prints between a body and its verdict.
const VERDICT: &[u8] = b"\n\nsignature: ";
/// How much of a line an error shows.
const SHOWN: usize = 60;

/// A request that may be a webhook.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) headers: HeaderMap,
    /// The bytes that are signed.
    pub(super) body: Vec<u8>,
}

impl Request {
    /// Reads a request: maybe a request line, then headers, an empty line, and the body. The body may be any bytes.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let is_utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
        ensure!(
            !is_utf16,
            "the request is UTF-16, as PowerShell's > writes it. Save its bytes as they arrived"
        );
        let (headers, rest) = head(bytes.strip_prefix(BOM).unwrap_or(bytes))?;
        ensure!(
            !headers.is_empty(),
            "the request has no headers. It must have the headers, an empty line, and then the body"
        );
        let mut request = Self { headers, body: Vec::new() };
        request.body = without_additions(rest, request.content_length()).to_vec();
        Ok(request)
    }

    /// Returns how many bytes the body had when it was sent, if a header says so.
    pub(super) fn content_length(&self) -> Option<usize> {
        self.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }
}

/// Reads the headers. Returns them, and what follows their empty line.
fn head(mut rest: &[u8]) -> Result<(HeaderMap, &[u8])> {
    let (mut headers, mut number, mut has_begun) = (HeaderMap::new(), 0, false);
    while let Some((line, after)) = next_line(rest) {
        (rest, number) = (after, number + 1);
        if line.is_empty() && has_begun {
            break;
        }
        if line.is_empty() || is_comment(line) {
            continue;
        }
        if has_begun || !is_request_line(line) {
            let (name, value) = header(line).with_context(|| {
                let shown: String = String::from_utf8_lossy(line).chars().take(SHOWN).collect();
                format!("line {number} is no header: {shown:?}. Between the headers and the body must be an empty line")
            })?;
            headers.try_append(name, value)?;
        }
        has_begun = true;
    }
    Ok((headers, rest))
}

/// Returns the next line, without the `>` of `curl -v`, and what follows it.
fn next_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if text.is_empty() {
        return None;
    }
    let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
    let line = text[..end].trim_ascii();
    let line = line.strip_prefix(b">").map_or(line, <[u8]>::trim_ascii_start);
    Some((line, text.get(end + 1..).unwrap_or_default()))
}

/// Returns whether a line is what a tool says, and not what was sent: `curl -v` begins such lines with `*`.
fn is_comment(line: &[u8]) -> bool {
    line.starts_with(b"* ") || line.starts_with(GREETING)
}

/// Returns whether a line begins with a method, such as `POST /hooks HTTP/1.1`.
fn is_request_line(line: &[u8]) -> bool {
    let end = line.iter().position(|byte| *byte == b' ').unwrap_or(0);
    end > 0 && line[..end].iter().all(u8::is_ascii_uppercase)
}

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = HeaderName::from_bytes(line[..colon].trim_ascii()).ok()?;
    let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
    Some((name, value))
}

/// Returns a body without what tools add to it: the verdict of `receive`, or a final newline. A newline is kept unless the
/// length shows that it was added, as it is signed, too.
fn without_additions(text: &[u8], length: Option<usize>) -> &[u8] {
    if length == Some(text.len()) {
        return text;
    }
    if let Some(body) = without_verdict(text) {
        return body;
    }
    let shorter = without_newline(text);
    if length == Some(shorter.len()) { shorter } else { text }
}

/// Returns a body without the verdict that `receive` prints after it. `None` if there is none.
fn without_verdict(text: &[u8]) -> Option<&[u8]> {
    let start = text.windows(VERDICT.len()).rposition(|window| window == VERDICT)?;
    let verdict = text[start + VERDICT.len()..].trim_ascii_end();
    let is_verdict = match verdict {
        b"verified" | b"not checked (needs --secret)" => true,
        verdict => verdict.starts_with(b"INVALID: ") && !verdict.contains(&b'\n'),
    };
    is_verdict.then_some(&text[..start])
}

/// Returns a text without its final newline, if it has one.
pub(super) fn without_newline(text: &[u8]) -> &[u8] {
    text.strip_suffix(b"\r\n").or_else(|| text.strip_suffix(b"\n")).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, id: &str, body: &str) {
        let request = Request::parse(text.as_bytes()).unwrap();
        assert_eq!(request.headers["webhook-id"], id, "{text}");
        assert_eq!(String::from_utf8(request.body).unwrap(), body, "{text}");
    }

    #[test]
    fn requests_are_read_as_tools_print_them() {
        check("POST /hooks HTTP/1.1\r\nwebhook-id: a\r\nHost:b:1\r\n\r\n{}", "a", "{}");
        check("POST /hooks\nWebhook-Id:a\n\n{}", "a", "{}");
        check("webhook-id: a\n\n", "a", "");
        check("webhook-id: a", "a", "");
        check("\u{feff}\nwebhook-id: a\n\n\n{}\n", "a", "\n{}\n");
        check("* Connected to a.test\n> POST / HTTP/2\r\n> Webhook-Id: a\r\n> \r\n{}", "a", "{}");
        check("> webhook-id: a\n>\n> {}", "a", "> {}");
    }

    #[test]
    fn a_body_may_be_any_bytes() {
        let request = Request::parse(b"webhook-id: a\n\n\xff\x00\r\n\r\n").unwrap();
        assert_eq!(request.body, b"\xff\x00\r\n\r\n");
    }

    #[test]
    fn a_final_newline_is_cut_only_if_the_length_shows_that_it_was_added() {
        let check_body = |length: usize, text: &str, body: &str| {
            check(&format!("webhook-id: a\ncontent-length: {length}\n\n{text}"), "a", body);
        };
        check_body(2, "{}\n", "{}");
        check_body(2, "{}\r\n", "{}");
        check_body(2, "{}", "{}");
        check_body(3, "{}\n", "{}\n");
        check_body(2, "{}\n\n", "{}\n\n");
        check_body(9, "{}\n", "{}\n");
    }

    #[test]
    fn the_verdict_of_receive_is_no_part_of_the_body() {
        let check_verdict = |verdict: &str, body: &str| {
            let greeting =
                "The receiver prints every webhook sent to http://127.0.0.1:9000/. Press Ctrl-C to stop it.";
            check(&format!("{greeting}\n\nPOST /\nwebhook-id: a\n\n{{}}\n{verdict}"), "a", body);
        };
        check_verdict("\nsignature: verified\n", "{}");
        check_verdict("\nsignature: verified", "{}");
        check_verdict("\nsignature: INVALID: the signature is invalid: signature invalid\n", "{}");
        check_verdict("\nsignature: not checked (needs --secret)\n\n", "{}");
        check_verdict("\nsignature: yes", "{}\n\nsignature: yes");
        check_verdict("signature: verified", "{}\nsignature: verified");
        let signed = "webhook-id: a\ncontent-length: 24\n\n{}\n\nsignature: verified\n";
        check(signed, "a", "{}\n\nsignature: verified\n");
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let check = |bytes: &[u8], reason: &str| {
            let error = Request::parse(bytes).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        };
        check(b"", "has no headers");
        check(b"POST / HTTP/1.1\n\n{}", "has no headers");
        check(b"{\"id\": 1}", r#"line 1 is no header: "{\"id\": 1}""#);
        check(b"webhook-id: a\n{}", r#"line 2 is no header: "{}""#);
        check(b"\xff\xfew\0e\0b\0", "is UTF-16");
    }
}
