//! A PostgreSQL database of its own for each test, when `MUNIMENT_TEST_DATABASE=postgres`.
//!
//! Owns the cluster: the one whose socket is in the folder `MUNIMENT_TEST_POSTGRES` (`tests/run` starts it, so
//! that the processes of a test run share it), else one of this process. Does not own tables.
//!
//! Always: a test sees nothing of another; the cluster ends with whoever started it, also when that is killed.

#![expect(
    clippy::missing_panics_doc,
    clippy::expect_used,
    reason = "helpers of tests: a panic is how they report"
)]

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait as _, Database};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cluster.sh");

/// A PostgreSQL cluster in a temporary folder.
pub struct Cluster {
    folder: PathBuf,
    // Its input is held open.
    keeper: Option<Child>,
}

static CLUSTER: OnceLock<Cluster> = OnceLock::new();

/// The URL of a new empty database; `None` where the tests run on SQLite.
pub async fn postgres() -> Option<String> {
    if std::env::var_os("MUNIMENT_TEST_DATABASE")?.to_str() != Some("postgres") {
        return None;
    }
    Some(postgres_always().await)
}

/// The URL of a new empty database in PostgreSQL, wherever the other tests run.
pub async fn postgres_always() -> String {
    let cluster = tokio::task::spawn_blocking(|| CLUSTER.get_or_init(find_or_start))
        .await
        .expect("the cluster starts");
    cluster.create().await
}

impl Cluster {
    /// A cluster of one test's own, which may be restarted.
    pub fn start() -> Self {
        Self::start_in(tempfile::tempdir().expect("a temporary folder").keep())
    }

    /// The one that `tests/run` has started, if it has.
    pub fn of_the_run() -> Option<Self> {
        let folder = std::env::var_os("MUNIMENT_TEST_POSTGRES")?;
        Some(Self {
            folder: folder.into(),
            keeper: None,
        })
    }

    /// The same in an empty folder, which is removed with it.
    pub fn start_in(folder: PathBuf) -> Self {
        let mut keeper = Command::new("sh")
            .arg(SCRIPT)
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        wait_for(&folder, &mut keeper);
        Self {
            folder,
            keeper: Some(keeper),
        }
    }

    /// Where its socket is.
    pub fn socket(&self) -> PathBuf {
        self.folder.join(".s.PGSQL.5432")
    }

    /// The URL of a new empty database.
    pub async fn create(&self) -> String {
        let name = format!("t{}", uuid::Uuid::new_v4().simple());
        let server = Database::connect(url(&self.folder, "postgres"))
            .await
            .expect("the cluster answers");
        server
            .execute_unprepared(&format!("CREATE DATABASE {name}"))
            .await
            .expect("a database is made");
        server.close().await.expect("the connection closes");
        url(&self.folder, &name)
    }

    /// Stops it as a crash would, and starts it again.
    pub fn restart(&self) {
        self.run("restart");
    }

    /// Stops it as a crash would.
    pub fn stop(&self) {
        self.run("stop");
    }

    fn run(&self, action: &str) {
        let done = Command::new("sh")
            .arg(SCRIPT)
            .arg(&self.folder)
            .arg(action)
            .status()
            .expect("a shell");
        assert!(done.success(), "PostgreSQL: {action}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            // The end of its input is its signal.
            drop(keeper.stdin.take());
            drop(keeper.wait());
        }
    }
}

fn url(folder: &Path, database: &str) -> String {
    let folder = folder.display();
    format!("postgres://postgres@localhost/{database}?host={folder}")
}

fn find_or_start() -> Cluster {
    Cluster::of_the_run().unwrap_or_else(Cluster::start)
}

fn wait_for(folder: &Path, keeper: &mut Child) {
    let began = Instant::now();
    while !folder.join("ready").exists() {
        let ended = keeper.try_wait().expect("the keeper can be asked");
        assert!(
            ended.is_none() && began.elapsed() < Duration::from_mins(1),
            "PostgreSQL does not start: {}",
            std::fs::read_to_string(folder.join("log")).unwrap_or_default()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
