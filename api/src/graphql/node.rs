//! `node(id)`: anything by its id. Absent and forbidden look the same.

use std::collections::HashMap;

use async_graphql::{Context, ID, Interface, Object};
use contract::AnyId;
use uuid::Uuid;

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
#[derive(Clone, Interface)]
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

/// Several by their ids, with a statement a type (checks take one more for what they are about), however many there
/// are. Absent is what is not there, and what the caller may not see.
async fn find(
    app: &App,
    caller: &Caller,
    ids: &[AnyId],
) -> std::result::Result<HashMap<AnyId, Node>, Error> {
    let mut types: HashMap<&'static str, Vec<AnyId>> = HashMap::new();
    for id in ids {
        types.entry(id.prefix()).or_default().push(*id);
    }
    let mut found = HashMap::with_capacity(ids.len());
    for ids in types.into_values() {
        let mut nodes = of_one_type(app, caller, &ids).await?;
        let here = ids
            .into_iter()
            .filter_map(|id| Some((id, nodes.remove(&id.uuid())?)));
        found.extend(here);
    }
    Ok(found)
}

/// Those of one type, by their bare ids.
async fn of_one_type(
    app: &App,
    caller: &Caller,
    ids: &[AnyId],
) -> std::result::Result<HashMap<Uuid, Node>, Error> {
    let (db, actor) = (app.database(), &caller.actor);
    let Some(first) = ids.first() else {
        return Ok(HashMap::new());
    };
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let ids = ids.as_slice();
    Ok(match first {
        AnyId::Collection(_) => wrap(
            collections::store::lookup_many(db, actor, ids).await?,
            CollectionObject,
        ),
        AnyId::Transfer(_) => wrap(
            transfers::store::lookup_many(db, actor, ids).await?,
            TransferObject,
        ),
        AnyId::Record(_) => wrap(
            records::store::lookup_many(db, actor, ids).await?,
            RecordObject,
        ),
        AnyId::Version(_) => wrap(
            versions::store::lookup_many(db, actor, ids).await?,
            VersionObject,
        ),
        AnyId::Check(_) => wrap(
            checks::store::lookup_many(db, actor, ids).await?,
            |(row, size)| CheckObject::new(row, size),
        ),
        AnyId::Task(_) => wrap(tasks::store::lookup_many(db, actor, ids).await?, TaskObject),
        AnyId::Comment(_) => wrap(
            tasks::store::lookup_comments(db, actor, ids).await?,
            CommentObject,
        ),
        AnyId::Export(_) => wrap(
            exports::store::lookup_many(db, actor, ids).await?,
            ExportObject,
        ),
        AnyId::FixityCheck(_) => wrap(
            fixity::store::lookup_checks(db, actor, ids).await?,
            FixityCheckObject,
        ),
        AnyId::FixityRun(_) => wrap(
            fixity::store::lookup_runs(db, actor, ids).await?,
            FixityRunObject,
        ),
        AnyId::Job(_) => wrap(jobs::store::lookup_many(db, actor, ids).await?, JobObject),
        AnyId::Event(_) => wrap(
            events::store::lookup_many(db, actor, ids).await?,
            EventObject,
        ),
        AnyId::ApiKey(_) => wrap(
            api_keys::store::lookup_many(db, actor, ids).await?,
            ApiKeyObject,
        ),
    })
}

fn wrap<M, O: Into<Node>>(rows: HashMap<Uuid, M>, object: impl Fn(M) -> O) -> HashMap<Uuid, Node> {
    rows.into_iter()
        .map(|(id, row)| (id, object(row).into()))
        .collect()
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
        Ok(find(app(ctx)?, caller(ctx)?, &[id]).await?.remove(&id))
    }

    /// Several by their ids, 1 to 100, in the order asked for.
    #[graphql(complexity = "crate::page::cost_of(ids.len(), child_complexity) + 1")]
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of whatever types.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Node>>> {
        let (app, caller) = (app(ctx)?, caller(ctx)?);
        let ids = ids::parse_list::<AnyId>(&ids, "ids", 100)?;
        let found = find(app, caller, &ids).await?;
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }
}
