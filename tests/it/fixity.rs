//! Whether the checker of what is kept finds what is wrong with it: each test breaks something behind the
//! system's back.

use std::{
    path::{Path, PathBuf},
    process::Output,
};

use contract::VersionId;
use serde_json::{Value, json};
use tests::{Client, World, muniment, sha256, stderr, stdout};

const VERSION: &str = "query($id: ID!) { node(id: $id) { ... on Version { status whyWaiting download { url }
    record { currentVersion { id } tasks(first: 10) { nodes { title status createdBy } } }
    fixity { lastVerifiedAt damagedSince isOverdue checks(first: 10) { nodes {
        outcome detail worker engine runId finishedAt expected { sha256 } measured { size sha256 sha512 } } } } } } }";

const EXPORT: &str =
    "query($id: ID!) { node(id: $id) { ... on Export { status error download { url }
    fixity { lastVerifiedAt checks(first: 10) { nodes { outcome } } } } } }";

/// A system with files that were accepted: (record, version) of each.
struct Vault {
    world: World,
    client: Client,
    transfer: String,
    ids: Vec<(String, String)>,
}

const FILES: [(&str, &[u8]); 3] = [
    ("Letters/one.txt", b"the first letter"),
    ("Letters/two.txt", b"the second letter"),
    ("three.txt", b"no letter at all"),
];

impl Vault {
    async fn fill(files: &[(&str, &[u8])]) -> Self {
        let world = World::start_with(|settings| settings.limits.attempts = 2).await;
        let client = world.archivist();
        let transfer = client.open_transfer("Letters").await;
        let ids = client.deposit(&transfer, files).await;
        for (_, version) in &ids {
            assert_eq!(client.decided(version).await["status"], "ACCEPTED");
        }
        Self {
            world,
            client,
            transfer,
            ids,
        }
    }

    async fn version(&self, index: usize) -> Value {
        let id = &self.ids[index].1;
        let answer = self.client.send(VERSION, json!({"id": id})).await;
        answer.ok()["node"].clone()
    }

    /// `muniment fixity`, as a client of this system.
    async fn fixity(&self, arguments: &[&str]) -> Output {
        tokio::process::Command::new(muniment())
            .arg("fixity")
            .args(arguments)
            .args(["--wait", "60", "--patience", "0"])
            .args(["--server", self.client.url()])
            .args(["--token", self.client.token()])
            .output()
            .await
            .unwrap()
    }

    /// The file in which the embedded object store keeps an object.
    fn object(&self, bucket: &str, key: &str) -> PathBuf {
        object(self.world.folder(), bucket, key)
    }
}

fn object(data: &Path, bucket: &str, key: &str) -> PathBuf {
    let mut waiting = vec![data.join("objects/buckets").join(bucket)];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.to_string_lossy().contains(key) {
                return path;
            }
        }
    }
    panic!("{key} is not in {bucket}");
}

/// Flips the lowest bit of the first byte of `text` in a file.
fn flip(file: &Path, text: &[u8]) {
    let mut bytes = std::fs::read(file).unwrap();
    let at = bytes.windows(text.len()).position(|some| some == text);
    bytes[at.expect("it stands there")] ^= 1;
    std::fs::write(file, bytes).unwrap();
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

#[tokio::test]
async fn what_nobody_touched_is_verified_and_says_so() {
    let vault = Vault::fill(&FILES).await;
    assert_eq!(
        vault.version(0).await["fixity"]["lastVerifiedAt"],
        Value::Null
    );
    let output = vault.fixity(&[]).await;
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let said = stdout(&output);
    assert!(
        said.contains("3 objects") && said.contains("3 verified"),
        "{said}"
    );
    let version = vault.version(0).await;
    let fixity = &version["fixity"];
    let check = &fixity["checks"]["nodes"][0];
    assert_eq!(fixity["lastVerifiedAt"], check["finishedAt"]);
    assert_eq!(check["outcome"], "MATCH");
    assert_eq!(check["measured"]["sha256"], sha256(FILES[0].1));
    assert_eq!(version["status"], "ACCEPTED");
    for selection in [
        ["--transfer", &vault.transfer],
        ["--record", &vault.ids[1].0],
        ["--collection", "DEFAULT"],
    ] {
        let output = vault.fixity(&selection).await;
        assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    }
}

#[tokio::test]
async fn a_flipped_bit_in_an_object_is_found_named_and_opens_one_task() {
    let vault = Vault::fill(&FILES).await;
    flip(&vault.object("records", &vault.ids[1].1), FILES[1].1);
    let output = vault.fixity(&[]).await;
    assert_eq!(code(&output), Some(2), "{}", stderr(&output));
    let said = stdout(&output);
    let line = said
        .lines()
        .find(|line| line.starts_with("DAMAGED"))
        .unwrap();
    assert!(line.contains("Letters/two.txt, version 1"), "{line}");
    assert!(
        line.contains(&format!("instead of {}", sha256(FILES[1].1))),
        "{line}"
    );
    assert!(
        said.contains("2 verified, 1 damaged, 0 missing, 0 could not be read"),
        "{said}"
    );
    assert_eq!(said.matches("DAMAGED").count(), 1, "{said}");

    let version = vault.version(1).await;
    assert_eq!(version["status"], "NEEDS_REVIEW");
    assert_eq!(
        version["download"],
        Value::Null,
        "it is not downloadable any more"
    );
    assert_eq!(version["record"]["currentVersion"], Value::Null);
    assert_ne!(version["fixity"]["damagedSince"], Value::Null);
    let why = version["whyWaiting"].as_str().unwrap();
    assert!(why.contains("the object is not what was accepted"), "{why}");
    let tasks = &version["record"]["tasks"]["nodes"];
    assert_eq!(tasks.as_array().unwrap().len(), 1, "{tasks}");
    assert_eq!(tasks[0]["title"], "Fixity failure: version 1 (two.txt)");

    let again = vault.fixity(&["--record", &vault.ids[1].0]).await;
    assert_eq!(code(&again), Some(2), "it stays damaged");
    let version = vault.version(1).await;
    assert_eq!(
        version["fixity"]["checks"]["nodes"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let tasks = version["record"]["tasks"]["nodes"].as_array().unwrap();
    assert_eq!(tasks.len(), 1, "a second run opens no second task");

    let events = "query($id: ID!) { events(filter: {subjectId: $id}, first: 50) { nodes { action agent } } }";
    let answer = vault
        .client
        .send(events, json!({"id": vault.ids[1].1}))
        .await;
    let events = answer.ok()["events"]["nodes"].as_array().unwrap().clone();
    let failures = events
        .iter()
        .filter(|event| event["action"] == "version.fixityFailed");
    assert_eq!(failures.count(), 1, "{events:#?}");
}

#[tokio::test]
async fn a_flipped_bit_in_a_large_object_is_found() {
    let large: Vec<u8> = (0..3_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0])
        .collect();
    let vault = Vault::fill(&[("large.bin", &large)]).await;
    let chunks = vault.world.folder().join("objects/chunks");
    let mut chunks: Vec<PathBuf> = std::fs::read_dir(chunks)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(chunks.len(), 1, "{chunks:?}");
    flip(&chunks.remove(0), &large[2_999_000..2_999_100]);
    let output = vault.fixity(&[]).await;
    assert_eq!(
        code(&output),
        Some(2),
        "{}{}",
        stdout(&output),
        stderr(&output)
    );
}

#[tokio::test]
async fn an_object_that_was_deleted_is_found_and_accepted_again_only_once_it_is_back_and_verified()
{
    let vault = Vault::fill(&FILES).await;
    let file = vault.object("records", &vault.ids[0].1);
    let kept = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let output = vault.fixity(&["--transfer", &vault.transfer]).await;
    assert_eq!(code(&output), Some(2), "{}", stderr(&output));
    let said = stdout(&output);
    assert!(said.contains("MISSING  "), "{said}");
    assert!(said.contains("Letters/one.txt, version 1"), "{said}");
    let decide = "mutation($id: ID!) { decideVersion(input: {versionId: $id, verdict: ACCEPT, reason: \"restored from tape\"}) { version { status } } }";
    // Who deposited it does not decide.
    let other = vault.world.client("alma", api::auth::Role::Archivist, &[]);
    let id = json!({"id": vault.ids[0].1});
    let refused = other.send(decide, id.clone()).await;
    assert_eq!(refused.code(), "PRECONDITION_FAILED");
    assert!(
        refused.message().contains("verifyNow"),
        "{}",
        refused.message()
    );

    std::fs::write(&file, kept).unwrap();
    let output = vault.fixity(&["--record", &vault.ids[0].0]).await;
    assert_eq!(code(&output), Some(0), "{}", stdout(&output));
    let version = vault.version(0).await;
    assert_eq!(version["status"], "NEEDS_REVIEW", "a person decides");
    assert_eq!(version["fixity"]["damagedSince"], Value::Null);
    let accepted = other.send(decide, id).await;
    assert_eq!(
        accepted.ok()["decideVersion"]["version"]["status"],
        "ACCEPTED"
    );
    let version = vault.version(0).await;
    assert_eq!(version["record"]["currentVersion"]["id"], vault.ids[0].1);
    assert_ne!(version["download"], Value::Null);
}

#[tokio::test]
async fn a_changed_digest_in_the_database_is_found_and_told_from_a_changed_object() {
    let vault = Vault::fill(&FILES).await;
    let app = vault.world.system().app();
    let id = |index: usize| -> VersionId { vault.ids[index].1.parse().unwrap() };
    let mut unit = app.begin_internal().await.unwrap();
    let row = |index| api::versions::store::load_for_update(&unit, id(index).0);
    let mut sha256_changed = row(0).await.unwrap().unwrap();
    let mut sha512_changed = row(1).await.unwrap().unwrap();
    sha256_changed.sha256 = "0".repeat(64);
    sha512_changed.sha512 = Some("0".repeat(128));
    for row in [sha256_changed, sha512_changed] {
        let was = row.status;
        api::versions::store::update(&mut unit, row, was)
            .await
            .unwrap();
    }
    let checks = api::checks::store::current_many(unit.db(), &[id(2).0])
        .await
        .unwrap();
    let mut checks = checks.into_values().flatten();
    let mut checksum = checks.find(|check| check.kind == "CHECKSUM").unwrap();
    checksum.evidence.as_mut().unwrap()["checksum"]["sha256"] = json!("0".repeat(64));
    api::checks::store::update(&unit, checksum).await.unwrap();
    unit.commit().await.unwrap();

    let output = vault.fixity(&[]).await;
    assert_eq!(code(&output), Some(2), "{}", stderr(&output));
    let said = stdout(&output);
    assert!(said.contains("0 verified, 3 damaged"), "{said}");
    for (index, witness) in [
        (0, "what the database says of it has been changed: SHA-256"),
        (1, "what the database says of it has been changed: SHA-512"),
        (
            2,
            "the result of its CHECKSUM check has been changed: SHA-256",
        ),
    ] {
        let version = vault.version(index).await;
        assert_eq!(version["status"], "NEEDS_REVIEW");
        let detail = version["fixity"]["checks"]["nodes"][0]["detail"]
            .as_str()
            .unwrap();
        assert!(detail.contains(witness), "{detail}");
    }
}

#[tokio::test]
async fn a_flipped_bit_in_a_manifest_of_a_stored_package_is_found() {
    let vault = Vault::fill(&FILES).await;
    let request = "mutation($id: ID!) { requestExport(input: {selection: {transferId: $id}}) { export { id } } }";
    let answer = vault
        .client
        .send(request, json!({"id": vault.transfer}))
        .await;
    let export = answer.ok()["requestExport"]["export"]["id"].clone();
    let ready = |answer: &Value| answer["node"]["status"] == "READY";
    vault
        .client
        .until(EXPORT, json!({"id": export}), ready)
        .await;
    let whole = vault.fixity(&["--export", export.as_str().unwrap()]).await;
    assert_eq!(
        code(&whole),
        Some(0),
        "{}{}",
        stdout(&whole),
        stderr(&whole)
    );

    // The digest of a file, as it stands in the manifest.
    let package = package(&vault, export.as_str().unwrap());
    flip(&package, sha256(FILES[2].1).as_bytes());
    let output = vault.fixity(&["--transfer", &vault.transfer]).await;
    assert_eq!(code(&output), Some(2), "{}", stderr(&output));
    let said = stdout(&output);
    assert!(
        said.contains(&format!("package {}", export.as_str().unwrap())),
        "{said}"
    );
    assert!(said.contains("3 verified, 1 damaged"), "{said}");
    let answer = vault.client.send(EXPORT, json!({"id": export})).await;
    let export = &answer.ok()["node"];
    assert_eq!(export["status"], "FAILED");
    assert_eq!(export["download"], Value::Null);
    let error = export["error"].as_str().unwrap();
    assert!(error.contains("not the one that was made"), "{error}");
}

/// The file that holds a package's bytes: its entry, or the chunk that it names.
fn package(vault: &Vault, export: &str) -> PathBuf {
    let entry = vault.object("exports", export);
    let bytes = std::fs::read(&entry).unwrap();
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
    let line: Value = serde_json::from_slice(&bytes[..end]).unwrap();
    match line["chunks"][0]["file"].as_str() {
        Some(chunk) => vault.world.folder().join("objects/chunks").join(chunk),
        None => entry,
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_said_and_nothing_is_called_damaged() {
    let vault = Vault::fill(&FILES).await;
    let bucket = vault.world.folder().join("objects/buckets/records");
    let away = vault.world.folder().join("objects/away");
    std::fs::rename(&bucket, &away).unwrap();
    let output = vault.fixity(&[]).await;
    assert_eq!(code(&output), Some(1), "{}", stdout(&output));
    let said = stderr(&output);
    assert!(
        said.contains("not everything was verified: 3 objects could not be read"),
        "{said}"
    );
    let told = stdout(&output);
    assert!(told.contains("the object could not be read"), "{told}");
    assert!(
        told.contains("0 verified, 0 damaged, 0 missing, 3 could not be read"),
        "{told}"
    );
    for index in 0..3 {
        let version = vault.version(index).await;
        assert_eq!(version["status"], "ACCEPTED");
        assert_eq!(version["fixity"]["lastVerifiedAt"], Value::Null);
        assert_eq!(version["fixity"]["damagedSince"], Value::Null);
        assert_eq!(version["record"]["tasks"]["nodes"], json!([]));
    }
    std::fs::rename(&away, &bucket).unwrap();
    let output = vault.fixity(&[]).await;
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
}

#[tokio::test]
async fn a_checker_that_cannot_run_or_is_not_done_in_time_does_not_end_well() {
    let vault = Vault::fill(&FILES[..1]).await;
    let nowhere = vault
        .fixity(&["--transfer", "transfer_01kaghq8z2f4v9x7m3n5p6r8st"])
        .await;
    assert_eq!(code(&nowhere), Some(1));
    assert!(
        stderr(&nowhere).contains("NOT_FOUND"),
        "{}",
        stderr(&nowhere)
    );
    let contributor = vault.world.contributor();
    let forbidden = tokio::process::Command::new(muniment())
        .args(["fixity", "--server", contributor.url()])
        .args(["--token", contributor.token()])
        .output()
        .await
        .unwrap();
    assert_eq!(code(&forbidden), Some(1), "{}", stdout(&forbidden));

    vault.world.system().stop_worker().await;
    let output = tokio::process::Command::new(muniment())
        .args(["fixity", "--wait", "1", "--server", vault.client.url()])
        .args(["--token", vault.client.token()])
        .output()
        .await
        .unwrap();
    assert_eq!(code(&output), Some(1), "{}", stdout(&output));
    let said = stderr(&output);
    assert!(
        said.contains("not everything was verified in time: 1 object"),
        "{said}"
    );
    assert!(said.contains("muniment fixity --run fixityrun_"), "{said}");
    assert!(
        stdout(&output).contains("0 verified"),
        "{}",
        stdout(&output)
    );

    let unreachable = tokio::process::Command::new(muniment())
        .args([
            "fixity",
            "--patience",
            "0",
            "--server",
            "http://127.0.0.1:9",
        ])
        .args(["--token", vault.client.token()])
        .output()
        .await
        .unwrap();
    assert_eq!(code(&unreachable), Some(1));
    assert!(
        stderr(&unreachable).contains("was not reached"),
        "{}",
        stderr(&unreachable)
    );
}

#[tokio::test]
async fn the_command_verifies_a_data_folder_that_nobody_serves() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("in")).unwrap();
    std::fs::write(folder.path().join("in/deed.txt"), "a deed of gift").unwrap();
    let run = |arguments: &'static [&'static str]| {
        tokio::process::Command::new(muniment())
            .args(arguments)
            .current_dir(folder.path())
            .output()
    };
    assert_eq!(code(&run(&["transfer", "in"]).await.unwrap()), Some(0));
    let output = run(&["fixity", "--json"]).await.unwrap();
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let told: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&told["asked"], &told["verified"]), (&json!(1), &json!(1)));
    let object = object(&folder.path().join("data"), "records", "version_");
    flip(&object, b"a deed of gift");
    let output = run(&["fixity"]).await.unwrap();
    assert_eq!(code(&output), Some(2), "{}", stderr(&output));
    assert!(
        stdout(&output).contains("deed.txt, version 1"),
        "{}",
        stdout(&output)
    );
}

#[tokio::test]
async fn a_run_is_shown_to_archivists_and_to_nobody_else() {
    let vault = Vault::fill(&FILES[..1]).await;
    let ask = "mutation { verifyNow(input: {clientMutationKey: \"once\", selection: {everything: true}}) { run { id asked outstanding } } }";
    let first = vault.client.send(ask, json!({})).await.ok().clone();
    let id = first["verifyNow"]["run"]["id"].clone();
    let again = vault.client.send(ask, json!({})).await;
    assert_eq!(again.ok()["verifyNow"]["run"]["id"], id);
    let run = "query($id: ID!) { node(id: $id) { ... on FixityRun { verified outstanding whyWaiting finishedAt selection askedBy
        checks(outcomes: [MATCH], first: 5) { nodes { id outcome version { id } } } } } }";
    let ended = |answer: &Value| answer["node"]["finishedAt"] != Value::Null;
    let answer = vault.client.until(run, json!({"id": id}), ended).await;
    assert_eq!(answer["node"]["verified"], 1);
    assert_eq!(answer["node"]["whyWaiting"], Value::Null);
    assert_eq!(answer["node"]["selection"], "everything");
    let check = &answer["node"]["checks"]["nodes"][0];
    assert_eq!(check["version"]["id"], vault.ids[0].1);
    let reader = vault.world.reader();
    assert_eq!(
        reader.send(run, json!({"id": id})).await.ok()["node"],
        Value::Null
    );
    assert_eq!(reader.send(ask, json!({})).await.code(), "FORBIDDEN");
    let one =
        "mutation($id: ID!) { verifyNow(input: {selection: {recordId: $id}}) { run { id } } }";
    let record = json!({"id": vault.ids[0].0});
    let answer = vault.client.send(one, record).await.ok().clone();
    let run = json!({"id": answer["verifyNow"]["run"]["id"]});
    let events = "query($id: ID!) { events(filter: {subjectId: $id, action: \"fixity.asked\"}, first: 5) { nodes { id } } }";
    for (client, count) in [(&vault.client, 1), (&vault.world.contributor(), 0)] {
        let answer = client.send(events, run.clone()).await;
        let events = answer.ok()["events"]["nodes"].as_array().unwrap().len();
        assert_eq!(events, count, "events of a run");
    }
    // What came of a check is seen by those who see the version.
    let one = "query($id: ID!) { node(id: $id) { ... on FixityCheck { outcome } } }";
    let seen = reader.send(one, json!({"id": check["id"]})).await;
    assert_eq!(seen.ok()["node"]["outcome"], "MATCH");
    let stranger = vault
        .world
        .client("x", api::auth::Role::Reader, &["ELSEWHERE"]);
    let hidden = stranger.send(one, json!({"id": check["id"]})).await;
    assert_eq!(hidden.ok()["node"], Value::Null);

    let collection = "{ collection(by: {code: \"DEFAULT\"}) { id revision fixitySchedule { everyDays bytesPerDay } } }";
    let answer = vault.client.send(collection, json!({})).await.ok().clone();
    let found = &answer["collection"];
    assert_eq!(
        found["fixitySchedule"],
        json!({"everyDays": 90, "bytesPerDay": null})
    );
    let set = "mutation($id: ID!, $r: Int!, $days: Int) { setFixitySchedule(input: {collectionId: $id, expectedRevision: $r, everyDays: $days}) {
        collection { fixitySchedule { everyDays } } } }";
    let variables = |days: Value| json!({"id": found["id"], "r": found["revision"], "days": days});
    let wrong = vault.client.send(set, variables(json!(0))).await;
    assert_eq!(
        (wrong.code(), wrong.path()),
        ("BAD_USER_INPUT", "input.everyDays")
    );
    let off = vault.client.send(set, variables(Value::Null)).await;
    assert_eq!(
        off.ok()["setFixitySchedule"]["collection"]["fixitySchedule"]["everyDays"],
        Value::Null
    );
}
