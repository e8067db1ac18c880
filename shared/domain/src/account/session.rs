//! Portal sessions: a customer's own, limited access, for minutes to days.

use std::time::Duration;

use serde_json::value::RawValue;

use crate::account::{AccountId, Appearance, Grant, Mode, PageUrl, Scopes};
use crate::invalid::Invalid;
use crate::json::{Fields, Flag, FromJson, InvalidField};

/// How long a session lasts unless the request says so, and the longest session that a key can make of itself.
const USUAL: Duration = Duration::from_hours(1);
/// The shortest session.
const SHORTEST: Duration = Duration::from_mins(5);
/// The longest session that a platform key can make for an account.
const LONGEST: Duration = Duration::from_hours(7 * 24);

/// A portal session, before its code is exchanged for its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// What it opens, and until when.
    pub grant: Grant,
    /// Where a visitor goes whose code is used or has expired.
    pub return_url: Option<PageUrl>,
    /// How the console looks in it.
    pub appearance: Appearance,
}

impl Session {
    /// How long the one-time code of its URL is good.
    pub const CODE_LIFETIME: Duration = Duration::from_mins(10);
    /// The longest session that a key can make of itself.
    pub const LONGEST_OF_ITSELF: Duration = USUAL;
}

/// A request for a portal session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRequest {
    /// Whether it is for an operator of the platform. Its requests name the account, as a platform key's do.
    pub operator: bool,
    /// The account that it acts for; `None` for that of the request's key.
    pub account: Option<AccountId>,
    /// Live or test data; `None` for that of the request's key.
    pub mode: Option<Mode>,
    /// What its holder may do; `None` for what is usual.
    pub capabilities: Option<Scopes>,
    /// How long it lasts.
    pub expires_in: Duration,
    /// Where a visitor goes whose session has ended.
    pub return_url: Option<PageUrl>,
    /// How the console looks in it.
    pub appearance: Appearance,
}

/// The life of a session, in seconds.
struct Lifetime(Duration);

impl FromJson for Lifetime {
    fn from_json(json: &RawValue) -> Result<Self, Invalid> {
        let seconds = json.get().parse().ok().map(Duration::from_secs);
        let allowed = seconds.filter(|time| (SHORTEST..=LONGEST).contains(time));
        let reason = || {
            let (shortest, longest) = (SHORTEST.as_secs(), LONGEST.as_secs());
            Invalid::because(format!("must be a whole number of seconds from {shortest} to {longest}"))
        };
        allowed.map(Self).ok_or_else(reason)
    }
}

impl SessionRequest {
    /// Reads a request's fields.
    pub fn read(fields: &mut Fields<'_>) -> Result<Self, InvalidField> {
        let Flag(operator) = fields.optional("operator")?.unwrap_or_default();
        let (account, mode) = (fields.optional("account")?, fields.optional("livemode")?);
        if operator && (account.is_some() || mode.is_some()) {
            let reason = Invalid::because(
                "cannot be combined with `account` or `livemode`: an operator's requests name both",
            );
            return Err(InvalidField::Field { param: "operator".to_owned(), reason });
        }
        Ok(Self {
            operator,
            account,
            mode,
            capabilities: fields.optional("capabilities")?,
            expires_in: fields.optional("expires_in")?.map_or(USUAL, |Lifetime(time)| time),
            return_url: fields.optional("return_url")?,
            appearance: fields.optional("appearance")?.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<SessionRequest, InvalidField> {
        SessionRequest::read(&mut Fields::parse(json).unwrap())
    }

    #[test]
    fn a_session_lasts_an_hour_unless_it_lasts_five_minutes_to_seven_days() {
        assert_eq!(read("{}").unwrap().expires_in, USUAL);
        for seconds in [300, 604_800] {
            let request = read(&format!(r#"{{"expires_in": {seconds}}}"#)).unwrap();
            assert_eq!(request.expires_in, Duration::from_secs(seconds));
        }
        for wrong in ["299", "604801", "1.5", "-300", r#""300""#] {
            let error = read(&format!(r#"{{"expires_in": {wrong}}}"#)).unwrap_err().to_string();
            assert_eq!(error, "`expires_in` must be a whole number of seconds from 300 to 604800", "{wrong}");
        }
    }

    #[test]
    fn an_operators_session_is_for_no_account() {
        assert!(read(r#"{"operator": true}"#).unwrap().operator);
        assert!(read(r#"{"operator": true, "livemode": true}"#).is_err());
        assert!(read(r#"{"operator": true, "account": "acct_1"}"#).is_err());
        assert!(!read(r#"{"account": null}"#).unwrap().operator);
    }
}
