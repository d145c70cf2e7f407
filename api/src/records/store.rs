//! Queries about records: the only place in this noun that names entities.

use std::collections::HashMap;

use entity::record;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QuerySelect, Select,
    sea_query::{Expr, ExprTrait, Func, LikeExpr, LockType},
};
use uuid::Uuid;

use super::Record;
use crate::{
    Error,
    auth::{Actor, Scope},
    collections,
    page::{self, Args, Page, Sort},
    unit::Unit,
    versions::Status,
};

/// What a list of records is narrowed to.
#[derive(Debug, Default)]
pub struct Filter {
    /// In this collection.
    pub collection: Option<Uuid>,
    /// Of this transfer.
    pub transfer: Option<Uuid>,
    /// In this folder: the path begins so.
    pub path_prefix: Option<String>,
    /// The title holds this, in any case.
    pub title_contains: Option<String>,
    /// The newest version is in this state.
    pub status: Option<Status>,
}

/// The order of a list of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    CreatedAt,
    /// By path, in the order of bytes.
    Path,
    /// By title, in the order of bytes.
    Title,
}

/// The records that an actor may know of.
pub fn visible(actor: &Actor) -> Condition {
    let of = |bodies: &[String]| {
        record::Column::CollectionId.in_subquery(collections::store::ids_of_bodies(bodies))
    };
    match actor.scope() {
        Scope::All => Condition::all(),
        Scope::Bodies(bodies) => Condition::all().add(of(&bodies)),
        Scope::AcceptedOf(bodies) => Condition::all()
            .add(of(&bodies))
            .add(record::Column::CurrentVersionId.is_not_null()),
        Scope::Nothing => Condition::all().add(Expr::value(false)),
    }
}

fn scoped(actor: &Actor) -> Select<record::Entity> {
    record::Entity::find().filter(visible(actor))
}

/// One by id, if the actor may see it.
pub async fn lookup(
    db: &impl ConnectionTrait,
    actor: &Actor,
    id: Uuid,
) -> Result<Option<Record>, DbErr> {
    scoped(actor)
        .filter(record::Column::Id.eq(id))
        .one(db)
        .await
}

/// One by reference, if the actor may see it.
pub async fn lookup_reference(
    db: &impl ConnectionTrait,
    actor: &Actor,
    reference: &str,
) -> Result<Option<Record>, DbErr> {
    scoped(actor)
        .filter(record::Column::Reference.eq(reference))
        .one(db)
        .await
}

/// Several by id, those that the actor may see.
pub async fn lookup_many(
    db: &impl ConnectionTrait,
    actor: &Actor,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Record>, DbErr> {
    let rows = scoped(actor)
        .filter(record::Column::Id.is_in(ids.iter().copied()))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// One by id, for our own use, under the lock of the transaction.
pub async fn load_for_update(unit: &Unit, id: Uuid) -> Result<Option<Record>, DbErr> {
    record::Entity::find_by_id(id)
        .lock(LockType::NoKeyUpdate)
        .one(unit.db())
        .await
}

/// Those of a transfer that stand at these paths.
pub async fn at_paths(
    unit: &Unit,
    transfer: Uuid,
    paths: &[&str],
) -> Result<HashMap<String, Record>, DbErr> {
    let rows = record::Entity::find()
        .filter(record::Column::TransferId.eq(transfer))
        .filter(record::Column::Path.is_in(paths.iter().copied()))
        .all(unit.db())
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.path.clone(), row))
        .collect())
}

/// A page of those that the actor may see.
pub async fn list(
    db: &impl ConnectionTrait,
    actor: &Actor,
    filter: Filter,
    order: Order,
    args: &Args,
) -> Result<Page<Record>, Error> {
    let mut select = scoped(actor);
    if let Some(collection) = filter.collection {
        select = select.filter(record::Column::CollectionId.eq(collection));
    }
    if let Some(transfer) = filter.transfer {
        select = select.filter(record::Column::TransferId.eq(transfer));
    }
    if let Some(prefix) = filter.path_prefix {
        let end = format!("{prefix}{}", char::MAX);
        select = select
            .filter(record::Column::Path.gte(prefix))
            .filter(record::Column::Path.lt(end));
    }
    if let Some(text) = filter.title_contains {
        let title = || Expr::expr(Func::lower(Expr::col(record::Column::Title)));
        let like = |text: String| LikeExpr::new(format!("%{}%", escape_like(&text))).escape('\\');
        // SQLite, and PostgreSQL in the C locale, fold ASCII only; PostgreSQL elsewhere folds all letters.
        select = select.filter(
            Condition::any()
                .add(title().like(like(text.to_ascii_lowercase())))
                .add(title().like(like(text.to_lowercase()))),
        );
    }
    if let Some(status) = filter.status {
        select = select.filter(record::Column::NewestStatus.eq(status));
        if matches!(actor.scope(), Scope::AcceptedOf(_)) {
            // What became of versions that one may not see is not to be found out by asking for it.
            select = select.filter(record::Column::NewestStatus.eq(Status::Accepted));
        }
    }
    let sort = match order {
        Order::CreatedAt => Sort::by_id(),
        Order::Path => Sort::by_text("path", record::Column::Path, |row: &Record| {
            row.path.clone()
        }),
        Order::Title => Sort::by_text("title", record::Column::Title, |row: &Record| {
            row.title.clone()
        }),
    };
    page::fetch(db, select, record::Column::Id, sort, |row| row.id, args).await
}

fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
}

/// Adds records.
pub async fn insert_many(unit: &Unit, rows: Vec<Record>) -> Result<(), DbErr> {
    let rows: Vec<_> = rows
        .into_iter()
        .map(|row| row.into_active_model().reset_all())
        .collect();
    // 16 columns a row: PostgreSQL binds at most 65,535 values, SQLite 32,766.
    for chunk in rows.chunks(1_000) {
        record::Entity::insert_many(chunk.to_vec())
            .exec_without_returning(unit.db())
            .await?;
    }
    Ok(())
}

/// Writes a changed record back.
pub async fn update(unit: &Unit, row: Record) -> Result<Record, DbErr> {
    row.into_active_model().reset_all().update(unit.db()).await
}
