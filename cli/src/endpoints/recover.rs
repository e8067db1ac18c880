//! `posthorn endpoints recover`

use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use posthorn_domain::{Clock as _, Timestamp};
use posthorn_runtime::SystemClock;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::sleep;

use crate::api::operations::{GET_RECOVERY, RECOVER_ENDPOINT};
use crate::api::{Api, object};
use crate::input::{self, Moment};
use crate::output::{counted, note, progress};
use crate::settings::Settings;

/// How often to ask how far a recovery is.
const PACE: Duration = Duration::from_secs(1);

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn endpoints recover wh_… --since 6h --dry-run")]
pub(crate) struct Recover {
    /// The endpoint's id
    #[arg(value_name = "ENDPOINT")]
    id: String,
    /// Events accepted since this time: a time, or how long ago, such as 30m, 6h or 2d
    #[arg(long, value_name = "TIME", value_parser = input::moment)]
    since: Moment,
    /// Events accepted before this time. By default, now
    #[arg(long, value_name = "TIME", value_parser = input::moment)]
    until: Option<Moment>,
    /// Which of them
    #[arg(long, value_enum)]
    scope: Option<Scope>,
    /// Only count them
    #[arg(long)]
    dry_run: bool,
    /// Do not wait until the recovery has ended
    #[arg(long)]
    no_wait: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Scope {
    /// Events that were sent to it, and failed or were canceled. The default
    Failed,
    /// Events of its types that were not sent to it, because it did not exist or was disabled
    Missing,
    /// Both, and deliveries that were lost on their way
    All,
    /// Deliveries that are held: they can only be counted, with --dry-run
    Held,
}

/// A recovery, as far as it is.
#[derive(Deserialize)]
struct Progress {
    id: String,
    status: Status,
    since: Timestamp,
    until: Timestamp,
    reached: Option<Timestamp>,
    events_examined: u64,
    deliveries_recovered: u64,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Status {
    Running,
    Completed,
    Stopped,
}

/// What a dry run counts.
#[derive(Deserialize)]
struct Counted {
    count: u64,
    complete: bool,
}

impl Recover {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let (api, output) = (settings.api()?, settings.output());
        let started = api.call(RECOVER_ENDPOINT).path(&self.id).json(&self.body()).raw().await?;
        if self.dry_run {
            return output.done(&size(&started)?, &started);
        }
        if self.no_wait {
            return output.one(&started);
        }
        let ended = follow(&api, &self.id, started).await?;
        let progress: Progress = serde_json::from_str(ended.get())?;
        let Progress { events_examined, deliveries_recovered, .. } = progress;
        output.done(
            &format!("Examined {}, and resent {deliveries_recovered}.", counted(events_examined, "event")),
            &ended,
        )?;
        if progress.status == Status::Stopped {
            bail!("the recovery was stopped: the endpoint was disabled or deleted");
        }
        Ok(())
    }

    fn body(&self) -> Value {
        let now = SystemClock.now();
        let time = |moment: Moment| Value::from(moment.seen_from(now).to_string());
        object([
            ("since", Some(time(self.since))),
            ("until", self.until.map(time)),
            ("scope", self.scope.as_ref().map(|scope| input::name(scope).into())),
            ("dry_run", self.dry_run.then_some(true.into())),
        ])
    }
}

fn size(answer: &RawValue) -> Result<String> {
    let Counted { count, complete } = serde_json::from_str(answer.get())?;
    let at_least = if complete { "" } else { "at least " };
    Ok(format!("A recovery would resend {at_least}{}. Nothing was sent.", counted(count, "event")))
}

/// Waits until a recovery has ended. Returns what the API says then.
async fn follow(api: &Api, endpoint: &str, mut answer: Box<RawValue>) -> Result<Box<RawValue>> {
    let bar = progress(1_000, "Resending");
    let mut has_told = false;
    loop {
        let progress: Progress = serde_json::from_str(answer.get())?;
        show(&bar, &progress);
        if progress.status != Status::Running {
            bar.finish_and_clear();
            return Ok(answer);
        }
        if !std::mem::replace(&mut has_told, true) {
            let id = &progress.id;
            note(&format!(
                "{id} is running, also if you end this command: posthorn endpoints recovery {endpoint} {id}"
            ));
        }
        sleep(PACE).await;
        answer = api.call(GET_RECOVERY).path(endpoint).path(&progress.id).raw().await?;
    }
}

/// Shows how far a recovery is: by time, as nobody knows the number of events beforehand.
fn show(bar: &ProgressBar, progress: &Progress) {
    let Progress { since, until, reached, .. } = *progress;
    let (whole, done) =
        (until.since(since).as_secs_f64(), reached.map_or(0.0, |at| at.since(since).as_secs_f64()));
    let share = if whole > 0.0 { (done / whole).clamp(0.0, 1.0) } else { 0.0 };
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is at least 0 and at most 1,000"
    )]
    bar.set_position((share * 1_000.0) as u64);
    bar.set_prefix(format!("{} events resent", progress.deliveries_recovered));
}
