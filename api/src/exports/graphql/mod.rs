//! Exports on the wire: parse, call one service function, wrap.

mod work;

use async_graphql::{
    Context, ID, InputObject, MergedObject, Object, OneofObject, SimpleObject,
    connection::Connection,
};
use chrono::{DateTime, Utc};
use contract::{ExportId, TransferId};

use super::{Export, MAX_RECORDS, Selection, service, store, why_waiting};
use crate::{
    Error,
    fixity::graphql::FixityObject,
    graphql::{
        context::{app, caller},
        errors::Result,
        ids::{id, parse, parse_list, parse_option},
        scalars::BigInt,
    },
    page::Args,
    versions::graphql::Download,
};

pub use work::{
    BagInfoEntryObject, ExportEventObject, ExportEvidence, ExportItemObject, ExportReportStatus,
    ExportWorkObject, ReportExportInput, ReportExportPayload,
};

/// Where an export stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "ExportStatus", remote = "super::Status")]
pub enum ExportStatus {
    /// Waits for a worker.
    Queued,
    /// A worker packs it.
    Running,
    /// Downloadable.
    Ready,
    /// It says why.
    Failed,
    /// By a person.
    Cancelled,
    /// No longer kept.
    Expired,
}

/// The format of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
pub enum ExportFormat {
    /// A BagIt 1.0 bag (RFC 8493) in a tar.
    BagitTar,
}

/// A package that somebody asked for.
#[derive(Clone)]
pub struct ExportObject(pub Export);

/// A package that somebody asked for.
#[Object(name = "Export")]
impl ExportObject {
    /// `export_…`
    pub async fn id(&self) -> ID {
        id(ExportId(self.0.id))
    }

    /// Where it stands.
    async fn status(&self) -> ExportStatus {
        self.0.status.into()
    }

    /// What it is.
    async fn format(&self) -> ExportFormat {
        ExportFormat::BagitTar
    }

    /// What was selected, as it was asked for: `{"transferId": …}`, `{"collectionId": …}` or `{"recordIds": […]}`.
    async fn selection(&self) -> &serde_json::Value {
        &self.0.selection
    }

    /// Name of the package's top folder: the same for the same selection.
    async fn reference(&self) -> &str {
        &self.0.reference
    }

    /// Subject of who asked.
    async fn requested_by(&self) -> &str {
        &self.0.requested_by
    }

    /// What it waits for, while it is QUEUED or RUNNING.
    async fn why_waiting(&self) -> Option<String> {
        why_waiting(&self.0)
    }

    /// How many files it holds; fixed when it was asked for.
    async fn files(&self) -> i32 {
        self.0.files
    }

    /// Their sizes in bytes, summed.
    async fn bytes(&self) -> BigInt {
        BigInt(self.0.bytes)
    }

    /// How many files are packed.
    async fn files_done(&self) -> i32 {
        self.0.files_done
    }

    /// Their sizes in bytes, summed.
    async fn bytes_done(&self) -> BigInt {
        BigInt(self.0.bytes_done)
    }

    /// Size of the package in bytes, once it is READY.
    async fn size(&self) -> Option<BigInt> {
        self.0.size.map(BigInt)
    }

    /// SHA-256 of the package, once it is READY.
    async fn sha256(&self) -> Option<&str> {
        self.0.sha256.as_deref()
    }

    /// Why it FAILED.
    async fn error(&self) -> Option<&str> {
        self.0.error.as_deref()
    }

    /// A URL to download it from: only while READY. `expiresIn` is 1 to 3600 seconds, 60 by default; no URL outlives the package.
    async fn download(
        &self,
        ctx: &Context<'_>,
        expires_in: Option<i32>,
    ) -> Result<Option<Download>> {
        let found = service::download(app(ctx)?, &self.0, expires_in).await?;
        Ok(found.map(Into::into))
    }

    /// Whether the package is still the one that was made.
    async fn fixity(&self) -> FixityObject {
        FixityObject::of_export(self.0.clone())
    }

    /// When it was asked for.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it was ready, failed or was cancelled.
    async fn finished_at(&self) -> Option<DateTime<Utc>> {
        self.0.finished_at
    }

    /// Until when it is kept.
    async fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.0.expires_at
    }
}

/// Narrows a list of exports.
#[derive(InputObject, Default)]
pub struct ExportFilter {
    /// In this state.
    status: Option<ExportStatus>,
    /// Of this transfer.
    transfer_id: Option<ID>,
}

/// What is to be packed: the accepted versions of a transfer, of a collection, or of some records.
#[derive(OneofObject)]
pub enum ExportSelection {
    /// Of a transfer.
    TransferId(ID),
    /// Of a collection. Archivists and admins may.
    CollectionId(ID),
    /// Of 1 to 500 records. Archivists and admins may.
    RecordIds(Vec<ID>),
}

impl ExportSelection {
    fn parse(self, path: &str) -> std::result::Result<Selection, Error> {
        Ok(match self {
            Self::TransferId(id) => {
                Selection::TransferId(parse(&id, &format!("{path}.transferId"))?)
            }
            Self::CollectionId(id) => {
                Selection::CollectionId(parse(&id, &format!("{path}.collectionId"))?)
            }
            Self::RecordIds(ids) => {
                Selection::RecordIds(parse_list(&ids, &format!("{path}.recordIds"), MAX_RECORDS)?)
            }
        })
    }
}

/// A package to be.
#[derive(InputObject)]
pub struct RequestExportInput {
    /// The same key replays the first answer for 30 days.
    client_mutation_key: Option<String>,
    /// What is to be packed.
    selection: ExportSelection,
    /// `BAGIT_TAR` unless said otherwise.
    format: Option<ExportFormat>,
}

/// An export that nobody wants any more.
#[derive(InputObject)]
pub struct CancelExportInput {
    /// Which.
    id: ID,
}

/// The export that was asked for.
#[derive(SimpleObject)]
pub struct RequestExportPayload {
    /// The export.
    export: ExportObject,
}

/// The export as it is now.
#[derive(SimpleObject)]
pub struct CancelExportPayload {
    /// The export.
    export: ExportObject,
}

/// Queries about exports.
#[derive(MergedObject, Default)]
pub struct ExportQuery(ClientQuery, work::WorkQuery, work::EventsQuery);

/// Mutations of exports.
#[derive(MergedObject, Default)]
pub struct ExportMutation(ClientMutation, work::ExportWorkMutation);

/// What people ask about exports.
#[derive(Default)]
pub struct ClientQuery;

#[Object]
impl ClientQuery {
    /// The exports that you may see, newest first: a contributor sees those of their own transfers.
    #[graphql(complexity = "crate::page::cost(first, last, child_complexity)")]
    async fn exports(
        &self,
        ctx: &Context<'_>,
        filter: Option<ExportFilter>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<String, ExportObject>> {
        let filter = filter.unwrap_or_default();
        let transfer: Option<TransferId> =
            parse_option(filter.transfer_id.as_ref(), "filter.transferId")?;
        let filter = store::Filter {
            status: filter.status.map(Into::into),
            transfer: transfer.map(Into::into),
        };
        let args = Args {
            first,
            after,
            last,
            before,
        };
        let page = store::list(app(ctx)?.database(), &caller(ctx)?.actor, filter, &args).await?;
        Ok(page.connection(ExportObject))
    }
}

/// What people do with exports.
#[derive(Default)]
pub struct ClientMutation;

#[Object]
impl ClientMutation {
    /// Asks for a package of what is accepted now. Contributors may for the transfers that they deposited.
    async fn request_export(
        &self,
        ctx: &Context<'_>,
        input: RequestExportInput,
    ) -> Result<RequestExportPayload> {
        let ExportFormat::BagitTar = input.format.unwrap_or(ExportFormat::BagitTar);
        let new = service::New {
            selection: input.selection.parse("input.selection")?,
        };
        let key = input.client_mutation_key;
        let row = service::request(app(ctx)?, caller(ctx)?, key.as_deref(), new).await?;
        Ok(RequestExportPayload {
            export: ExportObject(row),
        })
    }

    /// Stops an export that is QUEUED or RUNNING.
    async fn cancel_export(
        &self,
        ctx: &Context<'_>,
        input: CancelExportInput,
    ) -> Result<CancelExportPayload> {
        let id = parse(&input.id, "input.id")?;
        let row = service::cancel(app(ctx)?, caller(ctx)?, id).await?;
        Ok(CancelExportPayload {
            export: ExportObject(row),
        })
    }
}
