//! The functions of a template, called as AWS would call them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use posthorn_domain::{Clock as _, KeyGrant, KeyId, Mode, Scope};
use posthorn_functions::{Function, set_up};
use posthorn_local_aws::clients;
use posthorn_local_aws::template::{FunctionSpec, REGION, Template};
use posthorn_runtime::{Runtime, Settings, SystemClock, SystemRandom};
use posthorn_storage::{KeyHash, Written};
use tokio::sync::Semaphore;

use crate::gateway::{Gateway, Target};
use crate::poller::Poller;
use crate::scheduler::Scheduler;
use crate::tasks::{Tasks, listen};
use crate::{install_tls, laptop};

/// The account that requests without an API key act for.
pub const DEVELOPMENT_ACCOUNT: &str = "local";
/// The API key of that account's live data. It opens nothing but what is on this machine.
pub const DEVELOPMENT_KEY: &str = "sk_local_development";
/// The API key of its test data.
const DEVELOPMENT_TEST_KEY: &str = "sk_local_development_test";

/// What functions to run, and on what.
#[derive(Debug, Clone, Default)]
pub struct FunctionsOptions {
    /// The template that says which functions there are, and what calls them.
    pub template: PathBuf,
    /// The HTTP API's port; 0 for any.
    pub http_port: u16,
    /// DynamoDB's address.
    pub dynamodb: String,
    /// SQS's address.
    pub sqs: String,
    /// How many functions may run at the same time, as the AWS account allows; the template's limits are then those that it
    /// has on AWS. Without, they are a laptop's.
    pub account_concurrency: Option<usize>,
    /// Variables that every function has instead of the template's.
    pub environment: BTreeMap<String, String>,
}

/// The functions, behind an HTTP API and pollers.
pub struct Functions {
    /// The HTTP API's address, such as `http://127.0.0.1:8080`.
    pub http: String,
    tasks: Tasks,
}

impl Functions {
    /// Starts them on tables and queues that are being served.
    pub async fn start(options: &FunctionsOptions) -> Result<Self> {
        install_tls();
        let (listener, http) = listen(options.http_port, "--http-port").await?;
        let template = match options.account_concurrency {
            None => laptop::template(&options.template, &options.sqs)?,
            Some(_) => laptop::template_as_deployed(&options.template, &options.sqs)?,
        };
        let account = options.account_concurrency.map(|limit| Arc::new(Semaphore::new(limit)));
        add_development_keys(&template, options).await?;
        let (mut gateway, mut tasks) =
            (Gateway::new(DEVELOPMENT_KEY, DEVELOPMENT_TEST_KEY)?, Tasks::default());
        for spec in &template.functions {
            let function = set_up(&spec.name, &runtime(spec, options)?);
            match function.with_context(|| format!("{} cannot start", spec.logical_id))? {
                Function::Http(function) => {
                    require_none(spec, "queues or schedules", spec.queues.len() + spec.schedules.len())?;
                    gateway.add(&spec.routes, &Target { function, timeout: spec.timeout })?;
                }
                Function::Sqs(function) => {
                    require_none(spec, "routes or schedules", spec.routes.len() + spec.schedules.len())?;
                    for source in &spec.queues {
                        let poller = Poller {
                            client: clients::sqs(&options.sqs),
                            sqs: options.sqs.clone(),
                            source: source.clone(),
                            function: Arc::clone(&function),
                            timeout: spec.timeout,
                            account: account.clone(),
                        };
                        tasks.spawn(|stop| poller.run(stop));
                    }
                }
                Function::Schedule(function) => {
                    require_none(spec, "routes or queues", spec.routes.len() + spec.queues.len())?;
                    for &every in &spec.schedules {
                        let name = spec.name.clone();
                        let scheduler =
                            Scheduler { name, every, function: Arc::clone(&function), timeout: spec.timeout };
                        tasks.spawn(|stop| scheduler.run(stop));
                    }
                }
            }
        }
        tasks.spawn(|stop| gateway.serve(listener, stop.cancelled_owned()));
        Ok(Self { http, tasks })
    }

    /// Waits until one of them can no longer be called.
    pub async fn ended(&mut self) -> Result<()> {
        self.tasks.ended().await
    }

    /// Stops calling them, and waits for what they have begun.
    pub async fn stop(self) -> Result<()> {
        self.tasks.stop().await
    }
}

fn require_none(spec: &FunctionSpec, what: &str, number: usize) -> Result<()> {
    if number > 0 {
        bail!("the template gives {what} to {}, which cannot take them", spec.logical_id);
    }
    Ok(())
}

/// A function's own runtime, as it has its own process on AWS.
fn runtime(spec: &FunctionSpec, options: &FunctionsOptions) -> Result<Runtime> {
    let settings = Settings::from_iter(environment(spec, options));
    Ok(Runtime::new(settings, Arc::new(SystemClock), Arc::new(SystemRandom))?)
}

/// The runtime of the function of this name.
pub(crate) fn runtime_of(name: &str, options: &FunctionsOptions) -> Result<Runtime> {
    let template = laptop::template(&options.template, &options.sqs)?;
    let spec = template.functions.iter().find(|spec| spec.name == name);
    runtime(spec.with_context(|| format!("the template has no function {name}"))?, options)
}

/// What the template gives a function, with this machine's addresses in place of AWS's.
fn environment(spec: &FunctionSpec, options: &FunctionsOptions) -> BTreeMap<String, String> {
    let on_this_machine = [
        ("AWS_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", clients::ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", clients::ACCESS_KEY),
        ("AWS_ENDPOINT_URL_DYNAMODB", &options.dynamodb),
        ("AWS_ENDPOINT_URL_SQS", &options.sqs),
    ];
    let on_this_machine = on_this_machine.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut variables = spec.environment.clone();
    allow_this_machine(&mut variables);
    // Lines cost nothing here.
    variables.entry("LOG_ATTEMPTS".to_owned()).and_modify(|given| "all".clone_into(given));
    variables.extend(on_this_machine);
    variables.extend(options.environment.clone());
    variables
}

/// Lets a function that is told where endpoints may be send to any port of this machine, with or without TLS.
pub fn allow_this_machine(variables: &mut BTreeMap<String, String>) {
    for (name, value) in [
        ("ENDPOINT_SCHEMES", "http,https"),
        ("ENDPOINT_PORTS", "1-65535"),
        ("ALLOWED_NETWORKS", "127.0.0.0/8,::1/128"),
    ] {
        // What the template does not give a function on AWS, it has to do without here.
        variables.entry(name.to_owned()).and_modify(|given| value.clone_into(given));
    }
}

/// The variables of each function of the template, by its name.
pub(crate) fn environments(options: &FunctionsOptions) -> Result<BTreeMap<String, BTreeMap<String, String>>> {
    let template = laptop::template(&options.template, &options.sqs)?;
    let environments = template.functions.iter().map(|spec| (spec.name.clone(), environment(spec, options)));
    Ok(environments.collect())
}

impl FunctionsOptions {
    /// The variables of all functions in one: those that share a name share its value.
    pub fn whole_environment(&self) -> Result<BTreeMap<String, String>> {
        Ok(environments(self)?.into_values().flatten().collect())
    }
}

/// The functions ask for an API key here as they do on AWS; the gateway adds one of these where a request has none.
async fn add_development_keys(template: &Template, options: &FunctionsOptions) -> Result<()> {
    let knows_keys = |spec: &&FunctionSpec| spec.environment.contains_key("ENDPOINTS_TABLE");
    let spec = template.functions.iter().find(knows_keys).context("no function has an ENDPOINTS_TABLE")?;
    let keys = runtime(spec, options)?.api_keys()?;
    for (key, mode) in [(DEVELOPMENT_KEY, Mode::Live), (DEVELOPMENT_TEST_KEY, Mode::Test)] {
        // One that is kept from the last time is as good.
        let _: Written = keys.add(KeyHash::of(key), &development_grant(mode)).await.with_context(|| {
            format!(
                "there is no DynamoDB with Posthorn's tables at {} (serve them with `stores`)",
                options.dynamodb
            )
        })?;
    }
    Ok(())
}

fn development_grant(mode: Mode) -> KeyGrant {
    let now = SystemClock.now();
    KeyGrant {
        id: KeyId::new(now, &SystemRandom),
        account: DEVELOPMENT_ACCOUNT.parse().expect("it is an account's id"),
        mode,
        scopes: Scope::ALL.into(),
        name: "development".parse().expect("it is a short text"),
        created_at: now,
        expires_at: None,
        revoked_at: None,
        last_used_on: None,
    }
}
