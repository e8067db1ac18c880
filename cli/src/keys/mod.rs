//! API keys. With AWS credentials, in the stack's table: so the first key is made. Otherwise over the API.

mod component;
mod create;
mod list;
mod revoke;
mod table;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::settings::Settings;

#[derive(Args)]
pub(crate) struct Keys {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    table: table::TableArguments,
}

#[derive(Subcommand)]
enum Command {
    /// List keys
    List(list::List),
    /// Create a key. It is printed once and never stored
    Create(create::Create),
    /// Revoke a key. Functions refuse it within 30 seconds
    Revoke(revoke::Revoke),
}

impl Keys {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let grants = self.table.grants().await?;
        match self.command {
            Command::List(command) => command.run(settings, grants).await,
            Command::Create(command) => command.run(settings, grants).await,
            Command::Revoke(command) => command.run(settings, grants).await,
        }
    }
}
