//! What both processes, `api` and `worker`, are made of.
//!
//! Owns reading settings, stopping in an orderly way, logging, time and new ids, retrying,
//! serving HTTP, and the doors to the queue, the object store and the identity provider. Does not own any rule of Muniment's:
//! nothing here knows what a record is, and nothing of ours is imported.
//!
//! Always: the current time is read in [`clock`], new ids are made in [`ids`], tasks are
//! started in [`shutdown`] and environment variables are read in [`config`], and nowhere else.

pub mod aws;
pub mod backoff;
pub mod clock;
pub mod config;
pub mod health;
pub mod http;
pub mod ids;
pub mod net;
pub mod openid;
pub mod queue;
pub mod s3;
pub mod services;
pub mod shutdown;
pub mod telemetry;

/// Re-exported so that every crate speaks of the same secret type.
pub use secrecy;
