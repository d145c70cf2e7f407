//! An export: a package somebody asked for.

use sea_orm::entity::prelude::*;

/// Where an export stands.
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
    Queued,
    /// A worker packs it.
    Running,
    /// Downloadable.
    Ready,
    /// Said why.
    Failed,
    /// By a person.
    Cancelled,
    /// No longer kept.
    Expired,
}

/// An export: a package somebody asked for.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "export")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Where it stands.
    pub status: Status,
    /// `BAGIT_TAR`.
    pub format: String,
    /// Name of the package's top folder.
    pub reference: String,
    /// What was asked for.
    pub selection: Json,
    /// The transfer, where the selection is one.
    pub transfer_id: Option<Uuid>,
    /// Subject of who asked.
    pub requested_by: String,
    /// How many files.
    pub files: i32,
    /// Their sizes, summed.
    pub bytes: i64,
    /// How many are packed.
    pub files_done: i32,
    /// Their sizes, summed.
    pub bytes_done: i64,
    /// Newest acceptance in the selection.
    pub as_of: DateTimeUtc,
    /// Size of the package.
    pub size: Option<i64>,
    /// Digest of the package.
    pub sha256: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// When.
    pub created_at: DateTimeUtc,
    /// When it was ready or failed.
    pub finished_at: Option<DateTimeUtc>,
    /// Until when it is kept.
    pub expires_at: Option<DateTimeUtc>,
    /// When its package was last found to be the one that was made.
    pub verified_at: Option<DateTimeUtc>,
    /// Its events are those in the tree of this size.
    pub tree_size: Option<i64>,
}

/// No relations: the stores join by column, under the access rule.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
