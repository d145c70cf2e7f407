//! Does what takes long: looks at bytes, moves them, packs them.
//!
//! Owns the loop that takes jobs (`consumer`), the three kinds of job ([`checks`], `dispositions`,
//! `exports`) and the way to the API ([`client`]). Does not own any rule or any row: what there is
//! to do, and what follows from a result, the API says.
//!
//! Always: every report is made under a lease and may be repeated; memory does not grow with the
//! size or the number of files; the worker may die at any line, and another one comes to the same
//! end.

mod again;
pub mod checks;
pub mod client;
mod config;
mod consumer;
mod deps;
mod digests;
mod dispositions;
mod exports;
mod fixity;
pub mod health;
mod job;
mod lane;
pub mod measures;
mod objects;
pub mod settings;
pub mod uploads;
mod worker;

pub use config::Config;
pub use exports::ExportSettings;
pub use objects::{CopySettings, ObjectError, ReadSettings};
pub use worker::Worker;
