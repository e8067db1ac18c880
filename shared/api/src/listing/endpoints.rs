//! Filtering, ordering and paging a tenant's endpoints.

use std::cmp::Ordering;

use posthorn_domain::{EndpointId, EndpointOutline, EndpointStatus};

use crate::listing::cursor::{EndpointCursor, SortValue};
use crate::listing::endpoint_page::EndpointPageBuilder;
use crate::listing::order::{Direction, OrderField};
use crate::listing::window::Window;

/// A request for a list of endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointListing {
    /// Only endpoints with this status.
    pub status: Option<EndpointStatus>,
    /// The fields to sort by, most important first. Ties are broken by id, in the direction of the last field.
    pub order: Vec<(OrderField, Direction)>,
    /// Which part to return.
    pub window: Window<EndpointCursor>,
}

/// The endpoint that a cursor names does not exist, and the cursor lacks the values to find its position in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownCursor(pub EndpointId);

impl EndpointListing {
    /// Starts building the requested part of the list from the outlines of all of the tenant's endpoints.
    pub fn begin(&self, mut outlines: Vec<EndpointOutline>) -> Result<EndpointPageBuilder, UnknownCursor> {
        let cursor = self.cursor(&outlines)?;
        outlines.retain(|outline| self.status.is_none_or(|status| outline.status == status));
        outlines.sort_by(|a, b| self.compare(a, b));
        let position = |wanted: fn(Ordering) -> bool| {
            let precedes = |cursor| {
                outlines.partition_point(|outline| wanted(self.compare_with_cursor(outline, cursor)))
            };
            cursor.as_ref().map_or(0, precedes)
        };
        let (count, limit) = (outlines.len(), self.window.limit());
        let from = match self.window {
            Window::First { .. } | Window::Page { .. } => self.window.skip().min(count),
            Window::After { .. } => position(Ordering::is_le),
            Window::Before { .. } => position(Ordering::is_lt).saturating_sub(limit),
        };
        let to = match self.window {
            Window::Before { .. } => position(Ordering::is_lt),
            _ => from.saturating_add(limit).min(count),
        };
        let is_backward = matches!(self.window, Window::Before { .. });
        let has_more = if is_backward { from > 0 } else { to < count };
        let mut selected: Vec<_> = outlines.drain(from..to).collect();
        if is_backward {
            selected.reverse();
        }
        Ok(EndpointPageBuilder::new(self.clone(), count, selected, has_more))
    }

    /// Returns the requested position with all values that this order sorts by, from the cursor or else from its
    /// endpoint, even if that no longer matches.
    fn cursor(&self, outlines: &[EndpointOutline]) -> Result<Option<EndpointCursor>, UnknownCursor> {
        let cursor = match &self.window {
            Window::First { .. } | Window::Page { .. } => return Ok(None),
            Window::After { id, .. } | Window::Before { id, .. } => id,
        };
        if self.fields().all(|field| cursor.value(field).is_some()) {
            return Ok(Some(cursor.clone()));
        }
        let outline = outlines.iter().find(|outline| outline.id == cursor.id);
        let outline = outline.ok_or(UnknownCursor(cursor.id))?;
        Ok(Some(EndpointCursor::of(outline, self.fields())))
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = OrderField> {
        self.order.iter().map(|(field, _)| *field)
    }

    fn compare(&self, a: &EndpointOutline, b: &EndpointOutline) -> Ordering {
        let by = |field| SortValue::of(field, a).cmp(&SortValue::of(field, b));
        self.first_difference(by).unwrap_or_else(|| self.last_direction().apply(a.id.cmp(&b.id)))
    }

    fn compare_with_cursor(&self, outline: &EndpointOutline, cursor: &EndpointCursor) -> Ordering {
        let by = |field| Some(SortValue::of(field, outline)).cmp(&cursor.value(field));
        self.first_difference(by).unwrap_or_else(|| self.last_direction().apply(outline.id.cmp(&cursor.id)))
    }

    fn first_difference(&self, by: impl Fn(OrderField) -> Ordering) -> Option<Ordering> {
        let mut orderings = self.order.iter().map(|(field, direction)| direction.apply(by(*field)));
        orderings.find(|ordering| ordering.is_ne())
    }

    fn last_direction(&self) -> Direction {
        self.order.last().map_or(Direction::Descending, |(_, direction)| *direction)
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use posthorn_domain::testing::Same;
    use posthorn_domain::{Endpoint, Fields, Mode, NewEndpoint, Tenant, Timestamp};

    use super::*;
    use crate::bodies::{EndpointBody, EndpointListBody};
    use crate::listing::order::parse_order;

    /// An endpoint with so few possible values that many are equal in what they are sorted by.
    fn endpoint() -> impl Strategy<Value = Endpoint> {
        let host = select(vec!["a", "b", "c"]);
        let status = select(vec!["enabled", "disabled"]);
        (0_i64..4, 0_i64..4, host, status, any::<u64>()).prop_map(
            |(created, updated, host, status, chance)| {
                let url = format!("https://{host}.example/");
                let json = format!(r#"{{"url": "{url}", "enabled_events": ["*"], "status": "{status}"}}"#);
                let new = NewEndpoint::read(&mut Fields::parse(&json).unwrap()).unwrap();
                let tenant = Tenant { account: "acct_1".parse().unwrap(), mode: Mode::Live };
                let endpoint = new.register(&tenant, Timestamp::from_millis(created), &Same::number(chance));
                Endpoint { updated_at: Timestamp::from_millis(updated), ..endpoint }
            },
        )
    }

    fn order() -> impl Strategy<Value = String> {
        let field = select(vec!["created_at", "updated_at", "url", "status"]);
        let entry = (field, select(vec!["ASC", "DESC"])).prop_map(|(field, way)| format!("{field}:{way}"));
        vec(entry, 1..4).prop_map(|entries| entries.join(","))
    }

    /// Returns the requested part of the list, which does not change while it is read.
    fn page_of(
        listing: &EndpointListing,
        endpoints: &[Endpoint],
    ) -> Result<EndpointListBody<EndpointBody>, UnknownCursor> {
        let mut page = listing.begin(endpoints.iter().map(EndpointOutline::from).collect())?;
        loop {
            let wanted = page.wanted();
            if wanted.is_empty() {
                return Ok(page.finish());
            }
            let wanted = endpoints.iter().filter(|endpoint| wanted.contains(&endpoint.id));
            page.take(wanted.cloned().collect()).unwrap();
        }
    }

    fn listed(endpoints: &[Endpoint]) -> Vec<EndpointBody> {
        endpoints.iter().cloned().map(EndpointBody::for_everybody).collect()
    }

    /// Returns the whole list, sorted stably by one key after another, the least important first.
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
                // Equal entries keep their order.
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
                let page = page_of(&listing, &endpoints).unwrap();
                prop_assert_eq!(page.count, expected.len());
                prop_assert!(page.list.len() == size || all.len() + page.list.len() == expected.len());
                if page.list.is_empty() {
                    break;
                }
                all.extend(page.list);
                prop_assert_eq!(page.has_more, all.len() < expected.len());
            }
            prop_assert_eq!(all, listed(&expected));
        }

        #[test]
        fn a_list_that_is_emptied_while_it_is_read_shows_each_endpoint_once(
            mut endpoints in vec(endpoint(), 0..30),
            order in order(),
            limit in 1_usize..12,
            backward in any::<bool>(),
        ) {
            let expected = listed(&sorted(&endpoints, None, &order));
            let order = parse_order(&order).unwrap();
            let mut window = Window::First { limit };
            if backward && let Some(last) = expected.last() {
                window = Window::Before { id: last.id.into(), limit };
            }
            let mut all = Vec::new();
            loop {
                let listing = EndpointListing { status: None, order: order.clone(), window };
                let page = page_of(&listing, &endpoints).unwrap();
                endpoints.retain(|endpoint| page.list.iter().all(|listed| listed.id != endpoint.id));
                let place = if backward { 0 } else { all.len() };
                all.splice(place..place, page.list);
                let Some(next) = page.next_cursor else { break };
                let id = next.parse().unwrap();
                window = if backward { Window::Before { id, limit } } else { Window::After { id, limit } };
            }
            let expected = if backward { &expected[..expected.len().saturating_sub(1)] } else { &expected[..] };
            prop_assert_eq!(&all[..], expected);
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
            // The cursor has a position even if its endpoint does not match.
            let all = sorted(&endpoints, None, &order);
            let place = all.iter().position(|endpoint| endpoint.id == id).unwrap();
            let matching = |part: &[Endpoint]| -> Vec<Endpoint> {
                part.iter().filter(|endpoint| status.is_none_or(|status| endpoint.status == status)).cloned().collect()
            };
            let (before, after) = (matching(&all[..place]), matching(&all[place + 1..]));
            let order = parse_order(&order).unwrap();
            let select = |window| {
                let listing = EndpointListing { status, order: order.clone(), window };
                page_of(&listing, &endpoints).unwrap()
            };
            let page = select(Window::After { id: id.into(), limit });
            prop_assert_eq!(page.list, listed(&after[..after.len().min(limit)]));
            let page = select(Window::Before { id: id.into(), limit });
            prop_assert_eq!(page.list, listed(&before[before.len().saturating_sub(limit)..]));
        }

        #[test]
        fn a_cursor_is_what_it_prints(endpoint in endpoint(), order in order()) {
            let fields = parse_order(&order).unwrap().into_iter().map(|(field, _)| field);
            let cursor = EndpointCursor::of(&EndpointOutline::from(&endpoint), fields);
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
    }

    #[test]
    fn an_id_is_a_place_in_the_order_of_registration_and_in_others_while_its_endpoint_exists() {
        let id = EndpointId::new(Timestamp::from_millis(1), &Same::number(1));
        let select = |order: &str| {
            let window = Window::After { id: id.into(), limit: 1 };
            page_of(&EndpointListing { status: None, order: parse_order(order).unwrap(), window }, &[])
        };
        assert!(select("created_at:DESC").unwrap().list.is_empty());
        for order in ["url", "updated_at:DESC", "status,created_at", "created_at,url"] {
            assert_eq!(select(order), Err(UnknownCursor(id)), "{order}");
        }
    }

    #[test]
    fn an_endpoint_that_is_gone_when_it_is_read_is_left_out() {
        let tenant = Tenant { account: "acct_1".parse().unwrap(), mode: Mode::Live };
        let register = |n: u32| {
            let json = r#"{"url": "https://a.example/", "enabled_events": ["*"]}"#;
            let new = NewEndpoint::read(&mut Fields::parse(json).unwrap()).unwrap();
            new.register(&tenant, Timestamp::from_millis(i64::from(n)), &Same::number(n.into()))
        };
        let endpoints: Vec<Endpoint> = (0..60).map(register).collect();
        let outlines = endpoints.iter().map(EndpointOutline::from).collect();
        let order = parse_order("created_at").unwrap();
        let listing = EndpointListing { status: None, order, window: Window::First { limit: 50 } };
        let mut page = listing.begin(outlines).unwrap();
        assert_eq!(page.wanted().len(), EndpointPageBuilder::AT_ONCE);
        page.take(Vec::new()).unwrap();
        page.take(endpoints[25..49].to_vec()).unwrap();
        assert!(page.wanted().is_empty());
        let page = page.finish();
        assert_eq!((page.count, page.list.len(), page.has_more), (60, 24, true));
        assert_eq!(page.next_cursor.unwrap().parse(), Ok(EndpointCursor::from(endpoints[49].id)));
    }

    #[test]
    fn a_cursor_that_nobody_made_is_refused() {
        let id = EndpointId::new(Timestamp::from_millis(1), &Same::number(1));
        for text in [
            "",
            "wh_1",
            &format!("{id}."),
            &format!("{id}.e30x"),
            &format!("{id}.!"),
            &format!("{id}.eyJhIjoxfQ"),
        ] {
            assert!(text.parse::<EndpointCursor>().is_err(), "{text}");
        }
        assert_eq!(id.to_string().parse(), Ok(EndpointCursor::from(id)));
    }
}
