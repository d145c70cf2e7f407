//! Queries about collections: the only place in this noun that names entities.

use std::collections::HashMap;

use entity::{collection, policy};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter,
    QuerySelect, QueryTrait, Select,
    sea_query::{Expr, ExprTrait, LockType, SelectStatement},
};
use uuid::Uuid;

use super::{Collection, PolicyRow, Rules};
use crate::{
    Error,
    auth::{Actor, Scope},
    page::{self, Args, Page, Sort},
    unit::Unit,
};

/// What a list of collections is narrowed to.
#[derive(Debug, Default)]
pub struct Filter {
    /// Owned by this body.
    pub body: Option<String>,
    /// With this code.
    pub code: Option<String>,
}

/// The collections that an actor may know of.
pub fn visible(actor: &Actor) -> Condition {
    match actor.scope() {
        Scope::All => Condition::all(),
        Scope::Bodies(bodies) | Scope::AcceptedOf(bodies) => {
            Condition::all().add(collection::Column::Body.is_in(bodies))
        }
        Scope::Nothing => Condition::all().add(Expr::value(false)),
    }
}

/// `SELECT id FROM collection` of those bodies: other nouns are scoped by it.
pub fn ids_of_bodies(bodies: &[String]) -> SelectStatement {
    collection::Entity::find()
        .select_only()
        .column(collection::Column::Id)
        .filter(collection::Column::Body.is_in(bodies.iter().map(String::as_str)))
        .into_query()
}

fn scoped(actor: &Actor) -> Select<collection::Entity> {
    collection::Entity::find().filter(visible(actor))
}

/// One by id, if the actor may see it.
pub async fn lookup(
    db: &impl ConnectionTrait,
    actor: &Actor,
    id: Uuid,
) -> Result<Option<Collection>, DbErr> {
    scoped(actor)
        .filter(collection::Column::Id.eq(id))
        .one(db)
        .await
}

/// One by code, if the actor may see it.
pub async fn lookup_code(
    db: &impl ConnectionTrait,
    actor: &Actor,
    code: &str,
) -> Result<Option<Collection>, DbErr> {
    scoped(actor)
        .filter(collection::Column::Code.eq(code))
        .one(db)
        .await
}

/// One by id, for our own use, under the lock of the transaction.
pub async fn load_for_update(unit: &Unit, id: Uuid) -> Result<Option<Collection>, DbErr> {
    collection::Entity::find_by_id(id)
        .lock(LockType::NoKeyUpdate)
        .one(unit.db())
        .await
}

/// One by id, for our own use.
pub async fn load(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<Collection>, DbErr> {
    collection::Entity::find_by_id(id).one(db).await
}

/// The owning bodies of several, by id: of those that the actor may see.
pub async fn bodies(
    db: &impl ConnectionTrait,
    actor: &Actor,
    ids: impl Iterator<Item = Uuid>,
) -> Result<HashMap<Uuid, String>, DbErr> {
    let mut ids: Vec<Uuid> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    let found = lookup_many(db, actor, &ids).await?;
    Ok(found.into_iter().map(|(id, row)| (id, row.body)).collect())
}

/// Several by id, those that the actor may see.
pub async fn lookup_many(
    db: &impl ConnectionTrait,
    actor: &Actor,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Collection>, DbErr> {
    let rows = scoped(actor)
        .filter(collection::Column::Id.is_in(ids.iter().copied()))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// A page of those that the actor may see.
pub async fn list(
    db: &impl ConnectionTrait,
    actor: &Actor,
    filter: Filter,
    args: &Args,
) -> Result<Page<Collection>, Error> {
    let mut select = scoped(actor);
    if let Some(body) = filter.body {
        select = select.filter(collection::Column::Body.eq(body));
    }
    if let Some(code) = filter.code {
        select = select.filter(collection::Column::Code.eq(code));
    }
    page::fetch(
        db,
        select,
        collection::Column::Id,
        Sort::by_id(),
        |row| row.id,
        args,
    )
    .await
}

/// Adds one with its first policy.
pub async fn insert(unit: &Unit, row: Collection, rules: &Rules) -> Result<(), Error> {
    let code = row.code.clone();
    let (id, revision) = (row.id, row.policy_revision);
    row.into_active_model()
        .reset_all()
        .insert(unit.db())
        .await
        .map_err(|error| {
            if Error::is_unique_violation(&error) {
                Error::Conflict(format!(
                    "there is a collection with the code {code} already"
                ))
            } else {
                error.into()
            }
        })?;
    insert_policy(unit, id, revision, rules).await
}

/// Adds a revision of a policy.
pub async fn insert_policy(
    unit: &Unit,
    collection_id: Uuid,
    revision: i32,
    rules: &Rules,
) -> Result<(), Error> {
    let rules = serde_json::to_value(rules).map_err(|error| Error::Internal(error.to_string()))?;
    policy::ActiveModel {
        collection_id: Set(collection_id),
        revision: Set(revision),
        rules: Set(rules),
        created_at: Set(unit.now()),
        created_by: Set(unit.agent().to_owned()),
    }
    .insert(unit.db())
    .await?;
    Ok(())
}

/// Writes a changed collection back.
pub async fn update(unit: &Unit, row: Collection) -> Result<Collection, DbErr> {
    row.into_active_model().reset_all().update(unit.db()).await
}

/// The policies in force of several collections.
pub async fn current_policies(
    db: &impl ConnectionTrait,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, PolicyRow>, DbErr> {
    let current = collection::Entity::find()
        .select_only()
        .column(collection::Column::PolicyRevision)
        .filter(
            Expr::col((collection::Entity, collection::Column::Id))
                .equals((policy::Entity, policy::Column::CollectionId)),
        )
        .into_query();
    let rows = policy::Entity::find()
        .filter(policy::Column::CollectionId.is_in(ids.iter().copied()))
        .filter(policy::Column::Revision.in_subquery(current))
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.collection_id, row))
        .collect())
}

/// The policy in force of one collection, for our own use.
pub async fn current_policy(
    db: &impl ConnectionTrait,
    collection: Uuid,
) -> Result<(i32, Rules), Error> {
    let row = current_policies(db, &[collection])
        .await?
        .remove(&collection)
        .ok_or_else(|| Error::Internal(format!("collection {collection} has no policy")))?;
    Ok((row.revision, rules(&row)?))
}

/// The rules of a stored policy.
pub fn rules(row: &PolicyRow) -> Result<Rules, Error> {
    serde_json::from_value(row.rules.clone())
        .map_err(|error| Error::Internal(format!("a stored policy cannot be read: {error}")))
}

/// Whether a code is taken.
pub async fn code_exists(db: &impl ConnectionTrait, code: &str) -> Result<bool, DbErr> {
    Ok(collection::Entity::find()
        .filter(collection::Column::Code.eq(code))
        .one(db)
        .await?
        .is_some())
}
