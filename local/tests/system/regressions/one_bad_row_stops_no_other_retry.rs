//! A row of the due table could not be read: somebody had edited it by hand. From then on no retry was sent, of whatever
//! account. Each sweep failed at that row, left the cursor before it, and the next one failed there again. A message that
//! SQS would not take had the same effect.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;

use crate::due::{arrivals, bodies, put_row, retries};
use crate::metrics::values;
use crate::time_machine::TimeMachine;

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_row_stops_no_other_retry() {
    let machine = TimeMachine::start(&[]).await;
    let due = machine.now().plus(20 * MINUTE);
    let good = retries(&machine, (0..40).map(|n| due.plus(n * MINUTE / 20)));
    machine.due.put(&good).await.unwrap();
    for shard in 0..4 {
        let pk = format!("due#{}#{shard}", due.as_millis() / 60_000);
        let at = due.as_millis();
        put_row(&machine, &[("pk", &pk), ("sk", &format!("{at}#unreadable"))]).await;
        let unsendable = [("sk", &*format!("{at}#unsendable")), ("body", "\u{1}"), ("group", "wh")];
        put_row(&machine, &[&[("pk", &*pk)], &unsendable[..]].concat()).await;
    }
    machine.sleep(20 * MINUTE);
    machine.sweep().await;
    let told = values(&machine.told("sweep-due").unwrap());
    assert_eq!((&told["RetriesPassedOver"], &told["SweepLag"]), (&json!(8), &json!(0)));
    machine.sleep(MINUTE);
    machine.sweep().await;
    let arrived = arrivals(&machine, 20 * MINUTE).await;
    assert_eq!(arrived.keys().cloned().collect::<HashSet<_>>(), bodies(&good));
    assert!(arrived.values().all(|times| times.len() == 1), "each of them once");
    assert_eq!(machine.due_rows().await.len(), 48, "they are left for whoever looks into it");
}
