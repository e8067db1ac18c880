//! Events.

mod explain;
mod get;
mod list;
pub(crate) mod publish;
mod resend;

use anyhow::Result;
use clap::Subcommand;

use crate::dead_letters::Contents;
use crate::dead_letters::redrive::Redrive;
use crate::settings::Settings;

#[derive(Subcommand)]
pub(crate) enum Events {
    /// List events, the newest first
    List(list::List),
    /// Show an event, and what became of it at each endpoint
    Get(get::Get),
    /// Publish events: one, or many from a file
    Publish(publish::Publish),
    /// Explain for each endpoint why it got an event, or did not
    Explain(explain::Explain),
    /// Send an event again to endpoints that did not acknowledge it
    Resend(resend::Resend),
    /// Move dead letters of the events queue back to it, with their original ids. Needs AWS credentials
    Redrive(Redrive),
}

impl Events {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        match self {
            Self::List(command) => command.run(settings).await,
            Self::Get(command) => command.run(settings).await,
            Self::Publish(command) => command.run(settings).await,
            Self::Explain(command) => command.run(settings).await,
            Self::Resend(command) => command.run(settings).await,
            Self::Redrive(command) => command.run(Contents::Events).await,
        }
    }
}
