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
    /// What is kept is read again when so many days have passed; `None`: never.
    pub fixity_every_days: Option<i32>,
    /// At most so many bytes a day, unless it is one file.
    pub fixity_bytes_per_day: Option<i64>,
    /// When it was created.
    pub created_at: DateTimeUtc,
}

/// No relations: the stores join by column, under the access rule.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
