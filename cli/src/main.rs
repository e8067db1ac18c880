//! `posthorn`: Posthorn at the terminal. Most commands call the API; `redrive`, `doctor` and the first key use AWS credentials.

mod accounts;
mod api;
mod attempts;
mod audit;
mod completion;
mod dead_letters;
mod deliveries;
mod docs;
mod doctor;
mod endpoints;
mod events;
mod exit;
mod input;
mod keys;
mod list_profiles;
mod listen;
mod listing;
mod login;
mod logout;
mod man;
mod output;
mod profiles;
mod sessions;
mod settings;
mod tail;
mod trigger;
mod types;
mod verify;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory as _, Parser, Subcommand};

use settings::Settings;

/// Posthorn at the terminal
#[derive(Parser)]
#[command(name = "posthorn", version, propagate_version = true, after_help = exit::CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Subcommand)]
enum Command {
    /// Save an API address and key
    Login(login::Login),
    /// Remove a profile
    Logout(logout::Logout),
    /// List the profiles
    Profiles(list_profiles::ListProfiles),
    /// Forward events to a program on this machine, as they come, signed as deliveries are
    Listen(listen::Listen),
    /// Publish the sample of an event type
    Trigger(trigger::Trigger),
    /// Print attempts as they happen
    Tail(tail::Tail),
    /// Check the signature of a request, and say what is wrong with it
    Verify(verify::Verify),
    /// Webhook endpoints
    #[command(subcommand)]
    Endpoints(endpoints::Endpoints),
    /// Events
    #[command(subcommand)]
    Events(events::Events),
    /// Attempts to deliver events
    #[command(subcommand)]
    Attempts(attempts::Attempts),
    /// Dead letters of the deliveries queues: deliveries and recoveries. Needs AWS credentials
    #[command(subcommand)]
    Deliveries(deliveries::Deliveries),
    /// The well-known event types
    #[command(subcommand)]
    Types(types::Types),
    /// Accounts. Only platform keys can read and change them
    #[command(subcommand)]
    Accounts(accounts::Accounts),
    /// API keys
    Keys(keys::Keys),
    /// Portal sessions: limited access for a customer, in a browser
    #[command(subcommand)]
    Sessions(sessions::Sessions),
    /// List who changed what, the newest first
    Audit(audit::Audit),
    /// Check a stack on AWS, and say what to fix. Needs AWS credentials
    Doctor(doctor::Doctor),
    /// Print the script that completes commands in a shell
    Completion(completion::Completion),
    /// Write manual pages
    Man(man::Man),
    /// Print docs/CLI.md
    #[command(hide = true)]
    Docs,
}

#[tokio::main]
async fn main() -> ExitCode {
    // This fails if a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Arguments { command, settings } = Arguments::parse();
    match Box::pin(command.run(&settings)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<output::Closed>() => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {}", output::safe(&format!("{error:#}")));
            exit::code(&error)
        }
    }
}

impl Command {
    async fn run(self, settings: &Settings) -> Result<()> {
        match self {
            Self::Login(command) => command.run(settings).await,
            Self::Logout(_) => logout::Logout::run(settings),
            Self::Profiles(_) => list_profiles::ListProfiles::run(settings),
            Self::Listen(command) => command.run(settings).await,
            Self::Trigger(command) => command.run(settings).await,
            Self::Tail(command) => command.run(settings).await,
            Self::Verify(command) => command.run(settings),
            Self::Endpoints(command) => command.run(settings).await,
            Self::Events(command) => command.run(settings).await,
            Self::Attempts(command) => command.run(settings).await,
            Self::Deliveries(command) => command.run().await,
            Self::Types(command) => command.run(settings).await,
            Self::Accounts(command) => command.run(settings).await,
            Self::Keys(command) => command.run(settings).await,
            Self::Sessions(command) => command.run(settings).await,
            Self::Audit(command) => command.run(settings).await,
            Self::Doctor(command) => command.run(settings).await,
            Self::Completion(command) => command.run(Arguments::command()),
            Self::Man(command) => command.run(Arguments::command()),
            Self::Docs => output::print(docs::page(Arguments::command()).trim_end()),
        }
    }
}
