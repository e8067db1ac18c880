//! `POST /api/keys`: creates a key. Its secret is shown once.

use std::sync::Arc;

use posthorn_api::bodies::{CreatedKeyBody, KeyBody};
use posthorn_api::{Access, Code, Principal, Problem, Request, Response, created};
use posthorn_domain::{
    AuditAction, Clock, Grant, GrantId, KeyId, KeyKind, KeyRequest, Random, Reach, Scope, Scopes, Tenant,
    Token,
};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::{Credential, Grants, TokenHash, Written};

struct App {
    access: Access,
    grants: Grants,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App {
        access: runtime.access()?,
        grants: runtime.grants()?,
        clock: runtime.clock(),
        random: runtime.random(),
    };
    Ok(http_function(app, create_key))
}

async fn create_key(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let principal = app.access.principal(&request, &[Scope::KeysWrite]).await?;
    request.allow_query(&["livemode"])?;
    let now = app.clock.now();
    let asked = request.plain_fields(|fields| KeyRequest::read(fields, now))?;
    let reach = reach(&principal, &request, &asked)?;
    let scopes = scopes(&principal, &asked, &reach)?;
    let expires_at = principal.end_of(asked.expires_at)?;
    let (credential, key) = match &asked.kind {
        KeyKind::Component(key) => (Credential::Component(key.clone()), None),
        KeyKind::Account | KeyKind::Platform => {
            let token = match &reach {
                Reach::Tenant(tenant) => Token::key(tenant.mode, app.random.as_ref()),
                Reach::Account(_) | Reach::Platform => Token::platform_key(app.random.as_ref()),
            };
            (Credential::Token(TokenHash::from(&token)), Some(token.reveal().to_owned()))
        }
    };
    let id = KeyId::new(now, app.random.as_ref());
    let grant = Grant { name: asked.name, expires_at, ..Grant::new(GrantId::Key(id), reach, scopes, now) };
    let entry = principal.entry(&grant.reach, AuditAction::KeyCreated, id);
    match app.grants.add(&credential, &grant, Some(&entry)).await? {
        Written::Now => Ok(created(&CreatedKeyBody { body: KeyBody::new(credential, grant), key })),
        Written::Before if key.is_some() => Err(Problem::internal("two keys have the same random value")),
        Written::Before => {
            let detail = "This public key is registered under this DID already. `GET /api/keys` lists the keys of an account.";
            Err(Problem::new(Code::KeyExists, detail))
        }
    }
}

/// Returns whose data the key opens: what its maker reaches, or less.
fn reach(principal: &Principal, request: &Request, asked: &KeyRequest) -> Result<Reach, Problem> {
    if asked.kind == KeyKind::Platform {
        principal.require_platform()?;
        return Ok(Reach::Platform);
    }
    let account = principal.named_account()?;
    if let KeyKind::Component(_) = asked.kind {
        return match principal.grant.reach {
            Reach::Tenant(_) => Err(Problem::field(
                "public_key",
                "registers a key for both modes, but this API key is for one. Use a platform key.",
            )),
            Reach::Account(_) | Reach::Platform => Ok(Reach::Account(account)),
        };
    }
    Ok(Reach::Tenant(Tenant { account, mode: principal.mode_of(request, asked.mode)? }))
}

/// Returns the key's scopes: none that its maker lacks.
fn scopes(principal: &Principal, asked: &KeyRequest, reach: &Reach) -> Result<Scopes, Problem> {
    let usual = match reach {
        Reach::Tenant(_) => Scope::OF_KEYS,
        Reach::Account(_) => Scope::OF_COMPONENTS,
        Reach::Platform => Scope::ALL,
    };
    let scopes = principal.give(asked.scopes.clone(), usual, "another")?;
    let for_platforms = scopes.iter().find(|scope| *reach != Reach::Platform && !scope.is_for_accounts());
    if let Some(scope) = for_platforms {
        return Err(Problem::field("scopes", format!("cannot have {scope}, which is for platform keys.")));
    }
    Ok(scopes)
}
