//! The sweep was ended by its timeout between sending rows and deleting them. The next one sent them again with the same
//! due time, so both messages of each retry became visible in the same second, were handed out in the same batch, and both
//! made their POST: each found that the attempt was not on record yet.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use posthorn_storage::Minute;

use crate::due::{Throttle, arrivals, bodies, keeps_place, retries};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_been_sent_before_goes_again_half_a_minute_later() {
    let (throttle, machine) = Throttle::start().await;
    let due = machine.now().plus(20 * MINUTE + 59 * SECOND);
    let put = retries(&machine, (0..50).map(|_| due));
    machine.due.put(&put).await.unwrap();
    machine.sleep(19 * MINUTE);
    let clock = machine.clock();
    let mut kept = HashMap::<String, usize>::new();
    throttle.refuse(move |operation, call| {
        // Each shard says that it begins, and cannot say how far it has come.
        let shard = call["Item"]["sk"]["S"].as_str().unwrap_or_default().to_owned();
        if !keeps_place(operation, call) {
            return false;
        }
        let times = kept.entry(shard).or_default();
        *times += 1;
        let is_refused = *times > 1;
        clock.advance(if is_refused { SECOND } else { Duration::ZERO });
        is_refused
    });
    assert!(machine.try_sweep_within(55 * SECOND).await.unwrap_err().contains("PutItem"));
    throttle.refuse(|_, _| false);
    machine.sweep().await;
    assert_eq!(machine.first_due().await, Some(Minute::of(due)), "the first sweep may still be at it");
    machine.sleep(MINUTE / 3);
    machine.sweep().await;
    // A third one does not send them any more.
    machine.sleep(MINUTE / 2);
    machine.sweep().await;
    let arrived = arrivals(&machine, 10 * MINUTE).await;
    assert_eq!(arrived.keys().cloned().collect::<HashSet<_>>(), bodies(&put));
    for times in arrived.values() {
        let [first, copy] = times[..] else { panic!("{times:?}") };
        // The longest attempt takes 25 seconds.
        assert!(copy.since(first) > Duration::from_secs(25), "{times:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_after_one_that_was_sent_in_peace_goes_in_time() {
    let (_throttle, machine) = Throttle::start().await;
    for minute in [20, 21] {
        let due = machine.now().plus(minute * MINUTE);
        machine.due.put(&retries(&machine, (0..20).map(|_| due))).await.unwrap();
    }
    machine.sleep(19 * MINUTE);
    machine.sweep().await;
    machine.sleep(MINUTE);
    machine.sweep().await;
    let arrived = arrivals(&machine, 10 * MINUTE).await;
    assert_eq!(arrived.len(), 40);
    let last = arrived.into_values().flatten().max().unwrap();
    assert_eq!(last, machine.now(), "nothing comes after the last one that is due");
    assert!(arrivals(&machine, MINUTE).await.is_empty());
}
