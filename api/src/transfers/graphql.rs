//! Transfers on the wire: parse, call one service function, wrap.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject, connection::Connection};
use chrono::{DateTime, Utc};
use contract::TransferId;

use super::{Totals, Transfer, service, store};
use crate::{
    Error,
    collections::graphql::{CollectionBy, CollectionObject},
    graphql::{
        context::{app, caller, loaders},
        errors::Result,
        ids::{id, parse, parse_option},
        scalars::BigInt,
    },
    page::Args,
    records::graphql::{RecordFilter, RecordObject, RecordOrder, list_records},
    versions::graphql::{VersionFilter, VersionObject, list_versions},
};

/// Where a transfer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "TransferStatus", remote = "super::Status")]
pub enum TransferStatus {
    /// Takes files.
    Open,
    /// Closed to new files, waits for an archivist.
    Submitted,
    /// Taken over.
    Accepted,
    /// Sent back with a reason; the next file opens it again.
    Returned,
}

/// A batch deposited together.
#[derive(Clone)]
pub struct TransferObject(pub Transfer);

/// A batch deposited together.
#[Object(name = "Transfer")]
impl TransferObject {
    /// `transfer_…`
    pub async fn id(&self) -> ID {
        id(TransferId(self.0.id))
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

    /// The depositor's label of where it came from.
    async fn source(&self) -> Option<&str> {
        self.0.source.as_deref()
    }

    /// Where it stands.
    async fn status(&self) -> TransferStatus {
        self.0.status.into()
    }

    /// Where it belongs.
    async fn collection(&self, ctx: &Context<'_>) -> Result<CollectionObject> {
        let row = loaders(ctx)?.collection(self.0.collection_id).await?;
        Ok(CollectionObject(row.ok_or(Error::NotFound("collection"))?))
    }

    /// Subject of the depositor.
    async fn deposited_by(&self) -> &str {
        &self.0.deposited_by
    }

    /// Why it was returned, or what was said on acceptance.
    async fn note(&self) -> Option<&str> {
        self.0.note.as_deref()
    }

    /// How many versions are in which state; maintained, never counted.
    async fn totals(&self, ctx: &Context<'_>) -> Result<TransferTotalsObject> {
        let totals = loaders(ctx)?.totals(self.0.id).await?;
        let scope = caller(ctx)?.actor.scope();
        Ok(TransferTotalsObject(
            totals.unwrap_or_default().seen_in(&scope),
        ))
    }

    /// When it was opened.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it was submitted.
    async fn submitted_at(&self) -> Option<DateTime<Utc>> {
        self.0.submitted_at
    }

    /// When it was accepted.
    async fn closed_at(&self) -> Option<DateTime<Utc>> {
        self.0.closed_at
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
        filter.transfer = Some(self.0.id);
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

    /// The versions of its records.
    #[graphql(complexity = "crate::page::cost(first, last, child_complexity)")]
    async fn versions(
        &self,
        ctx: &Context<'_>,
        filter: Option<VersionFilter>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<String, VersionObject>> {
        let mut filter = filter.unwrap_or_default().parse("filter")?;
        filter.transfer = Some(self.0.id);
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
}

/// How many versions of a transfer are in which state.
pub struct TransferTotalsObject(pub Totals);

/// How many versions of a transfer are in which state.
#[Object(name = "TransferTotals")]
impl TransferTotalsObject {
    /// Records.
    async fn records(&self) -> i64 {
        self.0.records
    }

    /// Versions in any state.
    async fn versions(&self) -> i64 {
        self.0.versions
    }

    /// Their declared sizes in bytes, summed.
    async fn bytes(&self) -> BigInt {
        BigInt(self.0.total_bytes)
    }

    /// Declared; their bytes are not there yet.
    async fn awaiting_upload(&self) -> i64 {
        self.0.awaiting_upload
    }

    /// Uploaded; checks are under way.
    async fn checking(&self) -> i64 {
        self.0.checking
    }

    /// Kept and downloadable.
    async fn accepted(&self) -> i64 {
        self.0.accepted
    }

    /// Refused.
    async fn rejected(&self) -> i64 {
        self.0.rejected
    }

    /// Malware.
    async fn quarantined(&self) -> i64 {
        self.0.quarantined
    }

    /// Waiting for a person.
    async fn needs_review(&self) -> i64 {
        self.0.needs_review
    }

    /// Never uploaded.
    async fn abandoned(&self) -> i64 {
        self.0.abandoned
    }
}

/// Narrows a list of transfers.
#[derive(InputObject, Default)]
pub struct TransferFilter {
    /// In this collection.
    collection_id: Option<ID>,
    /// In this state.
    status: Option<TransferStatus>,
    /// With this source.
    source: Option<String>,
    /// Deposited by you.
    mine: Option<bool>,
}

impl TransferFilter {
    /// As the store takes it.
    pub fn parse(self, path: &str) -> std::result::Result<store::Filter, Error> {
        let collection: Option<contract::CollectionId> =
            parse_option(self.collection_id.as_ref(), &format!("{path}.collectionId"))?;
        Ok(store::Filter {
            collection: collection.map(Into::into),
            status: self.status.map(Into::into),
            source: self.source,
            mine: self.mine.unwrap_or_default(),
        })
    }
}

/// A page of transfers, for every field that lists them.
pub async fn list_transfers(
    ctx: &Context<'_>,
    filter: store::Filter,
    args: &Args,
) -> Result<Connection<String, TransferObject>> {
    let page = store::list(app(ctx)?.database(), &caller(ctx)?.actor, filter, args).await?;
    Ok(page.connection(TransferObject))
}

/// A new transfer.
#[derive(InputObject)]
pub struct OpenTransferInput {
    /// The same key replays the first answer for 30 days.
    client_mutation_key: Option<String>,
    /// Where it belongs.
    collection: CollectionBy,
    /// 1 to 500 characters.
    title: String,
    /// A label of where it came from, say the folder; a client finds its transfer again by it.
    source: Option<String>,
}

/// A transfer that is complete.
#[derive(InputObject)]
pub struct SubmitTransferInput {
    /// Which.
    id: ID,
    /// The revision that you have read.
    expected_revision: Option<i32>,
}

/// A transfer to take over.
#[derive(InputObject)]
pub struct AcceptTransferInput {
    /// Which.
    id: ID,
    /// The revision that you have read.
    expected_revision: Option<i32>,
    /// What is to be said of it.
    note: Option<String>,
}

/// A transfer to send back.
#[derive(InputObject)]
pub struct ReturnTransferInput {
    /// Which.
    id: ID,
    /// The revision that you have read.
    expected_revision: Option<i32>,
    /// What its depositor is to do.
    reason: String,
}

/// The transfer that was opened.
#[derive(SimpleObject)]
pub struct OpenTransferPayload {
    /// The transfer.
    transfer: TransferObject,
}

/// The transfer as it is now.
#[derive(SimpleObject)]
pub struct SubmitTransferPayload {
    /// The transfer.
    transfer: TransferObject,
}

/// The transfer as it is now.
#[derive(SimpleObject)]
pub struct AcceptTransferPayload {
    /// The transfer.
    transfer: TransferObject,
}

/// The transfer as it is now.
#[derive(SimpleObject)]
pub struct ReturnTransferPayload {
    /// The transfer.
    transfer: TransferObject,
}

/// Queries about transfers.
#[derive(Default)]
pub struct TransferQuery;

#[Object]
impl TransferQuery {
    /// One transfer; null when there is none, or none that you may see.
    async fn transfer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] id: ID,
    ) -> Result<Option<TransferObject>> {
        let id = parse(&id, "id")?;
        let found = service::find(app(ctx)?, caller(ctx)?, id).await?;
        Ok(found.map(TransferObject))
    }

    /// The transfers that you may see, newest first.
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
        let filter = filter.unwrap_or_default().parse("filter")?;
        let args = Args {
            first,
            after,
            last,
            before,
        };
        list_transfers(ctx, filter, &args).await
    }
}

/// Mutations of transfers.
#[derive(Default)]
pub struct TransferMutation;

#[Object]
impl TransferMutation {
    /// Opens a transfer in a collection. Contributors of its body may.
    async fn open_transfer(
        &self,
        ctx: &Context<'_>,
        input: OpenTransferInput,
    ) -> Result<OpenTransferPayload> {
        let new = service::New {
            collection: input.collection.parse("input.collection")?,
            title: input.title,
            source: input.source,
        };
        let key = input.client_mutation_key;
        let row = service::open(app(ctx)?, caller(ctx)?, key.as_deref(), new).await?;
        Ok(OpenTransferPayload {
            transfer: TransferObject(row),
        })
    }

    /// Closes a transfer to new files; an archivist looks at it next.
    async fn submit_transfer(
        &self,
        ctx: &Context<'_>,
        input: SubmitTransferInput,
    ) -> Result<SubmitTransferPayload> {
        let id = parse(&input.id, "input.id")?;
        let row = service::submit(app(ctx)?, caller(ctx)?, id, input.expected_revision).await?;
        Ok(SubmitTransferPayload {
            transfer: TransferObject(row),
        })
    }

    /// Takes a submitted transfer over, once every version is decided. Archivists may, but not for their own deposits.
    async fn accept_transfer(
        &self,
        ctx: &Context<'_>,
        input: AcceptTransferInput,
    ) -> Result<AcceptTransferPayload> {
        let id = parse(&input.id, "input.id")?;
        let (app, caller) = (app(ctx)?, caller(ctx)?);
        let row = service::accept(app, caller, id, input.expected_revision, input.note).await?;
        Ok(AcceptTransferPayload {
            transfer: TransferObject(row),
        })
    }

    /// Sends a submitted transfer back with a reason. Archivists may, but not for their own deposits.
    async fn return_transfer(
        &self,
        ctx: &Context<'_>,
        input: ReturnTransferInput,
    ) -> Result<ReturnTransferPayload> {
        let id = parse(&input.id, "input.id")?;
        let (app, caller) = (app(ctx)?, caller(ctx)?);
        let row =
            service::send_back(app, caller, id, input.expected_revision, input.reason).await?;
        Ok(ReturnTransferPayload {
            transfer: TransferObject(row),
        })
    }
}
