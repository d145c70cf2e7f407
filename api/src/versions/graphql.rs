//! Versions on the wire: parse, call one service function, wrap.

use async_graphql::{
    Context, ID, InputObject, Object, SimpleObject, Union, connection::Connection,
};
use chrono::{DateTime, Utc};
use contract::{RecordId, TransferId, VersionId};

use super::{
    Basis, Decision, Format, Outcome, Version, decision, format, service, store,
    uploads::{self, Completed, Kind, Seen, Ticket},
};
use crate::{
    Error,
    checks::{
        self,
        graphql::{CheckObject, list_history},
    },
    graphql::{
        context::{app, caller, loaders},
        errors::Result,
        ids::{id, parse, parse_option},
        scalars::BigInt,
    },
    object_store::Signed,
    page::Args,
    records::graphql::{ItemRefused, NewFileInput, RecordObject},
};

/// Where a version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "VersionStatus", remote = "super::Status")]
pub enum VersionStatus {
    /// Declared; the bytes are not there yet.
    AwaitingUpload,
    /// Uploaded; checks, or the move of its bytes, are under way.
    Checking,
    /// Kept and downloadable.
    Accepted,
    /// Refused by checksum, policy or a person; never downloadable.
    Rejected,
    /// Malware; never downloadable.
    Quarantined,
    /// A check could not decide, or the policy asks a person.
    NeedsReview,
    /// The bytes never came.
    Abandoned,
}

/// One file of a record, immutable once uploaded.
pub struct VersionObject(pub Version);

/// One file of a record, immutable once uploaded.
#[Object(name = "Version")]
impl VersionObject {
    /// `version_…`
    pub async fn id(&self) -> ID {
        id(VersionId(self.0.id))
    }

    /// 1, 2, …
    async fn number(&self) -> i32 {
        self.0.number
    }

    /// As its depositor names it.
    async fn file_name(&self) -> &str {
        &self.0.file_name
    }

    /// Declared size in bytes.
    async fn size(&self) -> BigInt {
        BigInt(self.0.size)
    }

    /// Declared digest: 64 hex digits in lower case.
    async fn sha256(&self) -> &str {
        &self.0.sha256
    }

    /// Measured digest: 128 hex digits in lower case; null before the checks.
    async fn sha512(&self) -> Option<&str> {
        self.0.sha512.as_deref()
    }

    /// What the FORMAT check found; null before it, and where nothing was recognised.
    async fn format(&self) -> Option<FormatObject> {
        format(&self.0).map(Into::into)
    }

    /// Where it stands.
    async fn status(&self) -> VersionStatus {
        self.0.status.into()
    }

    /// What it waits for; null once decided.
    async fn why_waiting(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(checks::service::why_waiting(app(ctx)?, &self.0).await?)
    }

    /// What its depositor says of it.
    async fn note(&self) -> Option<&str> {
        self.0.note.as_deref()
    }

    /// Of what it is a version.
    async fn record(&self, ctx: &Context<'_>) -> Result<RecordObject> {
        let row = loaders(ctx)?.record(self.0.record_id).await?;
        Ok(RecordObject(row.ok_or(Error::NotFound("record"))?))
    }

    /// The newest run of each kind of check.
    async fn checks(&self, ctx: &Context<'_>) -> Result<Vec<CheckObject>> {
        let rows = loaders(ctx)?.checks(self.0.id).await?;
        Ok(rows
            .into_iter()
            .map(|row| CheckObject::new(row, self.0.size))
            .collect())
    }

    /// Every run of every check, oldest first.
    async fn check_history(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<String, CheckObject>> {
        list_history(
            ctx,
            &self.0,
            &Args {
                first,
                after,
                last,
                before,
            },
        )
        .await
    }

    /// Why it is as it is; null before.
    async fn decision(&self) -> Option<DecisionObject> {
        decision(&self.0).map(Into::into)
    }

    /// A URL to download it from, as an attachment: only when ACCEPTED. `expiresIn` is 1 to 3600 seconds, 60 by default.
    async fn download(
        &self,
        ctx: &Context<'_>,
        expires_in: Option<i32>,
    ) -> Result<Option<Download>> {
        let found = service::download(app(ctx)?, caller(ctx)?, &self.0, expires_in).await?;
        Ok(found.map(Into::into))
    }

    /// How to upload the bytes: only while `AWAITING_UPLOAD`, and only for those who may.
    async fn upload(&self, ctx: &Context<'_>) -> Result<Option<UploadTicket>> {
        let collection = loaders(ctx)?.collection(self.0.collection_id).await?;
        let Some(collection) = collection else {
            return Ok(None);
        };
        let ticket = uploads::ticket(app(ctx)?, caller(ctx)?, &self.0, &collection.body).await?;
        Ok(ticket.map(Into::into))
    }

    /// When it was declared.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it was decided.
    async fn decided_at(&self) -> Option<DateTime<Utc>> {
        self.0.decided_at
    }
}

/// A file format, as PRONOM has it.
#[derive(SimpleObject)]
#[graphql(name = "Format")]
pub struct FormatObject {
    /// PRONOM unique identifier, as `fmt/40`.
    puid: String,
    /// Its name in PRONOM.
    name: String,
    /// Its version in PRONOM, or empty.
    version: String,
    /// Its media type in PRONOM, or empty.
    media_type: String,
    /// What it was recognised by.
    basis: Basis,
    /// What is odd about it.
    warnings: Vec<String>,
}

impl From<Format> for FormatObject {
    fn from(format: Format) -> Self {
        Self {
            puid: format.puid,
            name: format.name,
            version: format.version,
            media_type: format.media_type,
            basis: format.basis,
            warnings: format.warnings,
        }
    }
}

/// Why a version is as it is.
#[derive(SimpleObject)]
#[graphql(name = "Decision")]
pub struct DecisionObject {
    /// What it was decided to be. While its bytes are on the move, its status is still CHECKING.
    outcome: VersionStatus,
    /// The revision of the policy that it was taken under.
    policy_revision: i32,
    /// A person's subject, or `policy`.
    by: String,
    /// What spoke for it.
    reasons: Vec<String>,
    /// What stays with it.
    warnings: Vec<String>,
    /// When.
    at: DateTime<Utc>,
}

impl From<Decision> for DecisionObject {
    fn from(decision: Decision) -> Self {
        Self {
            outcome: match decision.outcome {
                Outcome::Accept => VersionStatus::Accepted,
                Outcome::Quarantine => VersionStatus::Quarantined,
                Outcome::Reject => VersionStatus::Rejected,
                Outcome::Review => VersionStatus::NeedsReview,
            },
            policy_revision: decision.policy_revision,
            by: decision.by,
            reasons: decision.reasons,
            warnings: decision.warnings,
            at: decision.at,
        }
    }
}

/// A URL that holds for a while.
#[derive(SimpleObject)]
pub struct Download {
    /// Presigned: whoever has it may download.
    url: String,
    /// Until when.
    expires_at: DateTime<Utc>,
}

impl From<(Signed, DateTime<Utc>)> for Download {
    fn from((signed, expires_at): (Signed, DateTime<Utc>)) -> Self {
        Self {
            url: signed.url,
            expires_at,
        }
    }
}

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
pub struct HttpHeader {
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
    /// Exactly these; they are signed.
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

/// Narrows a list of versions.
#[derive(InputObject, Default)]
pub struct VersionFilter {
    /// Of this transfer.
    transfer_id: Option<ID>,
    /// Of this record.
    record_id: Option<ID>,
    /// In this state.
    status: Option<VersionStatus>,
    /// True: `AWAITING_UPLOAD` or CHECKING; false: any other.
    undecided: Option<bool>,
}

impl VersionFilter {
    /// As the store takes it.
    pub fn parse(self, path: &str) -> std::result::Result<store::Filter, Error> {
        let transfer: Option<TransferId> =
            parse_option(self.transfer_id.as_ref(), &format!("{path}.transferId"))?;
        let record: Option<RecordId> =
            parse_option(self.record_id.as_ref(), &format!("{path}.recordId"))?;
        Ok(store::Filter {
            transfer: transfer.map(Into::into),
            record: record.map(Into::into),
            status: self.status.map(Into::into),
            undecided: self.undecided,
        })
    }
}

/// A page of versions, for every field that lists them.
pub async fn list_versions(
    ctx: &Context<'_>,
    filter: store::Filter,
    args: &Args,
) -> Result<Connection<String, VersionObject>> {
    let page = store::list(app(ctx)?.database(), &caller(ctx)?.actor, filter, args).await?;
    Ok(page.connection(VersionObject))
}

/// A new version of a record.
#[derive(InputObject)]
pub struct AddVersionInput {
    /// The same key replays the first answer.
    client_mutation_key: Option<String>,
    /// Of which record.
    record_id: ID,
    /// The number that this is to be; CONFLICT if it is not the next one.
    number: Option<i32>,
    /// What it is.
    file: NewFileInput,
    /// Up to 20,000 characters.
    note: Option<String>,
}

/// The version that was declared: upload its bytes by `version.upload`.
#[derive(SimpleObject)]
pub struct AddVersionPayload {
    /// The version.
    version: VersionObject,
}

/// An upload in parts.
#[derive(InputObject)]
pub struct UploadPartsInput {
    /// Of what.
    version_id: ID,
    /// How many URLs: 1 to 100, 100 by default.
    first: Option<i32>,
}

/// The parts that are still missing. When there are none, `completeUploads` comes next.
#[derive(SimpleObject)]
pub struct UploadPartsPayload {
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
pub struct UploadPart {
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
pub struct CompleteUploadsInput {
    /// 1 to 500 of them.
    uploads: Vec<CompleteUploadInput>,
}

/// One upload.
#[derive(InputObject)]
pub struct CompleteUploadInput {
    /// Of what.
    version_id: ID,
    /// UPLOADED by default.
    outcome: Option<Seen>,
}

/// What became of the uploads of a call.
#[derive(SimpleObject)]
pub struct CompleteUploadsPayload {
    /// One an item, in the order of the input.
    outcomes: Vec<CompleteUploadOutcome>,
}

/// What became of one upload.
#[derive(Union)]
pub enum CompleteUploadOutcome {
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
pub struct UploadCompleted {
    /// The version.
    version: VersionObject,
}

/// It was known already: nothing was done.
#[derive(SimpleObject)]
pub struct UploadAlreadyCompleted {
    /// The version.
    version: VersionObject,
}

/// The bytes are not there, or not all; the version still awaits them.
#[derive(SimpleObject)]
pub struct UploadMissing {
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

/// An old version to make the newest.
#[derive(InputObject)]
pub struct RestoreVersionInput {
    /// The same key replays the first answer.
    client_mutation_key: Option<String>,
    /// Which; it is ACCEPTED.
    version_id: ID,
    /// Up to 20,000 characters.
    note: Option<String>,
}

/// The new version.
#[derive(SimpleObject)]
pub struct RestoreVersionPayload {
    /// The version.
    version: VersionObject,
}

/// Queries about versions.
#[derive(Default)]
pub struct VersionQuery;

#[Object]
impl VersionQuery {
    /// The versions that you may see, in the order of creation.
    async fn versions(
        &self,
        ctx: &Context<'_>,
        filter: Option<VersionFilter>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<String, VersionObject>> {
        let filter = filter.unwrap_or_default().parse("filter")?;
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

/// Mutations of versions.
#[derive(Default)]
pub struct VersionMutation;

#[Object]
impl VersionMutation {
    /// Declares a new version of a record. Answers with a ticket to upload the bytes by.
    async fn add_version(
        &self,
        ctx: &Context<'_>,
        input: AddVersionInput,
    ) -> Result<AddVersionPayload> {
        let record = parse(&input.record_id, "input.recordId")?;
        if input.file.file_name_missing() {
            return Err(
                Error::input("input.file.fileName", "a new version needs a file name").into(),
            );
        }
        let new = service::New {
            record,
            number: input.number,
            file: input.file.parse("input.file", "")?,
            note: input.note,
        };
        let key = input.client_mutation_key;
        let row = service::add(app(ctx)?, caller(ctx)?, key.as_deref(), new).await?;
        Ok(AddVersionPayload {
            version: VersionObject(row),
        })
    }

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

    /// Makes an old accepted version the newest, as a new version with the same content; nothing is lost.
    async fn restore_version(
        &self,
        ctx: &Context<'_>,
        input: RestoreVersionInput,
    ) -> Result<RestoreVersionPayload> {
        let id = parse(&input.version_id, "input.versionId")?;
        let key = input.client_mutation_key;
        let row = service::restore(app(ctx)?, caller(ctx)?, key.as_deref(), id, input.note).await?;
        Ok(RestoreVersionPayload {
            version: VersionObject(row),
        })
    }
}
