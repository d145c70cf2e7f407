//! The first tables: everything from a collection to an event.

use sea_orm_migration::prelude::*;

use crate::sql;

/// The change.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    "CREATE TABLE collection (
        id {uuid} PRIMARY KEY, revision integer NOT NULL, code {bytes} NOT NULL UNIQUE, title text NOT NULL,
        description text NOT NULL, body {bytes} NOT NULL, policy_revision integer NOT NULL, created_at {time} NOT NULL)",
    "CREATE INDEX collection_body ON collection (body, id)",
    "CREATE TABLE policy (
        collection_id {uuid} NOT NULL REFERENCES collection (id), revision integer NOT NULL, rules {json} NOT NULL,
        created_at {time} NOT NULL, created_by text NOT NULL, PRIMARY KEY (collection_id, revision))",
    "CREATE TABLE transfer (
        id {uuid} PRIMARY KEY, revision integer NOT NULL, reference {bytes} NOT NULL UNIQUE, title text NOT NULL, source text,
        status text NOT NULL, collection_id {uuid} NOT NULL REFERENCES collection (id), deposited_by {bytes} NOT NULL, note text,
        created_at {time} NOT NULL, submitted_at {time}, closed_at {time})",
    "CREATE INDEX transfer_collection ON transfer (collection_id, id)",
    "CREATE INDEX transfer_depositor ON transfer (deposited_by, id)",
    "CREATE TABLE transfer_total (
        transfer_id {uuid} NOT NULL REFERENCES transfer (id), bucket text NOT NULL, count bigint NOT NULL, bytes bigint NOT NULL,
        PRIMARY KEY (transfer_id, bucket))",
    "CREATE TABLE record (
        id {uuid} PRIMARY KEY, revision integer NOT NULL, reference {bytes} NOT NULL UNIQUE, title {bytes} NOT NULL,
        description text NOT NULL, path {bytes} NOT NULL, path_key {bytes} NOT NULL, payload_path {bytes} NOT NULL, metadata {json} NOT NULL,
        collection_id {uuid} NOT NULL REFERENCES collection (id), transfer_id {uuid} NOT NULL REFERENCES transfer (id),
        current_version_id {uuid}, newest_version_id {uuid} NOT NULL, newest_number integer NOT NULL, newest_status text NOT NULL,
        created_at {time} NOT NULL)",
    "CREATE UNIQUE INDEX record_path ON record (transfer_id, path)",
    "CREATE INDEX record_transfer ON record (transfer_id, id)",
    "CREATE INDEX record_collection ON record (collection_id, id)",
    "CREATE INDEX record_title ON record (title, id)",
    "CREATE TABLE version (
        id {uuid} PRIMARY KEY, record_id {uuid} NOT NULL REFERENCES record (id), transfer_id {uuid} NOT NULL REFERENCES transfer (id),
        collection_id {uuid} NOT NULL REFERENCES collection (id), number integer NOT NULL, file_name text NOT NULL, size bigint NOT NULL,
        sha256 text NOT NULL, sha512 text, last_modified {time}, format {json}, puid text, status text NOT NULL, note text,
        content_id {uuid} NOT NULL, object_etag text, upload_id text, ticket_expires_at {time} NOT NULL, place text NOT NULL, disposition text,
        decision {json}, decided_at {time}, created_by {bytes} NOT NULL, created_at {time} NOT NULL)",
    "CREATE UNIQUE INDEX version_number ON version (record_id, number)",
    "CREATE INDEX version_transfer ON version (transfer_id, status, id)",
    "CREATE INDEX version_transfer_id ON version (transfer_id, id)",
    "CREATE INDEX version_ticket ON version (status, ticket_expires_at)",
    "CREATE TABLE check_run (
        id {uuid} PRIMARY KEY, version_id {uuid} NOT NULL REFERENCES version (id), kind {bytes} NOT NULL, run integer NOT NULL,
        current boolean NOT NULL, status text NOT NULL, engine text, engine_version text, signature_version text, bytes_looked bigint,
        detail text, evidence {json}, digest text, waiver {json}, started_at {time}, finished_at {time}, created_at {time} NOT NULL)",
    "CREATE UNIQUE INDEX check_once ON check_run (version_id, kind, run)",
    "CREATE TABLE task (
        id {uuid} PRIMARY KEY, revision integer NOT NULL, record_id {uuid} NOT NULL REFERENCES record (id),
        collection_id {uuid} NOT NULL REFERENCES collection (id), title text NOT NULL, description text NOT NULL, assignee {bytes},
        due_on date, status text NOT NULL, created_by {bytes} NOT NULL, created_at {time} NOT NULL, updated_at {time} NOT NULL)",
    "CREATE INDEX task_record ON task (record_id, id)",
    "CREATE INDEX task_collection ON task (collection_id, id)",
    "CREATE INDEX task_assignee ON task (assignee, id)",
    "CREATE INDEX task_due ON task (due_on, id)",
    "CREATE TABLE task_comment (
        id {uuid} PRIMARY KEY, task_id {uuid} NOT NULL REFERENCES task (id), body text NOT NULL, author {bytes} NOT NULL, created_at {time} NOT NULL)",
    "CREATE INDEX task_comment_task ON task_comment (task_id, id)",
    "CREATE TABLE export (
        id {uuid} PRIMARY KEY, status text NOT NULL, format text NOT NULL, reference text NOT NULL, selection {json} NOT NULL,
        transfer_id {uuid} REFERENCES transfer (id), requested_by {bytes} NOT NULL, files integer NOT NULL, bytes bigint NOT NULL,
        files_done integer NOT NULL, bytes_done bigint NOT NULL, as_of {time} NOT NULL, size bigint, sha256 text, error text,
        created_at {time} NOT NULL, finished_at {time}, expires_at {time})",
    "CREATE INDEX export_requester ON export (requested_by, id)",
    "CREATE INDEX export_expiry ON export (status, expires_at)",
    "CREATE TABLE export_item (
        export_id {uuid} NOT NULL REFERENCES export (id), position bigint NOT NULL, version_id {uuid} NOT NULL REFERENCES version (id),
        record_id {uuid} NOT NULL REFERENCES record (id), payload_path {bytes} NOT NULL, PRIMARY KEY (export_id, position))",
    "CREATE TABLE job (
        id {uuid} PRIMARY KEY, kind text NOT NULL, queue {bytes} NOT NULL, subject_id {uuid} NOT NULL, lane {uuid} NOT NULL, status text NOT NULL,
        attempt integer NOT NULL, max_attempts integer NOT NULL, not_before {time} NOT NULL, published_at {time}, lease_token text,
        lease_expires_at {time}, worker text, last_error text, created_at {time} NOT NULL, updated_at {time} NOT NULL)",
    "CREATE INDEX job_due ON job (status, not_before, id)",
    "CREATE INDEX job_lane ON job (status, queue, lane, id)",
    "CREATE INDEX job_subject ON job (subject_id, id)",
    "CREATE TABLE event (
        id {uuid} PRIMARY KEY, at {time} NOT NULL, agent text NOT NULL, action {bytes} NOT NULL, subject_type {bytes} NOT NULL, subject_id {uuid} NOT NULL,
        collection_id {uuid}, record_id {uuid}, \"before\" {json}, \"after\" {json}, request_id text)",
    "CREATE INDEX event_subject ON event (subject_id, id)",
    "CREATE INDEX event_record ON event (record_id, id)",
    "CREATE INDEX event_collection ON event (collection_id, id)",
    "CREATE TABLE mutation_key (
        subject {bytes} NOT NULL, key {bytes} NOT NULL, input_digest text NOT NULL, result {json} NOT NULL, created_at {time} NOT NULL,
        PRIMARY KEY (subject, key))",
];

const DOWN: &[&str] = &[
    "DROP TABLE mutation_key",
    "DROP TABLE event",
    "DROP TABLE job",
    "DROP TABLE export_item",
    "DROP TABLE export",
    "DROP TABLE task_comment",
    "DROP TABLE task",
    "DROP TABLE check_run",
    "DROP TABLE version",
    "DROP TABLE record",
    "DROP TABLE transfer_total",
    "DROP TABLE transfer",
    "DROP TABLE policy",
    "DROP TABLE collection",
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
