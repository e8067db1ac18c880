//! `posthorn accounts get`

use anyhow::Result;
use clap::Args;
use posthorn_domain::AccountId;

use crate::api::operations::GET_ACCOUNT;
use crate::settings::Settings;

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn accounts get acct_1")]
pub(crate) struct Get {
    /// The account's id
    #[arg(value_name = "ACCOUNT")]
    id: AccountId,
}

impl Get {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let account = settings.api()?.call(GET_ACCOUNT).path(self.id.as_str()).raw().await?;
        settings.output().one(&account)
    }
}
