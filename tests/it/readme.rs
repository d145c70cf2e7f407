//! The five operations of the README, exactly as they are printed there.

use std::{collections::HashMap, path::Path};

use serde_json::{Value, json};
use tests::World;

/// The GraphQL blocks of the README by the name of their operation.
fn operations() -> HashMap<String, String> {
    let readme =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md"))
            .unwrap();
    let blocks = readme.split("```graphql\n").skip(1);
    blocks
        .map(|block| {
            let text = block.split("```").next().unwrap().to_owned();
            let name = text.split([' ', '(']).nth(1).unwrap().to_owned();
            (name, text)
        })
        .collect()
}

#[tokio::test]
async fn the_five_operations_of_the_readme_work_as_printed() {
    let operations = operations();
    let world = World::start().await;
    let client = world.contributor();
    let transfer = client.open_transfer("README").await;

    let variables = json!({"transferId": transfer, "path": "map.txt", "size": 3, "sha256": tests::sha256(b"map")});
    let added = client.send(&operations["AddRecord"], variables).await;
    let outcome = &added.ok()["addRecords"]["outcomes"][0];
    assert_eq!(outcome["__typename"], "RecordAdded");
    let record = outcome["record"]["id"].clone();
    assert!(
        client
            .put(&outcome["version"]["upload"], b"map".to_vec())
            .await
            .is_success()
    );
    let version = outcome["version"]["id"].as_str().unwrap().to_owned();
    client.complete(std::slice::from_ref(&version)).await;
    assert_eq!(client.decided(&version).await["status"], "ACCEPTED");

    let variables = json!({"recordId": record, "fileName": "map2.txt", "size": 4, "sha256": tests::sha256(b"map2")});
    let second = client.send(&operations["AddVersion"], variables).await;
    let version = &second.ok()["addVersion"]["version"];
    assert_eq!(
        (&version["number"], &version["status"]),
        (&json!(2), &json!("AWAITING_UPLOAD"))
    );

    let task = client
        .send(&operations["AddTask"], json!({"recordId": record}))
        .await;
    assert_eq!(task.ok()["addTask"]["task"]["dueOn"], "2027-01-31");

    let progress = first_event(
        &client,
        &operations["Watch"],
        json!({"transferId": transfer}),
    )
    .await;
    let totals = &progress["data"]["transferProgress"]["totals"];
    assert_eq!(
        (&totals["accepted"], &totals["awaitingUpload"]),
        (&json!(1), &json!(1)),
        "{progress:#}"
    );

    let export = client
        .send(&operations["Export"], json!({"transferId": transfer}))
        .await;
    assert_eq!(export.ok()["requestExport"]["export"]["files"], 1);
    assert_eq!(operations.len(), 5);
}

/// The tables of settings as the programs have them, in the form that stands in the README.
fn settings() -> String {
    let table = |name: &str, rows: &[runtime::services::Row]| {
        format!(
            "<!-- settings: {name} -->\n\n{}\n",
            runtime::services::table(rows)
        )
    };
    [
        "Both programs:\n",
        &table("both", runtime::services::ROWS),
        "`muniment-api`:\n",
        &table("muniment-api", api::config::ROWS),
        "`muniment-worker`:\n",
        &table("muniment-worker", worker::settings::ROWS),
    ]
    .concat()
}

#[test]
fn the_settings_of_the_readme_are_those_of_the_programs() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(&file).unwrap();
    let begin = readme.find("Both programs:\n").unwrap();
    let end = readme.find("<!-- settings end -->").unwrap();
    let expected = settings();
    if readme[begin..end] == expected {
        return;
    }
    if std::env::var_os("MUNIMENT_TEST_UPDATE").is_some() {
        let updated = format!("{}{expected}{}", &readme[..begin], &readme[end..]);
        std::fs::write(&file, updated).unwrap();
        return;
    }
    panic!("the settings have changed: MUNIMENT_TEST_UPDATE=1 writes them into the README");
}

/// The first answer of a subscription by server-sent events.
async fn first_event(client: &tests::Client, query: &str, variables: Value) -> Value {
    let mut answer = client.stream(query, variables).await;
    let mut text = String::new();
    while let Some(chunk) = answer.chunk().await.unwrap() {
        text.push_str(&String::from_utf8_lossy(&chunk));
        if let Some(data) = text.lines().find_map(|line| line.strip_prefix("data: "))
            && text.contains("\n\n")
        {
            return serde_json::from_str(data).unwrap();
        }
    }
    panic!("the stream ended without an answer: {text}");
}
