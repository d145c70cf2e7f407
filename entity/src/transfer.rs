//! A transfer: a batch deposited together.

use sea_orm::entity::prelude::*;

/// Where a transfer stands.
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
    /// Takes files.
    Open,
    /// Closed to new files, waits for an archivist.
    Submitted,
    /// Taken over.
    Accepted,
    /// Sent back with a reason; takes files again once reopened.
    Returned,
}

/// A transfer: a batch deposited together.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "transfer")]
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
    /// The depositor's label of where it came from.
    pub source: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// Where it belongs.
    pub collection_id: Uuid,
    /// Subject of the depositor.
    pub deposited_by: String,
    /// Why it was returned, or what was said on acceptance.
    pub note: Option<String>,
    /// When it was opened.
    pub created_at: DateTimeUtc,
    /// When it was submitted.
    pub submitted_at: Option<DateTimeUtc>,
    /// When it was accepted.
    pub closed_at: Option<DateTimeUtc>,
}

/// No relations: the stores join by column, under the access rule.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
