//! Scanners that misbehave.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use tokio::sync::Notify;
use worker::checks::antivirus::{Blocks, EngineInfo, NoEngine, Scan, Scanner, Verdict};

/// Finds malware in everything.
pub(crate) struct Infected;

#[async_trait]
impl Scanner for Infected {
    async fn identity(&self) -> EngineInfo {
        NoEngine.identity().await
    }

    async fn scan(&self, size: u64, _: Blocks) -> Scan {
        Scan {
            verdict: Verdict::Infected("Test.Virus".to_owned()),
            engine: self.identity().await,
            bytes_looked: size,
        }
    }
}

/// Calls everything clean, as clamd does with what it was not told to tell of.
pub(crate) struct Trusting;

#[async_trait]
impl Scanner for Trusting {
    async fn identity(&self) -> EngineInfo {
        NoEngine.identity().await
    }

    async fn scan(&self, size: u64, _: Blocks) -> Scan {
        Scan {
            verdict: Verdict::Clean,
            engine: self.identity().await,
            bytes_looked: size,
        }
    }
}

/// Is down.
pub(crate) struct Down;

#[async_trait]
impl Scanner for Down {
    async fn identity(&self) -> EngineInfo {
        NoEngine.identity().await
    }

    async fn scan(&self, _: u64, _: Blocks) -> Scan {
        Scan {
            verdict: Verdict::Unavailable("clamd was not reached".to_owned()),
            engine: self.identity().await,
            bytes_looked: 0,
        }
    }
}

/// Panics on the first object.
#[derive(Default)]
pub(crate) struct PanicsOnce(AtomicBool);

#[async_trait]
impl Scanner for PanicsOnce {
    async fn identity(&self) -> EngineInfo {
        NoEngine.identity().await
    }

    async fn scan(&self, size: u64, blocks: Blocks) -> Scan {
        assert!(self.0.swap(true, Ordering::SeqCst), "on purpose");
        NoEngine.scan(size, blocks).await
    }
}

/// Never ends, and says when it has begun.
#[derive(Default)]
pub(crate) struct Waits {
    pub(crate) begun: Notify,
}

#[async_trait]
impl Scanner for Waits {
    async fn identity(&self) -> EngineInfo {
        NoEngine.identity().await
    }

    async fn scan(&self, _: u64, _: Blocks) -> Scan {
        self.begun.notify_one();
        std::future::pending().await
    }
}
