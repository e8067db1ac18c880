//! Many events at once, each accepted or refused on its own.

use std::collections::HashSet;

use posthorn_api::{Problem, Request, Response, accepted};
use posthorn_domain::{Event, EventDraft, Fields, FromJson, Invalid, Page, ShortText, Tenant};
use serde::Serialize;
use serde_json::value::RawValue;

use super::publication::{self, Publication};
use super::{App, idempotency_key};

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
    Accepted {
        status: u16,
        event: Box<Event>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        replayed: bool,
    },
    Refused(Refusal),
}

pub(crate) async fn publish_batch(
    app: &App,
    tenant: &Tenant,
    request: &Request,
) -> Result<Response, Problem> {
    let mut fields = Fields::parse(request.json(MAX_BATCH_BYTES)?)?;
    let Batch(events) = fields.required("events")?;
    fields.finish()?;
    let common_key = idempotency_key(request)?;
    let mut keys = HashSet::new();
    let drafts = events.iter().enumerate().map(|(n, event)| {
        let mut draft = read(event)?;
        give_key(&mut draft, common_key.as_ref(), n)?;
        match &draft.request.idempotency_key {
            Some(key) if !keys.insert(key.as_str().to_owned()) => {
                Err(Problem::param("request.idempotency_key", "is that of another event in this batch"))
            }
            _ => Ok(draft),
        }
    });
    let publications = publication::publish(app, tenant, request, drafts.collect()).await;
    let list: Vec<_> = publications
        .into_iter()
        .map(|publication| match publication {
            Ok(Publication { event, replayed }) => {
                Outcome::Accepted { status: 202, event: Box::new(event), replayed }
            }
            Err(problem) => Outcome::Refused(problem.body(request.id())),
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

/// The header `Idempotency-Key` of a batch covers each of its events that has no key of its own: the n-th gets
/// `{key}/{n}`.
fn give_key(draft: &mut EventDraft, common: Option<&ShortText>, n: usize) -> Result<(), Problem> {
    if let (None, Some(common)) = (&draft.request.idempotency_key, common) {
        let key = format!("{}/{n}", common.as_str()).parse();
        draft.request.idempotency_key =
            Some(key.map_err(|invalid| Problem::param("Idempotency-Key", invalid))?);
    }
    Ok(())
}
