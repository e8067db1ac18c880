//! A receiver answered with frames that are no answer, as fast as the network took them: interim answers, endless headers,
//! pings. Its attempt ended with its time, but the connection went on for as long as it was kept, and took the processor
//! from the attempts beside it. No limit of HTTP/2 counts such frames all together, so their bytes are counted.

use posthorn_domain::HealthState;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout;

use super::{attempts, check};
use crate::harness::PATIENCE;
use crate::strangers::{
    Authority, CONTINUATION, END_HEADERS, Frames, HEADERS, PING, SETTINGS, Stranger, frame, literal,
};
use crate::time_machine::TimeMachine;

/// More than any receiver may send: what is taken of an answer, and what is under way in buffers.
const TOO_MUCH: usize = 32 * 1024 * 1024;
/// The stream of the only request.
const STREAM: u32 = 1;

/// Has a receiver pour these frames out, once a request has come and after `first`. Checks that this is one attempt, and that
/// the connection is closed.
async fn check_flood(machine: &TimeMachine, authority: &Authority, first: &[u8], frames: &[u8]) {
    let (told, mut poured) = unbounded_channel();
    let (first, frames) = (first.to_vec(), frames.repeat(16 * 1024 / frames.len()));
    let receiver = Stranger::start_tls(authority.tls(&["h2"]), move |_, connection| {
        let (told, first, flood) = (told.clone(), first.clone(), frames.clone());
        async move {
            let mut frames = Frames::open(connection).await.unwrap();
            assert_eq!(frames.request().await, Some(STREAM));
            frames.pour(&first, first.len()).await;
            told.send(frames.pour(&flood, TOO_MUCH).await).unwrap();
        }
    })
    .await;
    let slow = machine.register(&receiver.url, &["*"]).await;
    machine.set_health(std::slice::from_ref(&slow), HealthState::Slow).await;
    let [attempt] = &attempts(machine, &slow).await[..] else { panic!("there is one attempt") };
    check(attempt, "failed", None, Some("protocol"));
    let poured = timeout(PATIENCE, poured.recv()).await.expect("the connection should be closed").unwrap();
    assert!(poured < TOO_MUCH, "the flood went on for {poured} bytes");
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_are_no_answer_are_bounded_by_their_bytes() {
    let authority = Authority::new();
    let machine = TimeMachine::start(&[("SSL_CERT_FILE", &authority.file())]).await;
    let hints = frame(HEADERS, END_HEADERS, STREAM, &literal(":status", "103"));
    check_flood(&machine, &authority, &[], &hints).await;
    let endless = frame(HEADERS, 0, STREAM, &[]);
    check_flood(&machine, &authority, &endless, &frame(CONTINUATION, 0, STREAM, &[])).await;
    let headers = frame(CONTINUATION, 0, STREAM, &literal("x", &"y".repeat(4_000)));
    check_flood(&machine, &authority, &endless, &headers).await;
    check_flood(&machine, &authority, &[], &frame(PING, 0, 0, &[0; 8])).await;
    check_flood(&machine, &authority, &[], &frame(SETTINGS, 0, 0, &[])).await;
}
