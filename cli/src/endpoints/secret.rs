//! `posthorn endpoints secret`

use anyhow::Result;
use clap::Args;
use serde::Deserialize;

use crate::api::operations::GET_SECRET;
use crate::settings::Settings;

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn endpoints secret wh_… > secret.txt")]
pub(crate) struct Secret {
    /// The endpoint's id
    #[arg(value_name = "ENDPOINT")]
    id: String,
}

/// What the API returns.
#[derive(Deserialize)]
pub(super) struct Revealed {
    pub(super) secret: String,
}

impl Secret {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let answer = settings.api()?.call(GET_SECRET).path(self.id).raw().await?;
        let Revealed { secret } = serde_json::from_str(answer.get())?;
        settings.output().done(&secret, &answer)
    }
}
