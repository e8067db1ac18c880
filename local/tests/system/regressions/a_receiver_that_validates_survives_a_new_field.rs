//! A receiver checked each delivery against the published schema of an event, which refused unknown fields. The docs say that
//! events may get new fields: the first one would have broken it.

use serde_json::json;

use crate::contract::{published_schema, schema};

#[test]
fn the_published_schemas_of_answers_take_fields_that_are_not_known_yet() {
    let check = |name: &str, mut answer: serde_json::Value| {
        let place = format!("/components/schemas/{name}");
        assert!(published_schema(&place).is_valid(&answer), "{name}");
        answer["new"] = json!(1);
        assert!(published_schema(&place).is_valid(&answer), "{name} should be open");
        assert!(!schema(&place).is_valid(&answer), "tests should notice what is not documented in {name}");
    };
    check(
        "Event",
        json!({
            "id": "evt_01M86E81E016R3ZAE1TBJBB1MQ", "livemode": true, "type": "a", "api_version": "1.0.0", "data": {},
            "object_type": null, "object_id": null, "request": { "id": null, "idempotency_key": null },
            "pending_webhooks": 0, "metadata": {}, "created_at": "2026-11-24T09:30:00.000Z",
            "updated_at": "2026-11-24T09:30:00.000Z",
        }),
    );
    check(
        "Problem",
        json!({
            "type": "about:blank", "title": "Not Found", "status": 404, "code": "event_not_found",
            "detail": "There is none.", "error": "There is none.",
        }),
    );
    check("Health", json!({ "status": "healthy", "since": "2026-11-24T09:30:00.000Z" }));
}
