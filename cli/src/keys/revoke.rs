//! `posthorn keys revoke`

use anyhow::{Context as _, Result, bail};
use clap::Args;
use posthorn_domain::{Clock as _, KeyId};
use posthorn_runtime::SystemClock;
use posthorn_storage::Grants;
use serde_json::json;
use serde_json::value::to_raw_value;

use super::table;
use crate::api::operations::DELETE_KEY;
use crate::settings::Settings;

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn keys revoke key_… --account acct_1")]
pub(crate) struct Revoke {
    /// Revoke a platform key
    #[arg(long)]
    platform: bool,
    /// The key's id, as `posthorn keys list` shows it
    #[arg(value_name = "KEY")]
    id: KeyId,
}

impl Revoke {
    pub(crate) async fn run(self, settings: &Settings, grants: Option<Grants>) -> Result<()> {
        let id = self.id;
        let said = format!("Revoked {id}. It stops working within 30 seconds.");
        let Some(grants) = grants else {
            let revoked = settings.api()?.call(DELETE_KEY).path(id.to_string()).raw().await?;
            return settings.output().done(&said, &revoked);
        };
        let owner = table::owner(settings, self.platform)?;
        let revoked = grants.revoke(owner.as_ref(), id, SystemClock.now()).await;
        if !revoked.context("cannot revoke the key")? {
            bail!("{} has no key {id}", table::name(owner.as_ref()));
        }
        let revoked = to_raw_value(&json!({ "id": id.to_string(), "revoked": true }))?;
        settings.output().done(&said, &revoked)
    }
}
