//! Newer signatures: who uses them, and what becomes of what was identified with older ones.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::Stdio,
    time::Duration,
};

use api::auth::Role;
use muniment::{
    Settings, System,
    signature_store::{self, NewPair},
};
use runtime::secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use tests::{Client, Served, muniment, stderr, stdout};

const BINARY: &str = include_str!("../../muniment/tests/signatures/binary.xml");
const CONTAINER: &str = include_str!("../../muniment/tests/signatures/container.xml");

/// A file that the pairs here know, and the built-in signatures do not.
const CONTENT: &[u8] = b"MUNIMENT, and so on";

fn install(data: &Path, version: u32, puid: &str) {
    let binary = BINARY.replace("VERSION", &version.to_string());
    let pair = NewPair {
        binary: binary.replace("fmt/9999", puid).into_bytes(),
        container: CONTAINER.into(),
        container_date: Some("20260201".to_owned()),
    };
    signature_store::install(data, &pair, false).unwrap();
}

async fn start(data: &Path, database: Option<&str>) -> (System, Client) {
    let mut settings = Settings::over(data);
    settings.worker.receive_wait = Duration::from_millis(500);
    settings.database_url = database.map(|url| SecretString::from(url.to_owned()));
    let system = System::start(settings).await.unwrap();
    let hour = Duration::from_hours(1);
    let token = system
        .token("archie", &[Role::Archivist], &[], hour)
        .unwrap();
    let client = Client::new(system.api_url(), Some(token.expose_secret().to_owned()));
    (system, client)
}

const FORMATS: &str =
    "query($id: ID!) { node(id: $id) { ... on Version { status whyWaiting format { puid }
    checks { kind run status signatureVersion } 
    checkHistory(first: 20) { nodes { kind run status signatureVersion } } } } }";

const RERUN: &str = "mutation($id: ID!) { rerunChecks(input: {versionIds: [$id], kinds: [\"FORMAT\"]}) {
    outcomes { __typename ... on ChecksQueued { version { status } } ... on ItemRefused { message } } } }";

#[tokio::test]
async fn what_was_accepted_is_identified_again_after_an_update_and_the_old_run_stays() {
    let folder = tempfile::tempdir().unwrap();
    let database = testdb::postgres().await;
    install(folder.path(), 200, "fmt/9999");
    let (system, client) = start(folder.path(), database.as_deref()).await;
    let transfer = client.open_transfer("Deeds").await;
    let ids = client.deposit(&transfer, &[("deed.mun", CONTENT)]).await;
    let id = ids[0].1.clone();
    let version = client.decided(&id).await;
    assert_eq!(version["status"], "ACCEPTED", "{version:#}");
    assert_eq!(version["format"]["puid"], "fmt/9999");
    system.shutdown().await;

    install(folder.path(), 201, "fmt/9997");
    let (system, client) = start(folder.path(), database.as_deref()).await;
    let answer = client.send(RERUN, json!({"id": id})).await.ok().clone();
    let outcome = &answer["rerunChecks"]["outcomes"][0];
    assert_eq!(outcome["version"]["status"], "ACCEPTED", "{answer:#}");
    let answer = client
        .until(FORMATS, json!({"id": id}), |answer| {
            answer["node"]["format"]["puid"] == "fmt/9997"
        })
        .await;
    let version = &answer["node"];
    assert_eq!(version["status"], "ACCEPTED");
    let format = |list: &serde_json::Value| -> Vec<serde_json::Value> {
        let list = list.as_array().unwrap().iter();
        list.filter(|check| check["kind"] == "FORMAT")
            .cloned()
            .collect()
    };
    let run = |run: i32, signatures: &str| json!({"kind": "FORMAT", "run": run, "status": "PASSED", "signatureVersion": signatures});
    let (old, new) = (run(1, "V200/20260201"), run(2, "V201/20260201"));
    assert_eq!(
        format(&version["checkHistory"]["nodes"]),
        [old, new.clone()]
    );
    assert_eq!(format(&version["checks"]), [new]);
    system.shutdown().await;
}

#[test]
fn a_broken_signature_file_is_said_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong.xml");
    std::fs::write(&wrong, "<FFSignatureFile Version=\"1\">").unwrap();
    let serve = |variables: &[(&str, &str)]| {
        std::process::Command::new(muniment())
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path().join("data"))
            .envs(variables.iter().copied())
            .output()
            .unwrap()
    };
    let wrong = wrong.to_str().unwrap();
    for (variables, said) in [
        (&[("MUNIMENT_PRONOM_SIGNATURES", wrong)][..], "wrong.xml:1:"),
        (
            &[("MUNIMENT_PRONOM_SIGNATURES", "/absent.xml")],
            "/absent.xml: ",
        ),
        (
            &[("MUNIMENT_PRONOM_CONTAINERS", wrong)],
            "needs MUNIMENT_PRONOM_SIGNATURES",
        ),
    ] {
        let output = serve(variables);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            stderr(&output).contains(said),
            "{said}: {}",
            stderr(&output)
        );
        assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
    }
}

#[test]
fn an_update_reaches_a_served_data_folder_and_the_list_shows_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let usb = folder.path().join("usb");
    std::fs::create_dir(&usb).unwrap();
    std::fs::write(
        usb.join("DROID_SignatureFile_V201.xml"),
        BINARY.replace("VERSION", "201"),
    )
    .unwrap();
    std::fs::write(usb.join("container-signature-20260201.xml"), CONTAINER).unwrap();
    let signatures = |arguments: &[&str]| {
        let output = std::process::Command::new(muniment())
            .arg("signatures")
            .args(arguments)
            .arg("--data")
            .arg(&data)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    let served = Served::start(&data);
    assert!(signatures(&["list"]).contains("in use  V109 "));
    let usb = usb.to_str().unwrap();
    let said = signatures(&["update", "--from", usb]);
    assert!(
        said.starts_with("installed: PRONOM V201 of 2026-01-19"),
        "{said}"
    );
    let said = signatures(&["update", "--from", usb]);
    assert!(
        said.starts_with("nothing newer than: PRONOM V201"),
        "{said}"
    );
    let list = signatures(&["list"]);
    let lines: Vec<&str> = list.lines().collect();
    assert!(
        lines[1].starts_with("in use  V201    2026-01-19  20260201"),
        "{list}"
    );
    assert!(lines[1].ends_with("signatures/V201-20260201"), "{list}");
    assert!(
        lines[2].contains("V109") && lines[2].ends_with("built in"),
        "{list}"
    );
    drop(served);
}

#[test]
fn serving_with_old_signatures_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new(muniment())
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder.path().join("data"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .find(|line| line.contains("more than a year old"));
    child.kill().unwrap();
    child.wait().unwrap();
    let said = said.unwrap();
    assert!(
        said.contains("V109") && said.contains("2022-11-01"),
        "{said}"
    );
    assert!(said.contains("muniment signatures update"), "{said}");
}
