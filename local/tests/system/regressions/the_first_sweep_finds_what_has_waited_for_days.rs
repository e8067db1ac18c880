//! A stack was deployed with its schedule switched off. When it was switched on, the first sweep read the whole due table
//! to find where to begin, was ended by its timeout, and so was each that followed.

use std::collections::HashSet;
use std::time::Duration;

use crate::due::{Throttle, arrivals, bodies, retries};

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test(flavor = "multi_thread")]
async fn the_first_sweep_finds_what_has_waited_for_days() {
    let (throttle, machine) = Throttle::start().await;
    machine.forget_the_sweep().await;
    throttle.take_calls();
    let due = machine.now().plus(HOUR);
    let put = retries(&machine, (0..40).map(|n| due.plus(n * HOUR / 10)));
    machine.due.put(&put).await.unwrap();
    machine.sleep(7 * 24 * HOUR);
    // A sweep has time for 400 queries, a hundred minutes.
    let clock = machine.clock();
    throttle.refuse(move |operation, _| {
        clock.advance(Duration::from_millis(if operation == "Query" { 100 } else { 0 }));
        false
    });
    for _ in 0..4 {
        machine.sweep().await;
    }
    assert_eq!(throttle.take_calls().get("Scan"), Some(&1), "one page, to see that there is something");
    let arrived = arrivals(&machine, HOUR).await;
    assert!(arrived.values().all(|times| times.len() == 1), "each of them once");
    assert_eq!(arrived.into_keys().collect::<HashSet<_>>(), bodies(&put));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_stack_begins_where_it_is() {
    let (throttle, machine) = Throttle::start().await;
    machine.forget_the_sweep().await;
    throttle.take_calls();
    machine.sweep().await;
    let calls = throttle.take_calls();
    assert_eq!((calls.get("Scan"), calls.get("Query"), calls.get("PutItem")), (Some(&1), Some(&1), Some(&1)));
    machine.sleep(Duration::from_mins(1));
    machine.sweep().await;
    // How far it is, and a minute of each shard.
    let calls: Vec<_> = throttle.take_calls().into_iter().collect();
    assert_eq!(calls, [("PutItem".to_owned(), 1), ("Query".to_owned(), 5)]);
}
