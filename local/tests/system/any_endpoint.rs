//! What registration accepts, every later step carries: update, list, the row with its sealed secrets, the snapshot that a
//! delivery is made from, the notice, and the queue that it travels on.

use http::StatusCode;
use posthorn_local::Receiver;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use crate::harness::{changing_receiver, text};
use crate::kms::Kms;
use crate::time_machine::TimeMachine;

/// The JSON of texts of all kinds, some of which are no Unicode.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        12 => "[a-z é😀\u{fffe}\u{ffff}\u{7f}]".prop_map(|text| text),
        4 => prop::sample::select(vec![r"\ud83d\ude00", r"\ufffe", r"\uffff", r"\u0000", r"\n", r#"\""#, r"\\"])
            .prop_map(str::to_owned),
        1 => prop::sample::select(vec![r"\ud83d", r"\ude00"]).prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

/// The JSON of values of all kinds, some of which are too deep or too large.
fn values() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => texts(),
        2 => "(-?[1-9][0-9]{0,30}|-?1(\\.5)?e[0-9]{1,2}|0\\.1|true|null)",
        1 => "1e[0-9]{3}",
        1 => (1_usize..36).prop_map(|levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels))),
        1 => (texts(), texts()).prop_map(|(name, value)| format!("{{{name}: [{value}]}}")),
    ]
}

/// The bodies of registrations for an endpoint at this URL.
fn registrations(url: String) -> impl Strategy<Value = String> {
    let metadata = prop::collection::vec((texts(), values()), 0..4).prop_map(|entries| {
        let entries: Vec<_> = entries.iter().map(|(key, value)| format!("{key}: {value}")).collect();
        format!("{{{}}}", entries.join(", "))
    });
    let headers =
        prop::collection::vec(("[A-Za-z]{1,8}", "[!-~]([ -~]{0,8}[!-~])?"), 0..3).prop_map(|headers| {
            let headers: std::collections::BTreeMap<String, String> = headers
                .into_iter()
                .map(|(name, value)| (format!("X-{}", name.to_lowercase()), value))
                .collect();
            serde_json::to_string(&headers).unwrap()
        });
    let patterns = prop::collection::vec("\\*|[A-Za-z0-9_-]{1,9}(\\.[a-z]{1,9}){0,3}(\\.\\*)?", 1..4);
    let patterns = patterns.prop_map(|patterns| serde_json::to_string(&patterns).unwrap());
    (texts(), metadata, headers, patterns, "[!#-\\[\\]-~]{1,9}").prop_map(
        move |(description, metadata, headers, patterns, version)| {
            format!(
                r#"{{"url": "{url}", "enabled_events": {patterns}, "description": {description}, "metadata": {metadata},
                "headers": {headers}, "api_version": "{version}"}}"#
            )
        },
    )
}

/// What an owner has said of their endpoint.
fn said(endpoint: &Value) -> Value {
    let fields = ["url", "enabled_events", "description", "metadata", "api_version"];
    fields.iter().map(|field| ((*field).to_owned(), endpoint[field].clone())).collect()
}

/// Takes an endpoint through all that may happen to it. Returns whether it was accepted at all.
async fn live_through(machine: &TimeMachine, ear: &mut Receiver, body: &str) -> bool {
    let (status, endpoint) = machine.call_with("create-endpoint", &[], body).await;
    if status == 400 {
        assert!(endpoint["param"].is_string(), "it is refused with the field to blame: {endpoint}");
        return false;
    }
    assert_eq!(status, 201, "{endpoint}");
    let id = text(&endpoint, "id").to_owned();
    let path = [("id", id.as_str())];
    let (status, read) = machine.call("get-endpoint", &path, None).await;
    assert_eq!((status, said(&read)), (200, said(&endpoint)));
    let (status, updated) = machine.call("update-endpoint", &path, Some(read)).await;
    assert_eq!((status, said(&updated), &updated["headers"]), (200, said(&endpoint), &endpoint["headers"]));
    let (status, page) = machine.list("list-endpoints", &[]).await;
    let listed = page["list"].as_array().unwrap().iter().find(|listed| listed["id"] == endpoint["id"]);
    assert_eq!((status, said(listed.unwrap())), (200, said(&endpoint)));

    // It says that it is gone, and is disabled.
    assert_eq!(machine.call("test-endpoint", &path, None).await.0, 202);
    machine.work().await;
    let (_, read) = machine.call("get-endpoint", &path, None).await;
    assert_eq!((text(&read, "status"), said(&read)), ("disabled", said(&endpoint)));
    let notice: Value = serde_json::from_slice(&crate::harness::next(ear).await.body).unwrap();
    let object = &notice["data"]["object"];
    assert_eq!((&object["id"], said(object)), (&endpoint["id"], said(&endpoint)));
    assert_eq!(machine.call("delete-endpoint", &path, None).await.0, 200);
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn what_create_accepts_update_list_notice_queue_and_snapshot_carry() {
    let gone = Receiver::start(0, |_, _| StatusCode::GONE).await.unwrap();
    let (mut ear, _) = changing_receiver(200).await;
    let kms = Kms::start().await;
    let machine = TimeMachine::start(&kms.environment()).await;
    machine.register(&ear.url, &["webhook_endpoint.disabled"]).await;
    let bodies = registrations(gone.url.clone());
    let handle = tokio::runtime::Handle::current();
    let all_live = move || {
        let mut accepted = 0;
        let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
        for _ in 0..40 {
            let body = bodies.new_tree(&mut runner).unwrap().current();
            println!("{body}");
            accepted += usize::from(handle.block_on(live_through(&machine, &mut ear, &body)));
        }
        assert!(accepted >= 5, "{accepted} of 40 were accepted");
    };
    tokio::task::spawn_blocking(all_live).await.unwrap();
}
