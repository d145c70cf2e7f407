//! Fixing what an export holds: one statement puts every accepted version of the selection into
//! `export_item`, named and in order, on both databases alike.
//!
//! Always: no two names of an export are alike, not even on a file system that folds case or normalisation,
//! and none is both a file and a folder; the names depend on the records alone.
//!
//! A name is the record's payload path, below the transfer's reference where the selection is more than one
//! transfer. The record's reference is put into it (`May~R-2026-….pdf`) where it is a twin after the first and
//! where another record makes a folder of it. A path that looks as if that had been done already is named by
//! the reference alone, so that nobody can take another's name.

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Statement, Value};
use uuid::Uuid;

use crate::{exports::Selection, unit::Unit};

/// What the pinned versions come to.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Sum {
    /// How many files.
    pub files: i64,
    /// Their sizes, summed.
    pub bytes: i64,
    /// How many of them no check has measured.
    pub unmeasured: i64,
    /// The newest decision among them.
    pub as_of: Option<chrono::DateTime<chrono::Utc>>,
}

/// Twins have the same key. Sorted by key and slash, what stands in a folder directly follows the file that
/// has the folder's name; among twins the first by id comes last, so that what follows it is no twin.
const CHOSEN: &str = "
  SELECT r.id AS record_id, r.current_version_id AS version_id, r.payload_path AS path, r.path_key AS path_key,
    '~' || r.reference AS mark, {prefix} AS prefix,
    ROW_NUMBER() OVER (PARTITION BY r.transfer_id, r.path_key ORDER BY r.id) AS twin,
    LEAD(r.path_key) OVER (PARTITION BY r.transfer_id ORDER BY r.path_key || '/', r.id DESC) AS follower
  FROM record r
  JOIN version v ON v.id = r.current_version_id
  JOIN transfer t ON t.id = r.transfer_id
  WHERE v.status = 'ACCEPTED' AND {selection}";

/// Trimming all but dots leaves the path up to its last dot.
const JUDGED: &str = "
  SELECT record_id, version_id, path, mark, prefix,
    twin = 1 AND (follower IS NULL OR SUBSTR(follower, 1, LENGTH(path_key) + 1) <> path_key || '/') AS alone,
    REPLACE(LOWER(path), '~r-', '') <> LOWER(path) AS marked,
    LENGTH(RTRIM(path, REPLACE(path, '.', ''))) AS dot
  FROM chosen";

/// An extension is short, belongs to no folder, and does not begin the file's name.
const CUT: &str = "
  SELECT record_id, version_id, path, mark, prefix, alone, marked, CASE
      WHEN dot > 1 AND SUBSTR(path, dot - 1, 1) <> '/' AND LENGTH(path) - dot < 20
        AND REPLACE(SUBSTR(path, dot), '/', '') = SUBSTR(path, dot)
        THEN dot - 1
      ELSE LENGTH(path)
    END AS stem
  FROM judged";

const NAMED: &str = "
  SELECT record_id, version_id, prefix || CASE
      WHEN marked THEN mark || SUBSTR(path, stem + 1)
      WHEN alone THEN path
      ELSE SUBSTR(path, 1, stem) || mark || SUBSTR(path, stem + 1)
    END AS name
  FROM cut";

/// Puts the accepted versions of a selection into an export.
pub async fn pin(unit: &Unit, export: Uuid, selection: &Selection) -> Result<Sum, DbErr> {
    let mut values: Vec<Value> = vec![export.into()];
    let (condition, prefix) = match selection {
        Selection::TransferId(id) => {
            values.push(id.0.into());
            ("r.transfer_id = $2".to_owned(), "''")
        }
        Selection::CollectionId(id) => {
            values.push(id.0.into());
            ("r.collection_id = $2".to_owned(), "t.reference || '/'")
        }
        Selection::RecordIds(ids) => {
            values.extend(ids.iter().map(|id| Value::from(id.0)));
            let places: Vec<_> = (2..=values.len()).map(|n| format!("${n}")).collect();
            (
                format!("r.id IN ({})", places.join(", ")),
                "t.reference || '/'",
            )
        }
    };
    let chosen = CHOSEN
        .replace("{prefix}", prefix)
        .replace("{selection}", &condition);
    let sql = format!(
        "INSERT INTO export_item (export_id, position, version_id, record_id, payload_path)
        WITH chosen AS ({chosen}), judged AS ({JUDGED}), cut AS ({CUT}), named AS ({NAMED})
        SELECT $1, ROW_NUMBER() OVER (ORDER BY name) - 1, version_id, record_id, name FROM named"
    );
    let db = unit.db();
    let backend = db.get_database_backend();
    db.execute_raw(Statement::from_sql_and_values(backend, sql, values))
        .await?;
    sum(unit, export).await
}

async fn sum(unit: &Unit, export: Uuid) -> Result<Sum, DbErr> {
    let backend = unit.db().get_database_backend();
    let sql = "SELECT COUNT(*) AS files, CAST(COALESCE(SUM(v.size), 0) AS bigint) AS bytes,
          COUNT(*) - COUNT(v.sha512) AS unmeasured, MAX(v.decided_at) AS as_of
        FROM export_item i JOIN version v ON v.id = i.version_id WHERE i.export_id = $1";
    let statement = Statement::from_sql_and_values(backend, sql, [export.into()]);
    Sum::find_by_statement(statement)
        .one(unit.db())
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("an aggregate without a row".into()))
}
