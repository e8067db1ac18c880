//! A support engineer pasted `created_at_from=2026-11-24T11:00:00+01:00` into a URL and was told that this is no time in RFC 3339.
//! It is one; but in a query a `+` means a space.

use std::time::Duration;

use posthorn_domain::Timestamp;
use serde_json::json;

use crate::harness::{TestSystem, text};

#[tokio::test(flavor = "multi_thread")]
async fn the_offset_of_a_time_in_a_query_is_understood_however_it_is_written() {
    let system = TestSystem::start().await;
    let event = json!({ "type": "order.paid", "data": {} });
    let (_, published) = system.request("POST", "/api/events", Some(&event)).await;
    system.stores.until_idle().await;
    let at: Timestamp = text(&published, "created_at").parse().unwrap();
    let ahead = at.plus(Duration::from_hours(1)).to_string();
    let local = ahead.trim_end_matches('Z');
    for (offset, found) in [("+01:00", 1), ("%2B01:00", 1), ("-00:00", 0), ("+00:00", 0)] {
        let path = format!("/api/events?created_at_from={local}{offset}");
        let (status, list) = system.request("GET", &path, None).await;
        assert_eq!((status, list["list"].as_array().map(Vec::len)), (200, Some(found)), "{offset}: {list}");
    }
    for wrong in ["2026-11-24 11:00:00", "2026-11-24T11:00:00+", "+", "2026-11-24+01:00"] {
        let path = format!("/api/events?created_at_to={wrong}");
        let (status, problem) = system.request("GET", &path, None).await;
        assert_eq!((status, text(&problem, "param")), (400, "created_at_to"), "{wrong}");
    }
}
