//! Tasks and comments on the wire: parse, call one service function, wrap.

use async_graphql::{
    Context, ID, InputObject, MaybeUndefined, Object, SimpleObject, connection::Connection,
};
use chrono::{DateTime, Utc};
use contract::{CommentId, RecordId, TaskId};

use super::{Comment, Task, service, store};
use crate::{
    Error,
    graphql::{
        context::{app, caller, loaders},
        errors::Result,
        ids::{id, parse, parse_option},
        scalars::Date,
    },
    page::Args,
    records::graphql::RecordObject,
};

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "TaskStatus", remote = "super::Status")]
pub enum TaskStatus {
    /// To be done.
    Open,
    /// Somebody is at it.
    InProgress,
    /// Done.
    Done,
    /// Not to be done.
    Cancelled,
}

/// The order of a list of tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
#[graphql(remote = "store::Order")]
pub enum TaskOrder {
    /// Oldest first.
    CreatedAt,
    /// Due soonest first; those without a day come last.
    DueOn,
}

/// A person's work on a record.
#[derive(Clone)]
pub struct TaskObject(pub Task);

/// A person's work on a record.
#[Object(name = "Task")]
impl TaskObject {
    /// `task_…`
    pub async fn id(&self) -> ID {
        id(TaskId(self.0.id))
    }

    /// Raised by every change; updates take it as `expectedRevision`.
    async fn revision(&self) -> i32 {
        self.0.revision
    }

    /// What it is about; null where the task is assigned to you and the record is not yours to read.
    async fn record(&self, ctx: &Context<'_>) -> Result<Option<RecordObject>> {
        let row = loaders(ctx)?.record(self.0.record_id).await?;
        Ok(row.map(RecordObject))
    }

    /// What is to be done.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// More of it.
    async fn description(&self) -> &str {
        &self.0.description
    }

    /// Subject of who is to do it.
    async fn assignee(&self) -> Option<&str> {
        self.0.assignee.as_deref()
    }

    /// By when.
    async fn due_on(&self) -> Option<Date> {
        self.0.due_on.map(Date)
    }

    /// Where it stands.
    async fn status(&self) -> TaskStatus {
        self.0.status.into()
    }

    /// Subject of who asked.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }

    /// When it was added.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }

    /// What was said about it, oldest first.
    #[graphql(complexity = "crate::page::cost(first, last, child_complexity)")]
    async fn comments(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<String, CommentObject>> {
        let args = Args {
            first,
            after,
            last,
            before,
        };
        let page = store::comments(app(ctx)?.database(), &self.0, &args).await?;
        Ok(page.connection(CommentObject))
    }
}

/// A remark on a task.
#[derive(Clone)]
pub struct CommentObject(pub Comment);

/// A remark on a task.
#[Object(name = "Comment")]
impl CommentObject {
    /// `comment_…`
    pub async fn id(&self) -> ID {
        id(CommentId(self.0.id))
    }

    /// The text.
    async fn body(&self) -> &str {
        &self.0.body
    }

    /// Subject of who wrote it.
    async fn author(&self) -> &str {
        &self.0.author
    }

    /// When.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

/// Narrows a list of tasks.
#[derive(InputObject, Default)]
pub struct TaskFilter {
    /// On this record.
    record_id: Option<ID>,
    /// In this state.
    status: Option<TaskStatus>,
    /// Assigned to this subject.
    assignee: Option<String>,
    /// Due before this day.
    due_before: Option<Date>,
}

impl TaskFilter {
    /// As the store takes it.
    pub fn parse(self, path: &str) -> std::result::Result<store::Filter, Error> {
        let record: Option<RecordId> =
            parse_option(self.record_id.as_ref(), &format!("{path}.recordId"))?;
        Ok(store::Filter {
            record: record.map(Into::into),
            status: self.status.map(Into::into),
            assignee: self.assignee,
            due_before: self.due_before.map(|day| day.0),
        })
    }
}

/// A new task.
#[derive(InputObject)]
pub struct AddTaskInput {
    /// The same key replays the first answer for 30 days.
    client_mutation_key: Option<String>,
    /// On what.
    record_id: ID,
    /// What is to be done: 1 to 500 characters.
    title: String,
    /// More of it: up to 20,000 characters.
    description: Option<String>,
    /// Subject of who is to do it.
    assignee: Option<String>,
    /// By when.
    due_on: Option<Date>,
}

/// Changes of a task; what is left out stays as it is.
#[derive(InputObject)]
pub struct UpdateTaskInput {
    /// Which.
    id: ID,
    /// The revision that you have read.
    expected_revision: i32,
    /// A new title.
    title: Option<String>,
    /// A new description.
    description: Option<String>,
    /// Another assignee; null: nobody.
    assignee: MaybeUndefined<String>,
    /// Another day; null: none.
    due_on: MaybeUndefined<Date>,
}

/// A task's next state.
#[derive(InputObject)]
pub struct SetTaskStatusInput {
    /// Which.
    id: ID,
    /// The revision that you have read.
    expected_revision: Option<i32>,
    /// OPEN to `IN_PROGRESS`, that to DONE or CANCELLED, and any of them back to OPEN.
    status: TaskStatus,
}

/// A new comment.
#[derive(InputObject)]
pub struct AddCommentInput {
    /// The same key replays the first answer for 30 days.
    client_mutation_key: Option<String>,
    /// On what.
    task_id: ID,
    /// 1 to 20,000 characters.
    body: String,
}

/// The task that was added.
#[derive(SimpleObject)]
pub struct AddTaskPayload {
    /// The task.
    task: TaskObject,
}

/// The task as it is now.
#[derive(SimpleObject)]
pub struct UpdateTaskPayload {
    /// The task.
    task: TaskObject,
}

/// The task as it is now.
#[derive(SimpleObject)]
pub struct SetTaskStatusPayload {
    /// The task.
    task: TaskObject,
}

/// The comment that was added.
#[derive(SimpleObject)]
pub struct AddCommentPayload {
    /// The comment.
    comment: CommentObject,
    /// Its task.
    task: TaskObject,
}

/// A page of the tasks that the viewer may see.
pub async fn list_tasks(
    ctx: &Context<'_>,
    filter: store::Filter,
    order: Option<TaskOrder>,
    args: &Args,
) -> Result<Connection<String, TaskObject>> {
    let order = order.map(Into::into).unwrap_or_default();
    let (db, actor) = (app(ctx)?.database(), &caller(ctx)?.actor);
    let page = store::list(db, actor, filter, order, args).await?;
    Ok(page.connection(TaskObject))
}

/// Queries about tasks.
#[derive(Default)]
pub struct TaskQuery;

#[Object]
impl TaskQuery {
    /// The tasks that you may see: a reader sees those assigned to them.
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    #[graphql(complexity = "crate::page::cost(first, last, child_complexity)")]
    async fn tasks(
        &self,
        ctx: &Context<'_>,
        filter: Option<TaskFilter>,
        order_by: Option<TaskOrder>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<String, TaskObject>> {
        let filter = filter.unwrap_or_default().parse("filter")?;
        list_tasks(
            ctx,
            filter,
            order_by,
            &Args {
                first,
                after,
                last,
                before,
            },
        )
        .await
    }
}

/// Mutations of tasks.
#[derive(Default)]
pub struct TaskMutation;

#[Object]
impl TaskMutation {
    /// Adds a task to a record.
    async fn add_task(&self, ctx: &Context<'_>, input: AddTaskInput) -> Result<AddTaskPayload> {
        let new = service::New {
            record: parse(&input.record_id, "input.recordId")?,
            title: input.title,
            description: input.description.unwrap_or_default(),
            assignee: input.assignee,
            due_on: input.due_on.map(|day| day.0),
        };
        let key = input.client_mutation_key;
        let row = service::add(app(ctx)?, caller(ctx)?, key.as_deref(), new).await?;
        Ok(AddTaskPayload {
            task: TaskObject(row),
        })
    }

    /// Changes what a task says, who is to do it and by when.
    async fn update_task(
        &self,
        ctx: &Context<'_>,
        input: UpdateTaskInput,
    ) -> Result<UpdateTaskPayload> {
        let id = parse(&input.id, "input.id")?;
        let changes = service::Changes {
            title: input.title,
            description: input.description,
            assignee: input.assignee,
            due_on: input.due_on.map_value(|day| day.0),
        };
        let (app, caller) = (app(ctx)?, caller(ctx)?);
        let row = service::update(app, caller, id, input.expected_revision, changes).await?;
        Ok(UpdateTaskPayload {
            task: TaskObject(row),
        })
    }

    /// Moves a task on.
    async fn set_task_status(
        &self,
        ctx: &Context<'_>,
        input: SetTaskStatusInput,
    ) -> Result<SetTaskStatusPayload> {
        let id = parse(&input.id, "input.id")?;
        let (app, caller, status) = (app(ctx)?, caller(ctx)?, input.status.into());
        let row = service::set_status(app, caller, id, input.expected_revision, status).await?;
        Ok(SetTaskStatusPayload {
            task: TaskObject(row),
        })
    }

    /// Says something about a task.
    async fn add_comment(
        &self,
        ctx: &Context<'_>,
        input: AddCommentInput,
    ) -> Result<AddCommentPayload> {
        let new = service::NewComment {
            task: parse(&input.task_id, "input.taskId")?,
            body: input.body,
        };
        let key = input.client_mutation_key;
        let (comment, task) =
            service::comment(app(ctx)?, caller(ctx)?, key.as_deref(), new).await?;
        Ok(AddCommentPayload {
            comment: CommentObject(comment),
            task: TaskObject(task),
        })
    }
}
