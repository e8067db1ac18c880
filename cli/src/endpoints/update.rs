//! `posthorn endpoints update`

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::fields::Fields;
use crate::api::operations::UPDATE_ENDPOINT;
use crate::exit::require;
use crate::settings::Settings;

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn endpoints update wh_… --events 'invoice.*' --enable")]
pub(crate) struct Update {
    /// The endpoint's id
    #[arg(value_name = "ENDPOINT")]
    id: String,
    /// Where to send events
    #[arg(long)]
    url: Option<String>,
    #[command(flatten)]
    fields: Fields,
    /// Send events from now on
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    /// Send no more events
    #[arg(long)]
    disable: bool,
}

impl Update {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let mut fields = self.fields.read()?;
        if let Some(url) = self.url {
            fields.insert("url".to_owned(), url.into());
        }
        if self.enable || self.disable {
            fields.insert("status".to_owned(), if self.enable { "enabled" } else { "disabled" }.into());
        }
        require(!fields.is_empty(), || {
            "name what to change: `posthorn endpoints update --help` lists the options".to_owned()
        })?;
        let call =
            settings.api()?.call(UPDATE_ENDPOINT).path(self.id).json(&Value::Object(fields)).raw().await?;
        settings.output().one(&call)
    }
}
