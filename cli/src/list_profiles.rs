//! `posthorn profiles`

use anyhow::Result;
use clap::Args;
use serde_json::json;
use serde_json::value::RawValue;

use crate::output::Column;
use crate::profiles::{Profile, Profiles};
use crate::settings::{LOCAL_PROFILE, Settings};

const COLUMNS: &[Column] =
    &[("Name", "/name"), ("URL", "/api_url"), ("Account", "/account"), ("Key", "/api_key")];

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn profiles")]
pub(crate) struct ListProfiles {}

impl ListProfiles {
    #[allow(clippy::unused_async, reason = "commands are siblings")]
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let (profiles, local) = (Profiles::read()?, Profile::default());
        let entries = profiles.iter().chain([(LOCAL_PROFILE, &local)]);
        let entries: Result<Vec<_>> = entries.map(|(name, profile)| entry(name, profile)).collect();
        settings.output().entries(&entries?, COLUMNS, true)
    }
}

/// Returns what is shown of a profile. Of its key, only the kind.
fn entry(name: &str, profile: &Profile) -> Result<Box<RawValue>> {
    let key = profile.api_key.as_deref().map(|key| match key.rsplit_once('_') {
        Some((kind, _)) => format!("{kind}_…"),
        None => "…".to_owned(),
    });
    let Profile { api_url, account, .. } = profile;
    let shown = json!({ "name": name, "api_url": api_url, "account": account, "api_key": key });
    Ok(RawValue::from_string(shown.to_string())?)
}
