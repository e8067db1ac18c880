//! Creates, lists and revokes API keys.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use posthorn_domain::{AccountId, ApiKey, Clock as _, KeyGrant, KeyId, Mode, Scope, ShortText, Timestamp};
use posthorn_runtime::{SystemClock, SystemRandom};
use posthorn_storage::{ApiKeys, KeyHash, Written};

#[derive(Args)]
pub(crate) struct Create {
    /// The account that the key belongs to
    #[arg(long)]
    account: AccountId,
    /// The data that the key can access
    #[arg(long, value_parser = PossibleValuesParser::new(["live", "test"]).map(|mode| Mode::from(mode == "live")))]
    mode: Mode,
    /// The key's scopes, separated by commas
    #[arg(long, value_name = "SCOPE,…", value_delimiter = ',', default_values_t = Scope::ALL.iter().copied())]
    scopes: Vec<Scope>,
    /// A name for the key, shown in lists
    #[arg(long, default_value = "")]
    name: ShortText,
    /// When the key expires, such as 2027-12-31T00:00:00Z
    #[arg(long, value_name = "TIME")]
    expires: Option<Timestamp>,
}

#[derive(Args)]
pub(crate) struct List {
    /// The account whose keys to list
    #[arg(long)]
    account: AccountId,
}

#[derive(Args)]
pub(crate) struct Revoke {
    /// The account that the key belongs to
    #[arg(long)]
    account: AccountId,
    /// The key's id, as `list` shows it
    id: KeyId,
}

impl Create {
    pub(crate) async fn run(self, store: &ApiKeys) -> Result<()> {
        let now = SystemClock.now();
        ensure!(self.expires.is_none_or(|end| end > now), "--expires must be in the future");
        let key = ApiKey::new(self.mode, &SystemRandom);
        let grant = KeyGrant {
            id: KeyId::new(now, &SystemRandom),
            account: self.account,
            mode: self.mode,
            scopes: self.scopes.into_iter().collect::<BTreeSet<_>>(),
            name: self.name,
            created_at: now,
            expires_at: self.expires,
            revoked_at: None,
            last_used_on: None,
        };
        let written = store.add(KeyHash::from(&key), &grant).await.context("cannot create the key")?;
        ensure!(
            written == Written::Now,
            "the key was not created: a key with the same random value exists. Run the command again"
        );
        eprintln!(
            "Created {} for the account {}. Save the key now. It is not shown again:",
            grant.id, grant.account
        );
        println!("{}", key.reveal());
        Ok(())
    }
}

impl List {
    pub(crate) async fn run(self, store: &ApiKeys) -> Result<()> {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        table.set_header(["Id", "Mode", "Scopes", "Name", "Created", "Last used", "State"]);
        let now = SystemClock.now();
        for grant in store.list(&self.account).await.context("cannot list the keys")? {
            table.add_row([
                grant.id.to_string(),
                grant.mode.to_string(),
                grant.scopes.iter().map(Scope::to_string).collect::<Vec<_>>().join(", "),
                grant.name.as_str().to_owned(),
                day(grant.created_at),
                grant.last_used_on.map_or_else(|| "never".to_owned(), day),
                state(&grant, now),
            ]);
        }
        println!("{table}");
        Ok(())
    }
}

impl Revoke {
    pub(crate) async fn run(self, store: &ApiKeys) -> Result<()> {
        let Self { account, id } = self;
        if !store.revoke(&account, id, SystemClock.now()).await.context("cannot revoke the key")? {
            bail!("the account {account} has no key {id}");
        }
        println!("Revoked {id}. It stops working within 30 seconds.");
        Ok(())
    }
}

fn state(grant: &KeyGrant, now: Timestamp) -> String {
    match (grant.revoked_at, grant.expires_at) {
        (Some(at), _) => format!("revoked {}", day(at)),
        (None, Some(end)) if !grant.is_valid(now) => format!("expired {}", day(end)),
        (None, Some(end)) => format!("valid until {}", day(end)),
        (None, None) => "valid".to_owned(),
    }
}

fn day(at: Timestamp) -> String {
    at.to_string().split('T').next().unwrap_or_default().to_owned()
}
