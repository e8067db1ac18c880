//! `posthorn types`

use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::api::Api;
use crate::api::operations::LIST_EVENT_TYPES;
use crate::output::{Column, Output, compact, note, print};
use crate::settings::Settings;

const COLUMNS: &[Column] = &[("Type", "/type"), ("Group", "/group"), ("Description", "/description")];

#[derive(Subcommand)]
pub(crate) enum Types {
    /// List the well-known event types
    List(List),
    /// Print the sample of an event type's object
    Get(Get),
}

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn types list --prefix invoice.")]
pub(crate) struct List {
    /// Only types that begin with this
    #[arg(long, value_name = "TEXT", default_value = "")]
    prefix: String,
}

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn types get invoice.paid")]
pub(crate) struct Get {
    /// The type
    #[arg(value_name = "TYPE")]
    event_type: String,
}

/// What the API returns.
#[derive(Deserialize)]
struct Catalogue {
    list: Vec<Box<RawValue>>,
}

/// A well-known event type.
#[derive(Deserialize)]
pub(crate) struct EventType {
    #[serde(rename = "type")]
    pub(crate) name: String,
    pub(crate) sample: Box<RawValue>,
}

impl Types {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        match self {
            Self::List(command) => command.run(settings).await,
            Self::Get(command) => command.run(settings).await,
        }
    }
}

impl List {
    async fn run(self, settings: &Settings) -> Result<()> {
        let Catalogue { mut list } = settings.api()?.call(LIST_EVENT_TYPES).read().await?;
        list.retain(|entry| {
            serde_json::from_str(entry.get())
                .is_ok_and(|known: EventType| known.name.starts_with(&self.prefix))
        });
        if list.is_empty() {
            note("There are none.");
        }
        settings.output().entries(&list, COLUMNS, true)
    }
}

impl Get {
    async fn run(self, settings: &Settings) -> Result<()> {
        let known = find(&settings.api()?, &self.event_type).await?;
        let sample = known.sample.get();
        if settings.output() == Output::Json { print(&compact(sample)) } else { print(sample) }
    }
}

/// Returns a well-known event type. Errors if it is none, and names those that are alike.
pub(crate) async fn find(api: &Api, name: &str) -> Result<EventType> {
    let Catalogue { list } = api.call(LIST_EVENT_TYPES).read().await?;
    let mut types: Vec<EventType> =
        list.iter().map(|entry| serde_json::from_str(entry.get())).collect::<Result<_, _>>()?;
    if let Some(at) = types.iter().position(|known| known.name == name) {
        return Ok(types.swap_remove(at));
    }
    let alike = alike(name, types.iter().map(|known| known.name.as_str()));
    let alike = if alike.is_empty() { String::new() } else { format!(" Is it one of {}?", alike.join(", ")) };
    Err(crate::exit::Usage(format!(
        "there is no sample of {name}.{alike} `posthorn types list` lists all, \
         `posthorn events publish {name} --data …` publishes any"
    ))
    .into())
}

/// Returns the names that are most alike, three at most.
fn alike<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut near: Vec<_> = known.map(|known| (strsim::jaro_winkler(name, known), known)).collect();
    near.retain(|(likeness, _)| *likeness > 0.85);
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    near.into_iter().take(3).map(|(_, known)| known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_typing_error_finds_those_that_are_alike() {
        let known = ["invoice.paid", "invoice.created", "customer.created"];
        assert_eq!(alike("invioce.paid", known.into_iter())[0], "invoice.paid");
        assert!(alike("parcel", known.into_iter()).is_empty());
    }
}
