//! Queries about API keys: the only place in this noun that names entities.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::api_key;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QuerySelect, sea_query::Expr,
};
use uuid::Uuid;

use super::ApiKey;
use crate::{
    Error,
    auth::{Action, Actor, Resource, Verdict, authorise},
    page::{self, Args, Page, Sort},
    unit::Unit,
};

/// Several by id, if the actor may see keys.
pub async fn lookup_many(
    db: &impl ConnectionTrait,
    actor: &Actor,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, ApiKey>, DbErr> {
    if authorise(actor, Action::ReadApiKeys, &Resource::default()) != Verdict::Allowed {
        return Ok(HashMap::new());
    }
    let rows = api_key::Entity::find()
        .filter(api_key::Column::Id.is_in(ids.iter().copied()))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// One by id, for our own use.
pub async fn load(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<ApiKey>, DbErr> {
    api_key::Entity::find_by_id(id).one(db).await
}

/// One by id, for our own use, under the lock of the transaction.
pub async fn load_for_update(unit: &Unit, id: Uuid) -> Result<Option<ApiKey>, DbErr> {
    api_key::Entity::find_by_id(id)
        .lock_exclusive()
        .one(unit.db())
        .await
}

/// A page of keys, newest first.
pub async fn list(db: &impl ConnectionTrait, args: &Args) -> Result<Page<ApiKey>, Error> {
    let select = api_key::Entity::find();
    let sort = Sort::newest_first();
    page::fetch(db, select, api_key::Column::Id, sort, |row| row.id, args).await
}

/// Adds one.
pub async fn insert(unit: &Unit, row: ApiKey) -> Result<ApiKey, DbErr> {
    row.into_active_model().reset_all().insert(unit.db()).await
}

/// Ends one.
pub async fn revoke(unit: &Unit, mut row: ApiKey) -> Result<ApiKey, DbErr> {
    row.revoked_at = Some(unit.now());
    row.revoked_by = Some(unit.agent().to_owned());
    api_key::Entity::update_many()
        .col_expr(api_key::Column::RevokedAt, Expr::value(row.revoked_at))
        .col_expr(
            api_key::Column::RevokedBy,
            Expr::value(row.revoked_by.clone()),
        )
        .filter(api_key::Column::Id.eq(row.id))
        .exec(unit.db())
        .await?;
    Ok(row)
}

/// Notes that one was shown, unless that was noted since `before`.
pub async fn used(unit: &Unit, id: Uuid, before: DateTime<Utc>) -> Result<(), DbErr> {
    api_key::Entity::update_many()
        .col_expr(api_key::Column::LastUsedAt, Expr::value(Some(unit.now())))
        .filter(api_key::Column::Id.eq(id))
        .filter(
            Condition::any()
                .add(api_key::Column::LastUsedAt.is_null())
                .add(api_key::Column::LastUsedAt.lte(before)),
        )
        .exec(unit.db())
        .await?;
    Ok(())
}
