//! An owner registered `https://foo-.example.com/` and got 201. No delivery ever left: a TLS handshake has no way to name that
//! host, so each attempt failed, and after five days the endpoint was disabled.

use serde_json::json;

use crate::harness::{TestSystem, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_refused_where_its_owner_can_still_read_why() {
    let system = TestSystem::start().await;
    let endpoint = |host: &str| json!({ "url": format!("https://{host}/"), "enabled_events": ["*"] });
    let good = system.register(&endpoint("foo_1.example.com")).await;
    let path = format!("/api/webhook-endpoints/{}", text(&good, "id"));
    let long = format!("{}.example.com", "a".repeat(64));
    for host in ["foo-.example.com", "-foo.example.com", "foo..example.com", &long] {
        for (method, path) in [("POST", "/api/webhook-endpoints"), ("PUT", &path)] {
            let (status, problem) = system.request(method, path, Some(&endpoint(host))).await;
            assert_eq!((status, text(&problem, "param")), (400, "url"), "{host}");
            assert!(text(&problem, "detail").contains("DNS and TLS"), "{problem}");
        }
    }
}
