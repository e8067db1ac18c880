//! Accounts. Only platform keys can read and change them.

mod create;
mod delete;
mod get;
mod list;
mod update;

use anyhow::Result;
use clap::Subcommand;

use crate::settings::Settings;

#[derive(Subcommand)]
pub(crate) enum Accounts {
    /// List accounts, in the order of their ids
    List(list::List),
    /// Show an account
    Get(get::Get),
    /// Create an account. An account also comes to exist with its first endpoint or key
    Create(create::Create),
    /// Change an account. What you do not name stays as it is
    Update(update::Update),
    /// Delete an account: its keys, sessions and endpoints
    Delete(delete::Delete),
}

impl Accounts {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        match self {
            Self::List(command) => command.run(settings).await,
            Self::Get(command) => command.run(settings).await,
            Self::Create(command) => command.run(settings).await,
            Self::Update(command) => command.run(settings).await,
            Self::Delete(command) => command.run(settings).await,
        }
    }
}
