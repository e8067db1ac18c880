//! The tables.

use posthorn_storage::ApiKeys;

use crate::aws;

/// The API keys in a table.
pub(crate) async fn api_keys(table: String, endpoint_url: Option<String>) -> ApiKeys {
    ApiKeys::new(aws_sdk_dynamodb::Client::new(&aws::config(endpoint_url).await), table)
}
