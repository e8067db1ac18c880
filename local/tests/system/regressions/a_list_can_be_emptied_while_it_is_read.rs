//! A script paged through an account's endpoints with `starting_after` and deleted each one that it saw. Its second request was
//! a 400: the cursor was the id of an endpoint that it had just deleted.

use serde_json::json;

use crate::harness::{TestSystem, text};

#[tokio::test(flavor = "multi_thread")]
async fn listing_and_deleting_in_one_loop_works_in_every_order() {
    let system = TestSystem::start().await;
    for order in ["", "&order=created_at:ASC", "&order=url:ASC", "&order=status:DESC,updated_at:ASC"] {
        for n in 0..7 {
            let url = format!("https://example.com/{}", n % 3);
            system.register(&json!({ "url": url, "enabled_events": ["*"] })).await;
        }
        let (mut cursor, mut deleted) = (String::new(), 0);
        loop {
            let path = format!("/api/webhook-endpoints?limit=2{order}{cursor}");
            let (status, page) = system.request("GET", &path, None).await;
            assert_eq!(status, 200, "{page}");
            for endpoint in page["list"].as_array().unwrap() {
                let path = format!("/api/webhook-endpoints/{}", text(endpoint, "id"));
                assert_eq!(system.request("DELETE", &path, None).await.0, 200);
                deleted += 1;
            }
            if page["has_more"] == false {
                break;
            }
            cursor = format!("&starting_after={}", text(&page, "next_cursor"));
        }
        assert_eq!(deleted, 7, "{order}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_id_of_a_deleted_endpoint_is_still_a_place_in_the_order_of_registration() {
    let system = TestSystem::start().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let endpoint = json!({ "url": "https://example.com/", "enabled_events": ["*"] });
        ids.push(text(&system.register(&endpoint).await, "id").to_owned());
    }
    ids.sort();
    system.request("DELETE", &format!("/api/webhook-endpoints/{}", ids[1]), None).await;
    for (query, rest) in [("starting_after", &ids[0]), ("ending_before", &ids[2])] {
        let (_, page) =
            system.request("GET", &format!("/api/webhook-endpoints?{query}={}", ids[1]), None).await;
        assert_eq!(
            (text(&page["list"][0], "id"), page["count"].as_u64()),
            (rest.as_str(), Some(2)),
            "{page}"
        );
    }
}
