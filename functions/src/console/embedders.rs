//! The pages that may show the console in a frame.

use std::str::FromStr;

use posthorn_domain::Invalid;
use url::{Origin, Url};

/// The origins of pages that may embed the console, such as `https://app.example.com`, separated by spaces; empty: none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Embedders(Vec<String>);

impl Embedders {
    /// Returns the sources of the directive `frame-ancestors` of a Content Security Policy.
    pub(crate) fn sources(&self) -> String {
        if self.0.is_empty() { "'none'".to_owned() } else { self.0.join(" ") }
    }
}

impl FromStr for Embedders {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.split_whitespace().map(origin).collect::<Result<_, _>>().map(Self)
    }
}

fn origin(text: &str) -> Result<String, Invalid> {
    let invalid = || {
        Invalid::because(format!(
            "must be origins such as https://app.example.com, separated by spaces, but {text:?} is none"
        ))
    };
    let url = Url::parse(text).map_err(|_| invalid())?;
    let origin = url.origin();
    let is_origin = matches!(origin, Origin::Tuple(..)) && ["", "/"].contains(&url.path());
    // A policy gives `*`, `;` and `,` a meaning.
    let is_plain_host = url
        .host_str()
        .is_some_and(|host| host.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c)));
    let is_bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if is_origin && is_plain_host && is_bare && ["https", "http"].contains(&url.scheme()) {
        Ok(origin.ascii_serialization())
    } else {
        Err(invalid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_origins_of_pages_can_embed_the_console() {
        let check = |text: &str, expected: Option<&str>| {
            let sources = text.parse::<Embedders>().map(|embedders| embedders.sources());
            assert_eq!(sources.ok().as_deref(), expected, "{text}");
        };
        check("", Some("'none'"));
        check("https://app.example.com", Some("https://app.example.com"));
        check(" https://a.example/  http://127.0.0.1:3000 ", Some("https://a.example http://127.0.0.1:3000"));
        for wrong in [
            "*",
            "app.example.com",
            "https://*.example.com",
            "https://a.example;script-src",
            "https://a.example, https://b.example",
            "https://a.example/path",
            "https://a.example?q",
            "https://user@a.example",
            "data:text/html,a",
            "file:///etc",
        ] {
            check(wrong, None);
        }
    }
}
