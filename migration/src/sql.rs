//! The column types in which the two databases differ.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

/// Runs statements in which `{uuid}`, `{time}`, `{json}`,
/// `{binary}` and `{bytes}` (text in byte order) stand for column types.
pub(crate) async fn run(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    let postgres = manager.get_database_backend() == DbBackend::Postgres;
    let types = if postgres {
        [
            ("{uuid}", "uuid"),
            ("{time}", "timestamptz"),
            ("{json}", "jsonb"),
            ("{binary}", "bytea"),
            ("{bytes}", "text COLLATE \"C\""),
        ]
    } else {
        [
            ("{uuid}", "blob"),
            ("{time}", "text"),
            ("{json}", "text"),
            ("{binary}", "blob"),
            ("{bytes}", "text"),
        ]
    };
    if postgres {
        // The connections of the API have a limit; a change of a large table takes what it takes.
        let unlimited = "SET LOCAL statement_timeout = 0";
        manager
            .get_connection()
            .execute_unprepared(unlimited)
            .await?;
    }
    for statement in statements {
        let mut sql = (*statement).to_owned();
        for (name, column_type) in types {
            sql = sql.replace(name, column_type);
        }
        manager.get_connection().execute_unprepared(&sql).await?;
    }
    Ok(())
}
