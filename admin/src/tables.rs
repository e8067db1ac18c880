//! The tables.

use anyhow::Result;
use posthorn_admin::aws;
use posthorn_admin::stack::StackOutputs;
use posthorn_storage::ApiKeys;

use crate::TableArguments;

/// Returns the API keys in a table. Errors if the table has to be found by the stack, and the stack can't be read.
pub(crate) async fn api_keys(
    TableArguments { stack, table, endpoint_url }: TableArguments,
) -> Result<ApiKeys> {
    let config = aws::config(endpoint_url).await;
    let table = match stack {
        Some(stack) => StackOutputs::read(&stack, &config).await?.get("EndpointsTableName")?,
        None => table,
    };
    Ok(ApiKeys::new(aws_sdk_dynamodb::Client::new(&config), table))
}
