//! The whole system in one process, over one data folder: what `muniment serve` and `muniment transfer` run,
//! and what the end-to-end tests start.
//!
//! Owns putting the parts together and taking them apart. Does not own any of the parts, or the command line.

mod keys;
pub mod process;
pub mod signature_store;

pub use process::{Settings, StartError, System};
