//! `POST /api/sessions/exchange`: exchanges the one-time code of a portal session's URL for the session's token.

use std::sync::Arc;

use posthorn_api::bodies::BegunSessionBody;
use posthorn_api::{Code, Problem, Request, Response, ok};
use posthorn_domain::{Clock, Random, ShortText, Token};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::{Exchanged, Sessions, TokenHash};

struct App {
    sessions: Sessions,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App { sessions: runtime.sessions()?, clock: runtime.clock(), random: runtime.random() };
    Ok(http_function(app, exchange_session))
}

async fn exchange_session(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    request.allow_query(&[])?;
    let code: ShortText = request.plain_fields(|fields| fields.required("code"))?;
    let token = Token::session(app.random.as_ref());
    let hashes = (TokenHash::of(code.as_str().trim()), TokenHash::from(&token));
    match app.sessions.exchange(hashes.0, hashes.1, app.clock.now()).await? {
        Exchanged::Now(session) => Ok(ok(&BegunSessionBody::new(session, token.reveal().to_owned()))),
        Exchanged::Spent(session) => {
            Err(Problem::code_spent(session.return_url.map(|url| url.as_str().to_owned())))
        }
        Exchanged::Unknown => Err(Problem::new(
            Code::CodeNotFound,
            "There is no such code. The link may be incomplete, or its session has ended. Ask for a new one.",
        )),
    }
}
