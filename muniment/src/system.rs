//! The whole system in this process: API, worker, object store, queue and database over one
//! data folder.
//!
//! Owns putting the parts together and taking them apart. Does not own any of the parts.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use runtime::secrecy::SecretString;

use crate::data_folder::{self, DataFolder};
use crate::failure::Failure;

/// What to start, and where.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The data folder.
    pub(crate) data: PathBuf,
    /// Where the API listens. Port 0 takes a free one.
    pub(crate) listen: SocketAddr,
}

impl Settings {
    /// For a command that talks to the system itself: a free port on the loopback interface.
    pub(crate) fn private(data: &Path) -> Self {
        Self {
            data: data.to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        }
    }
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

/// A running system.
#[derive(Debug)]
pub(crate) struct System {
    folder: DataFolder,
}

impl System {
    /// Starts everything; returns when the API answers.
    #[expect(clippy::unused_async, reason = "the parts are started here")]
    pub(crate) async fn start(settings: Settings) -> Result<Self, Failure> {
        let folder = DataFolder::open(&settings.data)?;
        tracing::debug!(listen = %settings.listen, data = %folder.path().display(), "starting");
        Err(not_built())
    }

    /// The GraphQL endpoint.
    pub(crate) fn api_url(&self) -> String {
        format!("file://{}", self.folder.path().display())
    }

    /// A token that this system takes.
    pub(crate) fn token(&self, request: &TokenRequest) -> Result<SecretString, Failure> {
        mint(self.folder.path(), request)
    }

    /// Stops taking work, finishes or hands back what is in hand, and stops the parts in turn.
    #[expect(clippy::unused_async, reason = "the parts are drained here")]
    pub(crate) async fn shutdown(self) {}
}

/// A token signed with the key of a data folder, which a running system may be using.
pub(crate) fn mint(data: &Path, request: &TokenRequest) -> Result<SecretString, Failure> {
    data_folder::check(data)?;
    tracing::debug!(subject = request.subject, roles = ?request.roles, bodies = ?request.bodies,
        lifetime = ?request.lifetime, "minting");
    Err(not_built())
}

/// Brings the database up to date: the one that is configured, else the data folder's.
#[expect(clippy::unused_async, reason = "the database is reached here")]
pub(crate) async fn migrate(data: &Path) -> Result<(), Failure> {
    let _folder = DataFolder::open(data)?;
    Err(not_built())
}

/// The API's schema as SDL.
pub(crate) fn schema() -> Result<String, Failure> {
    Err(not_built())
}

fn not_built() -> Failure {
    Failure::new("this build has no embedded system")
        .hint("use a running one with --server and --token")
}
