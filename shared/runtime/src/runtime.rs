//! Builds everything that a function needs from its environment.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use posthorn_api::Access;
use posthorn_delivery::{Notices, Release, Sender, Snapshots, Tally};
use posthorn_domain::{Clock, EventShards, Guard, Networks, Random, RetrySchedule};
use posthorn_storage::{
    Accounts, AuditLog, DeliveryOutbox, DueRetries, EndpointStore, EventLog, EventOutbox, FeedReaders,
    Grants, IdempotencyKeys, Inbox, Recoveries, SecretsKey, Sessions,
};
use rustls::ClientConfig;

use crate::clients::Aws;
use crate::{Metrics, Settings, SettingsError, SystemClock, SystemRandom, log_json, tls};

/// The memory of a function in MB, if Lambda does not say it.
const USUAL_MEMORY: usize = 512;
/// The part of a function's memory that endpoints may take: a quarter.
const SNAPSHOTS_SHARE: usize = 4;

/// What functions are built from: settings, AWS clients, clock and random source.
pub struct Runtime {
    settings: Settings,
    tls: ClientConfig,
    aws: Aws,
    dynamodb: aws_sdk_dynamodb::Client,
    /// Made on first use: it takes a tenth of a start, and most functions send nothing.
    sqs: OnceLock<aws_sdk_sqs::Client>,
    secrets_key: Option<Arc<SecretsKey>>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    tally: Arc<Tally>,
}

impl Runtime {
    /// Builds the runtime of this process: its environment, the system's clock and randomness, log lines as JSON.
    pub fn start() -> Result<Self, SettingsError> {
        let settings = Settings::from_environment();
        log_json(settings.parsed("LOG_LEVEL")?);
        Self::new(settings, Arc::new(SystemClock), Arc::new(SystemRandom))
    }

    /// Builds a runtime from these parts.
    pub fn new(
        settings: Settings,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, SettingsError> {
        let tls = tls::client_config(&settings)?;
        let aws = Aws::new(tls.clone());
        let dynamodb = aws.dynamodb(&settings)?;
        let secrets_key = secrets_key(&settings, &aws, &clock, &random)?;
        let tally = Arc::new(Tally::new(Arc::clone(&random)));
        Ok(Self { settings, tls, aws, dynamodb, sqs: OnceLock::new(), secrets_key, clock, random, tally })
    }

    /// Returns an environment variable, parsed. Errors if it is missing or does not parse.
    pub fn setting<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T, SettingsError> {
        self.settings.parsed(name)
    }

    /// Returns an environment variable, parsed, or `None` if it is missing. Errors if it does not parse.
    pub fn setting_if_set<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, SettingsError> {
        self.settings.parsed_if_set(name)
    }

    /// Returns the clock.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// Returns the random source for ids and secrets.
    pub fn random(&self) -> Arc<dyn Random> {
        Arc::clone(&self.random)
    }

    /// Builds authentication by API key.
    pub fn access(&self) -> Result<Access, SettingsError> {
        Ok(Access::new(self.grants()?, self.accounts()?, self.clock(), self.random()))
    }

    /// Returns the guard, which decides where endpoints may be.
    pub fn guard(&self) -> Result<Guard, SettingsError> {
        Ok(Guard {
            schemes: self.setting("ENDPOINT_SCHEMES")?,
            ports: self.setting("ENDPOINT_PORTS")?,
            allowed_networks: self.setting_if_set::<Networks>("ALLOWED_NETWORKS")?.unwrap_or_default(),
        })
    }

    /// Builds the sender, which POSTs to endpoints.
    pub fn sender(&self) -> Result<Sender, SettingsError> {
        let timeout = Duration::from_secs(self.setting("DELIVERY_TIMEOUT_SECONDS")?);
        Ok(Sender::new(self.clock(), self.random(), timeout, self.guard()?, &self.tls))
    }

    /// Builds this process's memory of endpoints.
    pub fn snapshots(&self) -> Result<Snapshots, SettingsError> {
        let megabytes = self.setting_if_set("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")?.unwrap_or(USUAL_MEMORY);
        Ok(Snapshots::new(self.endpoints()?, self.clock(), (megabytes << 20) / SNAPSHOTS_SHARE))
    }

    /// Returns the tally, in which the workers count.
    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    /// Returns the metrics, which report the tally to CloudWatch.
    pub fn metrics(&self) -> Result<Metrics, SettingsError> {
        let stack = self.setting("STACK_NAME")?;
        Ok(Metrics::new(Arc::clone(&self.tally), stack, Arc::clone(&self.clock)))
    }

    /// The endpoints table.
    pub fn endpoints(&self) -> Result<EndpointStore, SettingsError> {
        let store = EndpointStore::new(self.dynamodb.clone(), self.setting("ENDPOINTS_TABLE")?);
        Ok(match &self.secrets_key {
            Some(key) => store.sealed_under(Arc::clone(key)),
            None => store,
        })
    }

    /// The credentials, which are in the endpoints table.
    pub fn grants(&self) -> Result<Grants, SettingsError> {
        Ok(Grants::new(self.dynamodb.clone(), self.setting("ENDPOINTS_TABLE")?))
    }

    /// The portal sessions, which are in the endpoints table.
    pub fn sessions(&self) -> Result<Sessions, SettingsError> {
        Ok(Sessions::new(self.dynamodb.clone(), self.setting("ENDPOINTS_TABLE")?))
    }

    /// The accounts, which are in the endpoints table.
    pub fn accounts(&self) -> Result<Accounts, SettingsError> {
        Ok(Accounts::new(self.dynamodb.clone(), self.setting("ENDPOINTS_TABLE")?))
    }

    /// The audit log, which is in the endpoints table.
    pub fn audit_log(&self) -> Result<AuditLog, SettingsError> {
        Ok(AuditLog::new(self.dynamodb.clone(), self.setting("ENDPOINTS_TABLE")?))
    }

    /// The events table.
    pub fn event_log(&self) -> Result<EventLog, SettingsError> {
        Ok(EventLog::new(self.dynamodb.clone(), self.setting("EVENTS_TABLE")?, self.retention()?))
    }

    /// The readers of feeds, which are in the events table. A fifth of the AWS account's concurrent executions may wait for
    /// events.
    pub fn feed_readers(&self) -> Result<FeedReaders, SettingsError> {
        let (table, places) =
            (self.setting("EVENTS_TABLE")?, self.setting::<u64>("ACCOUNT_CONCURRENCY")? / 5);
        Ok(FeedReaders::new(self.dynamodb.clone(), table, places))
    }

    /// Returns how many partitions of the events table share the new events of one type.
    pub fn event_shards(&self) -> Result<EventShards, SettingsError> {
        self.setting("EVENT_SHARDS")
    }

    /// The idempotency keys, which are in the events table.
    pub fn idempotency_keys(&self) -> Result<IdempotencyKeys, SettingsError> {
        Ok(IdempotencyKeys::new(self.dynamodb.clone(), self.setting("EVENTS_TABLE")?))
    }

    /// The recoveries, which are in the events table.
    pub fn recoveries(&self) -> Result<Recoveries, SettingsError> {
        Ok(Recoveries::new(self.dynamodb.clone(), self.setting("EVENTS_TABLE")?, self.retention()?))
    }

    /// What takes care of the deliveries that endpoints hold.
    pub fn release(&self) -> Result<Release, SettingsError> {
        Ok(Release {
            recoveries: self.recoveries()?,
            outbox: self.deliveries_queue()?,
            clock: self.clock(),
            random: self.random(),
        })
    }

    /// What publishes notices about endpoints.
    pub fn notices(&self) -> Result<Notices, SettingsError> {
        Ok(Notices::new(self.events_queue()?))
    }

    /// Returns the retry schedule. Errors if a delivery may outlast its event's record.
    pub fn retry_schedule(&self) -> Result<RetrySchedule, SettingsError> {
        let (schedule, retention) = (self.setting::<RetrySchedule>("RETRY_SCHEDULE")?, self.retention()?);
        let longest = schedule.longest();
        if longest <= retention {
            return Ok(schedule);
        }
        let hours = |time: Duration| time.as_secs().div_ceil(3_600);
        let reason = format!(
            "allows retries for up to {} hours with jitter, but EVENT_RETENTION_DAYS keeps events for {} hours. Shorten the \
             waits, or keep events for at least {} days",
            hours(longest),
            hours(retention),
            hours(longest).div_ceil(24)
        );
        Err(SettingsError::Invalid { name: "RETRY_SCHEDULE".to_owned(), reason })
    }

    /// Returns how long events are kept.
    pub fn retention(&self) -> Result<Duration, SettingsError> {
        Ok(Duration::from_hours(24 * self.setting::<u64>("EVENT_RETENTION_DAYS")?))
    }

    /// The due table.
    pub fn due_retries(&self) -> Result<DueRetries, SettingsError> {
        Ok(DueRetries::new(self.dynamodb.clone(), self.setting("DUE_TABLE")?))
    }

    /// The first attempts queue.
    pub fn first_attempts_queue(&self) -> Result<DeliveryOutbox, SettingsError> {
        Ok(DeliveryOutbox::new(self.sqs()?, self.setting("FIRST_ATTEMPTS_QUEUE_URL")?))
    }

    /// The deliveries queue.
    pub fn deliveries_queue(&self) -> Result<DeliveryOutbox, SettingsError> {
        Ok(DeliveryOutbox::new(self.sqs()?, self.setting("DELIVERIES_QUEUE_URL")?))
    }

    /// The queues that this function receives from. `queues` are the names of the settings with their URLs.
    pub fn inbox(&self, queues: &[&str]) -> Result<Inbox, SettingsError> {
        let urls = queues.iter().map(|name| self.setting(name)).collect::<Result<Vec<String>, _>>()?;
        Ok(Inbox::new(self.sqs()?, urls, self.setting("DEAD_LETTER_QUEUE_URL")?))
    }

    /// The events queue.
    pub fn events_queue(&self) -> Result<EventOutbox, SettingsError> {
        Ok(EventOutbox::new(self.sqs()?, self.setting("EVENTS_QUEUE_URL")?))
    }

    fn sqs(&self) -> Result<aws_sdk_sqs::Client, SettingsError> {
        if let Some(client) = self.sqs.get() {
            return Ok(client.clone());
        }
        let client = self.aws.sqs(&self.settings)?;
        Ok(self.sqs.get_or_init(|| client).clone())
    }
}

/// Returns the key that endpoints' secrets are sealed under, if the customer has set one.
fn secrets_key(
    settings: &Settings,
    aws: &Aws,
    clock: &Arc<dyn Clock>,
    random: &Arc<dyn Random>,
) -> Result<Option<Arc<SecretsKey>>, SettingsError> {
    let Some(arn) = settings.find("SECRETS_KEY_ARN") else { return Ok(None) };
    let kms = aws.kms(settings)?;
    Ok(Some(Arc::new(SecretsKey::new(kms, arn.to_owned(), Arc::clone(clock), Arc::clone(random)))))
}
