//! An event: what happened.

use sea_orm::entity::prelude::*;

/// An event: what happened.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "event")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// When.
    pub at: DateTimeUtc,
    /// Who: a person's subject, or software with its version.
    pub agent: String,
    /// What, as `noun.verb`.
    pub action: String,
    /// The prefix of the subject's id.
    pub subject_type: String,
    /// To what.
    pub subject_id: Uuid,
    /// Where the subject belongs.
    pub collection_id: Option<Uuid>,
    /// Which record it concerns.
    pub record_id: Option<Uuid>,
    /// What was.
    pub before: Option<Json>,
    /// What is.
    pub after: Option<Json>,
    /// In which request.
    pub request_id: Option<String>,
    /// Its number among the events of its subject: 1, 2, …
    pub sequence: Option<i64>,
    /// The hash of the one before it.
    pub previous: Option<Vec<u8>>,
    /// The hash over all of this.
    pub hash: Option<Vec<u8>>,
}

/// No relations: the stores join by column, under the access rule.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
