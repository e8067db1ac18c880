//! A client cut a name in the middle of an emoji and sent `{"metadata": {"a\ud83d": 1}}`. It was told that `metadata` must be an
//! object, which it is; and that a description cut in the same way must be a string.

use crate::harness::{TestSystem, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_no_unicode_is_named_as_such() {
    let system = TestSystem::start().await;
    for (field, value) in [
        ("metadata", r#"{"a\ud83d": 1}"#),
        ("headers", r#"{"x\udc00": "1"}"#),
        ("description", r#""Ada \ud83d""#),
    ] {
        let body =
            format!(r#"{{"url": "https://example.com/", "enabled_events": ["*"], "{field}": {value}}}"#);
        let headers = [("content-type", "application/json")];
        let (status, problem) = system.send("POST", "/api/webhook-endpoints", &headers, body).await;
        assert_eq!((status, text(&problem, "param")), (400, field));
        let detail = text(&problem, "detail");
        assert!(detail.contains("half of a surrogate pair"), "{detail}");
    }
}
