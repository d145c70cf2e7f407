//! Migrations: one file a change, up and down, for PostgreSQL and SQLite alike.
//!
//! To change the schema: add a file `mYYYYMMDD_NNNN_what.rs` with `up` and `down`, name it in
//! [`Migrator`], and change `entity`. Expand first (new columns nullable or with a default), contract in a
//! later release, so that two versions of the API can run side by side.

use sea_orm_migration::prelude::*;

mod m20261120_0001_begin;
mod m20261121_0002_api_keys;
mod m20261121_0003_traceparent;
mod m20261121_0004_tamper_evidence;
mod m20261121_0005_fixity;
mod m20261129_0006_suspects;
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
            Box::new(m20261129_0006_suspects::Migration),
        ]
    }
}

pub use sea_orm_migration::MigratorTrait;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests;
