//! What is due under the schedules of collections, and what is overdue.

use chrono::{DateTime, Utc};
use entity::{
    collection, export, fixity_check,
    version::{self, Status},
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, Order, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait, Func, Query, SimpleExpr},
};
use uuid::Uuid;

use super::Sum;
use crate::{unit::Unit, versions::Version};

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
        .filter(untried(fixity_check::Column::VersionId, id, tried))
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
        .filter(untried(fixity_check::Column::ExportId, id, tried))
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
