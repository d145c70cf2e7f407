//! Bad input: each has a code, says what is wrong, and changes nothing.

use serde_json::{Value, json};
use tests::World;

const OPEN: &str = "mutation($t: String!) { openTransfer(input: {collection: {code: \"DEFAULT\"}, title: $t}) { transfer { id } } }";

#[tokio::test]
async fn queries_that_ask_wrongly_are_told_so() {
    let world = World::start().await;
    let client = world.contributor();
    for (query, code) in [
        ("{ node(id: \"nonsense\") { id } }", "BAD_USER_INPUT"),
        (
            "{ transfer(id: \"record_00000000000000000000000001\") { id } }",
            "BAD_USER_INPUT",
        ),
        ("{ records(first: 0) { nodes { id } } }", "BAD_USER_INPUT"),
        ("{ records(first: -1) { nodes { id } } }", "BAD_USER_INPUT"),
        (
            "{ records(first: 1000) { nodes { id } } }",
            "LIMIT_EXCEEDED",
        ),
        (
            "{ records(first: 1, last: 1) { nodes { id } } }",
            "BAD_USER_INPUT",
        ),
        (
            "{ records(after: \"tampered\") { nodes { id } } }",
            "BAD_USER_INPUT",
        ),
        (
            "{ transfers(filter: {status: NONSENSE}) { nodes { id } } }",
            "BAD_USER_INPUT",
        ),
        ("{ nonsense }", "BAD_USER_INPUT"),
        ("{ records { ", "BAD_USER_INPUT"),
        ("{ collection(by: {}) { id } }", "BAD_USER_INPUT"),
        (
            "{ collection(by: {id: \"collection_00000000000000000000000001\", code: \"x\"}) { id } }",
            "BAD_USER_INPUT",
        ),
    ] {
        assert_eq!(client.send(query, json!({})).await.code(), code, "{query}");
    }
}

#[tokio::test]
async fn an_error_names_its_place_and_its_request() {
    let world = World::start().await;
    let answer = world
        .contributor()
        .send(
            "{ transfer(id: \"record_00000000000000000000000001\") { id } }",
            json!({}),
        )
        .await;
    assert_eq!(
        (answer.path(), answer.message()),
        ("id", "this is not the id of a transfer")
    );
    assert!(answer.0["errors"][0]["extensions"]["requestId"].is_string());
}

#[tokio::test]
async fn a_title_of_a_megabyte_is_too_large_and_an_empty_one_is_refused() {
    let world = World::start().await;
    let client = world.contributor();
    assert_eq!(
        client
            .send(OPEN, json!({"t": "x".repeat(1_000_000)}))
            .await
            .code(),
        "TOO_LARGE"
    );
    assert_eq!(
        client.send(OPEN, json!({"t": ""})).await.code(),
        "BAD_USER_INPUT"
    );
    assert_eq!(
        client.send(OPEN, json!({"t": "a\u{0}b"})).await.code(),
        "BAD_USER_INPUT"
    );
}

#[tokio::test]
async fn metadata_that_is_no_object_is_refused_alone() {
    let world = World::start().await;
    let client = world.contributor();
    let transfer = client.open_transfer("Metadata").await;
    let record = |path: &str, metadata: Value| json!({"path": path, "metadata": metadata, "file": {"size": 1, "sha256": tests::sha256(b"x")}});
    let records = json!([
        record("good", json!({"a": 1})),
        record("list", json!([1])),
        record("huge", json!({"a": "x".repeat(70_000)})),
        record("", json!({})),
        {"path": "digest", "file": {"size": 1, "sha256": "short"}},
        {"path": "size", "file": {"size": -1, "sha256": tests::sha256(b"x")}},
    ]);
    let outcomes = client.add_records_as(&transfer, records).await;
    let codes: Vec<_> = outcomes
        .iter()
        .map(|outcome| outcome["code"].as_str().unwrap_or("added"))
        .collect();
    assert_eq!(
        codes,
        [
            "added",
            "BAD_USER_INPUT",
            "TOO_LARGE",
            "BAD_USER_INPUT",
            "BAD_USER_INPUT",
            "BAD_USER_INPUT"
        ]
    );
}

#[tokio::test]
async fn a_call_takes_at_most_500_files_and_at_least_one() {
    let world = World::start().await;
    let client = world.contributor();
    let transfer = client.open_transfer("Many").await;
    let add = "mutation($t: ID!, $r: [NewRecordInput!]!) { addRecords(input: {transferId: $t, records: $r}) { transfer { id } } }";
    let file = |index: usize| json!({"path": format!("f{index}"), "file": {"size": 0, "sha256": tests::sha256(b"")}});
    let many: Vec<Value> = (0..501).map(file).collect();
    assert_eq!(
        client
            .send(add, json!({"t": transfer, "r": many}))
            .await
            .code(),
        "LIMIT_EXCEEDED"
    );
    assert_eq!(
        client
            .send(add, json!({"t": transfer, "r": []}))
            .await
            .code(),
        "BAD_USER_INPUT"
    );
    let most: Vec<Value> = (0..500).map(file).collect();
    client
        .send(add, json!({"t": transfer, "r": most}))
        .await
        .ok();
}

#[tokio::test]
async fn completing_what_never_came_says_so() {
    let world = World::start().await;
    let client = world.contributor();
    let transfer = client.open_transfer("Never").await;
    let outcome = &client.add_records(&transfer, &[("x", b"x")]).await[0];
    let id = outcome["version"]["id"].as_str().unwrap().to_owned();
    let unknown = "version_00000000000000000000000001".to_owned();
    let outcomes = client.complete(&[id, unknown, "nonsense".into()]).await;
    assert_eq!(outcomes[0]["__typename"], "UploadMissing");
    assert_eq!(
        (&outcomes[1]["code"], &outcomes[1]["index"]),
        (&json!("NOT_FOUND"), &json!(1))
    );
    assert_eq!(outcomes[2]["code"], "BAD_USER_INPUT");
}

#[tokio::test]
async fn two_clients_that_add_the_same_version_number_get_one_version() {
    let world = World::start().await;
    let client = world.contributor();
    let transfer = client.open_transfer("Race").await;
    let (record, _) = client.deposit(&transfer, &[("x", b"x")]).await.remove(0);
    let add = "mutation($r: ID!, $s: String!) { addVersion(input: {recordId: $r, number: 2, file: {fileName: \"x\", size: 1, sha256: $s}}) { version { number } } }";
    let variables = json!({"r": record, "s": tests::sha256(b"y")});
    let (one, two) = tokio::join!(
        client.send(add, variables.clone()),
        client.send(add, variables)
    );
    let conflicts: Vec<_> = [&one, &two]
        .into_iter()
        .filter(|answer| answer.0.get("errors").is_some())
        .collect();
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0].code(), "CONFLICT");
}

#[tokio::test]
async fn http_that_is_no_graphql_is_refused() {
    let world = World::start().await;
    let client = world.contributor();
    let (http, url) = (client.http(), client.url());
    let plain = http
        .post(url)
        .header("content-type", "text/plain")
        .body("{\"query\":\"{__typename}\"}");
    assert_eq!(plain.send().await.unwrap().status(), 415);
    let broken = http
        .post(url)
        .header("content-type", "application/json")
        .body("{");
    assert_eq!(broken.send().await.unwrap().status(), 400);
    let mutation = http.get(format!(
        "{url}?query=mutation%7BsubmitTransfer(input:%7Bid:%22x%22%7D)%7B__typename%7D%7D"
    ));
    assert_eq!(mutation.send().await.unwrap().status(), 405);
    let huge = http
        .post(url)
        .header("content-type", "application/json")
        .body(vec![b' '; 9 << 20]);
    assert_eq!(huge.send().await.unwrap().status(), 413);
    let levels = 6;
    let (open, close) = (
        "records { nodes { transfer { ".repeat(levels),
        "} } } ".repeat(levels),
    );
    let deep = format!("{{ {open} id {close} }}");
    // The connection of the huge body is closed, when exactly is not said.
    let client = world.contributor();
    assert_eq!(client.send(&deep, json!({})).await.code(), "LIMIT_EXCEEDED");
}

#[tokio::test]
async fn health_readiness_and_metrics_are_there() {
    let world = World::start().await;
    let client = world.anonymous();
    let base = client.url().trim_end_matches("/graphql").to_owned();
    client.send("{ __typename }", json!({})).await;
    for (path, expected) in [
        ("healthz", "ok"),
        ("readyz", "\"database\":true"),
        ("metrics", "muniment_api_request_seconds"),
        ("graphiql", "<html"),
    ] {
        let answer = client
            .http()
            .get(format!("{base}/{path}"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let text = answer.text().await.unwrap();
        assert!(text.contains(expected), "{path}: {text:.200}");
    }
}
