//! Node closes an idle connection after five seconds, gunicorn after two. A request that set out just then was recorded as
//! a failed attempt, and its event came late: on quiet endpoints, every few events.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncWriteExt as _;

use super::{attempts, check, proven, trusting};
use crate::strangers::{Authority, Stranger, read_request};
use crate::time_machine::TimeMachine;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_closed_as_the_next_request_arrives_is_no_attempt() {
    let machine = TimeMachine::start(&[]).await;
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&requests);
    let receiver = Stranger::start(move |_, mut connection| {
        let seen = Arc::clone(&seen);
        async move {
            read_request(&mut connection).await.unwrap();
            connection.write_all(OK).await.unwrap();
            // The second request on the connection gets no answer.
            if read_request(&mut connection).await.is_some() {
                seen.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await;
    let endpoint = proven(&machine, &receiver.url).await;
    for _ in 0..2 {
        let made = attempts(&machine, &endpoint).await;
        assert_eq!(made.len(), 1, "{made:?}");
        check(&made[0], "succeeded", Some(200), None);
    }
    assert_eq!((requests.load(Ordering::SeqCst), receiver.connections()), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_is_through_tls_and_where_the_new_connection_dies_that_is_an_attempt() {
    let authority = Authority::new();
    let machine = trusting(&authority).await;
    let receiver = Stranger::start_tls(authority.tls(&["http/1.1"]), |number, mut connection| async move {
        if number == 0 {
            read_request(&mut connection).await.unwrap();
            connection.write_all(OK).await.unwrap();
        }
        read_request(&mut connection).await;
    })
    .await;
    let endpoint = proven(&machine, &receiver.url).await;
    check(&attempts(&machine, &endpoint).await[0], "succeeded", Some(200), None);
    let made = attempts(&machine, &endpoint).await;
    assert_eq!((made.len(), receiver.connections()), (1, 2), "{made:?}");
    check(&made[0], "failed", None, Some("protocol"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_used_again_where_the_receiver_leaves_it_open() {
    let machine = TimeMachine::start(&[]).await;
    let receiver = Stranger::start(|_, mut connection| async move {
        while read_request(&mut connection).await.is_some() {
            connection.write_all(OK).await.unwrap();
        }
    })
    .await;
    let endpoint = proven(&machine, &receiver.url).await;
    for _ in 0..3 {
        check(&attempts(&machine, &endpoint).await[0], "succeeded", Some(200), None);
    }
    assert_eq!(receiver.connections(), 1);
}
