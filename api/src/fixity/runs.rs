//! Runs: what somebody wants to have verified now.
//!
//! Always: a run is put into the table of checks by bounded batches, in the order of ids, and never more than
//! [`MOST_OPEN`] of it wait; it ends when all of it has ended; asking twice with one key is one run.

use contract::FixityRunId;
use serde_json::json;
use uuid::Uuid;

use super::{
    ASKED_LANE, FixityRun, Selection, Stage, has_ended,
    schedule::{ask, of_export, of_version},
    store,
};
use crate::{
    App, Error,
    auth::{Action, Caller, Resource},
    collections, exports, records, transfers,
    unit::{Happened, Unit, answered},
};

/// The most checks of a run that wait at a time.
pub const MOST_OPEN: u64 = 500;

/// Has a selection verified now, whenever it was verified last.
pub async fn verify_now(
    app: &App,
    caller: &Caller,
    key: Option<&str>,
    selection: Selection,
) -> Result<FixityRun, Error> {
    let collection_id = find(app, caller, selection).await?;
    let id = app.ids().uuid7();
    // Whole tables may be counted: nobody waits for it in a transaction.
    let sum = store::sum(app.database(), selection, id, app.clock().now()).await?;
    let mut unit = app.begin(caller).await?;
    if let Some(answer) = unit.replay("verifyNow", key, &selection).await? {
        let id: FixityRunId = answered(answer)?;
        return store::lookup_run(unit.db(), &caller.actor, id.0)
            .await?
            .ok_or(Error::NotFound("run"));
    }
    if sum.count == 0 && matches!(selection, Selection::ExportId(_)) {
        let message = "this export has no package to verify";
        return Err(Error::Precondition(message.into()));
    }
    let row = FixityRun {
        id,
        selection: json!(selection),
        asked_by: caller.actor.subject.clone(),
        stage: Stage::Versions,
        after_id: None,
        asked: sum.count,
        bytes: sum.bytes,
        scheduled: 0,
        verified: 0,
        mismatched: 0,
        missing: 0,
        unreadable: 0,
        created_at: unit.now(),
        finished_at: None,
    };
    let row = store::insert_run(&unit, row).await?;
    unit.event(
        FixityRunId(row.id),
        Happened {
            action: "fixity.asked",
            collection_id,
            after: Some(json!({"selection": selection, "asked": row.asked, "bytes": row.bytes})),
            ..Happened::default()
        },
    );
    let (row, _) = put(&mut unit, row, MOST_OPEN).await?;
    let row = save(&mut unit, row).await?;
    unit.remember(key, FixityRunId(row.id)).await?;
    unit.commit().await?;
    Ok(row)
}

/// Finds a selection that the caller may see, and asks whether they may have it verified. Answers the
/// collection that it is in.
async fn find(app: &App, caller: &Caller, selection: Selection) -> Result<Option<Uuid>, Error> {
    let (db, actor) = (app.database(), &caller.actor);
    let (collection, missing) = match selection {
        Selection::RecordId(id) => {
            let row = records::store::lookup(db, actor, id.0).await?;
            (row.map(|row| row.collection_id), "record")
        }
        Selection::TransferId(id) => {
            let row = transfers::store::lookup(db, actor, id.0).await?;
            (row.map(|row| row.collection_id), "transfer")
        }
        Selection::CollectionId(id) => (Some(id.0), "collection"),
        Selection::ExportId(id) => {
            let row = exports::store::lookup(db, actor, id.0).await?;
            row.ok_or(Error::NotFound("export"))?;
            caller.may(Action::VerifyFixity, &Resource::default())?;
            return Ok(None);
        }
        Selection::Everything => {
            caller.may(Action::VerifyFixity, &Resource::default())?;
            return Ok(None);
        }
    };
    let collection = collection.ok_or(Error::NotFound(missing))?;
    let collection = collections::store::lookup(db, actor, collection)
        .await?
        .ok_or(Error::NotFound(missing))?;
    let resource = Resource {
        accepted: true,
        ..collections::service::resource(&collection)
    };
    caller.may(Action::VerifyFixity, &resource)?;
    Ok(Some(collection.id))
}

/// Puts more of a run into the table of checks, if there is room; answers how many.
pub async fn go_on(app: &App, id: Uuid) -> Result<usize, Error> {
    let mut unit = app.begin_internal().await?;
    let Some(row) = store::runs_for_update(&unit, [id]).await?.remove(&id) else {
        return Ok(0);
    };
    let open = store::open(unit.db(), Some(id), MOST_OPEN).await?;
    let room = MOST_OPEN.saturating_sub(open);
    if row.stage == Stage::Done || room == 0 {
        return Ok(0);
    }
    let (row, put) = put(&mut unit, row, room).await?;
    save(&mut unit, row).await?;
    unit.commit().await?;
    Ok(put)
}

/// Puts up to `room` of a run into the table of checks. The caller saves the run.
async fn put(unit: &mut Unit, mut run: FixityRun, room: u64) -> Result<(FixityRun, usize), Error> {
    let selection = selection(&run)?;
    let mut left = room;
    while run.stage != Stage::Done && left > 0 {
        let (checks, last) = match run.stage {
            Stage::Versions => {
                let rows = store::next_versions(unit, selection, &run, left).await?;
                let checks = rows.iter().map(|row| of_version(unit, Some(run.id), row));
                (checks.collect::<Vec<_>>(), rows.last().map(|row| row.id))
            }
            Stage::Exports => {
                let rows = store::next_exports(unit, selection, &run, left).await?;
                let checks = rows.iter().map(|row| of_export(unit, Some(run.id), row));
                (checks.collect::<Vec<_>>(), rows.last().map(|row| row.id))
            }
            Stage::Done => break,
        };
        let found = checks.len() as u64;
        run.scheduled += i64::try_from(found).unwrap_or(i64::MAX);
        run.after_id = last;
        if found < left {
            run.after_id = None;
            run.stage = match run.stage {
                Stage::Versions => Stage::Exports,
                Stage::Exports | Stage::Done => Stage::Done,
            };
        }
        left -= found;
        ask(unit, checks, ASKED_LANE).await?;
    }
    if run.stage == Stage::Done {
        // What was there when it was asked for, and is kept no more, is not asked for.
        run.asked = run.scheduled;
    }
    Ok((run, usize::try_from(room - left).unwrap_or(usize::MAX)))
}

/// What a run is about.
pub fn selection(run: &FixityRun) -> Result<Selection, Error> {
    serde_json::from_value(run.selection.clone())
        .map_err(|error| Error::Internal(format!("a stored selection cannot be read: {error}")))
}

/// Writes a run back, ended if all of it has ended.
pub(super) async fn save(unit: &mut Unit, mut run: FixityRun) -> Result<FixityRun, Error> {
    if has_ended(&run) && run.finished_at.is_none() {
        run.finished_at = Some(unit.now());
        unit.event(
            FixityRunId(run.id),
            Happened {
                action: "fixity.finished",
                after: Some(json!({
                    "asked": run.asked,
                    "verified": run.verified,
                    "mismatched": run.mismatched,
                    "missing": run.missing,
                    "unreadable": run.unreadable,
                })),
                ..Happened::default()
            },
        );
    }
    Ok(store::update_run(unit, run).await?)
}
