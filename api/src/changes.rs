//! Tells subscriptions what has changed, after it was committed: in this process at once, in others through
//! PostgreSQL's LISTEN and NOTIFY.
//!
//! Does not carry the change itself: a subscriber reads again, under its own access rule. A subscriber that
//! is too slow misses announcements, never a state: it is told to read again, as it is when the connection
//! to the database was lost.
//!
//! Always: a NOTIFY is part of the transaction that it tells of, so none is lost or comes too early.

use std::{pin::pin, str::FromStr, time::Duration};

use contract::{AnyId, ExportId, RecordId, TaskId, TransferId, VersionId};
use runtime::shutdown::Shutdown;
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, Statement,
    sqlx::{self, postgres::PgListener},
};
use tokio::{sync::broadcast, time::timeout};
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
/// After so long a silence the process calls itself, and expects to hear it as soon: a connection whose other end is
/// gone without a word is silent, too.
const QUIET: Duration = Duration::from_secs(20);

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
        shutdown.soft().cancelled().await;
        return;
    }
    while !shutdown.has_begun() {
        let following = shutdown.soft().run_until_cancelled(follow(&app, QUIET));
        if let Some(Err(error)) = following.await {
            tracing::warn!(%error, "changes of other processes are not heard; trying again");
        }
        let pause = shutdown
            .soft()
            .run_until_cancelled(tokio::time::sleep(PAUSE));
        pause.await;
    }
}

/// Returns when the connection is lost.
async fn follow(app: &App, quiet: Duration) -> Result<(), sqlx::Error> {
    let pool = app.database().get_postgres_connection_pool();
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    let changes = app.changes();
    // Whatever was announced before is not known.
    changes.announce(Change::Missed);
    loop {
        let mut next = pin!(listener.try_recv());
        let heard_of = if let Ok(heard_of) = timeout(quiet, &mut next).await {
            heard_of
        } else {
            let call = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL);
            let call = call.bind(changes.process.to_string()).execute(pool);
            let Ok(called) = timeout(quiet, call).await else {
                return Ok(());
            };
            called?;
            let Ok(heard_of) = timeout(quiet, next).await else {
                return Ok(());
            };
            heard_of
        };
        // `None`: the connection was lost, and with it what came meanwhile.
        let Some(notification) = heard_of? else {
            return Ok(());
        };
        for change in heard(changes.process, notification.payload()) {
            changes.announce(change);
        }
    }
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
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{UnixListener, UnixStream},
    };

    use super::*;
    use crate::testing::World;

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

    /// The URL of a database over a way that passes nothing back any more once `silent` is set.
    fn by_a_way(url: &str, folder: &std::path::Path, silent: &Arc<AtomicBool>) -> String {
        let (address, real) = url.split_once("?host=").unwrap();
        let real = std::path::Path::new(real).join(".s.PGSQL.5432");
        let listener = UnixListener::bind(folder.join(".s.PGSQL.5432")).unwrap();
        let (shutdown, silent) = (Shutdown::new(), Arc::clone(silent));
        let way = shutdown.clone();
        shutdown.spawn("way", async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&real).await.unwrap();
                let (mut asked, mut to_client) = client.into_split();
                let (mut answers, mut to_server) = server.into_split();
                way.spawn("there", async move {
                    drop(tokio::io::copy(&mut asked, &mut to_server).await);
                });
                let silent = Arc::clone(&silent);
                way.spawn("back", async move {
                    let mut piece = vec![0; 8_192];
                    while let Ok(read @ 1..) = answers.read(&mut piece).await {
                        if !silent.load(Ordering::SeqCst) {
                            to_client.write_all(&piece[..read]).await.unwrap();
                        }
                    }
                });
            }
        });
        format!("{address}?host={}", folder.display())
    }

    #[tokio::test]
    async fn a_connection_whose_other_end_is_gone_without_a_word_is_given_up_and_a_quiet_one_is_not()
     {
        const SHORT: Duration = Duration::from_millis(200);
        let world = World::new().await;
        let Some(url) = world.postgres_url() else {
            eprintln!("skipped: SQLite has no other processes; this is for PostgreSQL");
            return;
        };
        let (folder, silent) = (tempfile::tempdir().unwrap(), Arc::default());
        let url = by_a_way(url, folder.path(), &silent);
        let app = world.another(crate::app::connect(&url, 4).await.unwrap());
        let quiet = timeout(SHORT * 5, follow(&app, SHORT)).await;
        assert!(quiet.is_err(), "it was given up: {quiet:?}");
        let mut listener = app.changes().listen();
        let mut following = pin!(follow(&app, SHORT));
        let missed = tokio::select! {
            missed = listener.next() => missed,
            ended = &mut following => panic!("{ended:?}"),
        };
        assert_eq!(missed, Some(Change::Missed));
        silent.store(true, Ordering::SeqCst);
        let ended = timeout(Duration::from_secs(30), following).await;
        assert!(ended.is_ok(), "it goes on listening to nobody");
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
