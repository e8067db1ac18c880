//! The head of an HTTP/1.1 answer, read as `curl` reads it: the status line decides, and other malformed lines are
//! skipped.

/// The parts of an answer's head that are used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// The status code, from 100 to 999.
    pub(super) code: u16,
    /// The header `Retry-After`.
    pub(super) retry_after: Option<String>,
    /// How the end of the body is determined.
    pub(super) framing: Framing,
    /// Whether the connection may be reused after the body.
    pub(super) may_be_reused: bool,
}

/// How the end of a body is determined (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Framing {
    /// It has this many bytes.
    Length(u64),
    /// It comes in chunks; the last one is empty.
    Chunked,
    /// It ends with the connection.
    #[default]
    Close,
    /// The headers contradict each other, or are malformed. The body is read to the end of the connection, and counts
    /// as incomplete.
    Unclear,
}

/// Returns the length of the head at the beginning of `bytes`, with the empty line that ends it; `None` until that has
/// arrived. The first `seen` bytes were searched before.
pub(super) fn length(bytes: &[u8], seen: usize) -> Option<usize> {
    let from = seen.saturating_sub(2);
    let ends = bytes[from..].iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    ends.map(|(at, _)| from + at + 1)
        .find(|end| matches!(bytes[*end..], [b'\n', ..] | [b'\r', b'\n', ..]))
        .map(|end| end + if bytes[end] == b'\n' { 1 } else { 2 })
}

/// Returns whether the bytes so far can be the beginning of an answer.
pub(super) fn may_begin(bytes: &[u8]) -> bool {
    const BEGINNING: &[u8] = b"HTTP/";
    let known = bytes.len().min(BEGINNING.len());
    bytes[..known].eq_ignore_ascii_case(&BEGINNING[..known])
}

impl Head {
    /// Parses the lines of a head, of which the last ones may be missing. Returns `None` if the first is not a complete
    /// status line.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let first_end = bytes.iter().position(|byte| *byte == b'\n')?;
        let (code, is_http_1_1) = status_line(&bytes[..first_end])?;
        let mut head = Self { code, may_be_reused: is_http_1_1, ..Self::default() };
        let mut fields = Fields::default();
        for line in bytes[first_end + 1..].split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end) {
            match field(line) {
                Some((name, value)) => fields.take(&mut head, name, &String::from_utf8_lossy(value)),
                // If lines are malformed, other things may be, too.
                None => head.may_be_reused &= line.is_empty(),
            }
        }
        head.framing = fields.framing(code);
        head.may_be_reused &= code != 101 && !fields.contradict();
        Some(head)
    }

    /// Returns whether the request was acknowledged.
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// Returns whether another head follows, because the final answer is still to come (RFC 9110 §15.2). After 101, no
    /// HTTP follows.
    pub(super) fn is_interim(&self) -> bool {
        self.code < 200 && self.code != 101
    }
}

/// Returns the code of a status line, and whether it is one of HTTP/1.1. Three digits after the version and a space are
/// required; what follows them is ignored.
fn status_line(line: &[u8]) -> Option<(u16, bool)> {
    let space = line.iter().position(|byte| matches!(byte, b' ' | b'\t'))?;
    let (protocol, rest) = (&line[..space], line[space..].trim_ascii_start());
    let version = protocol.get(5..).filter(|_| may_begin(protocol))?;
    let is_version = !version.is_empty() && version.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    let digits = rest.get(..3).filter(|_| is_version && !rest.get(3).is_some_and(u8::is_ascii_digit))?;
    let code = std::str::from_utf8(digits).ok()?.parse().ok().filter(|code| *code >= 100)?;
    digits.iter().all(u8::is_ascii_digit).then_some((code, version == b"1.1"))
}

/// Returns a header's name, which may be followed by a space, and its value. Lines without a name are ignored, as are
/// those that begin with a space and continue the line before.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (line[..colon].trim_ascii_end(), line[colon + 1..].trim_ascii());
    name.first().is_some_and(|byte| !byte.is_ascii_whitespace()).then_some((name, value))
}

/// The headers that determine where a body ends.
#[derive(Default)]
struct Fields {
    lengths: Vec<Option<u64>>,
    transfer_encoding: Option<String>,
}

impl Fields {
    fn take(&mut self, head: &mut Head, name: &[u8], value: &str) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("content-length") {
            self.lengths.extend(value.split(',').map(|length| digits(length.trim())));
        } else if is("transfer-encoding") {
            self.transfer_encoding = Some(value.to_ascii_lowercase());
        } else if is("connection") {
            head.may_be_reused &= !value.split(',').any(|option| option.trim().eq_ignore_ascii_case("close"));
        } else if is("retry-after") && head.retry_after.is_none() {
            head.retry_after = Some(value.to_owned());
        }
    }

    /// Returns whether a body in chunks also has a length (RFC 9112 §6.3).
    fn contradict(&self) -> bool {
        self.transfer_encoding.is_some() && !self.lengths.is_empty()
    }

    fn framing(&self, code: u16) -> Framing {
        if matches!(code, 101 | 204 | 304) {
            return Framing::Length(0);
        }
        if let Some(encoding) = &self.transfer_encoding {
            let last = encoding.rsplit(',').next().map(str::trim);
            return if last == Some("chunked") { Framing::Chunked } else { Framing::Close };
        }
        match self.lengths.split_first() {
            None => Framing::Close,
            Some((Some(length), others)) if others.iter().all(|other| *other == Some(*length)) => {
                Framing::Length(*length)
            }
            Some(_) => Framing::Unclear,
        }
    }
}

/// Parses a number that consists only of digits: `+5`, which Rust would accept, is refused.
fn digits(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(line: &str, code: Option<u16>) {
        let head = format!("{line}\r\nretry-after: 7\r\n\r\n");
        assert_eq!(Head::parse(head.as_bytes()).map(|head| head.code), code, "{line:?}");
    }

    /// The codes are those that curl 7.88 reports.
    #[test]
    fn a_status_line_is_read_as_curl_reads_it() {
        for line in [
            "HTTP/1.1 200 OK",
            "HTTP/1.1 200",
            "HTTP/1.1 200 ",
            "HTTP/1.1  200 OK",
            "HTTP/1.1 200-OK",
            "HTTP/1.1 200 \u{fffd}",
            "HTTP/1.0 200 OK",
            "HTTP/2 200 OK",
            "HTTP/2.0 200 OK",
            "http/1.1 200 OK",
        ] {
            check(line, Some(200));
        }
        check("HTTP/1.1 600 Odd", Some(600));
        check("HTTP/1.1 999 Odd", Some(999));
        for line in [
            "HTTP/1.1 2000 OK",
            "HTTP/1.1 20 OK",
            "HTTP/1.1 099 OK",
            "HTTP/1.1 OK",
            "HTTP/1.1",
            "HTTP/ 200 OK",
            "ICY 200 OK",
            " HTTP/1.1 200 OK",
            "",
            "HTTPS 200 OK",
            "HTTP/1.1 +20 OK",
            "HTTP/1.1 2 0 OK",
        ] {
            check(line, None);
        }
    }

    #[test]
    fn untidy_lines_are_skipped_and_the_others_count() {
        let head = |lines: &str| Head::parse(format!("HTTP/1.1 503 Away\r\n{lines}\r\n").as_bytes()).unwrap();
        for untidy in [
            "X-A : 1\r\n",
            "no colon\r\n",
            ": no name\r\n",
            " folded\r\n",
            "x: a\0b\r\n",
            "\u{e9}: 1\r\n",
            "\r: 2\n",
        ] {
            let head = head(&format!("{untidy}Retry-After : 7\ncontent-length: 2\r\n"));
            assert_eq!(
                (head.retry_after.as_deref(), head.framing),
                (Some("7"), Framing::Length(2)),
                "{untidy:?}"
            );
        }
    }

    #[test]
    fn the_headers_say_where_a_body_ends() {
        let check = |code: u16, lines: &str, framing| {
            let head = format!("HTTP/1.1 {code} So\r\n{lines}\r\n");
            assert_eq!(Head::parse(head.as_bytes()).unwrap().framing, framing, "{head:?}");
        };
        check(200, "content-length: 12\r\n", Framing::Length(12));
        check(200, "Content-Length: 12, 12\r\nCONTENT-LENGTH: 12\r\n", Framing::Length(12));
        check(200, "content-length: 12\r\ncontent-length: 13\r\n", Framing::Unclear);
        for length in ["abc", "-1", "+1", "", "1.5", "99999999999999999999"] {
            check(200, &format!("content-length: {length}\r\n"), Framing::Unclear);
        }
        check(200, "transfer-encoding: Chunked\r\ncontent-length: 12\r\n", Framing::Chunked);
        check(200, "transfer-encoding: gzip, chunked\r\n", Framing::Chunked);
        check(200, "transfer-encoding: chunked, gzip\r\n", Framing::Close);
        check(200, "", Framing::Close);
        check(204, "content-length: 12\r\n", Framing::Length(0));
        check(304, "transfer-encoding: chunked\r\n", Framing::Length(0));
    }

    #[test]
    fn only_http_1_1_that_does_not_say_close_is_used_again() {
        let check = |head: &str, may| {
            assert_eq!(Head::parse(head.as_bytes()).unwrap().may_be_reused, may, "{head:?}");
        };
        check("HTTP/1.1 200 OK\r\n\r\n", true);
        check("HTTP/1.1 200 OK\r\nconnection: keep-alive\r\n\r\n", true);
        check("HTTP/1.1 200 OK\r\nConnection: Upgrade, Close\r\n\r\n", false);
        check("HTTP/1.0 200 OK\r\nconnection: keep-alive\r\n\r\n", false);
        check("HTTP/1.1 101 Switching\r\n\r\n", false);
        check("HTTP/1.1 200 OK\r\nx: a\r\n content-length: 2\r\n\r\n", false);
        check("HTTP/1.1 200 OK\r\nno colon\r\ncontent-length: 2\r\n\r\n", false);
        check("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n", false);
    }

    proptest! {
        #[test]
        fn an_end_is_found_wherever_the_bytes_were_cut(bytes in "[a\r\n]{0,12}", cut in 0_usize..12) {
            let bytes = bytes.as_bytes();
            let whole = length(bytes, 0);
            let cut = cut.min(bytes.len());
            let first = length(&bytes[..cut], 0);
            prop_assert_eq!(first.or_else(|| length(bytes, cut)), whole);
            let naive = (1..=bytes.len()).find(|end| bytes[..*end].ends_with(b"\n\n") || bytes[..*end].ends_with(b"\n\r\n"));
            prop_assert_eq!(whole, naive);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Head::parse(&bytes);
            let _ = Head::parse(&[b"HTTP/1.1 200 OK\n".as_slice(), &bytes].concat());
        }
    }
}
