//! Events: what happened, who did it, to what.
//!
//! Owns who may read them, and how each is linked to the one before it (`chain`). Does not own their writing: a
//! unit of work does that (`unit`), in the transaction of what happened; nor the tree over all of them
//! (`checkpoints`).
//!
//! Always: an event is never changed and never removed.

pub mod chain;
pub mod graphql;
pub mod store;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests;

pub use entity::event::Model as Event;
