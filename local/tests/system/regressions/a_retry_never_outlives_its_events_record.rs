//! An endpoint answered each attempt with `Retry-After: 86400`, and events were kept for four days. The retries went on for
//! nine: after the fourth, each found no record of its event, was called poison and became a dead letter, and an alarm rang.
//! The delivery's last state was `pending`.

use std::sync::Arc;
use std::time::Duration;

use posthorn_domain::DeliveryStatus;
use posthorn_functions::set_up;
use posthorn_runtime::{Runtime, Settings, SystemClock, SystemRandom};

use crate::harness::TestStores;
use crate::retries::limiting_server;
use crate::time_machine::TimeMachine;

const DAY: Duration = Duration::from_hours(24);

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_never_outlives_its_events_record() {
    let machine = TimeMachine::start(&[("EVENT_RETENTION_DAYS", "4")]).await;
    machine.register(&limiting_server("86400", usize::MAX).await, &["order.*"]).await;
    let began = machine.now();
    let event = machine.publish("order.paid").await;
    machine.pass(5 * DAY).await;
    let delivery = machine.delivery(event).await;
    let last = delivery.attempts.last().unwrap().at.since(began);
    assert_eq!((delivery.status, delivery.next_attempt_at), (DeliveryStatus::Failed, None));
    assert!((3 * DAY..4 * DAY).contains(&last), "{last:?}");
    assert_eq!(machine.stores.depth("DeliveriesQueue").await, 0);
    assert_eq!(machine.first_due().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_that_is_longer_than_events_are_kept_is_refused() {
    let stores = TestStores::start().await;
    let check = |schedule: &str, days: &str, refusal: Option<&str>| {
        let mut environment = stores.environment("deliver");
        environment.insert("RETRY_SCHEDULE".to_owned(), schedule.to_owned());
        environment.insert("EVENT_RETENTION_DAYS".to_owned(), days.to_owned());
        let settings = Settings::from_iter(environment);
        let runtime = Runtime::new(settings, Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap();
        let refused = set_up("deliver", &runtime).err().map(|error| error.to_string());
        assert_eq!(refused.as_deref(), refusal, "{schedule}, {days} days");
    };
    check("5s, 5m, 30m, 2h, 5h, 10h, 14h, 20h, 24h", "4", None);
    check("20h, 20h, 20h, 20h", "4", None);
    check(
        "24h, 24h, 24h, 24h",
        "4",
        Some(
            "the environment variable RETRY_SCHEDULE allows retries for up to 116 hours with jitter, but \
             EVENT_RETENTION_DAYS keeps events for 96 hours. Shorten the waits, or keep events for at least 5 days",
        ),
    );
    check("24h, 24h, 24h, 24h", "5", None);
}
