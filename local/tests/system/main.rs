//! The whole system, started on free ports: what its users see over HTTP, SQS and the webhooks that arrive.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod access;
mod answers;
mod any_body;
mod any_endpoint;
mod architecture;
mod attempts_api;
mod binaries;
mod calls;
mod catalogue;
mod contract;
mod curl;
mod deliveries;
mod due;
mod endpoints_api;
mod event_lists;
mod event_shards;
mod events_api;
mod examples;
mod generated;
mod guard;
mod harness;
mod headers;
mod kms;
mod log;
mod metrics;
mod openapi;
mod publishing;
mod recorded;
mod recovery;
mod regressions;
mod resuming;
mod retries;
mod rights;
mod samples;
mod sealed_secrets;
mod secrets;
mod settings;
mod strangers;
mod template;
mod test_events;
mod time_machine;
mod unknown_routes;
mod version_reads;
mod words;
