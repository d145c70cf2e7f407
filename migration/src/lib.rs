//! Migrations: one file a change, up and down, for PostgreSQL and SQLite alike.
//!
//! To change the schema: add a file `mYYYYMMDD_NNNN_what.rs` with `up` and `down`, name it in
//! [`Migrator`], and change `entity`. Expand first (new columns nullable or with a default), contract in a
//! later release, so that two versions of the API can run side by side.

use std::collections::BTreeSet;

use sea_orm_migration::{prelude::*, sea_orm::DatabaseConnection};

mod m20261120_0001_begin;
mod m20261121_0002_api_keys;
mod m20261121_0003_traceparent;
mod m20261121_0004_tamper_evidence;
mod m20261121_0005_fixity;
mod m20261129_0006_purge;
mod m20261129_0007_suspects;
mod sql;

/// Runs the migrations in order.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261120_0001_begin::Migration),
            Box::new(m20261121_0002_api_keys::Migration),
            Box::new(m20261121_0003_traceparent::Migration),
            Box::new(m20261121_0004_tamper_evidence::Migration),
            Box::new(m20261121_0005_fixity::Migration),
            Box::new(m20261129_0006_purge::Migration),
            Box::new(m20261129_0007_suspects::Migration),
        ]
    }
}

/// How a database stands to this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// How many migrations it lacks.
    pub lacking: usize,
    /// How many it has that this version does not know, because a newer one made them.
    pub newer: usize,
}

/// How a database stands to this version. Changes nothing, and needs no right to.
pub async fn standing(db: &DatabaseConnection) -> Result<Standing, DbErr> {
    const TABLE: &str = "seaql_migrations";
    let applied: BTreeSet<String> = if SchemaManager::new(db).has_table(TABLE).await? {
        let versions = Query::select().column("version").from(TABLE).to_owned();
        let rows = db.query_all(&versions).await?;
        rows.iter()
            .map(|row| row.try_get_by_index(0))
            .collect::<Result<_, _>>()?
    } else {
        BTreeSet::new()
    };
    let known: BTreeSet<String> = Migrator::migrations()
        .iter()
        .map(|migration| migration.name().to_owned())
        .collect();
    Ok(Standing {
        lacking: known.difference(&applied).count(),
        newer: applied.difference(&known).count(),
    })
}

pub use sea_orm_migration::MigratorTrait;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests;
