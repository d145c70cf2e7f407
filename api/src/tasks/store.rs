//! Queries about tasks and comments: the only place in this noun that names entities.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use entity::{comment, task};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
    sea_query::{Expr, Func, LockType},
};
use uuid::Uuid;

use super::{Comment, Status, Task};
use crate::{
    Error,
    auth::{Actor, Scope},
    changes::Change,
    collections,
    page::{self, Args, Page, Sort},
    unit::Unit,
};

/// What a list of tasks is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// On this record.
    pub record: Option<Uuid>,
    /// In this state.
    pub status: Option<Status>,
    /// Assigned to this subject.
    pub assignee: Option<String>,
    /// Due before this day.
    pub due_before: Option<NaiveDate>,
}

impl Filter {
    /// Whether a task is one of those that it asks for.
    pub fn matches(&self, row: &Task) -> bool {
        self.record.is_none_or(|record| record == row.record_id)
            && self.status.is_none_or(|status| status == row.status)
            && (self.assignee.is_none() || self.assignee == row.assignee)
            && self
                .due_before
                .is_none_or(|day| row.due_on.is_some_and(|due| due < day))
    }
}

/// The order of a list of tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    #[default]
    CreatedAt,
    /// Due soonest first; those without a day come last.
    DueOn,
}

/// Stands for "no day" in the order: no day that a client can write is later.
const NEVER: NaiveDate = match NaiveDate::from_ymd_opt(9999, 12, 31) {
    Some(day) => day,
    None => NaiveDate::MAX,
};

/// The tasks that an actor may know of.
pub fn visible(actor: &Actor) -> Condition {
    let of = |bodies: &[String]| {
        task::Column::CollectionId.in_subquery(collections::store::ids_of_bodies(bodies))
    };
    match actor.scope() {
        Scope::All => Condition::all(),
        Scope::Bodies(bodies) => Condition::all().add(of(&bodies)),
        Scope::AcceptedOf(bodies) => Condition::all()
            .add(of(&bodies))
            .add(task::Column::Assignee.eq(actor.subject.as_str())),
        Scope::Nothing => Condition::all().add(Expr::value(false)),
    }
}

fn scoped(actor: &Actor) -> Select<task::Entity> {
    task::Entity::find().filter(visible(actor))
}

fn narrowed(mut select: Select<task::Entity>, filter: Filter) -> Select<task::Entity> {
    if let Some(record) = filter.record {
        select = select.filter(task::Column::RecordId.eq(record));
    }
    if let Some(status) = filter.status {
        select = select.filter(task::Column::Status.eq(status));
    }
    if let Some(assignee) = filter.assignee {
        select = select.filter(task::Column::Assignee.eq(assignee));
    }
    if let Some(day) = filter.due_before {
        select = select.filter(task::Column::DueOn.lt(day));
    }
    select
}

/// One by id, if the actor may see it.
pub async fn lookup(
    db: &impl ConnectionTrait,
    actor: &Actor,
    id: Uuid,
) -> Result<Option<Task>, DbErr> {
    scoped(actor).filter(task::Column::Id.eq(id)).one(db).await
}

/// Those that the actor may see and that changed at or after `since`, oldest change first.
pub async fn changed_since(
    db: &impl ConnectionTrait,
    actor: &Actor,
    since: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<Task>, DbErr> {
    scoped(actor)
        .filter(task::Column::UpdatedAt.gte(since))
        .order_by_asc(task::Column::UpdatedAt)
        .limit(limit)
        .all(db)
        .await
}

/// Several by id, those that the actor may see.
pub async fn lookup_many(
    db: &impl ConnectionTrait,
    actor: &Actor,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Task>, DbErr> {
    let rows = scoped(actor)
        .filter(task::Column::Id.is_in(ids.iter().copied()))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// One by id, for our own use, under the lock of the transaction.
pub async fn load_for_update(unit: &Unit, id: Uuid) -> Result<Option<Task>, DbErr> {
    task::Entity::find_by_id(id)
        .lock(LockType::NoKeyUpdate)
        .one(unit.db())
        .await
}

/// A page of those that the actor may see.
pub async fn list(
    db: &impl ConnectionTrait,
    actor: &Actor,
    filter: Filter,
    order: Order,
    args: &Args,
) -> Result<Page<Task>, Error> {
    let select = narrowed(scoped(actor), filter);
    let sort = match order {
        Order::CreatedAt => Sort::by_id(),
        Order::DueOn => by_due_on(),
    };
    page::fetch(db, select, task::Column::Id, sort, |row| row.id, args).await
}

fn by_due_on() -> Sort<Task> {
    Sort {
        name: "due",
        key: Some(
            Func::coalesce([
                Expr::col((task::Entity, task::Column::DueOn)),
                Expr::value(NEVER),
            ])
            .into(),
        ),
        of: |row| row.due_on.unwrap_or(NEVER).to_string(),
        value: |text| text.parse::<NaiveDate>().ok().map(Into::into),
        descending: false,
    }
}

/// Adds one, and announces it.
pub async fn insert(unit: &mut Unit, row: Task) -> Result<Task, DbErr> {
    let row = row
        .into_active_model()
        .reset_all()
        .insert(unit.db())
        .await?;
    unit.changed(Change::Task(row.id.into()));
    Ok(row)
}

/// Writes a changed task back, and announces it.
pub async fn update(unit: &mut Unit, row: Task) -> Result<Task, DbErr> {
    let row = row
        .into_active_model()
        .reset_all()
        .update(unit.db())
        .await?;
    unit.changed(Change::Task(row.id.into()));
    Ok(row)
}

/// Several comments by id, those whose task the actor may see.
pub async fn lookup_comments(
    db: &impl ConnectionTrait,
    actor: &Actor,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Comment>, DbErr> {
    let tasks = scoped(actor)
        .select_only()
        .column(task::Column::Id)
        .into_query();
    let rows = comment::Entity::find()
        .filter(comment::Column::Id.is_in(ids.iter().copied()))
        .filter(comment::Column::TaskId.in_subquery(tasks))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// A comment by its id, if the actor may see its task.
pub async fn lookup_comment(
    db: &impl ConnectionTrait,
    actor: &Actor,
    id: Uuid,
) -> Result<Option<Comment>, DbErr> {
    let tasks = scoped(actor)
        .select_only()
        .column(task::Column::Id)
        .into_query();
    comment::Entity::find_by_id(id)
        .filter(comment::Column::TaskId.in_subquery(tasks))
        .one(db)
        .await
}

/// A page of what was said about a task that the viewer has been shown, oldest first.
pub async fn comments(
    db: &impl ConnectionTrait,
    task: &Task,
    args: &Args,
) -> Result<Page<Comment>, Error> {
    let select = comment::Entity::find().filter(comment::Column::TaskId.eq(task.id));
    page::fetch(
        db,
        select,
        comment::Column::Id,
        Sort::by_id(),
        |row| row.id,
        args,
    )
    .await
}

/// Adds a comment, and announces its task.
pub async fn insert_comment(unit: &mut Unit, row: Comment) -> Result<Comment, DbErr> {
    let row = row
        .into_active_model()
        .reset_all()
        .insert(unit.db())
        .await?;
    unit.changed(Change::Task(row.task_id.into()));
    Ok(row)
}
