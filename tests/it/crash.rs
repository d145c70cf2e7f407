//! `kill -9` of the whole system in the middle of a transfer: the next run ends with every version decided,
//! and none twice.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tests::{Client, Served};

/// How many files; `MUNIMENT_TEST_FILES` sets it.
fn how_many() -> usize {
    let set = std::env::var_os("MUNIMENT_TEST_FILES");
    set.and_then(|text| text.to_str()?.parse().ok())
        .unwrap_or(120)
}

#[tokio::test]
async fn a_killed_system_loses_nothing_and_doubles_nothing() {
    let world = tempfile::tempdir().unwrap();
    let (data, files) = (world.path().join("data"), world.path().join("files"));
    std::fs::create_dir(&files).unwrap();
    let how_many = how_many();
    for index in 0..how_many {
        std::fs::write(
            files.join(format!("{index:04}.txt")),
            format!("file {index}\n").repeat(200),
        )
        .unwrap();
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
    // In the middle: some are decided, others are not.
    let totals = "{ transfers(first: 1) { nodes { totals { versions accepted } } } }";
    let began = Instant::now();
    loop {
        let answer = client.send(totals, json!({})).await.ok().clone();
        let accepted = answer["transfers"]["nodes"][0]["totals"]["accepted"]
            .as_u64()
            .unwrap_or(0);
        if accepted >= 5 {
            assert!(accepted < how_many as u64, "it was too quick for this test");
            break;
        }
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "nothing is accepted: {answer}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    served.kill();
    running.kill().unwrap();
    running.wait().unwrap();

    let served = Served::start(&data);
    let client = Client::new(served.url.clone(), Some(token.clone()));
    let command = served
        .transfer(&files, &token)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert_eq!(
        command.unwrap().code(),
        Some(0),
        "the second run accepts everything"
    );
    let answer = client.send(totals, json!({})).await.ok().clone();
    let totals = &answer["transfers"]["nodes"][0]["totals"];
    assert_eq!(
        (&totals["versions"], &totals["accepted"]),
        (&json!(how_many), &json!(how_many))
    );
    let counted = count_versions(&client).await;
    assert_eq!(
        counted, how_many,
        "the maintained totals are those of the table, and none is there twice"
    );
    served.kill();
}

async fn count_versions(client: &Client) -> usize {
    let query = "query($after: String) { versions(first: 100, after: $after) { nodes { id status number } pageInfo { hasNextPage endCursor } } }";
    let (mut count, mut after) = (0, Value::Null);
    loop {
        let answer = client
            .send(query, json!({"after": after}))
            .await
            .ok()
            .clone();
        let page = &answer["versions"];
        for version in page["nodes"].as_array().unwrap() {
            assert_eq!(
                (&version["status"], &version["number"]),
                (&json!("ACCEPTED"), &json!(1))
            );
            count += 1;
        }
        if page["pageInfo"]["hasNextPage"] != true {
            return count;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}
