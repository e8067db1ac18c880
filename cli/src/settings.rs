//! Which API a command calls, and who asks: from the options, the environment, and the profile that `posthorn login` keeps.

use std::net::IpAddr;

use anyhow::{Result, anyhow, ensure};
use clap::Args;
use posthorn_domain::AccountId;
use reqwest::Url;

use crate::api::Api;
use crate::exit::{Usage, require};
use crate::output::Output;
use crate::profiles::{Profile, Profiles};

/// Where the laptop system is.
const LOCAL: &str = "http://127.0.0.1:8080";
/// The profile of the laptop system. It needs no login.
pub(crate) const LOCAL_PROFILE: &str = "local";
/// The profile that is used if none is named.
pub(crate) const DEFAULT_PROFILE: &str = "default";

/// The heading of the options of every command.
pub(crate) const HEADING: &str = "Options of every command";

/// Options of every command.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = HEADING)]
pub(crate) struct Settings {
    /// The profile to use: one that `posthorn login` keeps, or `local`, the system on this machine. By default `default`, or
    /// `local` if you are not logged in
    #[arg(long, global = true, value_name = "NAME", env = "POSTHORN_PROFILE")]
    profile: Option<String>,
    /// The address of the API, in place of the profile's: the stack's output `ApiUrl`
    #[arg(long, global = true, value_name = "URL", env = "POSTHORN_API_URL")]
    api_url: Option<String>,
    /// The API key, in place of the profile's. Other programs on this machine can read options: prefer the environment, or a
    /// profile
    #[arg(long, global = true, value_name = "KEY", env = "POSTHORN_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
    /// The account to act for. Only platform keys can choose one. `posthorn login` keeps it
    #[arg(long, global = true, value_name = "ID", env = "POSTHORN_ACCOUNT")]
    account: Option<String>,
    /// Live data
    #[arg(long, global = true, conflicts_with = "test")]
    live: bool,
    /// Test data. The default is the mode of the key. A platform key has none: its default is what `posthorn login` kept, or test data
    #[arg(long, global = true)]
    test: bool,
    /// Print JSON, as the API returns it: one value a line
    #[arg(long, global = true)]
    json: bool,
}

impl Settings {
    /// Returns a client of the API. If nothing names one, that of the system on this machine.
    pub(crate) fn api(&self) -> Result<Api> {
        self.api_or(local())
    }

    /// Returns a client of the API. If nothing names one, that at this address.
    pub(crate) fn api_or(&self, otherwise: Url) -> Result<Api> {
        let named = self.api_url()?;
        let profile = match (self.profile_name(), &named) {
            (Some(_), _) | (None, None) => self.profile(otherwise)?,
            // The options say all: a file that cannot be read is no obstacle.
            (None, Some(_)) => self.profile(otherwise).unwrap_or_default(),
        };
        let url = named.unwrap_or_else(|| profile.api_url.clone());
        // A profile's key, account and mode belong together, and to the profile's API.
        let given = self.api_key();
        let kept = Some(&profile).filter(|profile| given.is_none() && url == profile.api_url);
        let key = given.or_else(|| kept.and_then(|profile| profile.api_key.clone()));
        if key.is_some() {
            require_private(&url)?;
        }
        let account = self.account()?.or_else(|| kept.and_then(|profile| profile.account.clone()));
        let default_mode = || kept.and_then(|profile| profile.livemode).unwrap_or_default();
        let is_platform = key.as_deref().is_some_and(is_platform);
        let livemode = self.mode().or_else(|| is_platform.then(default_mode));
        Ok(Api::new(url, key, account, livemode)?)
    }

    /// Returns the name of the profile that is asked for.
    pub(crate) fn profile_name(&self) -> Option<&str> {
        given(self.profile.as_ref())
    }

    /// Returns the address that is asked for.
    pub(crate) fn api_url(&self) -> Result<Option<Url>> {
        given(self.api_url.as_ref()).map(api_url).transpose()
    }

    /// Returns the key that is given.
    pub(crate) fn api_key(&self) -> Option<String> {
        given(self.api_key.as_ref()).map(str::to_owned)
    }

    /// Returns the account that is asked for.
    pub(crate) fn account(&self) -> Result<Option<AccountId>, Usage> {
        let read = |text: &str| text.parse().map_err(|reason| Usage(format!("--account {reason}")));
        given(self.account.as_ref()).map(read).transpose()
    }

    /// Returns how to print.
    pub(crate) fn output(&self) -> Output {
        if self.json { Output::Json } else { Output::Text }
    }

    /// Returns whether the options name live data; `None` if they name no mode.
    pub(crate) fn mode(&self) -> Option<bool> {
        (self.live || self.test).then_some(self.live)
    }

    fn profile(&self, otherwise: Url) -> Result<Profile> {
        let name = self.profile_name();
        if name == Some(LOCAL_PROFILE) {
            return Ok(Profile::default());
        }
        let mut profiles = Profiles::read()?;
        match (profiles.take(name.unwrap_or(DEFAULT_PROFILE)), name) {
            (Some(profile), _) => Ok(profile),
            (None, None) => Ok(Profile { api_url: otherwise, ..Profile::default() }),
            (None, Some(name)) => Err(Usage(format!(
                "there is no profile {name}. There are: {}. `posthorn login --profile {name}` makes it",
                profiles.names().join(", ")
            ))
            .into()),
        }
    }
}

/// Returns an option's text. An empty variable of the environment counts as none.
fn given(option: Option<&String>) -> Option<&str> {
    option.map(|text| text.trim()).filter(|text| !text.is_empty())
}

/// Returns an address without what may be a password.
pub(crate) fn without_secrets(mut url: Url) -> Url {
    // Both can fail only for addresses that have no host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url
}

/// Returns whether a key acts for every account, and in both modes.
pub(crate) fn is_platform(key: &str) -> bool {
    key.starts_with("sk_platform_")
}

/// Errors if somebody on the way could read a key that is sent to an address.
pub(crate) fn require_private(url: &Url) -> Result<(), Usage> {
    require(is_private(url), || {
        let url = without_secrets(url.clone());
        format!(
            "{url} is not encrypted, so everyone on the way could read the API key. Use an address of https"
        )
    })
}

fn is_private(url: &Url) -> bool {
    url.scheme() == "https" || is_this_machine(url)
}

fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    address.is_some_and(|address| address.is_loopback())
        || host == "localhost"
        || host.ends_with(".localhost")
}

/// Returns the address of the laptop system.
pub(crate) fn local() -> Url {
    LOCAL.parse().expect("it is an address")
}

/// Reads an address of the API as people write it. Without a scheme, it is encrypted unless it is on this machine.
pub(crate) fn api_url(text: &str) -> Result<Url> {
    let read = |text: &str| text.parse::<Url>().map_err(|error| anyhow!("{text:?} is no address: {error}"));
    let text = text.trim();
    if text.contains("://") {
        let url = read(text)?;
        ensure!(matches!(url.scheme(), "http" | "https"), "{text} must be an address of https");
        return Ok(url);
    }
    let url = read(&format!("https://{text}"))?;
    if is_this_machine(&url) { read(&format!("http://{text}")) } else { Ok(url) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sent_only_where_nobody_on_the_way_can_read_it() {
        let is_private = |url: &str| is_private(&url.parse().unwrap());
        for private in ["https://a.test", "http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost"] {
            assert!(is_private(private), "{private}");
        }
        for open in ["http://a.test", "http://10.0.0.1", "http://localhost.a.test"] {
            assert!(!is_private(open), "{open}");
        }
        let refused = require_private(&"http://me:sesame@a.test/?key=sesame".parse().unwrap()).unwrap_err();
        assert!(!refused.to_string().contains("sesame"), "{refused}");
    }

    #[test]
    fn an_address_of_the_api_needs_no_scheme() {
        assert_eq!(api_url(" a.test ").unwrap().as_str(), "https://a.test/");
        assert_eq!(api_url("127.0.0.1:8080").unwrap().as_str(), "http://127.0.0.1:8080/");
        assert!(api_url("ftp://a.test").is_err() && api_url("").is_err());
    }
}
