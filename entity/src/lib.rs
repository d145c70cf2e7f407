//! Rows as sea-orm entities, one file a table.
//!
//! Owns the shape of rows. Does not own rules, queries or GraphQL.

pub mod api_key;
pub mod check;
pub mod checkpoint;
pub mod collection;
pub mod comment;
pub mod event;
pub mod event_leaf;
pub mod event_node;
pub mod event_pending;
pub mod export;
pub mod export_item;
pub mod fixity_check;
pub mod fixity_run;
pub mod job;
pub mod mutation_key;
pub mod policy;
pub mod record;
pub mod task;
pub mod transfer;
pub mod transfer_total;
pub mod version;
