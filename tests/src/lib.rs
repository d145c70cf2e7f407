//! What end-to-end tests share: a running system with a database and a data folder of its own, and a client.
//!
//! Always: a test sees nothing of another; nothing waits without a limit.

#![expect(
    clippy::missing_panics_doc,
    clippy::expect_used,
    reason = "helpers of tests: a panic is how they report"
)]

mod archives;
mod carrier;
mod client;
mod clock;
mod disk;
pub mod faults;
mod large;
mod others;
mod process;
mod provider;
mod served;
mod services;
mod socket;
mod world;

pub use archives::{Entry, zip, zip64};
pub use carrier::{Mood, carry};
pub use client::{Answer, Client};
pub use clock::SteppingClock;
pub use disk::Disk;
pub use large::{Large, sized};
pub use others::{Scanner, start_others};
pub use process::Process;
pub use provider::{AUDIENCE, HastyClock, Provider, SecondApi};
pub use served::{Served, muniment, program, stderr, stdout};
pub use services::{For, Services, Way};
pub use socket::Socket;
pub use world::{World, sha256};

/// The EICAR test file, in two halves so that no scanner stumbles over this source.
pub fn eicar() -> String {
    [
        "X5O!P%@AP[4\\PZX54(P^)7CC)7}$",
        "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
    ]
    .concat()
}
