//! A record: one thing kept, over time.

use sea_orm::entity::prelude::*;

/// A record: one thing kept, over time.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "record")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Raised by every change.
    pub revision: i32,
    /// For people; unique.
    pub reference: String,
    /// For people.
    pub title: String,
    /// For people.
    pub description: String,
    /// Where it stood in the depositor's folder; unique in its transfer.
    pub path: String,
    /// The path folded (NFC, lower case): twins share it.
    pub path_key: String,
    /// The path as it is safe in any package.
    pub payload_path: String,
    /// A JSON object.
    pub metadata: Json,
    /// Where it belongs.
    pub collection_id: Uuid,
    /// How it came.
    pub transfer_id: Uuid,
    /// The newest ACCEPTED version.
    pub current_version_id: Option<Uuid>,
    /// The newest version.
    pub newest_version_id: Uuid,
    /// Its number.
    pub newest_number: i32,
    /// Its status.
    pub newest_status: super::version::Status,
    /// When it was added.
    pub created_at: DateTimeUtc,
}

/// No relations: the stores join by column, under the access rule.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
