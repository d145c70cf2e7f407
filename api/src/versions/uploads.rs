//! How the bytes of a version come in: tickets, parts, and saying that all is there.
//!
//! Owns part sizes and what "there" means. Does not own what happens next (`checks`).
//!
//! Always: the object store is asked outside transactions; completing twice, or by two clients at once,
//! queues the checks once.

use std::{collections::HashMap, time::Duration};

use contract::{VersionId, objects};
use futures::{StreamExt as _, stream};
use serde_json::json;
use uuid::Uuid;

use super::{Decision, Input, Outcome, Status, Version, name, next, service, store};
use crate::{
    App, Error,
    auth::{Action, Caller},
    changes::Change,
    checks, collections,
    object_store::{Part, Signed, Stored},
    unit::{Happened, Unit},
};

/// The most uploads that one call may complete.
pub const MAX_COMPLETE: usize = 500;
/// The most part URLs that one call answers.
pub const MAX_PARTS: i32 = 100;

const PART: u64 = 16 << 20;
const PARTS: u64 = 9_000;
/// How many objects are looked at at the same time.
const AT_ONCE: usize = 32;
/// A signature of the object store lives for a week at most.
const LONGEST_SIGNATURE: Duration = Duration::from_hours(168);

/// How a version is uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One PUT.
    Single,
    /// Parts of this size, and so many; the last one is shorter.
    Multipart {
        /// In bytes.
        part_size: u64,
        /// At most 9,000.
        parts: u64,
    },
}

/// How a file of this size is uploaded. The part size is a whole number of MiB, so that no file has more
/// parts than S3 takes.
pub fn kind(size: u64, single_put: u64) -> Kind {
    if size <= single_put {
        return Kind::Single;
    }
    let part_size = PART.max(size.div_ceil(PARTS).next_multiple_of(1 << 20));
    Kind::Multipart {
        part_size,
        parts: size.div_ceil(part_size),
    }
}

fn kind_of(app: &App, row: &Version) -> Kind {
    kind(size(row), app.limits().single_put)
}

fn size(row: &Version) -> u64 {
    u64::try_from(row.size).unwrap_or_default()
}

fn key(row: &Version) -> String {
    objects::version_key(VersionId(row.content_id))
}

fn time_left(app: &App, row: &Version) -> Option<Duration> {
    (row.ticket_expires_at - app.clock().now())
        .to_std()
        .ok()
        .map(|left| left.min(LONGEST_SIGNATURE))
        .filter(|left| left.as_secs() > 0)
}

/// What a depositor needs to upload.
#[derive(Debug)]
pub struct Ticket {
    /// How.
    pub kind: Kind,
    /// The one PUT; `None` for parts.
    pub put: Option<Signed>,
    /// Until when.
    pub expires_at: chrono::DateTime<chrono::Utc>,
}

/// The ticket of a version that awaits its bytes; `None` for any other, and for others than its depositor
/// and those who run the archive.
pub async fn ticket(
    app: &App,
    caller: &Caller,
    row: &Version,
    body: &str,
) -> Result<Option<Ticket>, Error> {
    if row.status != Status::AwaitingUpload || !may_upload(caller, row, body) {
        return Ok(None);
    }
    let Some(left) = time_left(app, row) else {
        return Ok(None);
    };
    let kind = kind_of(app, row);
    let put = match kind {
        Kind::Single => Some(
            app.objects()
                .sign_put(&key(row), size(row), &row.sha256, left)
                .await?,
        ),
        Kind::Multipart { .. } => None,
    };
    Ok(Some(Ticket {
        kind,
        put,
        expires_at: row.ticket_expires_at,
    }))
}

fn may_upload(caller: &Caller, row: &Version, body: &str) -> bool {
    caller
        .may(Action::Upload, &service::resource(row, body))
        .is_ok()
}

/// The parts of an upload.
#[derive(Debug)]
pub struct Parts {
    /// The version.
    pub version: Version,
    /// In bytes; the last part is shorter.
    pub part_size: u64,
    /// How many there are in all.
    pub count: u64,
    /// How many are there already.
    pub present: u64,
    /// The first of those that are missing: number, size, and where to put it.
    pub missing: Vec<(i32, u64, Signed)>,
}

/// The parts that are still missing, with URLs. Asking again is how an upload is resumed.
pub async fn parts(
    app: &App,
    caller: &Caller,
    id: VersionId,
    first: Option<i32>,
) -> Result<Parts, Error> {
    let wanted = first.unwrap_or(MAX_PARTS);
    if !(1..=MAX_PARTS).contains(&wanted) {
        return Err(Error::Limit(format!("`first` is 1 to {MAX_PARTS}")));
    }
    let row = service::find(app, caller, id)
        .await?
        .ok_or(Error::NotFound("version"))?;
    let body = service::body(app, &row).await?;
    caller.may(Action::Upload, &service::resource(&row, &body))?;
    if row.status != Status::AwaitingUpload {
        return Err(Error::Precondition(format!(
            "this version is {} and takes no more bytes",
            name(row.status)
        )));
    }
    let Kind::Multipart {
        part_size,
        parts: count,
    } = kind_of(app, &row)
    else {
        return Err(Error::Precondition(
            "this file is small: upload it with the one PUT of its ticket".into(),
        ));
    };
    let left = time_left(app, &row).ok_or_else(|| {
        Error::Precondition("the time for this upload has run out; add a new version".into())
    })?;
    let (row, there) = begin_or_resume(app, row).await?;
    let Some(there) = there else {
        return Ok(Parts {
            version: row,
            part_size,
            count,
            present: count,
            missing: Vec::new(),
        });
    };
    let numbers = missing_numbers(size(&row), part_size, count, &there);
    let present = count - numbers.len() as u64;
    let upload = row.upload_id.clone().unwrap_or_default();
    let mut missing = Vec::new();
    for (number, length) in numbers
        .into_iter()
        .take(usize::try_from(wanted).unwrap_or_default())
    {
        let signed = app
            .objects()
            .sign_part(&key(&row), &upload, number, length, left)
            .await?;
        missing.push((number, length, signed));
    }
    Ok(Parts {
        version: row,
        part_size,
        count,
        present,
        missing,
    })
}

/// Numbers and sizes of the parts that are not there, or not whole.
fn missing_numbers(size: u64, part_size: u64, count: u64, there: &[Part]) -> Vec<(i32, u64)> {
    let there: HashMap<i32, u64> = there.iter().map(|part| (part.number, part.size)).collect();
    (1..=count)
        .filter_map(|number| {
            let length = part_size.min(size - (number - 1) * part_size);
            let number = i32::try_from(number).ok()?;
            (there.get(&number) != Some(&length)).then_some((number, length))
        })
        .collect()
}

/// The version with its multipart upload, and the parts that are there; no parts: the object is whole.
async fn begin_or_resume(app: &App, row: Version) -> Result<(Version, Option<Vec<Part>>), Error> {
    if let Some(upload) = row.upload_id.clone() {
        if let Some(parts) = app.objects().parts(&key(&row), &upload).await? {
            return Ok((row, Some(parts)));
        }
        if app
            .objects()
            .head(objects::Place::Incoming, &key(&row))
            .await?
            .is_some()
        {
            return Ok((row, None));
        }
    }
    let upload = app.objects().begin_multipart(&key(&row)).await?;
    let unit = app.begin_internal().await?;
    let kept = store::set_upload(&unit, row.id, row.upload_id.as_deref(), &upload).await?;
    let now = store::load_for_update(&unit, row.id).await?;
    unit.commit().await?;
    if !kept {
        // Somebody else began at the same time: theirs is the one.
        app.objects().abort(&key(&row), &upload).await?;
    }
    let row = now.ok_or(Error::NotFound("version"))?;
    let upload = row.upload_id.clone().unwrap_or_default();
    let parts = app.objects().parts(&key(&row), &upload).await?;
    Ok((row, Some(parts.unwrap_or_default())))
}

/// What a client saw of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "UploadOutcome")]
pub enum Seen {
    /// All bytes were sent.
    Uploaded,
    /// The object store refused them: they do not have the declared digest.
    RefusedDigest,
}

/// What became of one upload of a call.
#[derive(Debug)]
pub enum Completed {
    /// It is there, and checks are queued.
    Now(Version),
    /// It was known already.
    Already(Version),
    /// It is not there, or not whole.
    Missing(Version, String),
    /// It cannot be.
    Refused(usize, Error),
}

/// What a look into the store showed.
pub(super) enum Look {
    /// All bytes are there.
    There,
    /// The client says that the store refused them.
    Refused,
    /// They are not there, or not all.
    Missing(String),
    /// The store could not be asked.
    Failed(Error),
}

/// Says that uploads are complete. One outcome an item; repeating it is harmless.
pub async fn complete(
    app: &App,
    caller: &Caller,
    items: Vec<Result<(VersionId, Seen), Error>>,
) -> Result<Vec<Completed>, Error> {
    crate::graphql::ids::check_count(items.len(), "input.uploads", MAX_COMPLETE)?;
    let ids: Vec<Uuid> = items.iter().flatten().map(|(id, _)| id.0).collect();
    let visible = store::lookup_many(app.database(), &caller.actor, &ids).await?;
    let bodies = collections::store::bodies(
        app.database(),
        &caller.actor,
        visible.values().map(|row| row.collection_id),
    )
    .await?;
    let may = |row: &Version| {
        bodies
            .get(&row.collection_id)
            .is_some_and(|body| may_upload(caller, row, body))
    };
    let waiting = items
        .iter()
        .flatten()
        .filter_map(|(id, seen)| visible.get(&id.0).map(|row| (row.clone(), *seen)))
        .filter(|(row, _)| row.status == Status::AwaitingUpload && may(row))
        .collect();
    let looks = look_at_all(app, waiting).await;
    let changed = apply(app, caller, &looks).await?;
    Ok(items
        .into_iter()
        .enumerate()
        .map(|(index, item)| {
            let (id, _) = match item {
                Ok(item) => item,
                Err(error) => return Completed::Refused(index, error),
            };
            let Some(row) = visible.get(&id.0).filter(|row| may(row)) else {
                return Completed::Refused(index, Error::NotFound("version"));
            };
            let written = changed.get(&id.0);
            let (now, row) = written.map_or((false, row.clone()), |(now, row)| (*now, row.clone()));
            match looks.get(&row.id) {
                Some(Look::Missing(message)) if written.is_none() => {
                    Completed::Missing(row, message.clone())
                }
                Some(Look::Failed(error)) => Completed::Refused(index, error.clone()),
                _ if row.status == Status::Abandoned => Completed::Refused(
                    index,
                    Error::Precondition(
                        "the time for this upload has run out; add a new version".into(),
                    ),
                ),
                _ if now => Completed::Now(row),
                _ => Completed::Already(row),
            }
        })
        .collect())
}

/// Looks into the store, many at a time.
pub(super) async fn look_at_all(app: &App, waiting: Vec<(Version, Seen)>) -> HashMap<Uuid, Look> {
    stream::iter(waiting)
        .map(|(row, seen)| {
            let app = app.clone();
            async move { (row.id, look(&app, &row, seen).await) }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}

async fn look(app: &App, row: &Version, seen: Seen) -> Look {
    if seen == Seen::RefusedDigest {
        return Look::Refused;
    }
    match look_into_store(app, row).await {
        Ok(Some(stored)) if stored.size == size(row) => Look::There,
        Ok(Some(stored)) => Look::Missing(format!(
            "the object has {} bytes, {} were declared; upload it again",
            stored.size, row.size
        )),
        Ok(None) => Look::Missing("the bytes are not there yet; upload them first".into()),
        Err(MissingParts::Some(count)) => Look::Missing(format!(
            "{count} parts are missing; ask uploadParts for them"
        )),
        Err(MissingParts::Error(error)) => Look::Failed(error),
    }
}

enum MissingParts {
    Some(usize),
    Error(Error),
}

impl From<Error> for MissingParts {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

async fn look_into_store(app: &App, row: &Version) -> Result<Option<Stored>, MissingParts> {
    if let (Kind::Multipart { part_size, parts }, Some(upload)) =
        (kind_of(app, row), row.upload_id.as_deref())
        && let Some(there) = app.objects().parts(&key(row), upload).await?
    {
        let missing = missing_numbers(size(row), part_size, parts, &there);
        if !missing.is_empty() {
            return Err(MissingParts::Some(missing.len()));
        }
        app.objects()
            .complete_multipart(&key(row), upload, &there)
            .await?;
    }
    Ok(app
        .objects()
        .head(objects::Place::Incoming, &key(row))
        .await?)
}

/// Writes down what was seen: one transaction for the whole call.
async fn apply(
    app: &App,
    caller: &Caller,
    looks: &HashMap<Uuid, Look>,
) -> Result<HashMap<Uuid, (bool, Version)>, Error> {
    if looks.values().all(|look| matches!(look, Look::Failed(_))) {
        return Ok(HashMap::new());
    }
    let mut unit = app.begin(caller).await?;
    let answers = write_down(&mut unit, looks).await?;
    unit.commit().await?;
    Ok(answers)
}

/// Writes down what was seen. Answers each row as it is now, and whether it was this unit that changed it.
pub(super) async fn write_down(
    unit: &mut Unit,
    looks: &HashMap<Uuid, Look>,
) -> Result<HashMap<Uuid, (bool, Version)>, Error> {
    let ids: Vec<Uuid> = looks
        .iter()
        .filter(|(_, look)| !matches!(look, Look::Failed(_)))
        .map(|(id, _)| *id)
        .collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = store::load_many_for_update(unit, &ids).await?;
    let mut answers = HashMap::new();
    let mut uploaded = Vec::new();
    for (id, row) in rows {
        match looks.get(&id) {
            // Somebody else told of it meanwhile; it may have been checked and moved on, and be missing for that.
            _ if row.status != Status::AwaitingUpload => {
                answers.insert(id, (false, row));
            }
            Some(Look::There) => uploaded.push(row),
            Some(Look::Refused) => {
                answers.insert(id, (true, refuse_digest(unit, row).await?));
            }
            Some(Look::Missing(_) | Look::Failed(_)) | None => {}
        }
    }
    // In the order of their ids, so that jobs are taken in the order in which files were added.
    uploaded.sort_unstable_by_key(|row| row.id);
    for row in mark_uploaded(unit, uploaded).await? {
        answers.insert(row.id, (true, row));
    }
    Ok(answers)
}

async fn mark_uploaded(unit: &mut Unit, mut rows: Vec<Version>) -> Result<Vec<Version>, Error> {
    if rows.is_empty() {
        return Ok(rows);
    }
    for row in &mut rows {
        let was = row.status;
        row.status = next(was, Input::Uploaded)?;
        unit.count_version(row.transfer_id, Some(was), Some(row.status), row.size);
        unit.changed(Change::Version(row.id.into(), row.record_id.into()));
        unit.event(
            VersionId(row.id),
            Happened {
                action: "version.uploaded",
                collection_id: Some(row.collection_id),
                record_id: Some(row.record_id),
                before: Some(json!({"status": name(was)})),
                after: Some(json!({"status": name(row.status)})),
            },
        );
    }
    store::set_status_many(unit, &rows, Status::Checking).await?;
    checks::service::start_for_upload(unit, &rows).await?;
    Ok(rows)
}

async fn refuse_digest(unit: &mut Unit, mut row: Version) -> Result<Version, Error> {
    let was = row.status;
    let (policy_revision, _) =
        collections::store::current_policy(unit.db(), row.collection_id).await?;
    let reason =
        "the object store refused the bytes: they do not have the declared size and SHA-256";
    let decision = Decision {
        outcome: Outcome::Reject,
        policy_revision,
        by: unit.agent().to_owned(),
        reasons: vec![reason.into()],
        warnings: Vec::new(),
        at: unit.now(),
    };
    row.status = next(was, Input::DigestRefused)?;
    row.decision = Some(json!(decision));
    row.decided_at = Some(unit.now());
    let row = store::update(unit, row, was).await?;
    unit.event(
        VersionId(row.id),
        Happened {
            action: "version.rejected",
            collection_id: Some(row.collection_id),
            record_id: Some(row.record_id),
            before: Some(json!({"status": name(was)})),
            after: Some(json!({"status": name(row.status), "reasons": [reason]})),
        },
    );
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SINGLE: u64 = 64 << 20;

    #[test]
    fn small_files_take_one_put_and_large_ones_parts() {
        for (size, expected) in [
            (0, Kind::Single),
            (SINGLE, Kind::Single),
            (
                SINGLE + 1,
                Kind::Multipart {
                    part_size: 16 << 20,
                    parts: 5,
                },
            ),
            (
                3 << 30,
                Kind::Multipart {
                    part_size: 16 << 20,
                    parts: 192,
                },
            ),
        ] {
            assert_eq!(kind(size, SINGLE), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_file_has_more_parts_than_s3_takes(size in SINGLE + 1..=super::super::MAX_SIZE) {
            let Kind::Multipart { part_size, parts } = kind(size, SINGLE) else {
                return Err(proptest::test_runner::TestCaseError::fail("one PUT"));
            };
            proptest::prop_assert!(parts <= 10_000 && (5 << 20..=5 << 30).contains(&part_size));
            proptest::prop_assert!((parts - 1) * part_size < size && size <= parts * part_size);
        }
    }

    #[test]
    fn a_part_that_is_not_whole_is_missing() {
        let part = |number, size| Part {
            number,
            size,
            etag: String::new(),
        };
        let there = [part(1, 10), part(2, 9), part(4, 5)];
        assert_eq!(missing_numbers(35, 10, 4, &there), [(2, 10), (3, 10)]);
    }
}
