//! Answers that were kept for `clientMutationKey` are found by their age.

use sea_orm_migration::prelude::*;

use crate::sql;

/// The change.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &["CREATE INDEX mutation_key_age ON mutation_key (created_at)"];

const DOWN: &[&str] = &["DROP INDEX mutation_key_age"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, DOWN).await
    }
}
