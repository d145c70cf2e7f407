//! Uploads on the wire: tickets, parts, completion.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject, Union};
use chrono::{DateTime, Utc};
use contract::VersionId;

use super::VersionObject;
use crate::{
    graphql::{
        context::{app, caller},
        errors::{self, Result},
        ids::{id, parse},
        scalars::BigInt,
    },
    object_store::Signed,
    records::graphql::ItemRefused,
    versions::{
        reported::{self, Reported, Stored},
        uploads::{self, Completed, Kind, Seen, Ticket},
    },
};

/// How the bytes reach the object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
pub enum UploadKind {
    /// One PUT of all bytes to `url` with exactly `headers`.
    Single,
    /// Ask `uploadParts` for the parts' URLs.
    Multipart,
}

/// A header of HTTP.
#[derive(SimpleObject)]
pub(super) struct HttpHeader {
    /// Its name.
    name: String,
    /// Its value.
    value: String,
}

fn headers(signed: &Signed) -> Vec<HttpHeader> {
    signed
        .headers
        .iter()
        .map(|(name, value)| HttpHeader {
            name: name.clone(),
            value: value.clone(),
        })
        .collect()
}

/// How the bytes reach the object store.
#[derive(SimpleObject)]
pub struct UploadTicket {
    /// In one piece or in parts.
    kind: UploadKind,
    /// PUT; null for parts.
    method: Option<String>,
    /// Where to; null for parts.
    url: Option<String>,
    /// Exactly these; they are signed. A `Content-Type` is not among them and may be any, or none: nothing looks at
    /// it. What a file is, is what the FORMAT check finds; a download is an attachment of `application/octet-stream`.
    headers: Vec<HttpHeader>,
    /// Bytes of every part but the last; null for one piece.
    part_size: Option<BigInt>,
    /// How many parts there are; null for one piece.
    part_count: Option<i32>,
    /// Until when.
    expires_at: DateTime<Utc>,
}

impl From<Ticket> for UploadTicket {
    fn from(ticket: Ticket) -> Self {
        let (kind, part_size, part_count) = match ticket.kind {
            Kind::Single => (UploadKind::Single, None, None),
            Kind::Multipart { part_size, parts } => (
                UploadKind::Multipart,
                Some(big(part_size)),
                Some(int(parts)),
            ),
        };
        Self {
            kind,
            method: ticket.put.is_some().then(|| "PUT".to_owned()),
            headers: ticket.put.as_ref().map(headers).unwrap_or_default(),
            url: ticket.put.map(|signed| signed.url),
            part_size,
            part_count,
            expires_at: ticket.expires_at,
        }
    }
}

fn big(number: u64) -> BigInt {
    BigInt(i64::try_from(number).unwrap_or(i64::MAX))
}

fn int(number: u64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// An upload in parts.
#[derive(InputObject)]
pub(super) struct UploadPartsInput {
    /// Of what.
    version_id: ID,
    /// How many URLs: 1 to 100, 100 by default.
    first: Option<i32>,
}

/// The parts that are still missing. When there are none, `completeUploads` comes next.
#[derive(SimpleObject)]
pub(super) struct UploadPartsPayload {
    /// The version.
    version: VersionObject,
    /// Bytes of every part but the last.
    part_size: BigInt,
    /// How many parts there are in all.
    part_count: i32,
    /// How many are there already.
    present: i32,
    /// The first of those that are missing.
    missing: Vec<UploadPart>,
}

/// One part to upload.
#[derive(SimpleObject)]
pub(super) struct UploadPart {
    /// 1, 2, …
    number: i32,
    /// In bytes.
    size: BigInt,
    /// Where to PUT it.
    url: String,
    /// Exactly these; they are signed.
    headers: Vec<HttpHeader>,
}

/// Uploads that are complete.
#[derive(InputObject)]
pub(super) struct CompleteUploadsInput {
    /// 1 to 500 of them.
    uploads: Vec<CompleteUploadInput>,
}

/// One upload.
#[derive(InputObject)]
pub(super) struct CompleteUploadInput {
    /// Of what.
    version_id: ID,
    /// UPLOADED by default.
    outcome: Option<Seen>,
}

/// What became of the uploads of a call.
#[derive(SimpleObject)]
pub(super) struct CompleteUploadsPayload {
    /// One an item, in the order of the input.
    outcomes: Vec<CompleteUploadOutcome>,
}

/// What became of one upload.
#[derive(Union)]
pub(super) enum CompleteUploadOutcome {
    /// It is there, and was written down.
    Completed(UploadCompleted),
    /// It was known already.
    Already(UploadAlreadyCompleted),
    /// It is not there, or not whole.
    Missing(UploadMissing),
    /// It cannot be.
    Refused(ItemRefused),
}

/// The bytes are there and checks are queued (or the refusal of the object store was written down).
#[derive(SimpleObject)]
pub(super) struct UploadCompleted {
    /// The version.
    version: VersionObject,
}

/// It was known already: nothing was done.
#[derive(SimpleObject)]
pub(super) struct UploadAlreadyCompleted {
    /// The version.
    version: VersionObject,
}

/// The bytes are not there, or not all; the version still awaits them.
#[derive(SimpleObject)]
pub(super) struct UploadMissing {
    /// The version.
    version: VersionObject,
    /// What is missing.
    message: String,
}

impl From<Completed> for CompleteUploadOutcome {
    fn from(completed: Completed) -> Self {
        match completed {
            Completed::Now(row) => Self::Completed(UploadCompleted {
                version: VersionObject(row),
            }),
            Completed::Already(row) => Self::Already(UploadAlreadyCompleted {
                version: VersionObject(row),
            }),
            Completed::Missing(row, message) => Self::Missing(UploadMissing {
                version: VersionObject(row),
                message,
            }),
            Completed::Refused(index, error) => Self::Refused(ItemRefused::new(index, error)),
        }
    }
}

/// Objects that the object store tells of.
#[derive(InputObject)]
pub(super) struct ReportUploadsInput {
    /// 1 to 100 of them.
    uploads: Vec<ReportUploadInput>,
}

/// An object, as it stands in an event of the object store.
#[derive(InputObject)]
pub(super) struct ReportUploadInput {
    /// Its bucket.
    bucket: String,
    /// Its key, decoded.
    key: String,
}

/// What became of the objects of a report.
#[derive(SimpleObject)]
pub(super) struct ReportUploadsPayload {
    /// One an item, in the order of the input.
    outcomes: Vec<ReportUploadOutcome>,
}

/// What became of one object of a report.
#[derive(SimpleObject)]
pub(super) struct ReportUploadOutcome {
    /// What became of it.
    status: UploadReportStatus,
    /// Of which version; null where it is none of ours.
    version_id: Option<ID>,
    /// For people.
    message: Option<String>,
}

/// What became of an object that the store told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
pub enum UploadReportStatus {
    /// The upload was written down, and checks are queued.
    Applied,
    /// It was known already.
    AlreadyApplied,
    /// It is no upload that anybody awaits.
    Unknown,
    /// It is not whole; its client goes on with it.
    Incomplete,
    /// It could not be looked at: tell it again.
    Retry,
}

impl From<Reported> for ReportUploadOutcome {
    fn from(reported: Reported) -> Self {
        let (status, version, message) = match reported {
            Reported::Applied(row) => (UploadReportStatus::Applied, Some(row), None),
            Reported::AlreadyApplied(row) => (UploadReportStatus::AlreadyApplied, Some(row), None),
            Reported::Unknown => (UploadReportStatus::Unknown, None, None),
            Reported::Incomplete(row, message) => {
                (UploadReportStatus::Incomplete, Some(row), Some(message))
            }
            Reported::Later(error) => (
                UploadReportStatus::Retry,
                None,
                Some(errors::Seen::of(error).message),
            ),
        };
        Self {
            status,
            version_id: version.map(|row| id(VersionId(row.id))),
            message,
        }
    }
}

/// Mutations of uploads.
#[derive(Default)]
pub struct UploadMutation;

#[Object]
impl UploadMutation {
    /// The parts of a large upload that are still missing, with URLs. Asking again is how an upload is resumed.
    async fn upload_parts(
        &self,
        ctx: &Context<'_>,
        input: UploadPartsInput,
    ) -> Result<UploadPartsPayload> {
        let id = parse(&input.version_id, "input.versionId")?;
        let parts = uploads::parts(app(ctx)?, caller(ctx)?, id, input.first).await?;
        let missing = parts
            .missing
            .into_iter()
            .map(|(number, size, signed)| UploadPart {
                number,
                size: big(size),
                headers: headers(&signed),
                url: signed.url,
            });
        Ok(UploadPartsPayload {
            version: VersionObject(parts.version),
            part_size: big(parts.part_size),
            part_count: int(parts.count),
            present: int(parts.present),
            missing: missing.collect(),
        })
    }

    /// Tells of objects that the object store has announced: a worker may. Repeating it is harmless.
    async fn report_uploads(
        &self,
        ctx: &Context<'_>,
        input: ReportUploadsInput,
    ) -> Result<ReportUploadsPayload> {
        let stored: Vec<Stored> = input
            .uploads
            .into_iter()
            .map(|upload| Stored {
                bucket: upload.bucket,
                key: upload.key,
            })
            .collect();
        let outcomes = reported::report(app(ctx)?, caller(ctx)?, &stored).await?;
        Ok(ReportUploadsPayload {
            outcomes: outcomes.into_iter().map(Into::into).collect(),
        })
    }

    /// Says that uploads are complete: 1 to 500 a call, one outcome an item. Repeating it is harmless.
    async fn complete_uploads(
        &self,
        ctx: &Context<'_>,
        input: CompleteUploadsInput,
    ) -> Result<CompleteUploadsPayload> {
        let items = input
            .uploads
            .into_iter()
            .enumerate()
            .map(|(index, item)| {
                let id = parse(
                    &item.version_id,
                    &format!("input.uploads.{index}.versionId"),
                )?;
                Ok((id, item.outcome.unwrap_or(Seen::Uploaded)))
            })
            .collect();
        let outcomes = uploads::complete(app(ctx)?, caller(ctx)?, items).await?;
        Ok(CompleteUploadsPayload {
            outcomes: outcomes.into_iter().map(Into::into).collect(),
        })
    }
}
