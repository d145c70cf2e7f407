//! What can be done with transfers.

use contract::TransferId;
use serde::Serialize;
use serde_json::json;

use super::{Input, Status, Transfer, name, next, store};
use crate::{
    App, Error,
    auth::{Action, Caller, Resource},
    collections::{self, service::By},
    reference, text,
    unit::{Happened, Unit, answered, check_revision},
};

/// A transfer to be.
#[derive(Debug, Serialize)]
pub struct New {
    /// Where it belongs.
    pub collection: By,
    /// For people.
    pub title: String,
    /// The depositor's label of where it came from.
    pub source: Option<String>,
}

/// Finds one that the caller may see.
pub async fn find(app: &App, caller: &Caller, id: TransferId) -> Result<Option<Transfer>, Error> {
    Ok(store::lookup(app.database(), &caller.actor, id.0).await?)
}

/// Opens a transfer in a collection.
pub async fn open(
    app: &App,
    caller: &Caller,
    key: Option<&str>,
    new: New,
) -> Result<Transfer, Error> {
    text::check("input.title", &new.title, text::TITLE)?;
    if let Some(source) = &new.source {
        text::check("input.source", source, text::FILE_NAME)?;
    }
    let collection = collections::service::find(app, caller, &new.collection)
        .await?
        .ok_or(Error::NotFound("collection"))?;
    caller.may(
        Action::OpenTransfer,
        &collections::service::resource(&collection),
    )?;
    let mut unit = app.begin(caller).await?;
    if let Some(answer) = unit.replay("openTransfer", key, &new).await? {
        drop(unit);
        return find(app, caller, answered(answer)?)
            .await?
            .ok_or(Error::NotFound("transfer"));
    }
    let id = unit.id();
    let row = Transfer {
        id,
        revision: 1,
        reference: reference::transfer(id, unit.now()),
        title: new.title,
        source: new.source,
        status: Status::Open,
        collection_id: collection.id,
        deposited_by: caller.actor.subject.clone(),
        note: None,
        created_at: unit.now(),
        submitted_at: None,
        closed_at: None,
    };
    let row = store::insert(&unit, row).await?;
    unit.event(
        TransferId(id),
        Happened {
            action: "transfer.opened",
            collection_id: Some(collection.id),
            after: Some(
                json!({"reference": row.reference, "title": row.title, "source": row.source}),
            ),
            ..Happened::default()
        },
    );
    unit.remember(key, TransferId(id)).await?;
    unit.commit().await?;
    Ok(row)
}

/// Closes a transfer to new files.
pub async fn submit(
    app: &App,
    caller: &Caller,
    id: TransferId,
    expected_revision: Option<i32>,
) -> Result<Transfer, Error> {
    let (mut unit, mut row) = load(app, caller, id, Action::SubmitTransfer).await?;
    check_revision(row.revision, expected_revision)?;
    row.submitted_at = Some(unit.now());
    let row = step(&mut unit, row, Input::Submit, "transfer.submitted").await?;
    unit.commit().await?;
    Ok(row)
}

/// Takes a transfer over.
pub async fn accept(
    app: &App,
    caller: &Caller,
    id: TransferId,
    expected_revision: Option<i32>,
    note: Option<String>,
) -> Result<Transfer, Error> {
    if let Some(note) = &note {
        text::check("input.note", note, text::LONG)?;
    }
    let (mut unit, mut row) = load(app, caller, id, Action::AcceptTransfer).await?;
    check_revision(row.revision, expected_revision)?;
    let totals = store::totals(unit.db(), &[id.0]).await?;
    let undecided = totals.get(&id.0).map_or(0, super::Totals::undecided);
    row.closed_at = Some(unit.now());
    row.note = note;
    let row = step(
        &mut unit,
        row,
        Input::Accept { undecided },
        "transfer.accepted",
    )
    .await?;
    unit.commit().await?;
    Ok(row)
}

/// Sends a transfer back to its depositor.
pub async fn send_back(
    app: &App,
    caller: &Caller,
    id: TransferId,
    expected_revision: Option<i32>,
    reason: String,
) -> Result<Transfer, Error> {
    text::check("input.reason", &reason, text::REASON)?;
    let (mut unit, mut row) = load(app, caller, id, Action::ReturnTransfer).await?;
    check_revision(row.revision, expected_revision)?;
    row.note = Some(reason);
    let row = step(&mut unit, row, Input::Return, "transfer.returned").await?;
    unit.commit().await?;
    Ok(row)
}

/// Sees to it that files can be added: a returned transfer is opened again by its depositor's next file.
pub async fn ready_for_files(unit: &mut Unit, row: Transfer) -> Result<Transfer, Error> {
    match row.status {
        Status::Open => Ok(row),
        Status::Returned => step(unit, row, Input::Reopen, "transfer.reopened").await,
        status => Err(Error::Precondition(format!(
            "the transfer is {} and takes no more files; open another one",
            name(status)
        ))),
    }
}

async fn load(
    app: &App,
    caller: &Caller,
    id: TransferId,
    action: Action,
) -> Result<(Unit, Transfer), Error> {
    let unit = app.begin(caller).await?;
    let row = lock(&unit, caller, id, action).await?;
    Ok((unit, row))
}

/// Locks a transfer and asks whether the caller may do this to it.
pub async fn lock(
    unit: &Unit,
    caller: &Caller,
    id: TransferId,
    action: Action,
) -> Result<Transfer, Error> {
    let row = store::load_for_update(unit, id.0)
        .await?
        .ok_or(Error::NotFound("transfer"))?;
    let collection = collections::store::load(unit.db(), row.collection_id)
        .await?
        .ok_or(Error::NotFound("transfer"))?;
    caller.may(action, &resource(&row, &collection.body))?;
    Ok(row)
}

/// What the access rule needs to know of a transfer.
pub fn resource<'a>(row: &'a Transfer, body: &'a str) -> Resource<'a> {
    Resource {
        body: Some(body),
        depositor: Some(&row.deposited_by),
        accepted: row.status == Status::Accepted,
        assignee: None,
    }
}

async fn step(
    unit: &mut Unit,
    mut row: Transfer,
    input: Input,
    action: &'static str,
) -> Result<Transfer, Error> {
    let was = row.status;
    row.status = next(was, input)?;
    row.revision += 1;
    let row = store::update(unit, row).await?;
    unit.event(
        TransferId(row.id),
        Happened {
            action,
            collection_id: Some(row.collection_id),
            before: Some(json!({"status": name(was)})),
            after: Some(json!({"status": name(row.status), "note": row.note})),
            ..Happened::default()
        },
    );
    Ok(row)
}
