//! How far an export is, and telling so.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::client::{ExportReport, Lease};
use crate::deps::Deps;
use crate::job::{Interrupt, JobError};

/// How much payload is written.
#[derive(Debug, Default)]
pub(super) struct Progress {
    files: AtomicU64,
    bytes: AtomicU64,
}

impl Progress {
    pub(super) fn file(&self) {
        self.files.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn bytes(&self, count: u64) {
        self.bytes.fetch_add(count, Ordering::Relaxed);
    }

    fn now(&self) -> (u64, u64) {
        (
            self.files.load(Ordering::Relaxed),
            self.bytes.load(Ordering::Relaxed),
        )
    }
}

/// Tells the API again and again, where there is something new. Returns only when the API says
/// that there is no point in going on.
pub(super) async fn tell(deps: &Deps, lease: &Lease, progress: &Progress) -> JobError {
    let mut told = (0, 0);
    loop {
        tokio::time::sleep(deps.config.export.progress_every).await;
        let now = progress.now();
        if now == told {
            continue;
        }
        let (files, bytes) = now;
        let report = ExportReport::Progress { files, bytes };
        match super::tell(deps, lease, &report).await {
            Ok(true) => return JobError::Interrupted(Interrupt::Cancelled),
            Ok(false) => told = now,
            // The export itself may still end well.
            Err(JobError::Retry(error)) => tracing::debug!(error, "progress was not told"),
            Err(error) => return error,
        }
    }
}
