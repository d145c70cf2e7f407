//! What every service works with.
//!
//! Owns the handles (database, object store, clock, ids, announcements) and how a unit of work begins.
//! Does not own any rule.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use runtime::{clock::Clock, ids::Ids};
pub use sea_orm::DatabaseConnection;
use sea_orm::{
    ConnectOptions, Database, DbBackend, DbErr, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
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
        .sqlx_logging(false);
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
