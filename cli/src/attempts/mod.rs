//! Attempts to deliver events.

mod list;
mod retry;

use anyhow::Result;
use clap::Subcommand;

use crate::settings::Settings;

#[derive(Subcommand)]
pub(crate) enum Attempts {
    /// List attempts, those for the newest event first
    List(list::List),
    /// Send the event of an attempt again, to the same endpoint
    Retry(retry::Retry),
}

impl Attempts {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        match self {
            Self::List(command) => command.run(settings).await,
            Self::Retry(command) => command.run(settings).await,
        }
    }
}
