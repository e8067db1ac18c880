//! Queues and their messages.

use std::time::Duration;

use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, MessageAttributeValue, MessageSystemAttributeName,
    SendMessageBatchRequestEntry,
};
use posthorn_local_aws::sqs::{QueueSpec, Queues, Redrive};

use crate::harness::{Sqs, queue, receive_count, system};

#[tokio::test]
async fn a_message_arrives_with_its_attributes_and_its_group() {
    let sqs = Sqs::with(&[queue("mail")]).await;
    let attribute = |kind| MessageAttributeValue::builder().data_type(kind);
    let bytes = attribute("Binary").binary_value(Blob::new([0, 255])).build().unwrap();
    let text = attribute("String.color").string_value("red ö").build().unwrap();
    let request = sqs.client.send_message().queue_url(sqs.url("mail")).message_body("{\"a\": \"ü\"}");
    let request = request.message_attributes("bytes", bytes.clone()).message_attributes("text", text.clone());
    // The SDK compares the digests of the answer with its own.
    let sent = request.message_group_id("wh_1").send().await.unwrap();

    let messages = sqs.receive("mail").await;
    assert_eq!(messages.len(), 1);
    let message = &messages[0];
    assert_eq!(message.body(), Some("{\"a\": \"ü\"}"));
    assert_eq!(message.message_id(), sent.message_id());
    assert_eq!(message.md5_of_message_attributes(), sent.md5_of_message_attributes());
    assert_eq!(message.message_attributes.as_ref().unwrap()["bytes"], bytes);
    assert_eq!(message.message_attributes.as_ref().unwrap()["text"], text);
    assert_eq!(system(message, &MessageSystemAttributeName::MessageGroupId), Some("wh_1"));
    assert_eq!(receive_count(message), Some("1"));
}

#[tokio::test]
async fn a_received_message_comes_back_after_its_visibility_timeout_and_a_deleted_one_does_not() {
    let hidden = Duration::from_millis(300);
    let sqs = Sqs::with(&[QueueSpec { visibility_timeout: hidden, ..queue("mail") }]).await;
    sqs.send("mail", "letter").await;
    let first = sqs.receive("mail").await.remove(0);
    assert!(sqs.look("mail", 0).await.is_empty(), "it is hidden");
    let second = sqs.receive("mail").await.remove(0);
    assert_eq!(second.message_id(), first.message_id());
    assert_eq!(receive_count(&second), Some("2"));

    let delete = sqs.client.delete_message().queue_url(sqs.url("mail"));
    delete.set_receipt_handle(second.receipt_handle).send().await.unwrap();
    assert!(sqs.look("mail", 1).await.is_empty());
}

#[tokio::test]
async fn a_visibility_of_zero_makes_a_message_come_back_at_once() {
    let sqs = Sqs::with(&[queue("mail")]).await;
    sqs.send("mail", "letter").await;
    let first = sqs.receive("mail").await.remove(0);
    let change = sqs.client.change_message_visibility().queue_url(sqs.url("mail")).visibility_timeout(0);
    change.set_receipt_handle(first.receipt_handle).send().await.unwrap();
    assert_eq!(receive_count(&sqs.receive("mail").await[0]), Some("2"));
}

#[tokio::test]
async fn a_group_with_too_much_in_flight_lets_the_others_go_first() {
    let sqs = Sqs::with(&[queue("mail")]).await;
    let send = async |group: &str| {
        let send = sqs.client.send_message().queue_url(sqs.url("mail")).message_body(group);
        send.message_group_id(group).send().await.unwrap();
    };
    for _ in 0..50 {
        send("noisy").await;
    }
    send("quiet").await;
    let first = async |receives: usize| {
        let mut bodies = Vec::new();
        for _ in 0..receives {
            let received = sqs.look("mail", 0).await;
            bodies.extend(received.into_iter().filter_map(|message| message.body));
        }
        bodies
    };
    assert!(first(3).await.iter().all(|body| body == "noisy"), "it has sent first, and is not noisy yet");
    let next = first(1).await;
    assert_eq!((next.len(), next[0].as_str(), next[1].as_str()), (10, "quiet", "noisy"));
}

#[tokio::test]
async fn a_delayed_message_wakes_the_receiver_that_waits_for_it() {
    let sqs = Sqs::with(&[queue("mail")]).await;
    let send = sqs.client.send_message().queue_url(sqs.url("mail")).message_body("later").delay_seconds(1);
    send.send().await.unwrap();
    assert!(sqs.look("mail", 0).await.is_empty(), "it is not due");
    assert_eq!(sqs.receive("mail").await[0].body(), Some("later"));
}

#[tokio::test]
async fn a_message_received_too_often_moves_to_the_dead_letter_queue_and_stays_the_same_message() {
    let redrive = Some(Redrive { dead_letter_queue: "dead".to_owned(), max_receive_count: 2 });
    let sqs = Sqs::with(&[
        QueueSpec { visibility_timeout: Duration::ZERO, redrive, ..queue("mail") },
        queue("dead"),
    ])
    .await;
    let id = sqs.send("mail", "poison").await;
    for _ in 0..2 {
        assert_eq!(sqs.receive("mail").await.len(), 1);
    }
    assert!(sqs.look("mail", 0).await.is_empty());
    let dead = sqs.receive("dead").await.remove(0);
    assert_eq!(dead.message_id(), Some(id.as_str()));
    let source = system(&dead, &MessageSystemAttributeName::DeadLetterQueueSourceArn);
    assert_eq!(source, Some("arn:aws:sqs:us-east-1:000000000000:mail"));
}

#[tokio::test]
async fn a_message_whose_dead_letter_queue_is_missing_is_not_lost() {
    let redrive = Some(Redrive { dead_letter_queue: "nowhere".to_owned(), max_receive_count: 1 });
    let mail = QueueSpec { visibility_timeout: Duration::ZERO, redrive, ..queue("mail") };
    let sqs = Sqs::with(&[mail]).await;
    sqs.send("mail", "letter").await;
    for count in ["1", "2", "3"] {
        assert_eq!(receive_count(&sqs.receive("mail").await[0]), Some(count));
    }
}

#[tokio::test]
async fn concurrent_receivers_never_get_the_same_message() {
    let sqs = Sqs::with(&[queue("mail")]).await;
    let entry = |id: usize| SendMessageBatchRequestEntry::builder().id(id.to_string()).message_body("letter");
    for _ in 0..10 {
        let entries = (0..10).map(|id| entry(id).build().unwrap()).collect();
        let batch = sqs.client.send_message_batch().queue_url(sqs.url("mail")).set_entries(Some(entries));
        assert_eq!(batch.send().await.unwrap().successful.len(), 10);
    }
    let receivers = futures::future::join_all((0..20).map(|_| sqs.look("mail", 0))).await;
    let mut ids: Vec<_> = receivers.into_iter().flatten().filter_map(|message| message.message_id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 100);
}

#[tokio::test]
async fn limits_are_those_of_sqs() {
    let sqs = Sqs::with(&[queue("mail")]).await;
    let entry = |id: usize| SendMessageBatchRequestEntry::builder().id(id.to_string());
    let batch = |entries: Vec<_>| {
        sqs.client.send_message_batch().queue_url(sqs.url("mail")).set_entries(Some(entries)).send()
    };
    let eleven = (0..11).map(|id| entry(id).message_body("x").build().unwrap()).collect();
    let refused = batch(eleven).await.unwrap_err().into_service_error();
    assert!(refused.is_too_many_entries_in_batch_request(), "{refused:?}");

    let half = "x".repeat((1 << 19) + 1);
    let mebibyte = (0..2).map(|id| entry(id).message_body(&half).build().unwrap()).collect();
    let refused = batch(mebibyte).await.unwrap_err().into_service_error();
    assert!(refused.is_batch_request_too_long(), "{refused:?}");

    let send = |body: &str| sqs.client.send_message().queue_url(sqs.url("mail")).message_body(body);
    send(&"x".repeat(1 << 20)).send().await.expect("a mebibyte is not too much");
    let refused = send(&"x".repeat((1 << 20) + 1)).send().await.unwrap_err();
    assert_eq!(refused.code(), Some("InvalidParameterValue"));
    let refused = send("\u{1}").send().await.unwrap_err().into_service_error();
    assert!(refused.is_invalid_message_contents(), "{refused:?}");
    let refused = send("x").delay_seconds(901).send().await.unwrap_err();
    assert_eq!(refused.code(), Some("InvalidParameterValue"));
    let unknown = sqs.client.send_message().queue_url(sqs.url("elsewhere")).message_body("x").send().await;
    assert!(unknown.unwrap_err().into_service_error().is_queue_does_not_exist());
}

#[tokio::test]
async fn a_batch_fails_entry_by_entry() {
    let sqs = Sqs::with(&[queue("mail")]).await;
    sqs.send("mail", "letter").await;
    let receipt = sqs.receive("mail").await.remove(0).receipt_handle;
    let entry = |id: &str| DeleteMessageBatchRequestEntry::builder().id(id);
    let good = entry("good").set_receipt_handle(receipt).build().unwrap();
    let bad = entry("bad").receipt_handle("made up").build().unwrap();
    let batch = sqs.client.delete_message_batch().queue_url(sqs.url("mail"));
    let answer = batch.entries(good).entries(bad).send().await.unwrap();
    assert_eq!(answer.successful[0].id(), "good");
    assert_eq!(answer.failed[0].id(), "bad");
    assert!(answer.failed[0].sender_fault);
}

#[tokio::test]
async fn queues_kept_in_a_directory_outlive_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let queues = Queues::open(directory.path()).unwrap();
    queues.create(&queue("mail")).unwrap();
    let sqs = Sqs::serving(&queues).await;
    let id = sqs.send("mail", "letter").await;
    drop((sqs, queues));

    let queues = Queues::open(directory.path()).unwrap();
    queues.create(&QueueSpec { delay: Duration::from_secs(5), ..queue("mail") }).unwrap();
    let messages = Sqs::serving(&queues).await.receive("mail").await;
    assert_eq!(messages[0].message_id(), Some(id.as_str()));
}
