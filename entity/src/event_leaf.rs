//! A leaf of the tree over all events.

use sea_orm::entity::prelude::*;

/// A leaf of the tree over all events.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "event_leaf")]
pub struct Model {
    /// Its place: 0, 1, …
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    /// Of which event.
    pub event_id: Uuid,
    /// The event's hash.
    pub hash: Vec<u8>,
}

/// No relations: the stores join by column, under the access rule.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
