//! The whole system in this process, as the commands start it: over a data folder that is locked, with what the
//! environment configures.
//!
//! Owns the way from the command line and the environment to `muniment::System`, and what people are told when
//! it does not start. Does not own the parts or their order (the library half of this crate).

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use api::auth::Role;
use muniment::process;
use muniment::signature_store::InUse;
use runtime::config;
use runtime::secrecy::{ExposeSecret as _, SecretString};
use worker::settings::SignatureFiles;

use crate::data_folder::{self, DataFolder};
use crate::failure::Failure;
use crate::signatures;

/// What to start, and where.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The data folder.
    pub(crate) data: PathBuf,
    /// Where the API listens. Port 0 takes a free one.
    pub(crate) listen: SocketAddr,
    /// The host by which clients reach this machine, if it is another.
    pub(crate) public: Option<String>,
}

impl Settings {
    /// For a command that talks to the system itself: a free port on the loopback interface.
    pub(crate) fn private(data: &Path) -> Self {
        Self {
            data: data.to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            public: None,
        }
    }

    fn with_environment(self) -> Result<process::Settings, Failure> {
        let environment = config::Settings::from_env("MUNIMENT_");
        let (database_url, checkpoint_key, clamd, signatures) = environment
            .read(|read| {
                for other in [
                    "MUNIMENT_TOKEN",
                    "MUNIMENT_SERVER",
                    "MUNIMENT_LOG",
                    "MUNIMENT_TEST_",
                    "MUNIMENT_PRONOM_INDEX",
                    "MUNIMENT_PRONOM_SERVICE",
                ] {
                    read.ignore(other);
                }
                let database_url = read.secret("MUNIMENT_DATABASE_URL").optional();
                let checkpoint_key = read.secret("MUNIMENT_CHECKPOINT_KEY").optional();
                let clamd = worker::settings::clamd(read);
                let signatures = worker::settings::signatures(read);
                (database_url, checkpoint_key, clamd, signatures)
            })
            .map_err(|problems| Failure::new(problems.to_string()))?;
        Ok(process::Settings {
            listen: self.listen,
            public: self.public,
            database_url,
            checkpoint_key,
            clamd,
            signatures,
            ..process::Settings::over(&self.data)
        })
    }
}

/// The signature files that the environment names, for commands that start no system.
pub(crate) fn configured_signatures() -> Result<Option<SignatureFiles>, Failure> {
    config::Settings::from_env("MUNIMENT_PRONOM_")
        .read(|read| {
            read.ignore("MUNIMENT_PRONOM_INDEX");
            read.ignore("MUNIMENT_PRONOM_SERVICE");
            worker::settings::signatures(read)
        })
        .map_err(|problems| Failure::new(problems.to_string()))
}

/// What a token says.
#[derive(Debug, Clone)]
pub(crate) struct TokenRequest {
    /// Role names as the API knows them (`ADMIN`, `ARCHIVIST`, …).
    pub(crate) roles: Vec<String>,
    /// Codes of the bodies whose collections may be seen.
    pub(crate) bodies: Vec<String>,
    /// Whose token it is.
    pub(crate) subject: String,
    /// How long it holds.
    pub(crate) lifetime: Duration,
}

impl TokenRequest {
    fn roles(&self) -> Vec<Role> {
        self.roles
            .iter()
            .filter_map(|role| Role::parse(role))
            .collect()
    }
}

/// A running system.
#[derive(Debug)]
pub(crate) struct System {
    inner: process::System,
    // Given back when everything has stopped.
    _folder: DataFolder,
}

impl System {
    /// Starts everything; returns when the API answers.
    pub(crate) async fn start(settings: Settings) -> Result<Self, Failure> {
        let folder = DataFolder::open(&settings.data)?;
        tracing::debug!(data = %folder.path().display(), "starting");
        let settings = settings.with_environment()?;
        let inner = process::System::start(settings).await.map_err(explain)?;
        Ok(Self {
            inner,
            _folder: folder,
        })
    }

    /// The GraphQL endpoint, as clients elsewhere reach it.
    pub(crate) fn public_url(&self) -> String {
        self.inner.public_url()
    }

    /// Whether there is an engine that looks for malware.
    pub(crate) fn scans(&self) -> bool {
        self.inner.scans()
    }

    /// The GraphQL endpoint.
    pub(crate) fn api_url(&self) -> String {
        self.inner.api_url()
    }

    /// What formats are identified with.
    pub(crate) fn signatures(&self) -> &InUse {
        self.inner.signatures()
    }

    /// A token that this system takes.
    pub(crate) fn token(&self, request: &TokenRequest) -> Result<SecretString, Failure> {
        self.inner
            .token(
                &request.subject,
                &request.roles(),
                &request.bodies,
                request.lifetime,
            )
            .map_err(explain)
    }

    /// Waits until a part ends before its time: the system is to be stopped, and may be started again.
    pub(crate) async fn broken(&self) -> Failure {
        let early = self.inner.ended_early().await;
        Failure::new(format!("{early}"))
            .hint("run the same command again: it goes on where it stood; this is a defect, please report the log")
    }

    /// Stops taking work, finishes or hands back what is in hand, and stops the parts in turn.
    pub(crate) async fn shutdown(self) {
        self.inner.shutdown().await;
    }
}

/// A token signed with the key of a data folder, which a running system may be using.
pub(crate) fn mint(data: &Path, request: &TokenRequest) -> Result<SecretString, Failure> {
    data_folder::check(data)?;
    let (roles, bodies) = (request.roles(), &request.bodies);
    process::mint_in(data, &request.subject, &roles, bodies, request.lifetime).map_err(explain)
}

/// Brings the database up to date: the one that is configured, else the data folder's.
pub(crate) async fn migrate(data: &Path) -> Result<(), Failure> {
    let settings = Settings::private(data).with_environment()?;
    let _folder = match settings.database_url {
        Some(_) => None,
        None => Some(DataFolder::open(data)?),
    };
    process::migrate(&settings).await.map_err(explain)
}

/// The id of a document in a list of trusted ones.
pub(crate) fn document_id(document: &str) -> String {
    api::graphql::trusted::id_of(document)
}

/// The key that signs the log of events of a data folder.
pub(crate) fn checkpoint_key(data: &Path) -> Result<tlog::SigningKey, Failure> {
    process::checkpoint_key(data).map_err(explain)
}

/// A database whose log of events is to be looked at.
pub(crate) struct Log {
    /// The database.
    pub(crate) database: api::app::DatabaseConnection,
    /// The key that is configured, else the data folder's.
    pub(crate) key: Option<tlog::VerifierKey>,
}

/// Opens the database that is configured, else the data folder's, and changes nothing in it.
pub(crate) async fn open_log(data: &Path, with_key: bool) -> Result<Log, Failure> {
    let settings = Settings::private(data).with_environment()?;
    if settings.database_url.is_none() {
        data_folder::check(data)?;
    }
    let key = match &settings.checkpoint_key {
        _ if !with_key => None,
        Some(key) => Some(configured_key(key)?),
        None if process::checkpoint_key_file(data).is_file() => Some(checkpoint_key(data)?),
        None => {
            let hint = "name it with --key, or its data folder with --data";
            return Err(Failure::new("there is no key to verify checkpoints with").hint(hint));
        }
    };
    let database = process::open_as_it_is(&settings).await.map_err(explain)?;
    Ok(Log {
        database,
        key: key.map(|key| key.verifier().clone()),
    })
}

fn configured_key(setting: &SecretString) -> Result<tlog::SigningKey, Failure> {
    api::checkpoints::key::configured(setting.expose_secret())
        .map_err(|error| Failure::new(format!("MUNIMENT_CHECKPOINT_KEY: {error}")))
}

/// The API's schema as SDL.
pub(crate) fn schema() -> String {
    api::graphql::sdl()
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn explain(error: process::StartError) -> Failure {
    let hint = match &error {
        process::StartError::Listen(_, error) => match error.kind() {
            ErrorKind::AddrInUse => {
                Some("another program has the address: stop it, or name another one with --listen")
            }
            ErrorKind::PermissionDenied => {
                Some("ports below 1024 need privileges: name another one with --listen")
            }
            ErrorKind::AddrNotAvailable => {
                Some("this machine has no such address: name another one with --listen")
            }
            _ => None,
        },
        process::StartError::Signatures(_) => Some(signatures::REPAIR),
        process::StartError::Database(text) if text.contains("full") => {
            Some("the disk is full: make room, then run the same command again; nothing is lost")
        }
        process::StartError::Folder { error, .. } if error.kind() == ErrorKind::StorageFull => {
            Some("the disk is full: make room, then run the same command again; nothing is lost")
        }
        _ => None,
    };
    let failure = Failure::new(error.to_string());
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
