//! A PostgreSQL cluster for the tests of this process, when `MUNIMENT_TEST_DATABASE=postgres`.
//!
//! Always: every test gets a database of its own; the cluster ends with the process, also when that is killed,
//! because its keeper waits for the end of our pipe.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use runtime::secrecy::SecretString;
use sea_orm::{ConnectionTrait as _, Database};

struct Cluster {
    url: String,
    // Held open: its end is the keeper's signal.
    _keeper: Child,
}

static CLUSTER: OnceLock<Cluster> = OnceLock::new();

/// A new empty database in the cluster of this process; `None` where the tests run on SQLite.
pub async fn database() -> Option<SecretString> {
    if std::env::var_os("MUNIMENT_TEST_DATABASE")?.to_str() != Some("postgres") {
        return None;
    }
    let cluster = tokio::task::spawn_blocking(|| CLUSTER.get_or_init(start))
        .await
        .expect("the cluster starts");
    let name = format!("t{}", uuid::Uuid::new_v4().simple());
    let server = Database::connect(format!("{}/postgres", cluster.url))
        .await
        .expect("the cluster answers");
    server
        .execute_unprepared(&format!("CREATE DATABASE {name}"))
        .await
        .expect("a database is made");
    Some(format!("{}/{name}", cluster.url).into())
}

/// The folder with `initdb` and `postgres`, the newest version there is.
fn binaries() -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|folder| folder.join("initdb").is_file())
        .collect();
    found.sort();
    found
        .pop()
        .expect("PostgreSQL is not installed: tests/run installs Debian's package `postgresql`")
}

const KEEPER: &str = r#"
set -eu
folder=$1 bin=$2 port=$3
as() { if [ "$(id -u)" = 0 ]; then chown -R postgres "$folder"; runuser -u postgres -- "$@"; else "$@"; fi; }
cd "$folder"
as "$bin/initdb" --no-sync -A trust -U postgres -E UTF8 --locale=C -D "$folder/data" >"$folder/log" 2>&1
as "$bin/postgres" -D "$folder/data" -p "$port" -k "$folder" -c listen_addresses=127.0.0.1 \
  -c fsync=off -c full_page_writes=off -c max_connections=400 >>"$folder/log" 2>&1 &
cat >/dev/null
pkill -INT -f "$folder/data" || true
wait || true
rm -rf "$folder"
"#;

fn start() -> Cluster {
    let folder = tempfile::tempdir().expect("a temporary folder").keep();
    let port = free_port();
    let keeper = Command::new("sh")
        .args(["-c", KEEPER, "keeper"])
        .arg(&folder)
        .arg(binaries())
        .arg(port.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell");
    wait_for(port, &folder.join("log"));
    Cluster {
        url: format!("postgres://postgres@127.0.0.1:{port}"),
        _keeper: keeper,
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

fn wait_for(port: u16, log: &Path) {
    let began = Instant::now();
    loop {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        if text.contains("ready to accept connections")
            && std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        {
            return;
        }
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "PostgreSQL does not start: {text}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}
