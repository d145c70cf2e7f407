//! The API as the worker sees it: typed operations, one method each.
//!
//! Owns the requests, their time limits and which errors are tried again. Does not own what is
//! done with an answer (`consumer`, `checks`, `dispositions`, `exports`).
//!
//! Always: every operation is checked against `schema.graphql` when this crate is built, and
//! may be repeated without harm, so a request whose answer was lost is sent again. A claim is told
//! from another by a key that is made up for each (`a_claim_is_sent_again_under_the_same_key`).

mod batch;
mod credentials;
mod error;
mod http;
mod items;
mod reports;
mod token;
mod typed;
mod work;

use std::time::Duration;

use async_trait::async_trait;
use contract::JobId;

use crate::uploads::event::Written;

pub(crate) use batch::Batch;
pub use credentials::{ClientCredentials, ClientCredentialsSettings};
pub use error::ApiError;
pub use http::{ApiSettings, HttpApi, client_for};
pub use items::{CheckStatus, EventPage, ExportEvent, ExportItem, ItemCheck, ItemFormat, ItemPage};
pub use reports::{
    CheckReport, CheckResult, ChecksOutcome, DispositionOutcome, DispositionReport, EngineInfo,
    Evidence, ExportAnswer, ExportReport, ExportReportStatus, Failure, FailureKind, FixityReport,
    FormatBasis, FormatEvidence, FormatMatch, Measured, ReportOutcome, ReportStatus, ResultStatus,
    UploadOutcome,
};
pub use token::TokenSource;
pub use typed::documents;
pub use work::{
    CheckToRun, CheckWork, Claim, ClaimOutcome, DispositionWork, ExportEvidence, ExportWork,
    Extended, FixityWork, Granted, Lease, LeaseKey, ObjectLocation, Work,
};

/// What a worker may ask of the API.
#[async_trait]
pub trait Api: Send + Sync + 'static {
    /// Takes jobs, 1 to 50. The answers may come in any order.
    async fn claim_jobs(&self, jobs: &[JobId], lease: Duration) -> Result<Vec<Claim>, ApiError>;

    /// Keeps jobs for `lease` from now.
    async fn extend_leases(
        &self,
        leases: &[LeaseKey],
        lease: Duration,
    ) -> Result<Vec<Extended>, ApiError>;

    /// Tells what checks found, of 1 to 50 jobs.
    async fn report_checks(&self, reports: &[CheckReport]) -> Result<Vec<ChecksOutcome>, ApiError>;

    /// Tells what became of bytes that were to be moved.
    async fn report_dispositions(
        &self,
        reports: &[DispositionReport],
    ) -> Result<Vec<ReportOutcome>, ApiError>;

    /// Tells what was found of things that are kept, of 1 to 50 jobs.
    async fn report_fixity(&self, reports: &[FixityReport])
    -> Result<Vec<ReportOutcome>, ApiError>;

    /// Tells how far an export is.
    async fn report_export(
        &self,
        lease: &LeaseKey,
        report: &ExportReport,
    ) -> Result<ExportAnswer, ApiError>;

    /// Tells that jobs ended without a result.
    async fn fail_jobs(&self, failures: &[Failure]) -> Result<Vec<ReportOutcome>, ApiError>;

    /// Tells of objects that the object store has announced, 1 to 100; one answer an object, in their order.
    async fn report_uploads(&self, written: &[Written]) -> Result<Vec<UploadOutcome>, ApiError>;

    /// The files of an export, 1 to 500 at a time.
    async fn export_items(
        &self,
        lease: &LeaseKey,
        first: u32,
        after: Option<&str>,
    ) -> Result<ItemPage, ApiError>;

    /// What happened to the records of an export, 1 to 500 events at a time.
    async fn export_events(
        &self,
        lease: &LeaseKey,
        first: u32,
        after: Option<&str>,
    ) -> Result<EventPage, ApiError>;
}
