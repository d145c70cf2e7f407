//! The answer to a mutation that may be repeated.

use sea_orm::entity::prelude::*;

/// The answer to a mutation that may be repeated.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "mutation_key")]
pub struct Model {
    /// Whose key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject: String,
    /// The key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// SHA-256 of mutation name and input.
    pub input_digest: String,
    /// The ids of the first answer.
    pub result: Json,
    /// When.
    pub created_at: DateTimeUtc,
}

/// No relations: the stores join by column, under the access rule.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
