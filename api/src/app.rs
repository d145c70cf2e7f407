//! What every service works with.
//!
//! Owns the handles (database, object store, clock, ids, announcements) and how a unit of work begins.
//! Does not own any rule.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use runtime::{clock::Clock, ids::Ids};
pub use sea_orm::DatabaseConnection;
use sea_orm::{
    ConnectOptions, Database, DbBackend, DbErr, SqliteTransactionMode, TransactionOptions,
    TransactionTrait, sqlx,
};
use tlog::SigningKey;
use tokio::sync::{Mutex, Notify};

use crate::{Error, auth::Caller, changes::Changes, object_store::ObjectStore, unit::Unit};

/// Times and sizes that an operator may set.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Up to this size a file is uploaded with one PUT, in bytes.
    pub single_put: u64,
    /// How long an upload ticket is valid.
    pub ticket: Duration,
    /// How long a download URL is valid unless asked otherwise.
    pub download: Duration,
    /// How often a job is tried.
    pub attempts: u16,
    /// How long an announced job may stay unclaimed before it is announced again.
    pub republish_after: Duration,
    /// How many jobs of one lane (a transfer, an export) are announced at a time.
    pub lane: u32,
    /// How long a finished export is kept.
    pub export_kept: Duration,
    /// How long a job that has ended is kept, for operators to look at.
    pub job_kept: Duration,
    /// How long the answer to a `clientMutationKey` is kept.
    pub answer_kept: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            single_put: 64 * 1024 * 1024,
            ticket: Duration::from_hours(24),
            download: Duration::from_mins(1),
            attempts: 5,
            republish_after: Duration::from_mins(2),
            lane: 64,
            export_kept: Duration::from_hours(720),
            job_kept: Duration::from_hours(90 * 24),
            answer_kept: Duration::from_hours(30 * 24),
        }
    }
}

/// The parts that an [`App`] is made of.
pub struct Parts {
    /// Where rows are.
    pub database: DatabaseConnection,
    /// Where bytes are.
    pub objects: ObjectStore,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// New ids.
    pub ids: Arc<dyn Ids>,
    /// Times and sizes.
    pub limits: Limits,
    /// What signs the log of events.
    pub checkpoint_key: Arc<SigningKey>,
    /// The kinds of checks beyond the built-in ones that have a queue, and so somebody who runs them.
    pub further_checks: BTreeSet<String>,
}

struct Inner {
    parts: Parts,
    changes: Changes,
    jobs_waiting: Arc<Notify>,
    /// SQLite has one writer: waiting for it here is fair, and costs no polling.
    writer: Option<Arc<Mutex<()>>>,
}

/// The handles, shared.
#[derive(Clone)]
pub struct App(Arc<Inner>);

impl App {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        let sqlite = parts.database.get_database_backend() == DbBackend::Sqlite;
        Self(Arc::new(Inner {
            parts,
            changes: Changes::new(),
            jobs_waiting: Arc::new(Notify::new()),
            writer: sqlite.then(|| Arc::new(Mutex::new(()))),
        }))
    }

    /// For reading.
    pub fn database(&self) -> &DatabaseConnection {
        &self.0.parts.database
    }

    /// The object store.
    pub fn objects(&self) -> &ObjectStore {
        &self.0.parts.objects
    }

    /// The clock.
    pub fn clock(&self) -> &dyn Clock {
        self.0.parts.clock.as_ref()
    }

    /// New ids.
    pub fn ids(&self) -> &dyn Ids {
        self.0.parts.ids.as_ref()
    }

    /// Times and sizes.
    pub fn limits(&self) -> &Limits {
        &self.0.parts.limits
    }

    /// What signs the log of events.
    pub fn checkpoint_key(&self) -> &Arc<SigningKey> {
        &self.0.parts.checkpoint_key
    }

    /// Whether somebody runs checks of this kind.
    pub fn runs_check(&self, kind: &str) -> bool {
        contract::checks::BUILT_IN.contains(&kind) || self.0.parts.further_checks.contains(kind)
    }

    /// The kinds of checks beyond the built-in ones that somebody runs: each has a queue of its name.
    pub fn further_checks(&self) -> impl Iterator<Item = &String> {
        self.0.parts.further_checks.iter()
    }

    /// What has changed, for subscriptions.
    pub fn changes(&self) -> &Changes {
        &self.0.changes
    }

    /// Signalled when there may be a job to announce.
    pub fn jobs_waiting(&self) -> &Arc<Notify> {
        &self.0.jobs_waiting
    }

    /// Begins a unit of work on behalf of a caller.
    pub async fn begin(&self, caller: &Caller) -> Result<Unit, Error> {
        self.begin_as(
            caller.actor.subject.clone(),
            Some(caller.request_id.clone()),
        )
        .await
    }

    /// Begins a unit of work of our own: dispatcher, reconciler, set-up.
    pub async fn begin_internal(&self) -> Result<Unit, Error> {
        let agent = concat!("muniment/", env!("CARGO_PKG_VERSION"));
        self.begin_as(agent.into(), None).await
    }

    async fn begin_as(&self, agent: String, request_id: Option<String>) -> Result<Unit, Error> {
        let writer = match &self.0.writer {
            Some(mutex) => Some(Arc::clone(mutex).lock_owned().await),
            None => None,
        };
        let transaction = self
            .database()
            .begin_with_options(TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            })
            .await?;
        Ok(Unit::new(
            self.clone(),
            transaction,
            writer,
            agent,
            request_id,
        ))
    }
}

/// How old a connection grows at most: names may lead elsewhere by then.
const LIFETIME: Duration = Duration::from_mins(10);
/// How long a statement may take on PostgreSQL; migrations may take longer.
const STATEMENT: &str = "5min";
/// How long a transaction may do nothing: no network call is made in one.
const IDLE_IN_TRANSACTION: &str = "1min";

/// Whether a URL names a database of a sort that can be opened.
pub fn is_database_url(url: &str) -> bool {
    ["postgres://", "postgresql://", "sqlite:"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
}

/// Opens a database by its URL: `postgres://…` or `sqlite://FILE?mode=rwc`.
pub async fn connect(url: &str, connections: u32) -> Result<DatabaseConnection, DbErr> {
    if !is_database_url(url) {
        // The library would repeat the URL, and with it the password.
        return Err(DbErr::Custom(
            "its address does not begin with postgres:// or sqlite:".into(),
        ));
    }
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections.max(2))
        .acquire_timeout(Duration::from_secs(10))
        .connect_timeout(Duration::from_secs(10))
        .max_lifetime(LIFETIME)
        .sqlx_logging(false);
    options.map_sqlx_postgres_opts(|postgres| {
        postgres.options([
            ("statement_timeout", STATEMENT),
            ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION),
        ])
    });
    // In place of the pool's own question whether a connection is alive: after a failover it may be to a server that
    // takes no changes any more.
    options
        .test_before_acquire(false)
        .map_sqlx_postgres_before_acquire(|connection, _| {
            Box::pin(async move {
                let asked = sqlx::query_scalar::<_, bool>("SELECT pg_is_in_recovery()");
                asked.fetch_one(connection).await.map(|standby| !standby)
            })
        });
    options.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            .busy_timeout(Duration::from_secs(10))
            .foreign_keys(true)
            .pragma("journal_mode", "WAL")
            .pragma("synchronous", "FULL")
            .pragma("wal_autocheckpoint", "4000")
            .pragma("cache_size", "-16000")
    });
    Database::connect(options).await
}

#[cfg(test)]
mod tests {
    use sea_orm::{ConnectionTrait as _, Statement};

    use crate::testing::World;

    #[tokio::test]
    async fn statements_and_idle_transactions_on_postgresql_have_a_limit() {
        let world = World::new().await;
        if world.postgres_url().is_none() {
            eprintln!("skipped: SQLite has no such limits; this is for PostgreSQL");
            return;
        }
        for (setting, limit) in [
            ("statement_timeout", "5min"),
            ("idle_in_transaction_session_timeout", "1min"),
        ] {
            let db = world.app.database();
            let show = Statement::from_string(db.get_database_backend(), format!("SHOW {setting}"));
            let row = db.query_one_raw(show).await.ok().flatten();
            let found: Option<String> = row.and_then(|row| row.try_get_by_index(0).ok());
            assert_eq!(found.as_deref(), Some(limit), "{setting}");
        }
    }
}
