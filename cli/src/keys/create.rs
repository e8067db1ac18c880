//! `posthorn keys create`

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use posthorn_domain::{
    Clock as _, ComponentKey, Did, Grant, GrantId, KeyId, Mode, PublicKey, Reach, Scope, Scopes, ShortText,
    Tenant, Timestamp, Token,
};
use posthorn_runtime::{SystemClock, SystemRandom};
use posthorn_storage::{Credential, Grants, TokenHash, Written};
use serde::Deserialize;
use serde_json::{Value, json};

use super::component::Component;
use super::table;
use crate::api::object;
use crate::api::operations::CREATE_KEY;
use crate::exit::Usage;
use crate::output::{Output, note, print};
use crate::settings::Settings;

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn keys create --stack posthorn --account acct_1 --test")]
pub(crate) struct Create {
    /// Create a platform key, which acts for every account. Each request names the account and the mode
    #[arg(long)]
    platform: bool,
    /// Create the key pair of a PaymentKit component, and print the environment of its SDK
    #[arg(long, conflicts_with_all = ["platform", "component_public_key", "component_did"])]
    component: bool,
    /// Register a PaymentKit component's public key: 0x and 64 hexadecimal digits
    #[arg(long, value_name = "KEY", conflicts_with = "platform")]
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

/// What kind of key to create.
enum Kind {
    Platform,
    Account,
    /// A component's, and what to tell its owner once: nothing, if the owner has the secret half.
    Component {
        key: ComponentKey,
        environment: Option<String>,
    },
}

/// What is needed of the API's answer.
#[derive(Deserialize)]
struct Created {
    id: String,
    key: Option<String>,
}

impl Create {
    pub(crate) async fn run(self, settings: &Settings, grants: Option<Grants>) -> Result<()> {
        ensure!(self.expires.is_none_or(|end| end > SystemClock.now()), "--expires must be in the future");
        let kind = self.kind()?;
        match grants {
            Some(grants) => self.in_table(settings, &grants, kind).await,
            None => self.over_api(settings, kind).await,
        }
    }

    fn kind(&self) -> Result<Kind> {
        if self.platform {
            return Ok(Kind::Platform);
        }
        if self.component {
            let Component { public_key, did, environment } = Component::new()?;
            let environment = Some(environment);
            return Ok(Kind::Component { key: ComponentKey { did, public_key }, environment });
        }
        let Some(public_key) = self.component_public_key else { return Ok(Kind::Account) };
        let did = self.component_did.clone().unwrap_or_else(|| Did::of(&public_key));
        Ok(Kind::Component { key: ComponentKey { did, public_key }, environment: None })
    }

    /// Creates the key over the API.
    async fn over_api(self, settings: &Settings, kind: Kind) -> Result<()> {
        let (name, component, environment) = match kind {
            Kind::Platform => ("platform", None, None),
            Kind::Account => ("account", None, None),
            Kind::Component { key, environment } => ("component", Some(key), environment),
        };
        let public_key =
            component.as_ref().map(|key| format!("0x{}", hex::encode(key.public_key.as_bytes())));
        let scopes: Vec<Value> = self.scopes.iter().map(|scope| scope.to_string().into()).collect();
        let body = object([
            ("kind", Some(Value::from(name))),
            ("name", Some(self.name.as_str().into())),
            ("scopes", Some(scopes).filter(|scopes| !scopes.is_empty()).map(Value::from)),
            ("expires_at", self.expires.map(|end| end.to_string().into())),
            ("public_key", public_key.map(Value::from)),
            ("did", component.map(|key| key.did.to_string().into())),
        ]);
        let api = settings.api()?;
        let answer = api.call(CREATE_KEY).json(&body).raw().await?;
        let Created { id, key } = serde_json::from_str(answer.get())?;
        tell(settings.output(), &id, "", key.or(environment))
    }

    /// Creates the key in the table, with AWS credentials.
    async fn in_table(self, settings: &Settings, grants: &Grants, kind: Kind) -> Result<()> {
        let (now, owner) = (SystemClock.now(), table::owner(settings, self.platform)?);
        let of_token =
            |token: &Token| (Credential::Token(TokenHash::from(token)), Some(token.reveal().to_owned()));
        let (reach, defaults, (credential, secret)) = match (kind, owner) {
            (Kind::Platform, _) | (_, None) => {
                (Reach::Platform, Scope::ALL, of_token(&Token::platform_key(&SystemRandom)))
            }
            (Kind::Component { key, environment }, Some(account)) => {
                (Reach::Account(account), Scope::OF_COMPONENTS, (Credential::Component(key), environment))
            }
            (Kind::Account, Some(account)) => {
                let live = settings
                    .mode()
                    .ok_or_else(|| Usage("name the key's data: --live or --test".to_owned()))?;
                let mode = Mode::from(live);
                let token = of_token(&Token::key(mode, &SystemRandom));
                (Reach::Tenant(Tenant { account, mode }), Scope::OF_KEYS, token)
            }
        };
        let scopes =
            if self.scopes.is_empty() { Scopes::from(defaults) } else { self.scopes.into_iter().collect() };
        if let Some(scope) = scopes.iter().find(|scope| reach != Reach::Platform && !scope.is_for_accounts())
        {
            bail!("--scopes: only platform keys can have the scope {scope}");
        }
        let id = GrantId::Key(KeyId::new(now, &SystemRandom));
        let grant = Grant { name: self.name, expires_at: self.expires, ..Grant::new(id, reach, scopes, now) };
        let written = grants.add(&credential, &grant, None).await.context("cannot create the key")?;
        ensure!(
            written == Written::Now,
            "the key was not created: a key with the same random value exists. Run the command again"
        );
        let whose = format!(" for {}", table::name(grant.reach.account()));
        tell(settings.output(), &grant.id.to_string(), &whose, secret)
    }
}

/// Prints the secret half of a new key, if it is not its owner's already.
fn tell(output: Output, id: &str, whose: &str, secret: Option<String>) -> Result<()> {
    if output == Output::Json {
        return print(&json!({ "id": id, "key": secret }).to_string());
    }
    let Some(secret) = secret else {
        note(&format!("Registered {id}{whose}."));
        return Ok(());
    };
    note(&format!("Created {id}{whose}. Save it now. It is not shown again:"));
    print(&secret)
}
