//! Looking for malware.
//!
//! Owns what a scan may answer, and the two engines: [`Clamd`], and [`NoEngine`] where none is
//! configured. Does not own what follows from an answer (the API's policy).
//!
//! Always: [`Verdict::Clean`] is said only by an engine that was given every byte and answered;
//! whatever goes wrong is [`Verdict::Inconclusive`] or [`Verdict::Unavailable`] and says so.

mod clamd;
mod eicar;
mod reply;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;

pub use crate::client::EngineInfo;
pub use clamd::{Clamd, ClamdAddress, ClamdSettings};
pub use eicar::NoEngine;

/// The bytes to look at, in their order. An engine that has seen enough may drop it.
pub type Blocks = mpsc::Receiver<Bytes>;

/// Looks for malware.
#[async_trait]
pub trait Scanner: Send + Sync + 'static {
    /// What would look now, for the log at start.
    async fn identity(&self) -> EngineInfo;

    /// Whether it could look now.
    async fn ready(&self) -> bool {
        true
    }

    /// Looks at an object of `size` bytes.
    async fn scan(&self, size: u64, blocks: Blocks) -> Scan;
}

/// What came of a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// What it says.
    pub verdict: Verdict,
    /// Who says it.
    pub engine: EngineInfo,
    /// How many bytes the verdict rests on.
    pub bytes_looked: u64,
}

/// What a scan says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every byte was looked at, and nothing was found.
    Clean,
    /// Malware, by the name of its signature.
    Infected(String),
    /// Not enough was seen to say either, and why.
    Inconclusive(String),
    /// The engine was not reached, went away or did not answer, and why: it may answer another time.
    Unavailable(String),
}
