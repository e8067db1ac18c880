//! Who calls.

use http::header::AUTHORIZATION;
use posthorn_domain::{AccountId, Mode, Tenant};
use posthorn_storage::{ApiKeys, KeyHash};
use sha2::{Digest as _, Sha256};

use crate::{Problem, Request};

/// Finds out for whom a request acts.
#[derive(Debug, Clone)]
pub struct Access {
    keys: ApiKeys,
    open_account: Option<AccountId>,
}

impl Access {
    /// Access by API key. A request without one acts for `open_account`, if that is set; only a system that
    /// listens on loopback alone may set it.
    pub fn new(keys: ApiKeys, open_account: Option<AccountId>) -> Self {
        Self { keys, open_account }
    }

    /// The tenant that a request acts for: the account of its API key, and the mode that it asks for with
    /// `livemode` (`true` unless it says otherwise).
    pub async fn tenant(&self, request: &Request) -> Result<Tenant, Problem> {
        let account = self.account(request).await?;
        let mode = match request.query("livemode")?.as_deref() {
            None | Some("true") => Mode::Live,
            Some("false") => Mode::Test,
            Some(_) => return Err(Problem::param("livemode", "must be true or false")),
        };
        Ok(Tenant { account, mode })
    }

    async fn account(&self, request: &Request) -> Result<AccountId, Problem> {
        let Some(header) = request.header(AUTHORIZATION) else {
            return self.open_account.clone().ok_or(Problem::Unauthorized(
                "This API needs a key: send it in the header `Authorization: Bearer …`.",
            ));
        };
        let key = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, key)) = key else {
            return Err(Problem::Unauthorized("The Authorization header must be `Bearer` and an API key."));
        };
        let hash = KeyHash(Sha256::digest(key.trim().as_bytes()).into());
        let account = self.keys.find(hash).await?;
        account.ok_or(Problem::Unauthorized("There is no such API key; it may have been revoked."))
    }
}
