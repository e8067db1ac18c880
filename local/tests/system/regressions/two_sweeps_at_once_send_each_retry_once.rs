//! An account had used up its concurrent executions for some minutes. Lambda kept the sweep's calls meanwhile, then made
//! them together, and each of the sweeps read the same minutes and sent every retry.

use std::collections::HashSet;
use std::time::Duration;

use futures::future::join_all;

use crate::due::{Throttle, arrivals, bodies, retries};

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn two_sweeps_at_once_send_each_retry_once() {
    let (_throttle, machine) = Throttle::start().await;
    let due = machine.now().plus(20 * MINUTE);
    let put = retries(&machine, (0..1_200).map(|_| due));
    for some in put.chunks(100) {
        machine.due.put(some).await.unwrap();
    }
    machine.sleep(19 * MINUTE);
    join_all((0..5).map(|_| machine.sweep())).await;
    let arrived = arrivals(&machine, 10 * MINUTE).await;
    assert_eq!(arrived.keys().cloned().collect::<HashSet<_>>(), bodies(&put));
    let copies = arrived.values().filter(|times| times.len() > 1).count();
    assert_eq!(copies, 0, "of {}", arrived.len());
}
