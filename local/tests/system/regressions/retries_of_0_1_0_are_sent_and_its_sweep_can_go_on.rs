//! What an upgrade, and a rollback after it, must not lose: rows that 0.1.0 has put off don't expire, and its cursor is one
//! row for all shards. A sweep that knew no cursor but its own would begin anew, or pass over what 0.1.0 has left.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use posthorn_local_aws::clients;
use posthorn_storage::Minute;

use crate::due::{Throttle, arrivals, put_row, retries};
use crate::time_machine::TimeMachine;

const MINUTE: Duration = Duration::from_mins(1);

/// The cursor as 0.1.0 writes it.
async fn put_cursor(machine: &TimeMachine, minute: Minute) {
    let put = clients::dynamodb(&machine.stores.stores.dynamodb).put_item().table_name("DueTable");
    let put = put
        .item("pk", AttributeValue::S("cursor".to_owned()))
        .item("sk", AttributeValue::S("cursor".to_owned()));
    put.item("minute", AttributeValue::N(minute.0.to_string())).send().await.unwrap();
}

/// The cursor as 0.1.0 reads it.
async fn cursor(machine: &TimeMachine) -> Minute {
    let get = clients::dynamodb(&machine.stores.stores.dynamodb).get_item().table_name("DueTable");
    let key = || AttributeValue::S("cursor".to_owned());
    let row = get.key("pk", key()).key("sk", key()).send().await.unwrap().item.unwrap();
    Minute(row["minute"].as_n().unwrap().parse().unwrap())
}

/// A row as 0.1.0 writes it.
async fn put_old(machine: &TimeMachine, at: posthorn_domain::Timestamp, body: &str) {
    let (pk, sk) = (format!("due#{}#1", Minute::of(at).0), format!("{:013}#{body}", at.as_millis()));
    put_row(machine, &[("pk", &pk), ("sk", &sk), ("body", body), ("group", "wh")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_of_0_1_0_are_sent_and_its_sweep_can_go_on() {
    let (throttle, machine) = Throttle::start().await;
    put_cursor(&machine, Minute::of(machine.now())).await;
    throttle.take_calls();
    for number in 0..60 {
        put_old(&machine, machine.now().plus(20 * MINUTE), &format!("old {number}")).await;
    }
    let new = retries(&machine, (0..5).map(|_| machine.now().plus(20 * MINUTE)));
    machine.due.put(&new).await.unwrap();
    machine.sleep(19 * MINUTE);
    machine.sweep().await;
    assert_eq!(throttle.take_calls().get("Scan"), None, "it knows where to begin");
    let arrived = arrivals(&machine, 5 * MINUTE).await;
    assert_eq!(arrived.len(), 65);
    let left = machine.due_rows().await;
    assert!(left.iter().all(|row| row.contains_key("expires_at")), "DynamoDB deletes the others");
    assert_eq!(left.len(), 5);
    // Should the old release be deployed again, it goes on here.
    let horizon = cursor(&machine).await;
    assert_eq!(horizon, Minute::of(machine.now().plus(MINUTE)));

    // So it did, and has sent, and deleted, what was due in the next hour; it has put off a retry more.
    put_cursor(&machine, Minute(horizon.0 + 60)).await;
    put_old(&machine, machine.now().plus(70 * MINUTE), "last").await;
    machine.sleep(69 * MINUTE);
    throttle.take_calls();
    machine.sweep().await;
    let queries = throttle.take_calls()["Query"];
    assert!(queries < 50, "{queries}: it begins where the old release has stopped");
    assert_eq!(arrivals(&machine, 5 * MINUTE).await.len(), 1);
}
