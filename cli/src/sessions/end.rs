//! `posthorn sessions end`

use anyhow::Result;
use clap::Args;

use crate::api::operations::END_SESSIONS;
use crate::settings::Settings;

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn sessions end --account acct_1")]
pub(crate) struct End {}

impl End {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let ended = settings.api()?.call(END_SESSIONS).raw().await?;
        settings.output().done("All sessions end within 30 seconds.", &ended)
    }
}
