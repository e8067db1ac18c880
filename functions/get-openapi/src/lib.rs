//! `GET /api/openapi.json`: describes this API. Everybody may read it, without an API key.

use std::sync::Arc;

use posthorn_api::{Problem, Request, Response, ok};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use serde_json::value::RawValue;

/// The API as an OpenAPI 3.1 document. The system's tests hold every answer against it.
pub const DOCUMENT: &str = include_str!("openapi.json");

/// The document, known to be JSON.
struct Document(&'static RawValue);

/// The function, which needs nothing of its environment.
pub fn function(_: &Runtime) -> Result<HttpFunction, SettingsError> {
    let document = serde_json::from_str(DOCUMENT).expect("a test reads this very file");
    Ok(http_function(Document(document), get_openapi))
}

async fn get_openapi(document: Arc<Document>, _: Request) -> Result<Response, Problem> {
    Ok(ok(&document.0))
}
