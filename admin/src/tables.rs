//! The tables.

use anyhow::Result;
use posthorn_admin::aws;
use posthorn_admin::stack::StackOutputs;
use posthorn_storage::ApiKeys;

use crate::TableArguments;

/// The API keys in a table. Errors if the stack that is to name the table can't be read.
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
