//! How often fan-out and `deliver` read the version of an account's endpoints: what it costs that a change counts for the
//! next event.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use posthorn_domain::HealthState;
use posthorn_local::Receiver;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::time_machine::TimeMachine;

const SECOND: Duration = Duration::from_secs(1);

/// Stands between a function and DynamoDB, and counts the reads of versions.
#[derive(Clone, Default)]
struct Counter {
    reads: Arc<AtomicUsize>,
    dynamodb: Arc<OnceLock<String>>,
    client: reqwest::Client,
}

impl Counter {
    /// A system in which this function's reads are counted.
    async fn start(function: &'static str) -> (Self, TimeMachine) {
        let counter = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = counter.clone();
        let answer = move |headers: HeaderMap, body: Bytes| {
            let counter = shared.clone();
            async move { counter.pass_on(headers, body).await }
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        let machine = TimeMachine::start_with(&[], |stores, name| {
            counter.dynamodb.get_or_init(|| stores.stores.dynamodb.clone());
            let to_counter = ("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), url.clone());
            (name == function).then_some(to_counter).into_iter().collect()
        })
        .await;
        (counter, machine)
    }

    async fn pass_on(&self, mut headers: HeaderMap, body: Bytes) -> Response {
        let call: Value = serde_json::from_slice(&body).unwrap();
        self.reads.fetch_add(usize::from(call["Key"]["sk"]["S"] == "meta"), Ordering::SeqCst);
        headers.remove("host");
        let answer = self.client.post(self.dynamodb.get().unwrap()).headers(headers).body(body);
        let answer = answer.send().await.unwrap();
        let (status, headers): (StatusCode, HeaderMap) = (answer.status(), answer.headers().clone());
        (status, headers, answer.bytes().await.unwrap()).into_response()
    }

    /// How many there were since this was asked last.
    fn take(&self) -> usize {
        self.reads.swap(0, Ordering::SeqCst)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fan_out_reads_once_for_a_batch_whether_it_has_one_message_or_ten() {
    let receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let (counter, machine) = Counter::start("fan-out").await;
    machine.register(&receiver.url, &["*"]).await;
    for events in [1, 10] {
        for _ in 0..events {
            machine.publish("order.paid").await;
        }
        machine.work().await;
        assert_eq!(counter.take(), 1, "{events} events");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fan_out_reads_once_for_each_account_in_a_batch() {
    let (counter, machine) = Counter::start("fan-out").await;
    for number in 0..10 {
        let event = json!({ "type": "order.paid", "data": {} });
        let account = format!("acct_{}", number % 3);
        let message = json!({ "account": account, "livemode": true, "event": event });
        machine.send("EventsQueue", message.to_string()).await;
    }
    machine.work().await;
    assert_eq!(counter.take(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_worked_off_with_a_read_each_second() {
    let receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let (counter, machine) = Counter::start("fan-out").await;
    machine.register(&receiver.url, &["*"]).await;
    for _ in 0..45 {
        machine.publish("order.paid").await;
    }
    machine.sleep(2 * SECOND);
    machine.work().await;
    assert_eq!(counter.take(), 1, "five batches");
    machine.publish("order.paid").await;
    machine.work().await;
    assert_eq!(counter.take(), 1, "one that has not waited");
    machine.publish("order.paid").await;
    machine.sleep(2 * SECOND);
    machine.work().await;
    assert_eq!(counter.take(), 1, "one that has waited, when the last read is two seconds old");
}

#[tokio::test(flavor = "multi_thread")]
async fn deliver_reads_once_for_a_batch() {
    let receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let (counter, machine) = Counter::start("deliver").await;
    for number in 0..10 {
        let endpoint = machine.register(&format!("{}/{number}", receiver.url), &["*"]).await;
        machine.set_health(&[endpoint], HealthState::Slow).await;
    }
    machine.publish("order.paid").await;
    machine.work().await;
    assert_eq!(counter.take(), 1);
}
