//! What the API gives to do: claims, leases and the four kinds of work.
//!
//! Always: whoever holds a [`Work`] holds the lease that came with it.

use chrono::{DateTime, Utc};
use contract::{ExportId, JobId};
use serde::{Deserialize, Serialize};

/// What became of the wish to have a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ClaimOutcome {
    /// It is ours, for as long as the lease lasts.
    Claimed,
    /// It is over: the message may go.
    NothingToDo,
    /// Another worker holds it.
    Busy,
}

/// The answer for one job.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The job.
    pub job: JobId,
    /// What became of it.
    pub outcome: ClaimOutcome,
    /// What to do, where the job is ours.
    pub granted: Option<Granted>,
}

/// A job that is ours.
#[derive(Debug, Clone, PartialEq)]
pub struct Granted {
    /// By what it is ours.
    pub lease: Lease,
    /// What is to be done.
    pub work: Work,
}

/// The right to work on a job for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The job, and the token that every report carries.
    pub key: LeaseKey,
    /// Which attempt this is: 1, 2, ….
    pub attempt: u32,
    /// After how many attempts the job is dead.
    pub max_attempts: u32,
}

impl Lease {
    /// Whether no attempt follows this one, so that its result must be told whatever it is.
    pub fn is_last_attempt(&self) -> bool {
        self.attempt >= self.max_attempts
    }
}

/// What a lease is named by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LeaseKey {
    /// The job.
    pub job: JobId,
    /// The token.
    pub token: String,
}

/// What became of a lease that was to be extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extended {
    /// The job.
    pub job: JobId,
    /// Another worker may have the job.
    pub lost: bool,
    /// Whoever wanted the result wants it no longer.
    pub cancelled: bool,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// Look at the bytes of a version.
    Check(CheckWork),
    /// Move the bytes of a version to where they belong.
    Disposition(DispositionWork),
    /// Write a package.
    Export(ExportWork),
    /// Read again what is kept.
    Fixity(FixityWork),
}

impl Work {
    /// The name of its kind, for logs and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Check(_) => "check",
            Self::Disposition(_) => "disposition",
            Self::Export(_) => "export",
            Self::Fixity(_) => "fixity",
        }
    }
}

/// Where bytes stand.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectLocation {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The `ETag` of the content that is meant, where it is known.
    pub etag: Option<String>,
}

/// Checks to run on a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckWork {
    /// What the depositor calls the file.
    pub file_name: String,
    /// The declared size.
    pub size: u64,
    /// The declared SHA-256 in hexadecimal.
    pub sha256: String,
    /// Where the bytes are.
    pub object: ObjectLocation,
    /// What to look for.
    pub checks: Vec<CheckToRun>,
}

/// One check that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckToRun {
    /// Its kind, of `contract::checks`.
    pub kind: String,
    /// Its number.
    pub run: i64,
}

/// Bytes to move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DispositionWork {
    /// How many bytes.
    pub size: u64,
    /// From where, and of which `ETag`.
    pub source: ObjectLocation,
    /// To where.
    pub target: ObjectLocation,
}

/// Something that is kept, to be read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixityWork {
    /// Where it is. No `ETag`: whatever stands there now is what is kept.
    pub object: ObjectLocation,
}

/// A package to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportWork {
    /// The export.
    pub export: ExportId,
    /// The name of the bag's folder.
    pub reference: String,
    /// Where it goes.
    pub target: ObjectLocation,
    /// How many files.
    pub files: u64,
    /// The only time that goes into the bag.
    pub as_of: DateTime<Utc>,
    /// Elements of `bag-info.txt`, in their order.
    pub bag_info: Vec<(String, String)>,
    /// By what its events are proved; `None`: it has none.
    pub evidence: Option<ExportEvidence>,
}

/// By what the events of a package are proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportEvidence {
    /// The signed tree.
    pub checkpoint: String,
    /// Whose signature it is.
    pub checkpoint_key: String,
}
