//! A fixity check: one reading of what is kept, to see whether it is still what was accepted.

use sea_orm::entity::prelude::*;

/// What came of it.
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
pub enum Outcome {
    /// It is what was accepted.
    Match,
    /// It is something else.
    Mismatch,
    /// It is not there.
    Missing,
    /// It could not be read, which says nothing about it.
    Unreadable,
    /// Nobody keeps it any more.
    NotKept,
}

/// A fixity check of a version, or of the package of an export.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "fixity_check")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Of which run; `None`: of the schedule.
    pub run_id: Option<Uuid>,
    /// Of which version.
    pub version_id: Option<Uuid>,
    /// Of which export.
    pub export_id: Option<Uuid>,
    /// The version's record.
    pub record_id: Option<Uuid>,
    /// The version's collection.
    pub collection_id: Option<Uuid>,
    /// How many bytes there are to read.
    pub bytes: i64,
    /// What came of it; `None`: nothing yet.
    pub outcome: Option<Outcome>,
    /// Size and digests as they were kept then, as `api::fixity::Digests` writes them.
    pub expected: Option<Json>,
    /// Size and digests as they were found.
    pub measured: Option<Json>,
    /// For people.
    pub detail: Option<String>,
    /// Who read it.
    pub worker: Option<String>,
    /// By what, and its version.
    pub engine: Option<String>,
    /// When it was asked for.
    pub created_at: DateTimeUtc,
    /// When it ended.
    pub finished_at: Option<DateTimeUtc>,
}

/// No relations: the stores join by column, under the access rule.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
