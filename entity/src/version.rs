//! A version: one file of a record.

use sea_orm::entity::prelude::*;

/// Where a version stands.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    EnumIter,
    DeriveActiveEnum,
    serde::Serialize,
    serde::Deserialize,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Declared; the bytes are not there yet.
    AwaitingUpload,
    /// Uploaded; checks or the move of its bytes are under way.
    Checking,
    /// Kept and downloadable.
    Accepted,
    /// Refused by checksum, policy or a person.
    Rejected,
    /// Malware.
    Quarantined,
    /// A check could not decide, or the policy asks a person.
    NeedsReview,
    /// The bytes never came.
    Abandoned,
}

/// Where the bytes of a version stand.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    EnumIter,
    DeriveActiveEnum,
    serde::Serialize,
    serde::Deserialize,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Place {
    /// Uploaded, not yet decided or refused.
    Incoming,
    /// Kept.
    Records,
    /// Malware.
    Quarantine,
}

/// What is to be done with the bytes of a decided version.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    EnumIter,
    DeriveActiveEnum,
    serde::Serialize,
    serde::Deserialize,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Disposition {
    /// Copy to the records bucket.
    Accept,
    /// Copy to the quarantine bucket.
    Quarantine,
}

/// A version: one file of a record.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "version")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Of what.
    pub record_id: Uuid,
    /// How its record came.
    pub transfer_id: Uuid,
    /// Where its record belongs.
    pub collection_id: Uuid,
    /// 1, 2, …; unique in the record.
    pub number: i32,
    /// As the depositor named it.
    pub file_name: String,
    /// Declared size in bytes.
    pub size: i64,
    /// Declared digest, 64 hex digits in lower case.
    pub sha256: String,
    /// Measured digest.
    pub sha512: Option<String>,
    /// As the depositor's file system had it.
    pub last_modified: Option<DateTimeUtc>,
    /// What the FORMAT check found.
    pub format: Option<Json>,
    /// Its first PUID.
    pub puid: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// What the depositor said of it.
    pub note: Option<String>,
    /// Whose bytes these are: its own id, or that of the version it restores.
    pub content_id: Uuid,
    /// `ETag` of the bytes that were checked, and later of those that are kept.
    pub object_etag: Option<String>,
    /// The multipart upload, where there is one.
    pub upload_id: Option<String>,
    /// Until when bytes may arrive.
    pub ticket_expires_at: DateTimeUtc,
    /// Where its bytes stand.
    pub place: Place,
    /// Decided, not yet confirmed by the worker.
    pub disposition: Option<Disposition>,
    /// Under which policy, by whom, why.
    pub decision: Option<Json>,
    /// When it was decided.
    pub decided_at: Option<DateTimeUtc>,
    /// When its kept bytes were last found to be those that were accepted.
    pub verified_at: Option<DateTimeUtc>,
    /// Since when they are known not to be.
    pub damaged_at: Option<DateTimeUtc>,
    /// Subject of the depositor.
    pub created_by: String,
    /// When it was declared.
    pub created_at: DateTimeUtc,
}

/// No relations: the stores join by column, under the access rule.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
