//! The fields of an endpoint, as options name them.

use anyhow::Result;
use clap::Args;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::input;

#[derive(Args)]
pub(crate) struct Fields {
    /// The event types to send: names, and prefixes such as invoice.*, separated by commas
    #[arg(long, value_name = "TYPE,…", value_delimiter = ',')]
    events: Option<Vec<String>>,
    /// What the endpoint is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Metadata, such as team=orders. Repeat it for further entries
    #[arg(long, value_name = "NAME=VALUE", value_parser = input::pair)]
    metadata: Vec<(String, String)>,
    /// A header to send with each event, such as "X-Tenant: 7". Repeat it for further headers
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", value_parser = input::header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Further fields: a file with the JSON that the API takes, - for standard input. Options go before it
    #[arg(long, short, value_name = "FILE")]
    file: Option<String>,
}

impl Fields {
    /// Returns the fields that are given.
    pub(crate) fn read(self) -> Result<Map<String, Value>> {
        let mut fields = self.file.map_or(Ok(Map::new()), |file| input::read_object(&file))?;
        if let Some(events) = self.events {
            let events = events.iter().map(|event| event.trim()).filter(|event| !event.is_empty());
            fields.insert("enabled_events".to_owned(), events.collect());
        }
        if let Some(description) = self.description {
            fields.insert("description".to_owned(), description.into());
        }
        if let Some(metadata) = input::metadata(self.metadata) {
            fields.insert("metadata".to_owned(), metadata);
        }
        if !self.headers.is_empty() {
            let headers = self.headers.into_iter();
            let headers: Result<Map<_, _>> =
                headers.map(|(name, value)| Ok((name.to_string(), value.to_str()?.into()))).collect();
            fields.insert("headers".to_owned(), Value::Object(headers?));
        }
        Ok(fields)
    }
}
