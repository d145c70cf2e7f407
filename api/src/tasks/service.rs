//! What can be done with tasks: authorise, load, rule, save and event, in one transaction.

use async_graphql::MaybeUndefined;
use chrono::NaiveDate;
use contract::{CommentId, RecordId, TaskId};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Comment, Status, Task, check_texts, name, next, store};
use crate::{
    App, Error,
    auth::{Action, Caller, Resource},
    collections, records, text,
    unit::{Happened, Unit, answered, check_revision},
};

/// A task to be.
#[derive(Debug, Serialize)]
pub struct New {
    /// On what.
    pub record: RecordId,
    /// What is to be done.
    pub title: String,
    /// More of it.
    pub description: String,
    /// Subject of who is to do it.
    pub assignee: Option<String>,
    /// By when.
    pub due_on: Option<NaiveDate>,
}

/// What is to be changed; what is left out stays as it is.
#[derive(Debug, Default)]
pub struct Changes {
    /// What is to be done.
    pub title: Option<String>,
    /// More of it.
    pub description: Option<String>,
    /// Subject of who is to do it; null: nobody.
    pub assignee: MaybeUndefined<String>,
    /// By when; null: no day.
    pub due_on: MaybeUndefined<NaiveDate>,
}

/// A comment to be.
#[derive(Debug, Serialize)]
pub struct NewComment {
    /// On what.
    pub task: TaskId,
    /// The text.
    pub body: String,
}

/// Adds a task to a record.
pub async fn add(app: &App, caller: &Caller, key: Option<&str>, new: New) -> Result<Task, Error> {
    check_texts(
        Some(&new.title),
        Some(&new.description),
        new.assignee.as_deref(),
    )?;
    let mut unit = app.begin(caller).await?;
    let record = records::store::lookup(unit.db(), &caller.actor, new.record.0)
        .await?
        .ok_or(Error::NotFound("record"))?;
    let collection = collections::store::load(unit.db(), record.collection_id)
        .await?
        .ok_or(Error::NotFound("record"))?;
    // A reader was shown the record because it was accepted.
    let resource = Resource {
        accepted: true,
        ..collections::service::resource(&collection)
    };
    caller.may(Action::AddTask, &resource)?;
    if let Some(answer) = unit.replay("addTask", key, &new).await? {
        let id: TaskId = answered(answer)?;
        return store::lookup(unit.db(), &caller.actor, id.0)
            .await?
            .ok_or(Error::NotFound("task"));
    }
    let row = Task {
        id: unit.id(),
        revision: 1,
        record_id: record.id,
        collection_id: record.collection_id,
        title: new.title,
        description: new.description,
        assignee: new.assignee,
        due_on: new.due_on,
        status: Status::Open,
        created_by: caller.actor.subject.clone(),
        created_at: unit.now(),
        updated_at: unit.now(),
    };
    let row = store::insert(&mut unit, row).await?;
    happened(&mut unit, &row, "task.added", None, seen(&row));
    unit.remember(key, TaskId(row.id)).await?;
    unit.commit().await?;
    Ok(row)
}

/// Changes what a task says. Nothing changed is nothing done.
pub async fn update(
    app: &App,
    caller: &Caller,
    id: TaskId,
    expected_revision: i32,
    changes: Changes,
) -> Result<Task, Error> {
    check_texts(
        changes.title.as_deref(),
        changes.description.as_deref(),
        changes.assignee.as_opt_deref().flatten(),
    )?;
    let (mut unit, old) = load(app, caller, id).await?;
    check_revision(old.revision, Some(expected_revision))?;
    let mut row = old.clone();
    row.title = changes.title.unwrap_or(row.title);
    row.description = changes.description.unwrap_or(row.description);
    changes.assignee.update_to(&mut row.assignee);
    changes.due_on.update_to(&mut row.due_on);
    if row == old {
        return Ok(old);
    }
    let row = save(&mut unit, row).await?;
    happened(
        &mut unit,
        &row,
        "task.updated",
        Some(seen(&old)),
        seen(&row),
    );
    unit.commit().await?;
    Ok(row)
}

/// Moves a task on. The state that it has already is nothing done.
pub async fn set_status(
    app: &App,
    caller: &Caller,
    id: TaskId,
    expected_revision: Option<i32>,
    status: Status,
) -> Result<Task, Error> {
    let (mut unit, mut row) = load(app, caller, id).await?;
    check_revision(row.revision, expected_revision)?;
    let was = row.status;
    let Some(status) = next(was, status)? else {
        return Ok(row);
    };
    row.status = status;
    let row = save(&mut unit, row).await?;
    let before = json!({"status": name(was)});
    let after = json!({"status": name(status)});
    happened(&mut unit, &row, "task.statusSet", Some(before), after);
    unit.commit().await?;
    Ok(row)
}

/// Says something about a task.
pub async fn comment(
    app: &App,
    caller: &Caller,
    key: Option<&str>,
    new: NewComment,
) -> Result<(Comment, Task), Error> {
    text::check("input.body", &new.body, text::LONG)?;
    if new.body.trim().is_empty() {
        return Err(Error::input("input.body", "the text is empty"));
    }
    let (mut unit, task) = load(app, caller, new.task).await?;
    if let Some(answer) = unit.replay("addComment", key, &new).await? {
        let id: CommentId = answered(answer)?;
        let row = store::lookup_comment(unit.db(), &caller.actor, id.0)
            .await?
            .ok_or(Error::NotFound("comment"))?;
        return Ok((row, task));
    }
    let row = Comment {
        id: unit.id(),
        task_id: task.id,
        body: new.body,
        author: caller.actor.subject.clone(),
        created_at: unit.now(),
    };
    let row = store::insert_comment(&mut unit, row).await?;
    let after = json!({"comment": CommentId(row.id), "body": row.body});
    happened(&mut unit, &task, "task.commented", None, after);
    unit.remember(key, CommentId(row.id)).await?;
    unit.commit().await?;
    Ok((row, task))
}

/// Locks a task and asks whether the caller may change it.
async fn load(app: &App, caller: &Caller, id: TaskId) -> Result<(Unit, Task), Error> {
    let unit = app.begin(caller).await?;
    let row = store::load_for_update(&unit, id.0)
        .await?
        .ok_or(Error::NotFound("task"))?;
    let collection = collections::store::load(unit.db(), row.collection_id)
        .await?
        .ok_or(Error::NotFound("task"))?;
    let resource = Resource {
        assignee: row.assignee.as_deref(),
        ..collections::service::resource(&collection)
    };
    caller.may(Action::UpdateTask, &resource)?;
    Ok((unit, row))
}

async fn save(unit: &mut Unit, mut row: Task) -> Result<Task, Error> {
    row.revision += 1;
    row.updated_at = unit.now();
    Ok(store::update(unit, row).await?)
}

fn seen(row: &Task) -> Value {
    json!({
        "title": row.title,
        "description": row.description,
        "assignee": row.assignee,
        "dueOn": row.due_on,
    })
}

fn happened(
    unit: &mut Unit,
    row: &Task,
    action: &'static str,
    before: Option<Value>,
    after: Value,
) {
    unit.event(
        TaskId(row.id),
        Happened {
            action,
            collection_id: Some(row.collection_id),
            record_id: Some(row.record_id),
            before,
            after: Some(after),
        },
    );
}
