//! API keys of third parties.

use sea_orm_migration::prelude::*;

use crate::sql;

/// The change.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &["CREATE TABLE api_key (
        id {uuid} PRIMARY KEY, name text NOT NULL, roles {json} NOT NULL, bodies {json} NOT NULL, secret_sha256 text NOT NULL,
        created_by {bytes} NOT NULL, created_at {time} NOT NULL, expires_at {time} NOT NULL, last_used_at {time}, revoked_at {time},
        revoked_by {bytes})"];

const DOWN: &[&str] = &["DROP TABLE api_key"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, DOWN).await
    }
}
