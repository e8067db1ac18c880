//! Clients of AWS, built by hand: the SDK's own loading of settings costs a cold start tens of milliseconds.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region, SharedCredentialsProvider, SharedHttpClient};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::SystemTimeSource;
use aws_types::SdkConfig;
use rustls::ClientConfig;

use crate::{Settings, SettingsError, aws_http};

/// How long AWS may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long AWS may take for one try of a call. The SDK makes up to three.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection is kept that nothing is sent over. AWS closes them soon after.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// What all clients of AWS share: their connections.
pub(crate) struct Aws(SharedHttpClient);

impl Aws {
    /// Clients that trust whom `tls` trusts.
    pub(crate) fn new(mut tls: ClientConfig) -> Self {
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT);
        let client = client.build().expect("the settings agree with each other");
        Self(aws_http::client(client))
    }

    /// A client of DynamoDB. `AWS_ENDPOINT_URL_DYNAMODB` (or `AWS_ENDPOINT_URL`) points it elsewhere than to AWS.
    pub(crate) fn dynamodb(&self, settings: &Settings) -> Result<aws_sdk_dynamodb::Client, SettingsError> {
        Ok(aws_sdk_dynamodb::Client::new(&self.config(settings, "AWS_ENDPOINT_URL_DYNAMODB")?))
    }

    /// A client of SQS. `AWS_ENDPOINT_URL_SQS` (or `AWS_ENDPOINT_URL`) points it elsewhere than to AWS.
    pub(crate) fn sqs(&self, settings: &Settings) -> Result<aws_sdk_sqs::Client, SettingsError> {
        Ok(aws_sdk_sqs::Client::new(&self.config(settings, "AWS_ENDPOINT_URL_SQS")?))
    }

    /// A client of KMS. `AWS_ENDPOINT_URL_KMS` (or `AWS_ENDPOINT_URL`) points it elsewhere than to AWS.
    pub(crate) fn kms(&self, settings: &Settings) -> Result<aws_sdk_kms::Client, SettingsError> {
        Ok(aws_sdk_kms::Client::new(&self.config(settings, "AWS_ENDPOINT_URL_KMS")?))
    }

    fn config(&self, settings: &Settings, endpoint: &str) -> Result<SdkConfig, SettingsError> {
        let endpoint = settings.find(endpoint).or_else(|| settings.find("AWS_ENDPOINT_URL"));
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT);
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(settings.text("AWS_REGION")?))
            .credentials_provider(SharedCredentialsProvider::new(credentials(settings)?))
            .http_client(self.0.clone())
            .retry_config(RetryConfig::standard())
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .time_source(SystemTimeSource::new())
            .timeout_config(timeouts.build());
        config.set_endpoint_url(endpoint.map(str::to_owned));
        Ok(config.build())
    }
}

/// What Lambda puts into a function's environment. It is valid for as long as the process lives.
fn credentials(settings: &Settings) -> Result<Credentials, SettingsError> {
    Ok(Credentials::new(
        settings.text("AWS_ACCESS_KEY_ID")?,
        settings.text("AWS_SECRET_ACCESS_KEY")?,
        settings.find("AWS_SESSION_TOKEN").map(str::to_owned),
        None,
        "environment",
    ))
}
