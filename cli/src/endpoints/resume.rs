//! `posthorn endpoints resume`

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::api::operations::RESUME_ENDPOINT;
use crate::settings::Settings;

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn endpoints resume wh_…")]
pub(crate) struct Resume {
    /// The endpoint's id
    #[arg(value_name = "ENDPOINT")]
    id: String,
    /// Do not send what was held. `posthorn endpoints recover` still can
    #[arg(long)]
    skip: bool,
}

impl Resume {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let call = settings
            .api()?
            .call(RESUME_ENDPOINT)
            .path(&self.id)
            .json(&json!({ "skip": self.skip }))
            .raw()
            .await?;
        let what = if self.skip { "What was held is canceled" } else { "What was held is sent now" };
        settings.output().done(&format!("Resumed {}. {what}.", self.id), &call)
    }
}
