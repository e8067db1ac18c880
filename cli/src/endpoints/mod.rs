//! Webhook endpoints.

mod attention;
mod create;
mod delete;
mod fields;
mod get;
mod list;
mod pause;
mod recover;
mod recovery;
mod resume;
mod rotate_secret;
mod secret;
mod test;
mod update;

use anyhow::Result;
use clap::Subcommand;

use crate::settings::Settings;

#[derive(Subcommand)]
pub(crate) enum Endpoints {
    /// List endpoints, the newest first
    List(list::List),
    /// Show an endpoint
    Get(get::Get),
    /// Register an endpoint. Its signing secret is in the output
    Create(create::Create),
    /// Change an endpoint. What you do not name stays as it is
    Update(update::Update),
    /// Delete an endpoint
    Delete(delete::Delete),
    /// List the endpoints that do not get their events now, or get them late
    Attention(attention::Attention),
    /// Hold an endpoint's events until it is resumed
    Pause(pause::Pause),
    /// Send an endpoint what was held, and what comes
    Resume(resume::Resume),
    /// Print an endpoint's signing secret
    Secret(secret::Secret),
    /// Replace an endpoint's signing secret
    RotateSecret(rotate_secret::RotateSecret),
    /// Send a test event to an endpoint
    Test(test::Test),
    /// Resend the events that an endpoint has not acknowledged
    Recover(recover::Recover),
    /// Show how far a recovery is
    Recovery(recovery::Recovery),
}

impl Endpoints {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        match self {
            Self::List(command) => command.run(settings).await,
            Self::Get(command) => command.run(settings).await,
            Self::Create(command) => command.run(settings).await,
            Self::Update(command) => command.run(settings).await,
            Self::Delete(command) => command.run(settings).await,
            Self::Attention(command) => command.run(settings).await,
            Self::Pause(command) => command.run(settings).await,
            Self::Resume(command) => command.run(settings).await,
            Self::Secret(command) => command.run(settings).await,
            Self::RotateSecret(command) => command.run(settings).await,
            Self::Test(command) => command.run(settings).await,
            Self::Recover(command) => command.run(settings).await,
            Self::Recovery(command) => command.run(settings).await,
        }
    }
}
