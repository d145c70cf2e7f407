//! Queries about exports: the only place in this noun that names entities.

mod items;
mod pin;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use contract::RecordId;
use entity::{export, record};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, LockType},
};
use uuid::Uuid;

use super::{Export, Status};
use crate::{
    Error,
    auth::{Actor, Scope},
    changes::Change,
    page::{self, Args, Page, Sort},
    transfers,
    unit::Unit,
};

pub use items::{Item, items};
pub use pin::{Sum, pin};

/// What a list of exports is narrowed to.
#[derive(Debug, Default)]
pub struct Filter {
    /// In this state.
    pub status: Option<Status>,
    /// Of this transfer.
    pub transfer: Option<Uuid>,
}

/// The exports that an actor may know of: a contributor, those of the transfers that they deposited.
pub fn visible(actor: &Actor) -> Condition {
    match actor.scope() {
        Scope::All => Condition::all(),
        Scope::Bodies(_) => Condition::all()
            .add(export::Column::TransferId.in_subquery(transfers::store::ids_deposited_by(actor))),
        Scope::AcceptedOf(_) | Scope::Nothing => Condition::all().add(Expr::value(false)),
    }
}

fn scoped(actor: &Actor) -> Select<export::Entity> {
    export::Entity::find().filter(visible(actor))
}

/// One by id, if the actor may see it.
pub async fn lookup(
    db: &impl ConnectionTrait,
    actor: &Actor,
    id: Uuid,
) -> Result<Option<Export>, DbErr> {
    scoped(actor)
        .filter(export::Column::Id.eq(id))
        .one(db)
        .await
}

/// Several by id, those that the actor may see.
pub async fn lookup_many(
    db: &impl ConnectionTrait,
    actor: &Actor,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Export>, DbErr> {
    let rows = scoped(actor)
        .filter(export::Column::Id.is_in(ids.iter().copied()))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// One by id, for our own use, under the lock of the transaction.
pub async fn load_for_update(unit: &Unit, id: Uuid) -> Result<Option<Export>, DbErr> {
    export::Entity::find_by_id(id)
        .lock(LockType::NoKeyUpdate)
        .one(unit.db())
        .await
}

/// Locks several in the order of their ids, so that two units never wait for each other.
pub async fn lock(unit: &Unit, ids: Vec<Uuid>) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    export::Entity::find()
        .filter(export::Column::Id.is_in(ids))
        .order_by_asc(export::Column::Id)
        .lock(LockType::NoKeyUpdate)
        .all(unit.db())
        .await
        .map(drop)
}

/// One by id, for our own use.
pub async fn load(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<Export>, DbErr> {
    export::Entity::find_by_id(id).one(db).await
}

/// A page of those that the actor may see, newest first.
pub async fn list(
    db: &impl ConnectionTrait,
    actor: &Actor,
    filter: Filter,
    args: &Args,
) -> Result<Page<Export>, Error> {
    let mut select = scoped(actor);
    if let Some(status) = filter.status {
        select = select.filter(export::Column::Status.eq(status));
    }
    if let Some(transfer) = filter.transfer {
        select = select.filter(export::Column::TransferId.eq(transfer));
    }
    page::fetch(
        db,
        select,
        export::Column::Id,
        Sort::newest_first(),
        |row| row.id,
        args,
    )
    .await
}

/// Adds one, and announces it.
pub async fn insert(unit: &mut Unit, row: Export) -> Result<Export, DbErr> {
    let row = row
        .into_active_model()
        .reset_all()
        .insert(unit.db())
        .await?;
    unit.changed(Change::Export(row.id.into()));
    Ok(row)
}

/// Writes a changed export back, and announces it.
pub async fn update(unit: &mut Unit, row: Export) -> Result<Export, DbErr> {
    let row = row
        .into_active_model()
        .reset_all()
        .update(unit.db())
        .await?;
    unit.changed(Change::Export(row.id.into()));
    Ok(row)
}

/// Whether nobody wants it any more.
pub async fn is_cancelled(db: &impl ConnectionTrait, id: Uuid) -> Result<bool, DbErr> {
    let row = load(db, id).await?;
    Ok(row.is_some_and(|row| row.status == Status::Cancelled))
}

/// Those that were kept long enough, oldest first.
pub async fn outlived(
    db: &impl ConnectionTrait,
    now: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<Export>, DbErr> {
    export::Entity::find()
        .filter(export::Column::Status.eq(Status::Ready))
        .filter(export::Column::ExpiresAt.lte(now))
        .order_by_asc(export::Column::ExpiresAt)
        .limit(limit)
        .all(db)
        .await
}

/// The collection of some records, where it is the same for all.
pub async fn only_collection_of(
    db: &impl ConnectionTrait,
    records: &[RecordId],
) -> Result<Option<Uuid>, DbErr> {
    let found: Vec<Uuid> = record::Entity::find()
        .select_only()
        .column(record::Column::CollectionId)
        .distinct()
        .filter(record::Column::Id.is_in(records.iter().map(|id| id.0)))
        .into_tuple()
        .all(db)
        .await?;
    Ok(match found.as_slice() {
        [only] => Some(*only),
        _ => None,
    })
}
