//! What runs in the process when nothing is configured: an object store that speaks S3 over
//! a folder, and a queue in memory.
//!
//! Owns stand-ins that keep the promises of the services they stand in for, so that the rest
//! of Muniment has one code path. Does not own what is stored or queued.
//!
//! Always: what a client was told is stored survives `kill -9`; what was queued need not,
//! because the `job` table is the truth.

pub mod objects;
pub mod queue;
