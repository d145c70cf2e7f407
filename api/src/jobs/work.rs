//! What a claimed job asks of a worker.

use chrono::{DateTime, Utc};
use contract::{
    ExportId, FixityCheckId, JobId, VersionId,
    objects::{Place, export_key, version_key},
};
use entity::version;

use super::lease::Grant;
use crate::{
    App,
    checks::Check,
    exports::{self, Export, service::ExportWorkData},
    fixity::{self, FixityCheck},
    versions::{Disposition, Version},
};

/// What came of claiming a job.
#[derive(Debug)]
pub struct Claim {
    /// Which.
    pub job: JobId,
    /// What came of it.
    pub answer: Answer,
}

/// What came of claiming a job.
#[derive(Debug)]
pub enum Answer {
    /// It is the worker's: under this lease, this work.
    Claimed(Lease, Box<Work>),
    /// It has ended, or there never was such a job: the message may go.
    NothingToDo,
    /// Another worker has it, or it is not due yet: the message stays.
    Busy,
}

/// The right to report a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Proof of having it.
    pub token: String,
    /// Until when.
    pub expires_at: DateTime<Utc>,
    /// 1, 2, …
    pub attempt: i32,
    /// After which the job is given up.
    pub max_attempts: i32,
}

impl Lease {
    /// As it was granted.
    pub fn new(grant: &Grant, attempt: i32, max_attempts: i32) -> Self {
        Self {
            token: grant.token.clone(),
            expires_at: grant.until,
            attempt,
            max_attempts,
        }
    }
}

/// What is to be done.
#[derive(Debug)]
pub enum Work {
    /// Look at the bytes.
    Check(CheckWork),
    /// Move the bytes.
    Disposition(DispositionWork),
    /// Pack an export.
    Export(ExportWorkData),
    /// Read what is kept.
    Fixity(FixityWork),
}

/// Where bytes are.
#[derive(Debug, Clone, PartialEq, Eq, async_graphql::SimpleObject)]
pub struct ObjectLocation {
    /// The bucket's name.
    pub bucket: String,
    /// The object's key.
    pub key: String,
    /// Which bytes, where we know them.
    pub etag: Option<String>,
}

/// Checks to run on a version.
#[derive(Debug)]
pub struct CheckWork {
    /// On what.
    pub version: Version,
    /// Where its bytes are.
    pub object: ObjectLocation,
    /// Which checks: those that have no result yet.
    pub checks: Vec<Check>,
}

/// A move of a version's bytes.
#[derive(Debug)]
pub struct DispositionWork {
    /// Whose bytes.
    pub version: VersionId,
    /// Why.
    pub disposition: Disposition,
    /// How many bytes.
    pub size: i64,
    /// From where, and only while they are these bytes.
    pub source: ObjectLocation,
    /// Where to.
    pub target: ObjectLocation,
}

/// Something that is kept, to be read again.
#[derive(Debug)]
pub struct FixityWork {
    /// For which check.
    pub check: FixityCheckId,
    /// How many bytes there should be.
    pub size: i64,
    /// Where it is. No tag: whatever stands there now is what is kept.
    pub object: ObjectLocation,
}

/// What a check of a version reads; `None` when its bytes are not kept any more.
pub fn fixity_work(app: &App, check: &FixityCheck, version: &Version) -> Option<Work> {
    fixity::is_kept(version).then(|| {
        Work::Fixity(FixityWork {
            check: FixityCheckId(check.id),
            size: version.size,
            object: location(app, version, version.place, None),
        })
    })
}

/// What a check of a package reads; `None` when it is not kept any more.
pub fn package_work(app: &App, check: &FixityCheck, export: &Export) -> Option<Work> {
    let kept = export.status == exports::Status::Ready;
    kept.then(|| {
        Work::Fixity(FixityWork {
            check: FixityCheckId(check.id),
            size: export.size.unwrap_or_default(),
            object: ObjectLocation {
                bucket: app.objects().bucket(Place::Exports).to_owned(),
                key: export_key(ExportId(export.id)),
                etag: None,
            },
        })
    })
}

/// Checks to run on a version; `None` when all have a result.
pub fn check_work(app: &App, version: &Version, checks: Vec<Check>) -> Option<Work> {
    (!checks.is_empty()).then(|| {
        Work::Check(CheckWork {
            object: location(app, version, version.place, None),
            version: version.clone(),
            checks,
        })
    })
}

/// The move of a decided version's bytes; `None` when there is none to make.
pub fn disposition_work(app: &App, version: &Version) -> Option<Work> {
    let disposition = version.disposition?;
    let etag = version.object_etag.clone();
    Some(Work::Disposition(DispositionWork {
        version: VersionId(version.id),
        disposition,
        size: version.size,
        source: location(app, version, version.place, etag),
        target: location(app, version, target(disposition), None),
    }))
}

/// Where a decided version's bytes belong.
pub fn target(disposition: Disposition) -> version::Place {
    match disposition {
        Disposition::Accept => version::Place::Records,
        Disposition::Quarantine => version::Place::Quarantine,
    }
}

fn location(
    app: &App,
    version: &Version,
    place: version::Place,
    etag: Option<String>,
) -> ObjectLocation {
    let place = match place {
        version::Place::Incoming => Place::Incoming,
        version::Place::Records => Place::Records,
        version::Place::Quarantine => Place::Quarantine,
    };
    ObjectLocation {
        bucket: app.objects().bucket(place).to_owned(),
        key: version_key(VersionId(version.content_id)),
        etag,
    }
}
