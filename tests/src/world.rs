//! A running system of a test's own.

use std::{path::Path, time::Duration};

use api::auth::Role;
use muniment::{Settings, System};
use runtime::secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::Client;

/// A system with a data folder and a database of its own.
pub struct World {
    system: System,
    folder: TempDir,
    database: Option<SecretString>,
}

impl World {
    /// Starts one with the defaults.
    pub async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// Starts one with other settings.
    pub async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let database = testdb::postgres().await.map(Into::into);
        Self::over(folder, database, change).await
    }

    /// Stops the system in order and starts another over the same folder and database.
    pub async fn again(self, change: impl FnOnce(&mut Settings)) -> Self {
        self.system.shutdown().await;
        Self::over(self.folder, self.database, change).await
    }

    async fn over(
        folder: TempDir,
        database: Option<SecretString>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let mut settings = Settings::over(folder.path());
        // Nothing here needs the pace of production.
        settings.worker.receive_wait = Duration::from_millis(500);
        settings.database_url.clone_from(&database);
        change(&mut settings);
        let system = System::start(settings).await.expect("the system starts");
        Self {
            system,
            folder,
            database,
        }
    }

    /// The system.
    pub fn system(&self) -> &System {
        &self.system
    }

    /// Its data folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A client without a token.
    pub fn anonymous(&self) -> Client {
        Client::new(self.system.api_url(), None)
    }

    /// A client of somebody with one role in some bodies.
    pub fn client(&self, subject: &str, role: Role, bodies: &[&str]) -> Client {
        self.client_for(subject, role, bodies, Duration::from_hours(1))
    }

    /// The same, with a token that ends.
    pub fn client_for(
        &self,
        subject: &str,
        role: Role,
        bodies: &[&str],
        valid_for: Duration,
    ) -> Client {
        let bodies: Vec<String> = bodies.iter().map(|&body| body.to_owned()).collect();
        let token = self
            .system
            .token(subject, &[role], &bodies, valid_for)
            .expect("a token is minted");
        Client::new(
            self.system.api_url(),
            Some(token.expose_secret().to_owned()),
        )
    }

    /// A contributor of the default collection's body.
    pub fn contributor(&self) -> Client {
        self.client("connie", Role::Contributor, &["LOCAL"])
    }

    /// An archivist.
    pub fn archivist(&self) -> Client {
        self.client("archie", Role::Archivist, &[])
    }

    /// An admin.
    pub fn admin(&self) -> Client {
        self.client("ada", Role::Admin, &[])
    }

    /// A reader of the default collection's body.
    pub fn reader(&self) -> Client {
        self.client("rita", Role::Reader, &["LOCAL"])
    }

    /// A worker.
    pub fn worker(&self) -> Client {
        self.client("worker:test", Role::Worker, &[])
    }

    /// Stops the system in order, and keeps its folder for as long as the answer lives.
    pub async fn stop(self) -> TempDir {
        self.system.shutdown().await;
        self.folder
    }
}

/// The SHA-256 of bytes, as clients declare it.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
