//! The log of events: what somebody with the database, or with a bag, cannot hide.

use std::{
    path::Path,
    process::{Command, Output},
};

use sea_orm::{ConnectionTrait as _, Statement};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha512};
use tests::{World, muniment, stderr, stdout};

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(muniment());
    let output = command.args(arguments).current_dir(folder).output();
    output.unwrap()
}

/// Runs a command that is to end with this status, and answers what it printed.
fn ends(folder: &Path, arguments: &[&str], status: i32) -> String {
    let output = run(folder, arguments);
    let said = format!("{}{}", stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
    said
}

/// A folder with a data folder, a bag and a checkpoint, as a first use leaves them.
fn used() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("files")).unwrap();
    for name in ["one.txt", "two.txt", "three.txt"] {
        std::fs::write(folder.path().join("files").join(name), name).unwrap();
    }
    ends(folder.path(), &["transfer", "files", "--bag", "out.tar"], 0);
    folder
}

async fn database(folder: &Path) -> api::app::DatabaseConnection {
    let file = folder.join("data/muniment.db");
    let url = format!("sqlite://{}?mode=rw", file.display());
    api::app::connect(&url, 2).await.unwrap()
}

#[tokio::test]
async fn the_command_finds_what_was_done_to_the_database_and_names_it() {
    let folder = used();
    let folder = folder.path();
    let intact = ends(folder, &["verify-log", "--keep", "kept.txt"], 0);
    assert!(intact.starts_with("the log is intact: "), "{intact}");
    let since = ["verify-log", "--since", "kept.txt"];
    ends(folder, &since, 0);

    let db = database(folder).await;
    let victim = Statement::from_string(
        db.get_database_backend(),
        "SELECT hex(id) AS id FROM event WHERE action = 'version.decided' LIMIT 1",
    );
    let victim = db.query_one_raw(victim).await.unwrap().unwrap();
    let id: String = victim.try_get("", "id").unwrap();
    let named = contract::EventId(id.parse().unwrap()).to_string();
    let edit = format!("UPDATE event SET agent = 'nobody' WHERE id = x'{id}'");
    assert_eq!(
        db.execute_unprepared(&edit).await.unwrap().rows_affected(),
        1
    );
    let found = ends(folder, &["verify-log", "--keep", "new.txt"], 2);
    assert!(
        found.contains(&named) && found.contains("was edited"),
        "{found}"
    );
    assert!(
        found.contains("THE LOG WAS TAMPERED WITH, 1 finding"),
        "{found}"
    );
    assert!(!folder.join("new.txt").exists(), "nothing is kept of it");
    let lines = stdout(&run(folder, &["verify-log", "--json"]));
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (&lines[0]["code"], &lines[1]["intact"]),
        (&json!("EDITED"), &json!(false))
    );

    // The whole log is gone, with all that could tell of it but the checkpoint that was kept.
    for (table, least) in [
        ("event", 1),
        ("event_leaf", 1),
        ("event_node", 1),
        ("checkpoint", 1),
        ("event_pending", 0),
    ] {
        let gone = db.execute_unprepared(&format!("DELETE FROM {table}")).await;
        assert!(gone.unwrap().rows_affected() >= least, "{table}");
    }
    ends(folder, &["verify-log"], 0);
    let said = ends(folder, &["verify-log", "--keep", "none.txt"], 1);
    assert!(said.contains("no checkpoint to keep yet"), "{said}");
    assert!(!folder.join("none.txt").exists());
    let found = ends(folder, &since, 2);
    assert!(
        found.contains("kept elsewhere") && found.contains("rolled back"),
        "{found}"
    );
}

#[test]
fn a_key_named_for_a_bag_without_events_verifies_nothing_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let bag = folder.path().join("bag");
    std::fs::create_dir_all(bag.join("data")).unwrap();
    std::fs::write(bag.join("bagit.txt"), bagit::BAGIT_TXT).unwrap();
    std::fs::write(bag.join("data/abc"), "abc").unwrap();
    let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let manifest = format!("{digest}  data/abc\n");
    std::fs::write(bag.join("manifest-sha256.txt"), manifest).unwrap();
    ends(folder.path(), &["verify", "bag"], 0);
    let key = ends(folder.path(), &["checkpoint-key", "key.p8"], 0);
    let said = ends(folder.path(), &["verify", "--key", key.trim(), "bag"], 2);
    let none = "events: none in this bag, so --key verifies nothing";
    assert!(said.contains(": valid") && said.contains(none), "{said}");
    let json = ["verify", "--json", "--key", key.trim(), "bag"];
    let said: Value = serde_json::from_str(&ends(folder.path(), &json, 2)).unwrap();
    assert_eq!(
        (&said["valid"], &said["errors"]),
        (&json!(false), &json!(0))
    );
}

#[test]
fn a_look_makes_no_database_and_another_database_needs_no_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let key = ends(folder.path(), &["checkpoint-key", "key.p8"], 0);
    let look = ["verify-log", "--key", key.trim()];
    let elsewhere = |arguments: &[&str]| {
        let file = folder.path().join("elsewhere.db");
        let url = format!("sqlite://{}?mode=rwc", file.display());
        let mut command = Command::new(muniment());
        command.args(arguments).current_dir(folder.path());
        command.env("MUNIMENT_DATABASE_URL", url).output().unwrap()
    };
    for arguments in [&["migrate"][..], &look] {
        let output = elsewhere(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    assert!(!folder.path().join("data").exists());

    ends(folder.path(), &["migrate"], 0);
    ends(folder.path(), &look, 0);
    let database = folder.path().join("data/muniment.db");
    std::fs::remove_file(&database).unwrap();
    ends(folder.path(), &look, 1);
    assert!(!database.exists());
}

#[test]
fn a_look_that_cannot_be_taken_is_no_verdict() {
    let folder = used();
    let folder = folder.path();
    for (arguments, why) in [
        (&["verify-log", "--data", "nowhere"][..], "nowhere"),
        (&["verify-log", "--key", "nothing"], "nothing"),
        (&["verify-log", "--since", "nothing.txt"], "nothing.txt"),
        (
            &["verify-log", "--since", "files/one.txt"],
            "not a signed note",
        ),
        (&["verify", "--key", "nothing", "out.tar"], "nothing"),
    ] {
        let said = ends(folder, arguments, 1);
        assert!(said.contains(why), "{said}");
    }
    // A key of somebody else's: nothing that is signed is ours.
    let stranger = ends(folder, &["checkpoint-key", "stranger.p8"], 0);
    let said = ends(folder, &["verify-log", "--key", stranger.trim()], 2);
    assert!(said.contains("not signed by a known key"), "{said}");
    ends(
        folder,
        &["verify-log", "--key", "data/identity/checkpoint-key.p8"],
        0,
    );
}

fn digests(bytes: &[u8]) -> [(&'static str, String); 2] {
    [
        ("tagmanifest-sha256.txt", hex::encode(Sha256::digest(bytes))),
        ("tagmanifest-sha512.txt", hex::encode(Sha512::digest(bytes))),
    ]
}

/// Rewrites the events of an unpacked bag, and its manifests with them, as somebody would who knows how.
fn rewrite(bag: &Path, events: &str) {
    let file = bag.join("muniment/events.jsonl");
    let before = std::fs::read(&file).unwrap();
    std::fs::write(&file, events).unwrap();
    for ((manifest, old), (_, new)) in digests(&before).into_iter().zip(digests(events.as_bytes()))
    {
        let manifest = bag.join(manifest);
        let text = std::fs::read_to_string(&manifest).unwrap();
        assert!(before == events.as_bytes() || text.contains(&old));
        std::fs::write(&manifest, text.replace(&old, &new)).unwrap();
    }
}

#[test]
fn a_bag_shows_offline_that_its_events_are_those_of_the_log() {
    let folder = used();
    let folder = folder.path();
    let key = ends(folder, &["checkpoint-key"], 0);
    let verified = ends(folder, &["verify", "out.tar"], 0);
    assert!(
        verified.contains("of 3 records verified by the key in the bag"),
        "{verified}"
    );
    let unpacked = Command::new("tar")
        .args(["-xf", "out.tar"])
        .current_dir(folder)
        .status();
    assert!(unpacked.unwrap().success());
    let bag = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let bag = bag
        .into_iter()
        .find(|path| path.join("bagit.txt").exists())
        .unwrap();
    std::fs::rename(folder.join("data"), folder.join("far away")).unwrap();
    let name = bag.file_name().unwrap().to_str().unwrap();
    let known = ["verify", "--key", key.trim(), name];
    let verified = ends(folder, &known, 0);
    assert!(
        verified.contains("verified, signed by muniment/"),
        "{verified}"
    );
    ends(
        folder,
        &[
            "verify",
            "--key",
            "far away/identity/checkpoint-key.p8",
            name,
        ],
        0,
    );

    let events = std::fs::read_to_string(bag.join("muniment/events.jsonl")).unwrap();
    let lines: Vec<&str> = events.split_inclusive('\n').collect();
    assert!(lines.len() >= 12, "{}", lines.len());
    assert!(
        lines
            .iter()
            .all(|line| line.contains("\"record\":\"record_"))
    );
    let refused = |text: &str, why: &str| {
        rewrite(&bag, text);
        let said = ends(folder, &["verify", name], 2);
        assert!(said.contains(": valid"), "as a bag it is: {said}");
        assert!(
            said.contains("NOT AS THEY WERE SEALED") && said.contains(why),
            "{said}"
        );
        rewrite(&bag, &events);
    };
    let edited = events.replacen("\"agent\":\"", "\"agent\":\"x", 1);
    refused(
        &edited,
        "was changed: its proof does not lead to the signed root",
    );
    let of_one_subject = lines
        .windows(2)
        .position(|pair| subject(pair[0]) == subject(pair[1]));
    let place = of_one_subject.unwrap();
    let mut removed = lines.clone();
    removed.remove(place);
    refused(&removed.concat(), "something was removed or reordered");
    let mut swapped = lines.clone();
    swapped.swap(place, place + 1);
    refused(&swapped.concat(), "something was removed or reordered");
    refused(&events.replacen(':', ": ", 1), "canonical JSON");
    ends(folder, &known, 0);

    // Another log altogether, with a key of its own in the bag: only the key that one knows tells.
    let stranger = ends(folder, &["checkpoint-key", "stranger.p8"], 0);
    let said = ends(folder, &["verify", "--key", stranger.trim(), name], 2);
    assert!(said.contains("not signed by a known key"), "{said}");
}

fn subject(line: &str) -> Value {
    let line: Value = serde_json::from_str(line).unwrap();
    line["event"]["subject"].clone()
}

#[tokio::test]
async fn everybody_sees_checkpoints_and_what_they_may_see_proved() {
    let world = World::start().await;
    let client = world.contributor();
    let transfer = client.open_transfer("Log").await;
    for (_, version) in client.deposit(&transfer, &[("a.txt", b"a")]).await {
        assert_eq!(client.decided(&version).await["status"], "ACCEPTED");
    }
    let query = "{ checkpoints(first: 1) { nodes { treeSize root note createdAt } } checkpointKey
        events(first: 100) { nodes { id sequence previous hash leafIndex } } }";
    let sealed = |answer: &Value| {
        let events = answer["events"]["nodes"].as_array().unwrap();
        // The two lists are read one after the other.
        !answer["checkpoints"]["nodes"][0].is_null()
            && events.iter().all(|event| !event["leafIndex"].is_null())
    };
    let answer = client.until(query, json!({}), sealed).await;
    let key = tlog::VerifierKey::parse(answer["checkpointKey"].as_str().unwrap()).unwrap();
    let note = answer["checkpoints"]["nodes"][0]["note"].as_str().unwrap();
    let signed = tlog::Checkpoint::open(note, &[key]).unwrap();
    assert_eq!(
        answer["checkpoints"]["nodes"][0]["root"],
        hex::encode(signed.root)
    );
    let prove = "query Prove($id: ID!) { inclusionProof(eventId: $id) { entry leafIndex hashes checkpoint { note } } }";
    for event in answer["events"]["nodes"].as_array().unwrap() {
        let proved = client.send(prove, json!({"id": event["id"]})).await;
        let proved = &proved.ok()["inclusionProof"];
        let leaf = tlog::leaf(proved["entry"].as_str().unwrap().as_bytes());
        assert_eq!(event["hash"], hex::encode(leaf));
        let proof: Vec<tlog::Hash> = proved["hashes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|hash| {
                hex::decode(hash.as_str().unwrap())
                    .unwrap()
                    .try_into()
                    .unwrap()
            })
            .collect();
        let signed =
            tlog::Checkpoint::read(proved["checkpoint"]["note"].as_str().unwrap()).unwrap();
        let index = proved["leafIndex"].as_u64().unwrap();
        tlog::verify_inclusion(&leaf, index, signed.size, &proof, &signed.root).unwrap();
    }
    let consistency =
        "query Consistency($to: BigInt!) { consistencyProof(fromSize: 1, toSize: $to) { hashes } }";
    let shown = client.send(consistency, json!({"to": signed.size})).await;
    assert!(
        !shown.ok()["consistencyProof"]["hashes"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}
