//! The events that the demo publishes: the samples in `events/`.

use serde_json::Value;

/// The body of the sample request that publishes one event.
pub(super) fn single() -> String {
    body(include_str!("../../../events/publish-event.json"))
}

/// The body of the sample request that publishes several events.
pub(super) fn batch() -> String {
    body(include_str!("../../../events/publish-event-batch.json"))
}

/// The bodies of the sample messages on the events queue.
pub(super) fn queued() -> Vec<String> {
    let sample = parsed(include_str!("../../../events/fan-out.json"));
    sample["Records"].as_array().into_iter().flatten().map(text_of_body).collect()
}

fn body(sample: &str) -> String {
    text_of_body(&parsed(sample))
}

fn parsed(sample: &str) -> Value {
    serde_json::from_str(sample).expect("the samples are JSON, as their tests assert")
}

fn text_of_body(sample: &Value) -> String {
    sample["body"].as_str().expect("the samples have bodies, as their tests assert").to_owned()
}
