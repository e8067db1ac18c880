//! A receiver answered with frames that are no answer, as fast as the network took them: interim answers, endless headers,
//! pings. Its attempt ended with its time, but the connection went on for as long as it was kept, and took the processor
//! from the attempts beside it. No limit of HTTP/2 counts such frames all together, so their bytes are counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{attempt_at, check, trusting};
use crate::strangers::{
    Authority, CONTINUATION, END_HEADERS, Frames, HEADERS, PING, SETTINGS, Stranger, literal,
};
use crate::time_machine::TimeMachine;

/// What is more than any receiver may send: what it takes for an answer, and what is under way in buffers.
const TOO_MUCH: usize = 8 * 1024 * 1024;

/// Has a receiver send frames again and again, once a request has come, until the connection ends; `first` comes before.
/// Checks that it ended soon, and was one attempt.
async fn check_flood(
    machine: &TimeMachine,
    authority: &Authority,
    first: Option<u8>,
    kind: u8,
    flags: u8,
    payload: Vec<u8>,
) {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let receiver = Stranger::start_tls(authority.tls(&["h2"]), move |_, connection| {
        let (sent, payload) = (Arc::clone(&counter), payload.clone());
        async move {
            let mut frames = Frames::open(connection).await.unwrap();
            let Some(stream) = frames.request().await else { return };
            if let Some(kind) = first {
                frames.send(kind, 0, stream, &[]).await;
            }
            let stream = if matches!(kind, PING | SETTINGS) { 0 } else { stream };
            while sent.load(Ordering::SeqCst) < TOO_MUCH
                && frames.try_send(kind, flags, stream, &payload).await
            {
                sent.fetch_add(9 + payload.len(), Ordering::SeqCst);
            }
        }
    })
    .await;
    let attempt = attempt_at(machine, &receiver.url).await;
    check(&attempt, "failed", None, Some("protocol"));
    let sent = sent.load(Ordering::SeqCst);
    assert!(sent < TOO_MUCH, "frames of kind {kind} went on");
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_are_no_answer_are_bounded_by_their_bytes() {
    let authority = Authority::new();
    let machine = trusting(&authority).await;
    let hints = literal(":status", "103");
    check_flood(&machine, &authority, None, HEADERS, END_HEADERS, hints).await;
    check_flood(&machine, &authority, Some(HEADERS), CONTINUATION, 0, Vec::new()).await;
    check_flood(&machine, &authority, Some(HEADERS), CONTINUATION, 0, literal("x", &"y".repeat(4_000))).await;
    check_flood(&machine, &authority, None, PING, 0, vec![0; 8]).await;
    check_flood(&machine, &authority, None, SETTINGS, 0, Vec::new()).await;
}
