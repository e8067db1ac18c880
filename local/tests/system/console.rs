//! The console's pages, as a browser gets them.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use reqwest::Response;

use crate::harness::{TestStores, TestSystem};

async fn get(system: &TestSystem, path: &str) -> Response {
    // A link from anywhere may lead to the console.
    let request = reqwest::Client::new().get(format!("{}{path}", system.http));
    request.header("sec-fetch-site", "cross-site").send().await.unwrap()
}

fn header(response: &Response, name: http::HeaderName) -> &str {
    response.headers()[name].to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_and_its_files_come_with_headers_that_let_nothing_else_in() {
    let system = TestSystem::start().await;
    let page = get(&system, "/").await;
    assert_eq!(page.status(), 200);
    assert_eq!(header(&page, CONTENT_TYPE), "text/html; charset=utf-8");
    assert_eq!(header(&page, CACHE_CONTROL), "no-store");
    assert_eq!(header(&page, REFERRER_POLICY), "no-referrer");
    assert_eq!(header(&page, X_CONTENT_TYPE_OPTIONS), "nosniff");
    let policy = header(&page, CONTENT_SECURITY_POLICY);
    assert!(
        policy.starts_with("default-src 'none'; ") && policy.ends_with("frame-ancestors 'none'"),
        "{policy}"
    );
    let page = page.text().await.unwrap();
    let files: Vec<_> =
        page.split("\"console/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let has = |kind: &str| files.iter().any(|file| file.rsplit('.').next() == Some(kind));
    assert!(has("js") && has("css"), "{files:?}");
    for file in files {
        let response = get(&system, &format!("/console/{file}")).await;
        assert_eq!(response.status(), 200, "{file}");
        assert_eq!(header(&response, CACHE_CONTROL), "public, max-age=31536000, immutable");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_there_is_not_found() {
    let system = TestSystem::start().await;
    for path in ["/console/app.js", "/console/0/app.js", "/console/..%2f..%2fCargo.toml", "/console/"] {
        assert_eq!(get(&system, path).await.status(), 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_that_the_operator_names_may_show_the_console_in_a_frame() {
    let environment = [("CONSOLE_EMBEDDERS", "https://app.example.com https://b.example")];
    let system = TestSystem::with(TestStores::start().await, &environment).await;
    let page = get(&system, "/").await;
    let policy = header(&page, CONTENT_SECURITY_POLICY);
    assert!(policy.ends_with("frame-ancestors https://app.example.com https://b.example"), "{policy}");
}
