//! What a worker does with an export, under the lease of its job.
//!
//! Always: nothing is read or reported without a live lease; a report may be repeated; a worker learns with
//! every answer whether somebody has cancelled the export.

use chrono::{DateTime, SecondsFormat, Utc};
use contract::{
    ExportId, JobId,
    objects::{Place, export_key},
};
use entity::job;
use uuid::Uuid;

use super::{
    evidence::{self, Evidence},
    expiry, step,
};
use crate::jobs::reported::ReportStatus;
use crate::{
    App, Error,
    auth::{Action, Caller, Resource},
    checkpoints,
    collections::{self, Collection},
    exports::{
        BagInfoEntry, Export, Input, Selection, Status,
        store::{self, Item},
    },
    jobs::{self, Job},
    transfers,
    unit::Unit,
};

/// The most files that one page of an export holds.
pub(super) const MAX_ITEMS: i32 = 500;

/// The longest reason of a failure that is kept, in characters.
const REASON: usize = 4_000;

/// What a worker needs to know before it packs.
#[derive(Debug, Clone)]
pub struct ExportWorkData {
    /// What is packed.
    pub export: Export,
    /// Where the package goes.
    pub bucket: String,
    /// Under which key.
    pub key: String,
    /// Facts that are the same for the same selection.
    pub bag_info: Vec<BagInfoEntry>,
    /// By what its events are proved.
    pub evidence: Option<Evidence>,
}

/// What a worker says of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// So far it is.
    Progress {
        /// Files packed.
        files: i32,
        /// Their sizes, summed.
        bytes: i64,
    },
    /// The package is there.
    Ready {
        /// Its size.
        size: i64,
        /// Its digest, 64 hex digits.
        sha256: String,
    },
    /// It cannot be packed.
    Failed {
        /// Why.
        reason: String,
    },
}

/// The answer to a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reported {
    /// What became of it.
    pub outcome: ReportStatus,
    /// Whether to stop and delete what was written.
    pub cancelled: bool,
}

/// One page of the files of an export.
#[derive(Debug)]
pub struct ItemPage {
    /// In the order of the bag.
    pub items: Vec<Item>,
    /// Whether there is more before.
    pub has_previous: bool,
    /// Whether there is more after.
    pub has_next: bool,
}

/// An export is about to be packed. `None`: there is nothing to pack any more.
pub async fn work_for_claim(
    unit: &mut Unit,
    export_id: Uuid,
) -> Result<Option<ExportWorkData>, Error> {
    let Some(mut row) = store::load_for_update(unit, export_id).await? else {
        return Ok(None);
    };
    if row.status == Status::Queued {
        row.tree_size = checkpoints::store::covering(unit.db(), row.id).await?;
    }
    let row = match row.status {
        Status::Queued => step(unit, row, Input::Start, "export.started").await?,
        Status::Running => row,
        Status::Ready | Status::Failed | Status::Cancelled | Status::Expired => return Ok(None),
    };
    let bag_info = bag_info(unit, &row).await?;
    Ok(Some(ExportWorkData {
        bucket: unit.app().objects().bucket(Place::Exports).to_owned(),
        key: export_key(ExportId(row.id)),
        bag_info,
        evidence: evidence::of(unit, &row).await?,
        export: row,
    }))
}

/// The job of an export was given up.
pub async fn job_died(unit: &mut Unit, export_id: Uuid, reason: &str) -> Result<(), Error> {
    match store::load_for_update(unit, export_id).await? {
        Some(row) if matches!(row.status, Status::Queued | Status::Running) => {
            fail(unit, row, reason).await.map(drop)
        }
        _ => Ok(()),
    }
}

/// The kept package is not the one that was made. The caller has locked the export.
pub async fn damaged(unit: &mut Unit, mut row: Export, why: &str) -> Result<Export, Error> {
    row.error = Some(why.chars().take(REASON).collect());
    step(unit, row, Input::Damage, "export.fixityFailed").await
}

async fn fail(unit: &mut Unit, mut row: Export, reason: &str) -> Result<Export, Error> {
    row.error = Some(reason.chars().take(REASON).collect());
    step(unit, row, Input::Fail, "export.failed").await
}

/// The next files of an export, in the order of its bag.
pub async fn items(
    app: &App,
    caller: &Caller,
    job: JobId,
    token: &str,
    first: Option<i32>,
    after: Option<&str>,
) -> Result<ItemPage, Error> {
    let limit = limit(first, MAX_ITEMS)?;
    let after = after
        .map(|cursor| {
            let place: Option<u32> = cursor.parse().ok();
            place.ok_or_else(|| Error::input("after", "this is not a cursor of this list"))
        })
        .transpose()?
        .map(i64::from);
    let row = leased(app, caller, job, token).await?;
    let fetched = u64::try_from(limit + 1).unwrap_or_default();
    let mut items = store::items(app.database(), row.subject_id, after, fetched).await?;
    let room = usize::try_from(limit).unwrap_or_default();
    let has_next = items.len() > room;
    items.truncate(room);
    Ok(ItemPage {
        items,
        has_previous: after.is_some(),
        has_next,
    })
}

/// How many things a worker asks for at once.
pub(super) fn limit(first: Option<i32>, most: i32) -> Result<i64, Error> {
    match first.unwrap_or(most) {
        ..1 => Err(Error::input("first", "`first` is at least 1")),
        count if count > most => Err(Error::Limit(format!(
            "`first` is at most {most}; take more by pages, with `after`"
        ))),
        count => Ok(i64::from(count)),
    }
}

/// The job, if the worker holds its live lease.
pub(super) async fn leased(
    app: &App,
    caller: &Caller,
    job: JobId,
    token: &str,
) -> Result<Job, Error> {
    caller.may(Action::Work, &Resource::default())?;
    let row = jobs::store::load(app.database(), job.0).await?;
    row.filter(|row| is_leased(row, token, app.clock().now()))
        .ok_or_else(|| Error::Conflict("the lease of this job is lost: stop working on it".into()))
}

/// Writes down what a worker says of an export.
pub async fn report(
    app: &App,
    caller: &Caller,
    job: JobId,
    token: &str,
    report: Report,
) -> Result<Reported, Error> {
    caller.may(Action::Work, &Resource::default())?;
    let report = check(report)?;
    let mut unit = app.begin(caller).await?;
    let job = jobs::store::load_for_update(&unit, job.0)
        .await?
        .ok_or(Error::NotFound("job"))?;
    let row = store::load_for_update(&unit, job.subject_id)
        .await?
        .ok_or(Error::NotFound("export"))?;
    let cancelled = row.status == Status::Cancelled;
    if !is_leased(&job, token, unit.now()) {
        let outcome = without_lease(&job, token, &row, &report);
        return Ok(Reported { outcome, cancelled });
    }
    let outcome = if cancelled {
        jobs::service::finish(&mut unit, job).await?;
        ReportStatus::Applied
    } else {
        apply(&mut unit, job, row, report).await?
    };
    unit.commit().await?;
    Ok(Reported { outcome, cancelled })
}

fn check(mut report: Report) -> Result<Report, Error> {
    let negative = |path: &str| Error::input(format!("input.{path}"), "this is at least 0");
    match &mut report {
        Report::Progress { files, .. } if *files < 0 => Err(negative("filesDone")),
        Report::Progress { bytes, .. } if *bytes < 0 => Err(negative("bytesDone")),
        Report::Ready { size, .. } if *size < 0 => Err(negative("size")),
        Report::Ready { sha256, .. } => {
            sha256.make_ascii_lowercase();
            if sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                let message = "a SHA-256 is written as 64 hex digits";
                return Err(Error::input("input.sha256", message));
            }
            Ok(report)
        }
        Report::Progress { .. } | Report::Failed { .. } => Ok(report),
    }
}

fn is_leased(job: &Job, token: &str, now: DateTime<Utc>) -> bool {
    job.status == job::Status::Leased
        && job.lease_token.as_deref() == Some(token)
        && job.lease_expires_at.is_some_and(|until| until > now)
}

/// A worker whose report was written down, but who never heard of it, says it again.
fn without_lease(job: &Job, token: &str, row: &Export, report: &Report) -> ReportStatus {
    let ended_by_this =
        job.status == job::Status::Done && job.lease_token.as_deref() == Some(token);
    match (report, row.status) {
        _ if !ended_by_this => ReportStatus::LeaseLost,
        (_, Status::Cancelled)
        | (Report::Progress { .. }, Status::Ready | Status::Expired)
        | (Report::Failed { .. }, Status::Failed) => ReportStatus::AlreadyApplied,
        (Report::Ready { size, sha256 }, Status::Ready | Status::Expired) => {
            if row.size == Some(*size) && row.sha256.as_deref() == Some(sha256.as_str()) {
                ReportStatus::AlreadyApplied
            } else {
                ReportStatus::Conflict
            }
        }
        _ => ReportStatus::Conflict,
    }
}

async fn apply(
    unit: &mut Unit,
    job: Job,
    mut row: Export,
    report: Report,
) -> Result<ReportStatus, Error> {
    match report {
        Report::Progress { files, bytes } => {
            let now = (
                row.files_done.max(files.min(row.files)),
                row.bytes_done.max(bytes.min(row.bytes)),
            );
            if now == (row.files_done, row.bytes_done) {
                return Ok(ReportStatus::AlreadyApplied);
            }
            (row.files_done, row.bytes_done) = now;
            store::update(unit, row).await?;
        }
        Report::Ready { size, sha256 } => {
            row.size = Some(size);
            row.sha256 = Some(sha256);
            (row.files_done, row.bytes_done) = (row.files, row.bytes);
            row.expires_at = Some(expiry::end(unit.app(), unit.now()));
            step(unit, row, Input::Finish, "export.ready").await?;
            jobs::service::finish(unit, job).await?;
        }
        Report::Failed { reason } => {
            fail(unit, row, &reason).await?;
            jobs::service::finish(unit, job).await?;
        }
    }
    Ok(ReportStatus::Applied)
}

/// The collection of an export, where all of it is in one.
pub(super) async fn collection_of(unit: &Unit, row: &Export) -> Result<Option<Collection>, Error> {
    let id = match selection(row)? {
        Selection::TransferId(id) => transfers::store::load(unit.db(), id.0)
            .await?
            .map(|transfer| transfer.collection_id),
        Selection::CollectionId(id) => Some(id.0),
        Selection::RecordIds(ids) => store::only_collection_of(unit.db(), &ids).await?,
    };
    match id {
        Some(id) => Ok(collections::store::load(unit.db(), id).await?),
        None => Ok(None),
    }
}

fn selection(row: &Export) -> Result<Selection, Error> {
    serde_json::from_value(row.selection.clone())
        .map_err(|error| Error::Internal(format!("a stored selection cannot be read: {error}")))
}

/// What stands in `bag-info.txt`: only what is the same whenever the same selection is exported, so neither
/// the export's id nor its time, nor who asked.
async fn bag_info(unit: &Unit, row: &Export) -> Result<Vec<BagInfoEntry>, Error> {
    let mut entries = Vec::new();
    let mut say = |label, value| entries.push(BagInfoEntry { label, value });
    let collection = collection_of(unit, row).await?;
    if let Some(collection) = &collection {
        say("Source-Organization", collection.body.clone());
    }
    say("Internal-Sender-Identifier", row.reference.clone());
    if let Some(collection) = collection {
        say("Consignment-Series", collection.code);
    }
    say("Consignment-Type", "standard".to_owned());
    if let Some(transfer) = row.transfer_id
        && let Some(transfer) = transfers::store::load(unit.db(), transfer).await?
    {
        say(
            "Consignment-Start-Datetime",
            in_seconds(transfer.created_at),
        );
    }
    say("Consignment-Completed-Datetime", in_seconds(row.as_of));
    Ok(entries)
}

fn in_seconds(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
