//! How the console looks in a portal session.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::invalid::Invalid;
use crate::json::{Fields, FromJson};

/// The platform's colour and logo, for the console. They come with the session, never with the address of the page: else a
/// link could make the console look like another company's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Appearance {
    /// The colour of links and buttons.
    pub color: Option<Color>,
    /// The picture at the top.
    pub logo: Option<Logo>,
}

impl FromJson for Appearance {
    fn from_json(json: &RawValue) -> Result<Self, Invalid> {
        Fields::read_object(json, |fields| {
            Ok(Self { color: fields.optional("color")?, logo: fields.optional("logo")? })
        })
    }
}

/// A colour as `#rrggbb`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Color(String);

impl FromJson for Color {
    fn from_json(json: &RawValue) -> Result<Self, Invalid> {
        let text: Option<String> = serde_json::from_str(json.get()).ok();
        let is_color = |text: &str| {
            text.len() == 7 && text.starts_with('#') && text[1..].bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        let color = text.filter(|text| is_color(text)).map(|text| Self(text.to_ascii_lowercase()));
        color.ok_or_else(|| Invalid::because("must be a colour such as #1d4ed8"))
    }
}

/// A picture as a `data:` URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Logo(String);

impl Logo {
    /// Maximum length of the URL, in bytes: it is in the session's row.
    pub const MAX_BYTES: usize = 16 * 1024;
    /// The types of pictures. A browser runs no scripts of a picture, not even of an SVG.
    const TYPES: [&str; 4] = ["png", "jpeg", "webp", "svg+xml"];
}

impl FromJson for Logo {
    fn from_json(json: &RawValue) -> Result<Self, Invalid> {
        let text: Option<String> = serde_json::from_str(json.get()).ok();
        let is_logo = |text: &str| {
            let parts = text.strip_prefix("data:image/").and_then(|rest| rest.split_once(";base64,"));
            parts.is_some_and(|(kind, data)| Self::TYPES.contains(&kind) && STANDARD.decode(data).is_ok())
        };
        let logo = text.filter(|text| text.len() <= Self::MAX_BYTES && is_logo(text)).map(Self);
        logo.ok_or_else(|| {
            Invalid::because(format!(
                "must be a picture as a URL of at most {} bytes, such as data:image/png;base64,…; the types are {}",
                Self::MAX_BYTES,
                Self::TYPES.join(", ")
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Appearance, Invalid> {
        Appearance::from_json(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn an_appearance_is_a_colour_and_a_picture() {
        let appearance = read(r##"{"color": "#1D4ED8", "logo": "data:image/png;base64,aGk="}"##).unwrap();
        let json = serde_json::to_string(&appearance).unwrap();
        assert_eq!(json, r##"{"color":"#1d4ed8","logo":"data:image/png;base64,aGk="}"##);
        assert_eq!(read(&json).unwrap(), appearance, "it is stored as it is shown");
        assert_eq!(read("{}").unwrap(), Appearance::default());
    }

    #[test]
    fn what_is_no_colour_or_no_picture_is_refused() {
        for wrong in [
            r#"{"color": "red"}"#.to_owned(),
            r##"{"color": "#12345"}"##.to_owned(),
            r##"{"color": "#12345é"}"##.to_owned(),
            r#"{"color": "url(#a)"}"#.to_owned(),
            r#"{"logo": "https://example.com/logo.png"}"#.to_owned(),
            r#"{"logo": "data:text/html;base64,aGk="}"#.to_owned(),
            r#"{"logo": "data:image/png;base64,???"}"#.to_owned(),
            format!(r#"{{"logo": "data:image/png;base64,{}"}}"#, "aaaa".repeat(4_096)),
            r#"{"font": "Comic Sans"}"#.to_owned(),
            "[]".to_owned(),
        ] {
            assert!(read(&wrong).is_err(), "{wrong}");
        }
    }
}
