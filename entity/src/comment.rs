//! A remark on a task.

use sea_orm::entity::prelude::*;

/// A remark on a task.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "task_comment")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// On what.
    pub task_id: Uuid,
    /// The text.
    pub body: String,
    /// Subject of who wrote it.
    pub author: String,
    /// When.
    pub created_at: DateTimeUtc,
}

/// No relations: the stores join by column, under the access rule.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
