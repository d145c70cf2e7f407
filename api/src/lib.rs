//! The GraphQL server: the only crate that reaches the database.
//!
//! One noun is one folder with the same few file names: `mod.rs` (types, states and rules; pure),
//! `service.rs` (authorise → load → rule → save, event and job in one transaction), `store.rs` (its queries;
//! the only place that names entities) and `graphql.rs` (parse, call one service function, wrap).
//! Beside the nouns stands only what they share.

#![recursion_limit = "512"]

pub mod app;
pub mod auth;
pub mod changes;
pub mod config;
pub mod error;
pub mod graphql;
mod health;
pub mod measures;
pub mod object_store;
pub mod page;
pub mod queue;
pub mod reference;
pub mod server;
#[cfg(test)]
mod testing;
pub mod text;
pub mod unit;

pub mod api_keys;
pub mod checkpoints;
pub mod checks;
pub mod collections;
pub mod events;
pub mod exports;
pub mod fixity;
pub mod jobs;
pub mod records;
pub mod tasks;
pub mod transfers;
pub mod versions;

pub use app::{App, Limits, Parts};
pub use error::Error;
