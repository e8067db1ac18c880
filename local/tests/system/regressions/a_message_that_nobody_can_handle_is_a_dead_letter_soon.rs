//! A producer sent something that is no event. It was received 25 times, with an error in the log each, before it became a
//! dead letter and an alarm rang: an hour and a quarter later.

use std::time::Duration;

use crate::time_machine::TimeMachine;

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_nobody_can_handle_is_a_dead_letter_soon() {
    let machine = TimeMachine::start(&[]).await;
    machine.send("EventsQueue", "nonsense".to_owned()).await;
    machine.pass(Duration::from_secs(14)).await;
    assert_eq!(
        machine.stores.depth("EventsDeadLetterQueue").await,
        0,
        "it may be a row that is not there yet"
    );
    machine.pass(Duration::from_secs(2)).await;
    assert_eq!(machine.stores.depth("EventsDeadLetterQueue").await, 1);
    assert_eq!(machine.stores.waiting().await, 0);
    assert_eq!(machine.take("EventsDeadLetterQueue").await, ["nonsense"]);
}
