//! A task: a person's work on a record.

use sea_orm::entity::prelude::*;

/// Where a task stands.
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
pub enum Status {
    /// To be done.
    Open,
    /// Somebody is at it.
    InProgress,
    /// Done.
    Done,
    /// Not to be done.
    Cancelled,
}

/// A task: a person's work on a record.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "task")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Raised by every change.
    pub revision: i32,
    /// On what.
    pub record_id: Uuid,
    /// Where its record belongs.
    pub collection_id: Uuid,
    /// What is to be done.
    pub title: String,
    /// More of it.
    pub description: String,
    /// Subject of who is to do it.
    pub assignee: Option<String>,
    /// By when.
    pub due_on: Option<chrono::NaiveDate>,
    /// Where it stands.
    pub status: Status,
    /// Subject of who asked.
    pub created_by: String,
    /// When.
    pub created_at: DateTimeUtc,
    /// When it last changed.
    pub updated_at: DateTimeUtc,
}

/// No relations: the stores join by column, under the access rule.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
