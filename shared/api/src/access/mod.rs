//! Authentication and authorization of requests: who is calling, whose data the request is about, and what the caller may
//! do.

mod basic;
mod caller;
mod component;
mod known;
mod signature;

use std::sync::Arc;

use posthorn_domain::{AccountId, AccountStatus, Clock, Did, Grant, Mode, Random, Scope, Tenant, Timestamp};
use posthorn_storage::{Accounts, Credential, Grants, StorageError, TokenHash};
use tracing::warn;

pub use self::caller::{Caller, Principal};
use self::known::Known;
use crate::code::Code;
use crate::problem::Problem;
use crate::request::Request;

/// The header that names the account which a platform key acts for.
const ACCOUNT: &str = "Posthorn-Account";
/// Maximum length of a token that is looked up, in bytes.
const MAX_TOKEN_BYTES: usize = 256;

/// Finds out who is calling.
pub struct Access {
    grants: Grants,
    accounts: Accounts,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    tokens: Known<TokenHash, Grant>,
    components: Known<Did, Vec<(Credential, Grant)>>,
    existing: Known<AccountId, ()>,
}

impl Access {
    /// Creates access by the credentials of these grants.
    pub fn new(grants: Grants, accounts: Accounts, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self {
            grants,
            accounts,
            clock,
            random,
            tokens: Known::default(),
            components: Known::default(),
            existing: Known::default(),
        }
    }

    /// Returns the tenant of a request. Errors if the credential lacks one of the `needed` scopes, if it is for another
    /// account or mode, or if there are query parameters other than `livemode`.
    pub async fn tenant(&self, request: &Request, needed: &[Scope]) -> Result<Tenant, Problem> {
        Ok(self.caller(request, needed).await?.tenant)
    }

    /// Like [`Self::tenant`], for a request whose answer also depends on the caller, or that is put on record.
    pub async fn caller(&self, request: &Request, needed: &[Scope]) -> Result<Caller, Problem> {
        let caller = self.caller_with_query(request, needed).await?;
        request.allow_query(&["livemode"])?;
        Ok(caller)
    }

    /// Like [`Self::tenant`], but other query parameters are allowed, and checked elsewhere.
    pub async fn tenant_with_query(&self, request: &Request, needed: &[Scope]) -> Result<Tenant, Problem> {
        Ok(self.caller_with_query(request, needed).await?.tenant)
    }

    /// Like [`Self::caller`], but other query parameters are allowed, and checked elsewhere.
    pub async fn caller_with_query(&self, request: &Request, needed: &[Scope]) -> Result<Caller, Problem> {
        let principal = self.principal(request, needed).await?;
        Ok(Caller { tenant: principal.tenant(request)?, principal })
    }

    /// Returns the caller of a route that is about an account as a whole, or about the platform.
    pub async fn principal(&self, request: &Request, needed: &[Scope]) -> Result<Principal, Problem> {
        let grant = self.grant(request).await?;
        let named = named_account(request)?;
        let account = match (grant.reach.account(), named) {
            (Some(own), Some(named)) if *own != named => {
                let detail = format!(
                    "This credential is for the account {own}, but the header `{ACCOUNT}` names {named}. Leave the \
                     header out."
                );
                return Err(Problem::new(Code::WrongAccount, detail));
            }
            (Some(own), _) => Some(own.clone()),
            (None, named) => named,
        };
        let (request_id, random) = (request.id().to_owned(), Arc::clone(&self.random));
        let principal = Principal { account, grant, request_id, at: self.clock.now(), random };
        principal.require(needed)?;
        Ok(principal)
    }

    /// Errors if a platform key acts for an account that does not exist, so that a misspelled account loses nothing.
    pub async fn require_existing(&self, principal: &Principal) -> Result<(), Problem> {
        let (Some(account), now) = (&principal.account, self.clock.now()) else { return Ok(()) };
        if !principal.is_platform() || self.existing.get(account, now).is_some() {
            return Ok(());
        }
        let found = self.accounts.get(account).await?;
        if found.is_none_or(|account| account.status() != AccountStatus::Active) {
            return Err(Problem::no_account(account));
        }
        self.existing.put(account.clone(), (), now);
        Ok(())
    }

    /// Returns the grant of the request's credential. Errors if there is none, or it is unknown, expired or revoked.
    async fn grant(&self, request: &Request) -> Result<Grant, Problem> {
        let missing = |detail: &str| Problem::new(Code::MissingApiKey, detail);
        let Some(header) = request.header("Authorization").ok().flatten() else {
            if request.is_signed() {
                return self.component(request).await;
            }
            return Err(missing(
                "This request has no API key. Send one in the header `Authorization: Bearer …`.",
            ));
        };
        let (scheme, value) = header.split_once(' ').unwrap_or_default();
        let token = if scheme.eq_ignore_ascii_case("bearer") {
            value.trim().to_owned()
        } else if scheme.eq_ignore_ascii_case("basic") {
            let asked = request.livemode()?.unwrap_or(Mode::Live);
            basic::token(value.trim(), asked).ok_or_else(unknown)?
        } else {
            return Err(missing("The header `Authorization` must be `Bearer`, a space and an API key."));
        };
        if token.len() > MAX_TOKEN_BYTES {
            return Err(unknown());
        }
        let now = self.clock.now();
        let grant = self.find(TokenHash::of(&token), now).await?;
        grant.filter(|grant| grant.is_valid(now)).ok_or_else(unknown)
    }

    /// Returns the grant of a token. Unknown tokens are never cached, so guesses cannot evict real ones, and a new key
    /// works at once.
    async fn find(&self, hash: TokenHash, now: Timestamp) -> Result<Option<Grant>, StorageError> {
        if let Some(grant) = self.tokens.get(&hash, now) {
            return Ok(Some(grant));
        }
        let Some(grant) = self.grants.find(hash).await? else { return Ok(None) };
        self.note_use(&Credential::Token(hash), &grant, now).await;
        self.tokens.put(hash, grant.clone(), now);
        Ok(Some(grant))
    }

    /// Records that a credential was used. An error is only logged: it is no reason to refuse a request.
    async fn note_use(&self, credential: &Credential, grant: &Grant, now: Timestamp) {
        if grant.is_valid(now)
            && let Err(cause) = self.grants.note_use(credential, grant, now).await
        {
            let cause = &cause as &dyn std::error::Error;
            warn!(key_id = %grant.id, error = cause, "use of API key not recorded");
        }
    }
}

fn unknown() -> Problem {
    Problem::new(Code::UnknownApiKey, "This API key is unknown, expired or revoked. Use another one.")
}

/// Returns the account that the request names.
fn named_account(request: &Request) -> Result<Option<AccountId>, Problem> {
    let named = request.header(ACCOUNT)?;
    named.map(|text| text.trim().parse().map_err(|reason| Problem::header(ACCOUNT, reason))).transpose()
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
