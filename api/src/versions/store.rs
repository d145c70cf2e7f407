//! Queries about versions: the only place in this noun that names entities.

use std::collections::{BTreeSet, HashMap};

use entity::{record, version};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbBackend, DbErr, EntityTrait,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, Select,
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

/// Several by id, for our own use, under the lock of the transaction, their records too; locked in the order of
/// their ids, so that two units never wait for each other.
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
    lock_records(unit, rows.iter().map(|row| row.record_id)).await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// Several by id and all versions that share their content, as [`load_many_for_update`] loads them.
pub async fn load_with_copies_for_update(
    unit: &Unit,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Version>, DbErr> {
    let named = load_many(unit.db(), ids).await?;
    let sharing = || {
        version::Entity::find()
            .filter(version::Column::RecordId.is_in(named.values().map(|row| row.record_id)))
            .filter(version::Column::ContentId.is_in(named.values().map(|row| row.content_id)))
            .order_by_asc(version::Column::Id)
            .lock(LockType::NoKeyUpdate)
            .all(unit.db())
    };
    sharing().await?;
    // A copy that was made while this waited for the lock of what it is a copy of.
    let rows = sharing().await?;
    lock_records(unit, rows.iter().map(|row| row.record_id)).await?;
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
        if [was, row.status].contains(&Status::Accepted) {
            choose_current(unit, row.record_id).await?;
        }
    }
    unit.changed(crate::changes::Change::Version(
        row.id.into(),
        row.record_id.into(),
    ));
    Ok(row)
}

/// Its record's current version is the newest that is accepted and not known to be damaged; none, if there is none.
/// The record is locked by a statement of its own, so that the next one reads what whoever had the lock has written.
async fn choose_current(unit: &Unit, record: Uuid) -> Result<(), DbErr> {
    lock_records(unit, [record]).await?;
    let newest = version::Entity::find()
        .filter(version::Column::RecordId.eq(record))
        .filter(version::Column::Status.eq(Status::Accepted))
        .filter(version::Column::DamagedAt.is_null())
        .order_by_desc(version::Column::Number)
        .limit(1)
        .one(unit.db())
        .await?;
    record::Entity::update_many()
        .col_expr(
            record::Column::CurrentVersionId,
            Expr::value(newest.map(|newest| newest.id)),
        )
        .filter(record::Column::Id.eq(record))
        .exec(unit.db())
        .await?;
    Ok(())
}

/// Locks records in the order of their ids. After their versions: whoever locks both does so in this order.
async fn lock_records(unit: &Unit, records: impl IntoIterator<Item = Uuid>) -> Result<(), DbErr> {
    let ids: BTreeSet<Uuid> = records.into_iter().collect();
    if ids.is_empty() || unit.db().get_database_backend() == DbBackend::Sqlite {
        // SQLite has one writer.
        return Ok(());
    }
    let locked: Vec<Uuid> = record::Entity::find()
        .select_only()
        .column(record::Column::Id)
        .filter(record::Column::Id.is_in(ids))
        .order_by_asc(record::Column::Id)
        .lock(LockType::NoKeyUpdate)
        .into_tuple()
        .all(unit.db())
        .await?;
    drop(locked);
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
