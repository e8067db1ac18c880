//! Creates, lists and revokes API keys.

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use posthorn_domain::{
    AccountId, Clock as _, ComponentKey, Did, Grant, GrantId, KeyId, Mode, PublicKey, Random as _, Reach,
    Scope, Scopes, ShortText, Tenant, Timestamp, Token,
};
use posthorn_runtime::{SystemClock, SystemRandom};
use posthorn_storage::{Credential, Grants, TokenHash, Written};
use ring::signature::{Ed25519KeyPair, KeyPair as _};

#[derive(Args)]
pub(crate) struct Create {
    /// The account that the key belongs to
    #[arg(long, required_unless_present = "platform", conflicts_with = "platform")]
    account: Option<AccountId>,
    /// The data that the key can access
    #[arg(
        long,
        required_unless_present_any = ["platform", "component", "component_public_key"],
        value_parser = PossibleValuesParser::new(["live", "test"]).map(|mode| Mode::from(mode == "live"))
    )]
    mode: Option<Mode>,
    /// Create a platform key, which acts for every account. Each request names the account and the mode
    #[arg(long)]
    platform: bool,
    /// Create the key pair of a PaymentKit component, and print the environment of its SDK
    #[arg(long, conflicts_with_all = ["platform", "mode", "component_public_key", "component_did"])]
    component: bool,
    /// Register a PaymentKit component's public key: 0x and 64 hexadecimal digits
    #[arg(long, value_name = "KEY", conflicts_with_all = ["platform", "mode"])]
    component_public_key: Option<PublicKey>,
    /// The DID that the component sends, if it is not that of its key
    #[arg(long, value_name = "DID", requires = "component_public_key")]
    component_did: Option<Did>,
    /// The key's scopes, separated by commas. By default, a platform key has all; an account's key has endpoints:read,
    /// endpoints:write, events:read, events:publish and secrets:read; a component's has the first three
    #[arg(long, value_name = "SCOPE,…", value_delimiter = ',')]
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
    #[arg(long, required_unless_present = "platform", conflicts_with = "platform")]
    account: Option<AccountId>,
    /// List platform keys
    #[arg(long)]
    platform: bool,
}

#[derive(Args)]
pub(crate) struct Revoke {
    /// The account that the key belongs to
    #[arg(long, required_unless_present = "platform", conflicts_with = "platform")]
    account: Option<AccountId>,
    /// Revoke a platform key
    #[arg(long)]
    platform: bool,
    /// The key's id, as `list` shows it
    id: KeyId,
}

/// A new credential, and what to tell its owner once.
struct New {
    credential: Credential,
    reach: Reach,
    scopes: &'static [Scope],
    secret: String,
}

impl Create {
    pub(crate) async fn run(self, store: &Grants) -> Result<()> {
        let now = SystemClock.now();
        ensure!(self.expires.is_none_or(|end| end > now), "--expires must be in the future");
        let New { credential, reach, scopes, secret } = self.new_credential()?;
        let scopes =
            if self.scopes.is_empty() { Scopes::from(scopes) } else { self.scopes.into_iter().collect() };
        if let Some(scope) = scopes.iter().find(|scope| reach != Reach::Platform && !scope.is_for_accounts())
        {
            bail!("--scopes: only platform keys can have the scope {scope}");
        }
        let id = GrantId::Key(KeyId::new(now, &SystemRandom));
        let grant = Grant { name: self.name, expires_at: self.expires, ..Grant::new(id, reach, scopes, now) };
        let written = store.add(&credential, &grant, None).await.context("cannot create the key")?;
        ensure!(
            written == Written::Now,
            "the key was not created: a key with the same random value exists. Run the command again"
        );
        let whose = owner(grant.reach.account());
        if secret.is_empty() {
            eprintln!("Registered {} for {whose}.", grant.id);
        } else {
            eprintln!("Created {} for {whose}. Save it now. It is not shown again:", grant.id);
            println!("{secret}");
        }
        Ok(())
    }

    fn new_credential(&self) -> Result<New> {
        let of_token = |token: &Token, reach, scopes| New {
            credential: Credential::Token(TokenHash::from(token)),
            reach,
            scopes,
            secret: token.reveal().to_owned(),
        };
        let Some(account) = self.account.clone() else {
            return Ok(of_token(&Token::platform_key(&SystemRandom), Reach::Platform, Scope::ALL));
        };
        if let Some(mode) = self.mode {
            let reach = Reach::Tenant(Tenant { account, mode });
            return Ok(of_token(&Token::key(mode, &SystemRandom), reach, Scope::OF_KEYS));
        }
        let (public_key, did, secret) = match (self.component_public_key, &self.component_did) {
            (Some(public_key), Some(did)) => (public_key, did.clone(), String::new()),
            (Some(public_key), None) => (public_key, Did::of(&public_key), String::new()),
            (None, _) => new_component()?,
        };
        let credential = Credential::Component(ComponentKey { did, public_key });
        Ok(New { credential, reach: Reach::Account(account), scopes: Scope::OF_COMPONENTS, secret })
    }
}

/// Returns a new key pair: its public key, its DID, and the lines of an environment in which PaymentKit's SDK uses it.
fn new_component() -> Result<(PublicKey, Did, String)> {
    let mut seed = [0; 32];
    SystemRandom.fill(&mut seed);
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).ok().context("cannot create a key pair")?;
    let public_key = PublicKey::from(<[u8; 32]>::try_from(pair.public_key().as_ref())?);
    let did = Did::of(&public_key);
    let (seed, public) = (hex::encode(seed), hex::encode(public_key.as_bytes()));
    let secret =
        format!("BLOCKLET_APP_SK=0x{seed}{public}\nBLOCKLET_COMPONENT_DID={did}\nBLOCKLET_HOOK_NAME=none");
    Ok((public_key, did, secret))
}

impl List {
    pub(crate) async fn run(self, store: &Grants) -> Result<()> {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        table.set_header(["Id", "Mode", "Scopes", "Name", "Created", "Last used", "State"]);
        let now = SystemClock.now();
        for (_, grant) in store.list(self.account.as_ref()).await.context("cannot list the keys")? {
            table.add_row([
                grant.id.to_string(),
                grant.reach.mode().map_or_else(|| "both".to_owned(), |mode| mode.to_string()),
                grant.scopes.to_string(),
                grant.name.as_str().to_owned(),
                grant.created_at.date(),
                grant.last_used_on.map_or_else(|| "never".to_owned(), Timestamp::date),
                state(&grant, now),
            ]);
        }
        println!("{table}");
        Ok(())
    }
}

impl Revoke {
    pub(crate) async fn run(self, store: &Grants) -> Result<()> {
        let Self { account, id, .. } = self;
        let revoked = store.revoke(account.as_ref(), id, SystemClock.now()).await;
        if !revoked.context("cannot revoke the key")? {
            bail!("{} has no key {id}", owner(account.as_ref()));
        }
        println!("Revoked {id}. It stops working within 30 seconds.");
        Ok(())
    }
}

/// Returns whose keys are meant.
fn owner(account: Option<&AccountId>) -> String {
    account.map_or_else(|| "the platform".to_owned(), |account| format!("the account {account}"))
}

fn state(grant: &Grant, now: Timestamp) -> String {
    match (grant.revoked_at, grant.expires_at) {
        (Some(at), _) => format!("revoked {}", at.date()),
        (None, Some(end)) if !grant.is_valid(now) => format!("expired {}", end.date()),
        (None, Some(end)) => format!("valid until {}", end.date()),
        (None, None) => "valid".to_owned(),
    }
}
