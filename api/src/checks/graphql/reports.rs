//! Results and moves as workers report them.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};

use crate::{
    Error,
    checks::{
        dispositions::{self, MoveReport, Moved},
        evidence::{Checksum, Claimed, Evidence, FormatEvidence, FormatMatch},
        reports::{self, CheckReport, CheckResult},
    },
    graphql::{
        context::{app, caller},
        errors::Result,
        ids::{check_count, id},
        scalars::BigInt,
    },
    jobs::{
        claim::MAX_JOBS,
        graphql::{ClaimObject, ReportOutcome, ReportStatus, work::held},
        reported::Reported,
    },
    versions::{Basis, graphql::VersionStatus},
};

/// Results of checks.
#[derive(InputObject)]
pub struct ReportChecksInput {
    /// 1 to 50, one a job.
    reports: Vec<CheckReportInput>,
}

/// Results of one job.
#[derive(InputObject)]
pub struct CheckReportInput {
    /// Of which job.
    job_id: ID,
    /// Proof of having it.
    lease_token: String,
    /// Which bytes were looked at.
    object_etag: String,
    /// The results, each of another kind.
    results: Vec<CheckResultInput>,
}

impl CheckReportInput {
    fn parse(self, path: &str) -> std::result::Result<CheckReport, Error> {
        Ok(CheckReport {
            held: held(&self.job_id, self.lease_token, path)?,
            object_etag: self.object_etag,
            results: self.results.into_iter().map(Into::into).collect(),
        })
    }
}

/// The result of one check. For CHECKSUM and FORMAT the API takes the status from the evidence; `status`
/// INCONCLUSIVE says that there is none.
#[derive(InputObject)]
pub struct CheckResultInput {
    /// CHECKSUM, ANTIVIRUS, FORMAT, or a further kind.
    kind: String,
    /// As it was claimed.
    run: i32,
    /// How it ended.
    status: Claimed,
    /// What looked.
    engine: String,
    /// Its version.
    engine_version: String,
    /// The version of what it knows.
    signature_version: Option<String>,
    /// How many bytes it looked at. ANTIVIRUS passes only if these are all.
    bytes_looked: BigInt,
    /// For people.
    detail: Option<String>,
    /// When the engine began.
    started_at: DateTime<Utc>,
    /// When it ended.
    finished_at: DateTime<Utc>,
    /// What CHECKSUM measured.
    checksum: Option<ChecksumEvidenceInput>,
    /// What FORMAT found.
    format: Option<FormatEvidenceInput>,
}

impl From<CheckResultInput> for CheckResult {
    fn from(input: CheckResultInput) -> Self {
        Self {
            kind: input.kind,
            run: input.run,
            claimed: input.status,
            engine: input.engine,
            engine_version: input.engine_version,
            signature_version: input.signature_version,
            bytes_looked: input.bytes_looked.0,
            detail: input.detail,
            evidence: Evidence {
                object_etag: None,
                checksum: input.checksum.map(Into::into),
                format: input.format.map(Into::into),
            },
            started_at: input.started_at,
            finished_at: input.finished_at,
        }
    }
}

/// Measured size and digests.
#[derive(InputObject)]
pub struct ChecksumEvidenceInput {
    /// In bytes.
    size: BigInt,
    /// 64 hex digits.
    sha256: String,
    /// 128 hex digits.
    sha512: String,
}

impl From<ChecksumEvidenceInput> for Checksum {
    fn from(input: ChecksumEvidenceInput) -> Self {
        Self {
            size: input.size.0,
            sha256: input.sha256,
            sha512: input.sha512,
        }
    }
}

/// What format identification found.
#[derive(InputObject)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a finding of its own"
)]
pub struct FormatEvidenceInput {
    /// The formats that it may be, best first.
    matches: Vec<FormatMatchInput>,
    /// The extension belongs to another format.
    extension_mismatch: bool,
    /// The content is encrypted.
    encrypted: bool,
    /// It is an archive of further files.
    archive: bool,
    /// There are no bytes.
    empty: bool,
    /// There is a byte order mark and nothing else.
    bom_only: bool,
    /// It looks like text.
    text: bool,
}

impl From<FormatEvidenceInput> for FormatEvidence {
    fn from(input: FormatEvidenceInput) -> Self {
        Self {
            matches: input.matches.into_iter().map(Into::into).collect(),
            extension_mismatch: input.extension_mismatch,
            encrypted: input.encrypted,
            archive: input.archive,
            empty: input.empty,
            bom_only: input.bom_only,
            text: input.text,
        }
    }
}

/// A format that it may be.
#[derive(InputObject)]
pub struct FormatMatchInput {
    /// PRONOM unique identifier.
    puid: String,
    /// Its name in PRONOM.
    name: String,
    /// Its version in PRONOM, or empty.
    version: String,
    /// Its media type in PRONOM, or empty.
    media_type: String,
    /// What it was recognised by.
    basis: Basis,
}

impl From<FormatMatchInput> for FormatMatch {
    fn from(input: FormatMatchInput) -> Self {
        Self {
            puid: input.puid,
            name: input.name,
            version: input.version,
            media_type: input.media_type,
            basis: input.basis,
        }
    }
}

/// One answer a report, in the order told.
#[derive(SimpleObject)]
pub struct ReportChecksPayload {
    /// The answers.
    outcomes: Vec<ReportChecksOutcome>,
}

/// What became of a report.
#[derive(SimpleObject)]
pub struct ReportChecksOutcome {
    /// About which job.
    job_id: ID,
    /// What became of it.
    status: ReportStatus,
    /// For people.
    message: Option<String>,
    /// Where the version stands now.
    version_status: Option<VersionStatus>,
    /// A disposition to do at once, under a lease of its own; null when there is none.
    next: Option<ClaimObject>,
}

impl From<Reported> for ReportChecksOutcome {
    fn from(reported: Reported) -> Self {
        Self {
            job_id: id(reported.job),
            status: reported.status,
            message: reported.message,
            version_status: reported.version_status.map(Into::into),
            next: reported.next.map(Into::into),
        }
    }
}

/// Moves that workers made.
#[derive(InputObject)]
pub struct ReportDispositionsInput {
    /// 1 to 50, one a job.
    reports: Vec<DispositionReportInput>,
}

/// What became of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
pub enum DispositionOutcome {
    /// The bytes are where they belong.
    Done,
    /// The bytes are not those that were checked: nothing was moved.
    ContentChanged,
}

/// What became of one move.
#[derive(InputObject)]
pub struct DispositionReportInput {
    /// Of which job.
    job_id: ID,
    /// Proof of having it.
    lease_token: String,
    /// What became of it.
    outcome: DispositionOutcome,
    /// Of the bytes in their new place.
    etag: Option<String>,
    /// For people.
    detail: Option<String>,
}

impl DispositionReportInput {
    fn parse(self, path: &str) -> std::result::Result<MoveReport, Error> {
        Ok(MoveReport {
            held: held(&self.job_id, self.lease_token, path)?,
            moved: match self.outcome {
                DispositionOutcome::Done => Moved::Done { etag: self.etag },
                DispositionOutcome::ContentChanged => Moved::ContentChanged {
                    detail: self.detail,
                },
            },
        })
    }
}

/// One answer a report, in the order told.
#[derive(SimpleObject)]
pub struct ReportDispositionsPayload {
    /// The answers.
    outcomes: Vec<ReportOutcome>,
}

/// What workers report.
#[derive(Default)]
pub struct ReportMutation;

#[Object]
impl ReportMutation {
    /// Writes results of checks down, 1 to 50 jobs a call, each result once: repeating it is harmless. Workers only.
    async fn report_checks(
        &self,
        ctx: &Context<'_>,
        input: ReportChecksInput,
    ) -> Result<ReportChecksPayload> {
        check_count(input.reports.len(), "input.reports", MAX_JOBS)?;
        let reports = input
            .reports
            .into_iter()
            .enumerate()
            .map(|(index, report)| report.parse(&format!("input.reports.{index}")))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let outcomes = reports::report(app(ctx)?, caller(ctx)?, reports).await?;
        Ok(ReportChecksPayload {
            outcomes: outcomes.into_iter().map(Into::into).collect(),
        })
    }

    /// Writes down that bytes were moved, or why not, 1 to 50 jobs a call: repeating it is harmless. Workers only.
    async fn report_dispositions(
        &self,
        ctx: &Context<'_>,
        input: ReportDispositionsInput,
    ) -> Result<ReportDispositionsPayload> {
        check_count(input.reports.len(), "input.reports", MAX_JOBS)?;
        let reports = input
            .reports
            .into_iter()
            .enumerate()
            .map(|(index, report)| report.parse(&format!("input.reports.{index}")))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let outcomes = dispositions::report(app(ctx)?, caller(ctx)?, &reports).await?;
        Ok(ReportDispositionsPayload {
            outcomes: outcomes.into_iter().map(Into::into).collect(),
        })
    }
}
