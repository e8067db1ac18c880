//! `posthorn audit`

use anyhow::Result;
use clap::Args;

use crate::api::operations::LIST_AUDIT;
use crate::listing::Listing;
use crate::output::Column;
use crate::settings::Settings;

const COLUMNS: &[Column] = &[
    ("Created", "/created_at"),
    ("Account", "/account"),
    ("Action", "/action"),
    ("Target", "/target"),
    ("Actor", "/actor/id"),
    ("Request", "/request_id"),
];

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn audit --account acct_1 --limit 10")]
pub(crate) struct Audit {
    #[command(flatten)]
    listing: Listing,
}

impl Audit {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let api = settings.api()?;
        settings.output().list(self.listing.of(api.call(LIST_AUDIT)), COLUMNS).await
    }
}
