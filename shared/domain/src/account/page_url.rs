//! Addresses of web pages.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use url::Url;

use crate::invalid::Invalid;

/// The address of a web page that a browser is sent to: absolute, http or https, at most 2,048 characters, without
/// credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PageUrl(String);

impl PageUrl {
    /// The longest address, in characters.
    pub const MAX_LENGTH: usize = 2048;

    /// Returns the address as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PageUrl {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let is_plain = !text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\');
        let parsed = Url::parse(text).ok().filter(|_| is_plain && text.chars().count() <= Self::MAX_LENGTH);
        let is_page = parsed.is_some_and(|url| {
            let has_credentials = !url.username().is_empty() || url.password().is_some();
            matches!(url.scheme(), "http" | "https") && !has_credentials
        });
        if is_page {
            Ok(Self(text.to_owned()))
        } else {
            let reason = format!(
                "must be the address of a web page, such as https://example.com/webhooks, of at most {} characters",
                Self::MAX_LENGTH
            );
            Err(Invalid::because(reason))
        }
    }
}

impl fmt::Display for PageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_an_absolute_web_address_without_credentials() {
        let check = |text: &str, good: bool| assert_eq!(text.parse::<PageUrl>().is_ok(), good, "{text}");
        check("https://example.com/#/webhooks", true);
        check("http://localhost:3000", true);
        check("javascript:alert(1)", false);
        check("https://ada:secret@example.com/", false);
        check("/webhooks", false);
        check("https://example.com/a b", false);
        check(&format!("https://example.com/{}", "a".repeat(2048)), false);
    }
}
