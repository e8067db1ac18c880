//! The secret that events are signed with.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use posthorn_domain::Secret;
use posthorn_runtime::SystemRandom;

use crate::profiles::{folder, new_private};

/// Returns the secret to sign with: the one given, or the one of this machine.
pub(super) fn signing_secret(given: Option<String>) -> Result<Secret> {
    if let Some(secret) = given {
        return secret.trim().parse().map_err(|reason| anyhow!("POSTHORN_LISTEN_SECRET {reason}"));
    }
    let folder = folder().context("set POSTHORN_LISTEN_SECRET")?;
    let file = folder.join("listen_secret");
    if !file.exists() {
        keep(&file).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let secret = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let secret = secret.trim().parse();
    secret.map_err(|reason| anyhow!("{} {reason}. Delete it, and a new one is made", file.display()))
}

/// Writes a new secret. Of two that are written at the same time, one stays.
fn keep(file: &Path) -> std::io::Result<()> {
    let new = new_private(file, &format!("{}\n", Secret::new(&SystemRandom).reveal()))?;
    let linked = fs::hard_link(&new, file);
    fs::remove_file(&new)?;
    linked.or_else(|error| if error.kind() == ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })
}
