//! `posthorn accounts delete`

use anyhow::Result;
use clap::Args;
use posthorn_domain::AccountId;

use crate::api::operations::DELETE_ACCOUNT;
use crate::exit::require;
use crate::settings::Settings;

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn accounts delete acct_1 --confirm acct_1")]
pub(crate) struct Delete {
    /// The account's id
    #[arg(value_name = "ACCOUNT")]
    id: AccountId,
    /// The account's id once more: deletion cannot be undone
    #[arg(long, value_name = "ACCOUNT")]
    confirm: AccountId,
}

impl Delete {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let Self { id, confirm } = self;
        require(id == confirm, || format!("--confirm names {confirm}, not {id}. Nothing was deleted"))?;
        let call = settings
            .api()?
            .call(DELETE_ACCOUNT)
            .path(id.as_str())
            .query("confirm", Some(confirm))
            .raw()
            .await?;
        settings.output().done(&format!("{id} will be deleted within minutes."), &call)
    }
}
