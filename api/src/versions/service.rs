//! What can be done with versions, beside uploading (`uploads`) and checking (`checks`).

use chrono::TimeDelta;
use contract::{RecordId, VersionId, objects};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::{NewFile, Place, Status, Version, check_file, store};
use crate::{
    App, Error,
    auth::{Action, Caller, Resource},
    changes::Change,
    collections,
    object_store::Signed,
    records::{self, Record},
    text, transfers,
    unit::{Happened, Unit, answered},
};

/// A version to be.
#[derive(Debug, Serialize)]
pub struct New {
    /// Of which record.
    pub record: RecordId,
    /// The number that it is to have.
    pub number: Option<i32>,
    /// What it is.
    pub file: NewFile,
    /// What the depositor says of it.
    pub note: Option<String>,
}

/// Finds one that the caller may see.
pub async fn find(app: &App, caller: &Caller, id: VersionId) -> Result<Option<Version>, Error> {
    Ok(store::lookup(app.database(), &caller.actor, id.0).await?)
}

/// A row for a declared file.
pub fn make(
    unit: &Unit,
    record: &Record,
    id: Uuid,
    number: i32,
    file: NewFile,
    note: Option<String>,
) -> Version {
    let ticket = unit.app().limits().ticket;
    Version {
        id,
        record_id: record.id,
        transfer_id: record.transfer_id,
        collection_id: record.collection_id,
        number,
        file_name: file.file_name,
        size: i64::try_from(file.size).unwrap_or(i64::MAX),
        sha256: file.sha256,
        sha512: None,
        last_modified: file.last_modified,
        format: None,
        puid: None,
        status: Status::AwaitingUpload,
        note,
        content_id: id,
        object_etag: None,
        upload_id: None,
        ticket_expires_at: unit.now() + TimeDelta::from_std(ticket).unwrap_or(TimeDelta::days(1)),
        place: Place::Incoming,
        disposition: None,
        decision: None,
        decided_at: None,
        verified_at: None,
        damaged_at: None,
        created_by: unit.agent().to_owned(),
        created_at: unit.now(),
    }
}

/// Declares a new version of a record.
pub async fn add(
    app: &App,
    caller: &Caller,
    key: Option<&str>,
    mut new: New,
) -> Result<Version, Error> {
    new.file = check_file("input.file", new.file)?;
    if let Some(note) = &new.note {
        text::check("input.note", note, text::LONG)?;
    }
    let mut unit = app.begin(caller).await?;
    let mut record = records::service::lock(&unit, caller, new.record, Action::AddVersion).await?;
    if let Some(answer) = unit.replay("addVersion", key, &new).await? {
        drop(unit);
        return find(app, caller, answered(answer)?)
            .await?
            .ok_or(Error::NotFound("version"));
    }
    open_for_versions(&mut unit, &record).await?;
    let number = record.newest_number + 1;
    if let Some(wanted) = new.number
        && wanted != number
    {
        return Err(Error::Conflict(format!(
            "the next version of this record is number {number}, not {wanted}"
        )));
    }
    let id = unit.id();
    let version = make(&unit, &record, id, number, new.file, new.note);
    append(&mut unit, &mut record, &version, "version.added").await?;
    unit.remember(key, VersionId(id)).await?;
    unit.commit().await?;
    Ok(version)
}

/// A submitted transfer takes no files until it is decided; a returned one is opened again.
async fn open_for_versions(unit: &mut Unit, record: &Record) -> Result<(), Error> {
    let transfer = transfers::store::load_for_update(unit, record.transfer_id)
        .await?
        .ok_or(Error::NotFound("transfer"))?;
    if transfer.status != transfers::Status::Accepted {
        transfers::service::ready_for_files(unit, transfer).await?;
    }
    Ok(())
}

/// Saves a version as the newest of its record.
async fn append(
    unit: &mut Unit,
    record: &mut Record,
    version: &Version,
    action: &'static str,
) -> Result<(), Error> {
    store::insert_many(unit, vec![version.clone()]).await?;
    record.newest_version_id = version.id;
    record.newest_number = version.number;
    record.newest_status = version.status;
    record.revision += 1;
    if version.status == Status::Accepted {
        record.current_version_id = Some(version.id);
    }
    records::store::update(unit, record.clone()).await?;
    unit.count_version(
        version.transfer_id,
        None,
        Some(version.status),
        version.size,
    );
    unit.changed(Change::Version(version.id.into(), record.id.into()));
    unit.event(
        VersionId(version.id),
        Happened {
            action,
            collection_id: Some(version.collection_id),
            record_id: Some(version.record_id),
            after: Some(json!({
                "number": version.number,
                "fileName": version.file_name,
                "size": version.size,
                "sha256": version.sha256,
                "note": version.note,
            })),
            ..Happened::default()
        },
    );
    Ok(())
}

/// Makes an old accepted version the newest: a new version with the same content and the same results.
pub async fn restore(
    app: &App,
    caller: &Caller,
    key: Option<&str>,
    id: VersionId,
    note: Option<String>,
) -> Result<Version, Error> {
    if let Some(note) = &note {
        text::check("input.note", note, text::LONG)?;
    }
    let old = find(app, caller, id)
        .await?
        .ok_or(Error::NotFound("version"))?;
    let mut unit = app.begin(caller).await?;
    let record_id = RecordId(old.record_id);
    // The version before its record, as everywhere, so that two units never wait for each other.
    let old = store::load_for_update(&unit, old.id)
        .await?
        .ok_or(Error::NotFound("version"))?;
    let mut record =
        records::service::lock(&unit, caller, record_id, Action::RestoreVersion).await?;
    if let Some(answer) = unit.replay("restoreVersion", key, &(id, &note)).await? {
        drop(unit);
        return find(app, caller, answered(answer)?)
            .await?
            .ok_or(Error::NotFound("version"));
    }
    if old.status != Status::Accepted {
        return Err(Error::Precondition(
            "only an accepted version can be restored".into(),
        ));
    }
    let new = Version {
        id: unit.id(),
        number: record.newest_number + 1,
        note,
        created_by: unit.agent().to_owned(),
        created_at: unit.now(),
        ..old.clone()
    };
    append(&mut unit, &mut record, &new, "version.restored").await?;
    crate::checks::store::copy_current(&unit, old.id, new.id).await?;
    unit.remember(key, VersionId(new.id)).await?;
    unit.commit().await?;
    Ok(new)
}

/// A URL to download an accepted version from; `None` for any other.
pub async fn download(
    app: &App,
    caller: &Caller,
    row: &Version,
    body: &str,
    expires_in: Option<i32>,
) -> Result<Option<(Signed, chrono::DateTime<chrono::Utc>)>, Error> {
    if row.status != Status::Accepted || row.place != Place::Records {
        return Ok(None);
    }
    caller.may(Action::Download, &resource(row, body))?;
    let valid_for = download_time(app, expires_in)?;
    let key = objects::version_key(VersionId(row.content_id));
    let signed = app
        .objects()
        .sign_get(objects::Place::Records, &key, &row.file_name, valid_for)
        .await?;
    let until = crate::object_store::expiry(app.clock().now(), valid_for);
    Ok(Some((signed, until)))
}

/// How long a download URL is to be valid: 1 to 3,600 seconds.
pub fn download_time(app: &App, expires_in: Option<i32>) -> Result<std::time::Duration, Error> {
    match expires_in {
        None => Ok(app.limits().download),
        Some(seconds @ 1..=3_600) => Ok(std::time::Duration::from_secs(u64::from(
            seconds.unsigned_abs(),
        ))),
        Some(_) => Err(Error::input(
            "expiresIn",
            "a URL is valid for 1 to 3600 seconds",
        )),
    }
}

/// The body that a version belongs to.
pub async fn body(app: &App, row: &Version) -> Result<String, Error> {
    collections::store::load(app.database(), row.collection_id)
        .await?
        .map(|collection| collection.body)
        .ok_or(Error::NotFound("version"))
}

/// What the access rule needs to know of a version.
pub fn resource<'a>(row: &'a Version, body: &'a str) -> Resource<'a> {
    Resource {
        body: Some(body),
        depositor: Some(&row.created_by),
        accepted: row.status == Status::Accepted,
        assignee: None,
    }
}
