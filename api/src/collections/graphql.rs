//! Collections on the wire: parse, call one service function, wrap.

use async_graphql::{
    Context, ID, InputObject, Object, OneofObject, SimpleObject, connection::Connection,
};
use chrono::{DateTime, Utc};
use contract::CollectionId;

use super::{Collection, PolicyAction, PolicyRow, Rules, service, store};
use crate::{
    Error,
    fixity::{self, graphql::FixityScheduleObject},
    graphql::{
        context::{app, caller, loaders},
        errors::Result,
        ids::{id, parse},
    },
    page::Args,
    records::graphql::{RecordFilter, RecordObject, RecordOrder, list_records},
    transfers::graphql::{TransferFilter, TransferObject, list_transfers},
};

/// What belongs together and who may see it: an archival series.
#[derive(Clone)]
pub struct CollectionObject(pub Collection);

/// What belongs together and who may see it: an archival series.
#[Object(name = "Collection")]
impl CollectionObject {
    /// `collection_…`
    pub async fn id(&self) -> ID {
        id(CollectionId(self.0.id))
    }

    /// Raised by every change; updates take it as `expectedRevision`.
    async fn revision(&self) -> i32 {
        self.0.revision
    }

    /// Unique, chosen by people.
    async fn code(&self) -> &str {
        &self.0.code
    }

    /// For people.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// For people.
    async fn description(&self) -> &str {
        &self.0.description
    }

    /// Code of the owning body.
    async fn body(&self) -> &str {
        &self.0.body
    }

    /// The policy in force.
    async fn policy(&self, ctx: &Context<'_>) -> Result<PolicyObject> {
        let row = loaders(ctx)?
            .policy(self.0.id)
            .await?
            .ok_or(Error::NotFound("policy"))?;
        let rules = store::rules(&row)?;
        Ok(PolicyObject { row, rules })
    }

    /// How often what it keeps is verified.
    async fn fixity_schedule(&self) -> FixityScheduleObject {
        fixity::service::schedule(&self.0).into()
    }

    /// When it was created.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// Its transfers, newest first.
    #[graphql(complexity = "crate::page::cost(first, last, child_complexity)")]
    async fn transfers(
        &self,
        ctx: &Context<'_>,
        filter: Option<TransferFilter>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<String, TransferObject>> {
        let mut filter = filter.unwrap_or_default().parse("filter")?;
        filter.collection = Some(self.0.id);
        let args = Args {
            first,
            after,
            last,
            before,
        };
        list_transfers(ctx, filter, &args).await
    }

    /// Its records.
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    #[graphql(complexity = "crate::page::cost(first, last, child_complexity)")]
    async fn records(
        &self,
        ctx: &Context<'_>,
        filter: Option<RecordFilter>,
        order_by: Option<RecordOrder>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<String, RecordObject>> {
        let mut filter = filter.unwrap_or_default().parse("filter")?;
        filter.collection = Some(self.0.id);
        list_records(
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

/// What a collection demands of a file. Every change is a new revision; each decision names the one it was taken under.
pub struct PolicyObject {
    row: PolicyRow,
    rules: Rules,
}

/// What a collection demands of a file. Every change is a new revision; each decision names the one it was taken under.
#[Object(name = "Policy")]
impl PolicyObject {
    /// 1, 2, …
    async fn revision(&self) -> i32 {
        self.row.revision
    }

    /// The checks that must have a result: CHECKSUM, ANTIVIRUS, FORMAT, or kinds of your own.
    async fn required_checks(&self) -> &[String] {
        &self.rules.required_checks
    }

    /// The only PUIDs that are taken; empty: every one that is not denied.
    async fn allowed_puids(&self) -> &[String] {
        &self.rules.allowed_puids
    }

    /// PUIDs that are refused.
    async fn denied_puids(&self) -> &[String] {
        &self.rules.denied_puids
    }

    /// The extension belongs to another format.
    async fn on_extension_mismatch(&self) -> PolicyAction {
        self.rules.on_extension_mismatch
    }

    /// The content is encrypted.
    async fn on_encrypted(&self) -> PolicyAction {
        self.rules.on_encrypted
    }

    /// There are no bytes, or only a byte order mark.
    async fn on_empty(&self) -> PolicyAction {
        self.rules.on_empty
    }

    /// No format was recognised.
    async fn on_unidentified(&self) -> PolicyAction {
        self.rules.on_unidentified
    }

    /// It is an archive of further files, which were not looked into.
    async fn on_archive(&self) -> PolicyAction {
        self.rules.on_archive
    }

    /// The antivirus engine did not look at every byte.
    async fn on_not_scanned(&self) -> PolicyAction {
        self.rules.on_not_scanned
    }

    /// Since when.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }

    /// By whom.
    async fn created_by(&self) -> &str {
        &self.row.created_by
    }
}

/// One collection, by id or by code.
#[derive(OneofObject)]
pub enum CollectionBy {
    /// By its id.
    Id(ID),
    /// By its code.
    Code(String),
}

impl CollectionBy {
    /// As the service takes it.
    pub fn parse(self, path: &str) -> std::result::Result<service::By, Error> {
        Ok(match self {
            Self::Id(id) => service::By::Id(parse(&id, &format!("{path}.id"))?),
            Self::Code(code) => service::By::Code(code),
        })
    }
}

/// Narrows a list of collections.
#[derive(InputObject, Default)]
pub struct CollectionFilter {
    /// Owned by this body.
    body: Option<String>,
    /// With this code.
    code: Option<String>,
}

/// Rules of a policy; what is left out stays as it is (or at its default in a new collection).
#[derive(InputObject, Default)]
pub struct PolicyInput {
    /// The checks that must have a result.
    required_checks: Option<Vec<String>>,
    /// The only PUIDs that are taken; empty: every one that is not denied.
    allowed_puids: Option<Vec<String>>,
    /// PUIDs that are refused.
    denied_puids: Option<Vec<String>>,
    /// The extension belongs to another format. Default ASK.
    on_extension_mismatch: Option<PolicyAction>,
    /// The content is encrypted. Default REJECT.
    on_encrypted: Option<PolicyAction>,
    /// There are no bytes, or only a byte order mark. Default REJECT.
    on_empty: Option<PolicyAction>,
    /// No format was recognised. Default WARN.
    on_unidentified: Option<PolicyAction>,
    /// It is an archive of further files. Default WARN.
    on_archive: Option<PolicyAction>,
    /// The antivirus engine did not look at every byte. Default ASK.
    on_not_scanned: Option<PolicyAction>,
}

impl PolicyInput {
    fn over(self, base: Rules) -> Rules {
        Rules {
            required_checks: self.required_checks.unwrap_or(base.required_checks),
            allowed_puids: self.allowed_puids.unwrap_or(base.allowed_puids),
            denied_puids: self.denied_puids.unwrap_or(base.denied_puids),
            on_extension_mismatch: self
                .on_extension_mismatch
                .unwrap_or(base.on_extension_mismatch),
            on_encrypted: self.on_encrypted.unwrap_or(base.on_encrypted),
            on_empty: self.on_empty.unwrap_or(base.on_empty),
            on_unidentified: self.on_unidentified.unwrap_or(base.on_unidentified),
            on_archive: self.on_archive.unwrap_or(base.on_archive),
            on_not_scanned: self.on_not_scanned.unwrap_or(base.on_not_scanned),
        }
    }
}

/// A new collection.
#[derive(InputObject)]
pub struct CreateCollectionInput {
    /// The same key replays the first answer for 30 days.
    client_mutation_key: Option<String>,
    /// Unique: 1 to 64 letters, digits, or - _ . /
    code: String,
    /// 1 to 500 characters.
    title: String,
    /// Up to 20,000 characters.
    description: Option<String>,
    /// Code of the owning body.
    body: String,
    /// Its first policy.
    policy: Option<PolicyInput>,
}

/// Changes of a collection.
#[derive(InputObject)]
pub struct UpdateCollectionInput {
    /// Which.
    id: ID,
    /// The revision that you have read.
    expected_revision: i32,
    /// A new title.
    title: Option<String>,
    /// A new description.
    description: Option<String>,
}

/// A new revision of a policy.
#[derive(InputObject)]
pub struct SetPolicyInput {
    /// Whose policy.
    collection_id: ID,
    /// The revision of the policy that you have read.
    expected_revision: i32,
    /// The rules to change.
    policy: PolicyInput,
}

/// The collection that was created.
#[derive(SimpleObject)]
pub struct CreateCollectionPayload {
    /// The collection.
    collection: CollectionObject,
}

/// The collection as it is now.
#[derive(SimpleObject)]
pub struct UpdateCollectionPayload {
    /// The collection.
    collection: CollectionObject,
}

/// The collection with its new policy.
#[derive(SimpleObject)]
pub struct SetPolicyPayload {
    /// The collection.
    collection: CollectionObject,
}

/// Queries about collections.
#[derive(Default)]
pub struct CollectionQuery;

#[Object]
impl CollectionQuery {
    /// One collection; null when there is none, or none that you may see.
    async fn collection(
        &self,
        ctx: &Context<'_>,
        by: CollectionBy,
    ) -> Result<Option<CollectionObject>> {
        let by = by.parse("by")?;
        let found = service::find(app(ctx)?, caller(ctx)?, &by).await?;
        Ok(found.map(CollectionObject))
    }

    /// The collections that you may see, in the order of creation.
    #[graphql(complexity = "crate::page::cost(first, last, child_complexity)")]
    async fn collections(
        &self,
        ctx: &Context<'_>,
        filter: Option<CollectionFilter>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<String, CollectionObject>> {
        let filter = filter.unwrap_or_default();
        let filter = store::Filter {
            body: filter.body,
            code: filter.code,
        };
        let args = Args {
            first,
            after,
            last,
            before,
        };
        let page = store::list(app(ctx)?.database(), &caller(ctx)?.actor, filter, &args).await?;
        Ok(page.connection(CollectionObject))
    }
}

/// Mutations of collections.
#[derive(Default)]
pub struct CollectionMutation;

#[Object]
impl CollectionMutation {
    /// Creates a collection. Admins and archivists may.
    async fn create_collection(
        &self,
        ctx: &Context<'_>,
        input: CreateCollectionInput,
    ) -> Result<CreateCollectionPayload> {
        let key = input.client_mutation_key;
        let new = service::New {
            code: input.code,
            title: input.title,
            description: input.description.unwrap_or_default(),
            body: input.body,
            rules: input.policy.unwrap_or_default().over(Rules::default()),
        };
        let row = service::create(app(ctx)?, caller(ctx)?, key.as_deref(), new).await?;
        Ok(CreateCollectionPayload {
            collection: CollectionObject(row),
        })
    }

    /// Changes title and description of a collection. Admins and archivists may.
    async fn update_collection(
        &self,
        ctx: &Context<'_>,
        input: UpdateCollectionInput,
    ) -> Result<UpdateCollectionPayload> {
        let id = parse(&input.id, "input.id")?;
        let row = service::update(
            app(ctx)?,
            caller(ctx)?,
            id,
            input.expected_revision,
            input.title,
            input.description,
        )
        .await?;
        Ok(UpdateCollectionPayload {
            collection: CollectionObject(row),
        })
    }

    /// Sets the policy of a collection: a new revision. Admins and archivists may.
    async fn set_policy(
        &self,
        ctx: &Context<'_>,
        input: SetPolicyInput,
    ) -> Result<SetPolicyPayload> {
        let id = parse(&input.collection_id, "input.collectionId")?;
        let policy = input.policy;
        let row = service::set_policy(
            app(ctx)?,
            caller(ctx)?,
            id,
            input.expected_revision,
            |rules| policy.over(rules),
        )
        .await?;
        Ok(SetPolicyPayload {
            collection: CollectionObject(row),
        })
    }
}
