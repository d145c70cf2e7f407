//! A signed state of the tree over all events.

use sea_orm::entity::prelude::*;

/// A signed state of the tree over all events.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "checkpoint")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// How many leaves the tree had.
    pub size: i64,
    /// Size and root, signed: a C2SP `tlog-checkpoint`.
    #[sea_orm(column_type = "Text")]
    pub note: String,
    /// When it was signed.
    pub created_at: DateTimeUtc,
}

/// No relations: the stores join by column, under the access rule.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
