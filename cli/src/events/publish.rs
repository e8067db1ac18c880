//! `posthorn events publish`

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal as _, Read};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use posthorn_domain::Random as _;
use posthorn_runtime::SystemRandom;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::sleep;

use crate::api::operations::{PUBLISH_EVENT, PUBLISH_EVENT_BATCH};
use crate::api::{Api, Call};
use crate::input;
use crate::output::{Output, compact, counted, note, print, progress, unless_closed};
use crate::settings::Settings;

/// The most events of one request, which the API sets.
const BATCH: usize = 100;
/// The wait before a batch is sent again. Each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// No wait is as long.
const LONGEST_WAIT: Duration = Duration::from_secs(16);
/// The most bytes of one request: less than the 4 MiB that the API takes.
const BATCH_BYTES: usize = 3_500_000;

#[derive(Args)]
#[command(after_help = "Examples:
  posthorn events publish invoice.paid --data '{\"object\": {\"id\": \"in_1\"}}'
  posthorn events publish -f events.ndjson")]
pub(crate) struct Publish {
    /// The type of the event
    #[arg(value_name = "TYPE", required_unless_present = "file", conflicts_with = "file")]
    event_type: Option<String>,
    /// The event's data: JSON. By default, an empty object
    #[arg(long, value_name = "JSON", conflicts_with = "file")]
    data: Option<String>,
    /// The type of the object that the event is about
    #[arg(long, value_name = "TYPE", conflicts_with = "file")]
    object_type: Option<String>,
    /// The object that the event is about
    #[arg(long, value_name = "ID", conflicts_with = "file")]
    object_id: Option<String>,
    /// Metadata, such as team=orders. Repeat it for further entries
    #[arg(long, value_name = "NAME=VALUE", value_parser = input::pair, conflicts_with = "file")]
    metadata: Vec<(String, String)>,
    /// A file with events, - for standard input: an object of JSON, a list of them, or one after the other (NDJSON)
    #[arg(long, short, value_name = "FILE")]
    file: Option<String>,
    /// Makes it safe to run the command again with the same events. By default, only a single request is made again
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

impl Publish {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let (api, output) = (settings.api()?, settings.output());
        let key = self.idempotency_key.clone().unwrap_or_else(random_key);
        if let Some(file) = &self.file {
            return Batches::new(&api, output, key).publish(file).await;
        }
        let call = api.call(PUBLISH_EVENT).body(self.event()?).idempotency_key(key);
        output.one(&call.raw().await?)
    }

    /// Returns the event that the options describe. Its data stay as they are written: a number keeps its digits.
    fn event(self) -> Result<String> {
        let data = self.data.as_deref().unwrap_or("{}");
        let data: &RawValue = serde_json::from_str(data).context("--data must be JSON")?;
        let event = Event {
            r#type: self.event_type.unwrap_or_default(),
            data,
            object_type: self.object_type,
            object_id: self.object_id,
            metadata: self.metadata.into_iter().collect(),
        };
        Ok(serde_json::to_string(&event)?)
    }
}

/// An event, as the API takes it.
#[derive(Serialize)]
struct Event<'a> {
    r#type: String,
    data: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    object_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object_id: Option<String>,
    metadata: BTreeMap<String, String>,
}

/// Publishes many events, a hundred in each request.
struct Batches<'a> {
    api: &'a Api,
    output: Output,
    key: String,
    batch: Vec<Box<RawValue>>,
    bytes: usize,
    requests: usize,
    has_begun: bool,
    accepted: u64,
    refused: u64,
}

/// What the API returns for a batch.
#[derive(Deserialize)]
struct Answer {
    list: Vec<Box<RawValue>>,
}

/// What it says of one event.
#[derive(Deserialize)]
struct Entry {
    status: u16,
    detail: Option<String>,
}

impl<'a> Batches<'a> {
    fn new(api: &'a Api, output: Output, key: String) -> Self {
        let (batch, bytes, requests, has_begun) = (Vec::new(), 0, 0, false);
        Self { api, output, key, batch, bytes, requests, has_begun, accepted: 0, refused: 0 }
    }

    /// Publishes the events of a file.
    async fn publish(mut self, file: &str) -> Result<()> {
        match self.publish_all(file).await {
            Err(error) if self.has_begun => {
                let (sent, key) = (counted(self.accepted + self.refused, "event"), &self.key);
                Err(error.context(format!(
                    "{sent} sent. To continue without publishing them twice, run the command again with \
                     --idempotency-key {key}"
                )))
            }
            Err(error) => Err(error),
            Ok(()) => self.finish(),
        }
    }

    async fn publish_all(&mut self, file: &str) -> Result<()> {
        let (reader, length) = open(file)?;
        let file = if file == "-" { "the standard input" } else { file };
        let bar = progress(length, "Publishing");
        let mut values = serde_json::Deserializer::from_reader(reader).into_iter::<Box<RawValue>>();
        while let Some(value) = values.next() {
            let value = value.with_context(|| format!("{file} has no JSON {}", self.place()))?;
            for event in events(value).with_context(|| format!("{file} {}", self.place()))? {
                self.add(event).await?;
            }
            bar.set_position(values.byte_offset() as u64);
            bar.set_prefix(counted(self.accepted, "event"));
        }
        self.send().await?;
        bar.finish_and_clear();
        Ok(())
    }

    async fn add(&mut self, event: Box<RawValue>) -> Result<()> {
        let bytes = event.get().len() + 1;
        if self.batch.len() == BATCH || self.bytes + bytes > BATCH_BYTES {
            if self.requests == 0 {
                note(&format!("If this is interrupted, continue with --idempotency-key {}.", self.key));
            }
            self.send().await?;
        }
        self.bytes += bytes;
        self.batch.push(event);
        Ok(())
    }

    async fn send(&mut self) -> Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.has_begun = true;
        let events = self.batch.iter().map(|event| event.get()).collect::<Vec<_>>().join(",");
        let key = format!("{}/{}", self.key, self.requests);
        let call = self.api.call(PUBLISH_EVENT_BATCH).idempotency_key(key);
        for entry in answers(&call.body(format!(r#"{{"events":[{events}]}}"#))).await? {
            self.take(&entry)?;
        }
        self.requests += 1;
        self.batch.clear();
        self.bytes = 0;
        Ok(())
    }

    /// Counts an event, and says why it was refused.
    fn take(&mut self, entry: &RawValue) -> Result<()> {
        let Entry { status, detail } = serde_json::from_str(entry.get())?;
        let number = self.accepted + self.refused + 1;
        if (200..300).contains(&status) {
            self.accepted += 1;
        } else {
            self.refused += 1;
            note(&format!("Event {number} was refused with {status}: {}", detail.unwrap_or_default()));
        }
        unless_closed(if self.output == Output::Json { print(&compact(entry.get())) } else { Ok(()) })
    }

    fn finish(self) -> Result<()> {
        let Self { output, accepted, refused, .. } = self;
        if output == Output::Text {
            print(&format!("Published {}.", counted(accepted, "event")))?;
        }
        ensure!(accepted + refused > 0, "there are no events");
        if refused > 0 {
            bail!("{refused} of {} refused", counted(accepted + refused, "event"));
        }
        Ok(())
    }

    /// Names the place in the input, for messages.
    fn place(&self) -> String {
        format!("after event {}", self.accepted + self.refused + self.batch.len() as u64)
    }
}

/// Publishes a batch, again if some of its events may be accepted then: the key keeps the others from being published twice.
/// Returns what the API says of each.
async fn answers(call: &Call<'_>) -> Result<Vec<Box<RawValue>>> {
    let mut wait = FIRST_WAIT;
    loop {
        let Answer { list } = call.read().await?;
        let entries: Result<Vec<Entry>, _> =
            list.iter().map(|entry| serde_json::from_str(entry.get())).collect();
        let is_passing = |entry: &Entry| entry.status == 429 || entry.status >= 500;
        if !entries?.iter().any(is_passing) {
            return Ok(list);
        }
        ensure!(wait < LONGEST_WAIT, "the API is busy, and has not taken all events of a request");
        sleep(wait).await;
        wait *= 2;
    }
}

/// Opens a file, or standard input for `-`. Returns its length, too, if it is known.
fn open(file: &str) -> Result<(Box<dyn Read>, u64)> {
    if file == "-" {
        if std::io::stdin().is_terminal() {
            note("Reading events from the terminal. End with Ctrl-D.");
        }
        return Ok((without_mark(std::io::stdin())?, 0));
    }
    let opened = File::open(file).with_context(|| format!("cannot read {file}"))?;
    let length = opened.metadata()?.len();
    Ok((without_mark(opened)?, length))
}

/// Skips the byte order mark with which some editors and shells begin a file.
fn without_mark(reader: impl Read + 'static) -> Result<Box<dyn Read>> {
    const MARK: &[u8] = "\u{feff}".as_bytes();
    let mut reader = BufReader::new(reader);
    if reader.fill_buf().context("cannot read the events")?.starts_with(MARK) {
        reader.consume(MARK.len());
    }
    Ok(Box::new(reader))
}

/// Returns the events that a value has: itself, the entries of a list, or those of a batch as the API takes it.
fn events(value: Box<RawValue>) -> Result<Vec<Box<RawValue>>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Batch {
        events: Vec<Box<RawValue>>,
    }
    if value.get().starts_with('[') {
        return Ok(serde_json::from_str(value.get())?);
    }
    ensure!(value.get().starts_with('{'), "has {}, which is no event", value.get());
    Ok(match serde_json::from_str(value.get()) {
        Ok(Batch { events }) => events,
        Err(_) => vec![value],
    })
}

/// Returns a key that nobody else has.
fn random_key() -> String {
    let mut bytes = [0; 16];
    SystemRandom.fill(&mut bytes);
    format!("cli-{}", hex::encode(bytes))
}
