//! nginx says GOAWAY after a thousand requests, Envoy when it is updated, and a load balancer refuses streams while it is
//! full. All of them vouch that they did nothing with the request. The sender showed its users a failed attempt each time.

use posthorn_domain::Endpoint;
use tokio::io::AsyncWriteExt as _;

use super::{attempt_at, attempts, check, proven, trusting};
use crate::strangers::{Authority, Frames, HTTP_1_1_REQUIRED, REFUSED_STREAM, Stranger, read_request};
use crate::time_machine::TimeMachine;

/// Checks that an event at an endpoint is one attempt, which succeeds, over so many connections in all.
async fn check_one(machine: &TimeMachine, receiver: &Stranger, endpoint: &Endpoint, connections: usize) {
    let made = attempts(machine, endpoint).await;
    assert_eq!((made.len(), receiver.connections()), (1, connections), "{made:?}");
    check(&made[0], "succeeded", Some(200), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_behind_a_goaway_goes_out_once_more() {
    let authority = Authority::new();
    let machine = trusting(&authority).await;
    let receiver = Stranger::start_tls(authority.tls(&["h2"]), |number, connection| async move {
        let mut frames = Frames::open(connection).await.unwrap();
        if number == 0 {
            frames.request().await.unwrap();
            frames.go_away(0).await;
        }
        frames.answer_all().await;
    })
    .await;
    check_one(&machine, &receiver, &proven(&machine, &receiver.url).await, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_stream_goes_out_once_more_and_not_a_third_time() {
    let authority = Authority::new();
    let machine = trusting(&authority).await;
    let refusing = |until: usize| {
        let tls = authority.tls(&["h2"]);
        Stranger::start_tls(tls, move |number, connection| async move {
            let mut frames = Frames::open(connection).await.unwrap();
            if number < until {
                let stream = frames.request().await.unwrap();
                frames.reset(stream, REFUSED_STREAM).await;
            }
            frames.answer_all().await;
        })
    };
    let receiver = refusing(1).await;
    check_one(&machine, &receiver, &proven(&machine, &receiver.url).await, 2).await;
    let busy = refusing(9).await;
    check(&attempt_at(&machine, &busy.url).await, "failed", None, Some("protocol"));
    assert_eq!(busy.connections(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_wants_http_1_1_gets_it_and_is_not_asked_again() {
    let authority = Authority::new();
    let machine = trusting(&authority).await;
    let receiver =
        Stranger::start_tls(authority.tls(&["h2", "http/1.1"]), |number, mut connection| async move {
            if number == 0 {
                let mut frames = Frames::open(connection).await.unwrap();
                let stream = frames.request().await.unwrap();
                frames.reset(stream, HTTP_1_1_REQUIRED).await;
                return frames.answer_all().await;
            }
            for _ in 0..2 {
                let Some(request) = read_request(&mut connection).await else { return };
                assert!(request.starts_with("POST / HTTP/1.1\r\n"), "{request}");
                connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            }
            read_request(&mut connection).await;
        })
        .await;
    let endpoint = proven(&machine, &receiver.url).await;
    check_one(&machine, &receiver, &endpoint, 2).await;
    check_one(&machine, &receiver, &endpoint, 2).await;
    // Its connection is closed under the third request. The new one speaks HTTP/1.1, too.
    check_one(&machine, &receiver, &endpoint, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooled_connection_that_dies_under_a_request_is_no_attempt() {
    let authority = Authority::new();
    let machine = trusting(&authority).await;
    let receiver = Stranger::start_tls(authority.tls(&["h2"]), |number, connection| async move {
        let mut frames = Frames::open(connection).await.unwrap();
        if number == 0 {
            let stream = frames.request().await.unwrap();
            frames.answer(stream).await;
            frames.request().await.unwrap();
            return;
        }
        frames.answer_all().await;
    })
    .await;
    let endpoint = proven(&machine, &receiver.url).await;
    check_one(&machine, &receiver, &endpoint, 1).await;
    check_one(&machine, &receiver, &endpoint, 2).await;
}
