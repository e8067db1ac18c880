//! Publishes a batch of events. Each is accepted or refused separately.

use std::collections::HashMap;

use posthorn_api::bodies::{BatchEntryBody, ListBody};
use posthorn_api::{Code, Problem, Request, Response, accepted, bytes_in_answer, read_fields};
use posthorn_domain::{EventDraft, FromJson, Invalid, ShortText, Tenant};
use serde_json::value::RawValue;

use super::idempotency::reused;
use super::publication::{self, Publication};
use super::{App, idempotency_key, read};

/// Maximum number of events in a batch.
pub(crate) const MAX_EVENTS: usize = 100;
/// Maximum size of a batch's body: 4 MiB. API Gateway passes at most 6 MB to Lambda, with every quote escaped.
pub(crate) const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Maximum number of bytes of a batch that its answer repeats. The answer may have 6 MB, and a hundred refusals take a
/// quarter of that.
pub(crate) const MAX_ECHOED_BYTES: usize = 4_500_000;

/// The `events` of a batch, not parsed yet.
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

/// Where an event of a batch gets its result from.
enum Source {
    /// It is the n-th event that is published.
    Published(usize),
    /// An earlier event of the batch is the same, with the same key. This one gets the result of that event, the n-th
    /// published, marked as replayed.
    Duplicate(usize),
    /// It cannot be published.
    Refused(Problem),
}

pub(super) async fn publish_batch(
    app: &App,
    tenant: &Tenant,
    request: &Request,
) -> Result<Response, Problem> {
    let json = request.json(MAX_BATCH_BYTES)?;
    let Batch(events) = read_fields(json, tenant.mode, |fields| fields.required("events"))?;
    let common_key = idempotency_key(request)?;
    let drafts = events.iter().enumerate().map(|(n, event)| {
        let mut draft = read(event.get(), tenant)?;
        give_key(&mut draft, common_key.as_ref(), n)?;
        Ok(draft)
    });
    let (sources, drafts) = deduplicate(drafts);
    require_room(&sources, &drafts)?;
    let publications = publication::publish(app, tenant, request, drafts).await;
    let published: Vec<BatchEntryBody> =
        publications.into_iter().map(|result| outcome(result, request)).collect();
    let list = sources.into_iter().map(|source| match source {
        Source::Published(n) => published[n].clone(),
        Source::Duplicate(n) => replayed(published[n].clone()),
        Source::Refused(problem) => BatchEntryBody::Refused(problem.body(request.id())),
    });
    let list: Vec<_> = list.collect();
    Ok(accepted(&ListBody::new(list)))
}

fn outcome(result: Result<Publication, Problem>, request: &Request) -> BatchEntryBody {
    match result {
        Ok(Publication { event, replayed }) => {
            BatchEntryBody::Accepted { status: 202, event: Box::new(event.into()), replayed }
        }
        Err(problem) => BatchEntryBody::Refused(problem.body(request.id())),
    }
}

fn replayed(outcome: BatchEntryBody) -> BatchEntryBody {
    match outcome {
        BatchEntryBody::Accepted { status, event, .. } => {
            BatchEntryBody::Accepted { status, event, replayed: true }
        }
        BatchEntryBody::Refused(_) => outcome,
    }
}

/// Returns where each event of the batch gets its result from, and the events to publish.
fn deduplicate(drafts: impl Iterator<Item = Result<EventDraft, Problem>>) -> (Vec<Source>, Vec<EventDraft>) {
    let (mut published, mut positions) = (Vec::<EventDraft>::new(), HashMap::new());
    let sources = drafts.map(|draft| {
        let draft = match draft {
            Ok(draft) => draft,
            Err(problem) => return Source::Refused(problem),
        };
        let n = published.len();
        if let Some(key) = &draft.request.idempotency_key {
            let position = *positions.entry(key.as_str().to_owned()).or_insert(n);
            if position < n {
                let is_same = published[position].fingerprint() == draft.fingerprint();
                return if is_same { Source::Duplicate(position) } else { Source::Refused(reused(key)) };
            }
        }
        published.push(draft);
        Source::Published(n)
    });
    (sources.collect(), published)
}

/// Errors if the answer would be too large, before anything is published.
fn require_room(sources: &[Source], drafts: &[EventDraft]) -> Result<(), Problem> {
    let echoed = |draft: &EventDraft| {
        let repeated = (&draft.metadata, &draft.request, &draft.object_type, &draft.object_id);
        bytes_in_answer(&serde_json::to_string(&repeated).expect("JSON can express every draft"))
    };
    let sizes: Vec<usize> = drafts.iter().map(echoed).collect();
    let bytes: usize = sources
        .iter()
        .map(|source| match source {
            Source::Published(n) | Source::Duplicate(n) => sizes[*n],
            Source::Refused(_) => 0,
        })
        .sum();
    if bytes <= MAX_ECHOED_BYTES {
        return Ok(());
    }
    let detail = format!(
        "Without their `data`, the events of this batch have {bytes} bytes (quotes and backslashes count twice). The \
         limit is {MAX_ECHOED_BYTES}. Send fewer events in a batch."
    );
    Err(Problem::new(Code::BodyTooLarge, detail))
}

/// Gives the n-th event of a batch the idempotency key `{key}/{n}`, if the batch has a header `Idempotency-Key` and the
/// event has no key of its own.
fn give_key(draft: &mut EventDraft, common: Option<&ShortText>, n: usize) -> Result<(), Problem> {
    if let (None, Some(common)) = (&draft.request.idempotency_key, common) {
        let key = format!("{}/{n}", common.as_str()).parse::<ShortText>().map_err(|invalid| {
            let reason = format!("is too long for this batch: followed by /{n}, it {invalid}");
            Problem::header("Idempotency-Key", reason)
        });
        draft.request.idempotency_key = Some(key?);
    }
    Ok(())
}
