//! What goes wrong under a transfer: each is said, nothing is lost, and the next run goes on.

use std::{
    collections::HashSet,
    fmt::Write as _,
    net::SocketAddr,
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tests::{
    Client, Disk, Large, Served, World,
    faults::{Hook, Proxy},
    muniment, stderr, stdout,
};

const TOTALS: &str =
    "{ transfers(first: 2) { nodes { totals { versions accepted awaitingUpload } } } }";

/// A folder of so many small files.
fn folder(files: usize, bytes: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for index in 0..files {
        let mut text = format!("file {index}\n");
        while text.len() < bytes {
            writeln!(text, "line {}", text.len()).unwrap();
        }
        std::fs::write(folder.path().join(format!("{index:04}.txt")), text).unwrap();
    }
    folder
}

/// The totals of the one transfer there is.
async fn totals(client: &Client) -> Value {
    let answer = client.send(TOTALS, json!({})).await.ok().clone();
    let transfers = answer["transfers"]["nodes"].as_array().unwrap();
    assert!(transfers.len() <= 1, "one folder is one transfer");
    transfers
        .first()
        .map_or(Value::Null, |transfer| transfer["totals"].clone())
}

/// A proxy that passes so many requests on at once, and the others not before a moment.
async fn slow_from(url: &str, requests: usize, moment: tokio::time::Instant) -> Proxy {
    let seen = AtomicUsize::default();
    let hook: Hook = Arc::new(move |_, _| {
        let late = seen.fetch_add(1, Ordering::SeqCst) >= requests;
        Box::pin(async move {
            if late {
                tokio::time::sleep_until(moment).await;
            }
        })
    });
    let behind = url
        .trim_start_matches("http://")
        .trim_end_matches("/graphql");
    Proxy::start(vec![behind.to_owned()], 1, "", Some(hook)).await
}

#[tokio::test]
async fn a_token_that_ends_in_mid_transfer_is_said_and_the_next_run_goes_on() {
    const FILES: u64 = 60;
    const VALID: Duration = Duration::from_secs(3);
    let world = World::start().await;
    let files = folder(60, 100);
    let owner = |valid_for| {
        world.client_for(
            "connie",
            api::auth::Role::Contributor,
            &["LOCAL"],
            valid_for,
        )
    };
    let transfer = |server: &str, token: &str| {
        let mut command = tokio::process::Command::new(muniment());
        command.arg("transfer").arg(files.path());
        command.args(["--server", server, "--token", token]);
        command
    };
    let long = owner(Duration::from_hours(1));
    let mut announced = 0;
    // After so many requests the wire is so slow that the token ends.
    for requests in 4..12 {
        let short = owner(VALID);
        let ended = tokio::time::Instant::now() + VALID + Duration::from_secs(1);
        let slow = slow_from(world.anonymous().url(), requests, ended).await;
        let server = format!("{}/graphql", slow.url());
        let output = transfer(&server, short.token()).output().await.unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
        let said = stderr(&output);
        assert!(said.contains("the token expired at"), "{said}");
        assert!(
            said.contains("muniment token"),
            "it says what to do: {said}"
        );
        announced = totals(&long).await["versions"].as_u64().unwrap_or(0);
        if announced > 0 {
            break;
        }
    }
    // It had begun, and its exit status says that it had not ended.
    assert!(
        announced > 0,
        "nothing was announced before the token ended"
    );

    let output = transfer(world.anonymous().url(), long.token())
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let totals = totals(&long).await;
    assert_eq!(
        (&totals["versions"], &totals["accepted"]),
        (&json!(FILES), &json!(FILES))
    );
}

#[tokio::test]
async fn a_server_that_stays_away_is_said_and_the_next_run_goes_on() {
    let world = tempfile::tempdir().unwrap();
    let data = world.path().join("data");
    let files = folder(100, 100);
    let served = Served::start(&data);
    let address: SocketAddr = served
        .url
        .trim_start_matches("http://")
        .trim_end_matches("/graphql")
        .parse()
        .unwrap();
    let token = served.token();
    let client = Client::new(served.url.clone(), Some(token.clone()));
    let running = served
        .transfer(files.path(), &token)
        .args(["--patience", "2"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while totals(&client).await["accepted"].as_u64() < Some(5) {
        assert!(began.elapsed() < Duration::from_mins(1), "nothing moves");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    served.kill();
    let output = running.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    let said = stderr(&output);
    assert!(said.contains("was not reached"), "{said}");
    assert!(said.contains("the same command again goes on"), "{said}");

    let served = Served::start_at(&data, address);
    let client = Client::new(served.url.clone(), Some(token.clone()));
    let output = served.transfer(files.path(), &token).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("going on with transfer"),
        "{}",
        stderr(&output)
    );
    let totals = totals(&client).await;
    assert_eq!(
        (&totals["versions"], &totals["accepted"]),
        (&json!(100), &json!(100))
    );
}

/// The chunk files of an embedded object store: copies are links to the same inode.
fn chunks(data: &Path) -> HashSet<u64> {
    let entries = std::fs::read_dir(data.join("objects/chunks"))
        .into_iter()
        .flatten();
    entries
        .map(|entry| entry.unwrap().metadata().unwrap().ino())
        .collect()
}

#[tokio::test]
async fn a_large_file_that_was_half_uploaded_is_not_uploaded_anew() {
    const FILE: u64 = 100 << 20;
    let world = tempfile::tempdir().unwrap();
    let data = world.path().join("data");
    let files = tempfile::tempdir().unwrap();
    let bytes = Large::new(FILE, b"the end").bytes(0, FILE);
    std::fs::write(files.path().join("film.bin"), &bytes).unwrap();
    let served = Served::start(&data);
    let token = served.token();
    let client = Client::new(served.url.clone(), Some(token.clone()));

    // The first half: what a client did that was killed after one part.
    let source = files.path().canonicalize().unwrap();
    let open = "mutation($s: String!) { openTransfer(input: {collection: {code: \"DEFAULT\"}, title: \"Film\", source: $s}) { transfer { id } } }";
    let opened = client.send(open, json!({"s": source})).await;
    let transfer = opened.ok()["openTransfer"]["transfer"]["id"].clone();
    let added = client
        .add_records(transfer.as_str().unwrap(), &[("film.bin", &bytes)])
        .await;
    let version = added[0]["version"]["id"].clone();
    let parts = "mutation($v: ID!) { uploadParts(input: {versionId: $v}) { partSize partCount present missing { number url headers { name value } } } }";
    let ticket = client.send(parts, json!({"v": version})).await;
    let ticket = ticket.ok()["uploadParts"].clone();
    let (size, count) = (
        usize::try_from(ticket["partSize"].as_u64().unwrap()).unwrap(),
        ticket["partCount"].as_u64().unwrap(),
    );
    assert!(count >= 2, "{ticket:#}");
    let first = &ticket["missing"][0];
    assert!(client.put(first, bytes[..size].to_vec()).await.is_success());
    let uploaded = chunks(&data);
    assert!(!uploaded.is_empty(), "a part is a chunk");

    let output = served.transfer(files.path(), &token).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let version = client.decided(version.as_str().unwrap()).await;
    assert_eq!(version["status"], "ACCEPTED");
    let url = version["download"]["url"].as_str().unwrap();
    let downloaded = client.http().get(url).send().await.unwrap();
    assert!(downloaded.bytes().await.unwrap() == bytes);
    assert!(
        uploaded.is_subset(&chunks(&data)),
        "the part of the first half is part of the object"
    );
}

#[tokio::test]
async fn a_disk_that_is_full_is_said_and_the_next_run_goes_on_when_there_is_room() {
    let world = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(&world.path().join("disk"), "4m") else {
        return;
    };
    let files = folder(100, 80_000);
    let transfer = || {
        Command::new(muniment())
            .arg("transfer")
            .arg(files.path())
            .arg("--data")
            .arg(disk.path().join("data"))
            .args(["--patience", "5"])
            .output()
            .unwrap()
    };
    let output = transfer();
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    let said = stderr(&output);
    assert!(
        said.contains("no space left") || said.contains("disk is full"),
        "{said}"
    );
    assert!(said.contains("nothing is lost"), "{said}");

    disk.grow("64m");
    let output = transfer();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stdout(&output).contains("100 files, 100 accepted"),
        "{}",
        stdout(&output)
    );
}

#[tokio::test]
async fn a_disk_that_fills_up_in_the_middle_of_a_large_file_is_said_at_once() {
    let world = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(&world.path().join("disk"), "16m") else {
        return;
    };
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("film.bin"), vec![7; 50 << 20]).unwrap();
    let transfer = || {
        Command::new(muniment())
            .arg("transfer")
            .arg(files.path())
            .arg("--data")
            .arg(disk.path().join("data"))
            .output()
            .unwrap()
    };
    let began = Instant::now();
    let output = transfer();
    let took = began.elapsed();
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    let said = stderr(&output);
    assert!(
        said.contains("no space left") || said.contains("disk is full"),
        "{said}"
    );
    assert!(said.contains("nothing is lost"), "{said}");
    assert!(took < Duration::from_mins(1), "it took {took:?}: {said}");

    disk.grow("256m");
    let output = transfer();
    let table = stdout(&output);
    assert!(
        table.contains("1 uploaded") && !table.contains("not transferred"),
        "{table}{}",
        stderr(&output)
    );
}
