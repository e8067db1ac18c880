//! `GET /api/openapi.json`: returns the OpenAPI document. Everybody may read it, without an API key.

use std::sync::Arc;

use posthorn_api::{Problem, Request, Response, ok};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use serde_json::value::RawValue;

use super::DOCUMENT;

struct App {
    document: &'static RawValue,
}

#[expect(clippy::unnecessary_wraps, reason = "every function is set up alike")]
pub(crate) fn function(_: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App { document: serde_json::from_str(DOCUMENT).expect("a test parses this file") };
    Ok(http_function(app, get_openapi))
}

async fn get_openapi(app: Arc<App>, _: Request) -> Result<Response, Problem> {
    Ok(ok(&app.document))
}
