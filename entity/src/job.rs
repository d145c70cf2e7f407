//! A job: work for a worker.

use sea_orm::entity::prelude::*;

/// What sort of work.
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
pub enum Kind {
    /// Run checks on a version.
    Check,
    /// Move the bytes of a decided version.
    Disposition,
    /// Pack an export.
    Export,
    /// Read again what is kept.
    Fixity,
}

/// Where a job stands.
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
    /// To be published.
    Ready,
    /// Its message is in the queue.
    Published,
    /// A worker has it.
    Leased,
    /// Ended well.
    Done,
    /// Given up; its subject says so.
    Dead,
}

/// A job: work for a worker.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "job")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// What sort of work.
    pub kind: Kind,
    /// The queue that announces it.
    pub queue: String,
    /// The version, export or fixity check.
    pub subject_id: Uuid,
    /// Jobs of one lane (a transfer, an export) share their turn.
    pub lane: Uuid,
    /// Where it stands.
    pub status: Status,
    /// 1, 2, …
    pub attempt: i32,
    /// After which it is DEAD.
    pub max_attempts: i32,
    /// Not to be published earlier: since when it is due. Announcing it again leaves it as it is.
    pub not_before: DateTimeUtc,
    /// When its message was last sent.
    pub published_at: Option<DateTimeUtc>,
    /// Proof of the worker that has it.
    pub lease_token: Option<String>,
    /// Until when.
    pub lease_expires_at: Option<DateTimeUtc>,
    /// How many workers, one after another, were not heard of again while they had it.
    pub lost_workers: i32,
    /// Who has or had it.
    pub worker: Option<String>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// W3C `traceparent` of what caused it.
    pub traceparent: Option<String>,
    /// When.
    pub created_at: DateTimeUtc,
    /// When it last changed.
    pub updated_at: DateTimeUtc,
}

/// No relations: the stores join by column, under the access rule.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
