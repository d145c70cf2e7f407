//! An S3 server over a folder.
//!
//! Three layers, each knowing only the next: [`server`](ObjectServer) listens,
//! `service` translates S3's operations (the protocol itself is the `s3s` crate), and
//! `store` keeps objects in files, knowing nothing of HTTP.
//!
//! Always: an object is replaced as a whole or not at all, only after its checksums and its
//! length were verified and its bytes are on the disk.

mod server;
mod service;
mod store;
mod unsigned;

pub use server::{ObjectServer, StartError, router};
pub use store::{OpenError, Store};
