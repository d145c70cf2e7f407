//! The system as it runs in production: several processes over services that we did not write.

mod logs;
mod metrics;
mod objects;
mod poison;
mod provider;
mod queues;
mod stopping;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    process::Stdio,
    time::{Duration, Instant},
};

use api::auth::Role;
use serde_json::{Value, json};
use tests::{Client, For, Mood, Process, Services, Way, carry, muniment, stderr};

/// Two APIs and three workers. The first API's address comes first.
struct Fleet {
    services: Services,
    urls: Vec<String>,
    apis: Vec<Process>,
    workers: Vec<Process>,
}

impl Fleet {
    /// `None` where a service is not installed, which was said.
    async fn start() -> Option<Self> {
        Self::of(Services::start().await?).await
    }

    /// For a test that stops one of the services.
    async fn start_alone() -> Option<Self> {
        Self::of(Services::start_alone().await?).await
    }

    async fn of(services: Services) -> Option<Self> {
        let jobs = services.queue("jobs").await;
        Self::over(services, &jobs, &jobs, None).await
    }

    /// APIs that announce in one queue, and workers that take from another.
    async fn over(
        services: Services,
        announce: &str,
        take: &str,
        uploads: Option<&str>,
    ) -> Option<Self> {
        services.migrate();
        let (first, one) = services.api("api-1", announce);
        let (second, two) = services.api("api-2", announce);
        let urls = vec![one, two];
        let workers =
            (0..3).map(|n| services.worker(&format!("worker-{n}"), &urls[n % 2], take, uploads));
        let workers = workers.collect();
        let fleet = Self {
            services,
            urls,
            apis: vec![first, second],
            workers,
        };
        let create = "mutation { createCollection(input: {code: \"MAPS\", title: \"Maps\", body: \"WO\"}) { collection { id } } }";
        fleet
            .client(0, Role::Admin)
            .send(create, json!({}))
            .await
            .ok();
        Some(fleet)
    }

    fn client(&self, api: usize, role: Role) -> Client {
        let subject = format!("{role:?}").to_lowercase();
        self.services
            .client(&self.urls[api], &subject, role, &["WO"])
    }

    /// `muniment transfer` of a folder to the first API.
    fn transfer(&self, folder: &std::path::Path) -> std::process::Command {
        let token = self
            .services
            .token("contributor", Role::Contributor, &["WO"]);
        let mut command = std::process::Command::new(muniment());
        command
            .arg("transfer")
            .arg(folder)
            .args([
                "--collection",
                "MAPS",
                "--server",
                &self.urls[0],
                "--token",
                &token,
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// The path of the EICAR test file, where there is one.
const MALWARE: &str = "virus.txt";

/// How many files; `MUNIMENT_TEST_FILES` sets it.
fn files() -> usize {
    let set = std::env::var_os("MUNIMENT_TEST_FILES");
    set.and_then(|text| text.to_str()?.parse().ok())
        .unwrap_or(60)
}

fn folder(files: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for index in 0..files {
        let mut text = format!("file {index}\n");
        while text.len() < 10_000 {
            writeln!(text, "line {}", text.len()).unwrap();
        }
        std::fs::write(folder.path().join(format!("{index:04}.txt")), text).unwrap();
    }
    folder
}

/// Every version's path, number and status.
async fn ends(client: &Client) -> BTreeMap<String, Vec<String>> {
    let query = "query($after: String) { versions(first: 100, after: $after) { nodes { number status record { path } } pageInfo { hasNextPage endCursor } } }";
    let (mut all, mut after) = (BTreeMap::<String, Vec<String>>::new(), Value::Null);
    loop {
        let answer = client.send(query, json!({"after": after})).await;
        let page = answer.ok()["versions"].clone();
        for node in page["nodes"].as_array().unwrap() {
            let path = node["record"]["path"].as_str().unwrap().to_owned();
            let end = format!("{} {}", node["number"], node["status"].as_str().unwrap());
            all.entry(path).or_default().push(end);
        }
        if page["pageInfo"]["hasNextPage"] != true {
            return all;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

/// Every file is accepted once, and the one with malware is quarantined by clamd's own signature.
async fn clamd_found_the_malware(client: &Client, files: usize) {
    let ends = ends(client).await;
    assert_eq!(ends.len(), files + 1);
    for (path, versions) in &ends {
        let expected = if path == MALWARE {
            "1 QUARANTINED"
        } else {
            "1 ACCEPTED"
        };
        assert_eq!(versions, &[expected], "{path}");
    }
    let checks = "{ versions(filter: {status: QUARANTINED}, first: 1) { nodes { download { url } checks { kind status detail engine engineVersion signatureVersion coverage { bytes size } } } } }";
    let answer = client.send(checks, json!({})).await.ok().clone();
    let version = &answer["versions"]["nodes"][0];
    assert_eq!(version["download"], Value::Null);
    let mut scans = version["checks"].as_array().unwrap().iter();
    let scan = scans.find(|check| check["kind"] == "ANTIVIRUS").unwrap();
    assert_eq!(scan["status"], "FAILED");
    let told = |field: &str| scan[field].as_str().unwrap_or_default().to_owned();
    assert!(told("detail").contains("Eicar-Test-Signature"), "{scan:#}");
    assert!(told("engine").to_lowercase().contains("clam"), "{scan:#}");
    assert!(!told("engineVersion").is_empty(), "{scan:#}");
}

#[tokio::test]
async fn what_one_api_takes_is_watched_at_another() {
    let Some(fleet) = Fleet::start().await else {
        return;
    };
    let owner = fleet.client(0, Role::Contributor);
    let transfer = open(&owner, "Watched").await;
    let elsewhere = fleet.client(1, Role::Contributor);
    let mut socket = tests::Socket::signed_in(elsewhere.url(), elsewhere.token()).await;
    let watch = "subscription($id: ID!) { transferProgress(id: $id) { totals { accepted } } }";
    socket.subscribe("1", watch, json!({"id": transfer})).await;
    socket.next().await;
    owner.deposit(&transfer, &[("a.txt", b"a")]).await;
    loop {
        let message = socket.next().await;
        let totals = &message["payload"]["data"]["transferProgress"]["totals"];
        assert!(totals.is_object(), "{message:#}");
        if totals["accepted"] == 1 {
            break;
        }
    }
}

#[tokio::test]
async fn a_client_that_vanishes_after_its_last_byte_loses_nothing_by_whatever_way_s3_tells() {
    let Some(services) = Services::start().await else {
        return;
    };
    let jobs = services.queue("jobs").await;
    let uploads = services.queue("uploads").await;
    let Some(fleet) = Fleet::over(services, &jobs, &jobs, Some(&uploads)).await else {
        return;
    };
    let owner = fleet.client(0, Role::Contributor);
    let transfer = open(&owner, "Vanished").await;
    for way in [Way::Queue, Way::Topic, Way::EventBridge] {
        fleet.services.announce_uploads(&uploads, way).await;
        let path = format!("{way:?}.txt");
        let added = owner.add_records(&transfer, &[(&path, b"a")]).await;
        let version = &added[0]["version"];
        let put = owner.put(&version["upload"], b"a".to_vec()).await;
        assert!(put.is_success(), "{way:?}: {put}");
        // Nobody calls `completeUploads`.
        let decided = owner.decided(version["id"].as_str().unwrap()).await;
        assert_eq!(decided["status"], "ACCEPTED", "{way:?}");
    }
}

/// Opens a transfer; answers its id.
async fn open(owner: &Client, title: &str) -> String {
    let open = "mutation($t: String!) { openTransfer(input: {collection: {code: \"MAPS\"}, title: $t}) { transfer { id } } }";
    let opened = owner.send(open, json!({"t": title})).await;
    let id = &opened.ok()["openTransfer"]["transfer"]["id"];
    id.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn messages_delivered_two_to_ten_times_shuffled_and_late_change_nothing() {
    let Some(services) = Services::start().await else {
        return;
    };
    let (announced, delivered) = (
        services.queue("announced").await,
        services.queue("delivered").await,
    );
    let Some(fleet) = Fleet::over(services, &announced, &delivered, None).await else {
        return;
    };
    let sqs = fleet.services.sqs().clone();
    let carrying = runtime::shutdown::Shutdown::new();
    drop(carrying.spawn("carrier", async move {
        let mood = Mood {
            copies: 2..=10,
            lost: 0.0,
            late: Duration::from_secs(2),
        };
        carry(sqs, announced, delivered, 1, mood).await;
    }));
    let files = files();
    let folder = folder(files);
    let running = fleet.transfer(folder.path()).spawn().unwrap();
    let output = tokio::task::spawn_blocking(|| running.wait_with_output().unwrap())
        .await
        .unwrap();
    carrying.drain(Duration::ZERO).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let client = fleet.client(1, Role::Archivist);
    let ends = ends(&client).await;
    assert_eq!(ends.len(), files);
    assert!(
        ends.values().all(|versions| versions == &["1 ACCEPTED"]),
        "{ends:?}"
    );
    // Each transition was written down once, and no job is left.
    let accepted = all_events(&client, "version.accepted").await;
    let mut once = accepted.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!((accepted.len(), once.len()), (files, files));
    let jobs =
        "query($s: JobStatus!) { jobs(filter: {status: $s}, first: 1) { nodes { id lastError } } }";
    for status in ["READY", "PUBLISHED", "LEASED", "DEAD"] {
        let answer = client.send(jobs, json!({"s": status})).await;
        assert_eq!(answer.ok()["jobs"]["nodes"], json!([]), "{status}");
    }
}

/// The subjects of every event of a sort.
async fn all_events(client: &Client, action: &str) -> Vec<String> {
    let query = "query($a: String!, $after: String) { events(filter: {action: $a}, first: 100, after: $after) { nodes { subjectId } pageInfo { hasNextPage endCursor } } }";
    let (mut all, mut after) = (Vec::new(), Value::Null);
    loop {
        let answer = client
            .send(query, json!({"a": action, "after": after}))
            .await;
        let page = answer.ok()["events"].clone();
        for node in page["nodes"].as_array().unwrap() {
            all.push(node["subjectId"].as_str().unwrap().to_owned());
        }
        if page["pageInfo"]["hasNextPage"] != true {
            return all;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

#[tokio::test]
async fn a_restart_of_postgresql_in_mid_traffic_loses_nothing() {
    let Some(fleet) = Fleet::start_alone().await else {
        return;
    };
    let files = files();
    let folder = folder(files);
    let running = fleet.transfer(folder.path()).spawn().unwrap();
    let client = fleet.client(1, Role::Archivist);
    let totals = "{ transfers(first: 1) { nodes { totals { accepted } } } }";
    let began = Instant::now();
    loop {
        let answer = client.send(totals, json!({})).await.ok().clone();
        if answer["transfers"]["nodes"][0]["totals"]["accepted"].as_u64() >= Some(5) {
            break;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "nothing moves");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    fleet.services.cluster().restart();
    let output = tokio::task::spawn_blocking(|| running.wait_with_output().unwrap())
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let ends = ends(&client).await;
    assert_eq!(ends.len(), files);
    assert!(
        ends.values().all(|versions| versions == &["1 ACCEPTED"]),
        "{ends:?}"
    );
}

/// What a collector was sent.
type Sent = std::sync::Arc<std::sync::Mutex<Vec<axum::body::Bytes>>>;

/// A collector of traces; answers its address and what it is sent.
async fn collector() -> (String, Sent) {
    let sent = Sent::default();
    let take = |axum::extract::State(sent): axum::extract::State<Sent>, body: axum::body::Bytes| async move {
        sent.lock().unwrap().push(body);
    };
    let router = axum::Router::new()
        .route("/v1/traces", axum::routing::post(take))
        .with_state(sent.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    api::server::serve(
        listener,
        router,
        Duration::from_mins(1),
        &runtime::shutdown::Shutdown::new(),
    )
    .unwrap();
    (url, sent)
}

#[tokio::test]
async fn one_trace_goes_through_api_queue_and_worker() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    let Some(mut services) = Services::start().await else {
        return;
    };
    let (url, sent) = collector().await;
    services.trace_to(url);
    // Whatever is logged, traces are whole.
    services.set(For::Both, "MUNIMENT_LOG", "warn".to_owned());
    let jobs = services.queue("jobs").await;
    let Some(fleet) = Fleet::over(services, &jobs, &jobs, None).await else {
        return;
    };
    let owner = fleet.client(0, Role::Contributor);
    let transfer = open(&owner, "Traced").await;
    let added = owner.add_records(&transfer, &[("a.txt", b"a")]).await;
    let version = added[0]["version"]["id"].as_str().unwrap().to_owned();
    let upload = &added[0]["version"]["upload"];
    assert!(owner.put(upload, b"a".to_vec()).await.is_success());
    let complete = "mutation($v: ID!) { completeUploads(input: {uploads: [{versionId: $v}]}) { outcomes { __typename } } }";
    let answer = owner
        .http()
        .post(owner.url())
        .bearer_auth(owner.token())
        .header("traceparent", format!("00-{TRACE}-b7ad6b7169203331-01"))
        .json(&json!({"query": complete, "variables": {"v": version}}))
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_success());
    assert_eq!(owner.decided(&version).await["status"], "ACCEPTED");
    // A batch of one service's spans, in protobuf, holds the service's name and each span's trace.
    let trace = hex::decode(TRACE).unwrap();
    let told = |service: &str| {
        sent.lock().unwrap().iter().any(|batch| {
            let holds = |text: &[u8]| batch.windows(text.len()).any(|window| window == text);
            holds(service.as_bytes()) && holds(&trace)
        })
    };
    let began = Instant::now();
    while !(told("muniment-api") && told("muniment-worker")) {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "the trace is not whole"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn what_is_not_ready_is_named_and_why_is_not() {
    let Some(services) = Services::start_alone().await else {
        return;
    };
    let jobs = services.queue("jobs").await;
    let (ocr, uploads) = (
        services.queue("check-ocr").await,
        services.queue("uploads").await,
    );
    let mut services = services;
    services.set(For::Api, "MUNIMENT_CHECK_QUEUES", format!("OCR={ocr}"));
    let Some(mut fleet) = Fleet::over(services, &jobs, &jobs, Some(&uploads)).await else {
        return;
    };
    let ready = |url: String| async move {
        let answer = reqwest::get(url).await.unwrap();
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.unwrap(),
        )
    };
    let api = fleet.urls[0].replace("/graphql", "/readyz");
    let worker = fleet.workers[0].readyz();
    let mut of_api = json!({
        "database": true, "identity": true, "objects": true, "queue": true, "checkQueues": {"OCR": true},
    });
    let mut of_worker = json!({
        "antivirus": true, "queue": true, "uploads": true, "objects": true, "identity": true, "api": true,
    });
    assert_eq!(ready(api.clone()).await, (200, of_api.clone()));
    assert_eq!(ready(worker.clone()).await, (200, of_worker.clone()));

    let gone = fleet.services.sqs().delete_queue().queue_url(&jobs);
    gone.send().await.unwrap();
    of_api["queue"] = false.into();
    of_worker["queue"] = false.into();
    assert_eq!(ready(api.clone()).await, (503, of_api.clone()));
    assert_eq!(ready(worker.clone()).await, (503, of_worker.clone()));

    fleet.services.forget_worker_token();
    fleet.services.stop_clamd();
    of_worker["antivirus"] = false.into();
    of_worker["identity"] = false.into();
    assert_eq!(ready(worker.clone()).await, (503, of_worker.clone()));

    fleet.services.stop_aws();
    of_api["objects"] = false.into();
    of_api["checkQueues"]["OCR"] = false.into();
    of_worker["objects"] = false.into();
    of_worker["uploads"] = false.into();
    assert_eq!(ready(api.clone()).await, (503, of_api.clone()));
    assert_eq!(ready(worker.clone()).await, (503, of_worker.clone()));

    fleet.services.cluster().stop();
    of_api["database"] = false.into();
    assert_eq!(ready(api.clone()).await, (503, of_api));
    // It answers all the same, and so the worker is not told of a database that it does not know.
    let health = api.replace("/readyz", "/healthz");
    assert_eq!(reqwest::get(health).await.unwrap().status(), 200);
    assert_eq!(ready(worker.clone()).await, (503, of_worker.clone()));
    fleet.apis[0].kill();
    of_worker["api"] = false.into();
    assert_eq!(ready(worker).await, (503, of_worker));
}
