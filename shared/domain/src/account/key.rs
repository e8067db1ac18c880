//! Requests for keys.

use crate::account::{ComponentKey, Did, Mode, PublicKey, Scopes};
use crate::invalid::Invalid;
use crate::json::{Fields, InvalidField};
use crate::text::ShortText;
use crate::time::Timestamp;

/// A request for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRequest {
    /// What it is for.
    pub kind: KeyKind,
    /// Live or test data; `None` for that of the request.
    pub mode: Option<Mode>,
    /// What its holder may do; `None` for what is usual.
    pub scopes: Option<Scopes>,
    /// A name for people.
    pub name: ShortText,
    /// When it expires; `None` if never.
    pub expires_at: Option<Timestamp>,
}

/// What a key is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyKind {
    /// One mode of one account.
    Account,
    /// Every account.
    Platform,
    /// A component of PaymentKit, which signs its requests with the secret half of this key.
    Component(ComponentKey),
}

impl KeyRequest {
    /// Reads a request's fields. `kind` is `account` by default; a `component` has a `public_key`, and a `did` unless it is
    /// that of the key itself.
    pub fn read(fields: &mut Fields<'_>, now: Timestamp) -> Result<Self, InvalidField> {
        let invalid = |param: &str, reason: &str| InvalidField::Field {
            param: param.to_owned(),
            reason: Invalid::because(reason),
        };
        let kind: Option<ShortText> = fields.optional("kind")?;
        let kind = match kind.as_ref().map_or("account", ShortText::as_str) {
            "account" => KeyKind::Account,
            "platform" => KeyKind::Platform,
            "component" => {
                let public_key: PublicKey = fields.required("public_key")?;
                let did = fields.optional("did")?.unwrap_or_else(|| Did::of(&public_key));
                KeyKind::Component(ComponentKey { did, public_key })
            }
            _ => return Err(invalid("kind", "must be \"account\", \"platform\" or \"component\"")),
        };
        let mode = fields.optional("livemode")?;
        if mode.is_some() && kind != KeyKind::Account {
            return Err(invalid(
                "livemode",
                "is only for keys of the kind \"account\". Others are for both modes",
            ));
        }
        let expires_at = fields.optional("expires_at")?;
        if expires_at.is_some_and(|end| end <= now) {
            return Err(invalid("expires_at", "must be in the future"));
        }
        Ok(Self {
            kind,
            mode,
            scopes: fields.optional("scopes")?,
            name: fields.optional("name")?.unwrap_or_default(),
            expires_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<KeyRequest, InvalidField> {
        let mut fields = Fields::parse(json)?;
        let request = KeyRequest::read(&mut fields, Timestamp::from_millis(1_795_514_400_000))?;
        fields.finish()?;
        Ok(request)
    }

    #[test]
    fn a_key_is_of_an_account_unless_it_says_otherwise() {
        assert_eq!(read("{}").unwrap().kind, KeyKind::Account);
        assert_eq!(read(r#"{"livemode": false}"#).unwrap().mode, Some(Mode::Test));
        assert_eq!(read(r#"{"kind": "platform"}"#).unwrap().kind, KeyKind::Platform);
        let public_key = "0x79b5562e8fe654f94078b112e8a98ba7901f853ae695bed7e0e3910bad049664";
        let component = read(&format!(r#"{{"kind": "component", "public_key": "{public_key}"}}"#)).unwrap();
        let KeyKind::Component(ComponentKey { did, .. }) = component.kind else { panic!() };
        assert_eq!(did.as_str(), "zNKhmN1i3zutBkzMHrcSv8onT6CSitbVQhRk");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for wrong in [
            r#"{"kind": "admin"}"#,
            r#"{"kind": "component"}"#,
            r#"{"kind": "platform", "livemode": true}"#,
            r#"{"expires_at": "2020-01-01T00:00:00Z"}"#,
            r#"{"public_key": "0x00"}"#,
            r#"{"scopes": []}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
