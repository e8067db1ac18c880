//! A temporary API key for the checks.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use posthorn_domain::{
    AccountId, Clock as _, Grant, GrantId, KeyId, Mode, Random as _, Reach, Scope, Tenant, Token,
};
use posthorn_runtime::{SystemClock, SystemRandom};
use posthorn_storage::{Credential, Grants, TokenHash, Written};

/// How long the key is valid if nobody revokes it: longer than any check waits.
const LIFE: Duration = Duration::from_hours(6);

/// A key of an account that nobody else uses.
pub(crate) struct TemporaryKey {
    /// The account of the key.
    pub(crate) account: AccountId,
    /// The key itself, as sent in `Authorization`.
    pub(crate) text: String,
    id: KeyId,
    store: Grants,
}

impl TemporaryKey {
    /// Creates a key for a new account.
    pub(crate) async fn create(store: Grants) -> Result<Self> {
        let now = SystemClock.now();
        let account: AccountId = format!("lab_{:016x}", SystemRandom.bits()).parse()?;
        let key = Token::key(Mode::Live, &SystemRandom);
        let id = KeyId::new(now, &SystemRandom);
        let reach = Reach::Tenant(Tenant { account: account.clone(), mode: Mode::Live });
        let grant = Grant {
            name: "posthorn-lab".parse()?,
            expires_at: Some(now.plus(LIFE)),
            ..Grant::new(GrantId::Key(id), reach, Scope::OF_KEYS.into(), now)
        };
        let written = store
            .add(&Credential::Token(TokenHash::from(&key)), &grant, None)
            .await
            .context("cannot create an API key")?;
        ensure!(written == Written::Now, "a key with the same random value exists. Run the command again");
        Ok(Self { account, text: key.reveal().to_owned(), id, store })
    }

    /// Revokes the key.
    pub(crate) async fn revoke(self) -> Result<()> {
        let Self { account, id, store, .. } = self;
        let revoked = store.revoke(Some(&account), id, SystemClock.now()).await;
        ensure!(
            revoked.with_context(|| format!("cannot revoke the key {id} of the account {account}"))?,
            "the account {account} no longer has the key {id}"
        );
        Ok(())
    }
}
