//! Queries about events: the only place in this noun that names entities.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use contract::{AnyId, ExportId, FixityRunId};
use entity::{event, event_leaf, event_pending, export};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbBackend, DbErr, EntityTrait,
    FromQueryResult, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
    Statement, Value,
    sea_query::{Expr, ExprTrait, OnConflict},
};
use uuid::Uuid;

use super::{Event, chain::Head};
use crate::{
    Error,
    auth::{Actor, Scope},
    collections, exports,
    page::{self, Args, Page, Sort},
    unit::chunks,
};

/// The advisory locks of chains on PostgreSQL: this, and the group.
const CHAINS: i32 = 7_301;

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
                .add(event::Column::SubjectType.ne(FixityRunId::PREFIX))
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

/// Several by id, those that the actor may see.
pub async fn lookup_many(
    db: &impl ConnectionTrait,
    actor: &Actor,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Event>, DbErr> {
    let rows = scoped(actor)
        .filter(event::Column::Id.is_in(ids.iter().copied()))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
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

/// Keeps others from adding to groups of chains until the transaction ends. In one order, so that two units never
/// wait for each other. SQLite has one writer anyway.
pub async fn lock_chains(db: &impl ConnectionTrait, groups: &BTreeSet<u8>) -> Result<(), DbErr> {
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
    let groups = groups.join(",");
    let sql = format!(
        "SELECT pg_advisory_xact_lock({CHAINS}, one) FROM unnest(ARRAY[{groups}]::integer[]) AS one"
    );
    db.execute_unprepared(&sql).await.map(drop)
}

#[derive(FromQueryResult)]
struct HeadRow {
    subject_id: Uuid,
    subject_type: String,
    sequence: i64,
    hash: Vec<u8>,
}

/// The last events of chains, as far as there are any.
pub async fn heads(
    db: &impl ConnectionTrait,
    subjects: &[(Uuid, String)],
) -> Result<Vec<Head>, DbErr> {
    let mut heads = Vec::new();
    for subjects in subjects.chunks(500) {
        let places: Vec<String> = (0..subjects.len())
            .map(|place| format!("(${}, ${})", 2 * place + 1, 2 * place + 2))
            .collect();
        let sql = format!(
            "WITH asked (id, kind) AS (VALUES {})
            SELECT e.subject_id, e.subject_type, e.sequence, e.hash
            FROM asked JOIN event e ON e.subject_id = asked.id AND e.subject_type = asked.kind AND e.sequence =
              (SELECT MAX(last.sequence) FROM event last WHERE last.subject_id = asked.id AND last.subject_type = asked.kind)",
            places.join(", ")
        );
        let values = subjects
            .iter()
            .flat_map(|(id, kind)| [Value::from(*id), kind.as_str().into()]);
        let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
        let rows = HeadRow::find_by_statement(statement).all(db).await?;
        heads.extend(rows.into_iter().map(|row| Head {
            subject: (row.subject_id, row.subject_type),
            sequence: row.sequence,
            hash: row.hash,
        }));
    }
    Ok(heads)
}

/// Adds events that have their places; they are to be put into the tree.
pub(crate) async fn insert_many(db: &impl ConnectionTrait, rows: Vec<Event>) -> Result<(), DbErr> {
    for chunk in chunks(rows) {
        let pending: Vec<Uuid> = chunk.iter().map(|row| row.id).collect();
        let rows = chunk
            .into_iter()
            .map(|row| row.into_active_model().reset_all());
        event::Entity::insert_many(rows)
            .exec_without_returning(db)
            .await?;
        wait(db, pending).await?;
    }
    Ok(())
}

async fn wait(db: &impl ConnectionTrait, events: Vec<Uuid>) -> Result<(), DbErr> {
    let rows = events
        .into_iter()
        .map(|event_id| event_pending::Model { event_id }.into_active_model());
    event_pending::Entity::insert_many(rows.map(ActiveModelTrait::reset_all))
        .on_conflict(
            OnConflict::column(event_pending::Column::EventId)
                .do_nothing()
                .to_owned(),
        )
        .exec_without_returning(db)
        .await
        .map(drop)
}

/// Whether an older version wrote events.
pub async fn any_unchained(db: &impl ConnectionTrait) -> Result<bool, DbErr> {
    Ok(!unchained(db, 1).await?.is_empty())
}

/// Events of an older version, oldest first.
pub async fn unchained(db: &impl ConnectionTrait, limit: u64) -> Result<Vec<Event>, DbErr> {
    let sealed = event_leaf::Entity::find()
        .select_only()
        .column(event_leaf::Column::EventId)
        .filter(
            Expr::col((event_leaf::Entity, event_leaf::Column::EventId))
                .equals((event::Entity, event::Column::Id)),
        )
        .into_query();
    event::Entity::find()
        .filter(event::Column::Hash.is_null())
        // What is in the tree had a hash: somebody took it away, which `verify-log` tells.
        .filter(Expr::exists(sealed).not())
        .order_by_asc(event::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// Writes down the places of events of an older version.
pub(crate) async fn adopt(db: &impl ConnectionTrait, rows: Vec<Event>) -> Result<(), DbErr> {
    for row in &rows {
        event::Entity::update_many()
            .col_expr(event::Column::Sequence, Expr::value(row.sequence))
            .col_expr(event::Column::Previous, Expr::value(row.previous.clone()))
            .col_expr(event::Column::Hash, Expr::value(row.hash.clone()))
            .filter(event::Column::Id.eq(row.id))
            .filter(event::Column::Hash.is_null())
            .exec(db)
            .await?;
    }
    let ids = rows.iter().map(|row| row.id).collect();
    if rows.is_empty() {
        Ok(())
    } else {
        wait(db, ids).await
    }
}
