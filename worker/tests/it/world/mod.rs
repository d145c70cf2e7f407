//! Everything a worker needs, made in one line: an object store over a temporary folder, a queue,
//! and an API whose jobs a test writes down.

mod api;
mod bag;
mod scanner;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use contract::messages::JobMessage;
use contract::{JobId, VersionId};
use embedded::objects::ObjectServer;
use embedded::queue::MemoryQueue;
use runtime::aws::{Access, Keys};
use runtime::clock::SystemClock;
use runtime::queue::{Depth, Outgoing, Queue};
use runtime::s3::{S3Settings, client};
use runtime::shutdown::{Drained, Shutdown};
use tempfile::TempDir;
use uuid::Uuid;
use worker::checks::antivirus::{NoEngine, Scanner};
use worker::client::{CheckToRun, CheckWork, ObjectLocation, Work};
use worker::{Config, Worker};

pub(crate) use api::{FakeApi, Job, Status};
pub(crate) use bag::Bag;
pub(crate) use scanner::{Down, Infected, PanicsOnce, Trusting, Waits};

/// What no test should take.
pub(crate) const LONG: Duration = Duration::from_secs(30);

pub(crate) struct World {
    pub(crate) s3: aws_sdk_s3::Client,
    /// Where the object store is.
    pub(crate) endpoint: String,
    pub(crate) api: Arc<FakeApi>,
    pub(crate) queue: Arc<MemoryQueue>,
    pub(crate) config: Config,
    pub(crate) scanner: Arc<dyn Scanner>,
    folder: TempDir,
    store: Shutdown,
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Shutdown::new();
        let keys = keys();
        let listen = ([127, 0, 0, 1], 0).into();
        let server = ObjectServer::start(folder.path(), listen, &keys, &store)
            .await
            .unwrap();
        let s3 = s3_client(&server.endpoint()).await;
        for bucket in ["incoming", "records", "quarantine", "exports"] {
            s3.create_bucket().bucket(bucket).send().await.unwrap();
        }
        Self {
            s3,
            endpoint: server.endpoint(),
            api: Arc::default(),
            queue: Arc::new(MemoryQueue::new(Arc::new(SystemClock), 1_000)),
            config: config(),
            scanner: Arc::new(NoEngine),
            folder,
            store,
        }
    }

    /// Stores bytes. Answers where they are, with their `ETag`.
    pub(crate) async fn put(&self, bucket: &str, key: &str, bytes: &[u8]) -> ObjectLocation {
        let put = self.s3.put_object().bucket(bucket).key(key);
        let body = ByteStream::from(bytes.to_vec());
        let answer = put.body(body).send().await.unwrap();
        ObjectLocation {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            etag: answer.e_tag,
        }
    }

    /// The bytes that are stored there, if any are.
    pub(crate) async fn get(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        let get = self.s3.get_object().bucket(bucket).key(key);
        let answer = get.send().await.ok()?;
        Some(answer.body.collect().await.unwrap().to_vec())
    }

    /// How many uploads were begun and neither completed nor aborted. The embedded server keeps
    /// each in a folder of its own, and does not list them.
    pub(crate) fn unfinished_uploads(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("uploads"))
            .unwrap()
            .count()
    }

    /// Writes down a job and sends its message.
    pub(crate) async fn job(&self, number: u128, work: Work) -> JobId {
        let job = JobId(Uuid::from_u128(number));
        self.api.add(job, work);
        self.announce(job).await;
        job
    }

    /// Sends the message of a job.
    pub(crate) async fn announce(&self, job: JobId) {
        let message = JobMessage {
            job_id: job,
            traceparent: None,
        };
        self.say(&message.encode()).await;
    }

    pub(crate) async fn say(&self, body: &str) {
        let message = Outgoing {
            body: body.to_owned(),
            group: None,
        };
        self.queue.send(&[message]).await.unwrap();
    }

    /// A check of the given bytes, which are stored.
    pub(crate) async fn check(&self, number: u128, name: &str, bytes: &[u8]) -> CheckWork {
        let version = VersionId(Uuid::from_u128(number));
        let object = self.put("incoming", &version.to_string(), bytes).await;
        CheckWork {
            file_name: name.to_owned(),
            size: bytes.len() as u64,
            sha256: sha256(bytes),
            object,
            checks: ["CHECKSUM", "ANTIVIRUS", "FORMAT"]
                .map(|kind| CheckToRun {
                    kind: kind.to_owned(),
                    run: 1,
                })
                .into(),
        }
    }

    pub(crate) fn worker(&self) -> Worker {
        self.worker_of(self.queue.clone())
    }

    pub(crate) fn worker_of(&self, queue: Arc<dyn Queue>) -> Worker {
        Worker::with_api(
            self.config.clone(),
            self.api.clone(),
            queue,
            self.s3.clone(),
            self.scanner.clone(),
            pronom::Signatures::builtin(),
            Arc::new(SystemClock),
        )
    }

    /// Lets a worker work until `done`, then stops it. Answers what is left in the queue.
    pub(crate) async fn work_until(&self, done: impl Fn(&FakeApi) -> bool) -> Depth {
        let shutdown = Shutdown::new();
        let worker = self.worker();
        let stop = async {
            let waited = tokio::time::timeout(LONG, self.api.until(done)).await;
            shutdown.begin();
            waited
        };
        let ((), waited) = tokio::join!(worker.run(&shutdown), stop);
        assert!(waited.is_ok(), "it never came: {:#?}", self.api);
        assert_eq!(shutdown.drain(LONG).await, Drained::Cleanly);
        self.queue.depth().await.unwrap()
    }

    /// Lets a worker work until every job has ended.
    pub(crate) async fn work(&self) -> Depth {
        self.work_until(FakeApi::all_ended).await
    }

    /// Forgets that the jobs were done, as if no report had arrived, and lets them run again.
    pub(crate) async fn work_again(&self) -> Depth {
        for job in self.api.forget() {
            self.announce(job).await;
        }
        self.work().await
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.store.begin();
        self.store.hard().cancel();
    }
}

fn keys() -> Keys {
    Keys {
        access_key: "muniment".to_owned(),
        secret_key: "not a secret".into(),
    }
}

pub(crate) async fn s3_client(endpoint: &str) -> aws_sdk_s3::Client {
    let access = Access {
        endpoint: Some(endpoint.to_owned()),
        keys: Some(keys()),
        ..Access::default()
    };
    let path_style = true;
    client(&S3Settings {
        access,
        path_style,
        kms_key: None,
    })
    .await
}

fn config() -> Config {
    let mut config = Config {
        receive_wait: Duration::from_millis(20),
        lease: Duration::from_secs(20),
        grace: Duration::from_secs(5),
        ..Config::default()
    };
    config.read.retry.first = Duration::from_millis(1);
    config.export.progress_every = Duration::from_millis(5);
    config
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(bytes))
}

pub(crate) fn sha512(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha512};
    hex::encode(Sha512::digest(bytes))
}

/// Bytes that differ from place to place.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32).to_le_bytes()[0]
    })
    .take(length)
    .collect()
}
