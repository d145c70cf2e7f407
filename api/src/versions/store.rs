//! Queries about versions: the only place in this noun that names entities.

use std::collections::HashMap;

use entity::{record, version};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, LockType},
};
use uuid::Uuid;

use super::{Status, Version};
use crate::{
    Error,
    auth::{Actor, Scope},
    collections,
    page::{self, Args, Page, Sort},
    unit::Unit,
};

/// What a list of versions is narrowed to.
#[derive(Debug, Default)]
pub struct Filter {
    /// Of this transfer.
    pub transfer: Option<Uuid>,
    /// Of this record.
    pub record: Option<Uuid>,
    /// In this state.
    pub status: Option<Status>,
    /// Still waiting for something, or not.
    pub undecided: Option<bool>,
}

/// The versions that an actor may know of.
pub fn visible(actor: &Actor) -> Condition {
    let of = |bodies: &[String]| {
        version::Column::CollectionId.in_subquery(collections::store::ids_of_bodies(bodies))
    };
    match actor.scope() {
        Scope::All => Condition::all(),
        Scope::Bodies(bodies) => Condition::all().add(of(&bodies)),
        Scope::AcceptedOf(bodies) => Condition::all()
            .add(of(&bodies))
            .add(version::Column::Status.eq(Status::Accepted)),
        Scope::Nothing => Condition::all().add(Expr::value(false)),
    }
}

fn scoped(actor: &Actor) -> Select<version::Entity> {
    version::Entity::find().filter(visible(actor))
}

/// One by id, if the actor may see it.
pub async fn lookup(
    db: &impl ConnectionTrait,
    actor: &Actor,
    id: Uuid,
) -> Result<Option<Version>, DbErr> {
    scoped(actor)
        .filter(version::Column::Id.eq(id))
        .one(db)
        .await
}

/// Several by id, those that the actor may see.
pub async fn lookup_many(
    db: &impl ConnectionTrait,
    actor: &Actor,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Version>, DbErr> {
    let rows = scoped(actor)
        .filter(version::Column::Id.is_in(ids.iter().copied()))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// Several by id, for our own use, without a lock.
pub async fn load_many(
    db: &impl ConnectionTrait,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Version>, DbErr> {
    let rows = version::Entity::find()
        .filter(version::Column::Id.is_in(ids.iter().copied()))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// Several by id, for our own use, under the lock of the transaction; locked in the order of their ids, so
/// that two units never wait for each other.
pub async fn load_many_for_update(
    unit: &Unit,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Version>, DbErr> {
    let rows = version::Entity::find()
        .filter(version::Column::Id.is_in(ids.iter().copied()))
        .order_by_asc(version::Column::Id)
        .lock(LockType::NoKeyUpdate)
        .all(unit.db())
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// One by id, for our own use, under the lock of the transaction.
pub async fn load_for_update(unit: &Unit, id: Uuid) -> Result<Option<Version>, DbErr> {
    version::Entity::find_by_id(id)
        .lock(LockType::NoKeyUpdate)
        .one(unit.db())
        .await
}

/// A page of those that the actor may see, in the order of creation.
pub async fn list(
    db: &impl ConnectionTrait,
    actor: &Actor,
    filter: Filter,
    args: &Args,
) -> Result<Page<Version>, Error> {
    const WAITING: [Status; 2] = [Status::AwaitingUpload, Status::Checking];
    let mut select = scoped(actor);
    if let Some(transfer) = filter.transfer {
        select = select.filter(version::Column::TransferId.eq(transfer));
    }
    if let Some(record) = filter.record {
        select = select.filter(version::Column::RecordId.eq(record));
    }
    if let Some(status) = filter.status {
        select = select.filter(version::Column::Status.eq(status));
    }
    select = match filter.undecided {
        Some(true) => select.filter(version::Column::Status.is_in(WAITING)),
        Some(false) => select.filter(version::Column::Status.is_not_in(WAITING)),
        None => select,
    };
    page::fetch(
        db,
        select,
        version::Column::Id,
        Sort::by_id(),
        |row| row.id,
        args,
    )
    .await
}

/// Adds versions.
pub async fn insert_many(unit: &Unit, rows: Vec<Version>) -> Result<(), DbErr> {
    let rows: Vec<_> = rows
        .into_iter()
        .map(|row| row.into_active_model().reset_all())
        .collect();
    // 27 columns a row: PostgreSQL binds at most 65,535 values, SQLite 32,766.
    for chunk in rows.chunks(1_000) {
        version::Entity::insert_many(chunk.to_vec())
            .exec_without_returning(unit.db())
            .await?;
    }
    Ok(())
}

/// Writes a changed version back, and what its record shows of it; counts it from its old status into its
/// new one, and announces it.
pub async fn update(unit: &mut Unit, row: Version, was: Status) -> Result<Version, DbErr> {
    let row = row
        .into_active_model()
        .reset_all()
        .update(unit.db())
        .await?;
    if row.status != was {
        unit.count_version(row.transfer_id, Some(was), Some(row.status), row.size);
        record::Entity::update_many()
            .col_expr(record::Column::NewestStatus, Expr::value(row.status))
            .filter(record::Column::Id.eq(row.record_id))
            .filter(record::Column::NewestVersionId.eq(row.id))
            .exec(unit.db())
            .await?;
        if row.status == Status::Accepted {
            set_current(unit, &row).await?;
        } else if was == Status::Accepted {
            fall_back(unit, &row).await?;
        }
    }
    unit.changed(crate::changes::Change::Version(
        row.id.into(),
        row.record_id.into(),
    ));
    Ok(row)
}

/// Makes it its record's current version, unless a newer one is that already.
pub async fn set_current(unit: &Unit, row: &Version) -> Result<(), DbErr> {
    let newer = version::Entity::find()
        .filter(version::Column::RecordId.eq(row.record_id))
        .filter(version::Column::Status.eq(Status::Accepted))
        .filter(version::Column::Number.gt(row.number))
        .one(unit.db())
        .await?;
    if newer.is_none() {
        record::Entity::update_many()
            .col_expr(record::Column::CurrentVersionId, Expr::value(row.id))
            .filter(record::Column::Id.eq(row.record_id))
            .exec(unit.db())
            .await?;
    }
    Ok(())
}

/// Its record's current version is the newest that is still accepted, if it was this one; none is one, too.
async fn fall_back(unit: &Unit, row: &Version) -> Result<(), DbErr> {
    let newest = version::Entity::find()
        .filter(version::Column::RecordId.eq(row.record_id))
        .filter(version::Column::Status.eq(Status::Accepted))
        .order_by_desc(version::Column::Number)
        .one(unit.db())
        .await?;
    record::Entity::update_many()
        .col_expr(
            record::Column::CurrentVersionId,
            Expr::value(newest.map(|newest| newest.id)),
        )
        .filter(record::Column::Id.eq(row.record_id))
        .filter(record::Column::CurrentVersionId.eq(row.id))
        .exec(unit.db())
        .await?;
    Ok(())
}

/// Those whose ticket ran out before bytes came, oldest first.
pub async fn expired(
    db: &impl ConnectionTrait,
    now: chrono::DateTime<chrono::Utc>,
    limit: u64,
) -> Result<Vec<Version>, DbErr> {
    version::Entity::find()
        .filter(version::Column::Status.eq(Status::AwaitingUpload))
        .filter(version::Column::TicketExpiresAt.lt(now))
        .order_by_asc(version::Column::TicketExpiresAt)
        .limit(limit)
        .all(db)
        .await
}

/// Sets the multipart upload of a version, unless somebody else did since it was `was`.
pub async fn set_upload(
    unit: &Unit,
    id: Uuid,
    was: Option<&str>,
    upload: &str,
) -> Result<bool, DbErr> {
    let unchanged = match was {
        Some(was) => version::Column::UploadId.eq(was),
        None => version::Column::UploadId.is_null(),
    };
    let done = version::Entity::update_many()
        .col_expr(version::Column::UploadId, Expr::value(upload))
        .filter(version::Column::Id.eq(id))
        .filter(unchanged)
        .exec(unit.db())
        .await?;
    Ok(done.rows_affected == 1)
}

/// Gives many versions, locked and stepped by the caller, a new state: set-based, for bulk calls.
pub async fn set_status_many(unit: &Unit, rows: &[Version], status: Status) -> Result<(), DbErr> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    version::Entity::update_many()
        .col_expr(version::Column::Status, Expr::value(status))
        .filter(version::Column::Id.is_in(ids.iter().copied()))
        .exec(unit.db())
        .await?;
    record::Entity::update_many()
        .col_expr(record::Column::NewestStatus, Expr::value(status))
        .filter(record::Column::NewestVersionId.is_in(ids))
        .exec(unit.db())
        .await?;
    Ok(())
}
