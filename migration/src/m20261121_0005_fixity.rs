//! Fixity: when what is kept was last read again, what came of it, and how often it is to be read.

use sea_orm_migration::prelude::*;

use crate::sql;

/// The change.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    // What is there already is verified every 90 days, as what a new collection holds.
    "ALTER TABLE collection ADD COLUMN fixity_every_days integer DEFAULT 90",
    "ALTER TABLE collection ADD COLUMN fixity_bytes_per_day bigint",
    "ALTER TABLE version ADD COLUMN verified_at {time}",
    "ALTER TABLE version ADD COLUMN damaged_at {time}",
    "ALTER TABLE export ADD COLUMN verified_at {time}",
    "CREATE INDEX version_fixity ON version (collection_id, status, (COALESCE(verified_at, decided_at)), id)",
    "CREATE INDEX version_damaged ON version (id) WHERE damaged_at IS NOT NULL",
    "CREATE TABLE fixity_run (
        id {uuid} PRIMARY KEY, selection {json} NOT NULL, asked_by {bytes} NOT NULL, stage text NOT NULL, after_id {uuid},
        asked bigint NOT NULL, bytes bigint NOT NULL, scheduled bigint NOT NULL, verified bigint NOT NULL, mismatched bigint NOT NULL,
        missing bigint NOT NULL, unreadable bigint NOT NULL, created_at {time} NOT NULL, finished_at {time})",
    "CREATE INDEX fixity_run_open ON fixity_run (id) WHERE finished_at IS NULL",
    "CREATE TABLE fixity_check (
        id {uuid} PRIMARY KEY, run_id {uuid} REFERENCES fixity_run (id), version_id {uuid} REFERENCES version (id),
        export_id {uuid} REFERENCES export (id), record_id {uuid}, collection_id {uuid}, bytes bigint NOT NULL, outcome text,
        expected {json}, measured {json}, detail text, worker text, engine text, created_at {time} NOT NULL, finished_at {time})",
    // By the schedule, one at a time; in a run, one.
    "CREATE UNIQUE INDEX fixity_check_version_open ON fixity_check (version_id) WHERE run_id IS NULL AND finished_at IS NULL",
    "CREATE UNIQUE INDEX fixity_check_export_open ON fixity_check (export_id) WHERE run_id IS NULL AND finished_at IS NULL",
    "CREATE UNIQUE INDEX fixity_check_run_version ON fixity_check (run_id, version_id)",
    "CREATE UNIQUE INDEX fixity_check_run_export ON fixity_check (run_id, export_id)",
    "CREATE INDEX fixity_check_version ON fixity_check (version_id, id)",
    "CREATE INDEX fixity_check_export ON fixity_check (export_id, id)",
    "CREATE INDEX fixity_check_open ON fixity_check (run_id, id) WHERE finished_at IS NULL",
    "CREATE INDEX fixity_check_outcome ON fixity_check (run_id, outcome, id)",
    "CREATE INDEX fixity_check_budget ON fixity_check (collection_id, created_at) WHERE run_id IS NULL",
];

const DOWN: &[&str] = &[
    "DROP TABLE fixity_check",
    "DROP TABLE fixity_run",
    "DROP INDEX version_damaged",
    "DROP INDEX version_fixity",
    "ALTER TABLE export DROP COLUMN verified_at",
    "ALTER TABLE version DROP COLUMN damaged_at",
    "ALTER TABLE version DROP COLUMN verified_at",
    "ALTER TABLE collection DROP COLUMN fixity_bytes_per_day",
    "ALTER TABLE collection DROP COLUMN fixity_every_days",
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
