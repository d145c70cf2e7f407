//! Queries about fixity: the only place in this noun that names entities.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use contract::{CollectionId, ExportId};
use entity::{
    collection, export, fixity_check, fixity_run,
    version::{self, Place, Status},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, FromQueryResult,
    IntoActiveModel, Order, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
    sea_query::{Expr, ExprTrait, Func, LikeExpr, LockType, Query, SimpleExpr},
};
use uuid::Uuid;

use super::{FixityCheck, FixityRun, Outcome, Selection, Stage};
use crate::{
    Error,
    auth::{Actor, Scope},
    exports::{self, Export},
    page::{self, Args, Page, Sort},
    transfers,
    unit::{Unit, chunks},
    versions::{self, Version},
};

/// One check by id, if the actor may see what it is about.
pub async fn lookup_check(
    db: &impl ConnectionTrait,
    actor: &Actor,
    id: Uuid,
) -> Result<Option<FixityCheck>, DbErr> {
    let Some(row) = fixity_check::Entity::find_by_id(id).one(db).await? else {
        return Ok(None);
    };
    let seen = match (row.version_id, row.export_id) {
        (Some(version), _) => versions::store::lookup(db, actor, version).await?.is_some(),
        (None, Some(export)) => exports::store::lookup(db, actor, export).await?.is_some(),
        (None, None) => false,
    };
    Ok(seen.then_some(row))
}

/// One run by id, if the actor may see runs: those who see everything.
pub async fn lookup_run(
    db: &impl ConnectionTrait,
    actor: &Actor,
    id: Uuid,
) -> Result<Option<FixityRun>, DbErr> {
    if actor.scope() != Scope::All {
        return Ok(None);
    }
    fixity_run::Entity::find_by_id(id).one(db).await
}

/// Several checks by id, under the lock of the transaction.
pub async fn checks_for_update(
    unit: &Unit,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<Uuid, FixityCheck>, DbErr> {
    let rows = fixity_check::Entity::find()
        .filter(fixity_check::Column::Id.is_in(ids))
        .order_by_asc(fixity_check::Column::Id)
        .lock(LockType::NoKeyUpdate)
        .all(unit.db())
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// Several runs by id, under the lock of the transaction, in one order.
pub async fn runs_for_update(
    unit: &Unit,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<Uuid, FixityRun>, DbErr> {
    let rows = fixity_run::Entity::find()
        .filter(fixity_run::Column::Id.is_in(ids))
        .order_by_asc(fixity_run::Column::Id)
        .lock(LockType::NoKeyUpdate)
        .all(unit.db())
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// Adds a run.
pub async fn insert_run(unit: &Unit, row: FixityRun) -> Result<FixityRun, DbErr> {
    row.into_active_model().reset_all().insert(unit.db()).await
}

/// Writes a changed run back.
pub async fn update_run(unit: &Unit, row: FixityRun) -> Result<FixityRun, DbErr> {
    row.into_active_model().reset_all().update(unit.db()).await
}

/// Adds checks.
pub async fn insert_checks(unit: &Unit, rows: Vec<FixityCheck>) -> Result<(), DbErr> {
    let rows = rows
        .into_iter()
        .map(|row| row.into_active_model().reset_all())
        .collect();
    for chunk in chunks(rows) {
        fixity_check::Entity::insert_many(chunk)
            .exec_without_returning(unit.db())
            .await?;
    }
    Ok(())
}

/// Writes what came of a check.
pub async fn update_check(unit: &Unit, row: FixityCheck) -> Result<FixityCheck, DbErr> {
    row.into_active_model().reset_all().update(unit.db()).await
}

/// What a list of checks is narrowed to; the caller has seen to it that the actor may see these.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this version.
    pub version: Option<Uuid>,
    /// Of this export.
    pub export: Option<Uuid>,
    /// Of this run.
    pub run: Option<Uuid>,
    /// With one of these outcomes.
    pub outcomes: Option<Vec<Outcome>>,
}

/// A page of checks, newest first.
pub async fn checks(
    db: &impl ConnectionTrait,
    filter: Filter,
    args: &Args,
) -> Result<Page<FixityCheck>, Error> {
    let mut select = fixity_check::Entity::find();
    for (column, id) in [
        (fixity_check::Column::VersionId, filter.version),
        (fixity_check::Column::ExportId, filter.export),
        (fixity_check::Column::RunId, filter.run),
    ] {
        if let Some(id) = id {
            select = select.filter(column.eq(id));
        }
    }
    if let Some(outcomes) = filter.outcomes {
        select = select.filter(fixity_check::Column::Outcome.is_in(outcomes));
    }
    let sort = Sort::newest_first();
    page::fetch(
        db,
        select,
        fixity_check::Column::Id,
        sort,
        |row| row.id,
        args,
    )
    .await
}

/// A page of runs, newest first.
pub async fn runs(
    db: &impl ConnectionTrait,
    actor: &Actor,
    args: &Args,
) -> Result<Page<FixityRun>, Error> {
    let mut select = fixity_run::Entity::find();
    if actor.scope() != Scope::All {
        select = select.filter(Expr::value(false));
    }
    let sort = Sort::newest_first();
    page::fetch(db, select, fixity_run::Column::Id, sort, |row| row.id, args).await
}

/// The oldest check of a run that has not ended.
pub async fn oldest_open(
    db: &impl ConnectionTrait,
    run: Uuid,
) -> Result<Option<FixityCheck>, DbErr> {
    fixity_check::Entity::find()
        .filter(fixity_check::Column::RunId.eq(run))
        .filter(fixity_check::Column::FinishedAt.is_null())
        .order_by_asc(fixity_check::Column::Id)
        .one(db)
        .await
}

/// How many checks of a run, or of the schedule, have not ended; no more than `limit` are counted.
pub async fn open(db: &impl ConnectionTrait, run: Option<Uuid>, limit: u64) -> Result<u64, DbErr> {
    let of = match run {
        Some(run) => fixity_check::Column::RunId.eq(run),
        None => fixity_check::Column::RunId.is_null(),
    };
    let found: Vec<Uuid> = fixity_check::Entity::find()
        .select_only()
        .column(fixity_check::Column::Id)
        .filter(of)
        .filter(fixity_check::Column::FinishedAt.is_null())
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    Ok(found.len() as u64)
}

/// The runs that are not in the table of checks yet, or have not ended.
pub async fn open_runs(db: &impl ConnectionTrait, limit: u64) -> Result<Vec<Uuid>, DbErr> {
    fixity_run::Entity::find()
        .select_only()
        .column(fixity_run::Column::Id)
        .filter(fixity_run::Column::FinishedAt.is_null())
        .filter(fixity_run::Column::Stage.ne(Stage::Done))
        .order_by_asc(fixity_run::Column::Id)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
}

/// When a version was last known to be what was accepted.
fn version_since() -> SimpleExpr {
    Func::coalesce([
        Expr::col((version::Entity, version::Column::VerifiedAt)),
        Expr::col((version::Entity, version::Column::DecidedAt)),
    ])
    .into()
}

/// No check of the schedule has looked at it since then, or is about to.
fn untried(of: fixity_check::Column, id: SimpleExpr, since: DateTime<Utc>) -> SimpleExpr {
    let tried = Query::select()
        .expr(Expr::value(1))
        .from(fixity_check::Entity)
        .cond_where(
            Condition::all()
                .add(Expr::col((fixity_check::Entity, of)).eq(id))
                .add(fixity_check::Column::RunId.is_null())
                .add(
                    Condition::any()
                        .add(fixity_check::Column::FinishedAt.is_null())
                        .add(fixity_check::Column::CreatedAt.gt(since)),
                ),
        )
        .to_owned();
    Expr::exists(tried).not()
}

fn due_versions(before: DateTime<Utc>) -> Condition {
    Condition::all()
        .add(version::Column::Status.eq(Status::Accepted))
        .add(version_since().lte(before))
}

/// The different intervals of the collections that have one.
pub async fn intervals(db: &impl ConnectionTrait) -> Result<Vec<i32>, DbErr> {
    collection::Entity::find()
        .select_only()
        .column(collection::Column::FixityEveryDays)
        .distinct()
        .filter(collection::Column::FixityEveryDays.is_not_null())
        .into_tuple()
        .all(db)
        .await
}

/// Some collections of an interval that have something due. In no order, so that none waits for ever behind
/// others that have used up their day's bytes.
pub async fn collections_due(
    db: &impl ConnectionTrait,
    days: i32,
    before: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<Uuid>, DbErr> {
    let due = version::Entity::find()
        .select_only()
        .expr(Expr::value(1))
        .filter(
            Expr::col((version::Entity, version::Column::CollectionId))
                .equals((collection::Entity, collection::Column::Id)),
        )
        .filter(due_versions(before))
        .into_query();
    collection::Entity::find()
        .select_only()
        .column(collection::Column::Id)
        .filter(collection::Column::FixityEveryDays.eq(days))
        .filter(Expr::exists(due))
        .order_by(SimpleExpr::from(Func::random()), Order::Asc)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
}

/// What is due of a collection and was not tried since `tried`: what was longest not verified comes first.
pub async fn due(
    unit: &Unit,
    collection: Uuid,
    before: DateTime<Utc>,
    tried: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<Version>, DbErr> {
    let id = Expr::col((version::Entity, version::Column::Id));
    version::Entity::find()
        .filter(version::Column::CollectionId.eq(collection))
        .filter(due_versions(before))
        .filter(untried(fixity_check::Column::VersionId, id.into(), tried))
        .order_by(version_since(), Order::Asc)
        .order_by_asc(version::Column::Id)
        .limit(limit)
        .all(unit.db())
        .await
}

/// How many bytes of a collection the schedule has asked for since then.
pub async fn spent(unit: &Unit, collection: Uuid, since: DateTime<Utc>) -> Result<i64, DbErr> {
    let sum: Option<Option<i64>> = fixity_check::Entity::find()
        .select_only()
        .column_as(
            Expr::cust(
                "CAST(COALESCE(SUM(CASE WHEN bytes < 1 THEN 1 ELSE bytes END), 0) AS bigint)",
            ),
            "bytes",
        )
        .filter(fixity_check::Column::CollectionId.eq(collection))
        .filter(fixity_check::Column::RunId.is_null())
        .filter(fixity_check::Column::CreatedAt.gt(since))
        .into_tuple()
        .one(unit.db())
        .await?;
    Ok(sum.flatten().unwrap_or_default())
}

/// Finished packages that are due and were not tried since `tried`.
pub async fn exports_due(
    db: &impl ConnectionTrait,
    now: DateTime<Utc>,
    before: DateTime<Utc>,
    tried: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<Uuid>, DbErr> {
    let since: SimpleExpr = Func::coalesce([
        Expr::col((export::Entity, export::Column::VerifiedAt)),
        Expr::col((export::Entity, export::Column::FinishedAt)),
    ])
    .into();
    let id = Expr::col((export::Entity, export::Column::Id));
    export::Entity::find()
        .select_only()
        .column(export::Column::Id)
        .filter(export::Column::Status.eq(export::Status::Ready))
        .filter(export::Column::ExpiresAt.gt(now))
        .filter(since.clone().lte(before))
        .filter(untried(fixity_check::Column::ExportId, id.into(), tried))
        .order_by(since, Order::Asc)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
}

/// Whether the schedule is about to look at an export, or did since then.
pub async fn is_export_tried(
    unit: &Unit,
    export: Uuid,
    since: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let found = fixity_check::Entity::find()
        .filter(fixity_check::Column::ExportId.eq(export))
        .filter(fixity_check::Column::RunId.is_null())
        .filter(
            Condition::any()
                .add(fixity_check::Column::FinishedAt.is_null())
                .add(fixity_check::Column::CreatedAt.gt(since)),
        )
        .one(unit.db())
        .await?;
    Ok(found.is_some())
}

/// The kept versions of a selection that were there when the run was asked for.
fn versions_of(selection: Selection, run: Uuid) -> Select<version::Entity> {
    let select = version::Entity::find()
        .filter(version::Column::Place.eq(Place::Records))
        .filter(version::Column::Status.is_in([Status::Accepted, Status::NeedsReview]))
        // Ids are made in the order of time, so that a run has an end while more is accepted.
        .filter(version::Column::Id.lt(run));
    match selection {
        Selection::RecordId(id) => select.filter(version::Column::RecordId.eq(id.0)),
        Selection::TransferId(id) => select.filter(version::Column::TransferId.eq(id.0)),
        Selection::CollectionId(id) => select.filter(version::Column::CollectionId.eq(id.0)),
        Selection::Everything => select,
        Selection::ExportId(_) => select.filter(Expr::value(false)),
    }
}

/// The finished packages of a selection that were there when the run was asked for.
fn exports_of(selection: Selection, run: Uuid, now: DateTime<Utc>) -> Select<export::Entity> {
    let select = export::Entity::find()
        .filter(export::Column::Status.eq(export::Status::Ready))
        .filter(export::Column::ExpiresAt.gt(now))
        .filter(export::Column::Id.lt(run));
    match selection {
        Selection::ExportId(ExportId(id)) => select.filter(export::Column::Id.eq(id)),
        Selection::TransferId(id) => select.filter(export::Column::TransferId.eq(id.0)),
        Selection::CollectionId(id) => select.filter(of_collection(id)),
        Selection::Everything => select,
        Selection::RecordId(_) => select.filter(Expr::value(false)),
    }
}

/// Of a transfer of the collection, or of the whole of it.
fn of_collection(id: CollectionId) -> Condition {
    let text = Expr::col((export::Entity, export::Column::Selection)).cast_as("text");
    Condition::any()
        .add(export::Column::TransferId.in_subquery(transfers::store::ids_of_collection(id.0)))
        .add(text.like(LikeExpr::new(format!("%\"{id}\"%"))))
}

/// How many things there are of some sort, and their sizes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromQueryResult)]
pub struct Sum {
    /// How many.
    pub count: i64,
    /// Their sizes, summed.
    pub bytes: i64,
}

const BYTES: &str = "CAST(COALESCE(SUM(size), 0) AS bigint)";

/// What a run comes to.
pub async fn sum(unit: &Unit, selection: Selection, run: Uuid) -> Result<Sum, DbErr> {
    let versions = versions_of(selection, run)
        .select_only()
        .column_as(version::Column::Id.count(), "count")
        .column_as(Expr::cust(BYTES), "bytes")
        .into_model::<Sum>()
        .one(unit.db())
        .await?
        .unwrap_or_default();
    let exports = exports_of(selection, run, unit.now())
        .select_only()
        .column_as(export::Column::Id.count(), "count")
        .column_as(Expr::cust(BYTES), "bytes")
        .into_model::<Sum>()
        .one(unit.db())
        .await?
        .unwrap_or_default();
    Ok(Sum {
        count: versions.count + exports.count,
        bytes: versions.bytes + exports.bytes,
    })
}

/// The next kept versions of a run, in the order of their ids.
pub async fn next_versions(
    unit: &Unit,
    selection: Selection,
    run: &FixityRun,
    limit: u64,
) -> Result<Vec<Version>, DbErr> {
    let mut select = versions_of(selection, run.id);
    if let Some(after) = run.after_id {
        select = select.filter(version::Column::Id.gt(after));
    }
    let select = select.order_by_asc(version::Column::Id).limit(limit);
    select.all(unit.db()).await
}

/// The next finished packages of a run, in the order of their ids.
pub async fn next_exports(
    unit: &Unit,
    selection: Selection,
    run: &FixityRun,
    limit: u64,
) -> Result<Vec<Export>, DbErr> {
    let mut select = exports_of(selection, run.id, unit.now());
    if let Some(after) = run.after_id {
        select = select.filter(export::Column::Id.gt(after));
    }
    let select = select.order_by_asc(export::Column::Id).limit(limit);
    select.all(unit.db()).await
}

/// The versions of an interval that are due, no more than `limit` of them.
pub async fn overdue(
    db: &impl ConnectionTrait,
    days: i32,
    before: DateTime<Utc>,
    limit: u64,
) -> Result<Sum, DbErr> {
    let collections = collection::Entity::find()
        .select_only()
        .column(collection::Column::Id)
        .filter(collection::Column::FixityEveryDays.eq(days))
        .into_query();
    let sizes: Vec<i64> = version::Entity::find()
        .select_only()
        .column(version::Column::Size)
        .filter(version::Column::CollectionId.in_subquery(collections))
        .filter(due_versions(before))
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    Ok(Sum {
        count: i64::try_from(sizes.len()).unwrap_or(i64::MAX),
        bytes: sizes.iter().sum(),
    })
}

/// How many versions are known to be damaged, no more than `limit`.
pub async fn damaged(db: &impl ConnectionTrait, limit: u64) -> Result<usize, DbErr> {
    let found: Vec<Uuid> = version::Entity::find()
        .select_only()
        .column(version::Column::Id)
        .filter(version::Column::DamagedAt.is_not_null())
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    Ok(found.len())
}
