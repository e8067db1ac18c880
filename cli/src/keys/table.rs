//! The table of the keys, for those with AWS credentials.

use anyhow::Result;
use clap::Args;
use posthorn_cli::aws;
use posthorn_cli::aws::stack::StackOutputs;
use posthorn_domain::AccountId;
use posthorn_storage::Grants;

use crate::exit::Usage;
use crate::settings::Settings;

/// Where the keys are, if they are not reached over the API.
#[derive(Args)]
#[command(next_help_heading = "With AWS credentials, in place of an API key")]
pub(crate) struct TableArguments {
    /// The CloudFormation stack. Its output names the table
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "table")]
    stack: Option<String>,
    /// The endpoints table, if you give no stack. By default EndpointsTable
    #[arg(long, global = true, value_name = "TABLE")]
    table: Option<String>,
    /// DynamoDB's address, if it is not AWS's. On a laptop: http://127.0.0.1:8000
    #[arg(long, global = true, value_name = "URL")]
    endpoint_url: Option<String>,
}

impl TableArguments {
    /// Returns the keys in the table; `None` if no option asks for it. Errors if the stack cannot be read.
    pub(crate) async fn grants(&self) -> Result<Option<Grants>> {
        let Self { stack, table, endpoint_url } = self;
        if stack.is_none() && table.is_none() && endpoint_url.is_none() {
            return Ok(None);
        }
        let config = aws::config(endpoint_url.clone()).await;
        let table = match (stack, table) {
            (Some(stack), _) => StackOutputs::read(stack, &config).await?.get("EndpointsTableName")?,
            (None, Some(table)) => table.clone(),
            (None, None) => "EndpointsTable".to_owned(),
        };
        Ok(Some(Grants::new(aws_sdk_dynamodb::Client::new(&config), table)))
    }
}

/// Returns whose keys in the table are meant: an account's, or the platform's.
pub(super) fn owner(settings: &Settings, is_platform: bool) -> Result<Option<AccountId>, Usage> {
    match (settings.account()?, is_platform) {
        (Some(_), true) => Err(Usage("--account and --platform exclude each other".to_owned())),
        (None, false) => Err(Usage("name whose keys: --account ID, or --platform".to_owned())),
        (account, _) => Ok(account),
    }
}

/// Names whose keys are meant, for messages.
pub(super) fn name(account: Option<&AccountId>) -> String {
    account.map_or_else(|| "the platform".to_owned(), |account| format!("the account {account}"))
}
