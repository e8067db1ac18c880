//! A firewall forgot a connection without a word. HTTP/2 sends every request over that one connection, so each event timed
//! out until traffic stopped for long enough, and only then did the sender open another.

use posthorn_domain::EventId;
use serde_json::Value;

use super::{check, trusting};
use crate::strangers::{Authority, Frames, Relay, Stranger};
use crate::time_machine::TimeMachine;

/// An event that has gone to a receiver behind a relay, which then has fallen silent.
async fn sent_before_silence(machine: &TimeMachine, authority: &Authority) -> EventId {
    let receiver = Stranger::start_tls(authority.tls(&["h2"]), |_, connection| async move {
        Frames::open(connection).await.unwrap().answer_all().await;
    })
    .await;
    let relay = Relay::to(&receiver).await;
    machine.register(&relay.url, &["*"]).await;
    let event = machine.publish("order.paid").await;
    machine.work().await;
    // The function that sends it again has no connection yet.
    resent(machine, event).await;
    relay.fall_silent();
    event
}

/// Has the event sent again, by the function that sent it before. Returns that attempt.
async fn resent(machine: &TimeMachine, event: EventId) -> Value {
    let made = machine.attempts(&[("event_id", &event.to_string())]).await;
    let (status, answer) =
        machine.call("retry-attempt", &[("id", made[0]["id"].as_str().unwrap())], None).await;
    assert_eq!(status, 202, "{answer}");
    machine.work().await;
    let mut after = machine.attempts(&[("event_id", &event.to_string())]).await;
    assert_eq!(after.len(), made.len() + 1, "{after:?}");
    after.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_2_receiver_gone_silent_costs_one_attempt() {
    let authority = Authority::new();
    let machine = trusting(&authority).await;
    let event = sent_before_silence(&machine, &authority).await;
    check(&resent(&machine, event).await, "failed", None, Some("timeout"));
    check(&resent(&machine, event).await, "succeeded", Some(200), None);
}
