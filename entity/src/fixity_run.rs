//! A fixity run: somebody's wish to have things verified now.

use sea_orm::entity::prelude::*;

/// What is being put into the table of checks.
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
pub enum Stage {
    /// Versions.
    Versions,
    /// Packages.
    Exports,
    /// Nothing: all of it is there.
    Done,
}

/// A fixity run: somebody's wish to have things verified now.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "fixity_run")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// What is to be verified, as `api::fixity::Selection` writes it.
    pub selection: Json,
    /// Subject of who asked.
    pub asked_by: String,
    /// What is being put into the table of checks.
    pub stage: Stage,
    /// The last of that stage.
    pub after_id: Option<Uuid>,
    /// How many things are to be verified.
    pub asked: i64,
    /// Their sizes, summed.
    pub bytes: i64,
    /// How many of them stand in the table of checks.
    pub scheduled: i64,
    /// How many are what was accepted.
    pub verified: i64,
    /// How many are something else.
    pub mismatched: i64,
    /// How many are not there.
    pub missing: i64,
    /// How many could not be read.
    pub unreadable: i64,
    /// When.
    pub created_at: DateTimeUtc,
    /// When the last of them had ended.
    pub finished_at: Option<DateTimeUtc>,
}

/// No relations: the stores join by column, under the access rule.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
