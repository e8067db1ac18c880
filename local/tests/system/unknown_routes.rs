//! Requests for routes that the API does not have.

use http::{Method, StatusCode};
use serde_json::Value;

use crate::harness::TestSystem;

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_does_not_exist_is_answered_with_problem_json() {
    let system = TestSystem::start().await;
    let check = async |method: Method, path: &str, status: u16, allow: Option<&str>, detail: &str| {
        let url = format!("{}{path}", system.http);
        let response = reqwest::Client::new().request(method, url).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::from_u16(status).unwrap(), "{path}");
        let header =
            |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("content-type").as_deref(), Some("application/problem+json"));
        assert_eq!(header("allow").as_deref(), allow);
        let problem: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        assert_eq!(
            (problem["status"].as_u64(), &problem["detail"]),
            (Some(status.into()), &problem["error"])
        );
        assert!(problem["detail"].as_str().unwrap().starts_with(detail), "{problem}");
    };
    check(
        Method::GET,
        "/api/webhooks",
        404,
        None,
        "There is no route GET /api/webhooks. GET /api/openapi.json",
    )
    .await;
    check(Method::POST, "/", 404, None, "There is no route POST /.").await;
    check(Method::GET, "/api/events/", 404, None, "There is no route GET /api/events/.").await;
    check(
        Method::DELETE,
        "/api/events",
        405,
        Some("GET, POST"),
        "This path does not support the method DELETE.",
    )
    .await;
    let path = "/api/webhook-endpoints/wh_1/secret";
    check(
        Method::PUT,
        path,
        405,
        Some("GET"),
        "This path does not support the method PUT. Supported methods: GET.",
    )
    .await;
}
