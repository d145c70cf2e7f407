//! What caused a job, as a trace.

use sea_orm_migration::prelude::*;

use crate::sql;

/// The change.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &["ALTER TABLE job ADD COLUMN traceparent text"];

const DOWN: &[&str] = &["ALTER TABLE job DROP COLUMN traceparent"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, DOWN).await
    }
}
