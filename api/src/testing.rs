//! A small archive for tests of services: its own database, clock and ids, and an object store that is only
//! ever signed for.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::DateTime;
use entity::version::Place;
use migration::{Migrator, MigratorTrait as _};
use runtime::{
    aws::{Access, Keys},
    clock::ManualClock,
    ids::SeededIds,
    s3::{S3Settings, client},
};
use tempfile::TempDir;

use crate::{
    App, Limits, Parts,
    app::connect,
    auth::{Actor, Caller, Credential, Role},
    collections::{self, Collection, Rules},
    object_store::{Buckets, ObjectStore},
    records::{self, Record},
    reference,
    transfers::{self, Transfer},
    versions::{self, NewFile, Status, Version},
};

/// A key of its own.
pub(crate) fn checkpoint_key() -> tlog::SigningKey {
    let der = tlog::SigningKey::generate().expect("randomness");
    tlog::SigningKey::from_pkcs8(&der).expect("a key")
}

/// An archive with one collection, `WO/95` of the body `OWN`.
pub(crate) struct World {
    /// The handles.
    pub(crate) app: App,
    /// What time it is.
    pub(crate) clock: Arc<ManualClock>,
    /// The collection.
    pub(crate) collection: Collection,
    /// What the object store was told to delete, by path, where it answers.
    pub(crate) deleted: Arc<Mutex<Vec<String>>>,
    postgres: Option<String>,
    url: String,
    _folder: TempDir,
}

impl World {
    /// A new one.
    pub(crate) async fn new() -> Self {
        Self::over("http://127.0.0.1:9").await
    }

    /// One over an object store that answers, and has nothing.
    pub(crate) async fn with_empty_store() -> Self {
        Self::with_store(|_| "<ListBucketResult/>".to_owned()).await
    }

    /// With an object store that has whatever it is asked for, of a size.
    pub(crate) async fn with_full_store(size: i64) -> Self {
        Self::with_store(move |key| {
            format!("<ListBucketResult><Contents><Key>{key}</Key><Size>{size}</Size><ETag>\"e1\"</ETag></Contents></ListBucketResult>")
        })
        .await
    }

    /// With an object store that answers every listing so.
    async fn with_store(listing: impl Fn(&str) -> String + Clone + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("its address");
        let deleted = Arc::<Mutex<Vec<String>>>::default();
        let noted = deleted.clone();
        let answer = async move |method: axum::http::Method, uri: axum::http::Uri| {
            if method == axum::http::Method::DELETE {
                let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
                noted.push(uri.path().to_owned());
            }
            let mut asked = uri.query().unwrap_or_default().split('&');
            let key = asked.find_map(|part| part.strip_prefix("prefix="));
            listing(key.unwrap_or_default())
        };
        let shutdown = runtime::shutdown::Shutdown::new();
        crate::server::serve(
            listener,
            axum::Router::new().fallback(answer),
            std::time::Duration::from_mins(1),
            &shutdown,
        )
        .expect("it serves");
        Self {
            deleted,
            ..Self::over(&format!("http://{address}")).await
        }
    }

    /// One over an object store that takes connections and never answers.
    pub(crate) async fn over_a_silent_store() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("its address");
        let silent = axum::Router::new().fallback(std::future::pending::<()>);
        let shutdown = runtime::shutdown::Shutdown::new();
        crate::server::serve(
            listener,
            silent,
            std::time::Duration::from_mins(1),
            &shutdown,
        )
        .expect("it serves");
        Self::over(&format!("http://{address}")).await
    }

    async fn over(store: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let postgres = testdb::postgres().await;
        let url = postgres
            .clone()
            .unwrap_or_else(|| format!("sqlite://{}?mode=rwc", folder.path().join("db").display()));
        let database = connect(&url, 4).await.expect("the database opens");
        Migrator::up(&database, None)
            .await
            .expect("the tables are made");
        let clock = Arc::new(ManualClock::default());
        let settings = S3Settings {
            access: Access {
                region: Some("us-east-1".into()),
                endpoint: Some(store.into()),
                keys: Some(Keys {
                    access_key: "key".into(),
                    secret_key: "secret".to_owned().into(),
                }),
                attempts: NonZeroU32::MIN,
                ..Access::default()
            },
            path_style: true,
            kms_key: None,
        };
        let app = App::new(Parts {
            database,
            objects: ObjectStore::new(client(&settings).await, Buckets::with_prefix("test-")),
            clock: clock.clone(),
            ids: Arc::new(SeededIds::new(1)),
            limits: Limits::default(),
            checkpoint_key: Arc::new(checkpoint_key()),
            further_checks: ["OCR".to_owned()].into(),
        });
        let collection = make_collection(&app, "WO/95", "OWN").await;
        Self {
            app,
            clock,
            collection,
            deleted: Arc::default(),
            postgres,
            url,
            _folder: folder,
        }
    }

    /// Where the database is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Where the database is, if it is PostgreSQL.
    pub(crate) fn postgres_url(&self) -> Option<&str> {
        self.postgres.as_deref()
    }

    /// Another process over the same archive.
    pub(crate) fn another(&self, database: sea_orm::DatabaseConnection) -> App {
        App::new(Parts {
            database,
            objects: self.app.objects().clone(),
            clock: self.clock.clone(),
            ids: Arc::new(runtime::ids::SystemIds),
            limits: Limits::default(),
            checkpoint_key: Arc::clone(self.app.checkpoint_key()),
            further_checks: std::collections::BTreeSet::new(),
        })
    }

    /// A process over the same archive that was given another checkpoint key.
    pub(crate) fn with_another_key(&self) -> App {
        App::new(Parts {
            database: self.app.database().clone(),
            objects: self.app.objects().clone(),
            clock: self.clock.clone(),
            ids: Arc::new(runtime::ids::SystemIds),
            limits: Limits::default(),
            checkpoint_key: Arc::new(checkpoint_key()),
            further_checks: std::collections::BTreeSet::new(),
        })
    }

    /// A further collection.
    pub(crate) async fn collection(&self, code: &str, body: &str) -> Collection {
        make_collection(&self.app, code, body).await
    }

    /// A transfer that somebody opened in the collection.
    pub(crate) async fn transfer(&self, by: &Caller) -> Transfer {
        self.transfer_in(&self.collection, by).await
    }

    /// A transfer that somebody opened in a collection.
    pub(crate) async fn transfer_in(&self, collection: &Collection, by: &Caller) -> Transfer {
        let new = transfers::service::New {
            collection: collections::service::By::Id(collection.id.into()),
            title: "A transfer".into(),
            source: None,
        };
        transfers::service::open(&self.app, by, None, new)
            .await
            .expect("a transfer is opened")
    }

    /// A record of a transfer, in one version of that status.
    pub(crate) async fn record(
        &self,
        transfer: &Transfer,
        path: &str,
        status: Status,
    ) -> (Record, Version) {
        let unit = self.app.begin_internal().await.expect("a unit begins");
        let (id, version_id) = (unit.id(), unit.id());
        let payload_path = records::payload_path(path);
        let accepted = status == Status::Accepted;
        let record = Record {
            id,
            revision: 1,
            reference: reference::record(id, unit.now()),
            title: "A record".into(),
            description: String::new(),
            path: path.into(),
            path_key: records::path_key(&payload_path),
            payload_path,
            metadata: serde_json::json!({}),
            collection_id: transfer.collection_id,
            transfer_id: transfer.id,
            current_version_id: accepted.then_some(version_id),
            newest_version_id: version_id,
            newest_number: 1,
            newest_status: status,
            created_at: unit.now(),
        };
        let file = NewFile {
            file_name: records::last_step(path).to_owned(),
            size: 10,
            sha256: "ab".repeat(32),
            last_modified: None,
        };
        let version = Version {
            status,
            place: if accepted {
                Place::Records
            } else {
                Place::Incoming
            },
            sha512: accepted.then(|| "cd".repeat(64)),
            decided_at: accepted.then(|| unit.now()),
            ..versions::service::make(&unit, &record, version_id, 1, file, None)
        };
        records::store::insert_many(&unit, vec![record.clone()])
            .await
            .expect("a record is kept");
        versions::store::insert_many(&unit, vec![version.clone()])
            .await
            .expect("a version is kept");
        unit.commit().await.expect("it commits");
        (record, version)
    }

    /// An accepted record of a transfer.
    pub(crate) async fn accepted(&self, transfer: &Transfer, path: &str) -> Record {
        self.record(transfer, path, Status::Accepted).await.0
    }
}

async fn make_collection(app: &App, code: &str, body: &str) -> Collection {
    let new = collections::service::New {
        code: code.into(),
        title: "A collection".into(),
        description: String::new(),
        body: body.into(),
        rules: Rules::default(),
    };
    let admin = caller("admin", Role::Admin, &[]);
    collections::service::create(app, &admin, None, new)
        .await
        .expect("a collection is created")
}

/// Somebody.
pub(crate) fn caller(subject: &str, role: Role, bodies: &[&str]) -> Caller {
    Caller {
        actor: Actor {
            subject: subject.into(),
            name: None,
            roles: vec![role],
            bodies: bodies.iter().map(|&body| body.to_owned()).collect(),
            expires_at: DateTime::UNIX_EPOCH,
            credential: Credential::Embedded,
        },
        request_id: "request".into(),
    }
}

/// An archivist called `arch`.
pub(crate) fn archivist() -> Caller {
    caller("arch", Role::Archivist, &[])
}

/// A contributor of the body `OWN`.
pub(crate) fn contributor(subject: &str) -> Caller {
    caller(subject, Role::Contributor, &["OWN"])
}

/// A reader of the body `OWN`.
pub(crate) fn reader(subject: &str) -> Caller {
    caller(subject, Role::Reader, &["OWN"])
}
