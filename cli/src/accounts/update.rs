//! `posthorn accounts update`

use anyhow::{Result, ensure};
use clap::Args;
use posthorn_domain::AccountId;
use serde_json::Value;

use super::create::Fields;
use crate::api::Call;
use crate::api::failure::Failure;
use crate::api::operations::{GET_ACCOUNT, PUT_ACCOUNT};
use crate::exit::require;
use crate::settings::Settings;

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn accounts update acct_1 --metadata plan=pro")]
pub(crate) struct Update {
    /// The account's id
    #[arg(value_name = "ACCOUNT")]
    id: AccountId,
    #[command(flatten)]
    fields: Fields,
}

impl Update {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let (api, id, fields) = (settings.api()?, self.id, self.fields.read());
        require(!fields.is_empty(), || {
            "name what to change: `posthorn accounts update --help` lists the options".to_owned()
        })?;
        // The API would create it.
        ensure!(
            exists(api.call(GET_ACCOUNT).path(id.as_str())).await?,
            "there is no account {id}. To create it: posthorn accounts create {id}"
        );
        settings
            .output()
            .one(&api.call(PUT_ACCOUNT).path(id.as_str()).json(&Value::Object(fields)).raw().await?)
    }
}

/// Returns whether a call finds something.
pub(super) async fn exists(call: Call<'_>) -> Result<bool, Failure> {
    match call.send().await {
        Ok(_) => Ok(true),
        Err(Failure::NotFound(_)) => Ok(false),
        Err(other) => Err(other),
    }
}
