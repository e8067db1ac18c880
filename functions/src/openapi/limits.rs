//! The numbers in the OpenAPI document are those of the code.

use std::sync::LazyLock;

use posthorn_api::bodies::MAX_SHOWN_DELIVERIES;
use posthorn_api::{
    DEFAULT_PAGE, LAST_ATTEMPTS, LAST_PAGE, MAX_LOOKED_AT, MAX_NUMBERED_EVENTS, MAX_PAGE, MAX_WAIT,
};
use posthorn_domain::{
    ApiVersion, CustomHeaders, Description, EnabledEvents, EventData, EventType, MAX_EVENT_BYTES,
    MAX_NESTING, Metadata, Recovery, SecretRotation, ShortText, WebhookUrl,
};
use serde_json::Value;

use super::DOCUMENT;
use crate::attempts::retry::MAX_RESENDS;
use crate::events::publish::batch::{MAX_BATCH_BYTES, MAX_ECHOED_BYTES, MAX_EVENTS};

const ENDPOINT: &str = "/paths/~1api~1webhook-endpoints~1{id}";

static PARSED: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(DOCUMENT).unwrap());

fn at(place: &str) -> Value {
    PARSED.pointer(place).unwrap_or_else(|| panic!("nothing is at {place}")).clone()
}

/// Checks a number among the components.
fn check(place: &str, limit: usize) {
    assert_eq!(at(&format!("/components/{place}")), limit, "{place}");
}

/// Checks that a description has a number, with its unit. `|` stands for the number, written with commas.
fn says(place: &str, words: &str, number: usize) {
    let mut digits = number.to_string();
    let commas = (1..digits.len()).rev().filter(|index| (digits.len() - index).is_multiple_of(3));
    for index in commas.collect::<Vec<_>>() {
        digits.insert(index, ',');
    }
    let (text, words) = (at(place), words.replace('|', &digits));
    assert!(text.as_str().unwrap().contains(&words), "{place} should say {words:?}: {text}");
}

#[test]
fn a_field_has_the_limits_of_the_code() {
    check("schemas/WebhookUrl/maxLength", WebhookUrl::MAX_LENGTH);
    check("schemas/EventType/maxLength", EventType::MAX_LENGTH);
    check("schemas/EventPattern/anyOf/1/maxLength", EventType::MAX_LENGTH + ".*".len());
    check("schemas/EnabledEvents/maxItems", EnabledEvents::MAX);
    check("schemas/ApiVersion/maxLength", ApiVersion::MAX_LENGTH);
    check("schemas/Metadata/maxProperties", Metadata::MAX_KEYS);
    check("schemas/Metadata/propertyNames/maxLength", Metadata::MAX_KEY_LENGTH);
    check("schemas/Metadata/additionalProperties/maxLength", Metadata::MAX_VALUE_LENGTH);
    check("schemas/Headers/maxProperties", CustomHeaders::MAX);
    check("schemas/Headers/propertyNames/maxLength", CustomHeaders::MAX_NAME_LENGTH);
    check("schemas/Headers/additionalProperties/maxLength", CustomHeaders::MAX_VALUE_LENGTH);
    for schema in ["NewWebhookEndpoint", "WebhookEndpointEdit", "WebhookEndpointFields"] {
        check(&format!("schemas/{schema}/properties/description/maxLength"), Description::MAX_LENGTH);
    }
    for schema in ["NewEvent", "EventFields", "EventWithoutData"] {
        for field in ["object_type", "object_id"] {
            check(&format!("schemas/{schema}/properties/{field}/maxLength"), ShortText::MAX_LENGTH);
        }
    }
    for schema in ["NewEventRequest", "EventRequest"] {
        for field in ["id", "idempotency_key", "requested_by"] {
            check(&format!("schemas/{schema}/properties/{field}/maxLength"), ShortText::MAX_LENGTH);
        }
    }
    check("parameters/idempotencyKey/schema/maxLength", ShortText::MAX_LENGTH);
    says("/components/schemas/Metadata/description", "at most | characters", Metadata::MAX_VALUE_LENGTH);
    says("/components/schemas/Metadata/description", "limited to | levels", MAX_NESTING);
    says("/components/schemas/EventData/description", "at most | levels", EventData::MAX_NESTING);
}

#[test]
fn a_list_has_the_limits_of_the_code() {
    check("schemas/NewEventBatch/properties/events/maxItems", MAX_EVENTS);
    check("schemas/PublishedBatch/properties/list/maxItems", MAX_EVENTS);
    check("schemas/ReadWebhookEndpoint/properties/attempts/maxItems", LAST_ATTEMPTS);
    check("schemas/EventWithDeliveries/properties/deliveries/maxItems", MAX_SHOWN_DELIVERIES);
    for schema in ["WebhookEndpointList", "EventList", "AttemptList", "FeedPage"] {
        check(&format!("schemas/{schema}/properties/list/maxItems"), MAX_PAGE);
    }
    for parameter in ["limit", "pageSize", "size"] {
        check(&format!("parameters/{parameter}/schema/maximum"), MAX_PAGE);
    }
    for parameter in ["limit", "pageSize"] {
        check(&format!("parameters/{parameter}/schema/default"), DEFAULT_PAGE);
    }
    assert_eq!(at("/paths/~1api~1webhook-endpoints/get/parameters/2/schema/maximum"), LAST_PAGE);
    assert_eq!(at("/paths/~1api~1events/get/parameters/10/schema/maximum"), MAX_NUMBERED_EVENTS);
    says("/paths/~1api~1events/get/parameters/10/description", "after | events", MAX_NUMBERED_EVENTS);
    let of_feed = |place: &str| at(&format!("/paths/~1api~1feed/get/parameters/{place}"));
    assert_eq!(of_feed("5/schema/maximum"), MAX_PAGE);
    assert_eq!(of_feed("6/schema/maximum"), MAX_WAIT.as_secs());
    for path in ["~1api~1events", "~1api~1webhook-attempts"] {
        says(&format!("/paths/{path}/get/description"), "scans at most | events", MAX_LOOKED_AT);
    }
}

#[test]
fn what_an_operation_says_is_what_the_code_does() {
    let whole = |number: u64| usize::try_from(number).unwrap();
    says("/paths/~1api~1events/post/description", "most | KiB", MAX_EVENT_BYTES / 1024);
    says("/paths/~1api~1events~1batch/post/summary", "up to | events", MAX_EVENTS);
    says("/paths/~1api~1events~1batch/post/description", "at most | MiB", MAX_BATCH_BYTES / 1024 / 1024);
    says("/paths/~1api~1events~1batch/post/description", "at most | bytes", MAX_ECHOED_BYTES);
    says(&format!("{ENDPOINT}/get/description"), "at most |", LAST_ATTEMPTS);
    let overlap = whole(SecretRotation::OVERLAP.as_secs() / 3_600);
    says(&format!("{ENDPOINT}~1secret~1rotate/post/description"), "for | hours", overlap);
    says("/components/responses/NotRetryable/description", "| times", whole(MAX_RESENDS.into()));
    let slices = whole(Recovery::MAX_SLICES.into());
    says("/components/schemas/Recovery/properties/status/description", "| slices", slices);
    says("/components/schemas/RecoveryScope/description", "with | attempts", Recovery::MAX_ATTEMPTS);
    says(
        "/components/responses/TooManySecrets/description",
        "| replaced secrets",
        SecretRotation::MAX_RETIRED,
    );
}
