//! Checkpoints: signed states of one Merkle tree over all events (RFC 6962), so that whoever kept one can show that
//! nothing which was in it was changed, removed or reordered.
//!
//! Owns the tree (`store`), who adds to it and what can be proved by it (`service`), the instance's key (`key`) and the
//! whole look at chains and tree (`audit`). Does not own the chains of events (`events::chain`) or the mathematics and
//! formats (`tlog`).
//!
//! Always: leaves, nodes and checkpoints are only ever added; a tree that is not the one signed last is never signed;
//! a proof that somebody asks for holds, or is refused.

pub mod audit;
pub mod graphql;
pub mod key;
pub mod service;
pub mod store;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests;

pub use entity::checkpoint::Model as Checkpoint;

/// A number of leaves as rows have it.
pub(crate) fn as_row(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// A number of leaves from a row.
pub(crate) fn from_row(size: i64) -> u64 {
    u64::try_from(size).unwrap_or_default()
}
