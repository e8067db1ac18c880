//! `posthorn events explain`

use anyhow::Result;
use clap::Args;

use crate::api::operations::EXPLAIN_EVENT;
use crate::listing::Listing;
use crate::output::Column;
use crate::settings::Settings;

const COLUMNS: &[Column] = &[
    ("Endpoint", "/webhook_endpoint_id"),
    ("Status", "/status"),
    ("Reason", "/reason"),
    ("Detail", "/detail"),
];

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn events explain evt_… --endpoint wh_…")]
pub(crate) struct Explain {
    /// The event's id
    #[arg(value_name = "EVENT")]
    id: String,
    /// Only this endpoint
    #[arg(long, value_name = "ENDPOINT")]
    endpoint: Option<String>,
    #[command(flatten)]
    listing: Listing,
}

impl Explain {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let api = settings.api()?;
        let call = api.call(EXPLAIN_EVENT).path(self.id).query("webhook_endpoint_id", self.endpoint);
        settings.output().list(self.listing.of(call), COLUMNS).await
    }
}
