//! The README: its five operations, exactly as they are printed there, and its tables.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
};

use runtime::telemetry::measures::{self, Measure};
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

/// The tables of metrics, in the same form.
fn metrics() -> String {
    let table = |name: &str, all: &[Measure]| {
        format!(
            "`{name}`:\n<!-- metrics: {name} -->\n\n{}\n",
            measures::table(all)
        )
    };
    [
        table("muniment-api", api::measures::MEASURES),
        table("muniment-worker", worker::measures::MEASURES),
    ]
    .concat()
}

/// That a part of the README is as expected; or makes it so.
fn holds(begin: &str, end: &str, expected: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(&file).unwrap();
    let begin = readme.find(begin).unwrap();
    let end = readme.find(end).unwrap();
    if readme[begin..end] == *expected {
        return;
    }
    if std::env::var_os("MUNIMENT_TEST_UPDATE").is_some() {
        let updated = format!("{}{expected}{}", &readme[..begin], &readme[end..]);
        std::fs::write(&file, updated).unwrap();
        return;
    }
    panic!("a table has changed: MUNIMENT_TEST_UPDATE=1 writes it into the README");
}

#[test]
fn the_settings_of_the_readme_are_those_of_the_programs() {
    holds("Both programs:\n", "<!-- settings end -->", &settings());
}

#[test]
fn the_metrics_of_the_readme_are_those_of_the_programs() {
    let begin = "`muniment-api`:\n<!-- metrics: muniment-api -->";
    holds(begin, "<!-- metrics end -->", &metrics());
}

/// What the sources of a crate count and time.
fn counted(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            counted(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for sort in [
                "metrics::counter!(",
                "metrics::gauge!(",
                "metrics::histogram!(",
            ] {
                for counted in text.split(sort).skip(1) {
                    let name = counted.split('"').nth(1).unwrap();
                    names.insert(name.to_owned());
                }
            }
        }
    }
}

#[test]
fn what_is_counted_is_in_the_tables_and_nothing_else() {
    for (program, measures) in [
        ("api", api::measures::MEASURES),
        ("worker", worker::measures::MEASURES),
    ] {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../{program}/src"));
        let mut names = BTreeSet::new();
        counted(&sources, &mut names);
        let told = measures.iter().map(|one| one.name.to_owned());
        assert_eq!(names, told.collect(), "{program}");
    }
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
