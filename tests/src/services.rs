//! Services that we did not write, and our own processes over them: PostgreSQL, S3 and SQS (`ministack`),
//! clamd, any number of `muniment-api` and `muniment-worker`.
//!
//! Always: everything ends with the test; what is not installed is said, and the test skipped.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use api::auth::Role;
use aws_sdk_s3::types::{
    Event, EventBridgeConfiguration, NotificationConfiguration,
    QueueConfiguration as NotificationQueue, TopicConfiguration,
};
use aws_sdk_sqs::types::QueueAttributeName;
use runtime::{
    aws::{Access, Keys},
    s3::{self, S3Settings},
    secrecy::ExposeSecret as _,
};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    AUDIENCE, Client, Process,
    others::{start_clamd_process, start_others},
    process::{free_port, listens},
    served::program,
};

/// PostgreSQL, S3, SQS and clamd, with a database, buckets and queues of one test's own.
pub struct Services {
    folder: TempDir,
    database: String,
    cluster: testdb::Cluster,
    aws: String,
    clamd: SocketAddr,
    processes: Vec<Process>,
    sqs: aws_sdk_sqs::Client,
    s3: aws_sdk_s3::Client,
    /// What the names of its buckets and queues begin with.
    prefix: String,
    settings: Vec<(For, &'static str, String)>,
    issuer: Option<String>,
}

/// Which programs a setting is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// Both.
    Both,
    /// `muniment-api`.
    Api,
    /// `muniment-worker`.
    Worker,
}

/// By what way S3 tells of uploads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// S3 sends to the queue.
    Queue,
    /// S3 publishes in a topic of SNS, which the queue subscribes to.
    Topic,
    /// S3 tells `EventBridge`, and a rule has the queue as its target.
    EventBridge,
}

/// The buckets of a test.
const BUCKETS: [&str; 4] = ["incoming", "records", "quarantine", "exports"];

impl Services {
    /// Starts all of them, or takes those that `MUNIMENT_TEST_SHARED` names; `None` where one is not installed,
    /// which is said.
    pub async fn start() -> Option<Self> {
        match Self::shared_by("MUNIMENT_TEST_SHARED").await {
            Some(shared) => Some(shared),
            None => Self::start_alone().await,
        }
    }

    /// Starts all of them, for a test that stops one.
    pub async fn start_alone() -> Option<Self> {
        Self::start_with(testdb::Cluster::start).await
    }

    /// Those that the end-to-end tests are to use; `None`: the embedded ones.
    pub async fn shared() -> Option<Self> {
        Self::shared_by("MUNIMENT_TEST_SERVICES").await
    }

    /// Those that all tests of a run share (`tests/src/bin/services.rs` starts them), with a database, buckets and
    /// queues of this test's own.
    async fn shared_by(name: &str) -> Option<Self> {
        let folder = PathBuf::from(std::env::var_os(name)?);
        let read = |name: &str| {
            let text = std::fs::read_to_string(folder.join(name));
            text.expect("the services have been started")
                .trim()
                .to_owned()
        };
        let clamd = read("clamd").parse().expect("an address");
        let cluster = testdb::Cluster::of_the_run().expect("tests/run starts PostgreSQL too");
        let own = tempfile::tempdir().expect("a temporary folder");
        let prefix = format!("t{}-", &hex::encode(rand::random::<[u8; 8]>()));
        Some(Self::assemble(own, cluster, read("aws"), clamd, Vec::new(), prefix).await)
    }

    /// The same, with PostgreSQL started by the caller.
    pub async fn start_with(
        cluster: impl FnOnce() -> testdb::Cluster + Send + 'static,
    ) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (aws, clamd, processes) = start_others(folder.path())?;
        let cluster = tokio::task::spawn_blocking(cluster)
            .await
            .expect("PostgreSQL starts");
        Some(Self::assemble(folder, cluster, aws, clamd, processes, String::new()).await)
    }

    async fn assemble(
        folder: TempDir,
        cluster: testdb::Cluster,
        aws: String,
        clamd: SocketAddr,
        processes: Vec<Process>,
        prefix: String,
    ) -> Self {
        let access = Access {
            region: Some("us-east-1".into()),
            endpoint: Some(aws.clone()),
            keys: Some(Keys {
                access_key: "test".into(),
                secret_key: "test".to_owned().into(),
            }),
            ..Access::default()
        };
        let services = Self {
            database: cluster.create().await,
            folder,
            cluster,
            clamd,
            processes,
            sqs: aws_sdk_sqs::Client::new(&access.load().await),
            s3: s3::client(&S3Settings {
                access,
                path_style: true,
                kms_key: None,
            })
            .await,
            aws,
            prefix,
            settings: Vec::new(),
            issuer: None,
        };
        for bucket in BUCKETS {
            let made = services.s3.create_bucket().bucket(services.bucket(bucket));
            made.send().await.expect("a bucket is made");
        }
        services
    }

    /// The name of a bucket.
    pub fn bucket(&self, place: &str) -> String {
        format!("{}{place}", self.prefix)
    }

    /// Has processes that are started from now on send their traces there.
    pub fn trace_to(&mut self, collector: String) {
        self.set(For::Both, "OTEL_EXPORTER_OTLP_ENDPOINT", collector);
        self.set(For::Both, "OTEL_BSP_SCHEDULE_DELAY", "100".to_owned());
    }

    /// Has processes that are started from now on run with this setting.
    pub fn set(&mut self, programs: For, name: &'static str, value: String) {
        self.settings
            .retain(|(of, known, _)| (*of, *known) != (programs, name));
        self.settings.push((programs, name, value));
    }

    /// Has processes that are started from now on run without these settings.
    pub fn unset(&mut self, names: &[&str]) {
        self.settings.retain(|(_, name, _)| !names.contains(name));
    }

    /// Has processes that are started from now on take their tokens, and those of their clients, from a provider.
    pub fn identify_by(&mut self, issuer: String) {
        self.issuer = Some(issuer);
    }

    /// Where each process writes what it says.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// PostgreSQL, to be restarted.
    pub fn cluster(&self) -> &testdb::Cluster {
        &self.cluster
    }

    /// Has processes that are started from now on reach the database at a port of this machine.
    pub fn reach_database_at(&mut self, port: u16) {
        let name = self.database.split('/').nth(3).unwrap_or_default();
        let name = name.split('?').next().unwrap_or_default();
        self.database = format!("postgres://postgres@127.0.0.1:{port}/{name}");
    }

    /// The address of S3 and SQS.
    pub fn aws(&self) -> &str {
        &self.aws
    }

    /// Makes a queue; answers its URL.
    pub async fn queue(&self, name: &str) -> String {
        let name = format!("{}{name}", self.prefix);
        let made = self.sqs.create_queue().queue_name(name).send().await;
        let url = made.expect("a queue is made").queue_url;
        url.expect("a queue has a URL")
    }

    /// `kill -9` of clamd, which was started last.
    pub fn stop_clamd(&mut self) {
        self.processes.pop();
    }

    /// `kill -9` of S3 and SQS, which were started first.
    pub fn stop_aws(&mut self) {
        if let Some(aws) = self.processes.first_mut() {
            aws.kill();
        }
    }

    /// Takes away the token that workers have.
    pub fn forget_worker_token(&self) {
        std::fs::remove_file(self.worker_token()).expect("workers have a token");
    }

    fn worker_token(&self) -> PathBuf {
        self.folder.path().join("worker-token")
    }

    /// clamd.
    pub fn clamd(&self) -> Option<&Process> {
        self.processes.get(1)
    }

    /// Starts clamd again; it answers when it has read its signatures.
    pub fn start_clamd(&mut self) {
        let clamd = start_clamd_process(self.folder.path(), self.clamd.port());
        self.processes.push(clamd);
    }

    /// SQS, to look behind the curtain.
    pub fn sqs(&self) -> &aws_sdk_sqs::Client {
        &self.sqs
    }

    /// S3, to look behind the curtain.
    pub fn s3(&self) -> &aws_sdk_s3::Client {
        &self.s3
    }

    /// The keys of a bucket.
    pub async fn keys(&self, bucket: &str) -> BTreeSet<String> {
        let mut pages = self
            .s3
            .list_objects_v2()
            .bucket(bucket)
            .into_paginator()
            .send();
        let mut keys = BTreeSet::new();
        while let Some(page) = pages.next().await {
            let page = page.expect("the bucket is listed");
            keys.extend(
                page.contents()
                    .iter()
                    .filter_map(|object| object.key.clone()),
            );
        }
        keys
    }

    /// The bytes of an object; `None`: it cannot be read.
    pub async fn read(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        let answer = self
            .s3
            .get_object()
            .bucket(bucket)
            .key(key)
            .send()
            .await
            .ok()?;
        Some(answer.body.collect().await.ok()?.to_vec())
    }

    /// Has S3 announce uploads in a queue, by one way and no other.
    pub async fn announce_uploads(&self, queue: &str, way: Way) {
        let arn = self.may_be_told(queue).await;
        let name = format!("{}uploads", self.prefix);
        let all = NotificationConfiguration::builder();
        let configuration = match way {
            Way::Queue => {
                let to = NotificationQueue::builder()
                    .queue_arn(arn)
                    .events(Event::S3ObjectCreated);
                all.queue_configurations(to.build().expect("a configuration"))
            }
            Way::Topic => {
                let topic = format!("arn:aws:sns:us-east-1:000000000000:{name}");
                self.sns(&[("Action", "CreateTopic"), ("Name", &name)])
                    .await;
                let subscribe = [
                    ("Action", "Subscribe"),
                    ("TopicArn", &topic),
                    ("Protocol", "sqs"),
                    ("Endpoint", &arn),
                ];
                self.sns(&subscribe).await;
                let to = TopicConfiguration::builder()
                    .topic_arn(topic)
                    .events(Event::S3ObjectCreated);
                all.topic_configurations(to.build().expect("a configuration"))
            }
            Way::EventBridge => {
                let pattern = json!({
                    "source": ["aws.s3"],
                    "detail-type": ["Object Created"],
                    "detail": {"bucket": {"name": [self.bucket("incoming")]}},
                });
                let rule = json!({"Name": name, "EventPattern": pattern.to_string()});
                self.events("PutRule", rule).await;
                let target = json!({"Rule": name, "Targets": [{"Id": "uploads", "Arn": arn}]});
                self.events("PutTargets", target).await;
                all.event_bridge_configuration(EventBridgeConfiguration::builder().build())
            }
        };
        self.s3
            .put_bucket_notification_configuration()
            .bucket(self.bucket("incoming"))
            .notification_configuration(configuration.build())
            .send()
            .await
            .expect("notifications are set up");
    }

    /// Lets the services that tell of uploads send to a queue; answers its ARN.
    async fn may_be_told(&self, queue: &str) -> String {
        let attribute = QueueAttributeName::QueueArn;
        let attributes = self
            .sqs
            .get_queue_attributes()
            .queue_url(queue)
            .attribute_names(attribute.clone())
            .send()
            .await
            .expect("the queue has attributes")
            .attributes
            .unwrap_or_default();
        let arn = attributes[&attribute].clone();
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": {"Service": ["s3.amazonaws.com", "sns.amazonaws.com", "events.amazonaws.com"]},
            "Action": "sqs:SendMessage",
            "Resource": arn,
        }]});
        self.sqs
            .set_queue_attributes()
            .queue_url(queue)
            .attributes(QueueAttributeName::Policy, policy.to_string())
            .send()
            .await
            .expect("they may send to the queue");
        arn
    }

    async fn sns(&self, form: &[(&str, &str)]) {
        let mut all = vec![("Version", "2010-03-31")];
        all.extend(form);
        let url = reqwest::Url::parse_with_params(&self.aws, &all).expect("an address");
        let form = url.query().unwrap_or_default().to_owned();
        let kind = "application/x-www-form-urlencoded";
        let headers =
            |request: reqwest::RequestBuilder| request.header("Content-Type", kind).body(form);
        self.ask("sns", headers).await;
    }

    async fn events(&self, operation: &str, body: serde_json::Value) {
        let target = format!("AWSEvents.{operation}");
        let headers = |request: reqwest::RequestBuilder| {
            let kind = "application/x-amz-json-1.1";
            let request = request.header("X-Amz-Target", target);
            request.header("Content-Type", kind).body(body.to_string())
        };
        self.ask("events", headers).await;
    }

    /// A request of another service of the emulator's, as its account, whose signature it does not check.
    async fn ask(
        &self,
        service: &str,
        made: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) {
        let signed = format!(
            "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host;x-amz-date, Signature={}",
            "0".repeat(64)
        );
        let request = reqwest::Client::new()
            .post(&self.aws)
            .header("Authorization", signed)
            .header("X-Amz-Date", "20260101T000000Z");
        let answer = made(request).send().await.expect("it answers");
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        assert!(status.is_success(), "{service}: {status}: {text}");
    }

    fn environment(&self, command: &mut Command, jobs: &str) {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", "us-east-1")
            .env("MUNIMENT_S3_ENDPOINT", &self.aws)
            .env("MUNIMENT_S3_PATH_STYLE", "true")
            .env("MUNIMENT_SQS_ENDPOINT", &self.aws)
            .env("MUNIMENT_QUEUE_JOBS", jobs);
    }

    /// The last word has what a test set.
    fn settings(&self, command: &mut Command, program: For) {
        for (programs, name, value) in &self.settings {
            if *programs == program || *programs == For::Both {
                command.env(name, value);
            }
        }
    }

    fn api_command(&self, listen: SocketAddr, jobs: &str) -> Command {
        let mut command = Command::new(program("muniment-api"));
        self.environment(&mut command, jobs);
        command
            .env("MUNIMENT_LISTEN", listen.to_string())
            .env("MUNIMENT_DATABASE_URL", &self.database)
            .env("MUNIMENT_CHECKPOINT_KEY", self.checkpoint_key());
        match &self.issuer {
            Some(issuer) => command
                .env("MUNIMENT_OIDC_ISSUER", issuer)
                .env("MUNIMENT_OIDC_AUDIENCE", AUDIENCE)
                // On a busy machine a transfer takes longer than the default allows its token.
                .env("MUNIMENT_OIDC_MAX_AGE", "10m")
                .env("MUNIMENT_OIDC_PLAIN_HTTP", "true"),
            None => command.env("MUNIMENT_TOKEN_KEY", self.token_key()),
        };
        self.settings(&mut command, For::Api);
        for bucket in BUCKETS {
            let setting = format!("MUNIMENT_BUCKET_{}", bucket.to_uppercase());
            command.env(setting, self.bucket(bucket));
        }
        command
    }

    /// Brings the database up to date, by the program.
    pub fn migrate(&self) {
        // The first token makes the key.
        if self.issuer.is_none() {
            self.token("admin", Role::Admin, &[]);
        }
        muniment::process::checkpoint_key(&self.data()).expect("a key is made");
        let mut command = self.api_command(SocketAddr::from(([127, 0, 0, 1], 0)), "http://-/-");
        let done = command.arg("migrate").output().expect("it starts");
        assert!(done.status.success(), "{}", crate::stderr(&done));
    }

    /// Starts an API that announces jobs in `jobs`, and waits until it is ready.
    pub fn api(&self, name: &str, jobs: &str) -> (Process, String) {
        let port = free_port();
        let mut process = self.api_at(name, port, jobs);
        process.wait_for(|| listens(port));
        (process, format!("http://127.0.0.1:{port}/graphql"))
    }

    /// Starts an API at a port, and does not wait.
    pub fn api_at(&self, name: &str, port: u16, jobs: &str) -> Process {
        let listen = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = self.api_command(listen, jobs);
        Process::start(name, self.folder.path(), port, &mut command)
    }

    /// Starts a worker that takes jobs from `jobs`.
    pub fn worker(&self, name: &str, api: &str, jobs: &str, uploads: Option<&str>) -> Process {
        let mut process = self.worker_without_waiting(name, api, jobs, uploads);
        let port = process.port;
        process.wait_for(|| listens(port));
        process
    }

    /// The same, and does not wait.
    pub fn worker_without_waiting(
        &self,
        name: &str,
        api: &str,
        jobs: &str,
        uploads: Option<&str>,
    ) -> Process {
        let port = free_port();
        let mut command = Command::new(program("muniment-worker"));
        self.environment(&mut command, jobs);
        command
            .env("MUNIMENT_API_URL", api)
            .env("MUNIMENT_WORKER_NAME", name)
            .env("MUNIMENT_WORKER_LISTEN", format!("127.0.0.1:{port}"))
            .env("MUNIMENT_CLAMD", self.clamd.to_string())
            .env("MUNIMENT_CLAMD_LIMIT", "2047MiB");
        if let Some(uploads) = uploads {
            command.env("MUNIMENT_QUEUE_UPLOADS", uploads);
        }
        if let Some(issuer) = &self.issuer {
            command
                .env("MUNIMENT_OIDC_ISSUER", issuer)
                .env("MUNIMENT_OIDC_CLIENT_ID", "worker")
                .env("MUNIMENT_OIDC_CLIENT_SECRET", "worker-secret")
                .env("MUNIMENT_OIDC_PLAIN_HTTP", "true");
        } else {
            let token = self.worker_token();
            if !token.exists() {
                std::fs::write(&token, self.token("worker:test", Role::Worker, &[]))
                    .expect("a token is kept");
            }
            command.env("MUNIMENT_TOKEN_FILE", token);
        }
        self.settings(&mut command, For::Worker);
        Process::start(name, self.folder.path(), port, &mut command)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn token_key(&self) -> PathBuf {
        self.data().join("identity/token-key.p8")
    }

    /// Runs `muniment verify-log` over the database.
    pub fn verify_log(&self) -> std::process::Output {
        Command::new(program("muniment"))
            .arg("verify-log")
            .arg("--data")
            .arg(self.data())
            .arg("--key")
            .arg(self.checkpoint_key())
            .env("MUNIMENT_DATABASE_URL", &self.database)
            .output()
            .expect("muniment starts")
    }

    fn checkpoint_key(&self) -> PathBuf {
        muniment::process::checkpoint_key_file(&self.data())
    }

    /// A token that the APIs take.
    pub fn token(&self, subject: &str, role: Role, bodies: &[&str]) -> String {
        self.token_for(subject, role, bodies, Duration::from_hours(1))
    }

    /// The same, for so long.
    pub fn token_for(
        &self,
        subject: &str,
        role: Role,
        bodies: &[&str],
        valid_for: Duration,
    ) -> String {
        let bodies: Vec<String> = bodies.iter().map(|&body| body.to_owned()).collect();
        muniment::process::mint_in(&self.data(), subject, &[role], &bodies, valid_for)
            .expect("a token is minted")
            .expose_secret()
            .to_owned()
    }

    /// A client of one of the APIs.
    pub fn client(&self, url: &str, subject: &str, role: Role, bodies: &[&str]) -> Client {
        Client::new(url.to_owned(), Some(self.token(subject, role, bodies)))
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        // The last that was started ends first.
        while self.processes.pop().is_some() {}
    }
}
