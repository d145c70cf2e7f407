//! A real OpenID Connect provider in a process of its own (`tests/oidc`), and our API with its tokens.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use api::auth::oidc::{OidcSettings, OpenIdConnect};
use chrono::{DateTime, Utc};
use runtime::{
    clock::{Clock, SystemClock},
    shutdown::Shutdown,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{Client, World};

/// For whom its tokens are.
pub const AUDIENCE: &str = "urn:muniment";

/// How long it may take to start, and how often it is tried.
const PATIENCE: Duration = Duration::from_secs(20);
const STARTS: usize = 4;

/// A provider that a test started.
pub struct Provider {
    folder: PathBuf,
    keys: TempDir,
    port: u16,
    running: Option<Child>,
}

impl Provider {
    /// Starts one on a free port; `None`, and a word about it, where none is installed.
    pub fn start() -> Option<Self> {
        let Some(folder) = std::env::var_os("MUNIMENT_TEST_OIDC") else {
            eprintln!(
                "skipped: MUNIMENT_TEST_OIDC is not set; tests/run installs the provider and sets it"
            );
            return None;
        };
        let mut provider = Self {
            folder: folder.into(),
            keys: tempfile::tempdir().expect("a temporary folder"),
            port: 0,
            running: None,
        };
        provider.run("first");
        Some(provider)
    }

    /// Starts it again with the keys of these names (commas between), at the same address: the first sign, all are
    /// published.
    pub fn rotate(&mut self, keys: &str) {
        self.stop();
        self.run(keys);
    }

    /// Stops it.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.running.take() {
            // Already gone is fine.
            drop(child.kill());
            drop(child.wait());
        }
    }

    fn run(&mut self, keys: &str) {
        // Node.js 18 (Debian 12) sometimes waits for itself for ever when it starts on a busy machine.
        for _ in 0..STARTS {
            let (child, lines) = self.begin(keys);
            self.running = Some(child);
            let began = Instant::now();
            while let Some(left) = PATIENCE.checked_sub(began.elapsed()) {
                let Ok(line) = lines.recv_timeout(left) else {
                    break;
                };
                if let Some(issuer) = line.trim().strip_prefix("issuer ") {
                    let (_, port) = issuer.rsplit_once(':').expect("an address with a port");
                    self.port = port.parse().expect("a port");
                    return;
                }
            }
            self.stop();
        }
        panic!("the provider did not say its address within {PATIENCE:?}, {STARTS} times");
    }

    /// Starts it; answers what it says, line by line.
    fn begin(&self, keys: &str) -> (Child, mpsc::Receiver<String>) {
        let mut child = Command::new("node")
            .arg("provider.mjs")
            .current_dir(&self.folder)
            .env("PORT", self.port.to_string())
            .env("KEYS", keys)
            .env("STATE", self.keys.path())
            .env("AUDIENCE", AUDIENCE)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node starts");
        let stdout = BufReader::new(child.stdout.take().expect("its output"));
        let (said, lines) = mpsc::channel();
        // It ends with the process, whose output is read to its end.
        drop(std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                drop(said.send(line));
            }
        }));
        (child, lines)
    }

    /// Its name.
    pub fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A token of one of its clients, as the client gets it.
    pub async fn token(&self, client: &str) -> String {
        let answer = reqwest::Client::new()
            .post(format!("{}/token", self.issuer()))
            .basic_auth(client, Some(format!("{client}-secret")))
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials")
            .send()
            .await
            .expect("the provider answers");
        let answer: Value = answer.json().await.expect("the provider answers JSON");
        let token = answer["access_token"].as_str();
        token
            .unwrap_or_else(|| panic!("no token: {answer:#}"))
            .to_owned()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A clock that shows the time, and on which a test lets more of it pass.
#[derive(Default)]
pub struct HastyClock(AtomicU64);

impl HastyClock {
    /// Lets time pass that nobody waits for. The time of day stays right: others live by it.
    pub fn hurry(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }
}

impl Clock for HastyClock {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now()
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic() + Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// A second API over the parts of a [`World`], which takes the tokens of a provider.
pub struct SecondApi {
    url: String,
    /// When it asks the provider again.
    pub clock: Arc<HastyClock>,
    _running: Shutdown,
}

impl SecondApi {
    /// Starts one on a free port.
    pub async fn start(world: &World, provider: &Provider) -> Self {
        let clock = Arc::<HastyClock>::default();
        let settings = OidcSettings::new(provider.issuer(), AUDIENCE);
        let verifier = OpenIdConnect::new(settings, clock.clone()).expect("the settings are good");
        let router = api::server::router(
            world.system().app().clone(),
            Arc::new(verifier),
            api::queue::Queues::new(),
            api::graphql::Settings::default(),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let running = Shutdown::new();
        let address = api::server::serve(listener, router, Duration::from_secs(20), &running)
            .expect("the API starts");
        Self {
            url: format!("http://{address}/graphql"),
            clock,
            _running: running,
        }
    }

    /// The GraphQL endpoint.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A client with a token.
    pub fn client(&self, token: &str) -> Client {
        Client::new(self.url.clone(), Some(token.to_owned()))
    }
}
