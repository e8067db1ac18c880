//! Lambda freezes a function between two invocations. When it thawed, its open connections were dead and nobody had told
//! it: the first events of the morning timed out, and the endpoints were blamed.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;

use super::{attempts, check, proven, trusting};
use crate::strangers::{Authority, Frames, Relay, Stranger, read_request};
use crate::time_machine::TimeMachine;

/// Checks that an event after a pause of a minute, in which the network lost all connections, is one attempt that succeeds.
async fn check_after_a_pause(machine: &TimeMachine, receiver: &Stranger) {
    let relay = Relay::to(receiver).await;
    let endpoint = proven(machine, &relay.url).await;
    check(&attempts(machine, &endpoint).await[0], "succeeded", Some(200), None);
    relay.fall_silent();
    machine.sleep(Duration::from_mins(1));
    let made = attempts(machine, &endpoint).await;
    assert_eq!((made.len(), receiver.connections()), (1, 2), "{made:?}");
    check(&made[0], "succeeded", Some(200), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thawed_function_does_not_blame_endpoints() {
    let authority = Authority::new();
    let machine = trusting(&authority).await;
    let http_1 = Stranger::start(|_, mut connection| async move {
        while read_request(&mut connection).await.is_some() {
            connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    });
    check_after_a_pause(&machine, &http_1.await).await;
    let http_2 = Stranger::start_tls(authority.tls(&["h2"]), |_, connection| async move {
        Frames::open(connection).await.unwrap().answer_all().await;
    });
    check_after_a_pause(&machine, &http_2.await).await;
}
