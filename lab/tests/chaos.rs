//! The system, broken on purpose. `cargo run --release -p posthorn-lab -- chaos` does the same at full size, and prints figures.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::path::PathBuf;
use std::time::Duration;

use posthorn_lab::chaos::{
    Bench, Crashes, Descriptors, Down, Isolation, NewAccount, OwnWrites, Pause, Refusals, Storm, Throttling,
    Trouble,
};
use tokio::sync::{Mutex, MutexGuard};

fn template() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../template.yaml")
}

/// These want the machine for themselves: beside each other, everything would be slow, and endpoints would be blamed for it.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// Where the parts of a system come from, and what keeps the others from starting one meanwhile.
async fn bench() -> (Bench, MutexGuard<'static, ()>) {
    let turn = ONE_AT_A_TIME.lock().await;
    let program = PathBuf::from(env!("CARGO_BIN_EXE_posthorn-lab"));
    (Bench { template: template(), program, seed: 1 }, turn)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_processes_lose_nothing_and_double_no_more_than_was_under_way() {
    let (bench, _turn) = bench().await;
    let tally = Crashes { events: 1_000, endpoints: 5, kills: 5 }.run(&bench).await.unwrap();
    assert!(tally.is_good(), "{tally:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_calls_to_tables_and_queues_lose_nothing() {
    let (bench, _turn) = bench().await;
    let tally = Refusals { events: 1_000, endpoints: 5, share: 0.1 }.run(&bench).await.unwrap();
    assert!(tally.is_good(), "{tally:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_to_an_endpoint_counts_for_the_event_that_is_published_right_after_it() {
    let (bench, _turn) = bench().await;
    let kept = OwnWrites { events: 400, owners: 8, processes: 2 }.run(&bench).await.unwrap();
    assert!(kept.is_good(), "{kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_refusals_and_an_unruly_queue_at_once_lose_nothing() {
    let (bench, _turn) = bench().await;
    let storm = Storm { events: 1_000, endpoints: 5, kills: 5, refused: 0.1, unruly: 0.05 };
    let came_of_it = storm.run(&bench).await.unwrap();
    assert!(came_of_it.tally.is_good(), "{came_of_it:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn throttled_writes_double_nothing() {
    let (bench, _turn) = bench().await;
    let throttling = Throttling { span: Duration::from_secs(4), events: 60, endpoints: 3 };
    let tally = throttling.run(&bench).await.unwrap();
    assert!(tally.is_good(), "{tally:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_in_an_account_that_may_run_four_functions_makes_no_dead_letter() {
    let (bench, _turn) = bench().await;
    let tally = NewAccount { events: 500, endpoints: 1, concurrency: 4 }.run(&bench).await.unwrap();
    assert_eq!(tally.lost, 0, "{tally:?}");
}

/// Two healthy endpoints, and four that take ten seconds to answer.
const ISOLATION: Isolation = Isolation {
    events: 300,
    rate: None,
    healthy: 2,
    troubled: 4,
    types: 1,
    trouble: Trouble::Hang,
    rounds: 1,
};

#[tokio::test(flavor = "multi_thread")]
async fn hanging_endpoints_do_not_make_their_neighbours_wait_for_them() {
    let (bench, _turn) = bench().await;
    let comparison = ISOLATION.run(&bench).await.unwrap();
    assert!(comparison.beside.p50 < Duration::from_secs(8), "{comparison}");
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_that_begin_to_hang_do_not_make_their_neighbours_wait_for_them() {
    let (bench, _turn) = bench().await;
    let isolation = Isolation { rate: Some(100), trouble: Trouble::BeginToHang, ..ISOLATION };
    let comparison = isolation.run(&bench).await.unwrap();
    assert!(comparison.beside.p50 < Duration::from_secs(8), "{comparison}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_endpoints_than_a_process_may_have_files_open_are_none_of_their_fault() {
    let (bench, _turn) = bench().await;
    let blame = Descriptors { receivers: 1_100, rounds: 2, limit: 1_024 }.run(&bench).await.unwrap();
    assert!(blame.is_good() && blame.most_open < 1_024, "{blame}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_can_open_no_more_sockets_blames_no_endpoint() {
    let (bench, _turn) = bench().await;
    let blame = Descriptors { receivers: 400, rounds: 2, limit: 200 }.run(&bench).await.unwrap();
    assert!(blame.is_good(), "{blame}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_leaks_nothing_and_everything_arrives_afterwards() {
    let (bench, _turn) = bench().await;
    let paused = Pause { events: 600, rate: 200 }.run(&bench).await.unwrap();
    assert!(paused.is_good(), "{paused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_was_down_gets_everything_once() {
    let (bench, _turn) = bench().await;
    let was_down = Down { events: 1_600, rate: 40 }.run(&bench).await.unwrap();
    assert!(was_down.is_good() && was_down.refused < 1_600, "{was_down}");
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_that_flap_do_not_make_their_neighbours_wait_for_them() {
    let (bench, _turn) = bench().await;
    let isolation = Isolation { rate: Some(30), trouble: Trouble::Flap, ..ISOLATION };
    let comparison = isolation.run(&bench).await.unwrap();
    assert!(comparison.beside.p50 < Duration::from_secs(3) && comparison.held == 0, "{comparison}");
}
