//! Queries about events: the only place in this noun that names entities.

use chrono::{DateTime, Utc};
use contract::{AnyId, ExportId};
use entity::{event, export};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect,
    QueryTrait, Select, sea_query::Expr,
};
use uuid::Uuid;

use super::Event;
use crate::{
    Error,
    auth::{Actor, Scope},
    collections, exports,
    page::{self, Args, Page, Sort},
};

/// What a list of events is narrowed to.
#[derive(Debug, Default)]
pub struct Filter {
    /// About this, of any type.
    pub subject: Option<AnyId>,
    /// Concerning this record, its versions and tasks.
    pub record: Option<Uuid>,
    /// What, as `noun.verb`.
    pub action: Option<String>,
    /// From then on.
    pub since: Option<DateTime<Utc>>,
    /// Before then.
    pub until: Option<DateTime<Utc>>,
}

/// The events that an actor may know of: a contributor, those of what they can read.
pub fn visible(actor: &Actor) -> Condition {
    match actor.scope() {
        Scope::All => Condition::all(),
        Scope::Bodies(bodies) => {
            let collections = collections::store::ids_of_bodies(&bodies);
            let own_exports = export::Entity::find()
                .select_only()
                .column(export::Column::Id)
                .filter(exports::store::visible(actor))
                .into_query();
            Condition::all()
                .add(event::Column::CollectionId.in_subquery(collections))
                .add(
                    Condition::any()
                        .add(event::Column::SubjectType.ne(ExportId::PREFIX))
                        .add(event::Column::SubjectId.in_subquery(own_exports)),
                )
        }
        Scope::AcceptedOf(_) | Scope::Nothing => Condition::all().add(Expr::value(false)),
    }
}

fn scoped(actor: &Actor) -> Select<event::Entity> {
    event::Entity::find().filter(visible(actor))
}

/// One by id, if the actor may see it.
pub async fn lookup(
    db: &impl ConnectionTrait,
    actor: &Actor,
    id: Uuid,
) -> Result<Option<Event>, DbErr> {
    scoped(actor).filter(event::Column::Id.eq(id)).one(db).await
}

/// A page of those that the actor may see, newest first.
pub async fn list(
    db: &impl ConnectionTrait,
    actor: &Actor,
    filter: Filter,
    args: &Args,
) -> Result<Page<Event>, Error> {
    let mut select = scoped(actor);
    if let Some(subject) = filter.subject {
        select = select
            .filter(event::Column::SubjectId.eq(subject.uuid()))
            .filter(event::Column::SubjectType.eq(subject.prefix()));
    }
    if let Some(record) = filter.record {
        select = select.filter(event::Column::RecordId.eq(record));
    }
    if let Some(action) = filter.action {
        select = select.filter(event::Column::Action.eq(action));
    }
    if let Some(since) = filter.since {
        select = select.filter(event::Column::At.gte(since));
    }
    if let Some(until) = filter.until {
        select = select.filter(event::Column::At.lt(until));
    }
    page::fetch(
        db,
        select,
        event::Column::Id,
        Sort::newest_first(),
        |row| row.id,
        args,
    )
    .await
}
