//! `posthorn accounts list`

use anyhow::Result;
use clap::Args;

use crate::api::operations::LIST_ACCOUNTS;
use crate::listing::Listing;
use crate::output::Column;
use crate::settings::Settings;

const COLUMNS: &[Column] =
    &[("Id", "/id"), ("Status", "/status"), ("Created", "/created_at"), ("Name", "/name")];

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn accounts list --prefix acct_")]
pub(crate) struct List {
    /// Only accounts whose id begins with this
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    #[command(flatten)]
    listing: Listing,
}

impl List {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let api = settings.api()?;
        let pages = self.listing.of(api.call(LIST_ACCOUNTS).query("prefix", self.prefix));
        settings.output().list(pages, COLUMNS).await
    }
}
