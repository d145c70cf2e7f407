//! SIGTERM to the real processes: what is under way is answered or handed back, and no attempt is lost.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use api::auth::Role;
use axum::http::Method;
use serde_json::json;
use tests::{
    Client, For, Process, Services,
    faults::{Hook, Proxy, SLOW_DOWN},
};
use tokio::sync::{Notify, watch};

/// How long the worker of a test lets jobs go on.
const GRACE: Duration = Duration::from_secs(1);
/// Longer than that and what comes after it would be a hang.
const LONGEST: Duration = Duration::from_secs(20);

/// Holds the requests of a kind at the object store.
struct Hold {
    proxy: Proxy,
    holds: watch::Sender<bool>,
    came: Arc<Notify>,
}

impl Hold {
    /// In front of S3, for requests of this method; it holds nothing yet.
    async fn of(services: &Services, method: Method) -> Self {
        let behind = vec![services.aws().trim_start_matches("http://").to_owned()];
        let (holds, held) = watch::channel(false);
        let came = Arc::<Notify>::default();
        let told = Arc::clone(&came);
        let hook: Hook = Arc::new(move |asked, _| {
            let (mut held, told) = (held.clone(), Arc::clone(&told));
            let is_meant = *asked == method;
            Box::pin(async move {
                if is_meant && *held.borrow() {
                    told.notify_one();
                    // An error says that the test has ended.
                    drop(held.wait_for(|holds| !holds).await);
                }
            })
        });
        let proxy = Proxy::start(behind, 1, SLOW_DOWN, Some(hook)).await;
        Self { proxy, holds, came }
    }

    fn begin(&self) {
        self.holds.send_replace(true);
    }

    /// Until there is one to hold.
    async fn came(&self) {
        tokio::time::timeout(Duration::from_mins(1), self.came.notified())
            .await
            .expect("a request comes");
    }

    fn end(&self) {
        self.holds.send_replace(false);
    }
}

/// A collection, and a transfer of `ann`.
async fn transfer(services: &Services, url: &str) -> (Client, String) {
    let admin = services.client(url, "admin", Role::Admin, &[]);
    let create = "mutation { createCollection(input: {code: \"MAPS\", title: \"Maps\", body: \"WO\"}) { collection { id } } }";
    admin.send(create, json!({})).await.ok();
    let owner = services.client(url, "ann", Role::Contributor, &["WO"]);
    let open = "mutation { openTransfer(input: {collection: {code: \"MAPS\"}, title: \"Stopped\"}) { transfer { id } } }";
    let opened = owner.send(open, json!({})).await;
    let transfer = opened.ok()["openTransfer"]["transfer"]["id"].as_str();
    (owner, transfer.unwrap().to_owned())
}

/// Waits until it has ended; answers whether it ended well, and that it did in time.
async fn ended(mut process: Process) -> (bool, Process) {
    let began = Instant::now();
    while !process.has_ended() {
        assert!(
            began.elapsed() < LONGEST,
            "it does not stop: {}",
            process.log()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (process.stop(), process)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_stopped_in_the_middle_of_a_check_hands_it_back_on_the_same_attempt() {
    let Some(mut services) = Services::start().await else {
        return;
    };
    let hold = Hold::of(&services, Method::GET).await;
    services.set(
        For::Worker,
        "MUNIMENT_WORKER_GRACE",
        format!("{}s", GRACE.as_secs()),
    );
    services.set(
        For::Worker,
        "MUNIMENT_S3_ENDPOINT",
        hold.proxy.url().to_owned(),
    );
    services.migrate();
    let jobs = services.queue("jobs").await;
    let (_api, url) = services.api("api", &jobs);
    let first = services.worker("worker-1", &url, &jobs, None);
    let (owner, transfer) = transfer(&services, &url).await;
    hold.begin();
    let (_, version) = owner.deposit(&transfer, &[("a.txt", b"a")]).await.remove(0);
    hold.came().await;
    first.ask_to_stop();
    let (well, first) = ended(first).await;
    assert!(well, "{}", first.log());

    let archivist = services.client(&url, "bob", Role::Archivist, &[]);
    let query =
        "{ jobs(filter: {kind: CHECK}, first: 2) { nodes { status attempt worker lastError } } }";
    let answer = archivist.send(query, json!({})).await.ok().clone();
    let handed_back = &answer["jobs"]["nodes"][0];
    assert!(
        ["READY", "PUBLISHED"]
            .map(Into::into)
            .contains(&handed_back["status"]),
        "{handed_back}"
    );
    assert_eq!(handed_back["attempt"], 1);
    assert_eq!(handed_back["lastError"], "the worker is shutting down");

    // The next one reaches S3 by itself.
    services.set(
        For::Worker,
        "MUNIMENT_S3_ENDPOINT",
        services.aws().to_owned(),
    );
    let _second = services.worker("worker-2", &url, &jobs, None);
    assert_eq!(owner.decided(&version).await["status"], "ACCEPTED");
    let answer = archivist.send(query, json!({})).await.ok().clone();
    let done = json!([{"status": "DONE", "attempt": 1, "worker": "worker-2", "lastError": null}]);
    assert_eq!(answer["jobs"]["nodes"], done);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_is_stopped_answers_the_request_that_is_under_way() {
    let Some(mut services) = Services::start().await else {
        return;
    };
    // It looks whether an upload is there.
    let hold = Hold::of(&services, Method::GET).await;
    services.set(
        For::Api,
        "MUNIMENT_S3_ENDPOINT",
        hold.proxy.url().to_owned(),
    );
    services.set(
        For::Api,
        "MUNIMENT_S3_PUBLIC_ENDPOINT",
        services.aws().to_owned(),
    );
    services.migrate();
    let jobs = services.queue("jobs").await;
    let (api, url) = services.api("api", &jobs);
    let (owner, transfer) = transfer(&services, &url).await;
    let added = owner.add_records(&transfer, &[("a.txt", b"a")]).await;
    let version = &added[0]["version"];
    let put = owner.put(&version["upload"], b"a".to_vec()).await;
    assert!(put.is_success());
    hold.begin();
    let complete = "mutation($v: ID!) { completeUploads(input: {uploads: [{versionId: $v}]}) { outcomes { __typename } } }";
    let asked = owner.send(complete, json!({"v": version["id"]}));
    let stopped = async {
        hold.came().await;
        api.ask_to_stop();
        let address = url.replace("/graphql", "/healthz");
        let began = Instant::now();
        while reqwest::get(&address).await.is_ok() {
            assert!(began.elapsed() < LONGEST, "it still takes requests");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        hold.end();
    };
    let (answer, ()) = tokio::join!(asked, stopped);
    let outcome = &answer.ok()["completeUploads"]["outcomes"][0];
    assert_eq!(outcome["__typename"], "UploadCompleted", "{outcome}");
    let (well, api) = ended(api).await;
    assert!(well, "{}", api.log());
}
