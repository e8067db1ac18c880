//! Endpoint URLs.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use url::Url;

use crate::invalid::Invalid;

/// The URL that an endpoint's events are POSTed to: absolute, http or https, at most 2,048 characters, with neither
/// credentials nor a fragment. It is kept as it was written and as the URL standard parses it, because parsing at every
/// attempt would be too slow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookUrl {
    parsed: Url,
    /// `None` if the standard writes it the same way.
    written: Option<Box<str>>,
}

impl WebhookUrl {
    /// The longest URL, in characters.
    pub const MAX_LENGTH: usize = 2048;

    /// Returns the URL as it was written.
    pub fn as_str(&self) -> &str {
        self.written.as_deref().unwrap_or(self.parsed.as_str())
    }

    /// Returns the URL as the URL standard parses it.
    pub(crate) fn parsed(&self) -> &Url {
        &self.parsed
    }
}

impl Ord for WebhookUrl {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl PartialOrd for WebhookUrl {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Serialize for WebhookUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_str().serialize(serializer)
    }
}

impl FromStr for WebhookUrl {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse = |reason: &str| Err(Invalid::because(reason));
        let length = text.chars().count();
        if length > Self::MAX_LENGTH {
            return Err(Invalid::because(format!(
                "must be at most {} characters long (this one has {length})",
                Self::MAX_LENGTH
            )));
        }
        // The URL standard accepts these; a receiver's access log and a human reader may not.
        if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
            return refuse("must not contain spaces, control characters or backslashes");
        }
        let Ok(parsed) = Url::parse(text) else {
            return refuse("must be an absolute URL, such as https://example.com/webhooks");
        };
        let after_scheme = &text[parsed.scheme().len()..];
        let absolute = after_scheme.starts_with("://") && !after_scheme.starts_with(":///");
        if !matches!(parsed.scheme(), "http" | "https") || !absolute {
            return refuse("must begin with https:// (or http://) and a host");
        }
        // The standard drops empty credentials, so this looks for them in the text.
        let authority = after_scheme[3..].split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return refuse(
                "must not contain a user name or password. Set the header `Authorization` in `headers` instead.",
            );
        }
        if parsed.fragment().is_some() {
            return refuse("must not contain a fragment (#…), which is never sent");
        }
        let written = (parsed.as_str() != text).then(|| text.into());
        Ok(Self { parsed, written })
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_http_urls_are_taken_and_others_refused() {
        let check = |text: &str, good: bool| assert_eq!(text.parse::<WebhookUrl>().is_ok(), good, "{text:?}");
        check("https://example.com", true);
        check("https://example.com/webhook-handler?tenant=7", true);
        check("http://127.0.0.1:9000/hook", true);
        check("HTTPS://Example.com/", true);
        check("https://例え.jp/hook", true);
        check("", false);
        check("example.com/hook", false);
        check("/hook", false);
        check("//example.com/hook", false);
        check("https:example.com", false);
        check("https:/example.com", false);
        check("https:///example.com", false);
        check("ftp://example.com/", false);
        check("javascript:alert(1)", false);
        check("https://user@example.com/", false);
        check("https://user:pass@example.com/", false);
        check("https://:pass@example.com/", false);
        check("https://@example.com/", false);
        check("https://example.com/@part", true);
        check("https://example.com/#part", false);
        check("https://example.com/a b", false);
        check(" https://example.com/", false);
        check("https://exam\nple.com/", false);
        check("https:\\\\example.com/", false);
        check("https://", false);
        check("https://example.com:99999/", false);
        check(&format!("https://example.com/{}", "a".repeat(2028)), true);
        check(&format!("https://example.com/{}", "a".repeat(2029)), false);
    }

    #[test]
    fn a_url_is_kept_as_written() {
        for text in ["https://Example.com", "https://example.com/"] {
            assert_eq!(text.parse::<WebhookUrl>().unwrap().as_str(), text);
        }
    }
}
