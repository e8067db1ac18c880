//! Endpoints as PaymentKit's SDK declares them: with their attempts, each with its event and its endpoint.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use posthorn_domain::{DeliveredEvent, Endpoint, EndpointId, EventId, Scope, Tenant};
use posthorn_storage::EventLog;
use serde_json::value::{RawValue, to_raw_value};

use crate::access::Caller;
use crate::bodies::{EndpointBody, EndpointListBody, EndpointWithAttemptsBody, ExpandedAttemptBody};
use crate::listing::attempts_at::last_attempts;
use crate::listing::room::{Room, sized};
use crate::problem::Problem;

/// The most endpoints of a page that are shown with attempts: the SDK's usual page.
const MAX_EXPANDED: usize = 20;
/// How many endpoints' attempts are read at the same time.
const AT_ONCE: usize = 5;

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
        Ok(EndpointWithAttemptsBody::new(EndpointBody::for_caller(self.caller, endpoint), attempts))
    }

    /// Returns the page with the last attempts of these endpoints. A page of more than [`MAX_EXPANDED`] is shown without
    /// attempts, and so are those that do not fit into an answer.
    pub async fn page(
        self,
        page: EndpointListBody<EndpointBody>,
        endpoints: &HashMap<EndpointId, Endpoint>,
    ) -> Result<EndpointListBody<Expanded>, Problem> {
        let is_expanded = page.list.len() <= MAX_EXPANDED;
        let mut room = Room::default();
        room.take(sized(&page).0);
        let attempts = page.list.iter().map(|body| {
            let endpoint = endpoints.get(&body.id).filter(|_| is_expanded);
            async move {
                match endpoint {
                    Some(endpoint) => self.attempts(endpoint).await,
                    None => Ok(Vec::new()),
                }
            }
        });
        let attempts: Vec<_> =
            stream::iter(attempts.collect::<Vec<_>>()).buffered(AT_ONCE).try_collect().await?;
        let mut fitting = |attempt: ExpandedAttemptBody| {
            let (bytes, attempt) = sized(attempt);
            room.take(bytes).then_some(attempt)
        };
        let list = page.list.into_iter().zip(attempts).map(|(endpoint, attempts)| {
            EndpointWithAttemptsBody::new(endpoint, attempts.into_iter().map_while(&mut fitting).collect())
        });
        let list = list.collect();
        Ok(EndpointListBody {
            list,
            count: page.count,
            has_more: page.has_more,
            next_cursor: page.next_cursor,
        })
    }

    async fn attempts(self, endpoint: &Endpoint) -> Result<Vec<ExpandedAttemptBody>, Problem> {
        if !self.caller.may(Scope::EventsRead) {
            return Ok(Vec::new());
        }
        let tenant = &self.caller.tenant;
        let attempts = last_attempts(self.log, tenant, endpoint).await?;
        let mut events = HashMap::new();
        for attempt in &attempts {
            if let Entry::Vacant(entry) = events.entry(attempt.event_id) {
                entry.insert(self.event(tenant, attempt.event_id).await?);
            }
        }
        let expanded = attempts.into_iter().filter_map(|attempt| {
            let event = events.get(&attempt.event_id)?.clone()?;
            Some(ExpandedAttemptBody::new(attempt, event, EndpointBody::for_everybody(endpoint.clone())))
        });
        Ok(expanded.collect())
    }

    /// Returns an event without its data; `None` if it has expired meanwhile.
    async fn event(self, tenant: &Tenant, id: EventId) -> Result<Option<Box<RawValue>>, Problem> {
        let Some(record) = self.log.get_whole(tenant, id).await? else { return Ok(None) };
        let event = DeliveredEvent::read(&record.body).map_err(Problem::internal)?;
        let event = event.counting(&record.deliveries).without_data();
        to_raw_value(&event).map(Some).map_err(Problem::internal)
    }
}
