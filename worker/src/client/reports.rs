//! What the worker tells the API, and what the API answers.
//!
//! Always: a report may be sent again as it is; the API says `ALREADY_APPLIED`.

use chrono::{DateTime, Utc};
use contract::JobId;
use serde::{Deserialize, Serialize};

use super::{Claim, LeaseKey};

/// What the checks of one job found.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckReport {
    /// By which lease.
    pub lease: LeaseKey,
    /// The `ETag` of the content that was looked at.
    pub object_etag: String,
    /// One for each check that was asked for.
    pub results: Vec<CheckResult>,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ResultStatus {
    /// Nothing bad was found, and every byte was looked at.
    Passed,
    /// Something bad was found.
    Failed,
    /// Not enough was seen to say either.
    Inconclusive,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckResult {
    /// Its kind.
    pub kind: String,
    /// Its number.
    pub run: i64,
    /// How it ended.
    pub status: ResultStatus,
    /// By what it was made.
    pub engine: EngineInfo,
    /// How many bytes were looked at.
    pub bytes_looked: u64,
    /// What there is to say to a person.
    pub detail: Option<String>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// What was measured.
    pub evidence: Evidence,
}

/// Who looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The version of what it knows.
    pub signatures: Option<String>,
}

/// What the API decides from.
#[derive(Debug, Clone, PartialEq)]
pub enum Evidence {
    /// The status says all.
    None,
    /// What the bytes amount to.
    Checksum {
        /// How many there are.
        size: u64,
        /// In hexadecimal.
        sha256: String,
        /// In hexadecimal.
        sha512: String,
    },
    /// What the bytes are.
    Format(FormatEvidence),
}

/// What the bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the fields of FormatEvidenceInput"
)]
pub struct FormatEvidence {
    /// Every format that it may be.
    pub matches: Vec<FormatMatch>,
    /// The extension is none of theirs.
    pub extension_mismatch: bool,
    /// It cannot be read without a key.
    pub encrypted: bool,
    /// It holds files of its own.
    pub archive: bool,
    /// It has no bytes.
    pub empty: bool,
    /// It has only a byte order mark.
    pub bom_only: bool,
    /// It looks like text.
    pub text: bool,
}

/// A format that bytes may be of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatMatch {
    /// PRONOM's identifier.
    pub puid: String,
    /// PRONOM's name.
    pub name: String,
    /// The format's version.
    pub version: String,
    /// Its media type.
    pub media_type: String,
    /// From what it was told.
    pub basis: FormatBasis,
}

/// From what a format was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FormatBasis {
    /// What is in the container.
    Container,
    /// Bytes.
    Signature,
    /// The name only.
    Extension,
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReportStatus {
    /// It was taken.
    Applied,
    /// It was there already.
    AlreadyApplied,
    /// Another one is there.
    Conflict,
    /// The job is no longer ours.
    LeaseLost,
}

/// What became of a report on one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportOutcome {
    /// The job.
    pub job: JobId,
    /// What became of it.
    pub status: ReportStatus,
    /// What there is to say.
    pub message: Option<String>,
}

/// What became of the report of one job's checks.
#[derive(Debug, Clone, PartialEq)]
pub struct ChecksOutcome {
    /// What became of it.
    pub report: ReportOutcome,
    /// A disposition to do at once.
    pub next: Option<Claim>,
}

/// What became of bytes that were to be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DispositionOutcome {
    /// They stand at the target only.
    Done,
    /// The source has other bytes than those that were checked.
    ContentChanged,
}

/// The report of a disposition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DispositionReport {
    /// By which lease.
    pub lease: LeaseKey,
    /// What became of the bytes.
    pub outcome: DispositionOutcome,
    /// The `ETag` at the target.
    pub etag: Option<String>,
    /// What there is to say.
    pub detail: Option<String>,
}

/// What was found of something that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixityReport {
    /// By which lease.
    pub lease: LeaseKey,
    /// What its bytes amount to; `None`: there is no such object.
    pub measured: Option<Measured>,
    /// The `ETag` of what was read.
    pub object_etag: Option<String>,
    /// What read it.
    pub engine: String,
}

/// What bytes amount to. The digests are hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// How many there are.
    pub size: u64,
    /// Of 64 digits.
    pub sha256: String,
    /// Of 128 digits.
    pub sha512: String,
}

/// How far an export is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportReport {
    /// On its way.
    Progress {
        /// Files written.
        files: u64,
        /// Bytes of payload written.
        bytes: u64,
    },
    /// It stands at its target.
    Ready {
        /// Its length.
        size: u64,
        /// Its SHA-256 in hexadecimal.
        sha256: String,
    },
    /// It cannot be made.
    Failed {
        /// Why, for the person who asked for it.
        error: String,
    },
}

/// The status of an [`ExportReport`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExportReportStatus {
    /// On its way.
    Progress,
    /// It stands at its target.
    Ready,
    /// It cannot be made.
    Failed,
}

/// What the API answers to an [`ExportReport`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportAnswer {
    /// What became of the report.
    pub status: ReportStatus,
    /// Nobody wants the export any longer.
    pub cancelled: bool,
}

/// What became of an object that the object store had announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UploadOutcome {
    /// The upload was written down.
    Applied,
    /// It was known already.
    AlreadyApplied,
    /// It is no upload that anybody awaits.
    Unknown,
    /// It is not whole; its client goes on with it.
    Incomplete,
    /// It could not be looked at: tell it again.
    Retry,
}

/// Whether a job that failed may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailureKind {
    /// It may go better another time.
    Retry,
    /// It will not.
    GiveUp,
    /// The worker stops: another one takes it, on the same attempt.
    HandBack,
}

/// A job that ended without a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// By which lease.
    pub lease: LeaseKey,
    /// Whether it may be tried again.
    pub kind: FailureKind,
    /// Why.
    pub reason: String,
}
