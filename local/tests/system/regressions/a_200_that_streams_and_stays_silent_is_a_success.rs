//! A framework answered every POST as a stream of server-sent events: 200 and its headers at once, then nothing. The sender
//! waited 15 seconds for the body's end, recorded a timeout, and sent the event again and again.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;

use super::{attempt_at, attempts, check, proven};
use crate::strangers::{Stranger, read_request, stay_silent};
use crate::time_machine::TimeMachine;

async fn streaming_receiver() -> Stranger {
    Stranger::start(|_, mut connection| async move {
        read_request(&mut connection).await;
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: hello\n\n";
        connection.write_all(head).await.unwrap();
        stay_silent(connection).await;
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_200_that_streams_and_stays_silent_is_a_success() {
    let machine = TimeMachine::start(&[]).await;
    let started = Instant::now();
    let attempt = attempt_at(&machine, &streaming_receiver().await.url).await;
    check(&attempt, "succeeded", Some(200), Some("body_incomplete"));
    assert_eq!(attempt["response_body"], ": hello\n\n");
    assert!(started.elapsed() < Duration::from_secs(10), "the body's end was waited for");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_one_where_fan_out_has_a_second_for_it_too() {
    let machine = TimeMachine::start(&[]).await;
    let endpoint = proven(&machine, &streaming_receiver().await.url).await;
    let made = attempts(&machine, &endpoint).await;
    assert_eq!(made.len(), 1, "{made:?}");
    check(&made[0], "succeeded", Some(200), Some("body_incomplete"));
}
