//! `posthorn endpoints create`

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::fields::Fields;
use crate::api::operations::CREATE_ENDPOINT;
use crate::input;
use crate::settings::Settings;

#[derive(Args)]
#[command(
    after_help = "Example:\n  posthorn endpoints create https://shop.example/hooks --events 'invoice.*,customer.created'"
)]
pub(crate) struct Create {
    /// Where to send events
    #[arg(value_name = "URL", required_unless_present = "file")]
    url: Option<String>,
    #[command(flatten)]
    fields: Fields,
    /// Sign with the secret in this file, - for standard input. By default, Posthorn makes one
    #[arg(long, value_name = "FILE")]
    secret_file: Option<String>,
    /// Only check the endpoint
    #[arg(long)]
    dry_run: bool,
}

impl Create {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let mut fields = self.fields.read()?;
        if let Some(url) = self.url {
            fields.insert("url".to_owned(), url.into());
        }
        if let Some(file) = self.secret_file {
            fields.insert("secret".to_owned(), input::read_secret(&file)?.into());
        }
        if self.dry_run {
            fields.insert("dry_run".to_owned(), true.into());
        }
        let call = settings.api()?.call(CREATE_ENDPOINT).json(&Value::Object(fields)).raw().await?;
        if self.dry_run {
            return settings.output().done("The endpoint is valid. Nothing was registered.", &call);
        }
        settings.output().one(&call)
    }
}
