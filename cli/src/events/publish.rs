//! `posthorn events publish`

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, IsTerminal as _, Read};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use posthorn_domain::Random as _;
use posthorn_runtime::SystemRandom;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::api::Api;
use crate::api::operations::{PUBLISH_EVENT, PUBLISH_EVENT_BATCH};
use crate::input;
use crate::output::{Output, counted, note, print, progress};
use crate::settings::Settings;

/// The most events of one request, which the API sets.
const BATCH: usize = 100;
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
        let (batch, bytes, requests, accepted, refused) = (Vec::new(), 0, 0, 0, 0);
        Self { api, output, key, batch, bytes, requests, accepted, refused }
    }

    /// Publishes the events of a file.
    async fn publish(mut self, file: &str) -> Result<()> {
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
            bar.set_prefix(format!("{} events", self.accepted));
        }
        self.send().await?;
        bar.finish_and_clear();
        self.finish()
    }

    async fn add(&mut self, event: Box<RawValue>) -> Result<()> {
        let bytes = event.get().len() + 1;
        if self.batch.len() == BATCH || self.bytes + bytes > BATCH_BYTES {
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
        let events = self.batch.iter().map(|event| event.get()).collect::<Vec<_>>().join(",");
        let key = format!("{}/{}", self.key, self.requests);
        let call = self.api.call(PUBLISH_EVENT_BATCH).idempotency_key(key);
        let answer: Answer =
            call.body(format!(r#"{{"events":[{events}]}}"#)).read().await.with_context(|| {
                let (done, key) = (self.accepted + self.refused, &self.key);
                format!("{done} events are published. To go on without doubles, add --idempotency-key {key}")
            })?;
        for entry in answer.list {
            self.take(&entry)?;
        }
        self.requests += 1;
        self.batch.clear();
        self.bytes = 0;
        Ok(())
    }

    /// Counts an event, and tells why it was refused.
    fn take(&mut self, entry: &RawValue) -> Result<()> {
        let Entry { status, detail } = serde_json::from_str(entry.get())?;
        let number = self.accepted + self.refused + 1;
        if (200..300).contains(&status) {
            self.accepted += 1;
        } else {
            self.refused += 1;
            note(&format!("Event {number} was refused with {status}: {}", detail.unwrap_or_default()));
        }
        if self.output == Output::Json { print(entry.get()) } else { Ok(()) }
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

/// Opens a file, or standard input for `-`. Returns its length, too, if it is known.
fn open(file: &str) -> Result<(Box<dyn Read + Send>, u64)> {
    if file == "-" {
        if std::io::stdin().is_terminal() {
            note("Reading events from the terminal. End with Ctrl+D.");
        }
        return Ok((Box::new(BufReader::new(std::io::stdin())), 0));
    }
    let opened = File::open(file).with_context(|| format!("cannot read {file}"))?;
    let length = opened.metadata()?.len();
    Ok((Box::new(BufReader::new(opened)), length))
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
