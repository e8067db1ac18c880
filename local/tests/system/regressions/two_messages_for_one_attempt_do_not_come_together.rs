//! DynamoDB throttled the table of late retries for half a minute. Each try to write there queued the other retries of the same
//! event once more, for the same second, and their endpoints were sent the event as often.

use std::time::Duration;

use http::StatusCode;
use posthorn_local::Receiver;

use crate::calls::Calls;
use crate::strangers::Stranger;
use crate::time_machine::TimeMachine;

/// A receiver that fails, and asks for an hour.
const LATER: &[u8] = b"HTTP/1.1 503 Later\r\nretry-after: 3600\r\ncontent-length: 0\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn what_one_table_refuses_doubles_nothing_elsewhere() {
    let later = Stranger::saying(LATER).await;
    let receiver = Receiver::start(0, |_, _| StatusCode::INTERNAL_SERVER_ERROR).await.unwrap();
    let (calls, machine): (Calls, TimeMachine) = Calls::start("fan-out").await;
    for url in [&later.url, &receiver.url] {
        machine.register(url, &["*"]).await;
    }
    // The SDK tries each write three times.
    calls.throttle("PutItem", "DueTable", 7);
    machine.publish("order.paid").await;
    machine.work().await;
    assert_eq!(machine.due_rows().await.iter().filter(|row| row.contains_key("body")).count(), 1);
    machine.sleep(Duration::from_secs(10));
    assert_eq!(machine.take("DeliveriesQueue").await.len(), 1, "the other endpoint's retry is queued once");
}
