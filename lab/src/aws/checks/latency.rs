//! Measures how long deliveries take.

use std::time::Duration;

use anyhow::ensure;
use tokio::time::Instant;

use super::Checked;
use crate::aws::lab::{Lab, new_object};
use crate::percentiles::Percentiles;

/// Events before the measured ones. After them, the endpoint is known to be healthy and the containers are warm.
const WARM_UP: usize = 5;

/// Publishes events one by one, each after the previous one has arrived. Measures from the publisher's request to the
/// arrival, by this machine's clock.
pub(crate) async fn measure(lab: &Lab, events: usize) -> Checked {
    ensure!(events > 0, "--events must be at least 1");
    let endpoint = lab.endpoint("latency").await?;
    let mut taken = Vec::with_capacity(events);
    for number in 0..WARM_UP + events {
        let (object, began) = (new_object(), Instant::now());
        let event_id = lab.publish(&endpoint, &object).await?;
        let arrivals = lab.arrivals(&endpoint, &object, &event_id, 1).await?;
        if number >= WARM_UP {
            taken.push(arrivals[0].at - began);
        }
    }
    let percentiles = Percentiles::of(taken);
    let at = |percent| percentiles.at(percent).map_or(0, |duration: Duration| duration.as_millis());
    Ok(Some(format!(
        "{events} events from publishing to arrival: p50 {} ms, p90 {} ms, p99 {} ms",
        at(50),
        at(90),
        at(99)
    )))
}
