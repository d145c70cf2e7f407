//! `node(id)`: anything by its id. Absent and forbidden look the same.

use async_graphql::{Context, ID, Interface, Object};
use contract::AnyId;

use super::{
    context::{app, caller},
    errors::Result,
    ids,
};
use crate::{
    App, Error,
    api_keys::{self, graphql::ApiKeyObject},
    auth::Caller,
    checks::{self, graphql::CheckObject},
    collections::{self, graphql::CollectionObject},
    events::{self, graphql::EventObject},
    exports::{self, graphql::ExportObject},
    fixity::{
        self,
        graphql::{FixityCheckObject, FixityRunObject},
    },
    jobs::{self, graphql::JobObject},
    records::{self, graphql::RecordObject},
    tasks::{
        self,
        graphql::{CommentObject, TaskObject},
    },
    transfers::{self, graphql::TransferObject},
    versions::{self, graphql::VersionObject},
};

/// Anything with an id of its own.
#[derive(Interface)]
#[graphql(field(
    name = "id",
    ty = "ID",
    desc = "Typed and opaque: `record_…`, `version_…`."
))]
pub(super) enum Node {
    /// A collection.
    Collection(CollectionObject),
    /// A transfer.
    Transfer(TransferObject),
    /// A record.
    Record(RecordObject),
    /// A version.
    Version(VersionObject),
    /// A check.
    Check(CheckObject),
    /// A task.
    Task(TaskObject),
    /// A comment.
    Comment(CommentObject),
    /// An export.
    Export(ExportObject),
    /// A fixity check.
    FixityCheck(FixityCheckObject),
    /// A fixity run.
    FixityRun(FixityRunObject),
    /// A job.
    Job(JobObject),
    /// An event.
    Event(EventObject),
    /// An API key.
    ApiKey(ApiKeyObject),
}

async fn find(app: &App, caller: &Caller, id: AnyId) -> std::result::Result<Option<Node>, Error> {
    let (db, actor) = (app.database(), &caller.actor);
    let uuid = id.uuid();
    Ok(match id {
        AnyId::Collection(_) => collections::store::lookup(db, actor, uuid)
            .await?
            .map(|row| CollectionObject(row).into()),
        AnyId::Transfer(_) => transfers::store::lookup(db, actor, uuid)
            .await?
            .map(|row| TransferObject(row).into()),
        AnyId::Record(_) => records::store::lookup(db, actor, uuid)
            .await?
            .map(|row| RecordObject(row).into()),
        AnyId::Version(_) => versions::store::lookup(db, actor, uuid)
            .await?
            .map(|row| VersionObject(row).into()),
        AnyId::Check(_) => checks::store::lookup(db, actor, uuid)
            .await?
            .map(|(row, size)| CheckObject::new(row, size).into()),
        AnyId::Task(_) => tasks::store::lookup(db, actor, uuid)
            .await?
            .map(|row| TaskObject(row).into()),
        AnyId::Comment(_) => tasks::store::lookup_comment(db, actor, uuid)
            .await?
            .map(|row| CommentObject(row).into()),
        AnyId::Export(_) => exports::store::lookup(db, actor, uuid)
            .await?
            .map(|row| ExportObject(row).into()),
        AnyId::FixityCheck(_) => fixity::store::lookup_check(db, actor, uuid)
            .await?
            .map(|row| FixityCheckObject(row).into()),
        AnyId::FixityRun(_) => fixity::store::lookup_run(db, actor, uuid)
            .await?
            .map(|row| FixityRunObject(row).into()),
        AnyId::Job(_) => jobs::store::lookup(db, actor, uuid)
            .await?
            .map(|row| JobObject(row).into()),
        AnyId::Event(_) => events::store::lookup(db, actor, uuid)
            .await?
            .map(|row| EventObject(row).into()),
        AnyId::ApiKey(_) => api_keys::store::lookup(db, actor, uuid)
            .await?
            .map(|row| ApiKeyObject(row).into()),
    })
}

/// Queries by id.
#[derive(Default)]
pub(super) struct NodeQuery;

#[Object]
impl NodeQuery {
    /// Anything by its id; null when there is none, or none that you may see.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of whatever type.")] id: ID,
    ) -> Result<Option<Node>> {
        let id = ids::parse(&id, "id")?;
        Ok(find(app(ctx)?, caller(ctx)?, id).await?)
    }

    /// Several by their ids, 1 to 100, in the order asked for.
    #[graphql(complexity = "crate::page::cost_of(ids.len(), child_complexity) + 1")]
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of whatever types.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Node>>> {
        let (app, caller) = (app(ctx)?, caller(ctx)?);
        let mut found = Vec::with_capacity(ids.len());
        for id in ids::parse_list::<AnyId>(&ids, "ids", 100)? {
            found.push(find(app, caller, id).await?);
        }
        Ok(found)
    }
}
