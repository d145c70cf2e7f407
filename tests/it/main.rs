//! End to end: the system as its users see it. One file a section.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests report by panicking"
)]

mod access;
mod access_matrix;
mod any_request;
mod api_keys;
mod architecture;
mod bad_input;
mod command_line;
mod content;
mod crash;
mod faults;
mod fixity;
mod flow;
mod graphql_http;
mod graphql_limits;
mod idempotency;
mod identity;
mod large;
mod log;
mod model;
mod mutations;
mod packages;
mod readme;
mod schema;
mod services;
mod signatures;
mod stopping;
mod subscriptions;
mod unlucky;
mod uploads;
