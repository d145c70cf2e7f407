//! A file of an export, fixed when the export was asked for.

use sea_orm::entity::prelude::*;

/// A file of an export, fixed when the export was asked for.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "export_item")]
pub struct Model {
    /// Of what.
    #[sea_orm(primary_key, auto_increment = false)]
    pub export_id: Uuid,
    /// Its place in the bag.
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    /// Which version.
    pub version_id: Uuid,
    /// Of which record.
    pub record_id: Uuid,
    /// Its name below `data/`.
    pub payload_path: String,
}

/// No relations: the stores join by column, under the access rule.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
