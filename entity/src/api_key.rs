//! A way in for a service of somebody else's.

use sea_orm::entity::prelude::*;

/// A way in for a service of somebody else's.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "api_key")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// What it is for.
    pub name: String,
    /// Names of its roles, as a JSON array.
    pub roles: Json,
    /// Codes of its bodies, as a JSON array.
    pub bodies: Json,
    /// SHA-256 of its secret, in hexadecimal.
    pub secret_sha256: String,
    /// Subject of who made it.
    pub created_by: String,
    /// When.
    pub created_at: DateTimeUtc,
    /// Until when it is taken.
    pub expires_at: DateTimeUtc,
    /// When it was last shown, to the minute.
    pub last_used_at: Option<DateTimeUtc>,
    /// When it was revoked.
    pub revoked_at: Option<DateTimeUtc>,
    /// Subject of who revoked it.
    pub revoked_by: Option<String>,
}

/// No relations: the stores join by column, under the access rule.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
