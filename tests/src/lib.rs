//! What end-to-end tests share: a running system with a database and a data folder of its own, and a client.
//!
//! Always: a test sees nothing of another; nothing waits without a limit.

#![expect(
    clippy::missing_panics_doc,
    clippy::expect_used,
    reason = "helpers of tests: a panic is how they report"
)]

mod client;
mod socket;
mod world;

pub use client::{Answer, Client};
pub use socket::Socket;
pub use world::{World, sha256};

/// The built `muniment` program.
pub fn muniment() -> std::path::PathBuf {
    let own = std::env::current_exe().expect("a test knows where it is");
    let found = own
        .ancestors()
        .map(|folder| folder.join("muniment"))
        .find(|program| program.is_file());
    found.expect("the program is not built: run `cargo build` first, as tests/run does")
}
