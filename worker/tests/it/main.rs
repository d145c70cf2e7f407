//! The worker against a real S3 server in the process, with an API that a test scripts.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod another_store;
mod checks;
mod clamd;
mod client;
mod consumer;
mod credentials;
mod dispositions;
mod dispositions_lost;
mod export_events;
mod exports;
mod faults;
mod fixity;
mod uploads;
mod world;
