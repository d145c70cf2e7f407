//! Uploads that somebody tampers with: a signed address does the one thing that it was signed for, nothing that was
//! not checked is released, and the names that clients give lead nowhere.

mod parts;

use std::{path::Path, time::Duration};

use contract::{VersionId, objects};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tests::{Client, Large, Served, World, sha256, sized, stderr, stdout};

const BYTES: &[u8] = b"the very bytes that were declared\n";

const PARTS: &str = "mutation($id: ID!) { uploadParts(input: {versionId: $id}) { partSize partCount present missing { number size url headers { name value } } } }";

/// A version that awaits its bytes: its id and its ticket.
async fn awaiting(client: &Client, path: &str, bytes: &[u8]) -> (String, Value) {
    let transfer = client.open_transfer(path).await;
    let added = client.add_records(&transfer, &[(path, bytes)]).await;
    let version = &added[0]["version"];
    (
        version["id"].as_str().unwrap().to_owned(),
        version["upload"].clone(),
    )
}

async fn completed(client: &Client, id: &str) -> String {
    let outcome = client.complete(&[id.to_owned()]).await.remove(0);
    outcome["__typename"].as_str().unwrap().to_owned()
}

async fn downloaded(client: &Client, id: &str) -> Vec<u8> {
    let version = client.decided(id).await;
    assert_eq!(version["status"], "ACCEPTED", "{version:#}");
    let url = version["download"]["url"].as_str().unwrap();
    let answer = client.http().get(url).send().await.unwrap();
    answer.bytes().await.unwrap().to_vec()
}

/// Sends a request; answers the status. The length is the body's own: who announces more than comes is waited for.
async fn send(
    client: &Client,
    method: Method,
    url: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> u16 {
    let mut request = client.http().request(method, url).body(body.to_vec());
    for (name, value) in headers {
        if !name.eq_ignore_ascii_case("content-length") {
            request = request.header(name, value);
        }
    }
    request.send().await.unwrap().status().as_u16()
}

/// Sends bytes as a ticket says, whatever their length; answers the status.
async fn put_wrong(client: &Client, ticket: &Value, bytes: &[u8]) -> u16 {
    let url = ticket["url"].as_str().unwrap();
    send(client, Method::PUT, url, &headers_of(ticket), bytes).await
}

fn headers_of(ticket: &Value) -> Vec<(String, String)> {
    let headers = ticket["headers"].as_array().unwrap().iter();
    headers
        .map(|header| {
            let text = |name: &str| header[name].as_str().unwrap().to_owned();
            (text("name"), text("value"))
        })
        .collect()
}

/// An upload in parts: the version, its ticket of parts.
async fn in_parts(client: &Client, path: &str, bytes: &[u8]) -> (String, Value) {
    let (id, ticket) = awaiting(client, path, bytes).await;
    assert_eq!(ticket["kind"], "MULTIPART");
    let parts = client.send(PARTS, json!({"id": id})).await;
    (id, parts.ok()["uploadParts"].clone())
}

#[tokio::test]
async fn an_upload_address_for_another_key_method_length_or_checksum_is_refused() {
    let world = World::embedded().await;
    let client = world.contributor();
    let (id, ticket) = awaiting(&client, "mine.txt", BYTES).await;
    let (other, _) = awaiting(&client, "other.txt", BYTES).await;
    let url = ticket["url"].as_str().unwrap();
    let headers = headers_of(&ticket);
    let refused =
        async |what: &str, method: Method, url: &str, headers: &[(String, String)], body: &[u8]| {
            let status = send(&client, method, url, headers, body).await;
            assert!((400..500).contains(&status), "{what}: {status}");
        };

    refused(
        "another key",
        Method::PUT,
        &url.replace(&id, &other),
        &headers,
        BYTES,
    )
    .await;
    refused(
        "no key",
        Method::PUT,
        &url.replace(&id, ""),
        &headers,
        BYTES,
    )
    .await;
    for bucket in ["records", "exports", "quarantine"] {
        let elsewhere = url.replace("/incoming/", &format!("/{bucket}/"));
        assert_ne!(elsewhere, url);
        refused("another bucket", Method::PUT, &elsewhere, &headers, BYTES).await;
    }
    for method in [Method::GET, Method::DELETE, Method::POST] {
        refused("another method", method, url, &headers, BYTES).await;
    }
    refused("shorter", Method::PUT, url, &headers, &BYTES[1..]).await;
    refused(
        "longer",
        Method::PUT,
        url,
        &headers,
        &[BYTES, b"x"].concat(),
    )
    .await;
    let mut flipped = BYTES.to_vec();
    flipped[0] ^= 1;
    refused("other bytes", Method::PUT, url, &headers, &flipped).await;
    // The checksum of the other bytes, as a header or in place of the signed one.
    let own = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
    let mut changed = headers.clone();
    changed.retain(|(name, _)| !name.eq_ignore_ascii_case("x-amz-checksum-sha256"));
    refused("no checksum", Method::PUT, url, &changed, &flipped).await;
    changed.push(("x-amz-checksum-sha256".to_owned(), own.to_owned()));
    refused("another checksum", Method::PUT, url, &changed, &flipped).await;
    for (name, value) in [
        ("x-amz-copy-source", "records/x"),
        ("x-amz-acl", "public-read"),
        ("x-amz-meta-a", "b"),
        ("x-amz-website-redirect-location", "https://evil.example"),
    ] {
        let mut more = headers.clone();
        more.push((name.to_owned(), value.to_owned()));
        refused(name, Method::PUT, url, &more, BYTES).await;
    }
    for addition in [
        "&partNumber=1&uploadId=x",
        "&acl",
        "&tagging",
        "&x-id=CopyObject",
    ] {
        refused(
            addition,
            Method::PUT,
            &format!("{url}{addition}"),
            &headers,
            BYTES,
        )
        .await;
    }
    let longer = url.replace("X-Amz-Expires=", "X-Amz-Expires=9");
    assert_ne!(longer, url);
    refused("a longer time", Method::PUT, &longer, &headers, BYTES).await;

    for id in [&id, &other] {
        assert_eq!(
            completed(&client, id).await,
            "UploadMissing",
            "nothing came"
        );
    }
    assert!(client.put(&ticket, BYTES.to_vec()).await.is_success());
    assert_eq!(completed(&client, &id).await, "UploadCompleted");
    assert_eq!(downloaded(&client, &id).await, BYTES);
}

#[tokio::test]
async fn a_content_type_of_the_clients_choice_is_served_to_nobody() {
    let world = World::embedded().await;
    let client = world.contributor();
    let (id, ticket) = awaiting(&client, "page.html", b"<script>alert(1)</script>").await;
    let mut headers = headers_of(&ticket);
    headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
    for (name, value) in [
        ("content-type", "text/html"),
        ("content-disposition", "inline"),
    ] {
        headers.push((name.to_owned(), value.to_owned()));
    }
    let url = ticket["url"].as_str().unwrap();
    let body = b"<script>alert(1)</script>";
    // No type is signed, so the store takes it; nothing that we do looks at it.
    let status = send(&client, Method::PUT, url, &headers, body).await;
    assert_eq!(status, 200);
    assert_eq!(completed(&client, &id).await, "UploadCompleted");
    let version = client.decided(&id).await;
    let (plain, ticket) = awaiting(&client, "plain/page.html", body).await;
    assert!(client.put(&ticket, body.to_vec()).await.is_success());
    assert_eq!(completed(&client, &plain).await, "UploadCompleted");
    let plain = client.decided(&plain).await;
    assert_eq!(version["format"], plain["format"], "it is as it would be");
    let url = version["download"]["url"].as_str().unwrap();
    let answer = client.http().get(url).send().await.unwrap();
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/octet-stream");
    assert!(header("content-disposition").starts_with("attachment;"));
    for change in [
        url.replace("application%2Foctet-stream", "text%2Fhtml"),
        url.replace("attachment", "inline"),
    ] {
        assert_ne!(change, url);
        assert_eq!(reqwest::get(&change).await.unwrap().status(), 403);
    }
}

#[tokio::test]
async fn an_upload_address_used_again_after_completion_changes_nothing() {
    let world = World::embedded().await;
    let client = world.contributor();
    let (id, ticket) = awaiting(&client, "once.txt", BYTES).await;
    assert!(client.put(&ticket, BYTES.to_vec()).await.is_success());
    assert_eq!(completed(&client, &id).await, "UploadCompleted");
    // While it is checked, and when it is accepted.
    for _ in 0..2 {
        let mut other = BYTES.to_vec();
        other.reverse();
        assert!(!client.put(&ticket, other).await.is_success());
        client.put(&ticket, BYTES.to_vec()).await;
        assert_eq!(completed(&client, &id).await, "UploadAlreadyCompleted");
        assert_eq!(downloaded(&client, &id).await, BYTES);
    }
    let read = "query($id: ID!) { node(id: $id) { ... on Version { upload { url } checkHistory(first: 10) { nodes { kind } } } } }";
    let version = client.send(read, json!({"id": id})).await.ok()["node"].clone();
    assert_eq!(version["upload"], Value::Null, "there is no new address");
    assert_eq!(
        version["checkHistory"]["nodes"].as_array().unwrap().len(),
        3
    );
}

#[tokio::test]
async fn an_upload_address_after_its_time_is_refused_and_so_is_completing() {
    let world = World::start_with(|settings| {
        settings.limits.ticket = Duration::from_secs(4);
        settings.limits.single_put = 1_000;
    })
    .await;
    let client = world.contributor();
    let (small, ticket) = awaiting(&client, "late.txt", BYTES).await;
    let (large, _) = awaiting(&client, "late.bin", &[7; 2_000]).await;
    let parts = client.send(PARTS, json!({"id": large})).await;
    let part = parts.ok()["uploadParts"]["missing"][0].clone();
    let read = "query($id: ID!) { node(id: $id) { ... on Version { upload { url } } } }";
    for id in [&small, &large] {
        client
            .until(read, json!({"id": id}), |answer| {
                answer["node"]["upload"].is_null()
            })
            .await;
    }
    assert_eq!(client.put(&ticket, BYTES.to_vec()).await.as_u16(), 403);
    assert_eq!(client.put(&part, vec![7; 2_000]).await.as_u16(), 403);
    let refused = client.send(PARTS, json!({"id": large})).await;
    assert_eq!(refused.code(), "PRECONDITION_FAILED");
    assert_ne!(completed(&client, &small).await, "UploadCompleted");
}

#[tokio::test]
async fn content_overwritten_between_scan_and_release_is_never_released() {
    let world = World::embedded().await;
    let (client, archivist) = (world.contributor(), world.archivist());
    // An archivist must decide, so there is all the time in the world.
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples");
    let image = std::fs::read(samples.join("Letters/1951/seal.pdf")).unwrap();
    let transfer = client.open_transfer("Overwritten").await;
    let (_, id) = client
        .deposit(&transfer, &[("seal.pdf", &image)])
        .await
        .remove(0);
    let version = client.decided(&id).await;
    assert_eq!(version["status"], "NEEDS_REVIEW", "{version:#}");

    // Somebody who holds the keys of the object store puts other bytes of the same length there.
    let mut evil = image.clone();
    evil.reverse();
    let key = objects::version_key(id.parse::<VersionId>().unwrap());
    let size = u64::try_from(evil.len()).unwrap();
    let store = world.system().app().objects().clone();
    let signed = store
        .sign_put(&key, size, &sha256(&evil), Duration::from_mins(1))
        .await
        .unwrap();
    assert_eq!(
        send(&client, Method::PUT, &signed.url, &signed.headers, &evil).await,
        200
    );

    let decide = "mutation($id: ID!) { decideVersion(input: {versionId: $id, verdict: ACCEPT, reason: \"a seal\"}) { version { id } } }";
    archivist.send(decide, json!({"id": id})).await.ok();
    let version = archivist.decided(&id).await;
    assert_eq!(version["status"], "NEEDS_REVIEW", "{version:#}");
    assert_eq!(version["download"], Value::Null);
    let decision = version["decision"].to_string();
    assert!(decision.contains("chang"), "it says why: {decision}");
}

#[tokio::test]
async fn content_overwritten_before_the_scan_is_rejected_for_its_checksum() {
    let world = World::embedded().await;
    world.system().stop_worker().await;
    let client = world.contributor();
    let transfer = client.open_transfer("Swapped").await;
    let (_, id) = client
        .deposit(&transfer, &[("a.txt", BYTES)])
        .await
        .remove(0);
    let mut evil = BYTES.to_vec();
    evil.reverse();
    let key = objects::version_key(id.parse::<VersionId>().unwrap());
    let store = world.system().app().objects().clone();
    let size = u64::try_from(evil.len()).unwrap();
    let signed = store
        .sign_put(&key, size, &sha256(&evil), Duration::from_mins(1))
        .await
        .unwrap();
    assert_eq!(
        send(&client, Method::PUT, &signed.url, &signed.headers, &evil).await,
        200
    );
    let world = world
        .again(|settings| settings.limits.republish_after = Duration::from_secs(1))
        .await;
    let version = world.contributor().decided(&id).await;
    assert_eq!(version["status"], "REJECTED", "{version:#}");
    assert!(
        version["decision"]["reasons"]
            .to_string()
            .contains("not those that were declared")
    );
}

#[tokio::test]
async fn completing_by_twenty_at_once_queues_the_checks_once() {
    let world = World::start_with(|settings| settings.limits.single_put = 1_000).await;
    let client = world.contributor();
    let large = vec![7_u8; 5_000];
    let (small, ticket) = awaiting(&client, "small.txt", BYTES).await;
    assert!(client.put(&ticket, BYTES.to_vec()).await.is_success());
    let (multi, parts) = in_parts(&client, "large.bin", &large).await;
    assert!(client.put(&parts["missing"][0], large).await.is_success());
    for id in [small, multi] {
        let outcomes = join_all((0..20).map(|_| completed(&client, &id))).await;
        let count = |name: &str| outcomes.iter().filter(|outcome| *outcome == name).count();
        assert_eq!(
            (count("UploadCompleted"), count("UploadAlreadyCompleted")),
            (1, 19),
            "{outcomes:?}"
        );
        client.decided(&id).await;
        let history = "query($id: ID!) { node(id: $id) { ... on Version { checkHistory(first: 100) { nodes { kind } } } } }";
        let answer = client.send(history, json!({"id": id})).await;
        let nodes = answer.ok()["node"]["checkHistory"]["nodes"]
            .as_array()
            .unwrap()
            .len();
        assert_eq!(nodes, 3);
    }
}

#[tokio::test]
async fn a_size_or_digest_wrong_by_one_is_no_upload() {
    let world = World::embedded().await;
    let client = world.contributor();
    let transfer = client.open_transfer("By one").await;
    let size = BYTES.len();
    let mut digest = sha256(BYTES);
    let last = if digest.ends_with('0') { "1" } else { "0" };
    digest.replace_range(63.., last);
    let declared = json!([
        {"path": "longer", "file": {"size": size + 1, "sha256": sha256(BYTES)}},
        {"path": "shorter", "file": {"size": size - 1, "sha256": sha256(BYTES)}},
        {"path": "digest", "file": {"size": size, "sha256": digest}},
    ]);
    for outcome in client.add_records_as(&transfer, declared).await {
        let (version, path) = (&outcome["version"], &outcome["record"]["path"]);
        let status = put_wrong(&client, &version["upload"], BYTES).await;
        assert!((400..500).contains(&status), "{path}: {status}");
        let id = version["id"].as_str().unwrap();
        assert_eq!(completed(&client, id).await, "UploadMissing", "{path}");
    }
}

#[tokio::test]
async fn a_digest_in_upper_case_is_taken_and_one_of_another_length_is_not() {
    let world = World::embedded().await;
    let client = world.contributor();
    let transfer = client.open_transfer("Case").await;
    let digest = sha256(BYTES);
    let upper = digest.to_uppercase();
    let file = |path: &str, digest: &str| json!({"path": path, "file": {"size": BYTES.len(), "sha256": digest}});
    let declared = json!([
        file("upper", &upper),
        file("63", &digest[1..]),
        file("65", &format!("{digest}0")),
        file("space", &format!(" {}", &digest[1..])),
        file("prefixed", &format!("0x{}", &digest[2..])),
        file("wide", &format!("\u{ff11}{}", &digest[1..])),
        file("empty", ""),
    ]);
    let outcomes = client.add_records_as(&transfer, declared).await;
    for refused in &outcomes[1..] {
        assert_eq!(refused["code"], "BAD_USER_INPUT", "{refused}");
    }
    let version = &outcomes[0]["version"];
    assert!(
        client
            .put(&version["upload"], BYTES.to_vec())
            .await
            .is_success()
    );
    let id = version["id"].as_str().unwrap();
    assert_eq!(completed(&client, id).await, "UploadCompleted");
    assert_eq!(
        client.decided(id).await["sha256"],
        json!(digest),
        "kept in lower case"
    );
    assert_eq!(downloaded(&client, id).await, BYTES);
}

#[tokio::test]
async fn a_file_that_is_empty_or_only_a_byte_order_mark_is_rejected() {
    let world = World::embedded().await;
    let client = world.contributor();
    let transfer = client.open_transfer("Nothing").await;
    let files: [(&str, &[u8]); 5] = [
        ("empty.txt", b""),
        ("utf-8.txt", b"\xEF\xBB\xBF"),
        ("utf-16.txt", b"\xFF\xFE"),
        ("utf-16be.txt", b"\xFE\xFF"),
        ("utf-32.txt", b"\xFF\xFE\0\0"),
    ];
    for ((_, id), (path, _)) in client.deposit(&transfer, &files).await.iter().zip(files) {
        let version = client.decided(id).await;
        assert_eq!(version["status"], "REJECTED", "{path}: {version:#}");
        let reasons = version["decision"]["reasons"].to_string();
        assert!(
            reasons.contains("empty") || reasons.contains("byte order mark"),
            "{path}: {reasons}"
        );
    }
}

#[tokio::test]
async fn a_file_beyond_one_copy_is_moved_in_parts() {
    // S3 copies no more than 5 GiB in one request; smaller files go the same way here.
    let size = sized("MUNIMENT_TEST_COPY_BYTES", 12 << 20, (5 << 30) + 1);
    let world = World::start_with(|settings| {
        let single = size.min(5 << 30) - 1;
        settings.worker.copy.single = single;
        settings.worker.copy.part = (single / 3).max(5 << 20);
    })
    .await;
    let client = world.contributor();
    let transfer = client.open_transfer("Large").await;
    let large = Large::new(size, b"");
    let id = large.deposit(&client, &transfer, "film.bin").await;
    let version = client.decided(&id).await;
    assert_eq!(version["status"], "ACCEPTED", "{version:#}");
    let url = version["download"]["url"].as_str().unwrap();
    let mut answer = client.http().get(url).send().await.unwrap();
    let mut hasher = Sha256::new();
    while let Some(chunk) = answer.chunk().await.unwrap() {
        hasher.update(&chunk);
    }
    assert_eq!(hex::encode(hasher.finalize()), large.sha256());
}

#[tokio::test]
async fn a_file_larger_than_s3_takes_is_refused_when_it_is_declared() {
    let world = World::embedded().await;
    let client = world.contributor();
    let transfer = client.open_transfer("Huge").await;
    let file = |path: &str, size: Value| json!({"path": path, "file": {"size": size, "sha256": sha256(b"")}});
    let most = 5_i64 << 40;
    let declared = json!([
        file("most", json!(most)),
        file("more", json!(most + 1)),
        file("max", json!(1_i64 << 53))
    ]);
    let outcomes = client.add_records_as(&transfer, declared).await;
    assert_eq!(outcomes[0]["__typename"], "RecordAdded");
    assert!(
        outcomes[0]["version"]["upload"]["partCount"]
            .as_u64()
            .unwrap()
            <= 10_000
    );
    assert_eq!(
        (&outcomes[1]["code"], &outcomes[2]["code"]),
        (&json!("TOO_LARGE"), &json!("TOO_LARGE"))
    );
}

#[tokio::test]
async fn resuming_after_the_source_changed_mixes_nothing() {
    const SIZE: u64 = 65 << 20;
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    std::fs::create_dir(&files).unwrap();
    let served = Served::start(&folder.path().join("data"));
    let token = served.token();
    let client = Client::new(served.url.clone(), Some(token.clone()));
    let (old, new) = (
        Large::new(SIZE, b"as it was"),
        Large::new(SIZE, b"as it is!"),
    );

    // The first half: a client that was killed after one part.
    let source = files.canonicalize().unwrap();
    let open = "mutation($s: String!) { openTransfer(input: {collection: {code: \"DEFAULT\"}, title: \"Film\", source: $s}) { transfer { id } } }";
    let opened = client.send(open, json!({"s": source})).await;
    let transfer = opened.ok()["openTransfer"]["transfer"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let record = json!([{"path": "film.bin", "file": {"size": SIZE, "sha256": old.sha256()}}]);
    let added = client.add_records_as(&transfer, record).await.remove(0);
    let first = added["version"]["id"].as_str().unwrap().to_owned();
    let parts = client.send(PARTS, json!({"id": first})).await;
    let parts = parts.ok()["uploadParts"].clone();
    let size = parts["partSize"].as_u64().unwrap();
    let status = client.put(&parts["missing"][0], old.bytes(0, size)).await;
    assert!(status.is_success());

    std::fs::write(files.join("film.bin"), new.bytes(0, SIZE)).unwrap();
    let output = served.transfer(&files, &token).output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}{}",
        stdout(&output),
        stderr(&output)
    );
    let read = "query($t: ID!) { versions(filter: {transferId: $t}, first: 10) { nodes { id status sha256 download { url } } } }";
    let answer = client.send(read, json!({"t": transfer})).await;
    let versions = answer.ok()["versions"]["nodes"].as_array().unwrap().clone();
    let accepted: Vec<&Value> = versions
        .iter()
        .filter(|version| version["status"] == "ACCEPTED")
        .collect();
    assert_eq!(accepted.len(), 1, "{versions:#?}");
    assert_eq!(accepted[0]["sha256"], json!(new.sha256()));
    let url = accepted[0]["download"]["url"].as_str().unwrap();
    let bytes = client
        .http()
        .get(url)
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert_eq!(sha256(&bytes), new.sha256());
    for version in versions
        .iter()
        .filter(|version| version["sha256"] == json!(old.sha256()))
    {
        assert_eq!(version["download"], Value::Null, "{version}");
    }
}
