//! One call of each mutation, each with things of its own that nobody has touched.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha512};
use tests::{Client, World, sha256};

use super::{
    fixity,
    matrix::{Body, ROLES},
    seed::{
        Holdings, PARTS, add_key, add_task, collection, declare, id, in_days, open_transfer,
        request_export, run, uploaded,
    },
};

/// Every mutation.
pub(super) const MUTATIONS: [&str; 33] = [
    "acceptTransfer",
    "addComment",
    "addRecords",
    "addTask",
    "addVersion",
    "cancelExport",
    "claimJobs",
    "completeUploads",
    "createApiKey",
    "createCollection",
    "decideVersion",
    "extendLeases",
    "failJobs",
    "openTransfer",
    "reportChecks",
    "reportDispositions",
    "reportExport",
    "reportFixity",
    "reportUploads",
    "requestExport",
    "rerunChecks",
    "restoreVersion",
    "returnTransfer",
    "revokeApiKey",
    "setFixitySchedule",
    "setPolicy",
    "setTaskStatus",
    "submitTransfer",
    "updateCollection",
    "updateRecord",
    "updateTask",
    "uploadParts",
    "verifyNow",
];

/// What somebody calls about, and whose it is.
pub(super) struct Calls<'a> {
    pub(super) world: &'a World,
    pub(super) body: Body,
    pub(super) holdings: &'a Holdings,
    /// Of the role: which of the things that are used up is theirs.
    pub(super) turn: usize,
}

fn file(content: &[u8]) -> Value {
    json!({"size": content.len(), "sha256": sha256(content)})
}

/// A leased job: its id, the token of the lease, and the work.
pub(super) struct Held {
    pub(super) job: String,
    pub(super) token: String,
    work: Value,
}

impl Held {
    pub(super) fn named(&self) -> Value {
        json!({"jobId": self.job, "leaseToken": self.token})
    }

    pub(super) fn and(&self, more: Value) -> Value {
        let mut named = self.named();
        let Value::Object(more) = more else {
            panic!("an object was expected");
        };
        named.as_object_mut().expect("it is one").extend(more);
        named
    }
}

const CLAIM: &str = "{ claims { jobId lease { token } work {
    ... on CheckWork { size sha256 checks { kind run } } } } }";

/// The job of a thing.
async fn job_of(world: &World, subject: &str) -> String {
    let query = "query($id: ID!) { jobs(filter: {subjectId: $id}) { nodes { id } } }";
    let answer = world.admin().send(query, json!({"id": subject})).await;
    id(&answer.ok()["jobs"]["nodes"][0]["id"])
}

pub(super) async fn held(world: &World, subject: &str) -> Held {
    let job = job_of(world, subject).await;
    let input = json!({"jobIds": [job], "worker": "w", "leaseSeconds": 600});
    let payload = run(&world.worker(), "claimJobs", "ClaimJobsInput", input, CLAIM).await;
    let claim = &payload["claims"][0];
    Held {
        token: id(&claim["lease"]["token"]),
        work: claim["work"].clone(),
        job,
    }
}

impl Calls<'_> {
    fn depositor(&self) -> &Client {
        &self.holdings.depositor
    }

    async fn transfer(&self) -> String {
        open_transfer(self.depositor(), self.body).await
    }

    async fn submitted(&self) -> String {
        let transfer = self.transfer().await;
        let input = json!({"id": transfer});
        run(
            self.depositor(),
            "submitTransfer",
            "SubmitTransferInput",
            input,
            "{ transfer { id } }",
        )
        .await;
        transfer
    }

    async fn checked_by_worker(&self) -> Held {
        let version = uploaded(self.depositor(), self.body, b"work").await;
        held(self.world, &version).await
    }

    async fn export_by_worker(&self) -> Held {
        let export = request_export(self.depositor(), &self.holdings.transfer).await;
        held(self.world, &export).await
    }

    async fn task(&self) -> String {
        let (record, _) = &self.holdings.accepted[0];
        add_task(&self.world.admin(), record).await
    }

    /// What one role says about one thing, as the mutation takes it.
    pub(super) async fn input(&self, mutation: &str) -> Value {
        match mutation {
            "claimJobs" | "extendLeases" | "failJobs" | "reportChecks" | "reportDispositions"
            | "reportExport" | "reportFixity" | "reportUploads" => self.of_worker(mutation).await,
            "addRecords" | "addVersion" | "completeUploads" | "decideVersion" | "rerunChecks"
            | "restoreVersion" | "updateRecord" | "uploadParts" => self.of_records(mutation).await,
            "createApiKey" => {
                json!({"name": "Key", "roles": ["READER"], "bodies": [self.body.code()], "expiresAt": in_days(9)})
            }
            "revokeApiKey" => json!({"id": add_key(&self.world.admin(), self.body).await.0}),
            "createCollection" => {
                json!({"code": format!("NEW{:?}{}", self.body, self.turn).to_uppercase(), "title": "New", "body": self.body.code()})
            }
            "updateCollection" | "setFixitySchedule" | "setPolicy" => {
                self.of_collection(mutation).await
            }
            "openTransfer" => {
                json!({"collection": {"code": collection(self.body)}, "title": "Mine"})
            }
            "submitTransfer" => json!({"id": self.transfer().await}),
            "acceptTransfer" => json!({"id": self.submitted().await}),
            "returnTransfer" => {
                json!({"id": self.submitted().await, "reason": "the maps are missing"})
            }
            "verifyNow" => json!({"selection": {"recordId": self.holdings.accepted[0].0}}),
            "addTask" => json!({"recordId": self.holdings.accepted[0].0, "title": "Describe"}),
            "addComment" => json!({"taskId": self.task().await, "body": "Done"}),
            "updateTask" => {
                json!({"id": self.task().await, "expectedRevision": 1, "title": "Again"})
            }
            "setTaskStatus" => json!({"id": self.task().await, "status": "IN_PROGRESS"}),
            "requestExport" => json!({"selection": {"transferId": self.holdings.transfer}}),
            "cancelExport" => {
                json!({"id": request_export(self.depositor(), &self.holdings.transfer).await})
            }
            other => panic!(
                "{other} is a mutation that this test does not know: say here how it is called"
            ),
        }
    }

    async fn of_collection(&self, mutation: &str) -> Value {
        let query = "query($id: ID!) { node(id: $id) { ... on Collection { revision policy { revision } } } }";
        let answer = self
            .world
            .admin()
            .send(query, json!({"id": self.holdings.collection}))
            .await;
        let known = &answer.ok()["node"];
        match mutation {
            "setPolicy" => json!({
                "collectionId": self.holdings.collection, "expectedRevision": known["policy"]["revision"],
                "policy": {"onArchive": "WARN"},
            }),
            "setFixitySchedule" => json!({
                "collectionId": self.holdings.collection, "expectedRevision": known["revision"],
                "everyDays": 30, "bytesPerDay": 1_000_000_000,
            }),
            _ => {
                json!({"id": self.holdings.collection, "expectedRevision": known["revision"], "title": "Renamed"})
            }
        }
    }

    async fn of_records(&self, mutation: &str) -> Value {
        match mutation {
            "addRecords" => {
                let transfer = self.transfer().await;
                self.depositor()
                    .add_records(&transfer, &[("there", b"x"), ("taken", b"x")])
                    .await;
                json!({"transferId": transfer, "records": [
                    {"path": "new", "file": file(b"x")}, {"path": "there", "file": file(b"x")},
                    {"path": "taken", "file": file(b"other")}, {"path": "", "file": file(b"x")},
                ]})
            }
            "addVersion" => {
                let mut new = file(b"second");
                new["fileName"] = json!("second.txt");
                json!({"recordId": self.holdings.fresh().0, "file": new})
            }
            "updateRecord" => {
                json!({"id": self.holdings.fresh().0, "expectedRevision": 1, "title": "A letter"})
            }
            "restoreVersion" => json!({"versionId": self.holdings.twice[self.turn].1}),
            "rerunChecks" => {
                let version = &self.holdings.rejected[ROLES.len() + self.turn].1;
                json!({"versionIds": [version, "version_00000000000000000000000001"]})
            }
            "decideVersion" => {
                json!({"versionId": self.holdings.rejected[self.turn].1, "verdict": "ACCEPT", "reason": "an envelope"})
            }
            "uploadParts" => {
                let transfer = self.transfer().await;
                let large = json!([{"path": "large", "file": {"size": PARTS + 1, "sha256": sha256(b"large")}}]);
                let outcome = self
                    .depositor()
                    .add_records_as(&transfer, large)
                    .await
                    .remove(0);
                json!({"versionId": outcome["version"]["id"]})
            }
            _ => {
                let transfer = self.transfer().await;
                let (_, there, ticket) = declare(self.depositor(), &transfer, "there", b"x").await;
                let (_, missing, _) = declare(self.depositor(), &transfer, "missing", b"x").await;
                self.depositor().put(&ticket, b"x".to_vec()).await;
                let known = self
                    .depositor()
                    .deposit(&transfer, &[("known", b"x")])
                    .await
                    .remove(0)
                    .1;
                let uploads = [
                    &there,
                    &missing,
                    &known,
                    "version_00000000000000000000000001",
                ];
                json!({"uploads": uploads.map(|id| json!({"versionId": id}))})
            }
        }
    }

    async fn of_worker(&self, mutation: &str) -> Value {
        match mutation {
            "claimJobs" => {
                let version = uploaded(self.depositor(), self.body, b"work").await;
                let export = request_export(self.depositor(), &self.holdings.transfer).await;
                let check = fixity::asked(self.world, &self.holdings.accepted[0]).await;
                let mut jobs = Vec::new();
                for subject in [version, export, check] {
                    jobs.push(job_of(self.world, &subject).await);
                }
                json!({"jobIds": jobs, "worker": "w"})
            }
            "extendLeases" => json!({"leases": [self.checked_by_worker().await.named()]}),
            "failJobs" => {
                let failure = self
                    .checked_by_worker()
                    .await
                    .and(json!({"kind": "RETRY", "reason": "slow"}));
                let mut late = failure.clone();
                late["leaseToken"] = json!("lost");
                json!({"failures": [failure, late]})
            }
            "reportChecks" => {
                let report = report(&self.checked_by_worker().await);
                let mut other = report.clone();
                other["results"][0]["detail"] = json!("something else");
                json!({"reports": [report, other]})
            }
            "reportDispositions" => {
                let report = report(&self.checked_by_worker().await);
                let selection = "{ outcomes { next { jobId lease { token } } } }";
                let input = json!({"reports": [report]});
                let payload = run(
                    &self.world.worker(),
                    "reportChecks",
                    "ReportChecksInput",
                    input,
                    selection,
                )
                .await;
                let next = &payload["outcomes"][0]["next"];
                json!({"reports": [{"jobId": next["jobId"], "leaseToken": next["lease"]["token"], "outcome": "DONE", "etag": "\"e\""}]})
            }
            "reportExport" => self
                .export_by_worker()
                .await
                .and(json!({"status": "PROGRESS", "filesDone": 0, "bytesDone": 0})),
            "reportFixity" => {
                let check = fixity::asked(self.world, &self.holdings.accepted[0]).await;
                let held = held(self.world, &check).await;
                let content = format!("{:?} 0", self.body).into_bytes();
                let mut measured = file(&content);
                measured["sha512"] = json!(hex::encode(Sha512::digest(&content)));
                let report = held.and(json!({"measured": measured, "engine": "test"}));
                json!({"reports": [report]})
            }
            _ => {
                let transfer = self.transfer().await;
                let (_, version, ticket) =
                    declare(self.depositor(), &transfer, "there", b"x").await;
                self.depositor().put(&ticket, b"x".to_vec()).await;
                let (_, missing, _) = declare(self.depositor(), &transfer, "missing", b"x").await;
                let keys = [version.as_str(), missing.as_str(), "nonsense"];
                json!({"uploads": keys.map(|key| json!({"bucket": "incoming", "key": key}))})
            }
        }
    }
}

/// Everything passed.
fn report(held: &Held) -> Value {
    let (now, work) = (in_days(0), &held.work);
    let results = work["checks"].as_array().expect("checks").iter().map(|check| {
        let mut result = json!({
            "kind": check["kind"], "run": check["run"], "status": "PASSED", "engine": "test", "engineVersion": "1",
            "bytesLooked": work["size"], "startedAt": now, "finishedAt": now,
        });
        if check["kind"] == "CHECKSUM" {
            let sha512 = hex::encode(Sha512::digest(b"work"));
            result["checksum"] = json!({"size": work["size"], "sha256": work["sha256"], "sha512": sha512});
        }
        if check["kind"] == "FORMAT" {
            result["format"] = json!({
                "archive": false, "bomOnly": false, "empty": false, "encrypted": false, "extensionMismatch": false, "text": true,
                "matches": [{"puid": "x-fmt/111", "name": "Plain Text File", "version": "", "mediaType": "text/plain", "basis": "EXTENSION"}],
            });
        }
        result
    });
    let results: Vec<Value> = results.collect();
    held.and(json!({"objectEtag": "\"e\"", "results": results}))
}
