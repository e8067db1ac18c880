//! Who calls, and what they may do.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use posthorn_domain::{Clock, KeyGrant, Mode, Scope, Tenant, Timestamp};
use posthorn_storage::{ApiKeys, KeyHash, StorageError};
use tracing::warn;

use crate::{Code, Problem, Request};

/// How long what is known of a key is relied on. A revoked key opens nothing after this time.
const MAX_AGE: Duration = Duration::from_secs(30);
/// How many keys are remembered; the least recently used are forgotten.
const MAX_KEYS: NonZeroUsize = NonZeroUsize::new(10_000).expect("it is not zero");
/// The longest key that is looked up, in bytes.
const MAX_KEY_BYTES: usize = 256;

/// Who calls: whom the request acts for, and what its key may be used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The account and mode of the API key.
    pub tenant: Tenant,
    scopes: BTreeSet<Scope>,
}

impl Caller {
    /// Whether its key has this scope.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// Finds out for whom a request acts.
pub struct Access {
    keys: ApiKeys,
    clock: Arc<dyn Clock>,
    known: Mutex<LruCache<KeyHash, (KeyGrant, Timestamp)>>,
}

impl Access {
    /// Access by API key.
    pub fn new(keys: ApiKeys, clock: Arc<dyn Clock>) -> Self {
        Self { keys, clock, known: Mutex::new(LruCache::new(MAX_KEYS)) }
    }

    /// The tenant that a request acts for: the account and mode of its API key, which must have these scopes. A
    /// `livemode` that says otherwise is refused, as are other query parameters.
    pub async fn tenant(&self, request: &Request, needed: &[Scope]) -> Result<Tenant, Problem> {
        Ok(self.caller(request, needed).await?.tenant)
    }

    /// The same, for a request whose answer also depends on scopes that it does not need.
    pub async fn caller(&self, request: &Request, needed: &[Scope]) -> Result<Caller, Problem> {
        let caller = self.caller_for_list(request, needed).await?;
        request.allow_query(&["livemode"])?;
        Ok(caller)
    }

    /// The tenant that the request of a list acts for, whose other query parameters say what to list.
    pub async fn tenant_for_list(&self, request: &Request, needed: &[Scope]) -> Result<Tenant, Problem> {
        Ok(self.caller_for_list(request, needed).await?.tenant)
    }

    async fn caller_for_list(&self, request: &Request, needed: &[Scope]) -> Result<Caller, Problem> {
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

    /// What the request's key is good for.
    async fn grant(&self, request: &Request) -> Result<KeyGrant, Problem> {
        let missing = |detail: &str| Problem::new(Code::MissingApiKey, detail);
        let header = request.header("Authorization").ok().flatten();
        let header = header.ok_or_else(|| {
            missing("This API needs a key. Send it in the header `Authorization: Bearer …`.")
        })?;
        let key = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let (_, key) =
            key.ok_or_else(|| missing("The Authorization header must be `Bearer` and an API key."))?;
        let unknown = || {
            let detail = "There is no such API key; it may have expired or been revoked.";
            Problem::new(Code::UnknownApiKey, detail)
        };
        let key = Some(key.trim()).filter(|key| key.len() <= MAX_KEY_BYTES).ok_or_else(unknown)?;
        let now = self.clock.now();
        let grant = self.find(KeyHash::of(key), now).await?;
        grant.filter(|grant| grant.is_valid(now)).ok_or_else(unknown)
    }

    /// What is known of a key. Only keys that exist are remembered: nobody's guesses push them out, and a key is good from
    /// when it is made.
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

    /// That a key is in use is good to know, and no reason to refuse a request.
    async fn note_use(&self, hash: KeyHash, grant: &KeyGrant, now: Timestamp) {
        if grant.is_valid(now)
            && let Err(cause) = self.keys.note_use(hash, grant, now).await
        {
            let cause = &cause as &dyn std::error::Error;
            warn!(key_id = %grant.id, error = cause, "an API key's use is not recorded");
        }
    }
}

/// Refuses a `livemode` that is not the mode of the request's key.
pub(crate) fn require_mode(asked: Mode, of_key: Mode) -> Result<(), Problem> {
    if asked == of_key {
        return Ok(());
    }
    let (is, other) = match of_key {
        Mode::Live => ("live", "false"),
        Mode::Test => ("test", "true"),
    };
    Err(Problem::wrong_mode(format!(
        "This API key is for {is} data, and `livemode` is {other}: use a key of the other mode."
    )))
}
