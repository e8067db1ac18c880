//! `posthorn endpoints test`

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use crate::api::object;
use crate::api::operations::TEST_ENDPOINT;
use crate::settings::Settings;

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn endpoints test wh_… --type invoice.paid")]
pub(crate) struct Test {
    /// The endpoint's id
    #[arg(value_name = "ENDPOINT")]
    id: String,
    /// The type of the event. By default, one that the endpoint subscribed to
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
}

impl Test {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let body = object([("type", self.event_type.map(Value::from))]);
        let event = settings.api()?.call(TEST_ENDPOINT).path(self.id).json(&body).raw().await?;
        settings.output().one(&event)
    }
}
