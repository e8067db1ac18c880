//! Many events at once, each accepted or refused on its own.

use posthorn_api::{Problem, PublishApi, Request, Response, accepted};
use posthorn_domain::{Event, EventDraft, Fields, FromJson, Invalid, Page, Tenant};
use serde::Serialize;
use serde_json::value::RawValue;

/// The most events in a batch.
const MAX_EVENTS: usize = 100;
/// The most bytes in a batch's body: 4 MiB. API Gateway hands Lambda at most 6 MB, with every quote escaped.
const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;

/// The `events` of a batch, not yet looked at.
struct Batch(Vec<Box<RawValue>>);

impl FromJson for Batch {
    fn from_json(json: &RawValue) -> Result<Self, Invalid> {
        let events: Vec<Box<RawValue>> =
            serde_json::from_str(json.get()).map_err(|_| Invalid::because("must be a list of events"))?;
        if events.is_empty() || events.len() > MAX_EVENTS {
            return Err(Invalid::because(format!(
                "must have 1 to {MAX_EVENTS} events (this list has {})",
                events.len()
            )));
        }
        Ok(Self(events))
    }
}

/// What became of one event of a batch.
#[derive(Serialize)]
#[serde(untagged)]
enum Outcome<Refusal> {
    Accepted { status: u16, event: Box<Event> },
    Refused(Refusal),
}

pub(crate) async fn publish_batch(
    app: &PublishApi,
    tenant: &Tenant,
    request: &Request,
) -> Result<Response, Problem> {
    let mut fields = Fields::parse(request.json(MAX_BATCH_BYTES)?)?;
    let Batch(events) = fields.required("events")?;
    fields.finish()?;
    let drafts: Vec<Result<Event, Problem>> =
        events.iter().map(|event| super::accept(app, tenant, request, read(event)?)).collect();
    let messages: Vec<_> = drafts.iter().flatten().map(|event| super::message(tenant, event)).collect();
    let mut sent = app.outbox.send(&messages).await.into_iter();
    let list: Vec<_> = drafts
        .into_iter()
        .map(|draft| {
            let event = draft?;
            sent.next().expect("there is a result for each message")?;
            Ok(event)
        })
        .map(|outcome| match outcome {
            Ok(event) => Outcome::Accepted { status: 202, event: Box::new(event) },
            Err(problem) => Outcome::Refused(Problem::body(&problem, request.id())),
        })
        .collect();
    Ok(accepted(&Page { count: list.len(), list }))
}

fn read(event: &RawValue) -> Result<EventDraft, Problem> {
    let mut fields = Fields::parse(event.get())?;
    let draft = EventDraft::read(&mut fields)?;
    fields.finish()?;
    Ok(draft)
}
