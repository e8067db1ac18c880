//! Portal sessions: limited access for a customer, in a browser.

mod create;
mod end;

use anyhow::Result;
use clap::Subcommand;

use crate::settings::Settings;

#[derive(Subcommand)]
pub(crate) enum Sessions {
    /// Create a session, and print the URL that begins it
    Create(create::Create),
    /// End all sessions of an account
    End(end::End),
}

impl Sessions {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        match self {
            Self::Create(command) => command.run(settings).await,
            Self::End(command) => command.run(settings).await,
        }
    }
}
