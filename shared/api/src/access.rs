//! Authentication and authorization of requests.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use posthorn_domain::{Clock, KeyGrant, Mode, Scope, Tenant, Timestamp};
use posthorn_storage::{ApiKeys, KeyHash, StorageError};
use tracing::warn;

use crate::code::Code;
use crate::problem::Problem;
use crate::request::Request;

/// How long a key is cached. A revoked key works for at most this long.
const MAX_AGE: Duration = Duration::from_secs(30);
/// Maximum number of cached keys; the least recently used are evicted.
const MAX_KEYS: NonZeroUsize = NonZeroUsize::new(10_000).expect("it is not zero");
/// Maximum length of a key that is looked up, in bytes.
const MAX_KEY_BYTES: usize = 256;

/// The caller: the tenant of the request, and the scopes of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The account and mode of the API key.
    pub tenant: Tenant,
    scopes: BTreeSet<Scope>,
}

impl Caller {
    #[cfg(test)]
    pub(crate) fn new(tenant: Tenant, scopes: &[Scope]) -> Self {
        Self { tenant, scopes: scopes.iter().copied().collect() }
    }

    /// Returns whether its key has this scope.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// Finds the tenant that a request acts for.
pub struct Access {
    keys: ApiKeys,
    clock: Arc<dyn Clock>,
    known: Mutex<LruCache<KeyHash, (KeyGrant, Timestamp)>>,
}

impl Access {
    /// Creates access by API key.
    pub fn new(keys: ApiKeys, clock: Arc<dyn Clock>) -> Self {
        Self { keys, clock, known: Mutex::new(LruCache::new(MAX_KEYS)) }
    }

    /// Returns the tenant of a request: the account and mode of its API key. Errors if the key lacks one of the
    /// `needed` scopes, if `livemode` names another mode, or if there are other query parameters.
    pub async fn tenant(&self, request: &Request, needed: &[Scope]) -> Result<Tenant, Problem> {
        Ok(self.caller(request, needed).await?.tenant)
    }

    /// Like [`Self::tenant`], for a request whose answer also depends on scopes that it does not require.
    pub async fn caller(&self, request: &Request, needed: &[Scope]) -> Result<Caller, Problem> {
        let caller = self.authorize(request, needed).await?;
        request.allow_query(&["livemode"])?;
        Ok(caller)
    }

    /// Like [`Self::tenant`], but other query parameters are allowed, and checked elsewhere.
    pub async fn tenant_with_query(&self, request: &Request, needed: &[Scope]) -> Result<Tenant, Problem> {
        Ok(self.authorize(request, needed).await?.tenant)
    }

    /// Returns the caller. Errors if its key lacks one of the `needed` scopes, or if `livemode` names another mode.
    async fn authorize(&self, request: &Request, needed: &[Scope]) -> Result<Caller, Problem> {
        let grant = self.grant(request).await?;
        if let Some(missing) = needed.iter().find(|scope| !grant.scopes.contains(scope)) {
            let detail = format!("This API key lacks the scope {missing}. Use one that has it.");
            return Err(Problem::new(Code::MissingScope, detail));
        }
        let asked = match request.query("livemode")?.as_deref() {
            None => grant.mode,
            Some("true") => Mode::Live,
            Some("false") => Mode::Test,
            Some(_) => return Err(Problem::param("livemode", "must be true or false")),
        };
        require_mode(asked, grant.mode)?;
        Ok(Caller { tenant: grant.tenant(), scopes: grant.scopes })
    }

    /// Returns the grant of the request's key. Errors if the key is missing, unknown, expired or revoked.
    async fn grant(&self, request: &Request) -> Result<KeyGrant, Problem> {
        let missing = |detail: &str| Problem::new(Code::MissingApiKey, detail);
        let header = request.header("Authorization").ok().flatten();
        let header = header.ok_or_else(|| {
            missing("This request has no API key. Send one in the header `Authorization: Bearer …`.")
        })?;
        let key = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let (_, key) = key
            .ok_or_else(|| missing("The header `Authorization` must be `Bearer`, a space and an API key."))?;
        let unknown = || {
            let detail = "This API key is unknown, expired or revoked. Use another one.";
            Problem::new(Code::UnknownApiKey, detail)
        };
        let key = Some(key.trim()).filter(|key| key.len() <= MAX_KEY_BYTES).ok_or_else(unknown)?;
        let now = self.clock.now();
        let grant = self.find(KeyHash::of(key), now).await?;
        grant.filter(|grant| grant.is_valid(now)).ok_or_else(unknown)
    }

    /// Returns the grant of a key. Unknown keys are never cached, so guesses cannot evict real ones, and a new key
    /// works at once.
    async fn find(&self, hash: KeyHash, now: Timestamp) -> Result<Option<KeyGrant>, StorageError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&hash).cloned();
        if let Some((grant, read_at)) = known
            && now.since(read_at) < MAX_AGE
        {
            return Ok(Some(grant));
        }
        let Some(grant) = self.keys.find(hash).await? else { return Ok(None) };
        self.note_use(hash, &grant, now).await;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).put(hash, (grant.clone(), now));
        Ok(Some(grant))
    }

    /// Records that a key was used. An error is only logged: it is no reason to refuse a request.
    async fn note_use(&self, hash: KeyHash, grant: &KeyGrant, now: Timestamp) {
        if grant.is_valid(now)
            && let Err(cause) = self.keys.note_use(hash, grant, now).await
        {
            let cause = &cause as &dyn std::error::Error;
            warn!(key_id = %grant.id, error = cause, "use of API key not recorded");
        }
    }
}

/// Errors if `livemode` is not the mode of the request's key.
pub(crate) fn require_mode(asked: Mode, of_key: Mode) -> Result<(), Problem> {
    if asked == of_key {
        return Ok(());
    }
    let livemode = bool::from(asked);
    Err(Problem::wrong_mode(format!(
        "This API key is for {of_key} data, but `livemode` is {livemode}. Use a key of the other mode, or leave \
         out `livemode`."
    )))
}
