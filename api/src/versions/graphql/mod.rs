//! Versions on the wire: parse, call one service function, wrap. Their uploads are in [`uploads`].

mod uploads;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject, connection::Connection};
use chrono::{DateTime, Utc};
use contract::{RecordId, TransferId, VersionId};

pub use self::uploads::{UploadMutation, UploadTicket};
use super::{Basis, Decision, Format, Outcome, Version, decision, format, service, store};
use crate::{
    Error,
    checks::graphql::{CheckObject, list_history},
    fixity::graphql::FixityObject,
    graphql::{
        context::{app, caller, loaders},
        errors::Result,
        ids::{id, parse, parse_option},
        scalars::BigInt,
    },
    object_store::Signed,
    page::Args,
    records::graphql::{NewFileInput, RecordObject},
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
#[derive(Clone)]
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
        Ok(loaders(ctx)?.why_waiting(self.0.id).await?)
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
    #[graphql(complexity = "crate::page::cost(first, last, child_complexity)")]
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

    /// Whether its kept bytes are still those that were accepted.
    async fn fixity(&self) -> FixityObject {
        FixityObject::of_version(self.0.clone())
    }

    /// A URL to download it from, as an attachment: only when ACCEPTED. `expiresIn` is 1 to 3600 seconds, 60 by default.
    async fn download(
        &self,
        ctx: &Context<'_>,
        expires_in: Option<i32>,
    ) -> Result<Option<Download>> {
        let collection = loaders(ctx)?.collection(self.0.collection_id).await?;
        let Some(collection) = collection else {
            return Ok(None);
        };
        let body = &collection.body;
        let found = service::download(app(ctx)?, caller(ctx)?, &self.0, body, expires_in).await?;
        Ok(found.map(Into::into))
    }

    /// How to upload the bytes: only while `AWAITING_UPLOAD`, and only for those who may.
    async fn upload(&self, ctx: &Context<'_>) -> Result<Option<UploadTicket>> {
        let collection = loaders(ctx)?.collection(self.0.collection_id).await?;
        let Some(collection) = collection else {
            return Ok(None);
        };
        let ticket =
            super::uploads::ticket(app(ctx)?, caller(ctx)?, &self.0, &collection.body).await?;
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
    /// A person's subject, `policy`, or `fixity`.
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
    /// The same key replays the first answer for 30 days.
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

/// An old version to make the newest.
#[derive(InputObject)]
pub struct RestoreVersionInput {
    /// The same key replays the first answer for 30 days.
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
