//! `posthorn endpoints delete`

use anyhow::Result;
use clap::Args;

use crate::api::operations::DELETE_ENDPOINT;
use crate::settings::Settings;

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn endpoints delete wh_…")]
pub(crate) struct Delete {
    /// The endpoint's id
    #[arg(value_name = "ENDPOINT")]
    id: String,
}

impl Delete {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let deleted = settings.api()?.call(DELETE_ENDPOINT).path(&self.id).raw().await?;
        settings.output().done(&format!("Deleted {}.", self.id), &deleted)
    }
}
