//! A customer had a hundred endpoints with all their patterns and notes, and a hundred events of 256 KiB. Each listed alone; asked
//! for together, API Gateway answered `{"message": "Internal Server Error"}`: Lambda answers at most 6 MB, and the body's quotes
//! and backslashes count twice. So did the answer to a batch of such events, which had been accepted.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::harness::{TestSystem, text};

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

/// Reads a whole list by cursor. Returns its ids and how many requests it took.
async fn read_all(system: &TestSystem, path: &str, forward: bool) -> (Vec<String>, usize) {
    let (mut cursor, mut ids, mut requests) = (String::new(), Vec::new(), 0);
    loop {
        let (status, page) = system.request("GET", &format!("{path}limit=100{cursor}"), None).await;
        assert_eq!(status, 200, "{page}");
        requests += 1;
        let list = page["list"].as_array().unwrap();
        assert!(!list.is_empty(), "a part of a list leads on");
        ids.extend(list.iter().map(|entry| text(entry, "id").to_owned()));
        if page["has_more"] == false {
            return (ids, requests);
        }
        let direction = if forward { "starting_after" } else { "ending_before" };
        cursor = format!("&{direction}={}", text(&page, "next_cursor"));
    }
}

/// Asks for a numbered page that is too large, and then for one as large as the refusal says.
async fn check_numbered(system: &TestSystem, path: &str) {
    let (status, problem) = system.request("GET", &format!("{path}page=1&pageSize=100"), None).await;
    let named = (status, text(&problem, "code"), text(&problem, "param"));
    assert_eq!(named, (400, "page_too_large", "pageSize"), "{problem}");
    let (_, rest) = text(&problem, "detail").split_once("Ask for at most ").unwrap();
    let (fitting, _) = rest.split_once(',').unwrap();
    let (status, page) = system.request("GET", &format!("{path}page=1&pageSize={fitting}"), None).await;
    assert_eq!((status, page["list"].as_array().unwrap().len().to_string()), (200, fitting.to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_rich_endpoints_are_listed_in_parts() {
    let system = TestSystem::start().await;
    let patterns: Vec<String> = (0..500).map(|n| format!("{}.{n}.*", "a".repeat(90))).collect();
    let notes: serde_json::Map<_, _> = (0..50).map(|n| (format!("k{n}"), "\"".repeat(100).into())).collect();
    let endpoint = json!({
        "url": format!("https://example.com/{}", "u".repeat(2_000)), "enabled_events": patterns,
        "description": "\\".repeat(1_024), "metadata": notes,
        "headers": (0..20).map(|n| (format!("X-{n}"), "v".repeat(900).into())).collect::<serde_json::Map<_, Value>>(),
    });
    for _ in 0..100 {
        system.register(&endpoint).await;
    }
    let (ids, requests) = read_all(&system, "/api/webhook-endpoints?", true).await;
    assert_eq!(ids.len(), 100);
    assert!(requests > 1, "they would fit into one answer");
    let upwards = format!("/api/webhook-endpoints?order=created_at:ASC&ending_before={}", ids[0]);
    let (_, page) = system.request("GET", &format!("{upwards}&limit=100"), None).await;
    assert_eq!(page["has_more"], true, "{page}");
    let list = page["list"].as_array().unwrap();
    assert_eq!(
        text(list.last().unwrap(), "id"),
        ids[1],
        "what precedes the cursor ends with what is next to it"
    );
    check_numbered(&system, "/api/webhook-endpoints?").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_large_events_are_listed_in_parts() {
    let system = TestSystem::start().await;
    let publish = async |n: usize| {
        let event = json!({ "type": "order.paid", "data": { "n": n, "text": "\"".repeat(130_000) } });
        let (status, _) = system.request("POST", "/api/events", Some(&event)).await;
        assert_eq!(status, 202);
    };
    for n in 0..100 {
        publish(n).await;
    }
    system.stores.until_idle().await;
    let (ids, requests) = read_all(&system, "/api/events?", true).await;
    assert_eq!(ids.len(), 100);
    assert!(requests > 8, "each is half a megabyte in an answer: {requests}");
    check_numbered(&system, "/api/events?").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_to_a_batch_repeats_events_without_their_data() {
    let system = TestSystem::start().await;
    let events: Vec<_> =
        (0..100).map(|_| json!({ "type": "a", "data": { "x": "x".repeat(41_000) } })).collect();
    let (status, answer) =
        system.request("POST", "/api/events/batch", Some(&json!({ "events": events }))).await;
    assert_eq!((status, answer["count"].as_u64()), (202, Some(100)));
    for entry in answer["list"].as_array().unwrap() {
        assert_eq!(entry["status"], 202);
        assert_eq!((&entry["event"]["type"], entry["event"].get("data")), (&json!("a"), None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_would_be_repeated_at_too_great_a_length_is_refused_before_anything_is_published() {
    let system = TestSystem::start().await;
    let notes: serde_json::Map<_, _> = (0..50).map(|n| (format!("k{n}"), "\"".repeat(400).into())).collect();
    let event = json!({ "type": "a", "data": {}, "metadata": notes });
    let batch = json!({ "events": vec![event; 100] }).to_string();
    // As a type that is no text, it comes in Base64: it fits into a request, and not into an answer.
    let headers = [("content-type", "application/vnd.posthorn+json")];
    let (status, problem) = system.send("POST", "/api/events/batch", &headers, batch).await;
    assert_eq!((status, text(&problem, "code")), (413, "body_too_large"), "{problem}");
    assert_eq!(system.stores.depth("EventsQueue").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_refusals_repeat_little_of_what_was_sent() {
    let system = TestSystem::start().await;
    let event = json!({ "type": "a", "data": {}, "x".repeat(40_000): 1 });
    let batch = json!({ "events": vec![event; 100] }).to_string();
    let (status, answer) = system.send("POST", "/api/events/batch", &JSON, batch).await;
    assert_eq!(status, 202);
    assert!(answer.to_string().len() < 1_000_000);
    assert_eq!(text(&answer["list"][99], "code"), "unknown_field");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_lambda_would_not_take_is_not_taken_on_a_laptop() {
    let system = TestSystem::start().await;
    let (status, answer) = system.send("POST", "/api/events/batch", &JSON, "\"".repeat(3_200_000)).await;
    assert_eq!((status, answer), (413, json!({ "message": "Request Entity Too Large" })));
    let (status, answer) = system.send("POST", "/api/events/batch", &JSON, "x".repeat(11_000_000)).await;
    assert_eq!((status, answer), (413, json!({ "message": "Request Entity Too Large" })));
    let binary = BASE64_STANDARD.encode(vec![0; 3_000_000]);
    let (status, problem) = system.send("POST", "/api/events/batch", &JSON, binary).await;
    assert_eq!((status, text(&problem, "code")), (400, "malformed_body"), "what fits comes through");
}
