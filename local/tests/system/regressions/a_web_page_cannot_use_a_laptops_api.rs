//! A developer had `cargo run` in one window and a browser in another. Any page could publish events and register endpoints, by a
//! form that needs no permission, and by DNS rebinding (a name of the page's own that comes to stand for 127.0.0.1) also read
//! everything: requests without a key get the development key.

use serde_json::json;

use crate::harness::{TestSystem, text};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_page_can_cause_gets_no_development_key() {
    let system = TestSystem::start().await;
    system.stores.add_key("sk_own", "local").await;
    let own = system.http.clone();
    let event = json!({ "type": "order.paid", "data": {} }).to_string();
    let publish =
        async |headers: &[(&str, &str)]| system.send("POST", "/api/events", headers, event.clone()).await;
    for page in [
        vec![("host", "evil.example")],
        vec![("host", "evil.example"), ("authorization", "Bearer sk_local_development")],
        vec![("host", "evil.example"), ("authorization", "bearer  sk_local_development_test ")],
        vec![("origin", "https://evil.example"), ("content-type", "text/plain")],
        vec![("origin", "null")],
        vec![("sec-fetch-site", "cross-site")],
    ] {
        let (status, problem) = publish(&page).await;
        assert_eq!((status, text(&problem, "code")), (401, "missing_api_key"), "{page:?}");
        assert!(text(&problem, "detail").contains("posthorn keys create"), "{problem}");
        let with_key =
            [&page[..1], &[("authorization", "Bearer sk_own"), ("content-type", "application/json")]]
                .concat();
        assert_eq!(publish(&with_key).await.0, 202, "{with_key:?}");
    }
    let headers =
        [("origin", own.as_str()), ("sec-fetch-site", "same-origin"), ("content-type", "application/json")];
    assert_eq!(publish(&headers).await.0, 202, "the API's own pages");
}
