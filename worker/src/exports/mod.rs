//! Writing a BagIt bag as a tar, from the object store into the object store.
//!
//! Owns the order of things: measure, write, complete, report. Does not own what is selected or
//! what the files are called in the bag (the API), or the format (`bagit`).
//!
//! Always: every byte of payload is compared with the digests that it was accepted with, and one
//! that differs fails the export by name; the same selection and events give the same bytes; memory does not
//! grow with the number or the size of files; nothing is left behind by an export that ends early.

mod events;
mod items;
mod parts;
mod payload;
mod plan;
mod progress;
mod tags;
mod write;

use std::time::Duration;

use crate::client::{ExportReport, ExportWork, Lease, ReportOutcome};
use crate::deps::Deps;
use crate::job::{Interrupt, JobError, Signal, accepted};
use events::Events;
use items::Items;
use progress::Progress;

/// How packages are written.
#[derive(Debug, Clone)]
pub struct ExportSettings {
    /// How many files the API is asked for at once, 1 to 500.
    pub page: u32,
    /// A list of files no longer than this, in bytes, is asked for once and kept.
    pub keep: usize,
    /// Files up to this size are fetched ahead.
    pub small: u64,
    /// How many of them at once.
    pub ahead: usize,
    /// The smallest part that is uploaded. S3 takes none below 5 MiB, but for the last.
    pub part: usize,
    /// How many parts are uploaded at once.
    pub parallel_parts: usize,
    /// How often progress is told.
    pub progress_every: Duration,
}

impl Default for ExportSettings {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            page: 500,
            keep: 16 * MIB,
            small: 2 * MIB as u64,
            ahead: 8,
            part: 8 * MIB,
            parallel_parts: 3,
            progress_every: Duration::from_secs(1),
        }
    }
}

/// Writes the package and reports how that went.
pub(crate) async fn run(
    deps: &Deps,
    lease: &Lease,
    work: &ExportWork,
    signal: &Signal,
) -> Result<(), JobError> {
    match make(deps, lease, work, signal).await {
        Ok(package) => {
            let report = ExportReport::Ready {
                size: package.size,
                sha256: package.sha256,
            };
            if tell(deps, lease, &report).await? {
                deps.objects.delete(&work.target).await?;
                return Err(JobError::Interrupted(Interrupt::Cancelled));
            }
            Ok(())
        }
        Err(JobError::Fail(error)) => {
            tracing::warn!(export = %work.export, error, "the export cannot be made");
            tell(deps, lease, &ExportReport::Failed { error }).await?;
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Tells the API. Answers whether nobody wants the export any longer.
async fn tell(deps: &Deps, lease: &Lease, report: &ExportReport) -> Result<bool, JobError> {
    let answer = deps.api.report_export(&lease.key, report).await?;
    if answer.cancelled {
        return Ok(true);
    }
    accepted(&ReportOutcome {
        job: lease.key.job,
        status: answer.status,
        message: None,
    })?;
    Ok(false)
}

/// A package that stands at its target.
struct Package {
    size: u64,
    sha256: String,
}

async fn make(
    deps: &Deps,
    lease: &Lease,
    work: &ExportWork,
    signal: &Signal,
) -> Result<Package, JobError> {
    let progress = Progress::default();
    let mut items = Items::new(deps, lease, work);
    let mut events = Events::new(deps, lease, work);
    let plan = tokio::select! {
        biased;
        plan = plan::measure(&mut items, &mut events, work) => plan?,
        why = signal.raised() => return Err(JobError::Interrupted(why)),
    };
    deps.objects.abort_leftovers(&work.target).await;
    let upload = deps
        .objects
        .begin(&work.target, "application/x-tar")
        .await?;
    let written = tokio::select! {
        biased;
        written = write::write(deps, (&items, &events), work, &plan, &upload, &progress) => written,
        why = signal.raised() => Err(JobError::Interrupted(why)),
        why = progress::tell(deps, lease, &progress) => Err(why),
    };
    let done = match written {
        Ok(written) => match upload.complete(written.parts).await {
            Ok(_) => Ok(Package {
                size: written.size,
                sha256: written.sha256,
            }),
            Err(error) => Err(error.into()),
        },
        Err(error) => Err(error),
    };
    if done.is_err() {
        upload.abort().await;
    }
    done
}
