//! A temporary API key for the checks.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use posthorn_domain::{AccountId, ApiKey, Clock as _, KeyGrant, KeyId, Mode, Random as _, Scope};
use posthorn_runtime::{SystemClock, SystemRandom};
use posthorn_storage::{ApiKeys, KeyHash, Written};

/// How long the key is valid if nobody revokes it: longer than any check waits.
const LIFE: Duration = Duration::from_hours(6);

/// A key of an account that nobody else uses.
pub(crate) struct TemporaryKey {
    /// The account of the key.
    pub(crate) account: AccountId,
    /// The key itself, as sent in `Authorization`.
    pub(crate) text: String,
    id: KeyId,
    store: ApiKeys,
}

impl TemporaryKey {
    /// Creates a key for a new account.
    pub(crate) async fn create(store: ApiKeys) -> Result<Self> {
        let now = SystemClock.now();
        let account: AccountId = format!("lab_{:016x}", SystemRandom.bits()).parse()?;
        let key = ApiKey::new(Mode::Live, &SystemRandom);
        let grant = KeyGrant {
            id: KeyId::new(now, &SystemRandom),
            account: account.clone(),
            mode: Mode::Live,
            scopes: Scope::ALL.iter().copied().collect(),
            name: "posthorn-lab".parse()?,
            created_at: now,
            expires_at: Some(now.plus(LIFE)),
            revoked_at: None,
            last_used_on: None,
        };
        let written = store.add(KeyHash::from(&key), &grant).await.context("cannot create an API key")?;
        ensure!(written == Written::Now, "a key with the same random value exists. Run the command again");
        Ok(Self { account, text: key.reveal().to_owned(), id: grant.id, store })
    }

    /// Revokes the key.
    pub(crate) async fn revoke(self) -> Result<()> {
        let Self { account, id, store, .. } = self;
        let revoked = store.revoke(&account, id, SystemClock.now()).await;
        ensure!(
            revoked.with_context(|| format!("cannot revoke the key {id} of the account {account}"))?,
            "the account {account} no longer has the key {id}"
        );
        Ok(())
    }
}
