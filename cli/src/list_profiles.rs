//! `posthorn profiles`

use anyhow::Result;
use clap::Args;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use crate::output::Column;
use crate::profiles::{Profile, Profiles};
use crate::settings::{LOCAL_PROFILE, Settings, without_secrets};

const COLUMNS: &[Column] = &[
    ("Name", "/name"),
    ("URL", "/api_url"),
    ("Account", "/account"),
    ("Live", "/livemode"),
    ("Key", "/api_key"),
];

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn profiles")]
pub(crate) struct ListProfiles {}

impl ListProfiles {
    pub(crate) fn run(settings: &Settings) -> Result<()> {
        let (profiles, local) = (Profiles::read()?, Profile::default());
        let entries = profiles.iter().chain([(LOCAL_PROFILE, &local)]);
        let entries: Result<Vec<_>> = entries.map(|(name, profile)| entry(name, profile)).collect();
        settings.output().entries(&entries?, COLUMNS, true)
    }
}

/// Returns what is shown of a profile. Of its key, only the kind.
fn entry(name: &str, profile: &Profile) -> Result<Box<RawValue>> {
    let key = profile.api_key.as_deref().map(kind);
    let Profile { account, livemode, .. } = profile;
    let api_url = without_secrets(profile.api_url.clone());
    let shown =
        json!({ "name": name, "api_url": api_url, "account": account, "livemode": livemode, "api_key": key });
    Ok(to_raw_value(&shown)?)
}

/// Returns what shows the kind of a key, and nothing of its secret, which may have underscores, too.
fn kind(key: &str) -> String {
    let parts: Vec<_> = key.splitn(3, '_').collect();
    if let [prefix, mode, _] = parts[..] { format!("{prefix}_{mode}_…") } else { "…".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_kind_of_a_key_is_shown() {
        assert_eq!(kind("sk_test_abc_def-ghi"), "sk_test_…");
        assert_eq!(kind("sesame"), "…");
    }
}
