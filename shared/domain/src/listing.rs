//! Filtering, ordering and paging a tenant's endpoints.

use std::cmp::Ordering;
use std::str::FromStr;

use serde::Serialize;

use crate::{Endpoint, EndpointId, EndpointStatus, Invalid, Window};

/// What a client asks of a list of endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointListing {
    /// Only endpoints of this status.
    pub status: Option<EndpointStatus>,
    /// What to sort by, the most important first. Ties are broken by id, in the direction of the last entry.
    pub order: Vec<(OrderField, Direction)>,
    /// Which part to answer.
    pub window: Window<EndpointId>,
}

/// A field that endpoints can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// Which way to sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Least first.
    Ascending,
    /// Greatest first.
    Descending,
}

impl Direction {
    fn apply(self, ordering: Ordering) -> Ordering {
        match self {
            Self::Ascending => ordering,
            Self::Descending => ordering.reverse(),
        }
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    /// How many entries match in all, on this page and elsewhere.
    pub count: usize,
    /// The entries on this page.
    pub list: Vec<T>,
}

/// The endpoint that a cursor names does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownCursor(pub EndpointId);

impl EndpointListing {
    /// The part of `endpoints` that is asked for.
    pub fn select(&self, mut endpoints: Vec<Endpoint>) -> Result<Page<Endpoint>, UnknownCursor> {
        let matches = |endpoint: &Endpoint| self.status.is_none_or(|status| endpoint.status == status);
        let cursor = match self.window {
            Window::Page { .. } => None,
            // The cursor may itself have ceased to match; its place in the order is still known.
            Window::After { id, .. } | Window::Before { id, .. } => {
                Some(endpoints.iter().find(|endpoint| endpoint.id == id).cloned().ok_or(UnknownCursor(id))?)
            }
        };
        endpoints.retain(matches);
        endpoints.sort_by(|a, b| self.compare(a, b));
        let place = |wanted: fn(Ordering) -> bool| {
            cursor.as_ref().map_or(0, |cursor| {
                endpoints.partition_point(|endpoint| wanted(self.compare(endpoint, cursor)))
            })
        };
        let count = endpoints.len();
        let (from, limit) = match self.window {
            Window::Page { number, size } => (number.saturating_sub(1).saturating_mul(size), size),
            Window::After { limit, .. } => (place(Ordering::is_le), limit),
            Window::Before { limit, .. } => {
                let end = place(Ordering::is_lt);
                (end.saturating_sub(limit), limit.min(end))
            }
        };
        Ok(Page { count, list: endpoints.into_iter().skip(from).take(limit).collect() })
    }

    fn compare(&self, a: &Endpoint, b: &Endpoint) -> Ordering {
        let last = self.order.last().map_or(Direction::Descending, |(_, direction)| *direction);
        self.order
            .iter()
            .map(|(field, direction)| direction.apply(field.compare(a, b)))
            .find(|ordering| ordering.is_ne())
            .unwrap_or_else(|| last.apply(a.id.cmp(&b.id)))
    }
}

impl OrderField {
    fn compare(self, a: &Endpoint, b: &Endpoint) -> Ordering {
        match self {
            Self::CreatedAt => a.created_at.cmp(&b.created_at),
            Self::UpdatedAt => a.updated_at.cmp(&b.updated_at),
            Self::Url => a.url.cmp(&b.url),
            Self::Status => a.status.cmp(&b.status),
        }
    }
}

impl FromStr for OrderField {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "created_at" => Ok(Self::CreatedAt),
            "updated_at" => Ok(Self::UpdatedAt),
            "url" => Ok(Self::Url),
            "status" => Ok(Self::Status),
            _ => Err(Invalid::because(format!(
                "must sort by created_at, updated_at, url or status, not {text:?}"
            ))),
        }
    }
}

/// Reads `field:ASC` or `field:DESC` between commas; the direction may be in lower case, and is `ASC` when it is
/// left out.
pub fn parse_order(text: &str) -> Result<Vec<(OrderField, Direction)>, Invalid> {
    text.split(',')
        .map(|entry| {
            let (field, direction) = entry.trim().split_once(':').unwrap_or((entry.trim(), "ASC"));
            let direction = match direction.to_ascii_uppercase().as_str() {
                "ASC" => Direction::Ascending,
                "DESC" => Direction::Descending,
                _ => return Err(Invalid::because(format!("must sort ASC or DESC, not {direction:?}"))),
            };
            Ok((field.parse()?, direction))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::*;
    use crate::{Fields, Mode, NewEndpoint, Random, Tenant, Timestamp};

    /// Always the same eight bytes.
    struct Same(u64);

    impl Random for Same {
        fn fill(&self, buffer: &mut [u8]) {
            for (byte, same) in buffer.iter_mut().zip(self.0.to_be_bytes().into_iter().cycle()) {
                *byte = same;
            }
        }
    }

    /// An endpoint out of so few values that many agree in what they are sorted by.
    fn endpoint() -> impl Strategy<Value = Endpoint> {
        let host = select(vec!["a", "b", "c"]);
        let status = select(vec!["enabled", "disabled"]);
        (0_i64..4, 0_i64..4, host, status, any::<u64>()).prop_map(
            |(created, updated, host, status, chance)| {
                let url = format!("https://{host}.example/");
                let json = format!(r#"{{"url": "{url}", "enabled_events": ["*"], "status": "{status}"}}"#);
                let new = NewEndpoint::read(&mut Fields::parse(&json).unwrap()).unwrap();
                let tenant = Tenant { account: "acct_1".parse().unwrap(), mode: Mode::Live };
                let endpoint = new.register(&tenant, Timestamp::from_millis(created), &Same(chance));
                Endpoint { updated_at: Timestamp::from_millis(updated), ..endpoint }
            },
        )
    }

    fn order() -> impl Strategy<Value = String> {
        let field = select(vec!["created_at", "updated_at", "url", "status"]);
        let entry = (field, select(vec!["ASC", "DESC"])).prop_map(|(field, way)| format!("{field}:{way}"));
        vec(entry, 1..4).prop_map(|entries| entries.join(","))
    }

    /// The whole list, sorted stably by one key after another, the least important first.
    fn sorted(endpoints: &[Endpoint], status: Option<EndpointStatus>, order: &str) -> Vec<Endpoint> {
        let mut sorted = endpoints.to_vec();
        sorted.retain(|endpoint| status.is_none_or(|status| endpoint.status == status));
        let (_, last_way) = order.rsplit_once(':').unwrap();
        for entry in format!("{order},id:{last_way}").rsplit(',') {
            let (field, way) = entry.split_once(':').unwrap();
            let key = |endpoint: &Endpoint| match field {
                "created_at" => endpoint.created_at.to_string(),
                "updated_at" => endpoint.updated_at.to_string(),
                "url" => endpoint.url.as_str().to_owned(),
                "status" => endpoint.status.to_string(),
                _ => endpoint.id.to_string(),
            };
            match way {
                "ASC" => sorted.sort_by_key(key),
                // Of two equals, the one that stood before stays before.
                _ => sorted.sort_by_key(|endpoint| Reverse(key(endpoint))),
            }
        }
        sorted
    }

    proptest! {
        #[test]
        fn pages_one_after_another_are_the_sorted_list(
            endpoints in vec(endpoint(), 0..30),
            status in select(vec![None, Some(EndpointStatus::Enabled)]),
            order in order(),
            size in 1_usize..12,
        ) {
            let expected = sorted(&endpoints, status, &order);
            let order = parse_order(&order).unwrap();
            let mut all = Vec::new();
            for number in 1.. {
                let listing = EndpointListing { status, order: order.clone(), window: Window::Page { number, size } };
                let page = listing.select(endpoints.clone()).unwrap();
                prop_assert_eq!(page.count, expected.len());
                prop_assert!(page.list.len() == size || all.len() + page.list.len() == expected.len());
                if page.list.is_empty() {
                    break;
                }
                all.extend(page.list);
            }
            prop_assert_eq!(all, expected);
        }

        #[test]
        fn a_cursor_answers_what_stands_next_to_it_in_the_sorted_list(
            endpoints in vec(endpoint(), 1..30),
            status in select(vec![None, Some(EndpointStatus::Enabled)]),
            order in order(),
            limit in 1_usize..12,
            cursor in any::<Index>(),
        ) {
            let id = cursor.get(&endpoints).id;
            // The cursor has its place even where it does not match itself.
            let all = sorted(&endpoints, None, &order);
            let place = all.iter().position(|endpoint| endpoint.id == id).unwrap();
            let matching = |part: &[Endpoint]| -> Vec<Endpoint> {
                part.iter().filter(|endpoint| status.is_none_or(|status| endpoint.status == status)).cloned().collect()
            };
            let (before, after) = (matching(&all[..place]), matching(&all[place + 1..]));
            let order = parse_order(&order).unwrap();
            let select = |window| EndpointListing { status, order: order.clone(), window }.select(endpoints.clone());
            let page = select(Window::After { id, limit }).unwrap();
            prop_assert_eq!(&page.list[..], &after[..after.len().min(limit)]);
            let page = select(Window::Before { id, limit }).unwrap();
            prop_assert_eq!(&page.list[..], &before[before.len().saturating_sub(limit)..]);
        }
    }

    #[test]
    fn a_cursor_that_is_no_endpoint_of_the_tenant_is_named() {
        let id = EndpointId::new(Timestamp::from_millis(1), &Same(1));
        let window = Window::After { id, limit: 1 };
        let listing = EndpointListing { status: None, order: Vec::new(), window };
        assert_eq!(listing.select(Vec::new()), Err(UnknownCursor(id)));
    }

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
