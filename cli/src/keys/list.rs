//! `posthorn keys list`

use anyhow::{Context as _, Result};
use clap::Args;
use posthorn_domain::{Clock as _, Grant, Timestamp};
use posthorn_runtime::SystemClock;
use posthorn_storage::Grants;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use super::table;
use crate::api::operations::LIST_KEYS;
use crate::listing::Listing;
use crate::output::Column;
use crate::settings::Settings;

const COLUMNS: &[Column] = &[
    ("Id", "/id"),
    ("Kind", "/kind"),
    ("Live", "/livemode"),
    ("Scopes", "/scopes"),
    ("Name", "/name"),
    ("Created", "/created_at"),
    ("Last used", "/last_used_on"),
    ("Expires", "/expires_at"),
    ("Revoked", "/revoked_at"),
];

/// The columns of keys that are read from the table.
const IN_TABLE: &[Column] = &[
    ("Id", "/id"),
    ("Mode", "/mode"),
    ("Scopes", "/scopes"),
    ("Name", "/name"),
    ("Created", "/created_on"),
    ("Last used", "/last_used_on"),
    ("State", "/state"),
];

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn keys list --account acct_1")]
pub(crate) struct List {
    /// List platform keys
    #[arg(long)]
    platform: bool,
    #[command(flatten)]
    listing: Listing,
}

impl List {
    pub(crate) async fn run(self, settings: &Settings, grants: Option<Grants>) -> Result<()> {
        let Some(grants) = grants else {
            let api = settings.api()?;
            return settings.output().list(self.listing.of(api.call(LIST_KEYS)), COLUMNS).await;
        };
        let (owner, now) = (table::owner(settings, self.platform)?, SystemClock.now());
        let grants = grants.list(owner.as_ref()).await.context("cannot list the keys")?;
        let entries: Result<Vec<_>> =
            grants.iter().take(self.listing.at_most()).map(|(_, grant)| entry(grant, now)).collect();
        settings.output().entries(&entries?, IN_TABLE, true)
    }
}

/// Returns what is shown of a key in the table.
fn entry(grant: &Grant, now: Timestamp) -> Result<Box<RawValue>> {
    let shown = json!({
        "id": grant.id.to_string(),
        "mode": grant.reach.mode().map_or_else(|| "both".to_owned(), |mode| mode.to_string()),
        "scopes": grant.scopes.iter().map(|scope| scope.to_string()).collect::<Vec<_>>(),
        "name": grant.name.as_str(),
        "created_on": grant.created_at.date(),
        "last_used_on": grant.last_used_on.map_or_else(|| "never".to_owned(), Timestamp::date),
        "state": state(grant, now),
    });
    Ok(to_raw_value(&shown)?)
}

fn state(grant: &Grant, now: Timestamp) -> String {
    match (grant.revoked_at, grant.expires_at) {
        (Some(at), _) => format!("revoked {}", at.date()),
        (None, Some(end)) if !grant.is_valid(now) => format!("expired {}", end.date()),
        (None, Some(end)) => format!("valid until {}", end.date()),
        (None, None) => "valid".to_owned(),
    }
}
