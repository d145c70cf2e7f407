//! What became of a worker's report, whatever it was about.

use contract::JobId;

use super::work::Claim;
use crate::versions::Status;

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
pub enum ReportStatus {
    /// It was written down.
    Applied,
    /// It had been written down before.
    AlreadyApplied,
    /// It contradicts what was written down, or makes no sense; nothing was written.
    Conflict,
    /// The lease is no longer the reporter's; nothing was written.
    LeaseLost,
}

/// What became of a report about a job.
#[derive(Debug)]
pub struct Reported {
    /// About which job.
    pub job: JobId,
    /// What became of it.
    pub status: ReportStatus,
    /// For people.
    pub message: Option<String>,
    /// Where the version stands now, if the job is about one.
    pub version_status: Option<Status>,
    /// A disposition to do at once, under a lease of its own.
    pub next: Option<Claim>,
}

impl Reported {
    fn new(job: JobId, status: ReportStatus, message: Option<String>) -> Self {
        Self {
            job,
            status,
            message,
            version_status: None,
            next: None,
        }
    }

    /// It was written down.
    pub fn applied(job: JobId) -> Self {
        Self::new(job, ReportStatus::Applied, None)
    }

    /// It had been written down before.
    pub fn already(job: JobId) -> Self {
        Self::new(job, ReportStatus::AlreadyApplied, None)
    }

    /// It contradicts what was written down, or makes no sense.
    pub fn conflict(job: JobId, message: String) -> Self {
        Self::new(job, ReportStatus::Conflict, Some(message))
    }

    /// The lease is no longer the reporter's.
    pub fn lost(job: JobId) -> Self {
        let message = "the lease is lost: stop working on this job";
        Self::new(job, ReportStatus::LeaseLost, Some(message.into()))
    }

    /// Says where the version stands now.
    #[must_use]
    pub fn of_version(mut self, status: Status) -> Self {
        self.version_status = Some(status);
        self
    }
}
