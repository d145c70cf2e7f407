//! End to end: the system as its users see it. One file a section.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests report by panicking"
)]

mod access;
mod api_keys;
mod architecture;
mod bad_input;
mod command_line;
mod crash;
mod faults;
mod flow;
mod identity;
mod log;
mod model;
mod mutations;
mod readme;
mod schema;
mod services;
mod signatures;
mod subscriptions;
mod unlucky;
