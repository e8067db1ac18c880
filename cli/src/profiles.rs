//! The profiles: which API, and with which key. They are kept in a file that only its owner can read.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use etcetera::{BaseStrategy as _, choose_base_strategy};
use posthorn_domain::AccountId;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::settings;

/// An API, and who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    pub(crate) api_url: Url,
    pub(crate) api_key: Option<String>,
    /// The account that a platform key acts for.
    pub(crate) account: Option<AccountId>,
    /// The mode that a platform key uses.
    pub(crate) livemode: Option<bool>,
}

impl Default for Profile {
    /// The laptop system, which needs no key.
    fn default() -> Self {
        Self { api_url: settings::local(), api_key: None, account: None, livemode: None }
    }
}

/// All profiles of this machine's user, by their names.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profiles {
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

impl Profiles {
    /// Reads the file. If there is none, there is no profile.
    pub(crate) fn read() -> Result<Self> {
        let Ok(file) = path() else { return Ok(Self::default()) };
        let text = match fs::read_to_string(&file) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            read => read.with_context(|| format!("cannot read {}", file.display()))?,
        };
        // The reason without the text, which may be a key.
        toml::from_str(&text).map_err(|error| {
            let line =
                error.span().map_or(0, |span| text[..span.start.min(text.len())].lines().count().max(1));
            let (file, reason) = (file.display(), error.message());
            anyhow!("{file} is damaged at line {line}: {reason}. Correct it, or delete it and log in again")
        })
    }

    /// Writes the file.
    pub(crate) fn write(&self) -> Result<PathBuf> {
        let file = path()?;
        write_private(&file, &toml::to_string(self)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }

    /// Adds a profile, in place of one of the same name.
    pub(crate) fn put(&mut self, name: String, profile: Profile) {
        self.profiles.insert(name, profile);
    }

    /// Removes a profile, and returns it.
    pub(crate) fn take(&mut self, name: &str) -> Option<Profile> {
        self.profiles.remove(name)
    }

    /// The names, with that of the laptop system.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.profiles.keys().map(String::as_str).chain([settings::LOCAL_PROFILE]).collect()
    }

    /// The profiles.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Profile)> {
        self.profiles.iter().map(|(name, profile)| (name.as_str(), profile))
    }
}

fn path() -> Result<PathBuf> {
    Ok(folder()?.join("profiles.toml"))
}

/// The folder of this program's configuration.
pub(crate) fn folder() -> Result<PathBuf> {
    let folders = choose_base_strategy().context("this machine has no configuration folder")?;
    Ok(folders.config_dir().join("posthorn"))
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    let new = new_private(file, text)?;
    fs::rename(&new, file).inspect_err(|_| drop(fs::remove_file(&new)))
}

/// Writes a file that only its owner can read, beside another one. Returns its path.
pub(crate) fn new_private(beside: &Path, text: &str) -> std::io::Result<PathBuf> {
    let folder = beside.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let new = beside.with_extension(std::process::id().to_string());
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new)?;
    file.write_all(text.as_bytes()).inspect_err(|_| drop(fs::remove_file(&new)))?;
    Ok(new)
}
