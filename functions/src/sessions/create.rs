//! `POST /api/sessions`: creates a portal session, and the URL that begins it.

use std::sync::Arc;

use posthorn_api::bodies::SessionBody;
use posthorn_api::{Access, Code, Principal, Problem, Request, Response, created};
use posthorn_domain::{
    AuditAction, Clock, Grant, GrantId, Mode, PageUrl, Random, Reach, Scope, Scopes, Session, SessionId,
    SessionRequest, Tenant, Token,
};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::{Sessions, TokenHash};

struct App {
    access: Access,
    sessions: Sessions,
    /// Where the console is, if it is not at the address that the request names.
    console: Option<PageUrl>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App {
        access: runtime.access()?,
        sessions: runtime.sessions()?,
        console: runtime.setting_if_set("CONSOLE_URL")?,
        clock: runtime.clock(),
        random: runtime.random(),
    };
    Ok(http_function(app, create_session))
}

async fn create_session(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let principal = app.access.principal(&request, &[]).await?;
    request.allow_query(&["livemode"])?;
    if let GrantId::Session(_) = principal.grant.id {
        let detail = "A portal session cannot create another one. Use an API key.";
        return Err(Problem::new(Code::MissingScope, detail));
    }
    let asked = request.plain_fields(SessionRequest::read)?;
    let principal = principal.acting_for(asked.account.clone())?;
    let reach = if asked.operator { operator(&principal)? } else { reach(&principal, &request, asked.mode)? };
    app.access.require_existing(&principal).await?;
    let is_for_a_customer = principal.is_platform() && reach != Reach::Platform;
    if !is_for_a_customer && asked.expires_in > Session::LONGEST_OF_ITSELF {
        let reason = format!(
            "must be at most {} seconds, unless a platform key makes a session for an account",
            Session::LONGEST_OF_ITSELF.as_secs()
        );
        return Err(Problem::field("expires_in", reason));
    }
    let scopes = scopes(&principal, asked.capabilities, offered(&reach, is_for_a_customer))?;
    let now = app.clock.now();
    let end = now.plus(asked.expires_in);
    let id = SessionId::new(now, app.random.as_ref());
    // It does not outlast the key that made it.
    let expires_at = Some(principal.grant.expires_at.map_or(end, |last| last.min(end)));
    let grant = Grant { expires_at, ..Grant::new(GrantId::Session(id), reach, scopes, now) };
    let code = Token::code(app.random.as_ref());
    let session = Session { grant, return_url: asked.return_url, appearance: asked.appearance };
    let entry = principal.entry(&session.grant.reach, AuditAction::SessionCreated, id);
    app.sessions.create(TokenHash::from(&code), &session, &entry).await?;
    let console = app.console.as_ref().map_or_else(|| request.origin(), |url| url.as_str().to_owned());
    // What follows the # is sent to no server, so no log and no `Referer` shows it.
    let url = format!("{}/#code={}", console.trim_end_matches('/'), code.reveal());
    Ok(created(&SessionBody::new(session, url)))
}

/// Returns the reach of an operator's session. A request has to ask for it, so that one that forgets the account does not
/// open all accounts.
fn operator(principal: &Principal) -> Result<Reach, Problem> {
    principal.require_platform()?;
    match &principal.account {
        None => Ok(Reach::Platform),
        Some(account) => {
            let detail = format!("An operator's session is for no account, but the request names {account}.");
            Err(Problem::new(Code::WrongAccount, detail))
        }
    }
}

/// Returns the account and mode that the session opens.
fn reach(principal: &Principal, request: &Request, asked: Option<Mode>) -> Result<Reach, Problem> {
    let account = principal.named_account()?;
    Ok(Reach::Tenant(Tenant { account, mode: principal.mode_of(request, asked)? }))
}

/// Returns what the session's holder can be allowed to do.
fn offered(reach: &Reach, is_for_a_customer: bool) -> &'static [Scope] {
    match reach {
        Reach::Platform => Scope::ALL,
        Reach::Tenant(tenant) if tenant.mode == Mode::Test && !is_for_a_customer => Scope::OF_TEST_SESSIONS,
        Reach::Tenant(_) | Reach::Account(_) => Scope::OF_SESSIONS,
    }
}

/// Returns what the session's holder may do: nothing that the maker may not.
fn scopes(principal: &Principal, asked: Option<Scopes>, offered: &[Scope]) -> Result<Scopes, Problem> {
    let is_not_offered = |scope: &Scope| !offered.contains(scope);
    if let Some(scope) = asked.as_ref().and_then(|scopes| scopes.iter().find(is_not_offered)) {
        let reason = format!("can have only {}, not {scope}", Scopes::from(offered));
        return Err(Problem::field("capabilities", reason));
    }
    principal.give(asked, offered, "a session")
}
