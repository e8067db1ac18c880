//! `posthorn logout`

use anyhow::{Context as _, Result};
use clap::Args;

use crate::output::note;
use crate::profiles::Profiles;
use crate::settings::{DEFAULT_PROFILE, Settings};

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn logout --profile staging")]
pub(crate) struct Logout {}

impl Logout {
    pub(crate) fn run(settings: &Settings) -> Result<()> {
        let name = settings.profile_name().unwrap_or(DEFAULT_PROFILE);
        let mut profiles = Profiles::read()?;
        profiles.take(name).with_context(|| format!("there is no profile {name}"))?;
        profiles.write()?;
        note(&format!(
            "Removed the profile {name}. Its key is still valid: posthorn keys revoke revokes one."
        ));
        Ok(())
    }
}
