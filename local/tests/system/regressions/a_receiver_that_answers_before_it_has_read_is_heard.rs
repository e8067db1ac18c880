//! A gateway refused a large event by its headers alone, with a 413, and closed the connection while the body was still on
//! its way. The sender saw a broken pipe, and its users never learned that the event was too large.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{attempt_at, check, trusting};
use crate::strangers::{
    Authority, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, NO_ERROR, RST_STREAM, STATUS_200, Stranger,
    WINDOW_UPDATE,
};
use crate::time_machine::TimeMachine;

/// The only attempt at delivering an event of 200 KB to a receiver.
async fn attempt_of_a_large_event(machine: &TimeMachine, url: &str) -> serde_json::Value {
    let endpoint = machine.register(url, &["*"]).await.id.to_string();
    let event = json!({ "type": "order.paid", "data": { "notes": "n".repeat(200_000) } });
    let message = json!({ "account": TimeMachine::tenant().account, "livemode": true, "event": event });
    machine.send("EventsQueue", message.to_string()).await;
    machine.work().await;
    let [attempt] =
        <[serde_json::Value; 1]>::try_from(machine.attempts(&[("webhook_endpoint_id", &endpoint)]).await)
            .unwrap();
    attempt
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_answers_and_closes_before_it_has_read_is_heard() {
    let machine = TimeMachine::start(&[]).await;
    for (status, code) in [("failed", 413), ("succeeded", 202)] {
        let receiver = Stranger::start(move |_, mut connection| async move {
            let _ = connection.read(&mut [0; 100]).await;
            let answer = format!("HTTP/1.1 {code} So\r\ncontent-length: 3\r\n\r\nwhy");
            connection.write_all(answer.as_bytes()).await.unwrap();
        })
        .await;
        check(&attempt_of_a_large_event(&machine, &receiver.url).await, status, Some(code), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_acknowledges_first_and_reads_then_gets_all_of_the_event() {
    let machine = TimeMachine::start(&[]).await;
    let (all_read, mut told) = tokio::sync::mpsc::unbounded_channel();
    let receiver = Stranger::start(move |_, mut connection| {
        let all_read = all_read.clone();
        async move {
            let mut seen = connection.read(&mut [0; 100]).await.unwrap();
            connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n").await.unwrap();
            let mut buffer = vec![0; 64 * 1024];
            while seen < 200_000 {
                seen += match connection.read(&mut buffer).await.unwrap() {
                    0 => break,
                    more => more,
                };
            }
            all_read.send(seen >= 200_000).unwrap();
            connection.write_all(b"ok").await.unwrap();
        }
    })
    .await;
    check(&attempt_of_a_large_event(&machine, &receiver.url).await, "succeeded", Some(200), None);
    assert_eq!(told.recv().await, Some(true));
}

/// Over HTTP/2, a window of 64 KB is all that is sent before the receiver asks for more.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_acknowledges_first_over_http_2_gets_all_of_the_event_too() {
    let authority = Authority::new();
    let machine = trusting(&authority).await;
    let (all_read, mut told) = tokio::sync::mpsc::unbounded_channel();
    let receiver = Stranger::start_tls(authority.tls(&["h2"]), move |_, connection| {
        let all_read = all_read.clone();
        async move {
            let mut frames = Frames::open(connection).await.unwrap();
            let (_, _, stream, _) = frames.next().await.unwrap();
            frames.send(HEADERS, END_HEADERS, stream, STATUS_200).await;
            let (mut seen, mut is_whole) = (0, false);
            while let Some((kind, flags, _, payload)) = frames.next().await {
                seen += payload.len();
                is_whole = kind == DATA && flags & END_STREAM != 0;
                if is_whole || kind == RST_STREAM {
                    break;
                }
                for of in [0, stream] {
                    let more = u32::try_from(payload.len()).unwrap().to_be_bytes();
                    frames.send(WINDOW_UPDATE, 0, of, &more).await;
                }
            }
            all_read.send((is_whole, seen > 200_000)).unwrap();
            frames.send(DATA, END_STREAM, stream, b"ok").await;
            frames.request().await;
        }
    })
    .await;
    check(&attempt_of_a_large_event(&machine, &receiver.url).await, "succeeded", Some(200), None);
    assert_eq!(told.recv().await, Some((true, true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_200_over_http_2_whose_stream_is_then_reset_is_a_success() {
    let authority = Authority::new();
    let machine = trusting(&authority).await;
    let receiver = Stranger::start_tls(authority.tls(&["h2"]), |_, connection| async move {
        let mut frames = Frames::open(connection).await.unwrap();
        while let Some(stream) = frames.request().await {
            frames.send(HEADERS, END_HEADERS, stream, STATUS_200).await;
            frames.reset(stream, NO_ERROR).await;
        }
    })
    .await;
    let attempt = attempt_at(&machine, &receiver.url).await;
    assert_eq!(
        (&attempt["status"], &attempt["response_status"]),
        (&"succeeded".into(), &200.into()),
        "{attempt}"
    );
}
