//! `posthorn trigger`

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use crate::api::object;
use crate::api::operations::{PUBLISH_EVENT, TEST_ENDPOINT};
use crate::exit::{Usage, require};
use crate::input;
use crate::settings::Settings;
use crate::types;

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn trigger invoice.paid --override data.object.amount_paid=500")]
pub(crate) struct Trigger {
    /// The type of the event: one that `posthorn types list` lists
    #[arg(value_name = "TYPE")]
    event_type: String,
    /// Change the sample at a path, such as data.object.amount=5. The value is JSON, or else a string. Repeat it for further
    /// changes
    #[arg(long = "override", value_name = "PATH=VALUE", value_parser = input::assignment)]
    overrides: Vec<(String, Value)>,
    /// Send it to this endpoint only, whatever it subscribed to, also if it is disabled
    #[arg(long, value_name = "ENDPOINT")]
    to: Option<String>,
}

impl Trigger {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let api = settings.api()?;
        let known = types::find(&api, &self.event_type).await?;
        let sample: Value = serde_json::from_str(known.sample.get())?;
        let mut event =
            json!({ "type": known.name, "data": { "object": sample }, "metadata": { "test": "true" } });
        let is_changed = !self.overrides.is_empty();
        for (path, value) in self.overrides {
            let is_data = path.split('.').next() == Some("data");
            require(is_data || self.to.is_none(), || {
                format!("--override {path}: with --to, only data can be changed")
            })?;
            input::set(&mut event, &path, value).map_err(|error| Usage(format!("--override: {error}")))?;
        }
        let call = match self.to {
            None => api.call(PUBLISH_EVENT).json(&event),
            // The API itself has the sample, and marks it as a test. Only keys that may publish can send other data.
            Some(endpoint) => {
                let data = Some(event["data"].take()).filter(|_| is_changed);
                let test = object([("type", Some(event["type"].take())), ("data", data)]);
                api.call(TEST_ENDPOINT).path(endpoint).json(&test)
            }
        };
        settings.output().one(&call.raw().await?)
    }
}
