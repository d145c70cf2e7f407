//! How many jobs run at once.
//!
//! Always: a place is given back when its holder is dropped, however it ended. An export gives
//! its place to others at once and waits for one of the places of exports, so that however many
//! exports are asked for, checks go on.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many exports may wait in a worker. They cost no more than a lease that is kept.
const WAITING_EXPORTS: usize = 16;

/// The right to run one job.
pub(super) type Permit = OwnedSemaphorePermit;

/// The places of a worker.
#[derive(Debug, Clone)]
pub(super) struct Slots {
    jobs: Arc<Semaphore>,
    exports: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Slots {
    pub(super) fn new(jobs: usize, exports: usize) -> Self {
        Self {
            jobs: Arc::new(Semaphore::new(jobs.max(1))),
            exports: Arc::new(Semaphore::new(exports.max(1))),
            waiting: Arc::new(Semaphore::new(WAITING_EXPORTS)),
        }
    }

    /// Waits for a place, then takes all that are free, up to `most`.
    pub(super) async fn take(&self, most: usize) -> Vec<Permit> {
        let mut permits = Vec::new();
        // The semaphores are never closed.
        if let Ok(first) = self.jobs.clone().acquire_owned().await {
            permits.push(first);
        }
        while permits.len() < most
            && let Ok(next) = self.jobs.clone().try_acquire_owned()
        {
            permits.push(next);
        }
        permits
    }

    /// Exchanges a place for one of an export. `None`: too many exports wait already.
    pub(super) async fn exchange(&self, permit: Permit) -> Option<Permit> {
        drop(permit);
        let _waiting = self.waiting.clone().try_acquire_owned().ok()?;
        self.exports.clone().acquire_owned().await.ok()
    }
}
