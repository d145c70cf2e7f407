//! Fixity on the wire: parse, call one service function, wrap.

mod runs;
mod work;

use async_graphql::{Context, ID, MergedObject, Object, SimpleObject, connection::Connection};
use chrono::{DateTime, Utc};
use contract::{ExportId, FixityCheckId, FixityRunId};

pub use runs::{FixityRunObject, FixityScheduleObject, RunMutation, RunQuery};
pub use work::FixityWorkMutation;

use super::{Digests, FixityCheck, service, store};
use crate::{
    exports::{Export, graphql::ExportObject},
    graphql::{
        context::{app, loaders},
        errors::Result,
        ids::id,
        scalars::BigInt,
    },
    page::Args,
    versions::{Version, graphql::VersionObject},
};

/// What came of a fixity check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "FixityOutcome", remote = "super::Outcome")]
pub enum FixityOutcome {
    /// It is what was accepted.
    Match,
    /// It is something else.
    Mismatch,
    /// It is not there.
    Missing,
    /// It could not be read, which says nothing about it: it is neither good nor damaged.
    Unreadable,
    /// Nobody kept it any more when its turn came.
    NotKept,
}

/// Whether something that is kept is still what it was.
pub struct FixityObject(Subject);

enum Subject {
    Version(Box<Version>),
    Export(Box<Export>),
}

impl FixityObject {
    /// Of a version.
    pub fn of_version(version: Version) -> Self {
        Self(Subject::Version(Box::new(version)))
    }

    /// Of a package.
    pub fn of_export(export: Export) -> Self {
        Self(Subject::Export(Box::new(export)))
    }
}

/// Whether something that is kept is still what it was.
#[Object(name = "Fixity")]
impl FixityObject {
    /// When it was last read in full and found to be what was accepted or made; null before the first time.
    async fn last_verified_at(&self) -> Option<DateTime<Utc>> {
        match &self.0 {
            Subject::Version(version) => version.verified_at,
            Subject::Export(export) => export.verified_at,
        }
    }

    /// Since when a version is known to be damaged; null when nothing is known against it. A package that is
    /// damaged is FAILED.
    async fn damaged_since(&self) -> Option<DateTime<Utc>> {
        match &self.0 {
            Subject::Version(version) => version.damaged_at,
            Subject::Export(_) => None,
        }
    }

    /// Whether it should have been verified by now, under its collection's schedule.
    async fn is_overdue(&self, ctx: &Context<'_>) -> Result<bool> {
        let now = app(ctx)?.clock().now();
        match &self.0 {
            Subject::Version(version) => {
                let collection = loaders(ctx)?.collection(version.collection_id).await?;
                Ok(collection.is_some_and(|collection| {
                    service::is_overdue(version, &service::schedule(&collection), now)
                }))
            }
            Subject::Export(export) => Ok(service::is_package_overdue(export, now)),
        }
    }

    /// Its checks, newest first.
    #[graphql(complexity = "crate::page::cost(first, last, child_complexity)")]
    async fn checks(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<String, FixityCheckObject>> {
        let filter = match &self.0 {
            Subject::Version(version) => store::Filter {
                version: Some(version.id),
                ..store::Filter::default()
            },
            Subject::Export(export) => store::Filter {
                export: Some(export.id),
                ..store::Filter::default()
            },
        };
        let args = Args {
            first,
            after,
            last,
            before,
        };
        let page = store::checks(app(ctx)?.database(), filter, &args).await?;
        Ok(page.connection(FixityCheckObject))
    }
}

/// One reading of what is kept, from its first byte to its last.
#[derive(Clone)]
pub struct FixityCheckObject(pub FixityCheck);

/// One reading of what is kept, from its first byte to its last.
#[Object(name = "FixityCheck")]
impl FixityCheckObject {
    /// `fixitycheck_…`
    pub async fn id(&self) -> ID {
        id(FixityCheckId(self.0.id))
    }

    /// The run that it is part of; null when the schedule asked for it.
    async fn run_id(&self) -> Option<ID> {
        self.0.run_id.map(|run| id(FixityRunId(run)))
    }

    /// The version that was read.
    async fn version(&self, ctx: &Context<'_>) -> Result<Option<VersionObject>> {
        let Some(version) = self.0.version_id else {
            return Ok(None);
        };
        let found = loaders(ctx)?.version(version).await?;
        Ok(found.map(VersionObject))
    }

    /// The export whose package was read.
    async fn export(&self, ctx: &Context<'_>) -> Result<Option<ExportObject>> {
        let Some(export) = self.0.export_id else {
            return Ok(None);
        };
        let found = loaders(ctx)?.export(export).await?;
        Ok(found.map(ExportObject))
    }

    /// The id of that export.
    async fn export_id(&self) -> Option<ID> {
        self.0.export_id.map(|export| id(ExportId(export)))
    }

    /// What came of it; null before it has ended.
    async fn outcome(&self) -> Option<FixityOutcome> {
        self.0.outcome.map(Into::into)
    }

    /// What is wrong, and with which of object, row and CHECKSUM check; or why it could not be read.
    async fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// Size and digests as the database had them then.
    async fn expected(&self) -> Option<FixityDigests> {
        digests(self.0.expected.as_ref())
    }

    /// Size and digests as they were read; null when nothing could be.
    async fn measured(&self) -> Option<FixityDigests> {
        digests(self.0.measured.as_ref())
    }

    /// Who read it.
    async fn worker(&self) -> Option<&str> {
        self.0.worker.as_deref()
    }

    /// By what, and its version.
    async fn engine(&self) -> Option<&str> {
        self.0.engine.as_deref()
    }

    /// When it was asked for.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it ended.
    async fn finished_at(&self) -> Option<DateTime<Utc>> {
        self.0.finished_at
    }
}

/// Size and digests.
#[derive(SimpleObject)]
pub struct FixityDigests {
    /// In bytes.
    size: BigInt,
    /// 64 hex digits in lower case.
    sha256: String,
    /// 128 hex digits in lower case; null where it is not known, as of packages.
    sha512: Option<String>,
}

fn digests(kept: Option<&serde_json::Value>) -> Option<FixityDigests> {
    let kept: Digests = serde_json::from_value(kept?.clone()).ok()?;
    Some(FixityDigests {
        size: BigInt(kept.size),
        sha256: kept.sha256,
        sha512: kept.sha512,
    })
}

/// Queries about fixity.
#[derive(MergedObject, Default)]
pub struct FixityQuery(RunQuery);

/// Mutations of fixity.
#[derive(MergedObject, Default)]
pub struct FixityMutation(RunMutation, FixityWorkMutation);
