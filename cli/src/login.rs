//! `posthorn login`

use std::io::{IsTerminal as _, Write as _};
use std::str::FromStr as _;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use posthorn_domain::AccountId;
use reqwest::Url;

use crate::api::Api;
use crate::api::operations::LIST_EVENT_TYPES;
use crate::exit::require;
use crate::input;
use crate::output::note;
use crate::profiles::{Profile, Profiles};
use crate::settings::{self, Settings};

#[derive(Args)]
#[command(after_help = "Examples:
  posthorn login --api-url https://….execute-api.eu-central-1.amazonaws.com
  posthorn login --profile staging --api-key-file key.txt --api-url https://…")]
pub(crate) struct Login {
    /// Read the key from this file, - for standard input. By default, the command asks for it
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<String>,
}

impl Login {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let name = settings.profile_name().unwrap_or(settings::DEFAULT_PROFILE);
        require(name != settings::LOCAL_PROFILE, || {
            "the profile local is the system on this machine, and needs no login".to_owned()
        })?;
        let mut profiles = Profiles::read()?;
        let api_url = settings.api_url()?.map_or_else(ask_url, Ok)?;
        // A file comes first: the environment may have a key for other uses.
        let api_key = match (self.api_key_file, settings.api_key()) {
            (Some(file), _) => input::read_secret(&file)?,
            (None, Some(key)) => key,
            (None, None) => ask_key()?,
        };
        let profile = Profile {
            api_url,
            api_key: Some(api_key),
            account: settings.account()?,
            livemode: settings.mode(),
        };
        check(&profile).await?;
        profiles.put(name.to_owned(), profile);
        let file = profiles.write()?;
        note(&format!("Logged in. The profile {name} is in {}.", file.display()));
        Ok(())
    }
}

/// Calls the API with the key, so that a wrong one is not kept.
async fn check(profile: &Profile) -> Result<()> {
    let Profile { api_url, api_key, account, .. } = profile;
    settings::require_private(api_url)?;
    let is_platform = api_key.as_deref().is_some_and(settings::is_platform);
    // A platform key has to name an account, whichever.
    let any = || AccountId::from_str("login").ok().filter(|_| is_platform);
    let account = account.clone().or_else(any);
    let api = Api::new(api_url.clone(), api_key.clone(), account, is_platform.then_some(false))?;
    api.call(LIST_EVENT_TYPES).raw().await.context("the profile was not written")?;
    Ok(())
}

fn ask_url() -> Result<Url> {
    require(std::io::stdin().is_terminal(), || "name the address of the API: --api-url".to_owned())?;
    eprint!("The address of the API (the stack's output ApiUrl): ");
    std::io::stderr().flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    settings::api_url(&line)
}

/// Asks for the key. What is typed is not shown.
fn ask_key() -> Result<String> {
    require(std::io::stdin().is_terminal(), || {
        "name the key: --api-key-file, - for standard input, or POSTHORN_API_KEY".to_owned()
    })?;
    let key = rpassword::prompt_password("The API key: ").context("cannot read the key")?;
    let key = key.trim().to_owned();
    ensure!(!key.is_empty(), "the key is empty");
    Ok(key)
}
