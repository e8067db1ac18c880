//! DynamoDB throttled one of the due table's partitions for some minutes, and all retries of the stack waited for it: the
//! four shards of a minute were read together, and the next minute only after all four. When SQS refused a call, rows that
//! had been sent were not deleted, and were sent once more by each sweep until SQS had recovered.

use std::collections::HashSet;
use std::time::Duration;

use posthorn_domain::DeliveryMessage;

use crate::due::{Throttle, arrivals, bodies, reads_shard, retries};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

fn shard_of(message: &DeliveryMessage) -> u32 {
    message.event_id.to_string().bytes().last().map(u32::from).unwrap() % 4
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_shard_delays_no_other() {
    let (throttle, machine) = Throttle::start().await;
    let due = machine.now().plus(20 * MINUTE);
    let put = retries(&machine, (0..60).map(|n| due.plus(n * MINUTE / 20)));
    machine.due.put(&put).await.unwrap();
    machine.sleep(22 * MINUTE);
    let clock = machine.clock();
    throttle.refuse(move |operation, call| {
        let is_refused = reads_shard(2, operation, call);
        clock.advance(if is_refused { 10 * SECOND } else { Duration::ZERO });
        is_refused
    });
    let failed = machine.try_sweep_within(55 * SECOND).await;
    assert!(failed.unwrap_err().contains("Query"), "the alarm hears of it");
    let (held_up, others): (Vec<_>, Vec<_>) =
        put.into_iter().partition(|(message, _)| shard_of(message) == 2);
    assert!(held_up.len() > 3 && others.len() > 30);
    let arrived = arrivals(&machine, 3 * MINUTE).await;
    assert_eq!(arrived.into_keys().collect::<HashSet<_>>(), bodies(&others));

    throttle.refuse(|_, _| false);
    machine.sweep().await;
    let arrived = arrivals(&machine, 15 * MINUTE).await;
    assert!(arrived.values().all(|times| times.len() == 1), "each of them once");
    assert_eq!(arrived.into_keys().collect::<HashSet<_>>(), bodies(&held_up));
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_that_a_throttled_queue_refuses_are_sent_once_by_the_same_sweep() {
    let (throttle, machine) = Throttle::start().await;
    let due = machine.now().plus(20 * MINUTE);
    let put = retries(&machine, (0..100).map(|_| due));
    machine.due.put(&put).await.unwrap();
    let mut sent = 0;
    // Three of four calls, until each of a dozen batches has been refused for as long as the SDK repeats it.
    throttle.refuse(move |operation, _| {
        sent += usize::from(operation == "SendMessageBatch");
        operation == "SendMessageBatch" && sent < 60 && sent % 4 > 0
    });
    machine.sleep(19 * MINUTE);
    machine.sweep().await;
    let arrived = arrivals(&machine, 10 * MINUTE).await;
    assert!(arrived.values().all(|times| times.len() == 1), "each of them once");
    assert_eq!(arrived.into_keys().collect::<HashSet<_>>(), bodies(&put));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_sent_in_time_is_sent_by_the_next_sweep() {
    let (throttle, machine) = Throttle::start().await;
    let due = machine.now().plus(20 * MINUTE + 59 * SECOND);
    let put = retries(&machine, (0..100).map(|_| due));
    machine.due.put(&put).await.unwrap();
    machine.sleep(19 * MINUTE);
    let clock = machine.clock();
    throttle.refuse(move |operation, _| {
        let is_refused = operation == "SendMessageBatch";
        clock.advance(if is_refused { SECOND } else { Duration::ZERO });
        is_refused
    });
    let failed = machine.try_sweep_within(55 * SECOND).await;
    assert!(failed.unwrap_err().contains("SendMessageBatch"));
    throttle.refuse(|_, _| false);
    machine.sweep().await;
    let arrived = arrivals(&machine, 10 * MINUTE).await;
    assert_eq!(arrived.into_keys().collect::<HashSet<_>>(), bodies(&put));
}
