//! `posthorn events get`

use anyhow::Result;
use clap::Args;

use crate::api::operations::GET_EVENT;
use crate::settings::Settings;

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn events get evt_…")]
pub(crate) struct Get {
    /// The event's id
    #[arg(value_name = "EVENT")]
    id: String,
}

impl Get {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let event = settings.api()?.call(GET_EVENT).path(self.id).raw().await?;
        settings.output().one(&event)
    }
}
