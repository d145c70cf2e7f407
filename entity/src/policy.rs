//! One revision of a collection's policy.

use sea_orm::entity::prelude::*;

/// One revision of a collection's policy.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "policy")]
pub struct Model {
    /// Whose policy.
    #[sea_orm(primary_key, auto_increment = false)]
    pub collection_id: Uuid,
    /// 1, 2, …
    #[sea_orm(primary_key, auto_increment = false)]
    pub revision: i32,
    /// The rules, as `api::collections::Rules` writes them.
    pub rules: Json,
    /// Since when.
    pub created_at: DateTimeUtc,
    /// By whom.
    pub created_by: String,
}

/// No relations: the stores join by column, under the access rule.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
