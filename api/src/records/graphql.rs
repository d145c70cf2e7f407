//! Records on the wire: parse, call one service function, wrap.

use async_graphql::{
    Context, ID, InputObject, Object, OneofObject, SimpleObject, Union, connection::Connection,
};
use chrono::{DateTime, Utc};
use contract::{CollectionId, RecordId, TransferId};
use serde_json::Value;

use super::{
    New, Record, last_step,
    service::{self, Added},
    store,
};
use crate::{
    Error,
    auth::{Action, Verdict, authorise},
    collections::graphql::CollectionObject,
    events::graphql::{EventObject, list_events_of_record},
    graphql::{
        context::{app, caller, loaders},
        errors::{Result, Seen},
        ids::{id, parse, parse_option},
        scalars::BigInt,
    },
    page::Args,
    tasks::graphql::{TaskFilter, TaskObject, list_tasks},
    transfers::graphql::TransferObject,
    versions::{
        self, NewFile,
        graphql::{VersionObject, VersionStatus, list_versions},
    },
};

/// One thing kept, over time.
#[derive(Clone)]
pub struct RecordObject(pub Record);

/// One thing kept, over time.
#[Object(name = "Record")]
impl RecordObject {
    /// `record_…`
    pub async fn id(&self) -> ID {
        id(RecordId(self.0.id))
    }

    /// Raised by every change; updates take it as `expectedRevision`.
    async fn revision(&self) -> i32 {
        self.0.revision
    }

    /// For people; unique.
    async fn reference(&self) -> &str {
        &self.0.reference
    }

    /// For people.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// For people.
    async fn description(&self) -> &str {
        &self.0.description
    }

    /// Where it stood in the depositor's folder; unique in its transfer.
    async fn path(&self) -> &str {
        &self.0.path
    }

    /// A JSON object of the depositor's.
    async fn metadata(&self) -> &Value {
        &self.0.metadata
    }

    /// Where it belongs.
    async fn collection(&self, ctx: &Context<'_>) -> Result<CollectionObject> {
        let row = loaders(ctx)?.collection(self.0.collection_id).await?;
        Ok(CollectionObject(row.ok_or(Error::NotFound("collection"))?))
    }

    /// How it came; null where you may not see the transfer.
    async fn transfer(&self, ctx: &Context<'_>) -> Result<Option<TransferObject>> {
        Ok(loaders(ctx)?
            .transfer(self.0.transfer_id)
            .await?
            .map(TransferObject))
    }

    /// The newest ACCEPTED version.
    async fn current_version(&self, ctx: &Context<'_>) -> Result<Option<VersionObject>> {
        let Some(current) = self.0.current_version_id else {
            return Ok(None);
        };
        Ok(loaders(ctx)?.version(current).await?.map(VersionObject))
    }

    /// Its versions, oldest first.
    #[graphql(complexity = "crate::page::cost(first, last, child_complexity)")]
    async fn versions(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<String, VersionObject>> {
        let filter = versions::store::Filter {
            record: Some(self.0.id),
            ..versions::store::Filter::default()
        };
        list_versions(
            ctx,
            filter,
            &Args {
                first,
                after,
                last,
                before,
            },
        )
        .await
    }

    /// The work that people have with it.
    #[graphql(complexity = "crate::page::cost(first, last, child_complexity)")]
    async fn tasks(
        &self,
        ctx: &Context<'_>,
        filter: Option<TaskFilter>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<String, TaskObject>> {
        let mut filter = filter.unwrap_or_default().parse("filter")?;
        filter.record = Some(self.0.id);
        list_tasks(
            ctx,
            filter,
            None,
            &Args {
                first,
                after,
                last,
                before,
            },
        )
        .await
    }

    /// What happened to it, its versions and its tasks; newest first.
    #[graphql(complexity = "crate::page::cost(first, last, child_complexity)")]
    async fn events(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<String, EventObject>> {
        list_events_of_record(
            ctx,
            self.0.id,
            &Args {
                first,
                after,
                last,
                before,
            },
        )
        .await
    }

    /// When it was added.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// What you may do with it: for buttons, not for security.
    async fn viewer_can(&self, ctx: &Context<'_>) -> Result<RecordPermissions> {
        let loaders = loaders(ctx)?;
        let collection = loaders.collection(self.0.collection_id).await?;
        let transfer = loaders.transfer(self.0.transfer_id).await?;
        let body = collection.map(|row| row.body).unwrap_or_default();
        let depositor = transfer.as_ref().map(|row| row.deposited_by.as_str());
        let resource = service::resource(&self.0, &body, depositor);
        let actor = &caller(ctx)?.actor;
        let can = |action| authorise(actor, action, &resource) == Verdict::Allowed;
        // Who decides is another person than who made the version.
        let newest = loaders.version(self.0.newest_version_id).await?;
        let decides = newest.is_some_and(|version| {
            let resource = versions::service::resource(&version, &body);
            authorise(actor, Action::DecideVersion, &resource) == Verdict::Allowed
        });
        Ok(RecordPermissions {
            update: can(Action::UpdateRecord),
            add_version: can(Action::AddVersion),
            add_task: can(Action::AddTask),
            decide: decides,
            export: can(Action::RequestExport),
        })
    }
}

/// What the viewer may do with a record.
#[derive(SimpleObject)]
#[expect(clippy::struct_excessive_bools, reason = "one a button")]
pub struct RecordPermissions {
    /// Change title, description and metadata.
    update: bool,
    /// Add a version.
    add_version: bool,
    /// Add a task.
    add_task: bool,
    /// Decide about its versions.
    decide: bool,
    /// Request an export that holds it.
    export: bool,
}

/// One record, by id or by reference.
#[derive(OneofObject)]
pub enum RecordBy {
    /// By its id.
    Id(ID),
    /// By its reference.
    Reference(String),
}

/// Narrows a list of records.
#[derive(InputObject, Default)]
pub struct RecordFilter {
    /// In this collection.
    collection_id: Option<ID>,
    /// Of this transfer.
    transfer_id: Option<ID>,
    /// The path begins so.
    path_prefix: Option<String>,
    /// The title holds this, in any case.
    title_contains: Option<String>,
    /// The newest version is in this state.
    status: Option<VersionStatus>,
}

impl RecordFilter {
    /// As the store takes it.
    pub fn parse(self, path: &str) -> std::result::Result<store::Filter, Error> {
        let collection: Option<CollectionId> =
            parse_option(self.collection_id.as_ref(), &format!("{path}.collectionId"))?;
        let transfer: Option<TransferId> =
            parse_option(self.transfer_id.as_ref(), &format!("{path}.transferId"))?;
        Ok(store::Filter {
            collection: collection.map(Into::into),
            transfer: transfer.map(Into::into),
            path_prefix: self.path_prefix,
            title_contains: self.title_contains,
            status: self.status.map(Into::into),
        })
    }
}

/// The order of a list of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "RecordOrder", remote = "store::Order")]
pub enum RecordOrder {
    /// Oldest first.
    CreatedAt,
    /// By path, in the order of bytes.
    Path,
    /// By title, in the order of bytes.
    Title,
}

/// A page of records, for every field that lists them.
pub async fn list_records(
    ctx: &Context<'_>,
    filter: store::Filter,
    order: Option<RecordOrder>,
    args: &Args,
) -> Result<Connection<String, RecordObject>> {
    let order = order.map_or(store::Order::CreatedAt, Into::into);
    let actor = &caller(ctx)?.actor;
    let page = store::list(app(ctx)?.database(), actor, filter, order, args).await?;
    Ok(page.connection(RecordObject))
}

/// Records to add to a transfer.
#[derive(InputObject)]
pub struct AddRecordsInput {
    /// Where to.
    transfer_id: ID,
    /// 1 to 500 of them.
    records: Vec<NewRecordInput>,
}

/// A record to be, with its first version.
#[derive(InputObject)]
pub struct NewRecordInput {
    /// Where it stood in the depositor's folder: up to 1,024 characters and 2,048 bytes, unique in the transfer.
    path: String,
    /// By default the last step of the path.
    title: Option<String>,
    /// Up to 20,000 characters.
    description: Option<String>,
    /// A JSON object of up to 64 KiB.
    metadata: Option<Value>,
    /// Its first version.
    file: NewFileInput,
}

/// A file as its depositor declares it.
#[derive(InputObject)]
pub struct NewFileInput {
    /// By default the last step of the path.
    file_name: Option<String>,
    /// In bytes.
    size: BigInt,
    /// 64 hex digits.
    sha256: String,
    /// As the depositor's file system has it.
    last_modified: Option<DateTime<Utc>>,
}

impl NewFileInput {
    /// Whether the name was left out, which only a record's path can stand in for.
    pub fn file_name_missing(&self) -> bool {
        self.file_name.is_none()
    }

    /// As the service takes it.
    pub fn parse(self, path: &str, default_name: &str) -> std::result::Result<NewFile, Error> {
        let size = u64::try_from(self.size.0)
            .map_err(|_| Error::input(format!("{path}.size"), "a size is not negative"))?;
        Ok(NewFile {
            file_name: self.file_name.unwrap_or_else(|| default_name.to_owned()),
            size,
            sha256: self.sha256,
            last_modified: self.last_modified,
        })
    }
}

impl NewRecordInput {
    fn parse(self, path: &str) -> std::result::Result<New, Error> {
        let file = self
            .file
            .parse(&format!("{path}.file"), last_step(&self.path))?;
        Ok(New {
            path: self.path,
            title: self.title,
            description: self.description.unwrap_or_default(),
            metadata: self.metadata.unwrap_or_else(|| serde_json::json!({})),
            file,
        })
    }
}

/// What became of the records of a call.
#[derive(SimpleObject)]
pub struct AddRecordsPayload {
    /// One an item, in the order of the input.
    outcomes: Vec<AddRecordOutcome>,
    /// The transfer as it is now.
    transfer: TransferObject,
}

/// What became of one record.
#[derive(Union)]
pub enum AddRecordOutcome {
    /// It is new: upload its bytes by `version.upload`.
    Added(RecordAdded),
    /// It is there already.
    Exists(RecordExists),
    /// Another content stands at its path.
    PathTaken(RecordPathTaken),
    /// It makes no sense.
    Refused(ItemRefused),
}

/// The record is new: upload its bytes by `version.upload`.
#[derive(SimpleObject)]
pub struct RecordAdded {
    /// The record.
    record: RecordObject,
    /// Its first version.
    version: VersionObject,
}

/// This path, size and digest are there already: nothing was done, and the version tells how far it is.
#[derive(SimpleObject)]
pub struct RecordExists {
    /// The record.
    record: RecordObject,
    /// Its newest version.
    version: VersionObject,
}

/// Another content stands at this path: add a version to that record instead.
#[derive(SimpleObject)]
pub struct RecordPathTaken {
    /// The record.
    record: RecordObject,
    /// Its newest version.
    newest: VersionObject,
}

/// One item of a call was refused; the others were not.
#[derive(SimpleObject)]
pub struct ItemRefused {
    /// Its place in the input, from 0.
    index: i32,
    /// As in `extensions.code` of errors.
    code: String,
    /// For people.
    message: String,
}

impl ItemRefused {
    /// Of a service's error.
    pub fn new(index: usize, error: Error) -> Self {
        let seen = Seen::of(error);
        Self {
            index: i32::try_from(index).unwrap_or(i32::MAX),
            code: seen.code.to_owned(),
            message: match seen.path {
                Some(path) => format!("{path}: {}", seen.message),
                None => seen.message,
            },
        }
    }
}

impl From<Added> for AddRecordOutcome {
    fn from(added: Added) -> Self {
        match added {
            Added::New(record, version) => Self::Added(RecordAdded {
                record: RecordObject(record),
                version: VersionObject(version),
            }),
            Added::Exists(record, version) => Self::Exists(RecordExists {
                record: RecordObject(record),
                version: VersionObject(version),
            }),
            Added::PathTaken(record, newest) => Self::PathTaken(RecordPathTaken {
                record: RecordObject(record),
                newest: VersionObject(newest),
            }),
            Added::Refused(index, error) => Self::Refused(ItemRefused::new(index, error)),
        }
    }
}

/// Changes of a record; what is left out stays.
#[derive(InputObject)]
pub struct UpdateRecordInput {
    /// Which.
    id: ID,
    /// The revision that you have read.
    expected_revision: i32,
    /// 1 to 500 characters.
    title: Option<String>,
    /// Up to 20,000 characters.
    description: Option<String>,
    /// A JSON object of up to 64 KiB; replaces the old one.
    metadata: Option<Value>,
}

/// The record as it is now.
#[derive(SimpleObject)]
pub struct UpdateRecordPayload {
    /// The record.
    record: RecordObject,
}

/// Queries about records.
#[derive(Default)]
pub struct RecordQuery;

#[Object]
impl RecordQuery {
    /// One record; null when there is none, or none that you may see.
    async fn record(&self, ctx: &Context<'_>, by: RecordBy) -> Result<Option<RecordObject>> {
        let by = match by {
            RecordBy::Id(id) => service::By::Id(parse(&id, "by.id")?),
            RecordBy::Reference(reference) => service::By::Reference(reference),
        };
        let found = service::find(app(ctx)?, caller(ctx)?, &by).await?;
        Ok(found.map(RecordObject))
    }

    /// The records that you may see.
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
        let filter = filter.unwrap_or_default().parse("filter")?;
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

/// Mutations of records.
#[derive(Default)]
pub struct RecordMutation;

#[Object]
impl RecordMutation {
    /// Adds records with their first versions to a transfer: 1 to 500 files a call. Answers with tickets to upload
    /// the bytes by; repeating the call is harmless.
    async fn add_records(
        &self,
        ctx: &Context<'_>,
        input: AddRecordsInput,
    ) -> Result<AddRecordsPayload> {
        let transfer = parse(&input.transfer_id, "input.transferId")?;
        let items = input
            .records
            .into_iter()
            .enumerate()
            .map(|(index, item)| item.parse(&format!("input.records.{index}")))
            .collect();
        let (transfer, added) = service::add(app(ctx)?, caller(ctx)?, transfer, items).await?;
        Ok(AddRecordsPayload {
            outcomes: added.into_iter().map(Into::into).collect(),
            transfer: TransferObject(transfer),
        })
    }

    /// Changes title, description and metadata of a record.
    async fn update_record(
        &self,
        ctx: &Context<'_>,
        input: UpdateRecordInput,
    ) -> Result<UpdateRecordPayload> {
        let id = parse(&input.id, "input.id")?;
        let row = service::update(
            app(ctx)?,
            caller(ctx)?,
            id,
            input.expected_revision,
            input.title,
            input.description,
            input.metadata,
        )
        .await?;
        Ok(UpdateRecordPayload {
            record: RecordObject(row),
        })
    }
}
