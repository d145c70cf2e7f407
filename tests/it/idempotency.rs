//! What is sent twice is done once. Hostile input, section "GraphQL over HTTP", 5.
//!
//! Always: a mutation of the schema that is in none of the tables here fails the test.

use std::{collections::BTreeSet, time::Duration};

use api::auth::Role;
use futures::future::join_all;
use runtime::secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tests::{Client, World, sha256};

const MUTATIONS: &str = "{ __schema {
    mutationType { fields { name args { type { ofType { name inputFields { name } } } } } }
} }";

/// Those that take no key, and what makes a repetition harmless.
const BY_THEMSELVES: [(&str, &str); 23] = [
    ("acceptTransfer", "refused of a transfer that is accepted"),
    (
        "addRecords",
        "a path is unique in its transfer: what is there is answered",
    ),
    (
        "cancelExport",
        "refused, or nothing, of an export that has ended",
    ),
    (
        "claimJobs",
        "a lease is one worker's; `claimKey` answers the same ones again",
    ),
    ("completeUploads", "a version that was uploaded stays so"),
    ("decideVersion", "refused of a version that is decided"),
    ("extendLeases", "a lease is as long as the last call says"),
    ("failJobs", "a lease fails once"),
    ("reportChecks", "a run has one result"),
    ("reportDispositions", "a job is done once"),
    ("reportExport", "the same report does nothing"),
    ("reportFixity", "a check has one outcome"),
    ("reportUploads", "a version that was uploaded stays so"),
    ("returnTransfer", "refused of a transfer that was returned"),
    ("revokeApiKey", "a key that is revoked stays so"),
    ("setFixitySchedule", "takes the revision that was read"),
    ("setPolicy", "takes the revision that was read"),
    ("setTaskStatus", "a task is in a status once"),
    ("submitTransfer", "refused of a transfer that is submitted"),
    ("updateCollection", "takes the revision that was read"),
    ("updateRecord", "takes the revision that was read"),
    ("updateTask", "takes the revision that was read"),
    (
        "uploadParts",
        "an upload is begun once; the parts that are missing are no change",
    ),
];

/// A mutation that takes a key.
struct Keyed {
    name: &'static str,
    /// What it answers of the thing that it made.
    selection: &'static str,
    /// The event that says that it was made.
    event: &'static str,
    /// Different ones, each for a thing of its own.
    inputs: [Value; 3],
}

impl Keyed {
    async fn send(&self, client: &Client, key: &str, input: usize) -> tests::Answer {
        let mut input = self.inputs[input].clone();
        input["clientMutationKey"] = json!(key);
        let mut kind = self.name.to_owned();
        kind[..1].make_ascii_uppercase();
        let query = format!(
            "mutation($input: {kind}Input!) {{ {}(input: $input) {} }}",
            self.name, self.selection
        );
        client.send(&query, json!({"input": input})).await
    }

    /// How often it was done.
    async fn done(&self, client: &Client) -> usize {
        let query = "query($action: String) { events(filter: {action: $action}, first: 100) { nodes { id } } }";
        let answer = client.send(query, json!({"action": self.event})).await;
        let events = answer.ok()["events"]["nodes"].as_array();
        events.expect("a list").len()
    }
}

/// Somebody who may do everything that people do.
fn person(world: &World, subject: &str) -> Client {
    let roles = [Role::Admin, Role::Archivist];
    let token = world
        .system()
        .token(subject, &roles, &["LOCAL".into()], Duration::from_hours(1));
    let token = token.expect("a token is minted").expose_secret().to_owned();
    Client::new(world.url(), Some(token))
}

/// Three things of each sort, and what is to be done with them.
async fn table(world: &World, person: &Client) -> Vec<Keyed> {
    let owner = world.contributor();
    let mut transfers = Vec::new();
    let mut kept = Vec::new();
    let mut refused = Vec::new();
    let mut tasks = Vec::new();
    for name in ["a", "b", "c"] {
        let transfer = owner.open_transfer(name).await;
        let files: [(&str, &[u8]); 2] = [("kept.txt", name.as_bytes()), ("empty.txt", b"")];
        let mut ids = owner.deposit(&transfer, &files).await;
        let (record, version) = ids.remove(0);
        assert_eq!(owner.decided(&version).await["status"], "ACCEPTED");
        assert_eq!(owner.decided(&ids[0].1).await["status"], "REJECTED");
        let add =
            "mutation($r: ID!) { addTask(input: {recordId: $r, title: \"t\"}) { task { id } } }";
        let task = person.send(add, json!({"r": record})).await;
        tasks.push(task.ok()["addTask"]["task"]["id"].clone());
        transfers.push(transfer);
        kept.push((record, version));
        refused.push(ids.remove(0).1);
    }
    world.stop_worker().await;
    let day = runtime::clock::Clock::now(&runtime::clock::SystemClock) + chrono::TimeDelta::days(1);
    let keyed = |name, selection, event, input: &dyn Fn(usize) -> Value| Keyed {
        name,
        selection,
        event,
        inputs: [input(0), input(1), input(2)],
    };
    let file = |n: usize| json!({"fileName": "new.txt", "size": n, "sha256": sha256(&[7])});
    vec![
        keyed(
            "addComment",
            "{ comment { id } }",
            "task.commented",
            &|n| json!({"taskId": tasks[n], "body": "said"}),
        ),
        keyed(
            "addTask",
            "{ task { id } }",
            "task.added",
            &|n| json!({"recordId": kept[n].0, "title": "Describe"}),
        ),
        keyed(
            "addVersion",
            "{ version { id } }",
            "version.added",
            &|n| json!({"recordId": kept[n].0, "file": file(n + 1)}),
        ),
        keyed(
            "createApiKey",
            "{ apiKey { id } token }",
            "apiKey.created",
            &|n| json!({"name": format!("key {n}"), "roles": ["READER"], "expiresAt": day.to_rfc3339()}),
        ),
        keyed(
            "createCollection",
            "{ collection { id } }",
            "collection.created",
            &|n| json!({"code": format!("C{n}"), "title": "One", "body": "LOCAL"}),
        ),
        keyed(
            "openTransfer",
            "{ transfer { id } }",
            "transfer.opened",
            &|n| json!({"collection": {"code": "DEFAULT"}, "title": format!("batch {n}")}),
        ),
        keyed(
            "requestExport",
            "{ export { id } }",
            "export.requested",
            &|n| json!({"selection": {"transferId": transfers[n]}}),
        ),
        keyed(
            "rerunChecks",
            "{ outcomes { __typename ... on ChecksQueued { version { id } } ... on ItemRefused { code } } }",
            "version.checksRerun",
            &|n| json!({"versionIds": [refused[n], "nonsense", kept[n].1]}),
        ),
        keyed(
            "restoreVersion",
            "{ version { id } }",
            "version.restored",
            &|n| json!({"versionId": kept[n].1}),
        ),
        keyed(
            "verifyNow",
            "{ run { id } }",
            "fixity.asked",
            &|n| json!({"selection": {"recordId": kept[n].0}}),
        ),
    ]
}

#[tokio::test]
async fn every_mutation_takes_a_key_or_is_harmless_by_itself() {
    let world = World::embedded().await;
    let answer = world.admin().send(MUTATIONS, json!({})).await;
    let fields = &answer.ok()["__schema"]["mutationType"]["fields"];
    let (mut keyed, mut others) = (BTreeSet::new(), BTreeSet::new());
    for field in fields.as_array().expect("mutations") {
        let input = field["args"][0]["type"]["ofType"]["inputFields"].as_array();
        let mut input = input.expect("one input").iter();
        let takes_key = input.any(|field| field["name"] == "clientMutationKey");
        let name = field["name"].as_str().expect("a name").to_owned();
        if takes_key { &mut keyed } else { &mut others }.insert(name);
    }
    let table = table(&world, &person(&world, "ada")).await;
    let known = table.iter().map(|one| one.name.to_owned());
    assert_eq!(keyed, known.collect(), "`table` says how each is called");
    let known = BY_THEMSELVES.map(|(name, _)| name.to_owned());
    assert_eq!(
        others,
        known.into(),
        "a mutation takes a key, or needs none"
    );
}

#[tokio::test]
async fn the_same_key_fifty_times_at_once_is_one_thing_and_a_key_is_its_owners_and_its_inputs() {
    let world = World::embedded().await;
    let (one, other) = (person(&world, "ada"), person(&world, "bea"));
    let table = table(&world, &one).await;
    let mut made = Vec::new();
    for keyed in &table {
        let name = keyed.name;
        let before = keyed.done(&one).await;
        let calls = join_all((0..50).map(|_| keyed.send(&one, name, 0))).await;
        let mut answers: Vec<Value> = calls
            .iter()
            .map(|answer| answer.ok()[name].clone())
            .collect();
        if name == "createApiKey" {
            let tokens = answers.iter_mut().map(|answer| answer["token"].take());
            let shown = tokens.filter(|token| !token.is_null()).count();
            assert_eq!(shown, 1, "a token is shown once");
        }
        let first = answers[0].clone();
        assert!(
            answers.iter().all(|answer| *answer == first),
            "{name}: {answers:#?}"
        );
        assert_eq!(keyed.done(&one).await, before + 1, "{name}");
        let changed = keyed.send(&one, name, 1).await;
        assert_eq!(changed.code(), "CONFLICT", "{name} with another input");
        assert_eq!(keyed.done(&one).await, before + 1, "{name}");
        made.push(first);
    }
    for (index, keyed) in table.iter().enumerate() {
        let name = keyed.name;
        // The key of the mutation before it: once an input of that, it is none of this.
        let others = table[(index + table.len() - 1) % table.len()].name;
        let crossed = keyed.send(&one, others, 1).await;
        assert_eq!(
            crossed.code(),
            "CONFLICT",
            "{name} with the key of {others}"
        );
        let theirs = keyed.send(&other, name, 2).await;
        assert_ne!(
            theirs.ok()[name],
            made[index],
            "{name}: a key is its owner's"
        );
    }
}
