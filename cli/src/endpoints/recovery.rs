//! `posthorn endpoints recovery`

use anyhow::Result;
use clap::Args;

use crate::api::operations::GET_RECOVERY;
use crate::settings::Settings;

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn endpoints recovery wh_… rec_…")]
pub(crate) struct Recovery {
    /// The endpoint's id
    #[arg(value_name = "ENDPOINT")]
    endpoint: String,
    /// The recovery's id
    #[arg(value_name = "RECOVERY")]
    id: String,
}

impl Recovery {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let call = settings.api()?.call(GET_RECOVERY).path(self.endpoint).path(self.id).raw().await?;
        settings.output().one(&call)
    }
}
