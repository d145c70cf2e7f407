//! Maintained totals of a transfer: one row a version status, and one of its records.

use sea_orm::entity::prelude::*;

/// Maintained totals of a transfer: one row a version status, and one of its records.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "transfer_total")]
pub struct Model {
    /// Whose totals.
    #[sea_orm(primary_key, auto_increment = false)]
    pub transfer_id: Uuid,
    /// A version status, or `RECORDS`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket: String,
    /// How many.
    pub count: i64,
    /// Their declared sizes, summed.
    pub bytes: i64,
}

/// No relations: the stores join by column, under the access rule.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
