//! Queries about fixity: the only place in this noun that names entities.

mod due;
mod selected;

use std::collections::HashMap;

use entity::{fixity_check, fixity_run};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait, LockType, SimpleExpr, SubQueryStatement},
};
use uuid::Uuid;

use super::{FixityCheck, FixityRun, Outcome, Stage};
use crate::{
    Error,
    auth::{Actor, Scope},
    exports,
    page::{self, Args, Page, Sort},
    unit::{Unit, chunks},
    versions,
};

pub use due::{
    collections_due, damaged, due, exports_due, intervals, is_export_tried, overdue, spent,
};
pub use selected::{next_exports, next_versions, sum};

/// Several checks by id, those about what the actor may see.
pub async fn lookup_checks(
    db: &impl ConnectionTrait,
    actor: &Actor,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, FixityCheck>, DbErr> {
    let rows = fixity_check::Entity::find()
        .filter(fixity_check::Column::Id.is_in(ids.iter().copied()))
        .all(db)
        .await?;
    let of_versions: Vec<Uuid> = rows.iter().filter_map(|row| row.version_id).collect();
    let of_exports: Vec<Uuid> = rows.iter().filter_map(|row| row.export_id).collect();
    let versions = versions::store::lookup_many(db, actor, &of_versions).await?;
    let exports = exports::store::lookup_many(db, actor, &of_exports).await?;
    let seen = |row: &FixityCheck| match (row.version_id, row.export_id) {
        (Some(version), _) => versions.contains_key(&version),
        (None, Some(export)) => exports.contains_key(&export),
        (None, None) => false,
    };
    Ok(rows
        .into_iter()
        .filter(seen)
        .map(|row| (row.id, row))
        .collect())
}

/// Several runs by id, if the actor may see runs: those who see everything.
pub async fn lookup_runs(
    db: &impl ConnectionTrait,
    actor: &Actor,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, FixityRun>, DbErr> {
    if actor.scope() != Scope::All {
        return Ok(HashMap::new());
    }
    let rows = fixity_run::Entity::find()
        .filter(fixity_run::Column::Id.is_in(ids.iter().copied()))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
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

/// The oldest check of each run that has not ended, by the run.
pub async fn oldest_open(
    db: &impl ConnectionTrait,
    runs: &[Uuid],
) -> Result<HashMap<Uuid, Uuid>, DbErr> {
    let run = Expr::col((fixity_check::Entity, fixity_check::Column::RunId));
    let oldest = fixity_check::Entity::find()
        .select_only()
        .column(fixity_check::Column::Id)
        .filter(run.equals((fixity_run::Entity, fixity_run::Column::Id)))
        .filter(fixity_check::Column::FinishedAt.is_null())
        .order_by_asc(fixity_check::Column::Id)
        .limit(1)
        .into_query();
    let oldest = SimpleExpr::SubQuery(None, Box::new(SubQueryStatement::SelectStatement(oldest)));
    let rows: Vec<(Uuid, Option<Uuid>)> = fixity_run::Entity::find()
        .select_only()
        .column(fixity_run::Column::Id)
        .expr_as(oldest, "oldest")
        .filter(fixity_run::Column::Id.is_in(runs.iter().copied()))
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .filter_map(|(run, check)| Some((run, check?)))
        .collect())
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

/// How many things there are of some sort, and their sizes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromQueryResult)]
pub struct Sum {
    /// How many.
    pub count: i64,
    /// Their sizes, summed.
    pub bytes: i64,
}
