//! Starts the system for one test.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use futures::future::join_all;
use http::StatusCode;
use posthorn_domain::{Clock as _, Grant, GrantId, Health, HealthState, KeyId, Mode, Reach, Scope, Tenant};
use posthorn_functions::set_up;
use posthorn_local::{
    Arrival, Functions, FunctionsOptions, QUEUES, Receiver, Stores, StoresOptions, allow_this_machine,
};
use posthorn_local_aws::clients;
use posthorn_local_aws::template::{FunctionSpec, Template, queue_url};
use posthorn_runtime::{HttpFunction, Runtime, Settings, SqsFunction, SystemClock, SystemRandom};
use posthorn_storage::{Credential, TokenHash, Written};
use serde_json::Value;
use tokio::time::{interval, timeout};

use crate::contract::check_answer;

/// How long a test waits for what should happen soon.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) fn template() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../template.yaml")
}

/// The function of a route.
pub(crate) fn route(name: &str, runtime: &Runtime) -> HttpFunction {
    set_up(name, runtime).unwrap().http().unwrap()
}

/// The function behind a queue.
pub(crate) fn worker(name: &str, runtime: &Runtime) -> SqsFunction {
    set_up(name, runtime).unwrap().sqs().unwrap()
}

/// Tables and queues, and what functions would be told of them.
pub(crate) struct TestStores {
    pub(crate) stores: Stores,
    pub(crate) functions: Vec<FunctionSpec>,
}

impl TestStores {
    pub(crate) async fn start() -> Self {
        Self::with(StoresOptions::default()).await
    }

    pub(crate) async fn with_visibility(visibility_timeout: Duration) -> Self {
        let visibility_timeout = Some(visibility_timeout);
        Self::with(StoresOptions { visibility_timeout, ..StoresOptions::default() }).await
    }

    pub(crate) async fn with(options: StoresOptions) -> Self {
        let options = StoresOptions { template: template(), ..options };
        let stores = Stores::start(&options).await.unwrap();
        let functions = Template::load(&template(), &stores.sqs, &[]).unwrap().functions;
        Self { stores, functions }
    }

    /// The environment of a function.
    pub(crate) fn environment(&self, function: &str) -> BTreeMap<String, String> {
        let spec = self.functions.iter().find(|spec| spec.name == function).unwrap();
        let mut environment = spec.environment.clone();
        let here = [
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.stores.dynamodb.as_str()),
            ("AWS_ENDPOINT_URL_SQS", self.stores.sqs.as_str()),
        ];
        environment.extend(here.map(|(name, value)| (name.to_owned(), value.to_owned())));
        allow_this_machine(&mut environment);
        environment
    }

    pub(crate) fn runtime(&self, function: &str) -> Runtime {
        Self::runtime_of(self.environment(function))
    }

    pub(crate) fn runtime_of(environment: BTreeMap<String, String>) -> Runtime {
        let settings = Settings::from_iter(environment);
        Runtime::new(settings, Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap()
    }

    /// Puts on record that all endpoints of the local tenant are healthy, so that fan-out sends to them itself.
    pub(crate) async fn prove_endpoints(&self) {
        let store = self.runtime("create-endpoint").endpoints().unwrap();
        let mut endpoints = Vec::new();
        store.read_all(&local_tenant(), |endpoint| endpoints.push(endpoint)).await.unwrap();
        for endpoint in endpoints {
            let health = Health { state: HealthState::Healthy, ..endpoint.health };
            assert_eq!(store.set_health(&local_tenant(), &endpoint, health).await.unwrap(), Written::Now);
        }
    }

    /// Makes an API key of an account's live data, with all scopes.
    pub(crate) async fn add_key(&self, key: &str, account: &str) {
        self.add_key_for(key, account, Mode::Live, Scope::ALL).await;
    }

    pub(crate) async fn add_key_for(&self, key: &str, account: &str, mode: Mode, scopes: &[Scope]) {
        let reach = Reach::Tenant(Tenant { account: account.parse().unwrap(), mode });
        self.add_credential(&Credential::Token(TokenHash::of(key)), reach, scopes).await;
    }

    /// Makes a platform key.
    pub(crate) async fn add_platform_key(&self, key: &str, scopes: &[Scope]) {
        self.add_credential(&Credential::Token(TokenHash::of(key)), Reach::Platform, scopes).await;
    }

    pub(crate) async fn add_credential(&self, credential: &Credential, reach: Reach, scopes: &[Scope]) {
        let id = GrantId::Key(KeyId::new(SystemClock.now(), &SystemRandom));
        self.add_grant(credential, id, reach, scopes).await;
    }

    pub(crate) async fn add_grant(
        &self,
        credential: &Credential,
        id: GrantId,
        reach: Reach,
        scopes: &[Scope],
    ) {
        let grants = self.runtime("create-endpoint").grants().unwrap();
        let name = "a test's".parse().unwrap();
        let grant = Grant { name, ..Grant::new(id, reach, scopes.into(), SystemClock.now()) };
        assert_eq!(grants.add(credential, &grant, None).await.unwrap(), Written::Now);
    }

    /// How many messages a queue has: waiting, delayed or in flight.
    pub(crate) async fn depth(&self, queue: &str) -> u64 {
        let ask = clients::sqs(&self.stores.sqs).get_queue_attributes();
        let ask = ask.queue_url(queue_url(&self.stores.sqs, queue)).attribute_names(QueueAttributeName::All);
        let attributes = ask.send().await.unwrap().attributes.unwrap();
        let numbers = attributes.iter().filter(|(name, _)| name.as_str().starts_with("ApproximateNumber"));
        numbers.map(|(_, number)| number.parse::<u64>().unwrap()).sum()
    }

    /// How many messages are on the queues that work comes from.
    pub(crate) async fn waiting(&self) -> u64 {
        join_all(QUEUES.map(|queue| self.depth(queue))).await.into_iter().sum()
    }

    /// Waits until all queues are empty, and checks that nothing has become a dead letter.
    pub(crate) async fn until_idle(&self) {
        let idle = async {
            let mut look = interval(Duration::from_millis(20));
            while self.waiting().await > 0 {
                look.tick().await;
            }
        };
        timeout(PATIENCE, idle).await.expect("the queues should become empty");
        assert_eq!(self.depth("EventsDeadLetterQueue").await, 0, "events are dead");
        assert_eq!(self.depth("DeliveriesDeadLetterQueue").await, 0, "deliveries are dead");
    }
}

/// Everything, running.
pub(crate) struct TestSystem {
    pub(crate) stores: TestStores,
    pub(crate) http: String,
    _functions: Functions,
    client: reqwest::Client,
}

impl TestSystem {
    pub(crate) async fn start() -> Self {
        Self::with(TestStores::start().await, &[]).await
    }

    /// The functions on these stores; the variables are set instead of the template's.
    pub(crate) async fn with(stores: TestStores, environment: &[(&str, &str)]) -> Self {
        Self::with_gateway(stores, environment, false).await
    }

    /// The same, and the gateway lends no key.
    pub(crate) async fn requiring_keys(stores: TestStores, environment: &[(&str, &str)]) -> Self {
        Self::with_gateway(stores, environment, true).await
    }

    async fn with_gateway(stores: TestStores, environment: &[(&str, &str)], requires_keys: bool) -> Self {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let options = FunctionsOptions {
            template: template(),
            http_port: 0,
            dynamodb: stores.stores.dynamodb.clone(),
            sqs: stores.stores.sqs.clone(),
            account_concurrency: None,
            requires_keys,
            environment: environment.collect(),
        };
        let functions = Functions::start(&options).await.unwrap();
        Self { http: functions.http.clone(), _functions: functions, stores, client: reqwest::Client::new() }
    }

    /// Sends a request. Returns its status and JSON, which have to be as the OpenAPI document says.
    pub(crate) async fn request(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.request_as(None, method, path, body).await
    }

    pub(crate) async fn request_as(
        &self,
        key: Option<&str>,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let key = key.map(|key| format!("Bearer {key}"));
        let mut headers: Vec<_> = key.iter().map(|key| ("authorization", key.as_str())).collect();
        headers.extend(body.map(|_| ("content-type", "application/json")));
        let body = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
        self.send(method, path, &headers, body).await
    }

    /// The same with these headers and whatever body.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> (u16, Value) {
        let request = self.client.request(method.parse().unwrap(), format!("{}{path}", self.http)).body(body);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let media_type = response.headers()["content-type"].to_str().unwrap().to_owned();
        let answer = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        check_answer(method, path, status, &media_type, &answer);
        (status, answer)
    }

    /// Registers an endpoint; answers it.
    pub(crate) async fn register(&self, endpoint: &Value) -> Value {
        let (status, created) = self.request("POST", "/api/webhook-endpoints", Some(endpoint)).await;
        assert_eq!(status, 201, "{created}");
        created
    }
}

/// The next webhook to arrive, soon.
pub(crate) async fn next(receiver: &mut Receiver) -> Arrival {
    timeout(PATIENCE, receiver.next()).await.expect("a webhook should arrive")
}

/// The ids of the events that have arrived.
pub(crate) async fn arrived(receiver: &mut Receiver) -> Vec<String> {
    let mut arrived = Vec::new();
    while !receiver.is_idle() {
        arrived.push(receiver.next().await.event_id().to_owned());
    }
    arrived
}

/// The text of a field.
pub(crate) fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} should be a text in {value}"))
}

/// Whose events a request without an API key publishes.
pub(crate) fn local_tenant() -> Tenant {
    Tenant {
        account: posthorn_local::DEVELOPMENT_ACCOUNT.parse().unwrap(),
        mode: posthorn_domain::Mode::Live,
    }
}

/// A receiver whose answer can be changed.
pub(crate) async fn changing_receiver(status: u16) -> (Receiver, Arc<AtomicU16>) {
    let answer = Arc::new(AtomicU16::new(status));
    let shown = Arc::clone(&answer);
    let answering = move |_: &str, _: &str| StatusCode::from_u16(shown.load(Ordering::SeqCst)).unwrap();
    (Receiver::start(0, answering).await.unwrap(), answer)
}
