//! Queries about transfers: the only place in this noun that names entities.

use std::collections::HashMap;

use entity::{transfer, transfer_total, version};
use sea_orm::{
    ActiveEnum, ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait,
    IntoActiveModel, QueryFilter, QuerySelect, QueryTrait, Select,
    sea_query::{Expr, LockType, SelectStatement},
};
use uuid::Uuid;

use super::{Status, Totals, Transfer};
use crate::{
    Error,
    auth::{Actor, Scope},
    collections,
    page::{self, Args, Page, Sort},
    unit::{RECORDS, Unit},
};

/// What a list of transfers is narrowed to.
#[derive(Debug, Default)]
pub struct Filter {
    /// In this collection.
    pub collection: Option<Uuid>,
    /// In this state.
    pub status: Option<Status>,
    /// With this source.
    pub source: Option<String>,
    /// Deposited by the viewer.
    pub mine: bool,
}

/// The transfers that an actor may know of.
pub fn visible(actor: &Actor) -> Condition {
    let of = |bodies: &[String]| {
        transfer::Column::CollectionId.in_subquery(collections::store::ids_of_bodies(bodies))
    };
    match actor.scope() {
        Scope::All => Condition::all(),
        Scope::Bodies(bodies) => Condition::all().add(of(&bodies)),
        Scope::AcceptedOf(bodies) => Condition::all()
            .add(of(&bodies))
            .add(transfer::Column::Status.eq(Status::Accepted)),
        Scope::Nothing => Condition::all().add(Expr::value(false)),
    }
}

/// `SELECT id FROM transfer` of those that a depositor may see and has deposited: exports are scoped by it.
pub fn ids_deposited_by(actor: &Actor) -> SelectStatement {
    transfer::Entity::find()
        .select_only()
        .column(transfer::Column::Id)
        .filter(visible(actor))
        .filter(transfer::Column::DepositedBy.eq(actor.subject.as_str()))
        .into_query()
}

/// `SELECT id FROM transfer` of a collection, for our own use.
pub fn ids_of_collection(collection: Uuid) -> SelectStatement {
    transfer::Entity::find()
        .select_only()
        .column(transfer::Column::Id)
        .filter(transfer::Column::CollectionId.eq(collection))
        .into_query()
}

fn scoped(actor: &Actor) -> Select<transfer::Entity> {
    transfer::Entity::find().filter(visible(actor))
}

/// One by id, if the actor may see it.
pub async fn lookup(
    db: &impl ConnectionTrait,
    actor: &Actor,
    id: Uuid,
) -> Result<Option<Transfer>, DbErr> {
    scoped(actor)
        .filter(transfer::Column::Id.eq(id))
        .one(db)
        .await
}

/// Several by id, those that the actor may see.
pub async fn lookup_many(
    db: &impl ConnectionTrait,
    actor: &Actor,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Transfer>, DbErr> {
    let rows = scoped(actor)
        .filter(transfer::Column::Id.is_in(ids.iter().copied()))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// One by id, for our own use, under the lock of the transaction.
pub async fn load_for_update(unit: &Unit, id: Uuid) -> Result<Option<Transfer>, DbErr> {
    transfer::Entity::find_by_id(id)
        .lock(LockType::NoKeyUpdate)
        .one(unit.db())
        .await
}

/// One by id, for our own use.
pub async fn load(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<Transfer>, DbErr> {
    transfer::Entity::find_by_id(id).one(db).await
}

/// A page of those that the actor may see, newest first.
pub async fn list(
    db: &impl ConnectionTrait,
    actor: &Actor,
    filter: Filter,
    args: &Args,
) -> Result<Page<Transfer>, Error> {
    let mut select = scoped(actor);
    if let Some(collection) = filter.collection {
        select = select.filter(transfer::Column::CollectionId.eq(collection));
    }
    if let Some(status) = filter.status {
        select = select.filter(transfer::Column::Status.eq(status));
    }
    if let Some(source) = filter.source {
        select = select.filter(transfer::Column::Source.eq(source));
    }
    if filter.mine {
        select = select.filter(transfer::Column::DepositedBy.eq(actor.subject.as_str()));
    }
    page::fetch(
        db,
        select,
        transfer::Column::Id,
        Sort::newest_first(),
        |row| row.id,
        args,
    )
    .await
}

/// Adds one.
pub async fn insert(unit: &Unit, row: Transfer) -> Result<Transfer, DbErr> {
    row.into_active_model().reset_all().insert(unit.db()).await
}

/// Writes a changed transfer back, and announces it.
pub async fn update(unit: &mut Unit, row: Transfer) -> Result<Transfer, DbErr> {
    let row = row
        .into_active_model()
        .reset_all()
        .update(unit.db())
        .await?;
    unit.changed(crate::changes::Change::Transfer(row.id.into()));
    Ok(row)
}

/// The totals of several transfers.
pub async fn totals(
    db: &impl ConnectionTrait,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Totals>, DbErr> {
    let rows = transfer_total::Entity::find()
        .filter(transfer_total::Column::TransferId.is_in(ids.iter().copied()))
        .all(db)
        .await?;
    let mut totals: HashMap<Uuid, Totals> = ids.iter().map(|&id| (id, Totals::default())).collect();
    for row in rows {
        let total = totals.entry(row.transfer_id).or_default();
        if row.bucket == RECORDS {
            total.records = row.count;
            continue;
        }
        let Ok(status) = version::Status::try_from_value(&row.bucket) else {
            continue;
        };
        total.versions += row.count;
        total.total_bytes += row.bytes;
        if status == version::Status::Accepted {
            total.accepted_bytes = row.bytes;
        }
        *bucket(total, status) = row.count;
    }
    Ok(totals)
}

fn bucket(total: &mut Totals, status: version::Status) -> &mut i64 {
    match status {
        version::Status::AwaitingUpload => &mut total.awaiting_upload,
        version::Status::Checking => &mut total.checking,
        version::Status::Accepted => &mut total.accepted,
        version::Status::Rejected => &mut total.rejected,
        version::Status::Quarantined => &mut total.quarantined,
        version::Status::NeedsReview => &mut total.needs_review,
        version::Status::Abandoned => &mut total.abandoned,
    }
}
