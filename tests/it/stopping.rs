//! SIGTERM: what is in hand is finished or handed back within the grace period, and nothing new starts.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tests::{Client, Served, Socket};

/// Longer than every grace period together would be a hang.
const GRACE: Duration = Duration::from_secs(40);
const TOTALS: &str =
    "{ transfers(first: 1) { nodes { totals { versions accepted checking awaitingUpload } } } }";

async fn totals(client: &Client) -> Value {
    let answer = client.send(TOTALS, json!({})).await.ok().clone();
    answer["transfers"]["nodes"][0]["totals"].clone()
}

#[tokio::test]
async fn sigterm_in_mid_transfer_hands_everything_back_and_no_attempt_is_lost() {
    const FILES: u64 = 120;
    let folder = tempfile::tempdir().unwrap();
    let (data, files) = (folder.path().join("data"), folder.path().join("files"));
    std::fs::create_dir(&files).unwrap();
    for index in 0..FILES {
        let text = format!("file {index}\n").repeat(500);
        std::fs::write(files.join(format!("{index:04}.txt")), text).unwrap();
    }
    let served = Served::start(&data);
    let token = served.token();
    let client = Client::new(served.url.clone(), Some(token.clone()));
    let mut running = served
        .transfer(&files, &token)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while totals(&client).await["accepted"].as_u64() < Some(10) {
        assert!(began.elapsed() < Duration::from_mins(1), "nothing moves");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let accepted = totals(&client).await["accepted"].as_u64();
    assert!(accepted < Some(FILES), "it was too quick for this test");
    assert!(served.terminate(GRACE), "it ended well, and in time");
    running.kill().unwrap();
    running.wait().unwrap();

    // What a process left that ended without a word would be taken back with an attempt lost.
    let served = Served::start(&data);
    let client = Client::new(served.url.clone(), Some(token.clone()));
    let status = served
        .transfer(&files, &token)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert_eq!(status.unwrap().code(), Some(0));
    let totals = totals(&client).await;
    assert_eq!(
        (&totals["versions"], &totals["accepted"]),
        (&json!(FILES), &json!(FILES))
    );
    let jobs = "query($after: String) { jobs(first: 100, after: $after) { nodes { status attempt } pageInfo { hasNextPage endCursor } } }";
    let mut after = Value::Null;
    loop {
        let page = client.send(jobs, json!({"after": after})).await.ok()["jobs"].clone();
        for job in page["nodes"].as_array().unwrap() {
            assert_eq!(
                (&job["status"], &job["attempt"]),
                (&json!("DONE"), &json!(1))
            );
        }
        if page["pageInfo"]["hasNextPage"] != true {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    assert!(served.terminate(GRACE));
}

#[tokio::test]
async fn sigterm_is_not_held_up_by_clients_that_stay() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(&folder.path().join("data"));
    let token = served.token();
    let client = Client::new(served.url.clone(), Some(token.clone()));
    let transfer = client.open_transfer("Watched").await;
    let watch = "subscription($id: ID!) { transferProgress(id: $id) { totals { versions } at } }";
    let mut stream = client.stream(watch, json!({"id": transfer})).await;
    assert!(
        stream.chunk().await.unwrap().is_some(),
        "the watch has begun"
    );
    let mut socket = Socket::signed_in(&served.url, &token).await;
    socket.subscribe("1", watch, json!({"id": transfer})).await;
    socket.next().await;
    // Half a request, whose other half never comes.
    let address = served
        .url
        .trim_start_matches("http://")
        .trim_end_matches("/graphql");
    let mut half = std::net::TcpStream::connect(address).unwrap();
    std::io::Write::write_all(
        &mut half,
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
    )
    .unwrap();

    let url = served.url.clone();
    let began = Instant::now();
    assert!(served.terminate(GRACE), "it ended well");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(reqwest::get(&url).await.is_err(), "nobody answers any more");
}
