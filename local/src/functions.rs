//! Runs the functions of a template, and calls them as AWS does.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use posthorn_domain::{AccountId, Clock as _, Grant, GrantId, KeyId, Mode, Reach, Scope, Tenant};
use posthorn_functions::{Function, set_up};
use posthorn_local_aws::clients;
use posthorn_local_aws::template::{FunctionSpec, REGION, Template};
use posthorn_runtime::{Runtime, Settings, SystemClock, SystemRandom};
use posthorn_storage::{Credential, TokenHash, Written};
use tokio::sync::Semaphore;

use crate::gateway::{Gateway, Target};
use crate::install_tls;
use crate::laptop;
use crate::poller::Poller;
use crate::scheduler::Scheduler;
use crate::tasks::{Tasks, listen};

/// The account of requests without an API key.
pub const DEVELOPMENT_ACCOUNT: &str = "local";
/// The API key for that account's live data. It is valid only on this machine.
pub const DEVELOPMENT_KEY: &str = "sk_local_development";
/// The API key for its test data.
const DEVELOPMENT_TEST_KEY: &str = "sk_local_development_test";
/// The platform key of the laptop. It is never lent.
pub const DEVELOPMENT_PLATFORM_KEY: &str = "sk_platform_local_development";

/// The functions to run, and the services that they use.
#[derive(Debug, Clone, Default)]
pub struct FunctionsOptions {
    /// The template that defines the functions and what calls them.
    pub template: PathBuf,
    /// The HTTP API's port; 0 chooses a free one.
    pub http_port: u16,
    /// DynamoDB's address.
    pub dynamodb: String,
    /// SQS's address.
    pub sqs: String,
    /// Maximum number of functions that run at the same time, as in an AWS account. If it is set, the concurrency
    /// parameters keep the template's defaults; otherwise they have a laptop's higher values.
    pub account_concurrency: Option<usize>,
    /// Whether requests need an API key or a signature, as on AWS. Otherwise those without get a development key.
    pub requires_keys: bool,
    /// Environment variables that replace the template's in every function.
    pub environment: BTreeMap<String, String>,
}

/// The functions, behind an HTTP API and pollers.
pub struct Functions {
    /// The HTTP API's address, such as `http://127.0.0.1:8080`.
    pub http: String,
    tasks: Tasks,
}

impl Functions {
    /// Starts the functions. The tables and queues must be running.
    pub async fn start(options: &FunctionsOptions) -> Result<Self> {
        install_tls();
        let (listener, http) = listen(options.http_port, "--http-port").await?;
        let template = match options.account_concurrency {
            None => laptop::template(&options.template, &options.sqs)?,
            Some(_) => laptop::template_as_deployed(&options.template, &options.sqs)?,
        };
        let account = options.account_concurrency.map(|limit| Arc::new(Semaphore::new(limit)));
        add_development_keys(&template, options).await?;
        let (mut gateway, mut tasks) = (
            Gateway::new(
                DEVELOPMENT_KEY,
                DEVELOPMENT_TEST_KEY,
                DEVELOPMENT_PLATFORM_KEY,
                options.requires_keys,
            )?,
            Tasks::default(),
        );
        // None is called before all are set up: the work of one could use up the files that another needs to start.
        let functions = template.functions.iter().map(|spec| {
            let function = set_up(&spec.name, &runtime(spec, options)?);
            Ok((spec, function.with_context(|| format!("cannot start {}", spec.logical_id))?))
        });
        for (spec, function) in functions.collect::<Result<Vec<_>>>()? {
            match function {
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

    /// Waits until one of the functions can no longer be called.
    pub async fn ended(&mut self) -> Result<()> {
        self.tasks.ended().await
    }

    /// Stops calling the functions, and waits for running invocations.
    pub async fn stop(self) -> Result<()> {
        self.tasks.stop().await
    }
}

fn require_none(spec: &FunctionSpec, what: &str, number: usize) -> Result<()> {
    if number > 0 {
        bail!("the template gives {what} to {}, which does not support them", spec.logical_id);
    }
    Ok(())
}

/// A runtime for this function alone, because on AWS it has its own process.
fn runtime(spec: &FunctionSpec, options: &FunctionsOptions) -> Result<Runtime> {
    let settings = Settings::from_iter(environment(spec, options));
    Ok(Runtime::new(settings, Arc::new(SystemClock), Arc::new(SystemRandom))?)
}

/// The runtime of the function of this name.
pub fn runtime_of(name: &str, options: &FunctionsOptions) -> Result<Runtime> {
    let template = laptop::template(&options.template, &options.sqs)?;
    let spec = template.functions.iter().find(|spec| spec.name == name);
    runtime(spec.with_context(|| format!("the template has no function {name}"))?, options)
}

/// The function's environment variables in the template, with this machine's addresses instead of AWS's.
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
    // On a laptop, log lines cost nothing.
    variables.entry("LOG_ATTEMPTS".to_owned()).and_modify(|given| "all".clone_into(given));
    variables.extend(on_this_machine);
    variables.extend(options.environment.clone());
    variables
}

/// Allows endpoints at any port of this machine, with or without TLS, in functions that have these variables.
pub fn allow_this_machine(variables: &mut BTreeMap<String, String>) {
    for (name, value) in [
        ("ENDPOINT_SCHEMES", "http,https"),
        ("ENDPOINT_PORTS", "1-65535"),
        ("ALLOWED_NETWORKS", "127.0.0.0/8,::1/128"),
    ] {
        // A variable that the template does not give the function on AWS is not added here either.
        variables.entry(name.to_owned()).and_modify(|given| value.clone_into(given));
    }
}

/// The environment variables of each function of the template, by the function's name.
pub fn environments(options: &FunctionsOptions) -> Result<BTreeMap<String, BTreeMap<String, String>>> {
    let template = laptop::template(&options.template, &options.sqs)?;
    let environments = template.functions.iter().map(|spec| (spec.name.clone(), environment(spec, options)));
    Ok(environments.collect())
}

impl FunctionsOptions {
    /// The environment variables of all functions together. A name has the same value in each function.
    pub fn whole_environment(&self) -> Result<BTreeMap<String, String>> {
        Ok(environments(self)?.into_values().flatten().collect())
    }
}

/// Adds the development keys. The functions check API keys as on AWS, and the gateway adds one of these to a request
/// without a key.
async fn add_development_keys(template: &Template, options: &FunctionsOptions) -> Result<()> {
    let knows_keys = |spec: &&FunctionSpec| spec.environment.contains_key("ENDPOINTS_TABLE");
    let spec = template
        .functions
        .iter()
        .find(knows_keys)
        .context("no function in the template has the variable ENDPOINTS_TABLE")?;
    let keys = runtime(spec, options)?.grants()?;
    let account: AccountId = DEVELOPMENT_ACCOUNT.parse().expect("it is a valid account id");
    let tenant = |mode| Reach::Tenant(Tenant { account: account.clone(), mode });
    for (key, reach) in [
        (DEVELOPMENT_KEY, tenant(Mode::Live)),
        (DEVELOPMENT_TEST_KEY, tenant(Mode::Test)),
        (DEVELOPMENT_PLATFORM_KEY, Reach::Platform),
    ] {
        // A key that exists from an earlier run needs no change.
        let _: Written = keys
            .add(&Credential::Token(TokenHash::of(key)), &development_grant(reach), None)
            .await
            .with_context(|| {
                format!(
                    "cannot write to Posthorn's tables at {}. Start them with `cargo run -- stores`",
                    options.dynamodb
                )
            })?;
    }
    Ok(())
}

fn development_grant(reach: Reach) -> Grant {
    let now = SystemClock.now();
    let is_platform = reach == Reach::Platform;
    let scopes = Scope::ALL.iter().copied().filter(|scope| is_platform || scope.is_for_accounts());
    let id = GrantId::Key(KeyId::new(now, &SystemRandom));
    let name = "development".parse().expect("it is short enough");
    Grant { name, ..Grant::new(id, reach, scopes.collect(), now) }
}
