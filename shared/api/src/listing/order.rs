//! The order of a list of endpoints.

use std::cmp::Ordering;
use std::str::FromStr;

use posthorn_domain::Invalid;
use strum::{Display, EnumString, VariantArray};

/// A field that endpoints can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = Invalid, parse_err_fn = Invalid::none_of::<OrderField>)]
pub enum OrderField {
    /// When it was registered.
    CreatedAt,
    /// When it was last changed.
    UpdatedAt,
    /// Its URL, as text.
    Url,
    /// Its status: `disabled` before `enabled`.
    Status,
}

/// The direction to sort in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Lowest first.
    Ascending,
    /// Highest first.
    Descending,
}

impl FromStr for Direction {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.to_ascii_uppercase().as_str() {
            "ASC" => Ok(Self::Ascending),
            "DESC" => Ok(Self::Descending),
            _ => Err(Invalid::because(format!("must have the direction ASC or DESC, not {text:?}"))),
        }
    }
}

impl Direction {
    pub(crate) fn apply(self, ordering: Ordering) -> Ordering {
        match self {
            Self::Ascending => ordering,
            Self::Descending => ordering.reverse(),
        }
    }
}

/// Parses `field:ASC` or `field:DESC`, separated by commas. The direction may be in lower case; the default is `ASC`.
pub(crate) fn parse_order(text: &str) -> Result<Vec<(OrderField, Direction)>, Invalid> {
    text.split(',')
        .map(|entry| {
            let (field, direction) = entry.trim().split_once(':').unwrap_or((entry.trim(), "ASC"));
            Ok((field.parse()?, direction.parse()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_field_by_field_or_refused() {
        use Direction::{Ascending, Descending};
        let check = |text: &str, order: Option<&[(OrderField, Direction)]>| {
            assert_eq!(parse_order(text).ok().as_deref(), order, "{text}");
        };
        check("created_at:DESC", Some(&[(OrderField::CreatedAt, Descending)]));
        check("url", Some(&[(OrderField::Url, Ascending)]));
        check(
            "status:asc, url:Desc",
            Some(&[(OrderField::Status, Ascending), (OrderField::Url, Descending)]),
        );
        for text in ["", "secret:ASC", "url:UP", "url:ASC,", "url:ASC:DESC"] {
            check(text, None);
        }
    }
}
