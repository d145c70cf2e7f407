//! Jobs on the wire: parse, call one service function, wrap.

pub mod work;

use async_graphql::{Context, ID, InputObject, MergedObject, Object, connection::Connection};
use chrono::{DateTime, Utc};
use contract::{AnyId, JobId};

pub use work::{ClaimObject, JobLeaseInput, ReportOutcome};

pub use super::{reported::ReportStatus, work::ObjectLocation};

use super::{Job, fail::subject, service, store, why_waiting};
use crate::{
    graphql::{
        context::{app, caller},
        errors::Result,
        ids::{id, parse},
    },
    page::Args,
};

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
#[graphql(remote = "super::Status")]
pub enum JobStatus {
    /// To be announced.
    Ready,
    /// Its message is in the queue.
    Published,
    /// A worker has it.
    Leased,
    /// Ended well.
    Done,
    /// Given up; its subject says so.
    Dead,
}

/// What sort of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
#[graphql(remote = "super::Kind")]
pub enum JobKind {
    /// Run checks on a version.
    Check,
    /// Move the bytes of a decided version.
    Disposition,
    /// Pack an export.
    Export,
    /// Read again what is kept.
    Fixity,
}

/// Work for a worker, as operators see it.
#[derive(Clone)]
pub struct JobObject(pub Job);

/// Work for a worker, as operators see it.
#[Object(name = "Job")]
impl JobObject {
    /// `job_…`
    pub async fn id(&self) -> ID {
        id(JobId(self.0.id))
    }

    /// What sort of work.
    async fn kind(&self) -> JobKind {
        self.0.kind.into()
    }

    /// The queue that announces it.
    async fn queue(&self) -> &str {
        &self.0.queue
    }

    /// The version, export or fixity check that it is about.
    async fn subject_id(&self) -> ID {
        id(subject(&self.0))
    }

    /// Where it stands.
    async fn status(&self) -> JobStatus {
        self.0.status.into()
    }

    /// 1, 2, …
    async fn attempt(&self) -> i32 {
        self.0.attempt
    }

    /// After which it is DEAD.
    async fn max_attempts(&self) -> i32 {
        self.0.max_attempts
    }

    /// What it waits for; null once ended.
    async fn why_waiting(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(why_waiting(&self.0, app(ctx)?.clock().now()))
    }

    /// What went wrong last.
    async fn last_error(&self) -> Option<&str> {
        self.0.last_error.as_deref()
    }

    /// Who has or had it.
    async fn worker(&self) -> Option<&str> {
        self.0.worker.as_deref()
    }

    /// Until when the worker has it; null when none has.
    async fn lease_expires_at(&self) -> Option<DateTime<Utc>> {
        self.0
            .lease_expires_at
            .filter(|_| self.0.status == super::Status::Leased)
    }

    /// When it was put into the table.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }
}

/// Narrows a list of jobs.
#[derive(InputObject, Default)]
pub struct JobFilter {
    /// Where they stand.
    status: Option<JobStatus>,
    /// What sort of work.
    kind: Option<JobKind>,
    /// About this version, export or fixity check.
    subject_id: Option<ID>,
}

/// Queries about jobs.
#[derive(Default)]
pub struct JobQuery;

#[Object]
impl JobQuery {
    /// The jobs, newest first. Admins and archivists may.
    #[graphql(complexity = "crate::page::cost(first, last, child_complexity)")]
    async fn jobs(
        &self,
        ctx: &Context<'_>,
        filter: Option<JobFilter>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<String, JobObject>> {
        let filter = filter.unwrap_or_default();
        let subject = filter
            .subject_id
            .map(|id| parse::<AnyId>(&id, "filter.subjectId"))
            .transpose()?;
        let filter = store::Filter {
            status: filter.status.map(Into::into),
            kind: filter.kind.map(Into::into),
            subject: subject.map(AnyId::uuid),
        };
        let args = Args {
            first,
            after,
            last,
            before,
        };
        let page = service::list(app(ctx)?, caller(ctx)?, &filter, &args).await?;
        Ok(page.connection(JobObject))
    }
}

/// Mutations of jobs.
#[derive(MergedObject, Default)]
pub struct JobMutation(work::WorkMutation);
