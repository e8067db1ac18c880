//! `posthorn endpoints list`

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::api::operations::LIST_ENDPOINTS;
use crate::input;
use crate::listing::Listing;
use crate::output::Column;
use crate::settings::Settings;

const COLUMNS: &[Column] = &[
    ("Id", "/id"),
    ("Status", "/status"),
    ("Health", "/health/status"),
    ("Events", "/enabled_events"),
    ("URL", "/url"),
];

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn endpoints list --status disabled")]
pub(crate) struct List {
    /// Only endpoints of this status
    #[arg(long, value_enum)]
    status: Option<Status>,
    #[command(flatten)]
    listing: Listing,
}

#[derive(Clone, Copy, ValueEnum)]
enum Status {
    Enabled,
    Paused,
    Disabled,
}

impl List {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let api = settings.api()?;
        let pages =
            self.listing.of(api.call(LIST_ENDPOINTS).query("status", self.status.as_ref().map(input::name)));
        settings.output().list(pages, COLUMNS).await
    }
}
