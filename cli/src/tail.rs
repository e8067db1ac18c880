//! `posthorn tail`

use std::num::NonZeroUsize;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use clap::Args;
use lru::LruCache;
use posthorn_domain::{AttemptId, Clock as _, Timestamp};
use posthorn_runtime::SystemClock;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::sleep;

use crate::api::Call;
use crate::api::failure::Failure;
use crate::api::operations::LIST_ATTEMPTS;
use crate::api::pages::Pages;
use crate::input::{self, Moment};
use crate::output::{Output, compact, note, print, print_styled};
use crate::settings::Settings;

/// How often to look for attempts at the newest events.
const PACE: Duration = Duration::from_secs(1);
/// Every so many looks, also for attempts at earlier events: their retries.
const RETRIES_EVERY: u32 = 10;
/// How far back such a look goes. What was accepted before is not followed any more.
const HORIZON: Duration = Duration::from_hours(1);
/// The most attempts of one look. With more, those at the oldest events are not seen.
const MOST: usize = 2_000;
/// The attempts of a look at the newest events.
const NEWEST: usize = 100;
/// How many attempts are remembered, so that each is printed once.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(20_000).expect("it is not zero");

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn tail --endpoint wh_… --failed")]
pub(crate) struct Tail {
    /// Only attempts at this endpoint
    #[arg(long, value_name = "ENDPOINT")]
    endpoint: Option<String>,
    /// Only attempts that failed
    #[arg(long)]
    failed: bool,
    /// Begin with earlier attempts: a time, or how long ago, up to an hour. By default, from now on. Retries of events that were accepted
    /// more than an hour ago are not shown
    #[arg(long, value_name = "TIME", value_parser = input::moment)]
    since: Option<Moment>,
}

/// What is printed of an attempt.
#[derive(Deserialize)]
struct Attempt {
    id: String,
    event_id: String,
    webhook_endpoint_id: String,
    status: String,
    response_status: Option<u16>,
    error: Option<String>,
    created_at: Timestamp,
    duration_ms: u64,
}

impl Tail {
    /// Prints attempts until the process ends.
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let (api, now) = (settings.api()?, SystemClock.now());
        let call = api
            .call(LIST_ATTEMPTS)
            .query("webhook_endpoint_id", self.endpoint)
            .query("status", self.failed.then_some("failed"));
        let mut follower = Follower {
            call,
            output: settings.output(),
            since: self.since.map_or(now, |moment| moment.seen_from(now)),
            seen: LruCache::new(REMEMBERED),
        };
        follower.follow().await
    }
}

struct Follower<'a> {
    call: Call<'a>,
    output: Output,
    since: Timestamp,
    seen: LruCache<String, ()>,
}

impl Follower<'_> {
    async fn follow(&mut self) -> Result<()> {
        let (mut looks, mut is_lost) = (0_u32, false);
        loop {
            let most = if looks.is_multiple_of(RETRIES_EVERY) { MOST } else { NEWEST };
            match self.look(most).await {
                Ok(()) => is_lost = false,
                Err(error) => match error.downcast_ref::<Failure>() {
                    Some(Failure::Passing { said, .. }) if looks > 0 => {
                        if !std::mem::replace(&mut is_lost, true) {
                            note(&format!("{said} Trying again."));
                        }
                    }
                    _ => return Err(error),
                },
            }
            if looks == 0 && self.output == Output::Text {
                note("Ready. Waiting for attempts.");
            }
            looks = looks.wrapping_add(1);
            sleep(PACE).await;
        }
    }

    /// Prints the attempts that are new, the oldest first.
    async fn look(&mut self, most: usize) -> Result<()> {
        let horizon = SystemClock.now().minus(HORIZON);
        let (mut pages, mut new) = (Pages::new(self.call.clone(), most), Vec::new());
        while let Some(page) = pages.next().await? {
            for entry in page {
                let attempt: Attempt = serde_json::from_str(entry.get())?;
                if attempt.created_at >= self.since && self.seen.put(attempt.id.clone(), ()).is_none() {
                    new.push((attempt, entry));
                }
            }
            // A page may have no attempts, and be followed by others.
            let next = pages.cursor().and_then(|cursor| cursor.parse::<AttemptId>().ok());
            if most == NEWEST || next.is_none_or(|next| next.event_id.at() < horizon) {
                break;
            }
        }
        new.sort_by_key(|(attempt, _)| attempt.created_at);
        new.iter().try_for_each(|(attempt, entry)| self.print(attempt, entry))
    }

    fn print(&self, attempt: &Attempt, entry: &RawValue) -> Result<()> {
        if self.output == Output::Json {
            return print(&compact(entry.get()));
        }
        let Attempt { event_id, webhook_endpoint_id, status, created_at, duration_ms, .. } = attempt;
        let color = if status == "succeeded" { AnsiColor::Green } else { AnsiColor::Red };
        let (style, dimmed) = (color.on_default(), Style::new().dimmed());
        let answer = match (attempt.response_status, &attempt.error) {
            (Some(status), None) => status.to_string(),
            (Some(status), Some(error)) => format!("{status} {error}"),
            (None, error) => error.clone().unwrap_or_default(),
        };
        print_styled(&format!(
            "{dimmed}{created_at}{dimmed:#}  {style}{status} {answer}{style:#}  {event_id} → {webhook_endpoint_id}  \
             {duration_ms} ms"
        ))
    }
}
