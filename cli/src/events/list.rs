//! `posthorn events list`

use anyhow::Result;
use clap::Args;
use posthorn_domain::Clock as _;
use posthorn_runtime::SystemClock;

use crate::api::operations::LIST_EVENTS;
use crate::input::{self, Moment};
use crate::listing::Listing;
use crate::output::Column;
use crate::settings::Settings;

const COLUMNS: &[Column] = &[
    ("Id", "/id"),
    ("Created", "/created_at"),
    ("Type", "/type"),
    ("Object", "/object_id"),
    ("Pending", "/pending_webhooks"),
];

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn events list --type 'invoice.*' --since 1h")]
pub(crate) struct List {
    /// Only events of this type, or with this prefix, such as invoice.*
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Only events about objects of this type
    #[arg(long, value_name = "TYPE")]
    object_type: Option<String>,
    /// Only events about this object
    #[arg(long, value_name = "ID")]
    object_id: Option<String>,
    /// Only events accepted since this time: a time, or how long ago, such as 30m, 6h or 2d
    #[arg(long, value_name = "TIME", value_parser = input::moment)]
    since: Option<Moment>,
    /// Only events accepted before this time
    #[arg(long, value_name = "TIME", value_parser = input::moment)]
    until: Option<Moment>,
    #[command(flatten)]
    listing: Listing,
}

impl List {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let (api, now) = (settings.api()?, SystemClock.now());
        let time = |moment: Option<Moment>| moment.map(|moment| moment.seen_from(now));
        let call = api
            .call(LIST_EVENTS)
            .query("type", self.event_type)
            .query("object_type", self.object_type)
            .query("object_id", self.object_id)
            .query("created_at_from", time(self.since))
            .query("created_at_to", time(self.until));
        settings.output().list(self.listing.of(call), COLUMNS).await
    }
}
