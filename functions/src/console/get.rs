//! `GET /` and `GET /console/{file+}`: returns the console's pages. Everybody may read them: they call the API with a token
//! of their own.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderValue;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use include_dir::{Dir, File, include_dir};
use lambda_http::Body;
use posthorn_api::{Code, Problem, Request, Response};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use sha2::{Digest as _, Sha256};

use super::embedders::Embedders;

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../console");

/// The page that refers to all others.
const INDEX: &str = "index.html";
/// What the page says of its scripts until they are named.
const NO_SCRIPTS: &str = r#"<meta name="files" content="">"#;
const SCRIPT: &str = ".js";
const CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

struct App {
    /// The page at `/`, which names the other files by the hash of all.
    index: String,
    /// The other files, by their paths below `/console/`.
    files: BTreeMap<String, &'static File<'static>>,
    policy: HeaderValue,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let embedders: Embedders = runtime.setting_if_set("CONSOLE_EMBEDDERS")?.unwrap_or_default();
    Ok(http_function(App::new(&embedders), get_console))
}

async fn get_console(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let Some(path) = request.rest_of_path() else {
        // A browser that has the page of the last release would ask for files that are gone.
        return Ok(app.answer(INDEX, "no-store", app.index.clone()));
    };
    let Some(file) = app.files.get(path) else {
        let detail = format!("The console has no file {path:?}. Reload the page.");
        return Err(Problem::new(Code::UnknownRoute, detail));
    };
    Ok(app.answer(path, "public, max-age=31536000, immutable", text(file).to_owned()))
}

impl App {
    fn new(embedders: &Embedders) -> Self {
        let mut files: Vec<_> = all(&FILES).filter(|file| media_type(name(file)).is_some()).collect();
        files.sort_unstable_by_key(|file| name(file));
        let mut hash = Sha256::new();
        for file in &files {
            hash.update(name(file));
            hash.update([0]);
            hash.update(Sha256::digest(file.contents()));
        }
        let hash = hex::encode(&hash.finalize()[..8]);
        let index = FILES.get_file(INDEX).expect("a test reads the page");
        let files: Vec<_> = files.into_iter().filter(|file| name(file) != INDEX).collect();
        let scripts = files.iter().map(|file| name(file)).filter(|name| name.ends_with(SCRIPT));
        let scripts = scripts.collect::<Vec<_>>().join(" ");
        let index = text(index).replace("\"console/", &format!("\"console/{hash}/"));
        let index = index.replace(NO_SCRIPTS, &NO_SCRIPTS.replace("\"\"", &format!("\"{scripts}\"")));
        let files = files.into_iter();
        let files = files.map(|file| (format!("{hash}/{}", name(file)), file)).collect();
        Self { index, files, policy: policy(embedders) }
    }

    fn answer(&self, path: &str, caching: &'static str, text: String) -> Response {
        let media_type = media_type(path).expect("other files are not served");
        let mut response = Response::new(Body::Text(text));
        let fixed = [
            (CONTENT_TYPE, media_type),
            (CACHE_CONTROL, caching),
            (REFERRER_POLICY, "no-referrer"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
        ];
        let headers = response.headers_mut();
        headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
        headers.insert(CONTENT_SECURITY_POLICY, self.policy.clone());
        response
    }
}

/// Returns the Content Security Policy: nothing but the console's own files and the API, and no script that is made of text.
fn policy(embedders: &Embedders) -> HeaderValue {
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; frame-ancestors {}",
        embedders.sources()
    );
    HeaderValue::try_from(policy).expect("origins are ASCII")
}

fn all(folder: &'static Dir<'static>) -> Box<dyn Iterator<Item = &'static File<'static>>> {
    Box::new(folder.files().chain(folder.dirs().flat_map(all)))
}

fn name(file: &'static File<'static>) -> &'static str {
    file.path().to_str().expect("the console's files have names in ASCII")
}

fn text(file: &'static File<'static>) -> &'static str {
    file.contents_utf8().expect("a test reads every file")
}

/// Returns the media type of a file; `None` if it is not for browsers.
fn media_type(path: &str) -> Option<&'static str> {
    match path.rsplit_once('.')?.1 {
        "html" => Some("text/html; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_only_files_that_are_there() {
        let app = App::new(&Embedders::default());
        let named: Vec<_> =
            app.index.split("\"console/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert!(named.len() > 1, "{}", app.index);
        assert!(app.index.contains("app.js ") && !app.index.contains(NO_SCRIPTS), "{}", app.index);
        for path in named {
            assert!(app.files.contains_key(path), "{path}");
        }
    }

    #[test]
    fn every_file_is_text_and_all_together_are_small() {
        let served = all(&FILES).filter(|file| media_type(name(file)).is_some());
        let bytes: usize = served.map(|file| text(file).len()).sum();
        assert!(bytes <= 200 * 1024, "{bytes}");
    }
}
