//! Services that we did not write, and our own processes over them: PostgreSQL, S3 and SQS (`ministack`),
//! clamd, any number of `muniment-api` and `muniment-worker`.
//!
//! Always: everything ends with the test; what is not installed is said, and the test skipped.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use api::auth::Role;
use aws_sdk_s3::types::{
    Event, NotificationConfiguration, QueueConfiguration as NotificationQueue,
};
use aws_sdk_sqs::types::QueueAttributeName;
use runtime::{
    aws::{Access, Keys},
    s3::{self, S3Settings},
    secrecy::ExposeSecret as _,
};
use tempfile::TempDir;

use crate::{Client, served::program};

/// How long a service may take to start.
const START: Duration = Duration::from_mins(1);
/// The EICAR test file as a signature of clamd's (type 0: any file, at any offset).
const SIGNATURE: &str = "Eicar-Test-Signature:0:*:58354f2150254041505b345c505a58353428505e2937434329377d2445494341522d5354414e444152442d414e544956495255532d544553542d46494c452124482b482a\n";

/// A process that ends with the test.
pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
    port: u16,
}

impl Process {
    /// Where it says what is not ready.
    pub fn readyz(&self) -> String {
        format!("http://127.0.0.1:{}/readyz", self.port)
    }

    fn start(name: &str, folder: &Path, port: u16, command: &mut Command) -> Self {
        let log = folder.join(format!("{name}.log"));
        let out = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log)
            .expect("a log can be written");
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("one more handle"))
            .stderr(out)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self {
            child,
            name: name.to_owned(),
            log,
            port,
        }
    }

    /// What it said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Asks it to stop, and waits until it has; answers whether it ended well.
    pub fn stop(&mut self) -> bool {
        let asked = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        assert!(asked.is_ok_and(|status| status.success()));
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be asked") {
                return status.success();
            }
            assert!(began.elapsed() < START, "{} does not stop", self.name);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn wait_for(&mut self, what: impl Fn() -> bool) {
        let began = Instant::now();
        while !what() {
            let ended = self.child.try_wait().expect("it can be asked");
            assert!(
                ended.is_none() && began.elapsed() < START,
                "{} does not start: {}",
                self.name,
                self.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(30).collect();
            for line in tail.into_iter().rev() {
                eprintln!("{}: {line}", self.name);
            }
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

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
    collector: Option<String>,
}

/// The buckets of a test.
const BUCKETS: [&str; 4] = ["incoming", "records", "quarantine", "exports"];

impl Services {
    /// Starts all of them; `None` where one is not installed, which is said.
    pub async fn start() -> Option<Self> {
        let Some(ministack) = std::env::var_os("MUNIMENT_TEST_MINISTACK") else {
            eprintln!(
                "skipped: MUNIMENT_TEST_MINISTACK names no `ministack`; tests/run installs it"
            );
            return None;
        };
        let clamd = Path::new("/usr/sbin/clamd");
        if !clamd.is_file() {
            eprintln!("skipped: clamd is not installed; tests/run installs Debian's clamav-daemon");
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (aws, emulator) = start_ministack(folder.path(), Path::new(&ministack));
        let (clamd, scanner) = start_clamd(folder.path(), clamd);
        let cluster = tokio::task::spawn_blocking(testdb::Cluster::start)
            .await
            .expect("PostgreSQL starts");
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
            processes: vec![emulator, scanner],
            sqs: aws_sdk_sqs::Client::new(&access.load().await),
            s3: s3::client(&S3Settings {
                access,
                path_style: true,
                kms_key: None,
            })
            .await,
            aws,
            collector: None,
        };
        for bucket in BUCKETS {
            let made = services.s3.create_bucket().bucket(bucket).send().await;
            made.expect("a bucket is made");
        }
        Some(services)
    }

    /// Has processes that are started from now on send their traces there.
    pub fn trace_to(&mut self, collector: String) {
        self.collector = Some(collector);
    }

    /// PostgreSQL, to be restarted.
    pub fn cluster(&self) -> &testdb::Cluster {
        &self.cluster
    }

    /// The address of S3 and SQS.
    pub fn aws(&self) -> &str {
        &self.aws
    }

    /// Makes a queue; answers its URL.
    pub async fn queue(&self, name: &str) -> String {
        let made = self.sqs.create_queue().queue_name(name).send().await;
        let url = made.expect("a queue is made").queue_url;
        url.expect("a queue has a URL")
    }

    /// `kill -9` of clamd, which was started last.
    pub fn stop_clamd(&mut self) {
        self.processes.pop();
    }

    /// SQS, to look behind the curtain.
    pub fn sqs(&self) -> &aws_sdk_sqs::Client {
        &self.sqs
    }

    /// S3, to look behind the curtain.
    pub fn s3(&self) -> &aws_sdk_s3::Client {
        &self.s3
    }

    /// Has S3 announce uploads in a queue.
    pub async fn announce_uploads(&self, queue: &str) {
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
        let arn = &attributes[&attribute];
        let policy = serde_json::json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
        }]});
        self.sqs
            .set_queue_attributes()
            .queue_url(queue)
            .attributes(QueueAttributeName::Policy, policy.to_string())
            .send()
            .await
            .expect("S3 may send to the queue");
        let to = NotificationQueue::builder()
            .queue_arn(arn)
            .events(Event::S3ObjectCreated)
            .build()
            .expect("a configuration");
        let configuration = NotificationConfiguration::builder()
            .queue_configurations(to)
            .build();
        self.s3
            .put_bucket_notification_configuration()
            .bucket("incoming")
            .notification_configuration(configuration)
            .send()
            .await
            .expect("notifications are set up");
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
        if let Some(collector) = &self.collector {
            command
                .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector)
                .env("OTEL_BSP_SCHEDULE_DELAY", "100");
        }
    }

    fn api_command(&self, listen: SocketAddr, jobs: &str) -> Command {
        let mut command = Command::new(program("muniment-api"));
        self.environment(&mut command, jobs);
        command
            .env("MUNIMENT_LISTEN", listen.to_string())
            .env("MUNIMENT_DATABASE_URL", &self.database)
            .env("MUNIMENT_TOKEN_KEY", self.token_key())
            .env("MUNIMENT_CHECKPOINT_KEY", self.checkpoint_key());
        for bucket in BUCKETS {
            command.env(format!("MUNIMENT_BUCKET_{}", bucket.to_uppercase()), bucket);
        }
        command
    }

    /// Brings the database up to date, by the program.
    pub fn migrate(&self) {
        // The first token makes the key.
        self.token("admin", Role::Admin, &[]);
        muniment::process::checkpoint_key(&self.data()).expect("a key is made");
        let mut command = self.api_command(SocketAddr::from(([127, 0, 0, 1], 0)), "http://-/-");
        let done = command.arg("migrate").output().expect("it starts");
        assert!(done.status.success(), "{}", crate::stderr(&done));
    }

    /// Starts an API that announces jobs in `jobs`, and waits until it is ready.
    pub fn api(&self, name: &str, jobs: &str) -> (Process, String) {
        let port = free_port();
        let listen = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = self.api_command(listen, jobs);
        let mut process = Process::start(name, self.folder.path(), port, &mut command);
        process.wait_for(|| listens(port));
        (process, format!("http://{listen}/graphql"))
    }

    /// Starts a worker that takes jobs from `jobs`.
    pub fn worker(&self, name: &str, api: &str, jobs: &str, uploads: Option<&str>) -> Process {
        let token = self.folder.path().join("worker-token");
        std::fs::write(&token, self.token("worker:test", Role::Worker, &[]))
            .expect("a token is kept");
        let port = free_port();
        let mut command = Command::new(program("muniment-worker"));
        self.environment(&mut command, jobs);
        command
            .env("MUNIMENT_API_URL", api)
            .env("MUNIMENT_TOKEN_FILE", token)
            .env("MUNIMENT_WORKER_NAME", name)
            .env("MUNIMENT_WORKER_LISTEN", format!("127.0.0.1:{port}"))
            .env("MUNIMENT_CLAMD", self.clamd.to_string())
            .env("MUNIMENT_CLAMD_LIMIT", "2047MiB");
        if let Some(uploads) = uploads {
            command.env("MUNIMENT_QUEUE_UPLOADS", uploads);
        }
        let mut process = Process::start(name, self.folder.path(), port, &mut command);
        process.wait_for(|| listens(port));
        process
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn token_key(&self) -> PathBuf {
        self.data().join("identity/token-key.p8")
    }

    fn checkpoint_key(&self) -> PathBuf {
        muniment::process::checkpoint_key_file(&self.data())
    }

    /// A token that the APIs take.
    pub fn token(&self, subject: &str, role: Role, bodies: &[&str]) -> String {
        let bodies: Vec<String> = bodies.iter().map(|&body| body.to_owned()).collect();
        let hour = Duration::from_hours(1);
        muniment::process::mint_in(&self.data(), subject, &[role], &bodies, hour)
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

fn start_ministack(folder: &Path, program: &Path) -> (String, Process) {
    let port = free_port();
    let mut command = Command::new(program);
    command
        .env("BIND_HOST", "127.0.0.1")
        .env("GATEWAY_PORT", port.to_string())
        .env("SERVICES", "s3,sqs")
        .env("AUTH", "true")
        .env("HOME", folder)
        .current_dir(folder);
    let mut process = Process::start("ministack", folder, port, &mut command);
    process.wait_for(|| listens(port));
    (format!("http://127.0.0.1:{port}"), process)
}

fn start_clamd(folder: &Path, program: &Path) -> (SocketAddr, Process) {
    let signatures = folder.join("signatures");
    std::fs::create_dir(&signatures).expect("a folder");
    std::fs::write(signatures.join("test.ndb"), SIGNATURE).expect("a signature is written");
    let port = free_port();
    let configuration = format!(
        "Foreground yes\nDatabaseDirectory {}\nTCPSocket {port}\nTCPAddr 127.0.0.1\nStreamMaxLength 4095M\n\
         MaxScanSize 4095M\nMaxFileSize 2047M\nAlertExceedsMax yes\n",
        signatures.display()
    );
    let file = folder.join("clamd.conf");
    std::fs::write(&file, configuration).expect("a configuration is written");
    let mut process = Process::start(
        "clamd",
        folder,
        port,
        Command::new(program).arg("--config-file").arg(&file),
    );
    process.wait_for(|| listens(port));
    (SocketAddr::from(([127, 0, 0, 1], port)), process)
}
