//! `posthorn attempts list`

use anyhow::Result;
use clap::Args;

use crate::api::operations::LIST_ATTEMPTS;
use crate::listing::Listing;
use crate::output::Column;
use crate::settings::Settings;

const COLUMNS: &[Column] = &[
    ("Id", "/id"),
    ("Created", "/created_at"),
    ("Status", "/status"),
    ("Response", "/response_status"),
    ("Error", "/error"),
    ("ms", "/duration_ms"),
    ("Event", "/event_id"),
    ("Endpoint", "/webhook_endpoint_id"),
];

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn attempts list --endpoint wh_… --failed")]
pub(crate) struct List {
    /// Only attempts to deliver this event
    #[arg(long, value_name = "EVENT")]
    event: Option<String>,
    /// Only attempts at this endpoint
    #[arg(long, value_name = "ENDPOINT")]
    endpoint: Option<String>,
    /// Only attempts that failed
    #[arg(long)]
    failed: bool,
    #[command(flatten)]
    listing: Listing,
}

impl List {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let api = settings.api()?;
        let call = api
            .call(LIST_ATTEMPTS)
            .query("event_id", self.event)
            .query("webhook_endpoint_id", self.endpoint)
            .query("status", self.failed.then_some("failed"));
        settings.output().list(self.listing.of(call), COLUMNS).await
    }
}
