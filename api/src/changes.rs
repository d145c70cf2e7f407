//! Tells subscriptions what has changed, after it was committed: in this process at once, in others through
//! PostgreSQL's LISTEN and NOTIFY.
//!
//! Does not carry the change itself: a subscriber reads again, under its own access rule. A subscriber that
//! is too slow misses announcements, never a state: it is told to read again, as it is when the connection
//! to the database was lost.
//!
//! Always: a NOTIFY is part of the transaction that it tells of, so none is lost or comes too early.

use std::{str::FromStr, time::Duration};

use contract::{AnyId, ExportId, RecordId, TaskId, TransferId, VersionId};
use runtime::shutdown::Shutdown;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, sqlx::postgres::PgListener};
use tokio::sync::broadcast;
use uuid::Uuid;

use crate::App;

/// Something changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A transfer, or a total of it.
    Transfer(TransferId),
    /// A version of a record.
    Version(VersionId, RecordId),
    /// A task.
    Task(TaskId),
    /// An export.
    Export(ExportId),
    /// More than could be told: read again.
    Missed,
}

const CAPACITY: usize = 4096;
/// The channel of NOTIFY.
const CHANNEL: &str = "muniment_changes";
/// The most bytes of one payload; PostgreSQL takes fewer than 8,000.
const PAYLOAD: usize = 7_000;
/// Beyond so many changes of one unit others are told to read everything again.
const TOLD: usize = 1_000;
/// How long to wait before the database is listened to again.
const PAUSE: Duration = Duration::from_secs(1);

/// The announcements.
#[derive(Debug, Clone)]
pub struct Changes {
    sender: broadcast::Sender<Change>,
    /// What this process signs its NOTIFYs with, so that it does not hear itself.
    process: Uuid,
}

impl Changes {
    pub(crate) fn new() -> Self {
        Self {
            sender: broadcast::channel(CAPACITY).0,
            process: Uuid::new_v4(),
        }
    }

    pub(crate) fn announce(&self, change: Change) {
        // Nobody listening is no error.
        drop(self.sender.send(change));
    }

    /// Tells other processes, when the transaction commits.
    pub(crate) async fn notify(
        &self,
        db: &impl ConnectionTrait,
        changes: &[Change],
    ) -> Result<(), DbErr> {
        if db.get_database_backend() != DbBackend::Postgres {
            return Ok(());
        }
        for payload in payloads(self.process, changes) {
            let notify = Statement::from_sql_and_values(
                DbBackend::Postgres,
                "SELECT pg_notify($1, $2)",
                [CHANNEL.into(), payload.into()],
            );
            db.execute_raw(notify).await?;
        }
        Ok(())
    }

    /// Listens from now on.
    pub fn listen(&self) -> Listener {
        Listener(self.sender.subscribe())
    }
}

/// One listener.
#[derive(Debug)]
pub struct Listener(broadcast::Receiver<Change>);

impl Listener {
    /// The next change; `None` when the process ends.
    pub async fn next(&mut self) -> Option<Change> {
        match self.0.recv().await {
            Ok(change) => Some(change),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Change::Missed),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// Passes on what other processes announce, until the shutdown begins. On SQLite there are none.
pub async fn follow_others(app: App, shutdown: &Shutdown) {
    if app.database().get_database_backend() != DbBackend::Postgres {
        return;
    }
    while !shutdown.has_begun() {
        let following = shutdown.soft().run_until_cancelled(follow(&app));
        if let Some(Err(error)) = following.await {
            tracing::warn!(%error, "changes of other processes are not heard; trying again");
        }
        let pause = shutdown
            .soft()
            .run_until_cancelled(tokio::time::sleep(PAUSE));
        pause.await;
    }
}

async fn follow(app: &App) -> Result<(), sea_orm::sqlx::Error> {
    let pool = app.database().get_postgres_connection_pool();
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    let changes = app.changes();
    // Whatever was announced before is not known.
    changes.announce(Change::Missed);
    // `None`: the connection was lost, and with it what came meanwhile.
    while let Some(notification) = listener.try_recv().await? {
        for change in heard(changes.process, notification.payload()) {
            changes.announce(change);
        }
    }
    Ok(())
}

/// The NOTIFYs that tell of changes: who, then each change in a word.
fn payloads(process: Uuid, changes: &[Change]) -> Vec<String> {
    let mut payloads = Vec::new();
    let changes = if changes.len() > TOLD {
        &[Change::Missed]
    } else {
        changes
    };
    for change in changes {
        let word = word(*change);
        match payloads.last_mut() {
            Some(payload) if String::len(payload) + word.len() < PAYLOAD => {
                payload.push(' ');
                payload.push_str(&word);
            }
            _ => payloads.push(format!("{process} {word}")),
        }
    }
    payloads
}

fn word(change: Change) -> String {
    match change {
        Change::Transfer(id) => id.to_string(),
        Change::Version(id, record) => format!("{id}/{record}"),
        Change::Task(id) => id.to_string(),
        Change::Export(id) => id.to_string(),
        Change::Missed => "missed".to_owned(),
    }
}

/// What a NOTIFY says; nothing if we sent it. What is not understood may come from a newer version.
fn heard(process: Uuid, payload: &str) -> Vec<Change> {
    let mut words = payload.split(' ');
    if words.next() == Some(process.to_string().as_str()) {
        return Vec::new();
    }
    words
        .map(|word| change(word).unwrap_or(Change::Missed))
        .collect()
}

fn change(word: &str) -> Option<Change> {
    if let Some((version, record)) = word.split_once('/') {
        return Some(Change::Version(version.parse().ok()?, record.parse().ok()?));
    }
    match AnyId::from_str(word).ok()? {
        AnyId::Transfer(id) => Some(Change::Transfer(id)),
        AnyId::Task(id) => Some(Change::Task(id)),
        AnyId::Export(id) => Some(Change::Export(id)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Vec<Change> {
        let id = Uuid::from_u128;
        vec![
            Change::Transfer(TransferId(id(1))),
            Change::Version(VersionId(id(2)), RecordId(id(3))),
            Change::Task(TaskId(id(4))),
            Change::Export(ExportId(id(5))),
            Change::Missed,
        ]
    }

    #[test]
    fn others_hear_what_was_announced_and_the_process_itself_does_not() {
        let (ours, theirs) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let payloads = payloads(theirs, &some());
        assert_eq!(payloads.len(), 1);
        assert_eq!(heard(ours, &payloads[0]), some());
        assert_eq!(heard(theirs, &payloads[0]), []);
    }

    #[test]
    fn many_changes_are_split_and_very_many_are_one() {
        let ours = Uuid::from_u128(1);
        let many = some().repeat(150);
        let split = payloads(Uuid::nil(), &many);
        assert!(split.len() > 1 && split.iter().all(|payload| payload.len() < 8_000));
        let heard: Vec<Change> = split.iter().flat_map(|text| heard(ours, text)).collect();
        assert_eq!(heard, many);
        let all = payloads(Uuid::nil(), &some().repeat(201));
        assert_eq!(all.len(), 1, "more than could be told");
        assert!(all[0].ends_with(" missed"));
    }

    #[test]
    fn what_is_not_understood_is_to_be_read_again() {
        for payload in ["x", "x y", "x record_00000000000000000000000001", "x /", ""] {
            let heard = heard(Uuid::nil(), payload);
            assert!(
                heard.iter().all(|change| *change == Change::Missed),
                "{payload}"
            );
        }
    }
}
