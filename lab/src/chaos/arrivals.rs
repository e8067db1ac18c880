//! Which events have arrived where, and in which order, at two endpoints: one that nothing happens to, with the path `/0`, and
//! one that does not get events for a while, with the path `/1`.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Result;
use http::StatusCode;
use posthorn_local::Receiver;
use tokio::time::{Instant, timeout};

use super::events;
use crate::load::{self, number, waiting};

/// The most time without an arrival while what was held is sent.
const SILENCE: Duration = Duration::from_mins(6);
/// The most time until the queues have no messages.
const LONGEST_WORK: Duration = Duration::from_mins(3);

/// What has arrived.
#[derive(Default)]
pub(super) struct Arrivals {
    /// The events that the second endpoint has taken, in the order of their first arrival.
    pub(super) late: Vec<u32>,
    /// How often each event arrived, by path.
    times: HashMap<(String, u32), usize>,
    /// When the first and the last of the second endpoint's events arrived since [`Self::wait`] was called.
    pub(super) span: Option<(Instant, Instant)>,
    /// The number of requests that the second endpoint has refused.
    pub(super) refused: usize,
}

impl Arrivals {
    fn take(&mut self, path: &str, number: u32, at: Instant) {
        let times = self.times.entry((path.to_owned(), number)).or_default();
        *times += 1;
        if path == "/1" && *times == 1 {
            self.late.push(number);
            self.span = Some((self.span.map_or(at, |(first, _)| first), at));
        }
    }

    /// Takes one arrival within this time. Returns whether there was one. A request without a number is not Posthorn's.
    async fn next(&mut self, receiver: &mut Receiver, within: Duration) -> bool {
        let Ok(arrival) = timeout(within, receiver.next()).await else { return false };
        match number(&arrival) {
            Ok(number) if arrival.answered == StatusCode::OK => self.take(&arrival.path, number, arrival.at),
            Ok(_) => self.refused += 1,
            Err(error) => tracing::warn!(path = arrival.path, %error, "a request that is not Posthorn's"),
        }
        true
    }

    pub(super) async fn during(&mut self, receiver: &mut Receiver, span: Duration) {
        let end = Instant::now() + span;
        while Instant::now() < end {
            self.next(receiver, Duration::from_millis(100)).await;
        }
    }

    /// Publishes events at this rate, and takes what arrives meanwhile.
    pub(super) async fn while_publishing(
        &mut self,
        receiver: &mut Receiver,
        sqs: &str,
        events: u32,
        rate: u32,
    ) -> Result<()> {
        let span = Duration::from_secs(events.into()) / rate;
        let publish = events::publish_from(sqs, load::WARM_UP, events, span);
        tokio::join!(publish, self.during(receiver, span)).0
    }

    /// Waits until nothing arrives any more and the queues have no messages.
    pub(super) async fn until_quiet(&mut self, receiver: &mut Receiver, sqs: &str) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < LONGEST_WORK {
            if !self.next(receiver, Duration::from_millis(500)).await && waiting(sqs).await? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Waits until this many events have arrived at the second endpoint, or nothing arrives for a while.
    pub(super) async fn wait(&mut self, receiver: &mut Receiver, events: usize) {
        self.span = None;
        while self.late.len() < events && self.next(receiver, SILENCE).await {}
    }

    /// Returns how many of the deliveries of these events to both endpoints are missing, and how many arrived again.
    pub(super) fn missing_and_doubled(&self, published: u32) -> (usize, usize) {
        let expected = 2 * usize::try_from(published).unwrap_or(usize::MAX);
        let doubled = self.times.values().map(|times| times - 1).sum();
        (expected.saturating_sub(self.times.len()), doubled)
    }

    /// Returns how many events, at most, arrived at the second endpoint before an older one.
    pub(super) fn displaced(&self) -> usize {
        let (mut newest, mut displaced) = (0, 0);
        for (place, number) in self.late.iter().enumerate() {
            if *number < newest {
                let overtaking = self.late[..place].iter().rev().take_while(|other| *other > number);
                displaced = displaced.max(overtaking.count());
            }
            newest = newest.max(*number);
        }
        displaced
    }
}
