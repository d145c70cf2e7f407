//! What a run is about.

use chrono::{DateTime, Utc};
use contract::{CollectionId, ExportId};
use entity::{
    export,
    version::{self, Place, Status},
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, Select,
    sea_query::{Expr, ExprTrait, LikeExpr},
};
use uuid::Uuid;

use super::Sum;
use crate::{
    exports::Export,
    fixity::{FixityRun, Selection},
    transfers,
    unit::Unit,
    versions::Version,
};

/// The kept versions of a selection that were there when the run was asked for.
fn versions_of(selection: Selection, run: Uuid) -> Select<version::Entity> {
    let select = version::Entity::find()
        .filter(version::Column::Place.eq(Place::Records))
        .filter(
            Condition::any()
                .add(version::Column::Status.is_in([Status::Accepted, Status::NeedsReview]))
                .add(version::Column::DamagedAt.is_not_null()),
        )
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

const BYTES: &str = "CAST(COALESCE(SUM(size), 0) AS bigint)";

/// What a run comes to.
pub async fn sum(
    db: &impl ConnectionTrait,
    selection: Selection,
    run: Uuid,
    now: DateTime<Utc>,
) -> Result<Sum, DbErr> {
    let versions = versions_of(selection, run)
        .select_only()
        .column_as(version::Column::Id.count(), "count")
        .column_as(Expr::cust(BYTES), "bytes")
        .into_model::<Sum>()
        .one(db)
        .await?
        .unwrap_or_default();
    let exports = exports_of(selection, run, now)
        .select_only()
        .column_as(export::Column::Id.count(), "count")
        .column_as(Expr::cust(BYTES), "bytes")
        .into_model::<Sum>()
        .one(db)
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
