//! Exports as workers see them: what to pack, file by file, and how far it is.

use async_graphql::{
    Context, ID, InputObject, Object, SimpleObject,
    connection::{Connection, Edge},
};
use chrono::{DateTime, Utc};
use contract::{
    ExportId, RecordId, VersionId,
    objects::{Place, version_key},
};
use serde_json::Value;

use super::ExportFormat;
use crate::{
    Error,
    checkpoints::{as_row, service::Inclusion},
    checks::graphql::CheckObject,
    exports::{
        service::{self, ExportWorkData, Report},
        store::Item,
    },
    graphql::{
        context::{app, caller},
        errors::Result,
        ids::{id, parse},
        scalars::BigInt,
    },
    jobs::{reported::ReportStatus, work::ObjectLocation},
    versions::{self, graphql::FormatObject},
};

/// A package to be made.
pub struct ExportWorkObject(pub ExportWorkData);

/// A package to be made.
#[Object(name = "ExportWork")]
impl ExportWorkObject {
    /// Of what.
    async fn export_id(&self) -> ID {
        id(ExportId(self.0.export.id))
    }

    /// Name of the package's top folder.
    async fn reference(&self) -> &str {
        &self.0.export.reference
    }

    /// What it is to be.
    async fn format(&self) -> ExportFormat {
        ExportFormat::BagitTar
    }

    /// Where it goes.
    async fn target(&self) -> ObjectLocation {
        ObjectLocation {
            bucket: self.0.bucket.clone(),
            key: self.0.key.clone(),
            etag: None,
        }
    }

    /// How many files it holds.
    async fn files(&self) -> i32 {
        self.0.export.files
    }

    /// Their sizes in bytes, summed.
    async fn bytes(&self) -> BigInt {
        BigInt(self.0.export.bytes)
    }

    /// The newest acceptance in the selection: the only time that goes into the bag.
    async fn as_of(&self) -> DateTime<Utc> {
        self.0.export.as_of
    }

    /// By what its events are proved; null where it has none.
    async fn evidence(&self) -> Option<ExportEvidence> {
        let evidence = self.0.evidence.clone()?;
        Some(ExportEvidence {
            checkpoint: evidence.checkpoint,
            checkpoint_key: evidence.checkpoint_key,
        })
    }

    /// Lines of `bag-info.txt`, in order.
    async fn bag_info(&self) -> Vec<BagInfoEntryObject> {
        let entries = self.0.bag_info.iter();
        entries
            .map(|entry| BagInfoEntryObject {
                label: entry.label.to_owned(),
                value: entry.value.clone(),
            })
            .collect()
    }
}

/// By what the events of a package are proved.
#[derive(SimpleObject)]
pub struct ExportEvidence {
    /// The tree that they are in, signed: a C2SP `tlog-checkpoint`.
    checkpoint: String,
    /// Whose signature it is: a C2SP `signed-note` verifier key.
    checkpoint_key: String,
}

/// An event of a package, with the proof that it is in the tree.
pub struct ExportEventObject(Inclusion);

/// An event of a package, with the proof that it is in the tree.
#[Object(name = "ExportEvent")]
impl ExportEventObject {
    /// The event as canonical JSON (RFC 8785), of which the leaf is the hash.
    async fn entry(&self) -> &str {
        &self.0.entry
    }

    /// Its place in the tree.
    async fn leaf_index(&self) -> BigInt {
        BigInt(as_row(self.0.leaf))
    }

    /// From the leaf to the root, each 64 hex digits.
    async fn hashes(&self) -> Vec<String> {
        self.0.proof.iter().map(hex::encode).collect()
    }
}

/// A line of `bag-info.txt`.
#[derive(SimpleObject)]
#[graphql(name = "BagInfoEntry")]
pub struct BagInfoEntryObject {
    /// Before the colon.
    label: String,
    /// After it.
    value: String,
}

/// A file of an export, with all that stands in its bag.
pub struct ExportItemObject(pub Item);

/// A file of an export, with all that stands in its bag.
#[Object(name = "ExportItem")]
impl ExportItemObject {
    /// `record_…`
    async fn record_id(&self) -> ID {
        id(RecordId(self.0.record.id))
    }

    /// For people; unique.
    async fn record_reference(&self) -> &str {
        &self.0.record.reference
    }

    /// Of the record.
    async fn title(&self) -> &str {
        &self.0.record.title
    }

    /// Of the record.
    async fn description(&self) -> &str {
        &self.0.record.description
    }

    /// Of the record: a JSON object.
    async fn metadata(&self) -> &Value {
        &self.0.record.metadata
    }

    /// Where it stood in the depositor's folder.
    async fn path(&self) -> &str {
        &self.0.record.path
    }

    /// `data/…`, safe and unique in this bag.
    async fn payload_path(&self) -> String {
        format!("data/{}", self.0.payload_path)
    }

    /// `version_…`
    async fn version_id(&self) -> ID {
        id(VersionId(self.0.version.id))
    }

    /// Of the version in its record: 1, 2, …
    async fn number(&self) -> i32 {
        self.0.version.number
    }

    /// As the depositor named it.
    async fn file_name(&self) -> &str {
        &self.0.version.file_name
    }

    /// In bytes.
    async fn size(&self) -> BigInt {
        BigInt(self.0.version.size)
    }

    /// 64 hex digits.
    async fn sha256(&self) -> &str {
        &self.0.version.sha256
    }

    /// 128 hex digits.
    async fn sha512(&self) -> Result<&str> {
        let digest = self.0.version.sha512.as_deref();
        Ok(digest.ok_or_else(|| {
            let id = VersionId(self.0.version.id);
            Error::Internal(format!("{id} is in an export and was never measured"))
        })?)
    }

    /// As the depositor's file system had it.
    async fn last_modified(&self) -> Option<DateTime<Utc>> {
        self.0.version.last_modified
    }

    /// Where its bytes are.
    async fn object(&self, ctx: &Context<'_>) -> Result<ObjectLocation> {
        Ok(ObjectLocation {
            bucket: app(ctx)?.objects().bucket(Place::Records).to_owned(),
            key: version_key(VersionId(self.0.version.content_id)),
            etag: self.0.version.object_etag.clone(),
        })
    }

    /// The reference of its transfer.
    async fn transfer_reference(&self) -> &str {
        &self.0.transfer_reference
    }

    /// Its format, where it was identified.
    async fn format(&self) -> Option<FormatObject> {
        versions::format(&self.0.version).map(Into::into)
    }

    /// The current FORMAT check.
    async fn format_check(&self) -> Option<CheckObject> {
        let check = self.0.format_check.clone()?;
        Some(CheckObject::new(check, self.0.version.size))
    }

    /// The current ANTIVIRUS check.
    async fn antivirus_check(&self) -> Option<CheckObject> {
        let check = self.0.antivirus_check.clone()?;
        Some(CheckObject::new(check, self.0.version.size))
    }

    /// Whether the extension belongs to another format.
    async fn extension_mismatch(&self) -> bool {
        versions::format(&self.0.version).is_some_and(|format| format.extension_mismatch)
    }
}

/// What a worker says of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
pub enum ExportReportStatus {
    /// So far it is: `filesDone` and `bytesDone` are needed.
    Progress,
    /// The package is there: `size` and `sha256` are needed.
    Ready,
    /// It cannot be packed: `error` is needed.
    Failed,
}

/// What a worker says of an export.
#[derive(InputObject)]
pub struct ReportExportInput {
    /// The export's job.
    job_id: ID,
    /// As `claimJobs` gave it.
    lease_token: String,
    /// How it stands.
    status: ExportReportStatus,
    /// How many files are packed.
    files_done: Option<i32>,
    /// Their sizes in bytes, summed.
    bytes_done: Option<BigInt>,
    /// Size of the package in bytes.
    size: Option<BigInt>,
    /// Its SHA-256, 64 hex digits.
    sha256: Option<String>,
    /// Why it cannot be packed.
    error: Option<String>,
}

impl ReportExportInput {
    fn report(self) -> std::result::Result<Report, Error> {
        let missing = |field: &str| {
            let message = format!("a report of this status needs `{field}`");
            Error::input(format!("input.{field}"), message)
        };
        Ok(match self.status {
            ExportReportStatus::Progress => Report::Progress {
                files: self.files_done.ok_or_else(|| missing("filesDone"))?,
                bytes: self.bytes_done.ok_or_else(|| missing("bytesDone"))?.0,
            },
            ExportReportStatus::Ready => Report::Ready {
                size: self.size.ok_or_else(|| missing("size"))?.0,
                sha256: self.sha256.ok_or_else(|| missing("sha256"))?,
            },
            ExportReportStatus::Failed => Report::Failed {
                reason: self.error.ok_or_else(|| missing("error"))?,
            },
        })
    }
}

/// What became of a report.
#[derive(SimpleObject)]
pub struct ReportExportPayload {
    /// Whether it was written down.
    status: ReportStatus,
    /// Stop, and delete what was written.
    cancelled: bool,
}

/// What workers ask about exports.
#[derive(Default)]
pub(super) struct WorkQuery;

#[Object]
impl WorkQuery {
    /// Workers only: the files of an export, in the order of the bag. Needs the live lease of its job; `first` is 1 to 500.
    #[graphql(complexity = "crate::page::cost(first, None, child_complexity)")]
    async fn export_items(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The job of the export.")] job_id: ID,
        #[graphql(desc = "Proof of having it.")] lease_token: String,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Connection<String, ExportItemObject>> {
        let job = parse(&job_id, "jobId")?;
        let (app, caller) = (app(ctx)?, caller(ctx)?);
        let page = service::items(app, caller, job, &lease_token, first, after.as_deref()).await?;
        let mut connection = Connection::new(page.has_previous, page.has_next);
        connection.edges.extend(
            page.items
                .into_iter()
                .map(|item| Edge::new(item.position.to_string(), ExportItemObject(item))),
        );
        Ok(connection)
    }
}

/// What workers ask about the events of exports.
#[derive(Default)]
pub(super) struct EventsQuery;

#[Object]
impl EventsQuery {
    /// Workers only: the events of the records of an export, in the order of the bag and then of their chains. Needs the live
    /// lease of its job; `first` is 1 to 500, and a page with long events may have fewer.
    #[graphql(complexity = "crate::page::cost(first, None, child_complexity)")]
    async fn export_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The job of the export.")] job_id: ID,
        #[graphql(desc = "Proof of having it.")] lease_token: String,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Connection<String, ExportEventObject>> {
        let job = parse(&job_id, "jobId")?;
        let (app, caller) = (app(ctx)?, caller(ctx)?);
        let page = service::events(app, caller, job, &lease_token, first, after.as_deref()).await?;
        let mut connection = Connection::new(page.has_previous, page.has_next);
        connection.edges.extend(
            page.events
                .into_iter()
                .map(|(cursor, shown)| Edge::new(cursor, ExportEventObject(shown))),
        );
        Ok(connection)
    }
}

/// What workers say about exports.
#[derive(Default)]
pub(super) struct ExportWorkMutation;

#[Object]
impl ExportWorkMutation {
    /// Workers only: how far an export is. The same report again does nothing.
    async fn report_export(
        &self,
        ctx: &Context<'_>,
        input: ReportExportInput,
    ) -> Result<ReportExportPayload> {
        let job = parse(&input.job_id, "input.jobId")?;
        let token = input.lease_token.clone();
        let report = input.report()?;
        let reported = service::report(app(ctx)?, caller(ctx)?, job, &token, report).await?;
        Ok(ReportExportPayload {
            status: reported.outcome,
            cancelled: reported.cancelled,
        })
    }
}
