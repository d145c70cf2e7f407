//! What can be done with exports: authorise, load, rule, save and event, in one transaction.

mod evidence;
mod expiry;
mod work;

use contract::{ExportId, messages::JOBS_QUEUE};
use entity::job::Kind;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::{
    BAGIT_TAR, Export, Input, MAX_RECORDS, Selection, Status, collection_reference, name, next,
    records_reference, store,
};
use crate::{
    App, Error,
    auth::{Action, Caller, Resource},
    collections, records, transfers,
    unit::{Happened, NewJob, Unit, answered},
};

pub use evidence::{EventPage, Evidence, events, seal_for};
pub use expiry::{download, expire};
pub use work::{
    ExportWorkData, ItemPage, Report, Reported, damaged, items, job_died, report, work_for_claim,
};

/// An export to be.
#[derive(Debug, Serialize)]
pub struct New {
    /// What is to be packed.
    pub selection: Selection,
}

/// A selection as it was found: what the package is called, and what it belongs to.
struct Found {
    reference: String,
    transfer_id: Option<Uuid>,
    collection_id: Option<Uuid>,
    /// The time of a package in which nothing is.
    created_at: chrono::DateTime<chrono::Utc>,
}

/// Fixes the accepted versions of a selection and asks a worker to pack them.
pub async fn request(
    app: &App,
    caller: &Caller,
    key: Option<&str>,
    new: New,
) -> Result<Export, Error> {
    if let Selection::RecordIds(ids) = &new.selection {
        crate::graphql::ids::check_count(ids.len(), "input.selection.recordIds", MAX_RECORDS)?;
    }
    let new = New {
        selection: new.selection.in_order(),
    };
    let mut unit = app.begin(caller).await?;
    let found = find(&unit, caller, &new.selection).await?;
    if let Some(answer) = unit.replay("requestExport", key, &new).await? {
        let id: ExportId = answered(answer)?;
        return store::lookup(unit.db(), &caller.actor, id.0)
            .await?
            .ok_or(Error::NotFound("export"));
    }
    let selection =
        serde_json::to_value(&new.selection).map_err(|error| Error::Internal(error.to_string()))?;
    let row = Export {
        id: unit.id(),
        status: Status::Queued,
        format: BAGIT_TAR.to_owned(),
        reference: found.reference,
        selection: selection.clone(),
        transfer_id: found.transfer_id,
        requested_by: caller.actor.subject.clone(),
        files: 0,
        bytes: 0,
        files_done: 0,
        bytes_done: 0,
        as_of: found.created_at,
        size: None,
        sha256: None,
        error: None,
        created_at: unit.now(),
        finished_at: None,
        expires_at: None,
        verified_at: None,
        tree_size: None,
    };
    let mut row = store::insert(&mut unit, row).await?;
    let sum = store::pin(&unit, row.id, &new.selection).await?;
    if sum.unmeasured > 0 {
        return Err(Error::Precondition(format!(
            "{} accepted files of this selection have no measured SHA-512, which a package needs; run their checks again",
            sum.unmeasured
        )));
    }
    row.files = i32::try_from(sum.files)
        .map_err(|_| Error::Limit("one export cannot hold that many files; select less".into()))?;
    row.bytes = sum.bytes;
    row.as_of = sum.as_of.unwrap_or(row.as_of);
    let row = store::update(&mut unit, row).await?;
    unit.job(NewJob {
        kind: Kind::Export,
        queue: JOBS_QUEUE.to_owned(),
        subject_id: row.id,
        lane: row.id,
        lease: None,
    });
    unit.event(
        ExportId(row.id),
        Happened {
            action: "export.requested",
            collection_id: found.collection_id,
            after: Some(json!({
                "selection": selection,
                "reference": row.reference,
                "files": row.files,
                "bytes": row.bytes,
            })),
            ..Happened::default()
        },
    );
    unit.remember(key, ExportId(row.id)).await?;
    unit.commit().await?;
    Ok(row)
}

/// Finds a selection that the caller may see, and asks whether they may export it.
async fn find(unit: &Unit, caller: &Caller, selection: &Selection) -> Result<Found, Error> {
    let actor = &caller.actor;
    match selection {
        Selection::TransferId(id) => {
            let row = transfers::store::lookup(unit.db(), actor, id.0)
                .await?
                .ok_or(Error::NotFound("transfer"))?;
            let collection = collections::store::load(unit.db(), row.collection_id)
                .await?
                .ok_or(Error::NotFound("transfer"))?;
            let resource = transfers::service::resource(&row, &collection.body);
            caller.may(Action::RequestExport, &resource)?;
            Ok(Found {
                reference: row.reference,
                transfer_id: Some(row.id),
                collection_id: Some(row.collection_id),
                created_at: row.created_at,
            })
        }
        Selection::CollectionId(id) => {
            let row = collections::store::lookup(unit.db(), actor, id.0)
                .await?
                .ok_or(Error::NotFound("collection"))?;
            let resource = collections::service::resource(&row);
            caller.may(
                Action::RequestExport,
                &Resource {
                    accepted: true,
                    ..resource
                },
            )?;
            Ok(Found {
                reference: collection_reference(&row.code),
                transfer_id: None,
                collection_id: Some(row.id),
                created_at: row.created_at,
            })
        }
        Selection::RecordIds(ids) => {
            let uuids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
            let rows = records::store::lookup_many(unit.db(), actor, &uuids).await?;
            if rows.len() != uuids.len() {
                return Err(Error::NotFound("record"));
            }
            let first = rows
                .values()
                .min_by_key(|row| row.id)
                .ok_or(Error::NotFound("record"))?;
            let collection = collections::store::load(unit.db(), first.collection_id)
                .await?
                .ok_or(Error::NotFound("record"))?;
            let resource = collections::service::resource(&collection);
            caller.may(
                Action::RequestExport,
                &Resource {
                    accepted: true,
                    ..resource
                },
            )?;
            let one = rows
                .values()
                .all(|row| row.collection_id == first.collection_id);
            Ok(Found {
                reference: records_reference(ids),
                transfer_id: None,
                collection_id: one.then_some(first.collection_id),
                created_at: first.created_at,
            })
        }
    }
}

/// Stops an export. One that is cancelled already is answered as it is.
pub async fn cancel(app: &App, caller: &Caller, id: ExportId) -> Result<Export, Error> {
    let mut unit = app.begin(caller).await?;
    let seen = store::lookup(unit.db(), &caller.actor, id.0)
        .await?
        .ok_or(Error::NotFound("export"))?;
    let row = store::load_for_update(&unit, seen.id)
        .await?
        .ok_or(Error::NotFound("export"))?;
    may_cancel(&unit, caller, &row).await?;
    if row.status == Status::Cancelled {
        return Ok(row);
    }
    let row = step(&mut unit, row, Input::Cancel, "export.cancelled").await?;
    unit.commit().await?;
    Ok(row)
}

/// What the access rule needs to know is its transfer's; an export of more than a transfer is nobody's deposit.
async fn may_cancel(unit: &Unit, caller: &Caller, row: &Export) -> Result<(), Error> {
    let Some(id) = row.transfer_id else {
        return caller.may(Action::CancelExport, &Resource::default());
    };
    let transfer = transfers::store::load(unit.db(), id)
        .await?
        .ok_or(Error::NotFound("export"))?;
    let collection = collections::store::load(unit.db(), transfer.collection_id)
        .await?
        .ok_or(Error::NotFound("export"))?;
    let resource = transfers::service::resource(&transfer, &collection.body);
    caller.may(Action::CancelExport, &resource)
}

/// Takes an export one step on, with its event.
async fn step(
    unit: &mut Unit,
    mut row: Export,
    input: Input,
    action: &'static str,
) -> Result<Export, Error> {
    let was = row.status;
    row.status = next(was, input)?;
    if !matches!(row.status, Status::Running | Status::Expired) {
        row.finished_at = Some(unit.now());
    }
    let collection_id = work::collection_of(unit, &row).await?.map(|row| row.id);
    let row = store::update(unit, row).await?;
    unit.event(
        ExportId(row.id),
        Happened {
            action,
            collection_id,
            before: Some(json!({"status": name(was)})),
            after: Some(json!({
                "status": name(row.status),
                "size": row.size,
                "sha256": row.sha256,
                "error": row.error,
            })),
            ..Happened::default()
        },
    );
    Ok(row)
}
