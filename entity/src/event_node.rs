//! A full subtree of the tree over all events.

use sea_orm::entity::prelude::*;

/// A full subtree of the tree over all events.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "event_node")]
pub struct Model {
    /// It has 2^level leaves; at least 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub level: i32,
    /// Its place among those of its size.
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    /// Its hash.
    pub hash: Vec<u8>,
}

/// No relations: the stores join by column, under the access rule.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
