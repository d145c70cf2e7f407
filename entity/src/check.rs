//! A check: one run of one kind of check on a version.

use sea_orm::entity::prelude::*;

/// How a check stands.
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
    /// Waits for a worker.
    Pending,
    /// A worker has it.
    Running,
    /// Looked at all, found nothing against it.
    Passed,
    /// Found something against it.
    Failed,
    /// Could not tell.
    Inconclusive,
}

/// A check: one run of one kind of check on a version.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "check_run")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Of what.
    pub version_id: Uuid,
    /// CHECKSUM, ANTIVIRUS, FORMAT, or a further kind.
    pub kind: String,
    /// 1, 2, …
    pub run: i32,
    /// Whether no newer run exists.
    pub current: bool,
    /// How it ended.
    pub status: Status,
    /// What looked.
    pub engine: Option<String>,
    /// Its version.
    pub engine_version: Option<String>,
    /// The version of what it knows.
    pub signature_version: Option<String>,
    /// How many bytes it looked at.
    pub bytes_looked: Option<i64>,
    /// For people.
    pub detail: Option<String>,
    /// What was measured or found.
    pub evidence: Option<Json>,
    /// SHA-256 of the result: the same result again is a no-op.
    pub digest: Option<String>,
    /// Who waived it, why, when.
    pub waiver: Option<Json>,
    /// When the engine began.
    pub started_at: Option<DateTimeUtc>,
    /// When it ended.
    pub finished_at: Option<DateTimeUtc>,
    /// When it was asked for.
    pub created_at: DateTimeUtc,
}

/// No relations: the stores join by column, under the access rule.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
