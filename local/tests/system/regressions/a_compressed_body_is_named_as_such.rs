//! A proxy compressed what a publisher sent. Posthorn answered "The body is not UTF-8 text: the byte at 1 is wrong", and nobody
//! thought of compression. A client that wrote `application/vnd.api+JSON` was told to send JSON.

use crate::harness::{TestSystem, text};

const EVENT: &str = r#"{"type": "order.paid", "data": {}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_body_with_a_content_encoding_is_refused_by_its_name() {
    let system = TestSystem::start().await;
    let check = async |encoding: &str, wanted: u16| {
        let headers = [("content-type", "application/json"), ("content-encoding", encoding)];
        let (status, answer) = system.send("POST", "/api/events", &headers, EVENT).await;
        assert_eq!(status, wanted, "{encoding}: {answer}");
        answer
    };
    for encoding in ["gzip", "br", "GZIP", "deflate, gzip", "zstd"] {
        let problem = check(encoding, 415).await;
        assert_eq!(text(&problem, "code"), "unsupported_encoding");
        assert!(text(&problem, "detail").contains("Send it uncompressed"), "{problem}");
    }
    check("identity", 202).await;
    check("Identity", 202).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_case_of_a_media_type_makes_no_difference() {
    let system = TestSystem::start().await;
    for media_type in
        ["application/JSON", "Application/vnd.api+JSON; charset=utf-8", "application/cloudevents+json"]
    {
        let headers = [("content-type", media_type)];
        let (status, answer) = system.send("POST", "/api/events", &headers, EVENT).await;
        assert_eq!(status, 202, "{media_type}: {answer}");
    }
}
