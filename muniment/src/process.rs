//! Starting and stopping everything.
//!
//! Always: what depends on others is stopped first (worker, then API, then object store); the worker and every
//! client reach the API over HTTP, and bytes over S3, as they would in production.

use std::{
    collections::{BTreeSet, HashMap},
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::signature_store::{self, InUse};
use api::{
    App, Parts,
    auth::{Role, token::EmbeddedIdentity},
    object_store::{Buckets, ObjectStore},
};
use async_trait::async_trait;
use embedded::{
    objects::{ObjectServer, StartError as ObjectsError},
    queue::MemoryQueue,
};
use migration::MigratorTrait as _;
use runtime::{
    aws::Access,
    clock::{Clock, SystemClock},
    ids::SystemIds,
    queue::Queue,
    s3::{self, S3Settings},
    secrecy::SecretString,
    shutdown::{EndedEarly, Shutdown},
};
use tokio::net::TcpListener;
use worker::settings::SignatureFiles;
use worker::{
    Worker,
    checks::antivirus::{Clamd, ClamdSettings, NoEngine, Scanner},
    client::{ApiError, TokenSource},
};

/// The code of the collection that is made at the first start.
pub const DEFAULT_COLLECTION: &str = "DEFAULT";
/// The body that it belongs to.
pub const DEFAULT_BODY: &str = "LOCAL";

/// How many messages the queue holds; the `job` table has the rest.
const QUEUE: usize = 10_000;
/// The grace of its jobs, and what cleaning up and handing back takes.
const WORKER_GRACE: Duration = Duration::from_secs(40);
const API_GRACE: Duration = Duration::from_secs(10);
const STORE_GRACE: Duration = Duration::from_secs(5);
const WORKER_TOKEN: Duration = Duration::from_hours(1);

/// What to start, and where.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The data folder; whoever starts the system has locked it.
    pub data: PathBuf,
    /// Where the API listens. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The host by which clients reach this machine, if it is another than that of `listen`.
    pub public: Option<String>,
    /// Another database than SQLite in the data folder.
    pub database_url: Option<SecretString>,
    /// Another key for the log of events than the data folder's: its file, or the key itself.
    pub checkpoint_key: Option<SecretString>,
    /// Where clamd is; without it, nothing is scanned.
    pub clamd: Option<ClamdSettings>,
    /// Which PRONOM signatures to use; without them, the data folder's, else the built-in ones.
    pub signatures: Option<SignatureFiles>,
    /// Times and sizes.
    pub limits: api::Limits,
    /// How the API speaks GraphQL.
    pub graphql: api::graphql::Settings,
    /// How the worker works.
    pub worker: worker::Config,
}

impl Settings {
    /// With the defaults, on a free port of the loopback interface.
    pub fn over(data: &Path) -> Self {
        Self {
            data: data.to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            public: None,
            database_url: None,
            checkpoint_key: None,
            clamd: None,
            signatures: None,
            limits: api::Limits::default(),
            graphql: api::graphql::Settings::embedded(),
            worker: worker::Config {
                name: "embedded".to_owned(),
                // An interruption waits for the end of a receive.
                receive_wait: Duration::from_secs(2),
                ..worker::Config::default()
            },
        }
    }
}

/// Why the system did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be used.
    #[error("{}: {error}", path.display())]
    Folder {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The address cannot be listened on.
    #[error("{0} cannot be listened on: {1}")]
    Listen(SocketAddr, io::Error),
    /// The object store does not start.
    #[error("the object store did not start: {0}")]
    Objects(#[from] ObjectsError),
    /// The database does not open.
    #[error("the database did not open: {0}")]
    Database(String),
    /// The database was written by a newer version.
    #[error(
        "the database was written by a newer version of Muniment ({0}); use that version, or another data folder"
    )]
    NewerDatabase(String),
    /// The PRONOM signatures cannot be used.
    #[error("{0}")]
    Signatures(#[from] signature_store::Error),
    /// A defect, or a part that does not answer.
    #[error("{0}")]
    Other(String),
}

/// A running system.
pub struct System {
    app: App,
    identity: EmbeddedIdentity,
    address: SocketAddr,
    public: Option<String>,
    scans: bool,
    signatures: InUse,
    worker: Shutdown,
    api: Shutdown,
    store: Shutdown,
}

impl std::fmt::Debug for System {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("System")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl System {
    /// Starts everything; returns when the API answers.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        // First, because it is what a person can most easily have got wrong.
        let listener = TcpListener::bind(settings.listen)
            .await
            .map_err(|error| StartError::Listen(settings.listen, error))?;
        let signatures = signature_store::in_use(&settings.data, settings.signatures.as_ref())?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let identity = open_identity(&settings.data, Arc::clone(&clock))?;
        let (worker, api, store) = (Shutdown::new(), Shutdown::new(), Shutdown::new());
        let (client, objects) = start_objects(&settings, &store).await?;
        let database = open_database(&settings).await?;
        let app = App::new(Parts {
            database,
            objects,
            clock: Arc::clone(&clock),
            ids: Arc::new(SystemIds),
            limits: settings.limits.clone(),
            checkpoint_key: Arc::new(key_of(&settings)?),
            further_checks: BTreeSet::new(),
        });
        api::checkpoints::service::check_key(&app)
            .await
            .map_err(|error| match error {
                api::Error::Precondition(message) => StartError::Other(message),
                error => StartError::Other(format!("{error:?}")),
            })?;
        prepare(&app, &settings)
            .await
            .map_err(|error| match error {
                api::Error::Full(text) => StartError::Database(text),
                error => StartError::Other(format!("{error:?}")),
            })?;
        runtime::telemetry::measures::record(api::measures::MEASURES);
        runtime::telemetry::measures::record(worker::measures::MEASURES);

        let queue: Arc<dyn Queue> = Arc::new(MemoryQueue::new(Arc::clone(&clock), QUEUE));
        let queues = HashMap::from([(
            contract::messages::JOBS_QUEUE.to_owned(),
            Arc::clone(&queue),
        )]);
        start_jobs(&app, queues.clone(), &api);
        let stop = api.clone();
        drop(api.spawn("metrics", async move {
            runtime::telemetry::measures::keep(&stop).await;
        }));
        let router = api::server::router(
            app.clone(),
            Arc::new(identity.clone()),
            queues,
            settings.graphql.clone(),
        );
        let unread = settings.graphql.limits.send;
        let address = api::server::serve(listener, router, unread, &api)
            .map_err(|error| StartError::Listen(settings.listen, error))?;
        let system = Self {
            app,
            identity,
            address,
            public: settings.public.clone(),
            scans: settings.clamd.is_some(),
            signatures,
            worker,
            api,
            store,
        };
        system.start_worker(settings, client, queue, clock)?;
        Ok(system)
    }

    fn start_worker(
        &self,
        settings: Settings,
        client: aws_sdk_s3::Client,
        queue: Arc<dyn Queue>,
        clock: Arc<dyn Clock>,
    ) -> Result<(), StartError> {
        let scanner: Arc<dyn Scanner> = match settings.clamd {
            Some(clamd) => Arc::new(Clamd::new(clamd)),
            None => Arc::new(NoEngine),
        };
        let tokens = Arc::new(Minted(self.identity.clone()));
        let worker = Worker::new(
            settings.worker,
            &self.api_url(),
            tokens,
            queue,
            client,
            scanner,
            self.signatures.signatures,
            clock,
        )
        .map_err(|error| StartError::Other(error.to_string()))?;
        let shutdown = self.worker.clone();
        self.worker
            .spawn_vital("worker", async move { worker.run(&shutdown).await });
        Ok(())
    }

    /// Where the API listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What formats are identified with.
    pub fn signatures(&self) -> &InUse {
        &self.signatures
    }

    /// The GraphQL endpoint, as clients elsewhere reach it.
    pub fn public_url(&self) -> String {
        match &self.public {
            Some(host) => format!("http://{host}:{}/graphql", self.address.port()),
            None => self.api_url(),
        }
    }

    /// Whether there is an engine that looks for malware.
    pub fn scans(&self) -> bool {
        self.scans
    }

    /// The GraphQL endpoint, as clients on this machine reach it.
    pub fn api_url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        format!("http://{address}/graphql")
    }

    /// A token that this system takes.
    pub fn token(
        &self,
        subject: &str,
        roles: &[Role],
        bodies: &[String],
        valid_for: Duration,
    ) -> Result<SecretString, StartError> {
        mint(&self.identity, subject, roles, bodies, valid_for)
    }

    /// The API's handles, for tests that look behind it.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Waits until a part ends before its time, and with it the system; for ever, where none does.
    pub async fn ended_early(&self) -> EndedEarly {
        tokio::select! {
            early = self.worker.ended_early() => early,
            early = self.api.ended_early() => early,
            early = self.store.ended_early() => early,
        }
    }

    /// Stops the worker alone, for tests of what waits for one.
    pub async fn stop_worker(&self) {
        self.worker.drain(WORKER_GRACE).await;
    }

    /// Stops taking work, finishes or hands back what is in hand, and stops the parts in turn.
    pub async fn shutdown(self) {
        self.worker.drain(WORKER_GRACE).await;
        self.api.drain(API_GRACE).await;
        self.store.drain(STORE_GRACE).await;
    }
}

/// A token signed with the key of a data folder, which a running system may be using.
pub fn mint_in(
    data: &Path,
    subject: &str,
    roles: &[Role],
    bodies: &[String],
    valid_for: Duration,
) -> Result<SecretString, StartError> {
    let identity = open_identity(data, Arc::new(SystemClock))?;
    mint(&identity, subject, roles, bodies, valid_for)
}

/// Brings the database up to date.
pub async fn migrate(settings: &Settings) -> Result<(), StartError> {
    open_database(settings).await.map(drop)
}

/// What announces jobs, and what sees to it that each ends.
fn start_jobs(app: &App, queues: api::queue::Queues, shutdown: &Shutdown) {
    let (of, stop) = (app.clone(), shutdown.clone());
    shutdown.spawn_vital("dispatcher", async move {
        api::jobs::dispatcher::Dispatcher::run(of, queues, &stop).await;
    });
    let (of, stop) = (app.clone(), shutdown.clone());
    drop(shutdown.spawn("gauges", async move {
        api::jobs::gauges::run(of, &stop).await;
    }));
    let (of, stop) = (app.clone(), shutdown.clone());
    shutdown.spawn_vital("reconciler", async move {
        api::jobs::reconciler::run(of, &stop).await;
    });
}

fn mint(
    identity: &EmbeddedIdentity,
    subject: &str,
    roles: &[Role],
    bodies: &[String],
    valid_for: Duration,
) -> Result<SecretString, StartError> {
    identity
        .mint(subject, roles, bodies, valid_for)
        .map(Into::into)
        .map_err(|error| StartError::Other(format!("{error:?}")))
}

async fn prepare(app: &App, settings: &Settings) -> Result<(), api::Error> {
    let scans = settings.clamd.is_some();
    api::events::chain::adopt(app).await?;
    app.objects().create_buckets().await?;
    api::collections::service::ensure_default(app, DEFAULT_COLLECTION, DEFAULT_BODY, scans).await?;
    // No other process works on a database in the folder, so whoever had a lease is gone.
    if settings.database_url.is_none() {
        api::jobs::service::recover_embedded(app).await?;
    }
    Ok(())
}

fn secrets(data: &Path) -> Result<PathBuf, StartError> {
    let folder = data.join("identity");
    std::fs::create_dir_all(&folder).map_err(|error| at(&folder, error))?;
    Ok(folder)
}

fn at(path: &Path, error: io::Error) -> StartError {
    StartError::Folder {
        path: path.to_owned(),
        error,
    }
}

fn open_identity(data: &Path, clock: Arc<dyn Clock>) -> Result<EmbeddedIdentity, StartError> {
    let folder = secrets(data)?;
    EmbeddedIdentity::open(&folder.join("token-key.p8"), clock).map_err(|error| at(&folder, error))
}

/// The key that signs the log of events of a data folder, made on the first call.
pub fn checkpoint_key(data: &Path) -> Result<tlog::SigningKey, StartError> {
    let folder = secrets(data)?;
    api::checkpoints::key::open_or_make(&checkpoint_key_file(data))
        .map_err(|error| at(&folder, error))
}

/// Where it is.
pub fn checkpoint_key_file(data: &Path) -> PathBuf {
    data.join("identity").join("checkpoint-key.p8")
}

fn key_of(settings: &Settings) -> Result<tlog::SigningKey, StartError> {
    use runtime::secrecy::ExposeSecret as _;

    match &settings.checkpoint_key {
        Some(key) => api::checkpoints::key::configured(key.expose_secret())
            .map_err(|error| StartError::Other(format!("MUNIMENT_CHECKPOINT_KEY: {error}"))),
        None => checkpoint_key(&settings.data),
    }
}

async fn start_objects(
    settings: &Settings,
    shutdown: &Shutdown,
) -> Result<(aws_sdk_s3::Client, ObjectStore), StartError> {
    let folder = secrets(&settings.data)?;
    let keys = crate::keys::object_store(&folder).map_err(|error| at(&folder, error))?;
    let objects = settings.data.join("objects");
    let mut listen = settings.listen;
    listen.set_port(crate::keys::last_port(&folder));
    let mut server = ObjectServer::start(&objects, listen, &keys, shutdown).await;
    if listen.port() != 0 && matches!(server, Err(ObjectsError::Listen(..))) {
        // Somebody else has the port: URLs that were handed out no longer hold, new ones do.
        listen.set_port(0);
        server = ObjectServer::start(&objects, listen, &keys, shutdown).await;
    }
    let server = server?;
    crate::keys::remember_port(&folder, server.address()).map_err(|error| at(&folder, error))?;
    let access = Access {
        region: Some("us-east-1".to_owned()),
        keys: Some(keys),
        ..Access::default()
    };
    let reached_at = |endpoint: String| S3Settings {
        access: Access {
            endpoint: Some(endpoint),
            ..access.clone()
        },
        path_style: true,
        kms_key: None,
    };
    let client = s3::client(&reached_at(server.endpoint())).await;
    let store = ObjectStore::new(client.clone(), Buckets::with_prefix(""));
    let Some(host) = &settings.public else {
        return Ok((client, store));
    };
    let public = format!("http://{host}:{}", server.address().port());
    let signer = s3::client(&reached_at(public)).await;
    Ok((client, store.signing_with(signer)))
}

/// `mode`: what `SQLite` may do with the file in the data folder.
async fn connect(
    settings: &Settings,
    mode: &str,
) -> Result<api::app::DatabaseConnection, StartError> {
    use runtime::secrecy::ExposeSecret as _;

    let url = match &settings.database_url {
        Some(url) => url.expose_secret().to_owned(),
        None => sqlite_url(&settings.data.join("muniment.db"), mode),
    };
    api::app::connect(&url, 8)
        .await
        .map_err(|error| StartError::Database(error.to_string()))
}

/// The database without any change: it must be there, and up to date.
pub async fn open_as_it_is(
    settings: &Settings,
) -> Result<api::app::DatabaseConnection, StartError> {
    let database = connect(settings, "rw").await?;
    let pending = migration::Migrator::get_pending_migrations(&database)
        .await
        .map_err(|error| StartError::Database(error.to_string()))?;
    if pending.is_empty() {
        Ok(database)
    } else {
        let lacking = format!("it lacks {} changes: migrate first", pending.len());
        Err(StartError::Database(lacking))
    }
}

async fn open_database(settings: &Settings) -> Result<api::app::DatabaseConnection, StartError> {
    let database = connect(settings, "rwc").await?;
    migration::Migrator::up(&database, None)
        .await
        .map_err(|error| {
            let text = error.to_string();
            if text.contains("is missing, this migration has been applied") {
                StartError::NewerDatabase(text)
            } else {
                StartError::Database(text)
            }
        })?;
    Ok(database)
}

/// The path as it stands in a URL: `%`, `?` and `#` would end it.
fn sqlite_url(file: &Path, mode: &str) -> String {
    let path = file
        .to_string_lossy()
        .replace('%', "%25")
        .replace('?', "%3F")
        .replace('#', "%23");
    format!("sqlite://{path}?mode={mode}")
}

/// The worker's token, signed anew for each request: it never runs out.
struct Minted(EmbeddedIdentity);

#[async_trait]
impl TokenSource for Minted {
    async fn token(&self) -> Result<SecretString, ApiError> {
        mint(
            &self.0,
            "worker:embedded",
            &[Role::Worker],
            &[],
            WORKER_TOKEN,
        )
        .map_err(|error| ApiError::Token(error.to_string()))
    }
}
