//! Endpoints as PaymentKit's SDK declares them: with their attempts, each with its event and its endpoint.

use std::collections::{BTreeSet, HashMap};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use posthorn_domain::{DeliveredEvent, Endpoint, EndpointId, EventId, Scope};
use posthorn_storage::EventLog;
use serde_json::value::{RawValue, to_raw_value};

use crate::access::Caller;
use crate::bodies::{
    AttemptBody, EndpointBody, EndpointListBody, EndpointWithAttemptsBody, ExpandedAttemptBody,
};
use crate::listing::attempts_at::last_attempts;
use crate::listing::room::{Room, sized};
use crate::problem::Problem;

/// The most endpoints of a page that are shown with attempts: the SDK's usual page.
const MAX_EXPANDED: usize = 20;
/// How many endpoints' attempts, and how many events, are read at the same time.
const AT_ONCE: usize = 5;

/// Events without their data, by id.
type Events = HashMap<EventId, Box<RawValue>>;

/// An endpoint as the SDK declares it.
type Expanded = EndpointWithAttemptsBody<ExpandedAttemptBody>;

/// Reads what the SDK expects beside an endpoint, in the name of a caller. Without the right to read events there are no
/// attempts.
#[derive(Clone, Copy)]
pub struct Expansion<'a> {
    /// The log of the caller's events.
    pub log: &'a EventLog,
    /// Who is calling.
    pub caller: &'a Caller,
}

impl Expansion<'_> {
    /// Returns the endpoint with its last attempts.
    pub async fn one(self, endpoint: Endpoint) -> Result<Expanded, Problem> {
        let attempts = self.attempts(&endpoint).await?;
        let events = self.events(&attempts).await?;
        let attempts = expand(attempts, &endpoint, &events).collect();
        Ok(EndpointWithAttemptsBody::new(EndpointBody::for_caller(self.caller, endpoint), attempts))
    }

    /// Returns the page with the last attempts of these endpoints. A page of more than [`MAX_EXPANDED`] is shown without
    /// attempts, and so are those that do not fit into an answer.
    pub async fn page(
        self,
        page: EndpointListBody<EndpointBody>,
        endpoints: &HashMap<EndpointId, Endpoint>,
    ) -> Result<EndpointListBody<Expanded>, Problem> {
        let mut room = Room::default();
        room.take(sized(&page).0);
        let is_expanded = page.list.len() <= MAX_EXPANDED;
        let shown: Vec<_> = page.list.iter().filter_map(|body| endpoints.get(&body.id)).collect();
        let reads = shown.iter().filter(|_| is_expanded).map(|endpoint| self.attempts(endpoint));
        let attempts: Vec<_> =
            stream::iter(reads.collect::<Vec<_>>()).buffered(AT_ONCE).try_collect().await?;
        let events = self.events(attempts.iter().flatten()).await?;
        let mut of_endpoints: HashMap<_, _> = shown
            .into_iter()
            .zip(attempts)
            .map(|(endpoint, attempts)| (endpoint.id, expand(attempts, endpoint, &events)))
            .collect();
        let list = page.list.into_iter().map(|body| {
            let attempts = of_endpoints.remove(&body.id).into_iter().flatten();
            let fitting =
                attempts.map(sized).map_while(|(bytes, attempt)| room.take(bytes).then_some(attempt));
            let fitting = fitting.collect();
            EndpointWithAttemptsBody::new(body, fitting)
        });
        let list = list.collect();
        Ok(EndpointListBody {
            list,
            count: page.count,
            has_more: page.has_more,
            next_cursor: page.next_cursor,
        })
    }

    async fn attempts(self, endpoint: &Endpoint) -> Result<Vec<AttemptBody>, Problem> {
        if !self.caller.may(Scope::EventsRead) {
            return Ok(Vec::new());
        }
        last_attempts(self.log, &self.caller.tenant, endpoint).await
    }

    /// Reads the events of these attempts, each once, without their data. One that has expired meanwhile is left out.
    async fn events(self, attempts: impl IntoIterator<Item = &AttemptBody>) -> Result<Events, Problem> {
        let ids: BTreeSet<_> = attempts.into_iter().map(|attempt| attempt.event_id).collect();
        let reads = ids.into_iter().map(|id| async move { Ok::<_, Problem>((id, self.event(id).await?)) });
        let events: Vec<_> = stream::iter(reads.collect::<Vec<_>>()).buffered(AT_ONCE).try_collect().await?;
        Ok(events.into_iter().filter_map(|(id, event)| Some((id, event?))).collect())
    }

    async fn event(self, id: EventId) -> Result<Option<Box<RawValue>>, Problem> {
        let Some(record) = self.log.get_whole(&self.caller.tenant, id).await? else { return Ok(None) };
        let event = DeliveredEvent::read(&record.body).map_err(Problem::internal)?;
        let event = event.counting(&record.deliveries).without_data();
        to_raw_value(&event).map(Some).map_err(Problem::internal)
    }
}

/// Returns the attempts at an endpoint with their events. Those whose events have expired are left out.
fn expand(
    attempts: Vec<AttemptBody>,
    endpoint: &Endpoint,
    events: &Events,
) -> impl Iterator<Item = ExpandedAttemptBody> {
    attempts.into_iter().filter_map(|attempt| {
        let event = events.get(&attempt.event_id)?.clone();
        Some(ExpandedAttemptBody::new(attempt, event, EndpointBody::for_everybody(endpoint.clone())))
    })
}
