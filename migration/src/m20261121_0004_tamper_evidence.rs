//! Chains of events, and the tree over all of them.
//!
//! Events that were there before get their place in a chain when the API starts (`events::chain`), for hashes are not
//! SQL's business. An older version that still runs writes events without one; they get it likewise.

use sea_orm_migration::prelude::*;

use crate::sql;

/// The change.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    "ALTER TABLE event ADD COLUMN sequence bigint",
    "ALTER TABLE event ADD COLUMN previous {binary}",
    "ALTER TABLE event ADD COLUMN hash {binary}",
    "CREATE UNIQUE INDEX event_chain ON event (subject_id, subject_type, sequence)",
    "CREATE INDEX event_unchained ON event (id) WHERE hash IS NULL",
    "CREATE TABLE event_pending (event_id {uuid} PRIMARY KEY)",
    "CREATE TABLE event_leaf (position bigint PRIMARY KEY, event_id {uuid} NOT NULL UNIQUE, hash {binary} NOT NULL)",
    "CREATE TABLE event_node (
        level integer NOT NULL, position bigint NOT NULL, hash {binary} NOT NULL, PRIMARY KEY (level, position))",
    "CREATE TABLE checkpoint (id {uuid} PRIMARY KEY, size bigint NOT NULL UNIQUE, note text NOT NULL, created_at {time} NOT NULL)",
    "ALTER TABLE export ADD COLUMN tree_size bigint",
];

const DOWN: &[&str] = &[
    "ALTER TABLE export DROP COLUMN tree_size",
    "DROP TABLE checkpoint",
    "DROP TABLE event_node",
    "DROP TABLE event_leaf",
    "DROP TABLE event_pending",
    "DROP INDEX event_unchained",
    "DROP INDEX event_chain",
    "ALTER TABLE event DROP COLUMN hash",
    "ALTER TABLE event DROP COLUMN previous",
    "ALTER TABLE event DROP COLUMN sequence",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, DOWN).await
    }
}
