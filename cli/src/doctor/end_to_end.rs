//! From the API to an endpoint and back: a test event, and the first attempt to deliver it.

use std::time::Duration;

use anyhow::Result;
use posthorn_domain::Timestamp;
use reqwest::Url;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::finding::Finding;
use crate::api::Api;
use crate::api::operations::{LIST_ATTEMPTS, TEST_ENDPOINT};
use crate::output::note;
use crate::settings::Settings;

const CHECK: &str = "end_to_end";
/// How often to ask for the attempt.
const PACE: Duration = Duration::from_millis(500);
/// How long to wait for it.
const PATIENCE: Duration = Duration::from_secs(30);
/// A first attempt that begins later than this has waited in a queue. A function that has to start takes a second or two.
const SLOW: Duration = Duration::from_secs(5);

/// A test event, as the API accepted it.
#[derive(Debug, Deserialize)]
struct Event {
    id: String,
    created_at: Timestamp,
}

#[derive(Debug, Deserialize)]
struct Attempts {
    list: Vec<Attempt>,
}

/// An attempt to deliver an event.
#[derive(Debug, Deserialize)]
struct Attempt {
    status: Status,
    response_status: Option<u16>,
    error: Option<String>,
    duration_ms: u64,
    created_at: Timestamp,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Status {
    Succeeded,
    Failed,
    /// Posthorn ended it early, and makes it again with the full time.
    CutShort,
}

impl Attempts {
    /// Returns the newest attempt that says whether the endpoint works. The newest come first.
    fn settled(self) -> Option<Attempt> {
        self.list.into_iter().find(|attempt| attempt.status != Status::CutShort)
    }
}

/// Sends a test event to an endpoint, and waits for the attempt. Calls the API that the settings name, or else the one at
/// `stack_api`, the stack's output.
pub(super) async fn check(
    settings: &Settings,
    stack_api: Option<&str>,
    endpoint: Option<&str>,
) -> Vec<Finding> {
    let Some(endpoint) = endpoint else { return vec![untried()] };
    let stack_api: Option<Url> = stack_api.and_then(|url| url.parse().ok());
    let api = match stack_api.clone() {
        Some(url) => settings.api_or(url),
        None => settings.api(),
    };
    let api = match api {
        Ok(api) => api,
        Err(error) => return vec![failed(endpoint, &error)],
    };
    note(&format!("Sending a test event to {endpoint}, and waiting for up to {} s.", PATIENCE.as_secs()));
    let finding = match try_endpoint(&api, endpoint).await {
        Ok((event, attempt)) => judge(endpoint, &event, attempt.as_ref()),
        Err(error) => failed(endpoint, &error),
    };
    stack_api.and_then(|stack_api| judge_api(api.url(), &stack_api)).into_iter().chain([finding]).collect()
}

/// Returns the test event, and its first attempt; `None` if there is none in time.
async fn try_endpoint(api: &Api, endpoint: &str) -> Result<(Event, Option<Attempt>)> {
    // This errors now if the endpoint does not exist, or the key may not read its attempts. Later, an error only means
    // that the event is not on record yet.
    let probe = api.call(LIST_ATTEMPTS).query("webhook_endpoint_id", Some(endpoint)).query("limit", Some(1));
    probe.raw().await?;
    let event: Event = api.call(TEST_ENDPOINT).path(endpoint).json(&json!({})).read().await?;
    let attempt = timeout(PATIENCE, first_attempt(api, &event.id)).await.ok();
    Ok((event, attempt))
}

async fn first_attempt(api: &Api, event: &str) -> Attempt {
    let call = api.call(LIST_ATTEMPTS).query("event_id", Some(event));
    loop {
        let read: Result<Attempts> = call.read().await;
        if let Some(attempt) = read.ok().and_then(Attempts::settled) {
            return attempt;
        }
        sleep(PACE).await;
    }
}

fn untried() -> Finding {
    let found = "No event was sent: you named no endpoint.";
    Finding::note(CHECK, found, "Name an endpoint of yours to send it a test event: `--endpoint wh_…`.")
}

fn failed(endpoint: &str, error: &anyhow::Error) -> Finding {
    let reason = format!("{error:#}");
    let found = format!("No test event could be sent to {endpoint}: {}.", reason.trim_end_matches('.'));
    let to_do = "Check the endpoint's id, --api-url and the API key. The key needs the scopes events:read and \
                 endpoints:write.";
    Finding::fix(CHECK, found, to_do)
}

/// The settings may name another API than the stack's, such as that of another stack.
fn judge_api(used: &Url, of_stack: &Url) -> Option<Finding> {
    (used != of_stack).then(|| {
        let found = format!("The test event went to {used}, but the stack's ApiUrl is {of_stack}.");
        let to_do = format!("If that is another system, name this one: `--api-url {of_stack}`.");
        Finding::note(CHECK, found, to_do)
    })
}

fn judge(endpoint: &str, event: &Event, attempt: Option<&Attempt>) -> Finding {
    let Event { id, created_at } = event;
    let Some(attempt) = attempt else {
        let seconds = PATIENCE.as_secs();
        let found =
            format!("The API accepted {id}, but within {seconds} s there was no attempt at {endpoint}.");
        let to_do = "See what the other checks say of the queues and the functions, then read the log: it names the event.";
        return Finding::fix(CHECK, found, to_do);
    };
    let wait = attempt.created_at.since(*created_at);
    let found = format!(
        "{id} was sent to {endpoint} {} ms after the API had accepted it, and {} after {} ms.",
        wait.as_millis(),
        answer(attempt),
        attempt.duration_ms
    );
    if attempt.status != Status::Succeeded {
        return Finding::fix(CHECK, found, advice(attempt.error.as_deref()));
    }
    if wait > SLOW {
        return Finding::note(
            CHECK,
            found,
            "See what the other checks say of the queues and of concurrency.",
        );
    }
    Finding::ok(CHECK, found)
}

/// Says how an attempt ended.
fn answer(attempt: &Attempt) -> String {
    match (attempt.response_status, &attempt.error) {
        (Some(code), _) => format!("the endpoint responded with {code}"),
        (None, Some(error)) => format!("the attempt failed with `{error}`"),
        (None, None) => "the attempt failed".to_owned(),
    }
}

/// Returns what the endpoint's owner, or the operator, can do about a failed attempt.
fn advice(error: Option<&str>) -> &'static str {
    match error {
        Some("blocked") => {
            "Posthorn may not send there. If the endpoint is in your network, set AllowedNetworks."
        }
        Some("tls_certificate") => {
            "Renew the endpoint's certificate. If it is from an authority of your own, set SSL_CERT_FILE."
        }
        None => "The endpoint must respond with a 2xx.",
        Some(_) => {
            "\"Did the customer get it?\" in docs/OPERATING.md says what the error means, and who fixes it."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    fn event() -> Event {
        Event { id: "evt_1".to_owned(), created_at: Timestamp::from_millis(1_000) }
    }

    fn attempt(status: Status, response_status: Option<u16>, error: Option<&str>, millis: i64) -> Attempt {
        let error = error.map(str::to_owned);
        let created_at = Timestamp::from_millis(1_000 + millis);
        Attempt { status, response_status, error, duration_ms: 84, created_at }
    }

    #[test]
    fn a_success_says_how_long_it_took() {
        let judge =
            |millis| judge("wh_1", &event(), Some(&attempt(Status::Succeeded, Some(204), None, millis)));
        let found = "evt_1 was sent to wh_1 125 ms after the API had accepted it, and the endpoint responded with 204 \
                     after 84 ms.";
        assert_eq!(judge(125), Finding::ok("end_to_end", found));
        assert_eq!(judge(5_001).level, Level::Note);
    }

    #[test]
    fn a_failure_says_what_failed_and_who_can_fix_it() {
        let judge = |code, error| judge("wh_1", &event(), Some(&attempt(Status::Failed, code, error, 0)));
        let refused = judge(Some(503), None);
        assert!(refused.found.contains("the endpoint responded with 503"), "{refused:?}");
        assert_eq!(refused.to_do.as_deref(), Some("The endpoint must respond with a 2xx."));
        let blocked = judge(None, Some("blocked"));
        assert!(blocked.found.contains("failed with `blocked`"), "{blocked:?}");
        assert!(blocked.level == Level::Fix && blocked.to_do.unwrap().contains("AllowedNetworks"));
    }

    #[test]
    fn an_event_without_an_attempt_is_to_be_fixed() {
        let fix = judge("wh_1", &event(), None);
        let found = "The API accepted evt_1, but within 30 s there was no attempt at wh_1.";
        assert_eq!((fix.level, fix.found.as_str()), (Level::Fix, found));
    }

    #[test]
    fn an_attempt_that_was_cut_short_says_nothing_yet() {
        let attempts = |text: &str| serde_json::from_str::<Attempts>(text).unwrap().settled();
        let cut = r#"{"status":"cut_short","response_status":null,"error":"slow","duration_ms":1000,
            "created_at":"2026-11-24T09:30:00.000Z"}"#;
        let succeeded = r#"{"status":"succeeded","response_status":200,"error":null,"duration_ms":1200,
            "created_at":"2026-11-24T09:30:01.000Z"}"#;
        assert!(attempts(&format!(r#"{{"list":[{cut}],"has_more":false}}"#)).is_none());
        let settled = attempts(&format!(r#"{{"list":[{succeeded},{cut}],"has_more":false}}"#)).unwrap();
        assert_eq!((settled.status, settled.response_status), (Status::Succeeded, Some(200)));
    }

    #[test]
    fn an_api_that_is_not_the_stacks_is_worth_a_note() {
        let judge = |used: &str| judge_api(&used.parse().unwrap(), &"https://a.test".parse().unwrap());
        assert_eq!(judge("https://a.test/"), None);
        assert_eq!(judge("https://b.test").map(|note| note.level), Some(Level::Note));
    }
}
