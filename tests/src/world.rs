//! A running system of a test's own: in this process, or as processes over real services.

use std::{path::Path, time::Duration};

use api::auth::Role;
use muniment::{Settings, System};
use runtime::{
    aws::{Access, Keys},
    s3::{self, S3Settings},
    secrecy::{ExposeSecret as _, SecretString},
};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::{Client, Process, Services};

/// A system with a data folder and a database of its own.
pub struct World {
    runs: Runs,
    folder: TempDir,
    database: Option<SecretString>,
}

enum Runs {
    /// In this process, with the embedded parts.
    Embedded(Box<System>),
    /// `muniment-api` and `muniment-worker` over services that all tests of a run share.
    Programs(Box<Programs>),
}

struct Programs {
    services: Services,
    url: String,
    _api: Process,
    worker: Mutex<Option<Process>>,
}

impl World {
    /// Starts one with the defaults: over real services where `tests/run` has started some
    /// (`MUNIMENT_TEST_SERVICES`), else with the embedded parts.
    pub async fn start() -> Self {
        match Services::shared().await {
            Some(services) => Self::over(services).await,
            None => Self::embedded().await,
        }
    }

    /// Starts one with the embedded parts, wherever the other tests run.
    pub async fn embedded() -> Self {
        Self::start_with(|_| ()).await
    }

    /// Starts one with the embedded parts and other settings.
    pub async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let database = testdb::postgres().await.map(Into::into);
        Self::embedded_over(folder, database, change).await
    }

    /// Stops an embedded system in order and starts another over the same folder and database.
    pub async fn again(self, change: impl FnOnce(&mut Settings)) -> Self {
        let Runs::Embedded(system) = self.runs else {
            panic!("this test begins with World::embedded()");
        };
        system.shutdown().await;
        Self::embedded_over(self.folder, self.database, change).await
    }

    async fn embedded_over(
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
            runs: Runs::Embedded(Box::new(system)),
            folder,
            database,
        }
    }

    async fn over(services: Services) -> Self {
        let jobs = services.queue("jobs").await;
        services.migrate();
        let (api, url) = services.api("api", &jobs);
        let worker = services.worker("worker", &url, &jobs, None);
        let admin = services.client(&url, "muniment", Role::Admin, &[]);
        // As the embedded default has it: nothing is there that scans in every run.
        let create = "mutation { createCollection(input: {code: \"DEFAULT\", title: \"Default\", body: \"LOCAL\", policy: {onNotScanned: WARN}}) { collection { id } } }";
        let created = admin.send(create, serde_json::json!({})).await;
        created.ok();
        Self {
            runs: Runs::Programs(Box::new(Programs {
                services,
                url,
                _api: api,
                worker: Mutex::new(Some(worker)),
            })),
            folder: tempfile::tempdir().expect("a temporary folder"),
            database: None,
        }
    }

    /// The system, where it is in this process: a test that needs it starts an embedded one.
    pub fn system(&self) -> &System {
        match &self.runs {
            Runs::Embedded(system) => system,
            Runs::Programs(_) => panic!("this test begins with World::embedded()"),
        }
    }

    /// Whether it runs over real services.
    pub fn is_real(&self) -> bool {
        matches!(self.runs, Runs::Programs(_))
    }

    /// The GraphQL endpoint.
    pub fn url(&self) -> String {
        match &self.runs {
            Runs::Embedded(system) => system.api_url(),
            Runs::Programs(programs) => programs.url.clone(),
        }
    }

    /// Nobody takes jobs any more.
    pub async fn stop_worker(&self) {
        match &self.runs {
            Runs::Embedded(system) => system.stop_worker().await,
            Runs::Programs(programs) => drop(programs.worker.lock().await.take()),
        }
    }

    /// The object store of an embedded system, for whoever has its keys: at its own address, or at that of somebody
    /// who stands before it.
    pub async fn s3(&self, before: Option<&str>) -> aws_sdk_s3::Client {
        let keys = std::fs::read_to_string(self.folder().join("identity/object-store.keys"));
        let keys = keys.expect("the keys of an embedded store");
        let mut keys = keys.lines().map(str::to_owned);
        let mut next = || keys.next().expect("a key in two halves");
        let own = || format!("http://{}", self.store());
        s3::client(&S3Settings {
            access: Access {
                region: Some("us-east-1".to_owned()),
                endpoint: Some(before.map_or_else(own, str::to_owned)),
                keys: Some(Keys {
                    access_key: next(),
                    secret_key: next().into(),
                }),
                ..Access::default()
            },
            path_style: true,
            kms_key: None,
        })
        .await
    }

    /// Where the object store of an embedded system listens.
    pub fn store(&self) -> String {
        let port = std::fs::read_to_string(self.folder().join("identity/object-store.port"));
        format!("127.0.0.1:{}", port.expect("a port").trim())
    }

    /// Its data folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A client without a token.
    pub fn anonymous(&self) -> Client {
        Client::new(self.url(), None)
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
        let token = match &self.runs {
            Runs::Embedded(system) => {
                let bodies: Vec<String> = bodies.iter().map(|&body| body.to_owned()).collect();
                let token = system.token(subject, &[role], &bodies, valid_for);
                token.expect("a token is minted").expose_secret().to_owned()
            }
            Runs::Programs(programs) => {
                let services = &programs.services;
                services.token_for(subject, role, bodies, valid_for)
            }
        };
        Client::new(self.url(), Some(token))
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
        if let Runs::Embedded(system) = self.runs {
            system.shutdown().await;
        }
        self.folder
    }
}

/// The SHA-256 of bytes, as clients declare it.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
