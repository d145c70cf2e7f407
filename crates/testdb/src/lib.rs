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

struct Cluster {
    folder: PathBuf,
    // Held open: the end of its input is its signal.
    _keeper: Option<Child>,
}

static CLUSTER: OnceLock<Cluster> = OnceLock::new();

/// The URL of a new empty database; `None` where the tests run on SQLite.
pub async fn postgres() -> Option<String> {
    if std::env::var_os("MUNIMENT_TEST_DATABASE")?.to_str() != Some("postgres") {
        return None;
    }
    let cluster = tokio::task::spawn_blocking(|| CLUSTER.get_or_init(find_or_start))
        .await
        .expect("the cluster starts");
    let name = format!("t{}", uuid::Uuid::new_v4().simple());
    let server = Database::connect(url(&cluster.folder, "postgres"))
        .await
        .expect("the cluster answers");
    server
        .execute_unprepared(&format!("CREATE DATABASE {name}"))
        .await
        .expect("a database is made");
    server.close().await.expect("the connection closes");
    Some(url(&cluster.folder, &name))
}

fn url(folder: &Path, database: &str) -> String {
    let folder = folder.display();
    format!("postgres://postgres@localhost/{database}?host={folder}")
}

fn find_or_start() -> Cluster {
    if let Some(folder) = std::env::var_os("MUNIMENT_TEST_POSTGRES") {
        return Cluster {
            folder: folder.into(),
            _keeper: None,
        };
    }
    let folder = tempfile::tempdir().expect("a temporary folder").keep();
    let mut keeper = Command::new("sh")
        .arg(SCRIPT)
        .arg(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell");
    wait_for(&folder, &mut keeper);
    Cluster {
        folder,
        _keeper: Some(keeper),
    }
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
