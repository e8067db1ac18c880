//! Posthorn on a laptop: the functions of `template.yaml` in one process, on embedded DynamoDB and SQS.
//!
//! [`Stores`] holds the tables and queues, [`Functions`] runs the functions as API Gateway and Lambda would. Each
//! can be started for itself, on free ports, and stopped; [`demo`] starts both and shows what they do.

pub mod bench;
pub mod chaos;
pub mod demo;
mod functions;
mod gateway;
mod poller;
mod proxy;
mod receiver;
mod registry;
mod scheduler;
mod stores;
mod tasks;

pub use functions::{DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY, Functions, FunctionsOptions, allow_this_machine};
pub use receiver::{Arrival, Receiver};
pub use stores::{Stores, StoresOptions};
