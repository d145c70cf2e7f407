//! A file that ends every worker that reads it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use api::auth::Role;
use serde_json::{Value, json};
use tests::{
    For, Process, Services,
    faults::{Proxy, SLOW_DOWN, Strike, Struck, When},
};

/// How many files.
const FILES: usize = 20;
/// Which of them.
const POISON: usize = 3;
/// How often it is tried.
const ATTEMPTS: usize = 5;
/// How long that may take: the leases, and the pauses between the attempts.
const LONGEST: Duration = Duration::from_mins(6);

/// A worker with an object store of its own in between, which kills it.
struct Victim {
    name: &'static str,
    objects: Proxy,
    process: Arc<Mutex<Process>>,
    struck: Struck,
}

impl Victim {
    /// Each time that it reads this object.
    async fn start(
        services: &mut Services,
        (name, url, jobs): (&'static str, &str, &str),
        poison: &str,
    ) -> Self {
        let aws = services.aws().trim_start_matches("http://").to_owned();
        let objects = Proxy::start(vec![aws], 1, SLOW_DOWN, None).await;
        let process = Arc::new(Mutex::new(begin(services, name, &objects, url, jobs)));
        let (dies, poison) = (process.clone(), poison.to_owned());
        let struck = objects.strike(Strike {
            when: When::Before,
            again: true,
            is_it: Box::new(move |asked, _| asked.uri.path().ends_with(&poison)),
            blow: Arc::new(move || {
                let mut dies = dies.lock().unwrap_or_else(PoisonError::into_inner);
                dies.kill();
                true
            }),
        });
        Self {
            name,
            objects,
            process,
            struck,
        }
    }

    /// Starts it again if it has ended.
    fn revive(&self, services: &mut Services, url: &str, jobs: &str) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if process.has_ended() {
            *process = begin(services, self.name, &self.objects, url, jobs);
        }
    }
}

fn begin(services: &mut Services, name: &str, objects: &Proxy, url: &str, jobs: &str) -> Process {
    let endpoint = objects.url().to_owned();
    services.set(For::Worker, "MUNIMENT_S3_ENDPOINT", endpoint);
    services.worker_without_waiting(name, url, jobs, None)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_kills_its_workers_takes_no_other_file_along() {
    let Some(mut services) = Services::start().await else {
        return;
    };
    let jobs = services.queue("jobs").await;
    services.set(For::Worker, "MUNIMENT_LEASE", "10s".to_owned());
    services.set(For::Worker, "MUNIMENT_CONCURRENCY", "4".to_owned());
    services.migrate();
    let (_api, url) = services.api("api", &jobs);
    let admin = services.client(&url, "admin", Role::Admin, &[]);
    let create = "mutation { createCollection(input: {code: \"DEFAULT\", title: \"Files\", body: \"WO\"}) { collection { id } } }";
    admin.send(create, json!({})).await.ok();
    let owner = services.client(&url, "contributor", Role::Contributor, &["WO"]);
    let transfer = owner.open_transfer("Poisoned").await;
    let files: Vec<(String, String)> = (0..FILES)
        .map(|nth| (format!("{nth:02}.txt"), format!("file {nth}\n")))
        .collect();
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_bytes()))
        .collect();
    let (_, poison) = owner.deposit(&transfer, &files).await.swap_remove(POISON);

    let mut victims = Vec::new();
    for name in ["worker-0", "worker-1"] {
        let of = (name, url.as_str(), jobs.as_str());
        victims.push(Victim::start(&mut services, of, &poison).await);
    }
    let ended =
        "query($id: ID!) { node(id: $id) { ... on Version { status checks { status detail } } }
      versions(filter: {undecided: true}, first: 1) { nodes { id } } }";
    let began = Instant::now();
    let end = loop {
        let answer = admin.send(ended, json!({"id": poison})).await.ok().clone();
        if answer["versions"]["nodes"] == json!([]) {
            // The two of an answer are not of one moment.
            let answer = admin.send(ended, json!({"id": poison})).await;
            break answer.ok()["node"].clone();
        }
        assert!(began.elapsed() < LONGEST, "it does not end: {answer:#}");
        for victim in &victims {
            victim.revive(&mut services, &url, &jobs);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };

    let killed: usize = victims.iter().map(|victim| victim.struck.times()).sum();
    assert_eq!(killed, ATTEMPTS);
    assert_eq!(end["status"], "NEEDS_REVIEW");
    for check in end["checks"].as_array().unwrap() {
        assert_eq!(check["status"], "INCONCLUSIVE", "{check}");
        let why = check["detail"].as_str().unwrap_or_default();
        assert!(why.starts_with("given up after 5 of 5 attempts"), "{why}");
    }
    let ends = super::ends(&admin).await;
    let accepted = ends.values().filter(|ends| **ends == ["1 ACCEPTED"]);
    assert_eq!(accepted.count(), FILES - 1, "{ends:?}");
    let attempts = attempts(&admin).await;
    assert_eq!(attempts["DEAD"], 5);
    assert!(attempts["DONE"] <= 2, "a neighbour was lost more than once");
}

/// The most attempts that a check took, by how its job ended.
async fn attempts(admin: &tests::Client) -> BTreeMap<String, u64> {
    let query = "{ jobs(filter: {kind: CHECK}, first: 100) { nodes { status attempt } } }";
    let answer = admin.send(query, json!({})).await.ok().clone();
    let mut most = BTreeMap::new();
    for job in answer["jobs"]["nodes"].as_array().unwrap() {
        let of = |field: &str| job[field].clone();
        let (Value::String(status), Some(attempt)) = (of("status"), of("attempt").as_u64()) else {
            panic!("{job}");
        };
        let known = most.entry(status).or_default();
        *known = attempt.max(*known);
    }
    most
}
