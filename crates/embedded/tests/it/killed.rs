//! `kill -9` while objects are being written.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use embedded::objects::ObjectServer;
use futures::StreamExt;
use runtime::shutdown::Shutdown;

use crate::world::{BUCKET, World, bytes, client, keys};

const DIR: &str = "EMBEDDED_TEST_DIR";
const OBJECTS: usize = 400;

/// A server in a process of its own: this test binary, running the test below.
fn server(dir: &std::path::Path) -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "killed::a_server_to_be_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(DIR, dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut endpoints =
        lines.filter_map(|line| line.ok()?.split_once("http://").map(|at| at.1.to_owned()));
    let endpoint = endpoints.next().unwrap();
    (child, format!("http://{endpoint}"))
}

#[tokio::test]
#[ignore = "a server for the other test, not a test"]
async fn a_server_to_be_killed() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let shutdown = Shutdown::new();
    let any_port = ([127, 0, 0, 1], 0).into();
    let server = ObjectServer::start(dir.as_ref(), any_port, &keys(), &shutdown)
        .await
        .unwrap();
    writeln!(std::io::stdout(), "{}", server.endpoint()).unwrap();
    // Until it is killed, or who started it is gone.
    let gone = tokio::task::spawn_blocking(|| std::io::read_to_string(std::io::stdin()));
    gone.await.unwrap().unwrap();
}

/// Every third object is large enough to have a chunk file, and each key is written twice.
fn body(n: usize) -> Vec<u8> {
    let mut body = bytes(if n.is_multiple_of(3) { 70_000 } else { 10_000 });
    body[..8].copy_from_slice(&n.to_be_bytes());
    body
}

fn key(n: usize) -> String {
    format!("{}", n % (OBJECTS / 2))
}

async fn put(client: &Client, n: usize) -> bool {
    let put = client.put_object().bucket(BUCKET).key(key(n));
    put.body(ByteStream::from(body(n))).send().await.is_ok()
}

#[tokio::test]
async fn what_was_acknowledged_is_there_and_whole_after_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let (child, endpoint) = server(dir.path());
    let child = Mutex::new(child);
    let client = client(&endpoint, keys()).await;
    client.create_bucket().bucket(BUCKET).send().await.unwrap();
    let acknowledged = Mutex::new(Vec::new());
    let write = async |n: usize| {
        if put(&client, n).await {
            acknowledged.lock().unwrap().push(n);
        }
        if acknowledged.lock().unwrap().len() == OBJECTS * 3 / 5 {
            child.lock().unwrap().kill().unwrap();
        }
    };
    futures::stream::iter(0..OBJECTS)
        .for_each_concurrent(16, write)
        .await;
    child.lock().unwrap().wait().unwrap();
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(
        (OBJECTS / 2..OBJECTS).contains(&acknowledged.len()),
        "{}",
        acknowledged.len()
    );

    let world = World::over(dir.path()).await;
    for n in 0..OBJECTS / 2 {
        let writes = [n, n + OBJECTS / 2];
        match world.get(&key(n)).await {
            Ok(found) => assert!(writes.iter().any(|write| body(*write) == found), "{n}"),
            Err(error) => {
                assert_eq!(error, "NoSuchKey");
                assert!(
                    !writes.iter().any(|write| acknowledged.contains(write)),
                    "{n}"
                );
            }
        }
    }
}
