//! A world in which there is one of everything in each of two bodies.

use std::{cell::Cell, time::Duration};

use api::auth::Role;
use serde_json::{Value, json};
use tests::{Client, World, sha256};

use super::{
    calls::held,
    fixity,
    matrix::{Body, ROLES},
};

/// How many files of each kind there are: one for each call that uses one up.
const ACCEPTED: usize = 20;
const TWICE: usize = ROLES.len() + 1;
const REJECTED: usize = 2 * ROLES.len() + 1;
/// From this size on a file is uploaded in parts.
pub(super) const PARTS: u64 = 5 << 20;

/// What there is in one body.
pub(super) struct Holdings {
    pub(super) depositor: Client,
    pub(super) collection: String,
    pub(super) transfer: String,
    /// Accepted, each (record, version).
    pub(super) accepted: Vec<(String, String)>,
    /// Accepted in two versions, each (record, first version).
    pub(super) twice: Vec<(String, String)>,
    /// Refused.
    pub(super) rejected: Vec<(String, String)>,
    /// Decided by a person.
    pub(super) waived: String,
    pub(super) task: String,
    pub(super) comment: String,
    pub(super) export: String,
    pub(super) awaiting: String,
    pub(super) checking: String,
    pub(super) key: String,
    /// Whoever shows that key.
    pub(super) bearer: Client,
    /// What else there is, by its type.
    pub(super) kept: Vec<(&'static str, String)>,
    next: Cell<usize>,
}

impl Holdings {
    /// An accepted record that nobody has touched, with its version.
    pub(super) fn fresh(&self) -> (String, String) {
        let next = self.next.get();
        self.next.set(next + 1);
        self.accepted
            .get(next)
            .expect("enough accepted files")
            .clone()
    }
}

pub(super) fn id(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("an id was expected: {value}"))
        .to_owned()
}

/// Runs a mutation with one input; answers its payload.
pub(super) async fn run(
    client: &Client,
    mutation: &str,
    kind: &str,
    input: Value,
    selection: &str,
) -> Value {
    let query = format!("mutation($input: {kind}!) {{ {mutation}(input: $input) {selection} }}");
    client.send(&query, json!({"input": input})).await.ok()[mutation].clone()
}

pub(super) async fn open_transfer(client: &Client, body: Body) -> String {
    let input = json!({"collection": {"code": collection(body)}, "title": "A batch"});
    let payload = run(
        client,
        "openTransfer",
        "OpenTransferInput",
        input,
        "{ transfer { id } }",
    )
    .await;
    id(&payload["transfer"]["id"])
}

pub(super) fn collection(body: Body) -> &'static str {
    match body {
        Body::Own => "DEFAULT",
        Body::Other => "FOREIGN",
    }
}

pub(super) fn in_days(days: i64) -> String {
    let now = runtime::clock::Clock::now(&runtime::clock::SystemClock);
    (now + chrono::TimeDelta::days(days)).to_rfc3339()
}

/// A record that awaits its upload: (record, version, ticket).
pub(super) async fn declare(
    client: &Client,
    transfer: &str,
    path: &str,
    bytes: &[u8],
) -> (String, String, Value) {
    let outcome = client
        .add_records(transfer, &[(path, bytes)])
        .await
        .remove(0);
    let version = &outcome["version"];
    (
        id(&outcome["record"]["id"]),
        id(&version["id"]),
        version["upload"].clone(),
    )
}

/// A file whose bytes are there, and whose checks nobody has begun.
pub(super) async fn uploaded(client: &Client, body: Body, content: &[u8]) -> String {
    let transfer = open_transfer(client, body).await;
    client
        .deposit(&transfer, &[("a.txt", content)])
        .await
        .remove(0)
        .1
}

pub(super) async fn add_task(client: &Client, record: &str) -> String {
    let input =
        json!({"recordId": record, "title": "Describe", "assignee": "rita", "dueOn": "2030-01-01"});
    let payload = run(client, "addTask", "AddTaskInput", input, "{ task { id } }").await;
    id(&payload["task"]["id"])
}

pub(super) async fn request_export(client: &Client, transfer: &str) -> String {
    let input = json!({"selection": {"transferId": transfer}});
    let payload = run(
        client,
        "requestExport",
        "RequestExportInput",
        input,
        "{ export { id } }",
    )
    .await;
    id(&payload["export"]["id"])
}

/// An API key, and a client that shows it.
pub(super) async fn add_key(admin: &Client, body: Body) -> (String, Client) {
    let input = json!({"name": "Finding aids", "roles": ["READER"], "bodies": [body.code()], "expiresAt": in_days(30)});
    let payload = run(
        admin,
        "createApiKey",
        "CreateApiKeyInput",
        input,
        "{ apiKey { id } token }",
    )
    .await;
    let bearer = Client::new(admin.url().to_owned(), Some(id(&payload["token"])));
    (id(&payload["apiKey"]["id"]), bearer)
}

/// Starts a system and puts one of everything into each body. Its worker is stopped then.
pub(super) async fn world() -> (World, [Holdings; 2]) {
    let world = World::start_with(|settings| {
        settings.limits.single_put = PARTS;
        let limits = api::graphql::limits::QueryLimits {
            tokens: 100_000,
            complexity: 1_000_000,
            ..api::graphql::limits::QueryLimits::default()
        };
        settings.graphql.limits = std::sync::Arc::new(limits);
    })
    .await;
    let input = json!({"code": "FOREIGN", "title": "Foreign", "body": "OTHER", "policy": {"onNotScanned": "WARN"}});
    let payload = run(
        &world.admin(),
        "createCollection",
        "CreateCollectionInput",
        input,
        "{ collection { id } }",
    )
    .await;
    let foreign = id(&payload["collection"]["id"]);
    let default = world
        .admin()
        .send("{ collection(by: {code: \"DEFAULT\"}) { id } }", json!({}))
        .await;
    let default = id(&default.ok()["collection"]["id"]);
    let own = before(&world, Body::Own, default).await;
    let other = before(&world, Body::Other, foreign).await;
    world.system().stop_worker().await;
    let own = after(&world, Body::Own, own).await;
    let other = after(&world, Body::Other, other).await;
    (world, [own, other])
}

/// What needs a worker.
async fn before(world: &World, body: Body, collection: String) -> Holdings {
    let subject = if body == Body::Own { "connie" } else { "odo" };
    let depositor = world.client_for(
        subject,
        Role::Contributor,
        &[body.code()],
        Duration::from_hours(1),
    );
    let transfer = open_transfer(&depositor, body).await;
    dated(&depositor, &transfer).await;
    let count = ACCEPTED + TWICE;
    let good: Vec<(String, Vec<u8>)> = (0..count)
        .map(|index| {
            (
                format!("{index:02}.txt"),
                format!("{body:?} {index}").into_bytes(),
            )
        })
        .collect();
    let files: Vec<(&str, &[u8])> = good
        .iter()
        .map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
        .collect();
    let mut accepted = depositor.deposit(&transfer, &files).await;
    let empty: Vec<String> = (0..REJECTED)
        .map(|index| format!("empty{index}.txt"))
        .collect();
    let files: Vec<(&str, &[u8])> = empty.iter().map(|path| (path.as_str(), &b""[..])).collect();
    let mut rejected = depositor.deposit(&transfer, &files).await;
    for (_, version) in &accepted {
        assert_eq!(depositor.decided(version).await["status"], "ACCEPTED");
    }
    for (_, version) in &rejected {
        assert_eq!(depositor.decided(version).await["status"], "REJECTED");
    }
    let (mut twice, mut kept) = (Vec::new(), Vec::new());
    for (record, first) in accepted.split_off(ACCEPTED) {
        let input = json!({"recordId": record, "note": "Again", "file": {"fileName": "b.txt", "size": 1, "sha256": sha256(b"b")}});
        let selection = "{ version { id upload { url headers { name value } } } }";
        let added = run(
            &depositor,
            "addVersion",
            "AddVersionInput",
            input,
            selection,
        )
        .await;
        assert!(
            depositor
                .put(&added["version"]["upload"], b"b".to_vec())
                .await
                .is_success()
        );
        let second = id(&added["version"]["id"]);
        depositor.complete(std::slice::from_ref(&second)).await;
        assert_eq!(depositor.decided(&second).await["status"], "ACCEPTED");
        twice.push((record, first));
        kept = vec![("Version", second)];
    }
    let (_, waived) = rejected.remove(0);
    let input = json!({"versionId": waived, "verdict": "ACCEPT", "reason": "an envelope"});
    run(
        &world.archivist(),
        "decideVersion",
        "DecideVersionInput",
        input,
        "{ version { id } }",
    )
    .await;
    assert_eq!(depositor.decided(&waived).await["status"], "ACCEPTED");
    let export = request_export(&depositor, &transfer).await;
    let status = "query($id: ID!) { node(id: $id) { ... on Export { status } } }";
    depositor
        .until(status, json!({"id": export}), |answer| {
            answer["node"]["status"] == "READY"
        })
        .await;
    kept.extend(fixity::verified(world, &transfer, &accepted[0].1).await);
    Holdings {
        depositor,
        collection,
        transfer,
        accepted,
        twice,
        rejected,
        waived,
        export,
        task: String::new(),
        comment: String::new(),
        awaiting: String::new(),
        checking: String::new(),
        key: String::new(),
        bearer: world.anonymous(),
        kept,
        next: Cell::new(0),
    }
}

/// The first file of a transfer, whose depositor knows how old it is.
async fn dated(depositor: &Client, transfer: &str) {
    let file = json!({"size": 1, "sha256": sha256(b"0"), "lastModified": "2001-01-01T00:00:00Z"});
    let files = json!([{"path": "0.txt", "file": file}]);
    let version = &depositor.add_records_as(transfer, files).await[0]["version"];
    assert!(
        depositor
            .put(&version["upload"], b"0".to_vec())
            .await
            .is_success()
    );
    let version = id(&version["id"]);
    depositor.complete(std::slice::from_ref(&version)).await;
    assert_eq!(depositor.decided(&version).await["status"], "ACCEPTED");
}

/// A transfer that was taken over, with all that can be said of one.
async fn taken_over(world: &World, body: Body, depositor: &Client) -> String {
    let input =
        json!({"collection": {"code": collection(body)}, "title": "A batch", "source": "box 7"});
    let (kind, answer) = ("OpenTransferInput", "{ transfer { id } }");
    let payload = run(depositor, "openTransfer", kind, input, answer).await;
    let transfer = id(&payload["transfer"]["id"]);
    let input = json!({"id": transfer});
    run(
        depositor,
        "submitTransfer",
        "SubmitTransferInput",
        input,
        answer,
    )
    .await;
    let input = json!({"id": transfer, "note": "with thanks"});
    let archivist = world.archivist();
    run(
        &archivist,
        "acceptTransfer",
        "AcceptTransferInput",
        input,
        answer,
    )
    .await;
    transfer
}

/// Jobs that a worker has, and has failed at; an export that failed, and one that waits.
async fn under_way(world: &World, body: Body, holdings: &Holdings) -> Vec<(&'static str, String)> {
    let worker = world.worker();
    let version = uploaded(&holdings.depositor, body, b"claimed").await;
    let claimed = held(world, &version).await;
    let version = uploaded(&holdings.depositor, body, b"failed").await;
    let failed = held(world, &version).await;
    let failure = failed.and(json!({"kind": "RETRY", "reason": "slow"}));
    let (kind, answer) = ("FailJobsInput", "{ outcomes { status } }");
    let payload = run(
        &worker,
        "failJobs",
        kind,
        json!({"failures": [failure]}),
        answer,
    )
    .await;
    assert_eq!(payload["outcomes"][0]["status"], "APPLIED", "{payload}");
    let unpacked = request_export(&holdings.depositor, &holdings.transfer).await;
    let report = held(world, &unpacked).await;
    let report = report.and(json!({"status": "FAILED", "error": "no room"}));
    let (kind, answer) = ("ReportExportInput", "{ status }");
    let payload = run(&worker, "reportExport", kind, report, answer).await;
    assert_eq!(payload["status"], "APPLIED", "{payload}");
    let waiting = request_export(&holdings.depositor, &holdings.transfer).await;
    vec![
        ("Job", claimed.job),
        ("Job", failed.job),
        ("Export", unpacked),
        ("Export", waiting),
    ]
}

/// What must stay as it is.
async fn after(world: &World, body: Body, mut holdings: Holdings) -> Holdings {
    let (record, _) = holdings.fresh();
    holdings.task = add_task(&world.admin(), &record).await;
    let input = json!({"taskId": holdings.task, "body": "Look again"});
    let payload = run(
        &world.admin(),
        "addComment",
        "AddCommentInput",
        input,
        "{ comment { id } }",
    )
    .await;
    holdings.comment = id(&payload["comment"]["id"]);
    let transfer = open_transfer(&holdings.depositor, body).await;
    holdings.awaiting = declare(&holdings.depositor, &transfer, "awaited", b"x")
        .await
        .1;
    holdings.checking = uploaded(&holdings.depositor, body, b"waiting").await;
    let large = json!([{"path": "large", "file": {"size": PARTS + 1, "sha256": sha256(b"large")}}]);
    let large = holdings.depositor.add_records_as(&transfer, large).await;
    let in_parts = id(&large[0]["version"]["id"]);
    let admin = world.admin();
    (holdings.key, holdings.bearer) = add_key(&admin, body).await;
    let who = holdings
        .bearer
        .send("{ viewer { subject } }", json!({}))
        .await;
    assert_eq!(who.ok()["viewer"]["subject"], *holdings.key);
    let (revoked, _) = add_key(&admin, body).await;
    let (kind, answer) = ("RevokeApiKeyInput", "{ apiKey { id } }");
    run(&admin, "revokeApiKey", kind, json!({"id": revoked}), answer).await;
    let taken_over = taken_over(world, body, &holdings.depositor).await;
    holdings.kept.extend([
        ("Version", in_parts),
        ("ApiKey", revoked),
        ("Transfer", taken_over),
    ]);
    let under_way = under_way(world, body, &holdings).await;
    holdings.kept.extend(under_way);
    let (record, version) = holdings.fresh();
    let missed = fixity::missed(world, &record, &version).await;
    holdings.kept.extend(missed);
    let query = "query($id: ID!) { node(id: $id) { ... on Collection { revision } } }";
    let known = json!({"id": holdings.collection});
    let known = world.admin().send(query, known).await;
    let input = json!({
        "collectionId": holdings.collection, "expectedRevision": known.ok()["node"]["revision"],
        "everyDays": 60, "bytesPerDay": 1_000_000_000,
    });
    let (kind, answer) = ("SetFixityScheduleInput", "{ collection { id } }");
    run(&world.admin(), "setFixitySchedule", kind, input, answer).await;
    holdings
}
