//! Posthorn on a laptop: the functions of `template.yaml` in one process, on embedded DynamoDB and SQS.
//!
//! [`Stores`] holds the tables and queues; [`Functions`] runs the functions as API Gateway and Lambda would. Each can
//! be started and stopped separately, on free ports. [`demo`] starts both and shows what they do; [`commands`] serves
//! them until they are told to stop.

mod binaries;
pub mod commands;
pub mod demo;
mod functions;
mod gateway;
pub mod laptop;
mod poller;
pub mod proxy;
mod receiver;
mod runtime_api;
mod scheduler;
mod stores;
pub mod tasks;

/// Installs the TLS provider. HTTP clients cannot be created without one, even if they use only plain HTTP.
pub fn install_tls() {
    // This fails if a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

pub use binaries::Binaries;
pub use functions::{
    DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY, DEVELOPMENT_PLATFORM_KEY, Functions, FunctionsOptions,
    allow_this_machine, environments, runtime_of,
};
pub use receiver::{Arrival, Receiver};
pub use runtime_api::RuntimeApi;
pub use stores::{QUEUES, Stores, StoresOptions};
