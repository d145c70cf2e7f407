//! A collection: what belongs together and who may see it.

use sea_orm::entity::prelude::*;

/// A collection: what belongs together and who may see it.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "collection")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Raised by every change.
    pub revision: i32,
    /// Unique, chosen by people.
    pub code: String,
    /// For people.
    pub title: String,
    /// For people.
    pub description: String,
    /// Code of the owning body.
    pub body: String,
    /// The policy in force.
    pub policy_revision: i32,
    /// When it was created.
    pub created_at: DateTimeUtc,
}

/// No relations: the stores join by column, under the access rule.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
