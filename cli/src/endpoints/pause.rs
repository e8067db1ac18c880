//! `posthorn endpoints pause`

use anyhow::Result;
use clap::Args;

use crate::api::operations::PAUSE_ENDPOINT;
use crate::settings::Settings;

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn endpoints pause wh_…")]
pub(crate) struct Pause {
    /// The endpoint's id
    #[arg(value_name = "ENDPOINT")]
    id: String,
}

impl Pause {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let paused = settings.api()?.call(PAUSE_ENDPOINT).path(&self.id).raw().await?;
        settings
            .output()
            .done(&format!("Paused {}. Its events are held until you resume it.", self.id), &paused)
    }
}
