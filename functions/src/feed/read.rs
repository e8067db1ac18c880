//! `GET /api/feed`: returns the events that follow a cursor, in the order in which they were put on record.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use posthorn_api::bodies::FeedBody;
use posthorn_api::{
    Access, FeedQuery, FeedStart, MAX_LOOKED_AT, Problem, Request, Response, Room, bytes_in_answer,
    feed_query, ok,
};
use posthorn_domain::{
    Clock, DeliveredEvent, EventId, EventType, FeedCursor, FeedReading, Scope, Tenant, TimeOrder,
};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::{EndpointStore, EventLog, FeedReaders, FeedRow};
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until};
use tracing::{error, warn};

/// Maximum number of rows that are read for a page, of each shard: more than a cursor names, so that each page goes on.
const ROWS: usize = 300;
/// The number of events whose bodies are read at a time. A page may be full after a few large ones.
const AT_ONCE: usize = 25;
/// How much older than all events a cursor may be: a reader that pages through everything is not sent back.
const SLACK: Duration = Duration::from_hours(48);
/// The first wait for events. Each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait between two reads. They cost an eighth of the time that the function waits.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

struct App {
    access: Access,
    endpoints: EndpointStore,
    log: EventLog,
    readers: FeedReaders,
    retention: Duration,
    clock: Arc<dyn Clock>,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App {
        access: runtime.access()?,
        endpoints: runtime.endpoints()?,
        log: runtime.event_log()?,
        readers: runtime.feed_readers()?,
        retention: runtime.retention()?,
        clock: runtime.clock(),
    };
    Ok(http_function(app, read_feed))
}

async fn read_feed(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let caller = app.access.caller_with_query(&request, &[Scope::EventsRead]).await?;
    let query = feed_query(&request)?;
    // A reader is noted with its account. With a misspelled one, it would wait for nothing.
    app.access.require_existing(&caller.principal).await?;
    let tenant = caller.tenant;
    let cursor = app.begin(&tenant, &query).await?;
    let mut page = app.page(&tenant, cursor, &query).await?;
    if page.is_empty() && !query.wait.is_zero() {
        let now = app.clock.now();
        if let Some(place) = app.readers.wait(&tenant, now, now.plus(query.wait)).await? {
            let waited = app.wait(&tenant, page, &query).await;
            if let Err(error) = app.readers.leave(place).await {
                warn!(error = &error as &dyn Error, "a place to wait stays taken until its time is over");
            }
            page = waited?;
        }
    }
    Ok(ok(&FeedBody::new(page.list, page.has_more, &page.next)))
}

/// Events, and where to go on.
struct Page {
    list: Vec<Box<RawValue>>,
    has_more: bool,
    next: FeedCursor,
}

impl Page {
    fn is_empty(&self) -> bool {
        self.list.is_empty() && !self.has_more
    }
}

impl App {
    /// Returns the cursor that the request begins at. A consumer's cursor is kept: the one that the client passes, and its
    /// first one.
    async fn begin(&self, tenant: &Tenant, query: &FeedQuery) -> Result<FeedCursor, Problem> {
        let now = self.clock.now();
        let oldest = now.minus(self.retention);
        // DynamoDB deletes an expired row within days.
        let is_expired = |cursor: &FeedCursor| cursor.at() < oldest.minus(SLACK);
        let kept = match (&query.consumer, &query.start) {
            (None, _) | (_, FeedStart::Cursor(_)) => None,
            (Some(name), FeedStart::Now) => self.readers.cursor(tenant, name).await?,
            (Some(name), FeedStart::Since(_)) => {
                self.readers.cursor(tenant, name).await?.filter(|cursor| !is_expired(cursor))
            }
        };
        let is_kept = kept.is_some();
        let given = if let FeedStart::Cursor(cursor) = &query.start { Some(cursor.clone()) } else { kept };
        if given.as_ref().is_some_and(is_expired) {
            return Err(Problem::cursor_expired());
        }
        let listening = self.endpoints.listen(tenant, now).await?;
        let cursor = match (given, &query.start) {
            (Some(cursor), _) => cursor.resumed(listening, now),
            (None, FeedStart::Since(at)) => FeedCursor::since((*at).max(oldest), listening, now),
            (None, FeedStart::Now | FeedStart::Cursor(_)) => FeedCursor::since(now, listening, now),
        };
        if let Some(name) = query.consumer.as_ref().filter(|_| !is_kept) {
            self.readers.keep(tenant, name, &cursor, now).await?;
        }
        Ok(cursor)
    }

    /// Waits for events after this page, which has none, and returns the first page that has.
    async fn wait(&self, tenant: &Tenant, mut page: Page, query: &FeedQuery) -> Result<Page, Problem> {
        let (until, mut wait) = (Instant::now() + query.wait, FIRST_WAIT);
        while page.is_empty() && Instant::now() < until {
            sleep_until(until.min(Instant::now() + wait)).await;
            wait = (wait * 2).min(LONGEST_WAIT);
            page = self.page(tenant, page.next, query).await?;
        }
        Ok(page)
    }

    /// Reads a page: what the log has to add, then the rows of the feed.
    async fn page(&self, tenant: &Tenant, cursor: FeedCursor, query: &FeedQuery) -> Result<Page, Problem> {
        let mut reading = FeedReading::new(cursor, self.clock.now());
        let mut list = List { query, events: Vec::new(), room: Room::default() };
        if !self.read_log(tenant, &mut reading, &mut list).await? {
            return Ok(list.page(true, reading.finish(false)));
        }
        let (rows, are_all) = self.log.feed(tenant, reading.rows_after(), ROWS).await?;
        let mut asked = list.to_read(&reading, &rows).into_iter();
        // `None` for one that has expired.
        let mut bodies: HashMap<EventId, Option<ByteString>> = HashMap::new();
        for FeedRow { place, event_type } in &rows {
            if !reading.has_room(*place) {
                return Ok(list.page(false, reading.finish(false)));
            }
            let is_shown = list.takes(event_type) && !reading.has_seen(place.id);
            if is_shown && !bodies.contains_key(&place.id) {
                let next: Vec<_> = asked.by_ref().take(AT_ONCE).collect();
                let mut read = self.log.bodies(tenant, &next).await?;
                bodies.extend(next.into_iter().map(|id| (id, read.remove(&id))));
            }
            let fits = |body: &Option<ByteString>| list.offer(body.as_ref());
            if is_shown && !bodies.get(&place.id).is_some_and(fits) {
                return Ok(list.page(true, reading.finish(false)));
            }
            reading.pass_row(*place);
        }
        Ok(list.page(!are_all, reading.finish(are_all)))
    }

    /// Reads the part of the log that has events without a row. Returns whether it was read to its end.
    async fn read_log(
        &self,
        tenant: &Tenant,
        reading: &mut FeedReading,
        list: &mut List<'_>,
    ) -> Result<bool, Problem> {
        let Some(span) = reading.log() else { return Ok(true) };
        let partitions = self.log.partitions_where(tenant, |event_type| list.takes(event_type)).await?;
        let order = TimeOrder::OldestFirst;
        let mut events = self.log.scan(tenant, &partitions, span, order, list.query.limit);
        let mut looked_at = 0;
        while let Some((id, record)) = events.next().await? {
            // Types may share a partition.
            let is_taken = match DeliveredEvent::read(&record.body).and_then(|event| event.event_type()) {
                Ok(event_type) => list.takes(&event_type),
                Err(error) => {
                    error!(event_id = %id, error = &error as &dyn Error, "event passed over");
                    false
                }
            };
            let is_shown = is_taken && !reading.has_seen(id);
            looked_at += 1;
            if looked_at > MAX_LOOKED_AT || is_shown && !list.offer(Some(&record.body)) {
                return Ok(false);
            }
            reading.pass_event(id);
        }
        reading.end_log();
        Ok(true)
    }
}

/// The events of a page.
struct List<'q> {
    query: &'q FeedQuery,
    events: Vec<Box<RawValue>>,
    room: Room,
}

impl List<'_> {
    /// Returns whether the reader asked for events of this type.
    fn takes(&self, event_type: &EventType) -> bool {
        self.query.types.as_ref().is_none_or(|types| types.matches(event_type))
    }

    /// Returns the events of these rows that the page shows if they fit, each once.
    fn to_read(&self, reading: &FeedReading, rows: &[FeedRow]) -> Vec<EventId> {
        let mut seen = HashSet::new();
        let shown = rows.iter().filter(|row| self.takes(&row.event_type) && !reading.has_seen(row.place.id));
        let shown = shown.map(|row| row.place.id).filter(|id| seen.insert(*id));
        shown.take(self.query.limit - self.events.len()).collect()
    }

    /// Adds an event; one that has expired is left out. Returns `false` if it does not fit.
    fn offer(&mut self, body: Option<&ByteString>) -> bool {
        if self.events.len() >= self.query.limit {
            return false;
        }
        let Some(event) = body.and_then(|body| RawValue::from_string(body.to_string()).ok()) else {
            return true;
        };
        let fits = self.room.take(bytes_in_answer(event.get()));
        if fits {
            self.events.push(event);
        }
        fits
    }

    fn page(self, has_more: bool, next: FeedCursor) -> Page {
        Page { list: self.events, has_more, next }
    }
}
