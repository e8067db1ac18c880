//! Who calls.

use posthorn_domain::{AccountId, Mode, Tenant};
use posthorn_storage::{ApiKeys, KeyHash};

use crate::{Problem, Request};

/// Finds out for whom a request acts.
#[derive(Debug, Clone)]
pub struct Access {
    keys: ApiKeys,
}

impl Access {
    /// Access by API key.
    pub fn new(keys: ApiKeys) -> Self {
        Self { keys }
    }

    /// The tenant that a request acts for: the account of its API key, and the mode that it asks for with
    /// `livemode` (`true` unless it says otherwise). Other query parameters are refused.
    pub async fn tenant(&self, request: &Request) -> Result<Tenant, Problem> {
        let tenant = self.tenant_for_list(request).await?;
        request.allow_query(&["livemode"])?;
        Ok(tenant)
    }

    /// The tenant that the request of a list acts for, whose other query parameters say what to list.
    pub async fn tenant_for_list(&self, request: &Request) -> Result<Tenant, Problem> {
        let account = self.account(request).await?;
        let mode = match request.query("livemode")?.as_deref() {
            None | Some("true") => Mode::Live,
            Some("false") => Mode::Test,
            Some(_) => return Err(Problem::param("livemode", "must be true or false")),
        };
        Ok(Tenant { account, mode })
    }

    async fn account(&self, request: &Request) -> Result<AccountId, Problem> {
        let header = request.header("Authorization").ok().flatten().ok_or(Problem::Unauthorized(
            "This API needs a key: send it in the header `Authorization: Bearer …`.",
        ))?;
        let key = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let (_, key) =
            key.ok_or(Problem::Unauthorized("The Authorization header must be `Bearer` and an API key."))?;
        let account = self.keys.find(KeyHash::of(key.trim())).await?;
        account.ok_or(Problem::Unauthorized("There is no such API key; it may have been revoked."))
    }
}
