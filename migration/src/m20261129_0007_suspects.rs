//! Which jobs may be what ended their worker.

use sea_orm_migration::prelude::*;

use crate::sql;

/// The change.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &["ALTER TABLE job ADD COLUMN lost_workers integer NOT NULL DEFAULT 0"];

const DOWN: &[&str] = &["ALTER TABLE job DROP COLUMN lost_workers"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, DOWN).await
    }
}
