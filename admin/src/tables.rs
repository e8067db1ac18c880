//! The tables.

use anyhow::Result;
use posthorn_admin::aws;
use posthorn_admin::stack::StackOutputs;
use posthorn_storage::Grants;

use crate::TableArguments;

/// Returns the credentials in a table. Errors if the table has to be found by the stack, and the stack can't be read.
pub(crate) async fn grants(TableArguments { stack, table, endpoint_url }: TableArguments) -> Result<Grants> {
    let config = aws::config(endpoint_url).await;
    let table = match stack {
        Some(stack) => StackOutputs::read(&stack, &config).await?.get("EndpointsTableName")?,
        None => table,
    };
    Ok(Grants::new(aws_sdk_dynamodb::Client::new(&config), table))
}
