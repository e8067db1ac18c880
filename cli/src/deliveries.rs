//! Deliveries that have become dead letters.

use anyhow::Result;
use clap::Subcommand;

use crate::dead_letters::Contents;
use crate::dead_letters::redrive::Redrive;

#[derive(Subcommand)]
pub(crate) enum Deliveries {
    /// Move dead letters back to their queue, with their original ids. Messages that no function can read stay
    Redrive(Redrive),
}

impl Deliveries {
    pub(crate) async fn run(self) -> Result<()> {
        match self {
            Self::Redrive(command) => command.run(Contents::Deliveries).await,
        }
    }
}
