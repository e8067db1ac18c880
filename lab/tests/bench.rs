//! The benchmarks, at small sizes: what they count holds at any size.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use posthorn_lab::Latencies;
use posthorn_lab::bench::{
    Cost, EndToEnd, FanOut, Protocol, Sent, Snapshot, Sweep, cold_starts, matching, page_costs,
};
use posthorn_local::{Binaries, StoresOptions};
use posthorn_local_aws::template::Template;

fn template() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../template.yaml")
}

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_posthorn-lab"))
}

fn cost() -> Cost {
    Cost {
        program: program(),
        template: template(),
        binaries: None,
        event_bytes: 1024,
        endpoints: 1,
        sent: Sent::InBatches,
        failures: false,
        events: 100,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_of_a_kilobyte_is_one_write_and_a_tenth_of_three_requests_in_full_batches() {
    let bill = cost().run().await.unwrap();
    // Beside the records, the events of the first five batches, which begin at once, may each note their type, and a sweep notes its place.
    assert!((1e6..=1.6e6).contains(&bill.write_units()), "{bill:?}");
    assert!((0.3e6..=0.32e6).contains(&bill.sqs_requests()), "{bill:?}");
    // A batch reads once whether its account's endpoints have changed, and in a backlog some batches share that.
    assert!(bill.read_units() <= 0.1e6, "{bill:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_come_singly_are_three_requests_and_a_read_each() {
    let bill = Cost { sent: Sent::Singly, events: 40, ..cost() }.run().await.unwrap();
    assert!((3e6..=3.2e6).contains(&bill.sqs_requests()), "{bill:?}");
    // Beside the versions, the endpoints are read once, and a sweep may begin.
    assert!((1e6..=1.2e6).contains(&bill.read_units()), "{bill:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_published_in_requests_of_a_hundred_share_messages_of_64_kb() {
    let bill = Cost { sent: Sent::InRequests, events: 200, ..cost() }.run().await.unwrap();
    // Two messages of 50 events for each request of a hundred: sent in one call of two requests, received and deleted.
    assert!(bill.sqs_requests() <= 0.08e6, "{bill:?}");
    assert!((1e6..=1.3e6).contains(&bill.write_units()), "{bill:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_of_an_event_to_several_endpoints_share_a_write() {
    let bill = Cost { endpoints: 10, events: 20, ..cost() }.run().await.unwrap();
    assert!(bill.write_units() < 0.4e6, "{bill:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fan_out_is_measured_beside_a_bare_loop_however_many_endpoints_there_are() {
    for (protocol, endpoints) in [(Protocol::Plain, 1), (Protocol::Tls, 3), (Protocol::Http2, 60)] {
        let (template, deliveries) = (template(), 10 * endpoints);
        let fan_out = FanOut { template, protocol, endpoints, deliveries, rounds: 1 };
        let cpu = fan_out.run().await.unwrap();
        assert!([cpu.bare, cpu.signed, cpu.floor, cpu.whole].iter().all(|time| *time > 0.0), "{cpu:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journey_is_measured_through_processes_of_their_own() {
    let shape =
        EndToEnd { program: program(), template: template(), endpoints: 2, bystanders: 1, events: 10 };
    let journey = shape.run().await.unwrap();
    let Latencies { p50, max, .. } = journey.latencies;
    assert!(p50 > Duration::ZERO && max <= journey.span, "{journey:?}");
    let [functions, stores, client] = journey.parts.map(|part| part.resident_mb.to_bits());
    assert!(functions != stores && stores != client, "one process was measured twice: {journey:?}");
}

/// Where more of a page's events lie in one partition than was guessed, that one is queried again.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_a_query_for_where_to_look_and_one_or_two_for_each_partition_in_use() {
    for shards in [1, 4] {
        let options = StoresOptions { template: template(), ..StoresOptions::default() };
        let of = shards.to_string().parse().unwrap();
        let costs = page_costs(&options, 1_000, of).await.unwrap();
        for (list, types) in [("events", 10), ("events of one type", 1), ("events of a prefix", 3)] {
            let cost = costs.iter().find(|cost| cost.list == list).unwrap();
            let partitions = types * shards;
            assert!((1 + partitions..=1 + 2 * partitions).contains(&cost.calls), "{cost:?}");
        }
        let failed = costs.iter().find(|cost| cost.list == "failed attempts at an endpoint").unwrap();
        assert_eq!(failed.calls, 1 + 10, "the rows of failures are in one partition: {failed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_retries_leave_in_as_few_calls_as_there_can_be_whatever_is_among_them() {
    let cost = Sweep { template: template(), rows: 2_000, with_bad_ones: true }.run().await.unwrap();
    assert_eq!(cost.sent, 2_000, "{cost:?}");
    // Full batches, but for the last of each page; in each shard, one has an entry that SQS refuses.
    assert!((200..=230).contains(&cost.calls_of("SendMessageBatch")), "{cost:?}");
    // How far it is, then in each shard two minutes before these, and pages of 250.
    assert!(cost.calls_of("Query") <= 1 + 4 * (2 + 4), "{cost:?}");
    // A place when a shard is begun, and after each page; then once for all.
    assert!(cost.calls_of("PutItem") <= 4 * (1 + 4) + 1, "{cost:?}");
    assert_eq!(cost.calls_of("BatchWriteItem"), 0, "DynamoDB deletes the rows");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_reads_of_its_endpoints_what_has_changed() {
    let costs = Snapshot { template: template(), endpoints: 2_000 }.run().await.unwrap();
    let [cold, nothing, change, flip] = &costs[..] else { panic!("{costs:?}") };
    assert!(cold.calls == 3 && cold.units >= 125.0, "{cold:?}");
    assert_eq!((nothing.calls, nothing.units), (1, 1.0));
    assert_eq!((change.calls, change.units), (2, 3.0));
    assert_eq!((flip.calls, flip.units), (1, 1.0));
}

#[test]
fn the_same_endpoints_are_found_among_however_many() {
    for subscriptions in [3, 1_000] {
        assert_eq!(matching(subscriptions).unwrap().matches, 3);
    }
}

fn binaries() -> Binaries {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let target = option_env!("CARGO_TARGET_DIR").map_or(target, PathBuf::from);
    Binaries::in_folder(target.join("lambda")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs what is deployed: cargo lambda build --release -p posthorn-functions -p empty-function"]
async fn every_function_gets_ready_where_nothing_answers() {
    let starts = cold_starts(&template(), &binaries(), 1).await.unwrap();
    assert_eq!(
        starts.len(),
        Template::load(&template(), "http://127.0.0.1:1", &[]).unwrap().functions.len() + 1
    );
    assert!(starts.iter().all(|start| start.resident_mb > 0.0), "{starts:?}");
}
