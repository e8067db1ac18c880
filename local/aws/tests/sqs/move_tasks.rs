//! Dead letters that SQS itself moves back.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::{
    ListMessageMoveTasksResultEntry, MessageAttributeValue, MessageSystemAttributeName,
};
use posthorn_local_aws::sqs::{QueueClock, QueueSpec, Queues, Redrive};

use crate::harness::{Sqs, queue, receive_count, system};

fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{queue}")
}

/// A queue whose messages are dead after one receipt.
fn strict(name: &str) -> QueueSpec {
    let redrive = Some(Redrive { dead_letter_queue: "dead".to_owned(), max_receive_count: 1 });
    QueueSpec { visibility_timeout: Duration::ZERO, redrive, ..queue(name) }
}

/// An SQS at a time that the test tells, in milliseconds.
async fn at_a_time(specs: &[QueueSpec]) -> (Sqs, Arc<AtomicI64>) {
    let time = Arc::new(AtomicI64::new(1_000_000));
    let shown = Arc::clone(&time);
    let clock = QueueClock::new(move || shown.load(Ordering::SeqCst));
    let queues = Queues::in_memory().unwrap().with_clock(clock);
    for spec in specs {
        queues.create(spec).unwrap();
    }
    (Sqs::serving(&queues).await, time)
}

impl Sqs {
    /// Receives the messages in the queue until they are dead letters.
    async fn make_dead_letters(&self, queue: &str) {
        while !self.look(queue, 0).await.is_empty() {}
    }

    /// Starts to move the dead letters. Returns the task's handle.
    async fn move_dead(&self, destination: Option<&str>, rate: Option<i32>) -> String {
        let start = self.client.start_message_move_task().source_arn(arn("dead"));
        let start = start.set_destination_arn(destination.map(arn));
        let started = start.set_max_number_of_messages_per_second(rate).send().await.unwrap();
        started.task_handle.unwrap()
    }

    /// The tasks that have moved dead letters.
    async fn tasks(&self, most: i32) -> Vec<ListMessageMoveTasksResultEntry> {
        let list = self.client.list_message_move_tasks().source_arn(arn("dead")).max_results(most);
        list.send().await.unwrap().results.unwrap()
    }

    async fn task(&self) -> ListMessageMoveTasksResultEntry {
        self.tasks(1).await.remove(0)
    }
}

#[tokio::test]
async fn dead_letters_return_to_their_own_queues_as_new_messages() {
    let (sqs, time) = at_a_time(&[strict("mail"), strict("parcels"), queue("dead")]).await;
    let note = MessageAttributeValue::builder().data_type("String").string_value("red").build().unwrap();
    let send = sqs.client.send_message().queue_url(sqs.url("mail")).message_body("letter");
    let send = send.message_attributes("colour", note.clone()).message_group_id("wh_1");
    let first_id = send.send().await.unwrap().message_id.unwrap();
    sqs.send("parcels", "parcel").await;
    sqs.make_dead_letters("mail").await;
    sqs.make_dead_letters("parcels").await;
    time.fetch_add(5_000, Ordering::SeqCst);
    sqs.move_dead(None, None).await;

    let letter = sqs.receive("mail").await.remove(0);
    assert_eq!(letter.body(), Some("letter"));
    assert_ne!(letter.message_id(), Some(first_id.as_str()));
    assert_eq!(letter.message_attributes.as_ref().unwrap()["colour"], note);
    assert_eq!(receive_count(&letter), Some("1"));
    for (name, value) in [
        (MessageSystemAttributeName::MessageGroupId, Some("wh_1")),
        (MessageSystemAttributeName::SentTimestamp, Some("1005000")),
        (MessageSystemAttributeName::DeadLetterQueueSourceArn, None),
    ] {
        assert_eq!(system(&letter, &name), value, "{name}");
    }
    assert_eq!(sqs.receive("parcels").await[0].body(), Some("parcel"));
    assert!(sqs.look("dead", 0).await.is_empty());
    let task = sqs.task().await;
    assert_eq!((task.status(), task.source_arn()), (Some("COMPLETED"), Some(arn("dead").as_str())));
    assert_eq!((task.destination_arn(), task.task_handle()), (None, None));
    assert_eq!(task.approximate_number_of_messages_moved(), 2);
    assert_eq!(task.approximate_number_of_messages_to_move(), Some(2));
    assert_eq!(task.started_timestamp(), 1_005_000);
}

#[tokio::test]
async fn dead_letters_go_to_the_queue_that_is_asked_for() {
    let sqs = Sqs::with(&[strict("mail"), queue("dead"), queue("desk")]).await;
    sqs.send("mail", "letter").await;
    sqs.make_dead_letters("mail").await;
    sqs.send("dead", "put here by hand").await;
    sqs.move_dead(Some("desk"), None).await;
    let mut bodies: Vec<_> =
        sqs.receive("desk").await.into_iter().filter_map(|message| message.body).collect();
    bodies.sort();
    assert_eq!(bodies, ["letter", "put here by hand"]);
    assert_eq!(sqs.task().await.destination_arn(), Some(arn("desk").as_str()));
}

#[tokio::test]
async fn a_rate_is_kept_and_wakes_the_receiver_that_waits() {
    let sqs = Sqs::with(&[strict("mail"), queue("dead"), queue("desk")]).await;
    for _ in 0..3 {
        sqs.send("dead", "letter").await;
    }
    sqs.move_dead(Some("desk"), Some(2)).await;
    let task = sqs.task().await;
    assert_eq!((task.status(), task.max_number_of_messages_per_second()), (Some("RUNNING"), Some(2)));
    for _ in 0..3 {
        assert_eq!(sqs.receive("desk").await.len(), 1);
    }
    let task = sqs.task().await;
    assert_eq!((task.status(), task.approximate_number_of_messages_moved()), (Some("COMPLETED"), 3));
}

#[tokio::test]
async fn a_task_that_runs_is_the_only_one_of_its_queue_and_can_be_canceled() {
    let (sqs, time) = at_a_time(&[strict("mail"), queue("dead"), queue("desk")]).await;
    for _ in 0..10 {
        sqs.send("dead", "letter").await;
    }
    let handle = sqs.move_dead(Some("desk"), Some(1)).await;
    time.fetch_add(2_000, Ordering::SeqCst);
    let second = sqs.client.start_message_move_task().source_arn(arn("dead")).destination_arn(arn("desk"));
    let refused = second.send().await.unwrap_err();
    assert_eq!(refused.code(), Some("InvalidParameterValue"));
    assert!(refused.message().unwrap().starts_with("There is already a task running."), "{refused:?}");

    assert_eq!(sqs.task().await.task_handle(), Some(handle.as_str()));
    let cancel = || sqs.client.cancel_message_move_task().task_handle(&handle).send();
    assert_eq!(cancel().await.unwrap().approximate_number_of_messages_moved(), 2);
    assert!(cancel().await.unwrap_err().into_service_error().is_resource_not_found_exception());
    time.fetch_add(60_000, Ordering::SeqCst);
    assert_eq!(sqs.look("desk", 0).await.len(), 2, "what has moved stays moved, and nothing follows");
    assert_eq!((sqs.task().await.status(), sqs.task().await.task_handle()), (Some("CANCELLED"), None));

    sqs.move_dead(Some("desk"), None).await;
    let statuses: Vec<_> = sqs.tasks(10).await.into_iter().filter_map(|task| task.status).collect();
    assert_eq!(statuses, ["COMPLETED", "CANCELLED"], "the latest comes first");
    assert_eq!(sqs.tasks(1).await.len(), 1);
}

#[tokio::test]
async fn a_message_that_has_nowhere_to_go_fails_the_task_and_stays() {
    let sqs = Sqs::with(&[strict("mail"), queue("dead"), queue("desk")]).await;
    sqs.send("dead", "put here by hand").await;
    sqs.move_dead(None, None).await;
    let task = sqs.task().await;
    assert_eq!(task.failure_reason(), Some("CouldNotDetermineMessageSource"));
    assert_eq!((task.status(), task.approximate_number_of_messages_moved()), (Some("FAILED"), 0));

    let (sqs, time) = at_a_time(&[strict("mail"), queue("dead"), queue("desk")]).await;
    sqs.send("dead", "letter").await;
    sqs.move_dead(Some("desk"), Some(1)).await;
    sqs.client.delete_queue().queue_url(sqs.url("desk")).send().await.unwrap();
    time.fetch_add(1_000, Ordering::SeqCst);
    let task = sqs.task().await;
    assert_eq!(task.failure_reason(), Some("AWS.SimpleQueueService.NonExistentQueue"));
    assert_eq!(sqs.look("dead", 0).await.len(), 1);
}

#[tokio::test]
async fn what_no_move_task_can_do_is_refused_as_sqs_refuses_it() {
    let sqs = Sqs::with(&[strict("mail"), queue("dead")]).await;
    let start = |source: &str| sqs.client.start_message_move_task().source_arn(arn(source));
    let refused = start("mail").send().await.unwrap_err();
    assert_eq!(refused.code(), Some("InvalidParameterValue"));
    assert_eq!(refused.message(), Some("Source queue must be configured as a Dead Letter Queue."));
    let refused = start("elsewhere").send().await.unwrap_err().into_service_error();
    assert!(refused.is_resource_not_found_exception(), "{refused:?}");
    let refused = start("dead").destination_arn(arn("elsewhere")).send().await.unwrap_err();
    assert!(refused.into_service_error().is_resource_not_found_exception());
    for rate in [0, 501] {
        let refused = start("dead").max_number_of_messages_per_second(rate).send().await.unwrap_err();
        assert_eq!(refused.code(), Some("InvalidParameterValue"), "{rate}");
    }
    let list = sqs.client.list_message_move_tasks().source_arn(arn("dead")).max_results(11);
    assert_eq!(list.send().await.unwrap_err().code(), Some("InvalidParameterValue"));
    let cancel = sqs.client.cancel_message_move_task().task_handle("made up");
    assert_eq!(cancel.send().await.unwrap_err().code(), Some("InvalidParameterValue"));
}
