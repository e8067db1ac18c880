//! Attempts, read later and made again.

use std::sync::atomic::Ordering;
use std::time::Duration;

use posthorn_domain::{DeliveryStatus, Endpoint, EndpointEdit, Fields};
use posthorn_storage::StorageError;
use serde_json::{Value, json};

use crate::harness::{changing_receiver, local_tenant, text};
use crate::time_machine::TimeMachine;

const HOUR: Duration = Duration::from_hours(1);

async fn edit(machine: &TimeMachine, endpoint: &Endpoint, json: &str) {
    let edit = EndpointEdit::read(&mut Fields::parse(json).unwrap()).unwrap();
    let apply = |endpoint| Ok::<_, StorageError>(edit.apply(endpoint, None, machine.now()));
    machine.endpoints.update(&local_tenant(), endpoint.id, apply).await.unwrap().unwrap();
    machine.pass(Duration::from_secs(2)).await;
}

fn ids(attempts: &[Value]) -> Vec<&str> {
    attempts.iter().map(|attempt| text(attempt, "id")).collect()
}

/// All pages of a list, one after another.
async fn pages(machine: &TimeMachine, query: &[(&str, &str)], limit: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut query = [query, &[("limit", limit)]].concat();
        if let Some(cursor) = &cursor {
            query.push(("starting_after", cursor));
        }
        let (status, page) = machine.list("list-attempts", &query).await;
        assert_eq!(status, 200, "{page}");
        all.extend(page["list"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return all,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoints_attempts_are_listed_those_of_the_newest_event_first() {
    let (receiver, answer) = changing_receiver(500).await;
    let machine = TimeMachine::start(&[("RETRY_SCHEDULE", "1h, 1h")]).await;
    let endpoint = machine.register(&receiver.url, &["order.*"]).await;
    let first = machine.publish("order.paid").await;
    // The first retry is made by now, the second one not yet: each wait varies by up to 20 percent.
    machine.pass(HOUR + HOUR / 2).await;
    answer.store(200, Ordering::SeqCst);
    let second = machine.publish("order.sent").await;
    machine.pass(2 * HOUR).await;
    edit(&machine, &endpoint, r#"{"enabled_events": ["parcel.lost"]}"#).await;
    let third = machine.publish("parcel.lost").await;
    machine.pass(HOUR).await;

    let wh = endpoint.id.to_string();
    let all = machine.attempts(&[("webhook_endpoint_id", &wh)]).await;
    let shown: Vec<_> = all
        .iter()
        .map(|attempt| {
            (text(attempt, "event_id").to_owned(), text(attempt, "status"), attempt["retry_count"].as_u64())
        })
        .collect();
    let expected = [
        (third.to_string(), "succeeded", Some(0)),
        (second.to_string(), "succeeded", Some(0)),
        (first.to_string(), "succeeded", Some(2)),
        (first.to_string(), "failed", Some(1)),
        (first.to_string(), "failed", Some(0)),
    ];
    assert_eq!(shown, expected, "those of patterns that it had before too");
    assert_eq!((&all[4]["response_status"], &all[4]["error"]), (&json!(500), &Value::Null));

    for limit in ["1", "2", "4"] {
        assert_eq!(ids(&pages(&machine, &[("webhook_endpoint_id", &wh)], limit).await), ids(&all), "{limit}");
    }
    let (_, back) = machine
        .list(
            "list-attempts",
            &[("webhook_endpoint_id", &wh), ("ending_before", ids(&all)[3]), ("limit", "2")],
        )
        .await;
    assert_eq!(ids(back["list"].as_array().unwrap()), &ids(&all)[1..3]);
    assert_eq!(back["has_more"], true);

    let failed = pages(&machine, &[("webhook_endpoint_id", &wh), ("status", "failed")], "1").await;
    assert_eq!(ids(&failed), &ids(&all)[3..]);
    let succeeded = machine.attempts(&[("webhook_endpoint_id", &wh), ("status", "succeeded")]).await;
    assert_eq!(ids(&succeeded), &ids(&all)[..3]);
    let of_event = pages(&machine, &[("event_id", &first.to_string())], "2").await;
    assert_eq!(ids(&of_event), &ids(&all)[2..]);
    let both = [("event_id", &*first.to_string()), ("webhook_endpoint_id", &wh), ("status", "failed")];
    assert_eq!(ids(&machine.attempts(&both).await), &ids(&all)[3..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_finds_its_attempts_in_the_chunks_of_large_fan_outs() {
    let (receiver, answer) = changing_receiver(500).await;
    let machine = TimeMachine::start(&[("RETRY_SCHEDULE", "1h")]).await;
    let mut endpoints = Vec::new();
    for number in 0..120 {
        endpoints.push(machine.register(&format!("{}/{number}", receiver.url), &["*"]).await);
    }
    let event = machine.publish("order.paid").await;
    machine.pass(Duration::from_secs(30)).await;
    answer.store(200, Ordering::SeqCst);
    for endpoint in endpoints.iter().step_by(7) {
        for status in [None, Some("failed")] {
            let id = endpoint.id.to_string();
            let mut query = vec![("webhook_endpoint_id", id.as_str())];
            query.extend(status.map(|status| ("status", status)));
            let attempts = machine.attempts(&query).await;
            assert_eq!(attempts.len(), 1, "{status:?}");
            assert_eq!(text(&attempts[0], "event_id"), event.to_string());
        }
    }
    let last = &endpoints[119];
    let found = machine.log.find(&local_tenant(), event, last.id).await.unwrap().unwrap();
    let attempt = format!("att_{}{}1", &event.to_string()[4..], &last.id.to_string()[3..]);
    assert_eq!(machine.call("retry-attempt", &[("id", &attempt)], None).await.0, 202);
    machine.pass(Duration::from_secs(2)).await;
    let delivery = machine.log.get_chunk(&found.0).await.unwrap().unwrap();
    let delivery = delivery.iter().find(|delivery| delivery.endpoint_id == last.id).unwrap();
    assert_eq!((delivery.status, delivery.attempts.len()), (DeliveryStatus::Succeeded, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_attempts_of_an_account_are_listed_those_of_the_newest_event_first() {
    let (receiver, answer) = changing_receiver(500).await;
    let machine = TimeMachine::start(&[("RETRY_SCHEDULE", "1h")]).await;
    // So many that some deliveries are in chunks.
    for number in 0..60 {
        machine.register(&format!("{}/{number}", receiver.url), &["order.paid"]).await;
    }
    machine.register(&receiver.url, &["parcel.*"]).await;
    let first = machine.publish("order.paid").await.to_string();
    machine.pass(HOUR / 2).await;
    answer.store(200, Ordering::SeqCst);
    machine.publish("nobody.listens").await;
    let second = machine.publish("parcel.lost").await.to_string();
    machine.pass(HOUR).await;

    let all = pages(&machine, &[], "100").await;
    let of = |event: &str| all.iter().filter(|attempt| attempt["event_id"] == event).count();
    assert_eq!((all.len(), of(&first), of(&second)), (121, 120, 1));
    assert_eq!(text(&all[0], "event_id"), second);
    let mut sorted = ids(&all);
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(ids(&all), sorted);
    for limit in ["7", "50"] {
        assert_eq!(ids(&pages(&machine, &[], limit).await), ids(&all), "{limit}");
    }
    let failed = pages(&machine, &[("status", "failed")], "100").await;
    assert_eq!(failed.len(), 60);
    let newer = [("ending_before", ids(&all)[9]), ("limit", "5")];
    let (_, back) = machine.list("list-attempts", &newer).await;
    assert_eq!(ids(back["list"].as_array().unwrap()), &ids(&all)[4..9]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_attempts_says_what_it_needs() {
    let machine = TimeMachine::start(&[]).await;
    let endpoint = machine.register("https://example.com/", &["*"]).await.id.to_string();
    let refused = async |query: &[(&str, &str)]| {
        let (status, problem) = machine.list("list-attempts", query).await;
        (status, problem["param"].as_str().unwrap_or_default().to_owned())
    };
    let param = |name: &str| (400, name.to_owned());
    assert_eq!(refused(&[("event_id", "x")]).await, param("event_id"));
    let wh = ("webhook_endpoint_id", endpoint.as_str());
    assert_eq!(refused(&[wh, ("status", "pending")]).await, param("status"));
    assert_eq!(refused(&[wh, ("limit", "0")]).await, param("limit"));
    assert_eq!(refused(&[wh, ("page", "2")]).await, param("page"));
    assert_eq!(refused(&[wh, ("starting_after", "evt_1")]).await, param("starting_after"));
    let nobody = ("webhook_endpoint_id", "wh_01JDB5G8Z7M4X3W2V1T0S9R8Q7");
    assert_eq!(refused(&[nobody]).await.0, 404);
    assert_eq!(refused(&[("event_id", "evt_01JDB5G8Z7M4X3W2V1T0S9R8Q7")]).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_asked_for_twice_is_made_twice_and_a_success_ends_the_retries() {
    let (mut receiver, answer) = changing_receiver(500).await;
    let machine = TimeMachine::start(&[("RETRY_SCHEDULE", "1h, 1h")]).await;
    let endpoint = machine.register(&receiver.url, &["*"]).await;
    let event = machine.publish("order.paid").await;
    machine.pass(Duration::from_secs(10)).await;
    let body = receiver.next().await.body;

    let first = machine.attempts(&[("event_id", &event.to_string())]).await.remove(0);
    let by_attempt = async || machine.call("retry-attempt", &[("id", text(&first, "id"))], None).await;
    let named = json!({ "event_id": event, "webhook_endpoint_id": endpoint.id });
    let (status, queued) = by_attempt().await;
    let mut expected = named.clone();
    expected["livemode"] = json!(true);
    expected["status"] = json!("queued");
    assert_eq!((status, &queued), (202, &expected));
    assert_eq!(machine.call("retry-attempt", &[], Some(named.clone())).await.0, 202);
    machine.pass(Duration::from_secs(10)).await;
    let delivery = machine.delivery(event).await;
    assert_eq!((delivery.attempts.len(), delivery.next_attempt()), (3, 2), "the schedule goes on as before");
    assert_eq!(delivery.status, DeliveryStatus::Pending);
    for _ in 0..2 {
        let again = receiver.next().await;
        assert_eq!((again.event_id(), &again.body), (&*event.to_string(), &body));
    }

    // A message received twice is one request.
    by_attempt().await;
    let message = machine.take("DeliveriesQueue").await.pop().unwrap();
    for _ in 0..2 {
        machine.send("DeliveriesQueue", message.clone()).await;
        machine.pass(Duration::from_secs(5)).await;
    }
    assert_eq!(machine.delivery(event).await.attempts.len(), 4);

    answer.store(200, Ordering::SeqCst);
    by_attempt().await;
    machine.pass(Duration::from_secs(10)).await;
    let delivery = machine.delivery(event).await;
    assert_eq!((delivery.status, delivery.next_attempt_at), (DeliveryStatus::Succeeded, None));
    machine.pass(3 * HOUR).await;
    assert_eq!(machine.delivery(event).await.attempts.len(), 5, "no retry comes after it");
    by_attempt().await;
    answer.store(500, Ordering::SeqCst);
    machine.pass(Duration::from_secs(10)).await;
    let delivery = machine.delivery(event).await;
    assert_eq!(
        (delivery.status, delivery.attempts.len()),
        (DeliveryStatus::Succeeded, 6),
        "it stays acknowledged"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_by_hand_and_one_of_the_schedule_at_the_same_time_are_both_on_record() {
    let (receiver, _) = changing_receiver(500).await;
    let machine = TimeMachine::start(&[("RETRY_SCHEDULE", "10s, 1h")]).await;
    let endpoint = machine.register(&receiver.url, &["*"]).await;
    let event = machine.publish("order.paid").await;
    machine.work().await;
    machine.sleep(Duration::from_secs(15));
    for _ in 0..3 {
        let named = json!({ "event_id": event, "webhook_endpoint_id": endpoint.id });
        assert_eq!(machine.call("retry-attempt", &[], Some(named)).await.0, 202);
    }
    machine.work().await;
    let delivery = machine.delivery(event).await;
    assert_eq!((delivery.attempts.len(), delivery.next_attempt(), delivery.resends()), (5, 3, 3));
    machine.pass(2 * HOUR).await;
    let delivery = machine.delivery(event).await;
    assert_eq!(
        (delivery.attempts.len(), delivery.status),
        (6, DeliveryStatus::Failed),
        "the schedule went on"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_cannot_be_made_is_refused_with_the_reason() {
    let (receiver, _) = changing_receiver(500).await;
    let machine = TimeMachine::start(&[("RETRY_SCHEDULE", "1h")]).await;
    let endpoint = machine.register(&receiver.url, &["order.*"]).await;
    let other = machine.register("https://example.com/", &["parcel.lost"]).await;
    let event = machine.publish("order.paid").await;
    machine.pass(Duration::from_secs(10)).await;
    let attempt = text(&machine.attempts(&[("event_id", &event.to_string())]).await[0], "id").to_owned();
    let refused = async |params: &[(&str, &str)], body: Option<Value>| {
        let (status, problem) = machine.call("retry-attempt", params, body).await;
        (status, problem["error"].as_str().unwrap_or_default().to_owned())
    };
    let check = |(status, error): (u16, String), expected: u16, reason: &str| {
        assert!(status == expected && error.contains(reason), "{status} {error}");
    };
    let not_sent = json!({ "event_id": event, "webhook_endpoint_id": other.id });
    check(refused(&[], Some(not_sent)).await, 404, "was not sent to");
    check(refused(&[], Some(json!({ "event_id": event }))).await, 400, "`webhook_endpoint_id` is required");
    check(refused(&[("id", "att_x")], None).await, 404, "There is no attempt");
    check(refused(&[("id", &format!("{}9", &attempt[..attempt.len() - 1]))], None).await, 404, "no attempt");
    check(refused(&[("id", &attempt)], Some(json!({ "now": true }))).await, 400, "`now`");
    edit(&machine, &endpoint, r#"{"status": "disabled"}"#).await;
    check(refused(&[("id", &attempt)], None).await, 409, "its owner disabled it");
    edit(&machine, &endpoint, r#"{"status": "enabled"}"#).await;
    for _ in 0..20 {
        assert_eq!(refused(&[("id", &attempt)], None).await.0, 202);
        machine.work().await;
    }
    check(refused(&[("id", &attempt)], None).await, 409, "on request 20 times");
    machine.endpoints.delete(&local_tenant(), endpoint.id).await.unwrap();
    check(refused(&[("id", &attempt)], None).await, 409, "was deleted");
}
