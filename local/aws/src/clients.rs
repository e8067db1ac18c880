//! Clients of embedded services. They have no timeout, so a receive may wait as long as it asks for.

use aws_credential_types::Credentials;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_http_client::Builder;
use aws_types::SdkConfig;
use aws_types::region::Region;

use crate::template::REGION;

/// Credentials for embedded services, which accept any.
pub const ACCESS_KEY: &str = "local";

/// A client of the DynamoDB at this address.
pub fn dynamodb(address: &str) -> aws_sdk_dynamodb::Client {
    aws_sdk_dynamodb::Client::new(&config(address))
}

/// A client of the SQS at this address.
pub fn sqs(address: &str) -> aws_sdk_sqs::Client {
    aws_sdk_sqs::Client::new(&config(address))
}

fn config(address: &str) -> SdkConfig {
    use aws_sdk_sqs::config::{BehaviorVersion, SharedCredentialsProvider};

    let credentials = Credentials::new(ACCESS_KEY, ACCESS_KEY, None, None, "local");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static(REGION))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(Builder::new().build_http())
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .time_source(SystemTimeSource::new())
        .endpoint_url(address)
        .build()
}
