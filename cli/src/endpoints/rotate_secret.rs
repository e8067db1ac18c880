//! `posthorn endpoints rotate-secret`

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::secret::Revealed;
use crate::api::object;
use crate::api::operations::ROTATE_SECRET;
use crate::input;
use crate::output::note;
use crate::settings::Settings;

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn endpoints rotate-secret wh_…")]
pub(crate) struct RotateSecret {
    /// The endpoint's id
    #[arg(value_name = "ENDPOINT")]
    id: String,
    /// Sign with the secret in this file, - for standard input. By default, Posthorn makes one
    #[arg(long, value_name = "FILE")]
    secret_file: Option<String>,
    /// Stop signing with the former secret now. By default, both sign for a day
    #[arg(long)]
    expire_now: bool,
}

impl RotateSecret {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let secret = self.secret_file.map(|file| input::read_secret(&file)).transpose()?;
        let body =
            object([("expire_now", Some(self.expire_now.into())), ("secret", secret.map(Value::from))]);
        let answer = settings.api()?.call(ROTATE_SECRET).path(self.id).json(&body).raw().await?;
        let Revealed { secret } = serde_json::from_str(answer.get())?;
        settings.output().done(&secret, &answer)?;
        if !self.expire_now {
            note("The former secret signs, too, until tomorrow: receivers have a day to change.");
        }
        Ok(())
    }
}
