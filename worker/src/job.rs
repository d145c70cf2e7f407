//! How a job ends, and how it is told to end early.

use tokio::sync::watch;

use crate::client::{ApiError, ReportOutcome, ReportStatus};
use crate::lane::LaneEnded;
use crate::objects::ObjectError;

/// Why a job ended without a result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JobError {
    /// It may go better another time.
    #[error("{0}")]
    Retry(String),
    /// There is no room for it now, or no object store, which is no fault of the job: it is handed back after a
    /// while.
    #[error("{0}")]
    NotNow(String),
    /// It will not.
    #[error("{0}")]
    Fail(String),
    /// Another worker may have it: there is nothing to say any more.
    #[error("the lease is lost")]
    LeaseLost,
    /// It was told to end.
    #[error("it was interrupted: {0:?}")]
    Interrupted(Interrupt),
}

/// Why a job is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// Another worker may have it.
    Lost,
    /// Nobody wants its result any longer.
    Cancelled,
    /// The worker is shutting down.
    Stopping,
}

impl From<ApiError> for JobError {
    fn from(error: ApiError) -> Self {
        if error.is_retryable() {
            Self::Retry(error.to_string())
        } else {
            Self::Fail(error.to_string())
        }
    }
}

impl From<ObjectError> for JobError {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Full => Self::NotNow(error.to_string()),
            error => Self::Retry(error.to_string()),
        }
    }
}

impl From<LaneEnded> for JobError {
    fn from(error: LaneEnded) -> Self {
        Self::Retry(error.to_string())
    }
}

/// What the API's answer to a report means for the job.
pub(crate) fn accepted(outcome: &ReportOutcome) -> Result<(), JobError> {
    match outcome.status {
        ReportStatus::Applied | ReportStatus::AlreadyApplied => Ok(()),
        ReportStatus::LeaseLost => Err(JobError::LeaseLost),
        ReportStatus::Conflict => Err(JobError::Fail(match &outcome.message {
            Some(message) => format!("the report conflicts: {message}"),
            None => "the report conflicts with an earlier one".to_owned(),
        })),
    }
}

/// Tells a job to end.
#[derive(Debug)]
pub(crate) struct Raise(watch::Sender<Option<Interrupt>>);

/// By what a job is told to end.
#[derive(Debug, Clone)]
pub(crate) struct Signal(watch::Receiver<Option<Interrupt>>);

pub(crate) fn signal() -> (Raise, Signal) {
    let (sender, receiver) = watch::channel(None);
    (Raise(sender), Signal(receiver))
}

impl Raise {
    pub(crate) fn raise(&self, why: Interrupt) {
        self.0.send_replace(Some(why));
    }
}

impl Signal {
    /// Returns when the job is to end.
    pub(crate) async fn raised(&self) -> Interrupt {
        let mut receiver = self.0.clone();
        let raised = receiver.wait_for(Option::is_some).await.map(|why| *why);
        match raised {
            Ok(Some(why)) => why,
            // Nobody is left who could say so.
            _ => std::future::pending().await,
        }
    }
}
