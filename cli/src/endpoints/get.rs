//! `posthorn endpoints get`

use anyhow::Result;
use clap::Args;

use crate::api::operations::GET_ENDPOINT;
use crate::settings::Settings;

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn endpoints get wh_…")]
pub(crate) struct Get {
    /// The endpoint's id
    #[arg(value_name = "ENDPOINT")]
    id: String,
}

impl Get {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let endpoint = settings.api()?.call(GET_ENDPOINT).path(self.id).raw().await?;
        settings.output().one(&endpoint)
    }
}
