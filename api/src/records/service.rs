//! What can be done with records.

use std::collections::{HashMap, HashSet};

use contract::{RecordId, TransferId, VersionId};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{New, Record, check_new, default_title, path_key, payload_path, store};
use crate::{
    App, Error,
    auth::{Action, Caller, Resource},
    collections, reference, text, transfers,
    unit::{Happened, Unit, check_revision},
    versions::{self, NewFile, Status, Version},
};

/// The most records that one call may add.
pub const MAX_ADD: usize = 500;

/// What became of one record of a call.
#[derive(Debug)]
pub enum Added {
    /// It is new.
    New(Record, Version),
    /// The same content stands at this path already.
    Exists(Record, Version),
    /// Another content stands at this path.
    PathTaken(Record, Version),
    /// It makes no sense.
    Refused(usize, Error),
}

/// How a client names a record.
#[derive(Debug, Clone)]
pub enum By {
    /// By its id.
    Id(RecordId),
    /// By its reference.
    Reference(String),
}

/// Finds one that the caller may see.
pub async fn find(app: &App, caller: &Caller, by: &By) -> Result<Option<Record>, Error> {
    let found = match by {
        By::Id(id) => store::lookup(app.database(), &caller.actor, id.0).await?,
        By::Reference(reference) => {
            store::lookup_reference(app.database(), &caller.actor, reference).await?
        }
    };
    Ok(found)
}

/// Adds records with their first versions to a transfer. Repeating it is harmless: what is there already is
/// answered as it is. One item that makes no sense does not spoil the others.
pub async fn add(
    app: &App,
    caller: &Caller,
    transfer: TransferId,
    items: Vec<Result<New, Error>>,
) -> Result<(transfers::Transfer, Vec<Added>), Error> {
    crate::graphql::ids::check_count(items.len(), "input.records", MAX_ADD)?;
    let items: Vec<_> = items
        .into_iter()
        .enumerate()
        .map(|(index, item)| item.and_then(|new| check_new(&format!("input.records.{index}"), new)))
        .collect();
    let mut unit = app.begin(caller).await?;
    let row = transfers::service::lock(&unit, caller, transfer, Action::AddRecords).await?;
    let (known, newest) = what_is_there(&unit, row.id, &items).await?;
    let anything_new = items
        .iter()
        .flatten()
        .any(|new| !known.contains_key(&new.path));
    let row = if anything_new {
        transfers::service::ready_for_files(&mut unit, row).await?
    } else {
        row
    };
    let mut seen = HashSet::new();
    let mut outcomes = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        outcomes.push(match item {
            Err(error) => Added::Refused(index, error),
            Ok(new) if !seen.insert(new.path.clone()) => Added::Refused(
                index,
                Error::Conflict("the same path stands twice in this call".into()),
            ),
            Ok(new) => {
                if let Some(record) = known.get(&new.path) {
                    there_already(record, &newest, &new.file)?
                } else {
                    let (record, version) = make(&unit, &row, new);
                    Added::New(record, version)
                }
            }
        });
    }
    save(&mut unit, &row, &outcomes).await?;
    unit.commit().await?;
    Ok((row, outcomes))
}

async fn what_is_there(
    unit: &Unit,
    transfer: Uuid,
    items: &[Result<New, Error>],
) -> Result<(HashMap<String, Record>, HashMap<Uuid, Version>), Error> {
    let paths: Vec<&str> = items
        .iter()
        .flatten()
        .map(|new| new.path.as_str())
        .collect();
    let known = store::at_paths(unit, transfer, &paths).await?;
    let newest: Vec<Uuid> = known
        .values()
        .map(|record| record.newest_version_id)
        .collect();
    let newest = versions::store::load_many(unit.db(), &newest).await?;
    Ok((known, newest))
}

fn there_already(
    record: &Record,
    newest: &HashMap<Uuid, Version>,
    file: &NewFile,
) -> Result<Added, Error> {
    let version = newest
        .get(&record.newest_version_id)
        .ok_or_else(|| Error::Internal(format!("record {} has no newest version", record.id)))?;
    let same = version.sha256 == file.sha256 && u64::try_from(version.size) == Ok(file.size);
    let (record, version) = (record.clone(), version.clone());
    Ok(if same && version.status != Status::Abandoned {
        Added::Exists(record, version)
    } else {
        Added::PathTaken(record, version)
    })
}

fn make(unit: &Unit, transfer: &transfers::Transfer, new: New) -> (Record, Version) {
    let (id, version_id) = (unit.id(), unit.id());
    let payload_path = payload_path(&new.path);
    let record = Record {
        id,
        revision: 1,
        reference: reference::record(id, unit.now()),
        title: new.title.unwrap_or_else(|| default_title(&new.path)),
        description: new.description,
        path_key: path_key(&payload_path),
        payload_path,
        path: new.path,
        metadata: new.metadata,
        collection_id: transfer.collection_id,
        transfer_id: transfer.id,
        current_version_id: None,
        newest_version_id: version_id,
        newest_number: 1,
        newest_status: Status::AwaitingUpload,
        created_at: unit.now(),
    };
    let version = versions::service::make(unit, &record, version_id, 1, new.file, None);
    (record, version)
}

async fn save(
    unit: &mut Unit,
    transfer: &transfers::Transfer,
    outcomes: &[Added],
) -> Result<(), Error> {
    let (mut records, mut versions) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        let Added::New(record, version) = outcome else {
            continue;
        };
        unit.event(
            RecordId(record.id),
            Happened {
                action: "record.added",
                collection_id: Some(record.collection_id),
                record_id: Some(record.id),
                after: Some(json!({
                    "reference": record.reference,
                    "path": record.path,
                    "version": VersionId(version.id),
                    "size": version.size,
                    "sha256": version.sha256,
                })),
                ..Happened::default()
            },
        );
        unit.count_version(transfer.id, None, Some(version.status), version.size);
        records.push(record.clone());
        versions.push(version.clone());
    }
    unit.count_records(
        transfer.id,
        i64::try_from(records.len()).unwrap_or(i64::MAX),
    );
    store::insert_many(unit, records).await?;
    versions::store::insert_many(unit, versions).await?;
    Ok(())
}

/// Changes what people say of a record.
pub async fn update(
    app: &App,
    caller: &Caller,
    id: RecordId,
    expected_revision: i32,
    title: Option<String>,
    description: Option<String>,
    metadata: Option<Value>,
) -> Result<Record, Error> {
    collections::check_texts("input", title.as_deref(), description.as_deref())?;
    if let Some(metadata) = &metadata {
        text::check_metadata("input.metadata", metadata)?;
    }
    let mut unit = app.begin(caller).await?;
    let mut row = lock(&unit, caller, id, Action::UpdateRecord).await?;
    check_revision(row.revision, Some(expected_revision))?;
    let facts = |row: &Record| json!({"title": row.title, "description": row.description, "metadata": row.metadata});
    let before = facts(&row);
    row.title = title.unwrap_or(row.title);
    row.description = description.unwrap_or(row.description);
    row.metadata = metadata.unwrap_or(row.metadata);
    row.revision += 1;
    let row = store::update(&unit, row).await?;
    unit.event(
        id,
        Happened {
            action: "record.updated",
            collection_id: Some(row.collection_id),
            record_id: Some(row.id),
            before: Some(before),
            after: Some(facts(&row)),
        },
    );
    unit.commit().await?;
    Ok(row)
}

/// Locks a record and asks whether the caller may do this to it.
pub async fn lock(
    unit: &Unit,
    caller: &Caller,
    id: RecordId,
    action: Action,
) -> Result<Record, Error> {
    let not_found = || Error::NotFound("record");
    let row = store::load_for_update(unit, id.0)
        .await?
        .ok_or_else(not_found)?;
    let collection = collections::store::load(unit.db(), row.collection_id)
        .await?
        .ok_or_else(not_found)?;
    caller.may(action, &resource(&row, &collection.body, None))?;
    Ok(row)
}

/// What the access rule needs to know of a record.
pub fn resource<'a>(row: &Record, body: &'a str, depositor: Option<&'a str>) -> Resource<'a> {
    Resource {
        body: Some(body),
        depositor,
        accepted: row.current_version_id.is_some(),
        assignee: None,
    }
}
