//! What a large file takes: no more memory than a small one.

use serde_json::json;
use tests::{Client, Large, Served};

/// A file of which a part is a small part.
const LARGE: u64 = 300 << 20;
/// How much more a system may ever have had for it: the parts of uploads and packages that are under way.
const MORE: u64 = 150 << 20;

/// Deposits a file, has it checked and moved, and has a package made of it.
async fn deposit_and_export(client: &Client, size: u64) {
    let transfer = client.open_transfer(&format!("{size} bytes")).await;
    let file = Large::new(size, b"the end");
    let version = file.deposit(client, &transfer, "film.bin").await;
    let version = client.decided(&version).await;
    assert_eq!(version["status"], "ACCEPTED", "{version:#}");
    let request = "mutation($id: ID!) { requestExport(input: {selection: {transferId: $id}}) { export { id } } }";
    let requested = client.send(request, json!({"id": transfer})).await;
    let export = requested.ok()["requestExport"]["export"]["id"].clone();
    let status = "query($id: ID!) { node(id: $id) { ... on Export { status size } } }";
    let ended = client.until(status, json!({"id": export}), |answer| {
        answer["node"]["status"] == "READY"
    });
    assert!(ended.await["node"]["size"].as_u64() > Some(size));
}

#[tokio::test]
async fn a_system_holds_no_more_of_a_large_file_than_of_a_small_one() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(&folder.path().join("data"));
    let client = Client::new(served.url.clone(), Some(served.token()));
    deposit_and_export(&client, 1 << 20).await;
    let Some(small) = served.peak() else { return };
    deposit_and_export(&client, LARGE).await;
    let large = served.peak().unwrap();
    eprintln!(
        "{} MiB for 1 MiB, {} MiB for {} MiB",
        small >> 20,
        large >> 20,
        LARGE >> 20
    );
    assert!(
        large < small + MORE,
        "{large} bytes, and {small} for the small one"
    );
}
