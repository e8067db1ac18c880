//! Everything that a function needs, from what its environment says.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use posthorn_api::{
    Access, AttemptsApi, CatalogueApi, EndpointsApi, EventsApi, PublishApi, RecoveriesApi, RecoveryApi,
    RegistrationApi, RetryApi, TestingApi,
};
use posthorn_delivery::{Postman, PostmanParts, Recoverer, Sender, Snapshots, Sweeper, Tally};
use posthorn_domain::{Clock, Guard, Networks, Random};
use posthorn_storage::{
    ApiKeys, DeliveryOutbox, DueRetries, EndpointStore, EventLog, EventOutbox, IdempotencyKeys, Recoveries,
    SecretsKey,
};
use rustls::ClientConfig;

use crate::clients::Aws;
use crate::{Metrics, Settings, SettingsError, SystemClock, SystemRandom, log_json, tls};

/// What a function is built from: its settings, its AWS clients, the time and chance.
pub struct Runtime {
    settings: Settings,
    tls: ClientConfig,
    aws: Aws,
    dynamodb: aws_sdk_dynamodb::Client,
    /// Made where it is needed: that takes a tenth of a start, and most functions send nothing.
    sqs: OnceLock<aws_sdk_sqs::Client>,
    secrets_key: Option<Arc<SecretsKey>>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    tally: Arc<Tally>,
}

impl Runtime {
    /// The runtime of this process: its environment, the system's clock, log lines as JSON.
    pub fn start() -> Result<Self, SettingsError> {
        let settings = Settings::from_environment();
        log_json(settings.parsed("LOG_LEVEL")?);
        Self::new(settings, Arc::new(SystemClock), Arc::new(SystemRandom))
    }

    /// A runtime of these parts.
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

    /// What the handlers of the endpoint routes work with.
    pub fn endpoints_api(&self) -> Result<EndpointsApi, SettingsError> {
        Ok(EndpointsApi {
            access: self.access()?,
            endpoints: self.endpoints()?,
            clock: Arc::clone(&self.clock),
            random: Arc::clone(&self.random),
        })
    }

    /// What the handlers work with that take an endpoint's URL; `MAX_ENDPOINTS` is needed where endpoints are created.
    pub fn registration_api(&self) -> Result<RegistrationApi, SettingsError> {
        Ok(RegistrationApi {
            access: self.access()?,
            endpoints: self.endpoints()?,
            max_endpoints: self.settings.parsed_if_set("MAX_ENDPOINTS")?.unwrap_or(0),
            guard: self.guard()?,
            clock: Arc::clone(&self.clock),
            random: Arc::clone(&self.random),
        })
    }

    /// What the handlers of the publishing routes work with.
    pub fn publish_api(&self) -> Result<PublishApi, SettingsError> {
        Ok(PublishApi {
            access: self.access()?,
            outbox: self.events()?,
            idempotency: IdempotencyKeys::new(self.dynamodb.clone(), self.settings.text("EVENTS_TABLE")?),
            clock: Arc::clone(&self.clock),
            random: Arc::clone(&self.random),
        })
    }

    /// What the handlers that read events work with.
    pub fn events_api(&self) -> Result<EventsApi, SettingsError> {
        Ok(EventsApi { access: self.access()?, log: self.event_log()? })
    }

    /// What the handlers that read attempts work with.
    pub fn attempts_api(&self) -> Result<AttemptsApi, SettingsError> {
        Ok(AttemptsApi { access: self.access()?, endpoints: self.endpoints()?, log: self.event_log()? })
    }

    /// What the handler that has attempts made again works with.
    pub fn retry_api(&self) -> Result<RetryApi, SettingsError> {
        Ok(RetryApi {
            access: self.access()?,
            endpoints: self.endpoints()?,
            log: self.event_log()?,
            outbox: self.deliveries()?,
            random: Arc::clone(&self.random),
        })
    }

    /// What the handler that begins recoveries works with.
    pub fn recovery_api(&self) -> Result<RecoveryApi, SettingsError> {
        Ok(RecoveryApi {
            access: self.access()?,
            endpoints: self.endpoints()?,
            log: self.event_log()?,
            recoveries: self.recoveries()?,
            outbox: self.deliveries()?,
            clock: Arc::clone(&self.clock),
            random: Arc::clone(&self.random),
        })
    }

    /// What the handler that shows recoveries works with.
    pub fn recoveries_api(&self) -> Result<RecoveriesApi, SettingsError> {
        Ok(RecoveriesApi { access: self.access()?, recoveries: self.recoveries()? })
    }

    /// What the handler that tries an endpoint works with.
    pub fn testing_api(&self) -> Result<TestingApi, SettingsError> {
        Ok(TestingApi {
            access: self.access()?,
            endpoints: self.endpoints()?,
            outbox: self.events()?,
            clock: Arc::clone(&self.clock),
            random: Arc::clone(&self.random),
        })
    }

    /// What the handler of the catalogue works with.
    pub fn catalogue_api(&self) -> Result<CatalogueApi, SettingsError> {
        Ok(CatalogueApi { access: self.access()? })
    }

    /// What fanning out and delivering work with.
    pub fn postman(&self) -> Result<Postman, SettingsError> {
        let clock = || Arc::clone(&self.clock);
        let max_age = Duration::from_millis(self.settings.parsed("SNAPSHOT_MAX_AGE_MS")?);
        let timeout = Duration::from_secs(self.settings.parsed("DELIVERY_TIMEOUT_SECONDS")?);
        Ok(Postman::new(PostmanParts {
            snapshots: Snapshots::new(self.endpoints()?, clock(), max_age),
            log: self.event_log()?,
            outbox: self.deliveries()?,
            due: self.due_retries()?,
            notices: self.events()?,
            sender: Sender::new(clock(), timeout, self.guard()?, self.tls.clone()),
            schedule: self.settings.parsed("RETRY_SCHEDULE")?,
            logged: self.settings.parsed("LOG_ATTEMPTS")?,
            clock: clock(),
            random: Arc::clone(&self.random),
            tally: Arc::clone(&self.tally),
        }))
    }

    /// What works recoveries off.
    pub fn recoverer(&self) -> Result<Recoverer, SettingsError> {
        Ok(Recoverer {
            endpoints: self.endpoints()?,
            log: self.event_log()?,
            recoveries: self.recoveries()?,
            outbox: self.deliveries()?,
            rate: self.settings.parsed("RECOVERIES_PER_SECOND")?,
            clock: Arc::clone(&self.clock),
            tally: Arc::clone(&self.tally),
        })
    }

    /// What moves retries from the due table to the deliveries queue.
    pub fn sweeper(&self) -> Result<Sweeper, SettingsError> {
        Ok(Sweeper {
            due: self.due_retries()?,
            outbox: self.deliveries()?,
            clock: Arc::clone(&self.clock),
            random: Arc::clone(&self.random),
            tally: Arc::clone(&self.tally),
        })
    }

    /// What tells CloudWatch what the workers have counted.
    pub fn metrics(&self) -> Result<Metrics, SettingsError> {
        let stack = self.settings.text("STACK_NAME")?;
        Ok(Metrics::new(Arc::clone(&self.tally), stack, Arc::clone(&self.clock)))
    }

    /// The endpoints table.
    pub fn endpoints(&self) -> Result<EndpointStore, SettingsError> {
        let store = EndpointStore::new(self.dynamodb.clone(), self.settings.text("ENDPOINTS_TABLE")?);
        Ok(match &self.secrets_key {
            Some(key) => store.sealed_under(Arc::clone(key)),
            None => store,
        })
    }

    /// The API keys, which are in the endpoints table.
    pub fn api_keys(&self) -> Result<ApiKeys, SettingsError> {
        Ok(ApiKeys::new(self.dynamodb.clone(), self.settings.text("ENDPOINTS_TABLE")?))
    }

    /// The events table.
    pub fn event_log(&self) -> Result<EventLog, SettingsError> {
        Ok(EventLog::new(self.dynamodb.clone(), self.settings.text("EVENTS_TABLE")?, self.retention()?))
    }

    /// The recoveries, which are in the events table.
    pub fn recoveries(&self) -> Result<Recoveries, SettingsError> {
        Ok(Recoveries::new(self.dynamodb.clone(), self.settings.text("EVENTS_TABLE")?, self.retention()?))
    }

    fn retention(&self) -> Result<Duration, SettingsError> {
        Ok(Duration::from_hours(24 * self.settings.parsed::<u64>("EVENT_RETENTION_DAYS")?))
    }

    /// The due table.
    pub fn due_retries(&self) -> Result<DueRetries, SettingsError> {
        Ok(DueRetries::new(self.dynamodb.clone(), self.settings.text("DUE_TABLE")?))
    }

    /// The deliveries queue.
    pub fn deliveries(&self) -> Result<DeliveryOutbox, SettingsError> {
        Ok(DeliveryOutbox::new(self.sqs()?, self.settings.text("DELIVERIES_QUEUE_URL")?))
    }

    /// The events queue.
    pub fn events(&self) -> Result<EventOutbox, SettingsError> {
        Ok(EventOutbox::new(self.sqs()?, self.settings.text("EVENTS_QUEUE_URL")?))
    }

    fn sqs(&self) -> Result<aws_sdk_sqs::Client, SettingsError> {
        if let Some(client) = self.sqs.get() {
            return Ok(client.clone());
        }
        let client = self.aws.sqs(&self.settings)?;
        Ok(self.sqs.get_or_init(|| client).clone())
    }

    /// Where endpoints may be.
    fn guard(&self) -> Result<Guard, SettingsError> {
        Ok(Guard {
            schemes: self.settings.parsed("ENDPOINT_SCHEMES")?,
            ports: self.settings.parsed("ENDPOINT_PORTS")?,
            allowed_networks: self
                .settings
                .parsed_if_set::<Networks>("ALLOWED_NETWORKS")?
                .unwrap_or_default(),
        })
    }

    fn access(&self) -> Result<Access, SettingsError> {
        Ok(Access::new(self.api_keys()?, Arc::clone(&self.clock)))
    }
}

/// The key that endpoints' secrets are sealed under, where the customer has one.
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
