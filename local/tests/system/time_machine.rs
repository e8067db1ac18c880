//! The functions and their queues in a time that the test tells.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use futures::future::join_all;
use posthorn_domain::testing::{Seeded, SetClock};
use posthorn_domain::{
    Clock, Delivery, Endpoint, EventDraft, EventId, EventMessage, EventShards, Fields, Health, HealthState,
    Mode, NewEndpoint, Random, Scope, Tenant, Timestamp,
};
use posthorn_functions::{names, set_up};
use posthorn_local::{DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY, DEVELOPMENT_PLATFORM_KEY, QUEUES, StoresOptions};
use posthorn_local_aws::clients;
use posthorn_local_aws::sqs::QueueClock;
use posthorn_local_aws::template::queue_url;
use posthorn_runtime::{HttpFunction, Metrics, Runtime, ScheduleFunction, Settings, SqsFunction};
use posthorn_storage::{
    DueRetries, EndpointStore, EventLog, EventRecord, Minute, RecordKey, StorageError, Written,
};
use serde_json::{Value, json};

use crate::contract::check_answer;
use crate::harness::{TestStores, local_tenant, worker};
use crate::samples::sample;

const SECOND: Duration = Duration::from_secs(1);

/// Tables, queues and their time, before there are functions: a test may put proxies between them.
pub(crate) struct Backend {
    pub(crate) stores: TestStores,
    clock: Arc<SetClock>,
}

impl Backend {
    /// It is 2026-11-24T10:00:00Z.
    pub(crate) async fn start() -> Self {
        let clock = Arc::new(SetClock::at(1_795_514_400_000));
        let queues = Arc::clone(&clock);
        let queues = QueueClock::new(move || queues.now().as_millis());
        let stores =
            TestStores::with(StoresOptions { clock: Some(queues), ..StoresOptions::default() }).await;
        stores.add_key(DEVELOPMENT_KEY, DEVELOPMENT_ACCOUNT).await;
        stores.add_platform_key(DEVELOPMENT_PLATFORM_KEY, Scope::ALL).await;
        Self { stores, clock }
    }
}

pub(crate) struct TimeMachine {
    pub(crate) stores: TestStores,
    pub(crate) endpoints: EndpointStore,
    pub(crate) log: EventLog,
    pub(crate) due: DueRetries,
    pub(crate) random: Arc<dyn Random>,
    /// How much time an invocation has.
    pub(crate) time_left: Duration,
    shards: EventShards,
    /// What each worker tells CloudWatch.
    metrics: BTreeMap<&'static str, Metrics>,
    clock: Arc<SetClock>,
    sqs: aws_sdk_sqs::Client,
    workers: [(&'static str, SqsFunction); 3],
    routes: BTreeMap<&'static str, HttpFunction>,
    sweep_due: ScheduleFunction,
    erase_accounts: ScheduleFunction,
}

impl TimeMachine {
    /// It is 2026-11-24T10:00:00Z; the variables are set instead of the template's.
    pub(crate) async fn start(environment: &[(&str, &str)]) -> Self {
        Self::start_with(environment, |_, _| Vec::new()).await
    }

    /// The same, with further variables for each function by its name.
    pub(crate) async fn start_with(
        environment: &[(&str, &str)],
        further: impl Fn(&TestStores, &str) -> Vec<(String, String)>,
    ) -> Self {
        Self::start_on(Backend::start().await, environment, further).await
    }

    /// The same, on tables and queues that have been started.
    pub(crate) async fn start_on(
        Backend { stores, clock }: Backend,
        environment: &[(&str, &str)],
        further: impl Fn(&TestStores, &str) -> Vec<(String, String)>,
    ) -> Self {
        let random: Arc<dyn Random> = Arc::new(Seeded::new(1));
        Self::on(stores, clock, random, environment, further).await
    }

    /// The same tables, queues and time, where the functions are deployed anew with these variables.
    pub(crate) async fn deployed_anew(self, environment: &[(&str, &str)]) -> Self {
        Self::on(self.stores, self.clock, self.random, environment, |_, _| Vec::new()).await
    }

    async fn on(
        stores: TestStores,
        clock: Arc<SetClock>,
        random: Arc<dyn Random>,
        environment: &[(&str, &str)],
        further: impl Fn(&TestStores, &str) -> Vec<(String, String)>,
    ) -> Self {
        let runtime = |function: &str| {
            let mut variables: BTreeMap<String, String> = stores.environment(function);
            variables
                .extend(environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            variables.extend(further(&stores, function));
            let settings = Settings::from_iter(variables);
            Runtime::new(settings, Arc::clone(&clock) as Arc<dyn Clock>, Arc::clone(&random)).unwrap()
        };
        let workers = ["fan-out", "deliver", "sweep-due"].map(|name| (name, runtime(name)));
        let [(_, on_events), (_, on_deliveries), (_, on_schedule)] = &workers;
        let deliver = worker("deliver", on_deliveries);
        let machine = Self {
            endpoints: runtime("create-endpoint").endpoints().unwrap(),
            log: on_events.event_log().unwrap(),
            due: on_schedule.due_retries().unwrap(),
            workers: [
                ("EventsQueue", worker("fan-out", on_events)),
                ("FirstAttemptsQueue", Arc::clone(&deliver)),
                ("DeliveriesQueue", deliver),
            ],
            routes: names()
                .filter_map(|name| Some((name, set_up(name, &runtime(name)).unwrap().http()?)))
                .collect(),
            sweep_due: set_up("sweep-due", on_schedule).unwrap().schedule().unwrap(),
            erase_accounts: set_up("erase-accounts", &runtime("erase-accounts")).unwrap().schedule().unwrap(),
            metrics: workers.iter().map(|(name, runtime)| (*name, runtime.metrics().unwrap())).collect(),
            sqs: clients::sqs(&stores.stores.sqs),
            random,
            time_left: Duration::from_mins(1),
            shards: on_events.event_shards().unwrap(),
            clock,
            stores,
        };
        // A new stack is swept within its first minute.
        machine.sweep().await;
        machine.told("sweep-due");
        machine
    }

    /// The line that a worker would now write of what it has counted.
    pub(crate) fn told(&self, function: &str) -> Option<String> {
        self.metrics[function].line()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn clock(&self) -> Arc<SetClock> {
        Arc::clone(&self.clock)
    }

    pub(crate) async fn register(&self, url: &str, patterns: &[&str]) -> Endpoint {
        let fields = json!({ "url": url, "enabled_events": patterns }).to_string();
        let new = NewEndpoint::read(&mut Fields::parse(&fields).unwrap()).unwrap();
        let endpoint = new.register(&local_tenant(), self.now(), self.random.as_ref());
        self.endpoints.create(&local_tenant(), &endpoint, 10_000).await.unwrap();
        endpoint
    }

    /// Calls the function of a route, with what its path and its body say. Returns its status and JSON.
    pub(crate) async fn call(
        &self,
        function: &str,
        path: &[(&str, &str)],
        body: Option<Value>,
    ) -> (u16, Value) {
        let path: BTreeMap<_, _> = path.iter().copied().collect();
        let body = body.map(|body| body.to_string());
        self.request(function, &json!({ "pathParameters": path, "body": body })).await
    }

    /// The same with a body that is sent as it stands.
    pub(crate) async fn call_with(&self, function: &str, path: &[(&str, &str)], body: &str) -> (u16, Value) {
        let path: BTreeMap<_, _> = path.iter().copied().collect();
        self.request(function, &json!({ "pathParameters": path, "body": body })).await
    }

    /// Calls the function of a list, with its query.
    pub(crate) async fn list(&self, function: &str, query: &[(&str, &str)]) -> (u16, Value) {
        self.list_as(DEVELOPMENT_KEY, function, query).await
    }

    /// The same with somebody's API key.
    pub(crate) async fn list_as(&self, key: &str, function: &str, query: &[(&str, &str)]) -> (u16, Value) {
        let query = query.iter().map(|(name, value)| format!("{name}={value}"));
        let query = query.collect::<Vec<_>>().join("&");
        let headers = json!({ "authorization": format!("Bearer {key}") });
        self.request(function, &json!({ "headers": headers, "rawQueryString": query })).await
    }

    /// Calls a function by the platform's key, for this account if one is given, with an id in the path.
    pub(crate) async fn call_as_platform(
        &self,
        function: &str,
        id: &str,
        query: &str,
        account: Option<&str>,
        body: Option<Value>,
    ) -> (u16, Value) {
        let mut headers = json!({ "authorization": format!("Bearer {DEVELOPMENT_PLATFORM_KEY}") });
        if let Some(account) = account {
            headers["posthorn-account"] = account.into();
        }
        let body = body.map(|body| body.to_string());
        let parts = json!({
            "headers": headers, "rawQueryString": query, "pathParameters": { "id": id }, "body": body,
        });
        self.request(function, &parts).await
    }

    /// The first page of the attempts that a query asks for.
    pub(crate) async fn attempts(&self, query: &[(&str, &str)]) -> Vec<Value> {
        let (status, mut page) = self.list("list-attempts", query).await;
        assert_eq!(status, 200, "{page}");
        page["list"].as_array_mut().map(std::mem::take).unwrap()
    }

    /// Calls a function with its sample, of which some parts are others.
    pub(crate) async fn request(&self, function: &str, parts: &Value) -> (u16, Value) {
        let mut request: Value = serde_json::from_str(&sample(function)).unwrap();
        for part in ["pathParameters", "queryStringParameters", "rawQueryString", "body"] {
            request.as_object_mut().unwrap().remove(part);
        }
        for (name, part) in parts.as_object().unwrap() {
            request[name] = part.clone();
        }
        // The functions' other routes.
        if function == "publish-event"
            && parts["body"].as_str().is_some_and(|body| body.contains("\"events\""))
        {
            request["rawPath"] = json!("/api/events/batch");
            request["requestContext"]["routeKey"] = json!("POST /api/events/batch");
        }
        if function == "retry-attempt" && request["pathParameters"]["id"].is_null() {
            request["rawPath"] = json!("/api/webhook-attempts/retry");
            request["requestContext"]["routeKey"] = json!("POST /api/webhook-attempts/retry");
        }
        let (method, path) =
            (request["requestContext"]["http"]["method"].clone(), request["rawPath"].clone());
        let request = lambda_http::request::from_str(&request.to_string()).unwrap();
        let response = self.routes[function](request).await;
        let (status, body): (u16, &[u8]) = (response.status().as_u16(), response.body().as_ref());
        let answer = serde_json::from_slice(body).unwrap();
        let media_type = response.headers()["content-type"].to_str().unwrap();
        check_answer(method.as_str().unwrap(), path.as_str().unwrap(), status, media_type, &answer);
        (status, answer)
    }

    /// Puts on record that endpoints are healthy.
    pub(crate) async fn prove(&self, endpoints: &[Endpoint]) {
        self.set_health(endpoints, HealthState::Healthy).await;
    }

    /// Puts on record how endpoints are doing, so that everybody reads it. Those that are slow get their events from the
    /// deliveries queue.
    pub(crate) async fn set_health(&self, endpoints: &[Endpoint], state: HealthState) {
        for endpoint in endpoints {
            let doing = |endpoint: Endpoint| {
                Ok::<_, StorageError>(Endpoint { health: Health { state, ..endpoint.health }, ..endpoint })
            };
            self.endpoints.update(&local_tenant(), endpoint.id, doing).await.unwrap().unwrap();
        }
    }

    /// Puts an event on the events queue.
    pub(crate) async fn publish(&self, event_type: &str) -> EventId {
        let event = json!({ "type": event_type, "data": {} });
        let message =
            json!({ "account": local_tenant().account, "livemode": true, "event": event }).to_string();
        let message_id = self.send("EventsQueue", message.clone()).await;
        EventMessage::parse(&message).unwrap().into_event(&message_id, self.now(), self.shards).unwrap().1.id
    }

    /// Puts an event on record as fan-out does, without a delivery and without a row in the feed. `json` is what its publisher
    /// sends.
    pub(crate) async fn put_on_record(&self, id: EventId, json: &str, at: Timestamp) {
        let draft = EventDraft::read(&mut Fields::parse(json).unwrap()).unwrap();
        let (event_type, body) = (draft.event_type.clone(), draft.accept(Mode::Live, id).to_json().into());
        let record =
            EventRecord { body, chunks: Vec::new(), deliveries: Vec::new(), only: None, expires_at: None };
        let key = RecordKey { tenant: local_tenant(), event_id: id, chunk: None };
        assert_eq!(self.log.create(&key, &event_type, &record, at).await.unwrap(), Written::Now);
    }

    /// Puts a message on a queue. Returns its id.
    pub(crate) async fn send(&self, queue: &str, body: String) -> String {
        let url = queue_url(&self.stores.stores.sqs, queue);
        let sent = self.sqs.send_message().queue_url(url).message_body(body).send().await.unwrap();
        sent.message_id.unwrap()
    }

    /// Puts a message on a queue that was received before, by a function that ended.
    pub(crate) async fn send_again(&self, queue: &str, body: String) {
        self.send(queue, body).await;
        let url = queue_url(&self.stores.stores.sqs, queue);
        let received =
            self.sqs.receive_message().queue_url(&url).send().await.unwrap().messages.unwrap_or_default();
        let handle = received[0].receipt_handle().unwrap();
        let change = self.sqs.change_message_visibility().queue_url(url).receipt_handle(handle);
        change.visibility_timeout(0).send().await.unwrap();
    }

    pub(crate) async fn record(&self, event_id: EventId) -> EventRecord {
        self.log.get(&local_tenant(), event_id).await.unwrap().expect("the event is on record")
    }

    /// The only delivery of an event.
    pub(crate) async fn delivery(&self, event_id: EventId) -> Delivery {
        let [delivery] = <[Delivery; 1]>::try_from(self.record(event_id).await.deliveries).unwrap();
        delivery
    }

    pub(crate) async fn endpoint(&self, endpoint: &Endpoint) -> Endpoint {
        self.endpoints.get(&local_tenant(), endpoint.id).await.unwrap().expect("the endpoint is there")
    }

    /// Lets time pass, and the functions do what comes up meanwhile.
    pub(crate) async fn pass(&self, span: Duration) {
        let end = self.now().plus(span);
        loop {
            self.work().await;
            if self.now() >= end {
                return;
            }
            let next = self.next_moment(end).await;
            self.set(next);
            self.sweep().await;
        }
    }

    /// Lets time pass, in which no function runs.
    pub(crate) fn sleep(&self, span: Duration) {
        self.set(self.now().plus(span));
    }

    pub(crate) async fn sweep(&self) {
        self.sweep_within(Duration::from_secs(55)).await;
    }

    /// Deletes what belongs to accounts that are being deleted.
    pub(crate) async fn erase_accounts(&self) {
        (self.erase_accounts)(self.now().plus(Duration::from_secs(55))).await.unwrap();
    }

    /// A sweep that is ended so soon.
    pub(crate) async fn sweep_within(&self, time: Duration) {
        self.try_sweep_within(time).await.unwrap();
    }

    /// The same, where it may fail. Its error comes with what caused it.
    pub(crate) async fn try_sweep_within(&self, time: Duration) -> Result<(), String> {
        (self.sweep_due)(self.now().plus(time)).await.map_err(|error| format!("{error:?}"))
    }

    fn set(&self, at: Timestamp) {
        self.clock.set(at.as_millis());
    }

    /// When something happens next: a message becomes visible, it is a minute before a retry waits in the due table, or
    /// the end. The sweeps until then would find nothing, so they are left out, but for moving the cursor.
    async fn next_moment(&self, end: Timestamp) -> Timestamp {
        let queues = &self.stores.stores.queues;
        let visible = QUEUES.map(|queue| queues.next_due(queue).unwrap());
        let visible = visible.into_iter().flatten().min().map(|wait| self.now().plus(wait));
        let earliest = self.first_due().await;
        let minute_before = |minute: Minute| Timestamp::from_millis((minute.0 - 1) * 60_000);
        let swept = earliest.map(|minute| minute_before(minute).max(self.now().plus(SECOND)));
        let next = [visible, swept, Some(end)].into_iter().flatten().min().expect("there is an end");
        let floor = self.due.places().await.unwrap().floor.map(|floor| floor.minute);
        let empty_until = Minute::of(next).min(earliest.unwrap_or(Minute(i64::MAX)));
        if floor.is_some_and(|floor| floor < empty_until) {
            assert_eq!(self.due.raise_floor(empty_until).await.unwrap(), Written::Now);
        }
        next
    }

    /// The first minute with retries that may not have been sent. Rows that were sent and expire are deleted meanwhile, as
    /// DynamoDB does in time: the table stays small.
    pub(crate) async fn first_due(&self) -> Option<Minute> {
        let floor = self.due.places().await.unwrap().floor.map_or(Minute(0), |floor| floor.minute);
        let dynamodb = clients::dynamodb(&self.stores.stores.dynamodb);
        let keys = dynamodb.scan().table_name("DueTable").projection_expression("pk, sk, expires_at");
        let rows: Vec<_> = keys.into_paginator().items().send().try_collect().await.unwrap();
        let mut first = None;
        for mut row in rows {
            let Some(minute) = minute_of(&row) else { continue };
            if minute >= floor {
                first = [first, Some(minute)].into_iter().flatten().min();
            } else if row.remove("expires_at").is_some() {
                let delete = dynamodb.delete_item().table_name("DueTable").set_key(Some(row));
                delete.send().await.unwrap();
            }
        }
        first
    }

    /// As if there had been no sweep yet.
    pub(crate) async fn forget_the_sweep(&self) {
        let key = || AttributeValue::S("cursor".to_owned());
        let delete = clients::dynamodb(&self.stores.stores.dynamodb).delete_item().table_name("DueTable");
        delete.key("pk", key()).key("sk", key()).send().await.unwrap();
    }

    /// The retries in the due table, those that were sent too.
    pub(crate) async fn due_rows(&self) -> Vec<HashMap<String, AttributeValue>> {
        let scan = clients::dynamodb(&self.stores.stores.dynamodb).scan().table_name("DueTable");
        let rows = scan.filter_expression("begins_with(pk, :due)");
        let rows = rows.expression_attribute_values(":due", AttributeValue::S("due#".to_owned()));
        rows.into_paginator().items().send().try_collect().await.unwrap()
    }

    /// Hands the functions whatever is on their queues, until there is nothing more for now.
    pub(crate) async fn work(&self) {
        loop {
            let worked =
                join_all(self.workers.iter().map(|(queue, function)| self.work_off(queue, function)));
            if worked.await.into_iter().sum::<usize>() == 0 {
                return;
            }
        }
    }

    async fn work_off(&self, queue: &str, function: &SqsFunction) -> usize {
        let url = queue_url(&self.stores.stores.sqs, queue);
        let mut handled = 0;
        loop {
            let receive = self.sqs.receive_message().queue_url(&url).max_number_of_messages(10);
            let received =
                receive.message_system_attribute_names(MessageSystemAttributeName::All).send().await.unwrap();
            let messages = received.messages.unwrap_or_default();
            self.hand_over(&url, function, &messages).await;
            handled += messages.len();
            if messages.len() < 10 {
                return handled;
            }
        }
    }

    async fn hand_over(&self, url: &str, function: &SqsFunction, messages: &[Message]) {
        if messages.is_empty() {
            return;
        }
        let mut batch = SqsEvent::default();
        batch.records = messages.iter().map(|message| record(url, message)).collect();
        let deadline = self.now().plus(self.time_left);
        let failures = function(batch, deadline).await.unwrap().batch_item_failures;
        let failed = |message: &&Message| {
            failures.iter().any(|failure| Some(failure.item_identifier.as_str()) == message.message_id())
        };
        for message in messages.iter().filter(|message| !failed(message)) {
            let handle = message.receipt_handle().unwrap();
            self.sqs.delete_message().queue_url(url).receipt_handle(handle).send().await.unwrap();
        }
    }

    /// Takes everything off a queue that can be received now. Returns the bodies.
    pub(crate) async fn take(&self, queue: &str) -> Vec<String> {
        let url = queue_url(&self.stores.stores.sqs, queue);
        let mut bodies = Vec::new();
        loop {
            let receive = self.sqs.receive_message().queue_url(&url).max_number_of_messages(10);
            let messages = receive.send().await.unwrap().messages.unwrap_or_default();
            if messages.is_empty() {
                return bodies;
            }
            join_all(messages.iter().map(|message| async {
                let handle = message.receipt_handle().unwrap();
                self.sqs.delete_message().queue_url(&url).receipt_handle(handle).send().await.unwrap();
            }))
            .await;
            bodies.extend(messages.into_iter().filter_map(|message| message.body));
        }
    }

    pub(crate) fn tenant() -> Tenant {
        local_tenant()
    }
}

/// The minute that a row of the due table is due in; `None` where it says how far the sweep is.
fn minute_of(row: &HashMap<String, AttributeValue>) -> Option<Minute> {
    row["pk"].as_s().unwrap().strip_prefix("due#")?.split('#').next()?.parse().ok().map(Minute)
}

fn record(url: &str, message: &Message) -> SqsMessage {
    let mut record = SqsMessage::default();
    let queue = url.rsplit('/').next().unwrap();
    record.event_source_arn = Some(format!("arn:aws:sqs:eu-central-1:000000000000:{queue}"));
    record.receipt_handle.clone_from(&message.receipt_handle);
    record.message_id.clone_from(&message.message_id);
    record.body.clone_from(&message.body);
    let attributes = message.attributes.iter().flatten();
    record.attributes =
        attributes.map(|(name, value)| (name.as_str().to_owned(), value.clone())).collect::<HashMap<_, _>>();
    record
}
