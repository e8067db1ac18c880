//! A receiver charged a card, then crashed before it could answer. A client that repeats whatever got no answer charged the
//! card twice within a millisecond, and no attempt was to be seen.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{attempt_at, check, trusting};
use crate::strangers::{Authority, Frames, Stranger, read_request};
use crate::time_machine::TimeMachine;

#[tokio::test(flavor = "multi_thread")]
async fn a_new_connection_that_dies_is_an_attempt() {
    let machine = TimeMachine::start(&[]).await;
    let receiver = Stranger::start(|_, mut connection| async move {
        read_request(&mut connection).await.unwrap();
    })
    .await;
    check(&attempt_at(&machine, &receiver.url).await, "failed", None, Some("protocol"));
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_is_over_http_2_even_after_a_goodbye_that_counts_the_request_in() {
    let authority = Authority::new();
    let machine = trusting(&authority).await;
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&requests);
    let receiver = Stranger::start_tls(authority.tls(&["h2"]), move |_, connection| {
        let seen = Arc::clone(&seen);
        async move {
            let mut frames = Frames::open(connection).await.unwrap();
            let stream = frames.request().await.unwrap();
            seen.fetch_add(1, Ordering::SeqCst);
            frames.go_away(stream).await;
        }
    })
    .await;
    check(&attempt_at(&machine, &receiver.url).await, "failed", None, Some("protocol"));
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}
