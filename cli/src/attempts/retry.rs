//! `posthorn attempts retry`

use anyhow::Result;
use clap::Args;

use crate::api::operations::RETRY_ATTEMPT;
use crate::settings::Settings;

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn attempts retry att_…")]
pub(crate) struct Retry {
    /// The attempt's id
    #[arg(value_name = "ATTEMPT")]
    id: String,
}

impl Retry {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let retried = settings.api()?.call(RETRY_ATTEMPT).path(&self.id).raw().await?;
        settings.output().done(&format!("Retrying {}.", self.id), &retried)
    }
}
