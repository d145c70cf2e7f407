//! Queries about jobs: the only place in this noun that names entities.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::job;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, Statement,
    sea_query::{Expr, LockBehavior, LockType},
};
use uuid::Uuid;

use super::{Job, Kind, Status, lease};
use crate::{
    Error,
    auth::{Action, Actor, Resource, Verdict, authorise},
    page::{self, Args, Page, Sort},
    unit::Unit,
};

/// What a list of jobs is narrowed to.
#[derive(Debug, Default)]
pub struct Filter {
    /// Where they stand.
    pub status: Option<Status>,
    /// What sort of work.
    pub kind: Option<Kind>,
    /// About this version, export or fixity check.
    pub subject: Option<Uuid>,
}

/// Several by id, if the actor may see jobs.
pub async fn lookup_many(
    db: &impl ConnectionTrait,
    actor: &Actor,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Job>, DbErr> {
    if authorise(actor, Action::ReadJobs, &Resource::default()) != Verdict::Allowed {
        return Ok(HashMap::new());
    }
    let rows = job::Entity::find()
        .filter(job::Column::Id.is_in(ids.iter().copied()))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// Several by id, under the lock of the transaction; locked in the order of their ids, so that two units
/// never wait for each other.
pub async fn load_many_for_update(
    unit: &Unit,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<Uuid, Job>, DbErr> {
    let rows = job::Entity::find()
        .filter(job::Column::Id.is_in(ids))
        .order_by_asc(job::Column::Id)
        .lock(LockType::NoKeyUpdate)
        .all(unit.db())
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// Whether one of these is an export to be packed.
pub async fn any_export(
    db: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<bool, DbErr> {
    let found = job::Entity::find()
        .filter(job::Column::Id.is_in(ids))
        .filter(job::Column::Kind.eq(job::Kind::Export))
        .limit(1)
        .one(db)
        .await?;
    Ok(found.is_some())
}

/// One by id, for our own use.
pub async fn load(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<Job>, DbErr> {
    job::Entity::find_by_id(id).one(db).await
}

/// One by id, for our own use, under the lock of the transaction.
pub async fn load_for_update(unit: &Unit, id: Uuid) -> Result<Option<Job>, DbErr> {
    job::Entity::find_by_id(id)
        .lock(LockType::NoKeyUpdate)
        .one(unit.db())
        .await
}

/// Those of a version, export or fixity check that have not ended, in the order of creation.
pub async fn open_of_subjects(
    db: &impl ConnectionTrait,
    subjects: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<Uuid, Vec<Job>>, DbErr> {
    let rows = job::Entity::find()
        .filter(job::Column::SubjectId.is_in(subjects))
        .filter(job::Column::Status.is_not_in([Status::Done, Status::Dead]))
        .order_by_asc(job::Column::Id)
        .all(db)
        .await?;
    let mut by_subject: HashMap<Uuid, Vec<Job>> = HashMap::new();
    for row in rows {
        by_subject.entry(row.subject_id).or_default().push(row);
    }
    Ok(by_subject)
}

/// A page of jobs, newest first.
pub async fn list(
    db: &impl ConnectionTrait,
    filter: &Filter,
    args: &Args,
) -> Result<Page<Job>, Error> {
    let mut select = job::Entity::find();
    if let Some(status) = filter.status {
        select = select.filter(job::Column::Status.eq(status));
    }
    if let Some(kind) = filter.kind {
        select = select.filter(job::Column::Kind.eq(kind));
    }
    if let Some(subject) = filter.subject {
        select = select.filter(job::Column::SubjectId.eq(subject));
    }
    page::fetch(
        db,
        select,
        job::Column::Id,
        Sort::newest_first(),
        |row| row.id,
        args,
    )
    .await
}

/// Writes a changed job back.
pub async fn update(unit: &Unit, row: Job) -> Result<Job, DbErr> {
    row.into_active_model().reset_all().update(unit.db()).await
}

/// Gives all of these to one worker.
pub async fn grant(unit: &Unit, ids: Vec<Uuid>, grant: &lease::Grant) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    job::Entity::update_many()
        .col_expr(job::Column::Status, Expr::value(Status::Leased))
        .col_expr(job::Column::LeaseToken, Expr::value(grant.token.as_str()))
        .col_expr(job::Column::LeaseExpiresAt, Expr::value(grant.until))
        .col_expr(job::Column::Worker, Expr::value(grant.worker.as_str()))
        .col_expr(job::Column::UpdatedAt, Expr::value(unit.now()))
        .filter(job::Column::Id.is_in(ids))
        .exec(unit.db())
        .await?;
    Ok(())
}

/// Moves the end of these leases.
pub async fn extend(unit: &Unit, ids: Vec<Uuid>, until: DateTime<Utc>) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    job::Entity::update_many()
        .col_expr(job::Column::LeaseExpiresAt, Expr::value(until))
        .filter(job::Column::Id.is_in(ids))
        .exec(unit.db())
        .await?;
    Ok(())
}

/// Ends all of these.
pub async fn finish_many(unit: &Unit, ids: Vec<Uuid>) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    job::Entity::update_many()
        .col_expr(job::Column::Status, Expr::value(Status::Done))
        .col_expr(job::Column::UpdatedAt, Expr::value(unit.now()))
        .filter(job::Column::Id.is_in(ids))
        .exec(unit.db())
        .await?;
    Ok(())
}

/// Those whose lease ran out, for the reconciler.
pub async fn leases_run_out(
    db: &impl ConnectionTrait,
    now: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<Uuid>, DbErr> {
    job::Entity::find()
        .select_only()
        .column(job::Column::Id)
        .filter(job::Column::Status.eq(Status::Leased))
        .filter(job::Column::LeaseExpiresAt.lte(now))
        .order_by_asc(job::Column::Id)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
}

/// Those that ended before `before`, the oldest first.
pub async fn ended_before(
    db: &impl ConnectionTrait,
    before: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<Uuid>, DbErr> {
    // Ids are in the order of creation, so that the primary key leads to the oldest.
    let millis = u128::try_from(before.timestamp_millis()).unwrap_or_default();
    let made_before = Uuid::from_u128(millis << 80);
    job::Entity::find()
        .select_only()
        .column(job::Column::Id)
        .filter(job::Column::Id.lt(made_before))
        .filter(job::Column::Status.is_in([Status::Done, Status::Dead]))
        .filter(job::Column::UpdatedAt.lt(before))
        .order_by_asc(job::Column::Id)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
}

/// Removes what has ended for good.
pub async fn delete_ended(unit: &Unit, ids: Vec<Uuid>) -> Result<u64, DbErr> {
    let gone = job::Entity::delete_many()
        .filter(job::Column::Id.is_in(ids))
        .filter(job::Column::Status.is_in([Status::Done, Status::Dead]))
        .exec(unit.db())
        .await?;
    Ok(gone.rows_affected)
}

/// Those that a worker has and that workers were lost with before.
pub async fn suspects_of(db: &impl ConnectionTrait, worker: &str) -> Result<Vec<Job>, DbErr> {
    job::Entity::find()
        .filter(job::Column::Status.eq(Status::Leased))
        .filter(job::Column::Worker.eq(worker))
        .filter(job::Column::LostWorkers.gt(0))
        .all(db)
        .await
}

/// Those announced before `before` that nobody came for.
pub async fn unclaimed(
    db: &impl ConnectionTrait,
    before: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<Uuid>, DbErr> {
    job::Entity::find()
        .select_only()
        .column(job::Column::Id)
        .filter(job::Column::Status.eq(Status::Published))
        .filter(job::Column::PublishedAt.lt(before))
        .order_by_asc(job::Column::Id)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
}

/// Makes READY what is in one of these states, on the same attempt. `ids`: only these.
pub async fn make_ready(
    unit: &Unit,
    from: &[Status],
    ids: Option<Vec<Uuid>>,
) -> Result<u64, DbErr> {
    let mut update = job::Entity::update_many()
        .col_expr(job::Column::Status, Expr::value(Status::Ready))
        .col_expr(job::Column::UpdatedAt, Expr::value(unit.now()))
        .filter(job::Column::Status.is_in(from.iter().copied()));
    if let Some(ids) = ids {
        update = update.filter(job::Column::Id.is_in(ids));
    }
    Ok(update.exec(unit.db()).await?.rows_affected)
}

#[derive(FromQueryResult)]
struct InLane {
    lane: Uuid,
    jobs: i64,
}

/// How many jobs of a queue are in a state.
#[derive(Debug, FromQueryResult)]
pub struct Counted {
    /// The queue.
    pub queue: String,
    /// The state.
    pub status: Status,
    /// How many.
    pub count: i64,
}

/// Counts the jobs that are not DONE.
pub async fn count_by_status(db: &impl ConnectionTrait) -> Result<Vec<Counted>, DbErr> {
    job::Entity::find()
        .select_only()
        .column(job::Column::Queue)
        .column(job::Column::Status)
        .column_as(job::Column::Id.count(), "count")
        .filter(job::Column::Status.is_in([
            Status::Ready,
            Status::Published,
            Status::Leased,
            Status::Dead,
        ]))
        .group_by(job::Column::Queue)
        .group_by(job::Column::Status)
        .into_model()
        .all(db)
        .await
}

/// Since when the job of each queue and kind is due that has waited for a worker the longest. One that is announced
/// again and again has waited all the time; one that waits for its next attempt is not due.
pub async fn oldest_due(
    db: &impl ConnectionTrait,
    now: DateTime<Utc>,
) -> Result<Vec<(String, Kind, DateTime<Utc>)>, DbErr> {
    job::Entity::find()
        .select_only()
        .column(job::Column::Queue)
        .column(job::Column::Kind)
        .column_as(job::Column::NotBefore.min(), "since")
        .filter(job::Column::Status.is_in([Status::Ready, Status::Published]))
        .filter(job::Column::NotBefore.lte(now))
        .group_by(job::Column::Queue)
        .group_by(job::Column::Kind)
        .into_tuple()
        .all(db)
        .await
}

/// How many jobs of each lane are announced or leased, in one queue.
pub async fn in_flight(
    db: &impl ConnectionTrait,
    queue: &str,
) -> Result<HashMap<Uuid, i64>, DbErr> {
    let rows = job::Entity::find()
        .select_only()
        .column(job::Column::Lane)
        .column_as(job::Column::Id.count(), "jobs")
        .filter(job::Column::Status.is_in([Status::Published, Status::Leased]))
        .filter(job::Column::Queue.eq(queue))
        .group_by(job::Column::Lane)
        .into_model::<InLane>()
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.lane, row.jobs)).collect())
}

/// The lanes with READY jobs in a queue, after `after` in the order of their ids.
///
/// Hops from lane to lane in the index: a lane of 100,000 jobs costs no more than a lane of one.
pub async fn ready_lanes(
    db: &impl ConnectionTrait,
    queue: &str,
    after: Uuid,
    limit: u64,
) -> Result<Vec<Uuid>, DbErr> {
    const HOPS: &str = "WITH RECURSIVE hop (lane) AS (
        SELECT (SELECT lane FROM job WHERE status = 'READY' AND queue = $1 AND lane > $2 ORDER BY lane LIMIT 1)
        UNION ALL
        SELECT (SELECT lane FROM job WHERE status = 'READY' AND queue = $1 AND lane > hop.lane ORDER BY lane LIMIT 1)
        FROM hop WHERE hop.lane IS NOT NULL
    ) SELECT lane FROM hop WHERE lane IS NOT NULL LIMIT $3";
    #[derive(FromQueryResult)]
    struct Lane {
        lane: Uuid,
    }
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let statement = Statement::from_sql_and_values(
        db.get_database_backend(),
        HOPS,
        [queue.into(), after.into(), limit.into()],
    );
    let rows = Lane::find_by_statement(statement).all(db).await?;
    Ok(rows.into_iter().map(|row| row.lane).collect())
}

/// The oldest jobs of a lane that are due.
pub async fn due(
    db: &impl ConnectionTrait,
    queue: &str,
    lane: Uuid,
    now: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<Uuid>, DbErr> {
    job::Entity::find()
        .select_only()
        .column(job::Column::Id)
        .filter(job::Column::Status.eq(Status::Ready))
        .filter(job::Column::Queue.eq(queue))
        .filter(job::Column::Lane.eq(lane))
        .filter(job::Column::NotBefore.lte(now))
        .order_by_asc(job::Column::Id)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
}

/// Marks as announced those that are still READY and that no other dispatcher has at hand; says which, each
/// with the trace that caused it.
pub async fn publish(unit: &Unit, ids: &[Uuid]) -> Result<HashMap<Uuid, Option<String>>, DbErr> {
    let ours: Vec<(Uuid, Option<String>)> = job::Entity::find()
        .select_only()
        .column(job::Column::Id)
        .column(job::Column::Traceparent)
        .filter(job::Column::Id.is_in(ids.iter().copied()))
        .filter(job::Column::Status.eq(Status::Ready))
        .order_by_asc(job::Column::Id)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .into_tuple()
        .all(unit.db())
        .await?;
    if !ours.is_empty() {
        job::Entity::update_many()
            .col_expr(job::Column::Status, Expr::value(Status::Published))
            .col_expr(job::Column::PublishedAt, Expr::value(unit.now()))
            .col_expr(job::Column::UpdatedAt, Expr::value(unit.now()))
            .filter(job::Column::Id.is_in(ours.iter().map(|(id, _)| *id)))
            .exec(unit.db())
            .await?;
    }
    Ok(ours.into_iter().collect())
}
