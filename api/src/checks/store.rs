//! Queries about checks: the only place in this noun that names entities.

use std::collections::HashMap;

use entity::check;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, Select,
    sea_query::{Expr, ExprTrait, IntoCondition},
};
use serde_json::Value;
use uuid::Uuid;

use super::{Check, Status};
use crate::{
    Error,
    auth::Actor,
    page::{self, Args, Page, Sort},
    unit::{Unit, chunks},
    versions,
};

/// Several by id, each with the size of its version: those whose version the actor may see.
pub async fn lookup_many(
    db: &impl ConnectionTrait,
    actor: &Actor,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, (Check, i64)>, DbErr> {
    let rows = check::Entity::find()
        .filter(check::Column::Id.is_in(ids.iter().copied()))
        .all(db)
        .await?;
    let versions: Vec<Uuid> = rows.iter().map(|row| row.version_id).collect();
    let seen = versions::store::lookup_many(db, actor, &versions).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            let version = seen.get(&row.version_id)?;
            Some((row.id, (row, version.size)))
        })
        .collect())
}

fn by_version(rows: Vec<Check>) -> HashMap<Uuid, Vec<Check>> {
    let mut found: HashMap<Uuid, Vec<Check>> = HashMap::new();
    for row in rows {
        found.entry(row.version_id).or_default().push(row);
    }
    found
}

/// The current checks of several versions, in the order in which they were asked for. The caller has seen
/// to it that the actor may see the versions.
pub async fn current_many(
    db: &impl ConnectionTrait,
    versions: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Check>>, DbErr> {
    some(db, versions, check::Column::Current.eq(true)).await
}

/// The current checks of several versions, and the runs that have no result yet.
pub async fn current_or_open_many(
    db: &impl ConnectionTrait,
    versions: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Check>>, DbErr> {
    let wanted = check::Column::Current
        .eq(true)
        .or(check::Column::Status.is_in([Status::Pending, Status::Running]));
    some(db, versions, wanted).await
}

/// Every run of every check of several versions.
pub async fn every_run_many(
    db: &impl ConnectionTrait,
    versions: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Check>>, DbErr> {
    some(db, versions, Condition::all()).await
}

async fn some(
    db: &impl ConnectionTrait,
    versions: &[Uuid],
    wanted: impl IntoCondition,
) -> Result<HashMap<Uuid, Vec<Check>>, DbErr> {
    let rows = check::Entity::find()
        .filter(check::Column::VersionId.is_in(versions.iter().copied()))
        .filter(wanted.into_condition())
        .order_by_asc(check::Column::Id)
        .all(db)
        .await?;
    Ok(by_version(rows))
}

/// The current checks of several versions, and those of these runs.
pub async fn current_and_runs(
    db: &impl ConnectionTrait,
    versions: &[Uuid],
    runs: &[i32],
) -> Result<HashMap<Uuid, Vec<Check>>, DbErr> {
    let wanted = check::Column::Current
        .eq(true)
        .or(check::Column::Run.is_in(runs.iter().copied()));
    some(db, versions, wanted).await
}

/// Every run of every check of a version, oldest first.
pub async fn history(
    db: &impl ConnectionTrait,
    version: Uuid,
    args: &Args,
) -> Result<Page<Check>, Error> {
    let select: Select<check::Entity> =
        check::Entity::find().filter(check::Column::VersionId.eq(version));
    page::fetch(
        db,
        select,
        check::Column::Id,
        Sort::by_id(),
        |row| row.id,
        args,
    )
    .await
}

/// Adds new runs.
pub async fn insert_many(unit: &Unit, rows: Vec<Check>) -> Result<(), DbErr> {
    let rows = rows
        .into_iter()
        .map(|row| row.into_active_model().reset_all())
        .collect();
    for chunk in chunks(rows) {
        check::Entity::insert_many(chunk)
            .exec_without_returning(unit.db())
            .await?;
    }
    Ok(())
}

/// Says that there is a newer run.
pub async fn retire(unit: &Unit, ids: Vec<Uuid>) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    check::Entity::update_many()
        .col_expr(check::Column::Current, Expr::value(false))
        .filter(check::Column::Id.is_in(ids))
        .exec(unit.db())
        .await?;
    Ok(())
}

/// Says that a worker has them.
pub async fn begin(unit: &Unit, ids: Vec<Uuid>) -> Result<(), DbErr> {
    for chunk in chunks(ids) {
        check::Entity::update_many()
            .col_expr(check::Column::Status, Expr::value(Status::Running))
            .filter(check::Column::Id.is_in(chunk))
            .filter(check::Column::Status.eq(Status::Pending))
            .exec(unit.db())
            .await?;
    }
    Ok(())
}

/// Writes a result.
pub async fn update(unit: &Unit, row: Check) -> Result<Check, DbErr> {
    row.into_active_model().reset_all().update(unit.db()).await
}

/// Writes down that a person takes responsibility for these.
pub async fn waive(unit: &Unit, ids: Vec<Uuid>, waiver: Value) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    check::Entity::update_many()
        .col_expr(check::Column::Waiver, Expr::value(waiver))
        .filter(check::Column::Id.is_in(ids))
        .exec(unit.db())
        .await?;
    Ok(())
}

/// Gives a version the results of another one with the same content.
pub async fn copy_current(unit: &Unit, from: Uuid, to: Uuid) -> Result<(), Error> {
    let rows = current_many(unit.db(), &[from]).await?.remove(&from);
    let copies = rows
        .unwrap_or_default()
        .into_iter()
        .map(|row| Check {
            id: unit.id(),
            version_id: to,
            run: 1,
            created_at: unit.now(),
            ..row
        })
        .collect();
    Ok(insert_many(unit, copies).await?)
}
