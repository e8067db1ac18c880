//! Where an endpoint is, in lists across accounts.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::account::{Mode, Tenant};
use crate::id::EndpointId;
use crate::invalid::Invalid;

/// An endpoint of any tenant. As text, it is the account, the mode and the id, with dots: `acct_1.live.wh_01…`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointPlace {
    /// Whose endpoint it is.
    pub tenant: Tenant,
    /// The endpoint.
    pub id: EndpointId,
}

impl fmt::Display for EndpointPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.tenant.account, self.tenant.mode, self.id)
    }
}

impl FromStr for EndpointPlace {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::because(format!("must be the `next_cursor` of a response, not {text:?}"));
        let mut parts = text.split('.');
        let (Some(account), Some(mode), Some(id), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(invalid());
        };
        let mode = match mode {
            "live" => Mode::Live,
            "test" => Mode::Test,
            _ => return Err(invalid()),
        };
        let account = account.parse().map_err(|_| invalid())?;
        Ok(Self { tenant: Tenant { account, mode }, id: id.parse().map_err(|_| invalid())? })
    }
}

impl Serialize for EndpointPlace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let text = "cust_ada.test.wh_01JDB5G8Z7M4X3W2V1T0S9R8Q7";
        let place: EndpointPlace = text.parse().unwrap();
        assert_eq!((place.tenant.to_string().as_str(), place.to_string().as_str()), ("cust_ada#test", text));
        let id = "wh_01JDB5G8Z7M4X3W2V1T0S9R8Q7";
        for wrong in [
            "",
            id,
            &format!("a.{id}"),
            &format!("a.b.{id}"),
            &format!("a b.live.{id}"),
            &format!("{text}.x"),
        ] {
            assert!(wrong.parse::<EndpointPlace>().is_err(), "{wrong}");
        }
    }
}
