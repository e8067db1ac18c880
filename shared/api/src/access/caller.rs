//! Who is calling.

use std::fmt::Display;
use std::sync::Arc;

use posthorn_domain::{
    AccountId, Actor, ActorKind, AuditAction, AuditEntry, AuditId, Grant, GrantId, Mode, Random, Reach,
    Scope, Scopes, Tenant, Timestamp,
};

use crate::access::require_mode;
use crate::code::Code;
use crate::problem::Problem;
use crate::request::Request;

/// The caller of a route that is about one mode's data of one account.
#[derive(Clone)]
pub struct Caller {
    /// The account and mode that the request is about.
    pub tenant: Tenant,
    /// Who is calling.
    pub principal: Principal,
}

impl Caller {
    #[cfg(test)]
    pub(crate) fn new(tenant: Tenant, scopes: &[Scope]) -> Self {
        use posthorn_domain::testing::Fixed;
        use posthorn_domain::{Clock as _, KeyId};
        let id = GrantId::Key(KeyId::new(Fixed.now(), &Fixed));
        let grant = Grant::new(id, Reach::Tenant(tenant.clone()), scopes.into(), Fixed.now());
        let (account, request_id) = (Some(tenant.account.clone()), "1".to_owned());
        let principal = Principal { account, grant, request_id, at: Fixed.now(), random: Arc::new(Fixed) };
        Self { tenant, principal }
    }

    /// Returns whether its credential has this scope.
    pub fn may(&self, scope: Scope) -> bool {
        self.principal.grant.scopes.permit(scope)
    }

    /// Returns the entry of the audit log for what this request does.
    pub fn entry(&self, action: AuditAction, target: impl Display) -> AuditEntry {
        self.principal.entry(&Reach::Tenant(self.tenant.clone()), action, target)
    }
}

/// The caller of a route that is about an account as a whole, or about the platform.
#[derive(Clone)]
pub struct Principal {
    /// The account that it acts for; `None` if a platform key names none.
    pub account: Option<AccountId>,
    /// What it may do.
    pub grant: Grant,
    pub(super) request_id: String,
    /// When it was found out who is calling.
    pub(super) at: Timestamp,
    pub(super) random: Arc<dyn Random>,
}

impl Principal {
    /// Returns whether it reaches all accounts.
    pub fn is_platform(&self) -> bool {
        self.grant.reach == Reach::Platform
    }

    /// Returns the mode that the request is for. Errors if it is not the key's, or if the key is for both modes and the
    /// request does not say which.
    pub fn mode(&self, request: &Request) -> Result<Mode, Problem> {
        let asked = request.livemode()?;
        match &self.grant.reach {
            Reach::Tenant(tenant) => {
                let asked = asked.unwrap_or(tenant.mode);
                require_mode(asked, tenant.mode)?;
                Ok(asked)
            }
            Reach::Account(_) => Ok(asked.unwrap_or(Mode::Live)),
            Reach::Platform => asked.ok_or_else(|| {
                let detail = "A platform key is for live and test data. Add the query parameter `livemode`: true or false.";
                Problem::missing_param("livemode", detail)
            }),
        }
    }

    /// Returns the account and mode that the request is about. Errors if a platform key names no account, or no mode.
    pub fn tenant(&self, request: &Request) -> Result<Tenant, Problem> {
        Ok(Tenant { account: self.named_account()?, mode: self.mode(request)? })
    }

    /// Returns the mode of something that a request asks it to make: the one that the body names, or else that of the request.
    pub fn mode_of(&self, request: &Request, asked: Option<Mode>) -> Result<Mode, Problem> {
        let Some(mode) = asked else { return self.mode(request) };
        self.grant.reach.mode().map_or(Ok(()), |own| require_mode(mode, own))?;
        Ok(mode)
    }

    /// Returns the scopes of a credential that it makes: those that are asked for, or else those of the usual ones that it has.
    /// Errors if it lacks one, or has none. `whose` is the new credential.
    pub fn give(&self, asked: Option<Scopes>, usual: &[Scope], whose: &str) -> Result<Scopes, Problem> {
        let own = &self.grant.scopes;
        let Some(scopes) = asked else {
            let given = Scopes::from(usual).within(own);
            if given.is_empty() {
                let detail = "Your API key has none of the usual scopes, so it cannot give them to another. Name the scopes.";
                return Err(Problem::new(Code::MissingScope, detail));
            }
            return Ok(given);
        };
        match own.first_missing(&scopes) {
            None => Ok(scopes),
            Some(missing) => {
                let detail =
                    format!("This API key lacks the scope {missing}, so it cannot give it to {whose}.");
                Err(Problem::new(Code::MissingScope, detail))
            }
        }
    }

    /// Returns when a key that it makes expires. Errors if that would be later than its own end: what is made for a while
    /// makes nothing that lasts.
    pub fn end_of(&self, asked: Option<Timestamp>) -> Result<Option<Timestamp>, Problem> {
        match (asked, self.grant.expires_at) {
            (Some(asked), Some(own)) if asked > own => Err(Problem::field(
                "expires_at",
                format!("must not be later than the end of your own key, {own}"),
            )),
            (asked, own) => Ok(asked.or(own)),
        }
    }

    /// Errors unless it is a platform key.
    pub fn require_platform(&self) -> Result<(), Problem> {
        if self.is_platform() {
            return Ok(());
        }
        let detail = "This is for platform keys. Create one with `posthorn keys create --platform`.";
        Err(Problem::new(Code::PlatformKeyRequired, detail))
    }

    /// Returns the account that it acts for. Errors if a platform key names none.
    pub fn named_account(&self) -> Result<AccountId, Problem> {
        self.account.clone().ok_or_else(Problem::missing_account)
    }

    /// Returns the caller, acting for the account that a request names in its body or its query. Errors if it acts for another.
    pub fn acting_for(self, named: Option<AccountId>) -> Result<Self, Problem> {
        match (named, &self.account) {
            (None, _) => Ok(self),
            (Some(named), None) => Ok(Self { account: Some(named), ..self }),
            (Some(named), Some(own)) if named == *own => Ok(self),
            (Some(named), Some(own)) => {
                let detail = format!("The request names the account {named}, but it acts for {own}.");
                Err(Problem::new(Code::WrongAccount, detail))
            }
        }
    }

    /// Returns the account in the path of a request of a platform key. Errors if the header names another.
    pub fn account_in_path(&self, request: &Request) -> Result<AccountId, Problem> {
        self.require_platform()?;
        let id = request.account_id()?;
        match &self.account {
            Some(named) if *named != id => {
                let detail = format!(
                    "The path names the account {id}, but the header `Posthorn-Account` names {named}."
                );
                Err(Problem::new(Code::WrongAccount, detail))
            }
            _ => Ok(id),
        }
    }

    /// Returns whether a key's grant is within what it reaches itself.
    pub fn sees(&self, grant: &Grant) -> bool {
        let own = self.grant.reach.mode();
        own.is_none() || grant.reach.mode() == own
    }

    /// Errors if it lacks one of these scopes.
    pub(super) fn require(&self, needed: &[Scope]) -> Result<(), Problem> {
        match needed.iter().find(|scope| !self.grant.scopes.permit(**scope)) {
            None => Ok(()),
            Some(missing) => {
                let detail = format!("This API key lacks the scope {missing}. Use one that has it.");
                Err(Problem::new(Code::MissingScope, detail))
            }
        }
    }

    /// Returns what a request concerns that names nothing smaller: the account that it acts for, in the modes that it reaches,
    /// or the platform.
    pub fn reach(&self) -> Reach {
        match (&self.account, self.grant.reach.mode()) {
            (None, _) => Reach::Platform,
            (Some(account), None) => Reach::Account(account.clone()),
            (Some(account), Some(mode)) => Reach::Tenant(Tenant { account: account.clone(), mode }),
        }
    }

    /// Returns the entry of the audit log for what this request does to a part of an account, to an account, or to the
    /// platform.
    pub fn entry(&self, concerned: &Reach, action: AuditAction, target: impl Display) -> AuditEntry {
        let kind = match (self.grant.id, &self.grant.reach) {
            (GrantId::Session(_), _) => ActorKind::Session,
            (GrantId::Key(_), Reach::Tenant(_)) => ActorKind::Key,
            (GrantId::Key(_), Reach::Account(_)) => ActorKind::Component,
            (GrantId::Key(_), Reach::Platform) => ActorKind::PlatformKey,
        };
        AuditEntry {
            id: AuditId::new(self.at, self.random.as_ref()),
            account: concerned.account().cloned(),
            mode: concerned.mode(),
            actor: Actor { kind, id: self.grant.id },
            action,
            target: target.to_string(),
            request_id: self.request_id.clone(),
        }
    }
}
