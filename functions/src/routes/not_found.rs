//! `$default`: answers every request for a route that does not exist, without looking at its API key.

use std::collections::BTreeMap;
use std::sync::Arc;

use posthorn_api::{Code, Problem, Request, Response};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::openapi::DOCUMENT;

/// The keys of a path in an OpenAPI document that are methods.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The methods of each path. Paths may contain parameters in braces.
struct App {
    paths: BTreeMap<String, Vec<String>>,
}

#[expect(clippy::unnecessary_wraps, reason = "every function is set up alike")]
pub(crate) fn function(_: &Runtime) -> Result<HttpFunction, SettingsError> {
    #[derive(Deserialize)]
    struct Document {
        paths: BTreeMap<String, BTreeMap<String, Box<RawValue>>>,
    }

    let document: Document = serde_json::from_str(DOCUMENT).expect("a test parses this file");
    let methods = |of_path: BTreeMap<String, _>| {
        let methods = of_path.into_keys().filter(|name| METHODS.contains(&name.as_str()));
        methods.map(|method| method.to_uppercase()).collect()
    };
    let paths = document.paths.into_iter().map(|(path, of_path)| (path, methods(of_path)));
    Ok(http_function(App { paths: paths.collect() }, not_found))
}

async fn not_found(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let (method, path) = (request.method(), request.path());
    let known = |path: &str| app.paths.iter().find(|(known, _)| is_an_instance(path, known));
    if let Some((_, methods)) = known(path) {
        return Err(Problem::method_not_allowed(method, methods.join(", ")));
    }
    let without_slash = path.trim_end_matches('/');
    let advice = if without_slash != path && known(without_slash).is_some() {
        format!("Remove the trailing slash: {without_slash}")
    } else {
        "GET /api/openapi.json lists all routes.".to_owned()
    };
    Err(Problem::new(Code::UnknownRoute, format!("There is no route {method} {path}. {advice}")))
}

/// Returns whether a path matches a template: `/a/7` matches `/a/{id}`.
fn is_an_instance(path: &str, template: &str) -> bool {
    let (mut parts, mut wanted) = (path.split('/'), template.split('/'));
    loop {
        match (parts.next(), wanted.next()) {
            (None, None) => return true,
            (Some(part), Some(wanted)) if part == wanted => {}
            (Some(part), Some(wanted)) if wanted.starts_with('{') && !part.is_empty() => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_an_instance_of_a_template_with_as_many_parts() {
        let check = |path: &str, template: &str, is: bool| assert_eq!(is_an_instance(path, template), is);
        check("/api/events", "/api/events", true);
        check("/api/events/evt_1", "/api/events/{id}", true);
        check("/api/events/", "/api/events/{id}", false);
        check("/api/events/evt_1/explain", "/api/events/{id}", false);
        check("/api/event", "/api/events", false);
        check("/", "/api/events", false);
    }
}
