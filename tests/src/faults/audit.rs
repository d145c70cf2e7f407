//! What must hold afterwards, looked at from outside: through GraphQL, and in the buckets themselves.
//!
//! Always: everything that is wrong is named, not only the first.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use serde_json::{Value, json};

use super::{depositor::Deposited, source::Declared};
use crate::{Client, Services};

/// How long nothing may move, once nothing goes wrong any more: several leases and pauses.
const REST: Duration = Duration::from_mins(3);
/// How long it may take in all.
const LONGEST: Duration = Duration::from_mins(30);
/// One of so many versions may be left to a person: clamd is away for a few seconds, not for good.
const OF_WHICH_REVIEWED: usize = 5;
/// How many objects are read at once.
const READERS: usize = 8;

/// What was found.
#[derive(Debug, Default)]
pub struct Audit {
    /// What must not be.
    pub violations: Vec<String>,
    /// How many versions ended how.
    pub ends: BTreeMap<String, usize>,
    /// How many jobs ended how.
    pub jobs: BTreeMap<String, usize>,
    /// How many packages ended how.
    pub exports: BTreeMap<String, usize>,
    /// How many events were looked at.
    pub events: usize,
}

/// Waits until nothing is under way; answers what still is when it takes too long.
pub(super) async fn rest(client: &Client) -> Result<(), String> {
    let query = "query { transfers(first: 1) { nodes { totals { checking accepted } } } versions(filter: {undecided: true}, first: 3) { nodes { id status whyWaiting } }
      ready: jobs(filter: {status: READY}, first: 3) { nodes { id kind status whyWaiting lastError } }
      published: jobs(filter: {status: PUBLISHED}, first: 3) { nodes { id kind status whyWaiting lastError } }
      leased: jobs(filter: {status: LEASED}, first: 3) { nodes { id kind status whyWaiting lastError } }
      queued: exports(filter: {status: QUEUED}, first: 3) { nodes { id status whyWaiting } }
      running: exports(filter: {status: RUNNING}, first: 3) { nodes { id status whyWaiting } }
      verified: fixityRuns(first: 100) { nodes { id finishedAt whyWaiting } } }";
    let began = Instant::now();
    let (mut moved, mut before) = (began, String::new());
    loop {
        let answer = client.send(query, json!({})).await;
        let data = &answer.0["data"];
        let waiting: Vec<&Value> = data
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(list, _)| *list != "transfers")
            .flat_map(|(_, list)| list["nodes"].as_array().into_iter().flatten())
            .filter(|one| !one["finishedAt"].is_string())
            .collect();
        if data.is_object() && waiting.is_empty() {
            return Ok(());
        }
        let ids = waiting.iter().map(|one| &one["id"]);
        let now = format!("{} {:?}", data["transfers"], ids.collect::<Vec<_>>());
        if now != before {
            (moved, before) = (Instant::now(), now);
        }
        if moved.elapsed() > REST || began.elapsed() > LONGEST {
            return Err(format!(
                "under way after {:?}, and nothing has moved for {:?}: {waiting:?} {}",
                began.elapsed(),
                moved.elapsed(),
                answer.0["errors"]
            ));
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// All of a list.
async fn all(client: &Client, list: &str, fields: &str) -> Vec<Value> {
    let query = format!(
        "query($after: String) {{ list: {list}(first: 100, after: $after) {{ nodes {{ {fields} }} pageInfo {{ hasNextPage endCursor }} }} }}"
    );
    let (mut nodes, mut after) = (Vec::new(), Value::Null);
    loop {
        let answer = client
            .send(&query, json!({"after": after}))
            .await
            .ok()
            .clone();
        nodes.extend(
            answer["list"]["nodes"]
                .as_array()
                .cloned()
                .unwrap_or_default(),
        );
        if answer["list"]["pageInfo"]["hasNextPage"] != true {
            return nodes;
        }
        after = answer["list"]["pageInfo"]["endCursor"].clone();
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Looks at everything. `overwritten`: the keys whose bytes somebody changed after their checks.
pub(super) async fn audit(
    client: &Client,
    services: &Services,
    deposited: &Deposited,
    overwritten: &BTreeSet<String>,
) -> Audit {
    let mut audit = Audit::default();
    let fields = "id number status size sha256 whyWaiting download { url }
      checks { kind run status detail coverage { bytes size } } decision { by reasons } record { id path }";
    let versions = all(client, "versions", fields).await;
    audit.versions(&versions, &deposited.declared, overwritten);
    audit.reviews(&versions, overwritten);
    audit.totals(client, &versions).await;
    audit
        .buckets(services, &versions, &deposited.declared)
        .await;
    let fields = "id kind subjectId status attempt maxAttempts lastError";
    let jobs = all(client, "jobs", fields).await;
    audit.jobs(&jobs);
    let tasks = all(client, "tasks", "id title status").await;
    audit.tasks(&tasks, deposited.tasks);
    let fields = "id status error files size sha256 download { url }";
    let exports = all(client, "exports", fields).await;
    audit.exports(client, &exports, &deposited.declared).await;
    audit.failed(&exports, &jobs);
    audit.whole(&exports, &deposited.whole, &versions);
    let fields = "id action subjectId sequence before after";
    let events = all(client, "events", fields).await;
    audit.events(&events);
    for (begin, things) in [
        ("AWAITING_UPLOAD", &versions),
        ("QUEUED", &exports),
        ("OPEN", &tasks),
    ] {
        audit.steps(&events, begin, things);
    }
    let records: BTreeSet<&str> = versions
        .iter()
        .map(|version| text(&version["record"]["id"]))
        .collect();
    audit.once(&events, "record.added", &records);
    let dead = jobs.iter().filter(|job| job["status"] == "DEAD");
    audit.once(
        &events,
        "job.died",
        &dead.map(|job| text(&job["id"])).collect(),
    );
    let fields = "id mismatched missing";
    audit.verified(&all(client, "fixityRuns", fields).await);
    audit.log(services);
    audit
}

impl Audit {
    fn wrong(&mut self, what: impl Into<String>) {
        self.violations.push(what.into());
    }

    /// Every file that was declared is there once, in an end; nothing is downloadable that was not checked.
    fn versions(
        &mut self,
        versions: &[Value],
        declared: &[Declared],
        overwritten: &BTreeSet<String>,
    ) {
        let mut found: HashMap<(&str, u64), Vec<&Value>> = HashMap::new();
        for version in versions {
            let path = text(&version["record"]["path"]);
            let number = version["number"].as_u64().unwrap_or_default();
            found.entry((path, number)).or_default().push(version);
            let status = text(&version["status"]);
            *self.ends.entry(status.to_owned()).or_default() += 1;
            let downloadable = version["download"]["url"].is_string();
            if downloadable != (status == "ACCEPTED") {
                self.wrong(format!("{path} is {status}, downloadable: {downloadable}"));
            }
            if downloadable && !was_checked(version) {
                self.wrong(format!(
                    "{path} is downloadable and was not checked: {version}"
                ));
            }
        }
        for file in declared {
            let name = format!("{} version {}", file.path, file.number);
            match found
                .remove(&(file.path.as_str(), file.number.into()))
                .as_deref()
            {
                Some([version]) => {
                    let status = text(&version["status"]);
                    let changed = overwritten.contains(text(&version["id"]));
                    let expected = file.may_end(status) || changed && status == "REJECTED";
                    if !expected {
                        self.wrong(format!("{name} ({:?}) is {status}: {version}", file.sort));
                    }
                }
                Some(several) => self.wrong(format!("{name} is there {} times", several.len())),
                None => self.wrong(format!("{name} is lost")),
            }
        }
        for (path, number) in found.into_keys() {
            self.wrong(format!("{path} version {number} was never declared"));
        }
    }

    /// A person is asked only where a check could not be made, and seldom.
    fn reviews(&mut self, versions: &[Value], overwritten: &BTreeSet<String>) {
        let asked: Vec<&Value> = versions
            .iter()
            .filter(|version| version["status"] == "NEEDS_REVIEW")
            .collect();
        for version in &asked {
            let checks = version["checks"].as_array().cloned().unwrap_or_default();
            let open = checks
                .iter()
                .any(|check| check["status"] == "INCONCLUSIVE" && check["detail"].is_string());
            if !open && !overwritten.contains(text(&version["id"])) {
                self.wrong(format!(
                    "a person is asked, and nothing says why: {version}"
                ));
            }
        }
        if asked.len() * OF_WHICH_REVIEWED > versions.len() {
            self.wrong(format!(
                "{} of {} versions are left to a person",
                asked.len(),
                versions.len()
            ));
        }
    }

    async fn totals(&mut self, client: &Client, versions: &[Value]) {
        let fields = "totals { versions awaitingUpload checking accepted rejected quarantined needsReview abandoned bytes }";
        let transfers = all(client, "transfers", fields).await;
        let count = |status: &str| {
            versions
                .iter()
                .filter(|version| version["status"] == status)
                .count()
        };
        let bytes: u64 = versions
            .iter()
            .filter_map(|version| version["size"].as_u64())
            .sum();
        let counted = json!({
            "versions": versions.len(), "awaitingUpload": count("AWAITING_UPLOAD"),
            "checking": count("CHECKING"), "accepted": count("ACCEPTED"),
            "rejected": count("REJECTED"), "quarantined": count("QUARANTINED"),
            "needsReview": count("NEEDS_REVIEW"), "abandoned": count("ABANDONED"),
            "bytes": bytes,
        });
        let kept: Vec<&Value> = transfers
            .iter()
            .map(|transfer| &transfer["totals"])
            .collect();
        if kept != [&counted] {
            self.wrong(format!("the totals are {kept:?}, counted {counted}"));
        }
    }

    /// What is accepted is in `records`, has the source's bytes, and is nowhere else.
    async fn buckets(&mut self, services: &Services, versions: &[Value], declared: &[Declared]) {
        let status: HashMap<&str, &str> = versions
            .iter()
            .map(|version| (text(&version["id"]), text(&version["status"])))
            .collect();
        let files: HashMap<(&str, u64), &Declared> = declared
            .iter()
            .map(|file| ((file.path.as_str(), u64::from(file.number)), file))
            .collect();
        for (bucket, home) in [("records", "ACCEPTED"), ("quarantine", "QUARANTINED")] {
            let keys = services.keys(bucket).await;
            for key in &keys {
                let status = status.get(key.as_str()).copied();
                if status != Some(home) {
                    self.wrong(format!("{bucket} has {key}, which is {status:?}"));
                }
            }
            for (id, _) in status.iter().filter(|(_, status)| **status == home) {
                if !keys.contains(*id) {
                    self.wrong(format!("{id} is {home} and not in {bucket}"));
                }
            }
        }
        for key in services.keys("incoming").await {
            let status = status.get(key.as_str()).copied();
            if matches!(status, Some("ACCEPTED" | "QUARANTINED") | None) {
                self.wrong(format!("incoming has {key}, which is {status:?}"));
            }
        }
        let accepted = versions
            .iter()
            .filter(|version| version["status"] == "ACCEPTED");
        let wrong: Vec<Option<String>> = stream::iter(accepted)
            .map(|version| {
                let number = version["number"].as_u64().unwrap_or_default();
                let path = text(&version["record"]["path"]);
                let file = files.get(&(path, number)).copied();
                async move {
                    let kept = services.read("records", text(&version["id"])).await;
                    let right = file.is_some_and(|file| kept.as_deref() == Some(&*file.bytes()));
                    (!right).then(|| format!("{path} version {number} has other bytes"))
                }
            })
            .buffer_unordered(READERS)
            .collect()
            .await;
        self.violations.extend(wrong.into_iter().flatten());
    }

    fn jobs(&mut self, jobs: &[Value]) {
        let mut once = BTreeSet::new();
        for job in jobs {
            if !once.insert((text(&job["kind"]), text(&job["subjectId"]))) {
                self.wrong(format!("a job is there twice: {job}"));
            }
            let status = text(&job["status"]);
            *self.jobs.entry(status.to_owned()).or_default() += 1;
            if status != "DONE" && status != "DEAD" {
                self.wrong(format!("a job has not ended: {job}"));
            }
        }
    }

    fn tasks(&mut self, tasks: &[Value], expected: usize) {
        let titles: BTreeSet<&str> = tasks.iter().map(|task| text(&task["title"])).collect();
        // A check that finds something may add tasks of its own.
        let ours = titles
            .iter()
            .filter(|title| title.starts_with("Describe "))
            .count();
        let doubled = tasks.len() - titles.len();
        if ours != expected || doubled > 0 {
            self.wrong(format!(
                "{ours} tasks of {expected}, {doubled} of them doubled"
            ));
        }
    }

    /// Nothing is written down twice, and no worker contradicts another.
    fn events(&mut self, events: &[Value]) {
        self.events = events.len();
        let mut ids = BTreeSet::new();
        let mut told = BTreeSet::new();
        for event in events {
            if !ids.insert(text(&event["id"])) {
                self.wrong(format!("the event {} is listed twice", event["id"]));
            }
            if event["action"] == "check.contradicted" {
                self.wrong(format!(
                    "a worker contradicts what is written down: {event}"
                ));
            }
            let subject = text(&event["subjectId"]);
            let what = format!(
                "{subject} {} {} {}",
                event["action"], event["before"], event["after"]
            );
            let steps = ["version_", "export_", "task_"];
            if steps.iter().any(|sort| subject.starts_with(sort)) && !told.insert(what) {
                self.wrong(format!("what happened once is told twice: {event}"));
            }
        }
    }

    /// Each transition is written down once: the states of a thing follow from one another, from the first up to the
    /// one it is in.
    fn steps(&mut self, events: &[Value], begin: &str, things: &[Value]) {
        let mut steps: HashMap<&str, BTreeMap<u64, (&str, &str, &str)>> = HashMap::new();
        for event in events {
            let (before, after) = (&event["before"]["status"], &event["after"]["status"]);
            if before.is_string() && after.is_string() {
                let step = (text(&event["action"]), text(before), text(after));
                // In the order of its chain: the clocks that made the ids may be apart.
                let place = event["sequence"].as_u64().unwrap_or_default();
                let steps = steps.entry(text(&event["subjectId"])).or_default();
                if let Some(other) = steps.insert(place, step) {
                    self.violations
                        .push(format!("{event} has the place of {other:?}"));
                }
            }
        }
        for thing in things {
            let id = text(&thing["id"]);
            let mut stands = begin;
            let steps = steps.remove(id).unwrap_or_default();
            for (action, before, after) in steps.values() {
                if *before != stands {
                    self.wrong(format!(
                        "{id}: {action} begins at {before}, which was {stands}: {steps:?}"
                    ));
                }
                stands = after;
            }
            if thing["status"] != stands {
                self.wrong(format!(
                    "{id} is {}, its events end at {stands}: {steps:?}",
                    thing["status"]
                ));
            }
        }
    }

    /// There is exactly one event of a sort for each of these, and none for anything else.
    fn once(&mut self, events: &[Value], action: &str, subjects: &BTreeSet<&str>) {
        let mut told: BTreeMap<&str, usize> = BTreeMap::new();
        for event in events.iter().filter(|event| event["action"] == action) {
            *told.entry(text(&event["subjectId"])).or_default() += 1;
        }
        for subject in subjects {
            let times = told.remove(subject).unwrap_or_default();
            if times != 1 {
                self.wrong(format!("{subject} has {times} events {action}"));
            }
        }
        for (subject, times) in told {
            self.wrong(format!(
                "{times} events {action} of {subject}, which is none"
            ));
        }
    }

    /// A package fails only when every attempt met a fault: nobody damaged what is kept.
    fn failed(&mut self, exports: &[Value], jobs: &[Value]) {
        for export in exports.iter().filter(|one| one["status"] == "FAILED") {
            let job = jobs.iter().find(|job| job["subjectId"] == export["id"]);
            let tried = job
                .is_some_and(|job| job["status"] == "DEAD" && job["attempt"] == job["maxAttempts"]);
            if !tried {
                self.wrong(format!("a package has failed: {export}, its job: {job:?}"));
            }
        }
    }

    /// Nothing that is kept was found damaged or missing: nobody touched it.
    fn verified(&mut self, runs: &[Value]) {
        for run in runs {
            if run["mismatched"] != 0 || run["missing"] != 0 {
                self.wrong(format!("what is kept is not what was accepted: {run}"));
            }
        }
    }

    /// Every package that is READY verifies, and holds the source's bytes.
    async fn exports(&mut self, client: &Client, exports: &[Value], declared: &[Declared]) {
        let sources: BTreeSet<String> = declared
            .iter()
            .map(|file| crate::sha256(&file.bytes()))
            .collect();
        for export in exports {
            let status = text(&export["status"]);
            *self.exports.entry(status.to_owned()).or_default() += 1;
            if status != "READY" {
                continue;
            }
            let id = text(&export["id"]);
            match download(client, export).await {
                Ok(bytes) => {
                    let problems = verify(&bytes, export, &sources);
                    let problems = problems
                        .into_iter()
                        .map(|problem| format!("{id}: {problem}"));
                    self.violations.extend(problems);
                }
                Err(problem) => self.wrong(format!("{id} cannot be downloaded: {problem}")),
            }
        }
    }

    /// The package that was asked for when everything had ended is READY, and holds all that is accepted.
    fn whole(&mut self, exports: &[Value], id: &str, versions: &[Value]) {
        let accepted: BTreeSet<&str> = versions
            .iter()
            .filter(|version| version["status"] == "ACCEPTED")
            .map(|version| text(&version["record"]["path"]))
            .collect();
        let whole = exports.iter().find(|export| export["id"] == id);
        let files = whole.filter(|export| export["status"] == "READY");
        if files.is_none_or(|export| export["files"] != accepted.len()) {
            self.wrong(format!(
                "the whole package, of {} records, is {whole:?}",
                accepted.len()
            ));
        }
    }

    /// No event was edited, removed or reordered.
    fn log(&mut self, services: &Services) {
        let output = services.verify_log();
        if !output.status.success() {
            self.wrong(format!(
                "{}{}",
                crate::stdout(&output),
                crate::stderr(&output)
            ));
        }
    }
}

fn was_checked(version: &Value) -> bool {
    let checks = version["checks"].as_array().cloned().unwrap_or_default();
    ["CHECKSUM", "ANTIVIRUS", "FORMAT"].iter().all(|kind| {
        let of_kind: Vec<&Value> = checks
            .iter()
            .filter(|check| check["kind"] == *kind)
            .collect();
        let whole = |check: &Value| {
            *kind != "ANTIVIRUS" || check["coverage"]["bytes"] == check["coverage"]["size"]
        };
        matches!(&*of_kind, [one] if one["status"] == "PASSED" && whole(one))
    })
}

async fn download(client: &Client, export: &Value) -> Result<Vec<u8>, String> {
    let url = text(&export["download"]["url"]);
    let answer = client.http().get(url).send().await;
    let answer = answer.and_then(reqwest::Response::error_for_status);
    let bytes = answer.map_err(|error| error.to_string())?.bytes().await;
    bytes
        .map(|bytes| bytes.to_vec())
        .map_err(|error| error.to_string())
}

fn verify(bytes: &[u8], export: &Value, sources: &BTreeSet<String>) -> Vec<String> {
    let mut problems = Vec::new();
    if export["sha256"] != crate::sha256(bytes) {
        problems.push("its SHA-256 is another".to_owned());
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("bag.tar");
    std::fs::write(&file, bytes).expect("it can be kept");
    match bagit::validate(&file, &mut |_| ()) {
        Ok(report) if report.is_valid() => {}
        Ok(report) => problems.push(format!("it does not verify: {report:?}")),
        Err(error) => problems.push(format!("it cannot be verified: {error}")),
    }
    let packed = payload_digests(bytes);
    if export["files"] != packed.len() {
        problems.push(format!(
            "it has {} files of {}",
            packed.len(),
            export["files"]
        ));
    }
    let foreign = packed.iter().filter(|digest| !sources.contains(*digest));
    problems.extend(foreign.map(|digest| format!("it has bytes that nobody deposited: {digest}")));
    problems
}

/// The digests of `manifest-sha256.txt`, which the validation has held the payload to.
fn payload_digests(bag: &[u8]) -> Vec<String> {
    let mut at = 0;
    while let Some(header) = bag.get(at..at + 512) {
        let field = |from: usize, to: usize| {
            let text = header[from..to]
                .split(|byte| *byte == 0)
                .next()
                .unwrap_or_default();
            String::from_utf8_lossy(text).trim().to_owned()
        };
        let size = usize::from_str_radix(&field(124, 136), 8).unwrap_or_default();
        if field(0, 100).ends_with("/manifest-sha256.txt") {
            let text = String::from_utf8_lossy(&bag[at + 512..at + 512 + size]);
            let digests = text.lines().filter_map(|line| line.split(' ').next());
            return digests.map(str::to_owned).collect();
        }
        at += 512 + size.div_ceil(512) * 512;
    }
    Vec::new()
}
