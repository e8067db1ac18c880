//! Headers that an endpoint's owner wants on each delivery.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::invalid::Invalid;
use crate::json::{FromJson, pairs};

/// An endpoint's own headers, such as the `Authorization` that its gateway requires: at most 20. Names are HTTP tokens
/// of at most 64 characters ([RFC 9110 §5.6.2](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2)), unique
/// regardless of case, and none that Posthorn or HTTP itself sets. Values are 1 to 1,000 characters of visible ASCII,
/// with spaces between them. The order is kept. As values may be secret, `Debug` shows only the names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CustomHeaders(Vec<(String, String)>);

/// Reserved names, in lower case.
const RESERVED: &[&str] = &[
    "accept-encoding",
    "connection",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];
/// Prefixes of reserved names, in lower case.
const RESERVED_PREFIXES: &[&str] = &["content-", "proxy-", "webhook-"];

impl CustomHeaders {
    /// The most headers.
    pub const MAX: usize = 20;
    /// The longest name, in characters.
    pub const MAX_NAME_LENGTH: usize = 64;
    /// The longest value, in characters.
    pub const MAX_VALUE_LENGTH: usize = 1000;

    /// Returns the names and values, in the order given.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the names, in the order given.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }

    /// Returns whether there are no headers.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromJson for CustomHeaders {
    fn from_json(json: &RawValue) -> Result<Self, Invalid> {
        let pairs = pairs(json)?;
        if pairs.len() > Self::MAX {
            return Err(Invalid::because(format!(
                "must have at most {} headers (this one has {})",
                Self::MAX,
                pairs.len()
            )));
        }
        let mut headers: Vec<(String, String)> = Vec::new();
        for (name, value) in pairs {
            check_name(&name)?;
            if headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name)) {
                return Err(Invalid::because(format!(
                    "has the header {name:?} twice; header names are not case-sensitive"
                )));
            }
            headers.push((name.to_string(), read_value(&name, value)?));
        }
        Ok(Self(headers))
    }
}

fn check_name(name: &str) -> Result<(), Invalid> {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || name.len() > CustomHeaders::MAX_NAME_LENGTH || !name.chars().all(token) {
        return Err(Invalid::because(format!(
            "must have names of 1 to {} letters, digits and hyphens, such as X-Api-Key, not {name:?}",
            CustomHeaders::MAX_NAME_LENGTH
        )));
    }
    let lower = name.to_ascii_lowercase();
    if RESERVED.contains(&lower.as_str()) || RESERVED_PREFIXES.iter().any(|taken| lower.starts_with(taken)) {
        return Err(Invalid::because(format!("cannot set {name:?}: Posthorn or HTTP sets this header")));
    }
    Ok(())
}

fn read_value(name: &str, value: &RawValue) -> Result<String, Invalid> {
    let text: Option<String> = serde_json::from_str(value.get()).ok();
    let fits = |text: &String| {
        let visible = text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
        visible && (1..=CustomHeaders::MAX_VALUE_LENGTH).contains(&text.len()) && text.trim() == text
    };
    // The value may be secret, so it is not repeated.
    text.filter(fits).ok_or_else(|| {
        Invalid::because(format!(
            "must have values of 1 to {} printable ASCII characters, without spaces at either end; the value of \
             {name:?} is invalid",
            CustomHeaders::MAX_VALUE_LENGTH
        ))
    })
}

impl Serialize for CustomHeaders {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl fmt::Debug for CustomHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<CustomHeaders, Invalid> {
        CustomHeaders::from_json(&RawValue::from_string(json.to_owned()).unwrap())
    }

    #[test]
    fn headers_keep_their_order_and_never_show_their_values_unasked() {
        let json = r#"{"X-Tenant":"a b","Authorization":"Bearer secret"}"#;
        let headers = read(json).unwrap();
        assert_eq!(serde_json::to_string(&headers).unwrap(), json);
        assert_eq!(format!("{headers:?}"), r#"["X-Tenant", "Authorization"]"#);
        assert!(read("{}").unwrap().is_empty());
    }

    #[test]
    fn a_header_that_is_set_anyway_is_refused_by_name() {
        for name in [
            "Host",
            "content-type",
            "Content-Length",
            "Transfer-Encoding",
            "connection",
            "Keep-Alive",
            "TE",
            "trailer",
            "upgrade",
            "Expect",
            "Proxy-Authorization",
            "USER-AGENT",
            "accept-encoding",
            "webhook-id",
            "Webhook-Signature",
        ] {
            let error = read(&format!(r#"{{"{name}": "x"}}"#)).unwrap_err();
            let sentence = format!("cannot set {name:?}: Posthorn or HTTP sets this header");
            assert_eq!(error.0, sentence);
        }
        assert!(read(r#"{"Hostname": "x", "X-Content-Type": "x", "tea": "x"}"#).is_ok());
    }

    #[test]
    fn what_no_header_can_hold_is_refused() {
        let check =
            |json: &str, reason: &str| assert!(read(json).unwrap_err().0.starts_with(reason), "{json}");
        let many: Vec<String> = (0..21).map(|n| format!(r#""x-{n}": "x""#)).collect();
        check(&format!("{{{}}}", many.join(",")), "must have at most 20 headers (this one has 21)");
        check("[]", "must be an object");
        check(r#"{"x-a": "1", "X-A": "2"}"#, r#"has the header "X-A" twice"#);
        check(r#"{"x-a": "1", "x-a": "2"}"#, r#"has the key "x-a" twice"#);
        for name in ["", "x a", "x:a", "ключ", "x\\n", &"x".repeat(65)] {
            check(&format!(r#"{{"{name}": "1"}}"#), "must have names of 1 to 64");
        }
        for value in ["1", "null", r#""""#, r#"" a""#, r#""a ""#, r#""a\nb""#, r#""a\tb""#, r#""é""#] {
            check(&format!(r#"{{"x": {value}}}"#), "must have values of 1 to 1000");
        }
        check(&format!(r#"{{"x": "{}"}}"#, "x".repeat(1001)), "must have values");
        assert!(read(&format!(r#"{{"{}": "{}"}}"#, "x".repeat(64), "x".repeat(1000))).is_ok());
    }
}
