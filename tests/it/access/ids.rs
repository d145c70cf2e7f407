//! Ids that are absent, forbidden or edited: the same answer for each of them, byte for byte.

use api::auth::Role;
use serde_json::{Value, json};
use tests::World;

/// An id of the same type, of a thing that is not there.
fn absent(id: &str) -> String {
    let (kind, _) = id.split_once('_').unwrap();
    format!("{kind}_00000000000000000000000abc")
}

/// An id with a character changed, in upper case, a character too long, and one too short.
fn edited(id: &str) -> [String; 4] {
    let (kind, bits) = id.split_once('_').unwrap();
    let (rest, last) = bits.split_at(bits.len() - 1);
    let other = if last == "0" { "1" } else { "0" };
    [
        format!("{kind}_{rest}{other}"),
        format!("{kind}_{}", bits.to_uppercase()),
        format!("{id}0"),
        format!("{kind}_{rest}"),
    ]
}

/// An answer without what belongs to one request.
fn bare(answer: &tests::Answer, id: &str) -> String {
    let mut answer = answer.0.clone();
    for error in answer["errors"].as_array_mut().into_iter().flatten() {
        error["extensions"]
            .as_object_mut()
            .unwrap()
            .remove("requestId");
    }
    answer.to_string().replace(id, "ID")
}

/// What is asked by an id, and by which of [`one_of_each`].
const BY_ID: [(&str, usize); 38] = [
    (
        "mutation($id: ID!) { updateRecord(input: {id: $id, expectedRevision: 1, title: \"x\"}) { record { id } } }",
        1,
    ),
    (
        "mutation($id: ID!) { addTask(input: {recordId: $id, title: \"x\"}) { task { id } } }",
        1,
    ),
    (
        "mutation($id: ID!) { setTaskStatus(input: {id: $id, status: DONE}) { task { id } } }",
        3,
    ),
    (
        "mutation($id: ID!) { addComment(input: {taskId: $id, body: \"x\"}) { task { id } } }",
        3,
    ),
    (
        "mutation($id: ID!) { submitTransfer(input: {id: $id}) { transfer { id } } }",
        0,
    ),
    (
        "mutation($id: ID!) { restoreVersion(input: {versionId: $id}) { version { id } } }",
        2,
    ),
    (
        "mutation($id: ID!) { decideVersion(input: {versionId: $id, verdict: ACCEPT, reason: \"x\"}) { version { id } } }",
        2,
    ),
    (
        "mutation($id: ID!) { rerunChecks(input: {versionIds: [$id]}) { outcomes { __typename ... on ItemRefused { code message } } } }",
        2,
    ),
    (
        "mutation($id: ID!) { completeUploads(input: {uploads: [{versionId: $id}]}) { outcomes { __typename ... on ItemRefused { code message } } } }",
        2,
    ),
    (
        "mutation($id: ID!) { uploadParts(input: {versionId: $id}) { present } }",
        2,
    ),
    (
        "mutation($id: ID!) { cancelExport(input: {id: $id}) { export { id } } }",
        5,
    ),
    (
        "mutation($id: ID!) { requestExport(input: {selection: {recordIds: [$id]}}) { export { id } } }",
        1,
    ),
    (
        "mutation($id: ID!) { requestExport(input: {selection: {transferId: $id}}) { export { id } } }",
        0,
    ),
    (
        "mutation($id: ID!) { openTransfer(input: {collection: {id: $id}, title: \"x\"}) { transfer { id } } }",
        9,
    ),
    (
        "query($id: ID!) { records(filter: {transferId: $id}) { nodes { id } edges { cursor } } }",
        0,
    ),
    (
        "query($id: ID!) { events(filter: {subjectId: $id}) { nodes { id } edges { cursor } } }",
        1,
    ),
    (
        "query($id: ID!) { tasks(filter: {recordId: $id}) { nodes { id } } }",
        1,
    ),
    (
        "query($id: ID!) { exports(filter: {transferId: $id}) { nodes { id } } }",
        0,
    ),
    (
        "query($id: ID!) { versions(filter: {recordId: $id}) { nodes { id } } }",
        1,
    ),
    (
        "mutation($id: ID!) { updateTask(input: {id: $id, expectedRevision: 1, title: \"x\"}) { task { id } } }",
        3,
    ),
    (
        "mutation($id: ID!) { updateCollection(input: {id: $id, expectedRevision: 1, title: \"x\"}) { collection { id } } }",
        9,
    ),
    (
        "mutation($id: ID!) { setPolicy(input: {collectionId: $id, expectedRevision: 1, policy: {}}) { collection { id } } }",
        9,
    ),
    (
        "mutation($id: ID!) { setFixitySchedule(input: {collectionId: $id, expectedRevision: 1, everyDays: 9}) { collection { id } } }",
        9,
    ),
    (
        "mutation($id: ID!) { returnTransfer(input: {id: $id, reason: \"x\"}) { transfer { id } } }",
        0,
    ),
    (
        "mutation($id: ID!) { acceptTransfer(input: {id: $id}) { transfer { id } } }",
        0,
    ),
    (
        "mutation($id: ID!) { addRecords(input: {transferId: $id, records: [{path: \"x\", file: {size: 1, sha256: \"0000000000000000000000000000000000000000000000000000000000000000\"}}]}) { outcomes { __typename } } }",
        0,
    ),
    (
        "mutation($id: ID!) { addVersion(input: {recordId: $id, file: {size: 1, sha256: \"0000000000000000000000000000000000000000000000000000000000000000\"}}) { version { id } } }",
        1,
    ),
    (
        "mutation($id: ID!) { verifyNow(input: {selection: {recordId: $id}}) { run { id } } }",
        1,
    ),
    (
        "mutation($id: ID!) { verifyNow(input: {selection: {transferId: $id}}) { run { id } } }",
        0,
    ),
    (
        "mutation($id: ID!) { verifyNow(input: {selection: {collectionId: $id}}) { run { id } } }",
        9,
    ),
    ("query($id: ID!) { transfer(id: $id) { id } }", 0),
    ("query($id: ID!) { record(by: {id: $id}) { id } }", 1),
    ("query($id: ID!) { collection(by: {id: $id}) { id } }", 9),
    (
        "query($id: ID!) { inclusionProof(eventId: $id) { leafIndex } }",
        8,
    ),
    (
        "query($id: ID!) { versions(filter: {transferId: $id}) { nodes { id } edges { cursor } } }",
        0,
    ),
    (
        "query($id: ID!) { records(filter: {collectionId: $id}) { nodes { id } edges { cursor } } }",
        9,
    ),
    (
        "query($id: ID!) { transfers(filter: {collectionId: $id}) { nodes { id } edges { cursor } } }",
        9,
    ),
    ("query($id: ID!) { nodes(ids: [$id, $id]) { id } }", 1),
];

/// Ids of what another body has: transfer, record, version, task, comment, export, check, job, event, collection,
/// run of verifications, verification.
async fn one_of_each(world: &World) -> [String; 12] {
    let (owner, admin) = (world.contributor(), world.admin());
    let transfer = owner.open_transfer("Secret").await;
    let (record, version) = owner.deposit(&transfer, &[("s.txt", b"s")]).await.remove(0);
    let checks = owner.decided(&version).await;
    assert_eq!(checks["status"], "ACCEPTED");
    let of = async |query: &str| {
        let answer = admin
            .send(query, json!({"r": record, "t": transfer, "v": version}))
            .await;
        let data = answer
            .ok()
            .as_object()
            .unwrap()
            .values()
            .next()
            .unwrap()
            .clone();
        data.pointer("/nodes/0/id")
            .or_else(|| data.pointer("/task/id"))
            .or_else(|| data.pointer("/comment/id"))
            .or_else(|| data.pointer("/export/id"))
            .or_else(|| data.pointer("/checks/0/id"))
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("{query}: {data:#}"))
            .to_owned()
    };
    let task =
        of("mutation($r: ID!) { addTask(input: {recordId: $r, title: \"t\"}) { task { id } } }")
            .await;
    let comment = of(&format!(
        "mutation {{ addComment(input: {{taskId: \"{task}\", body: \"b\"}}) {{ comment {{ id }} }} }}"
    ))
    .await;
    let verify = "mutation($r: ID!) { verifyNow(input: {selection: {recordId: $r}}) { run { id checks(first: 1) { nodes { id } } } } }";
    let verified = admin.send(verify, json!({"r": record})).await;
    let run = verified.ok()["verifyNow"]["run"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let checks = "query($id: ID!) { node(id: $id) { ... on FixityRun { checks(first: 1) { nodes { id } } } } }";
    let checks = admin
        .until(checks, json!({"id": run}), |answer| {
            answer["node"]["checks"]["nodes"][0]["id"].is_string()
        })
        .await;
    let verification = checks["node"]["checks"]["nodes"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    [
        transfer.clone(),
        record.clone(),
        version.clone(),
        task,
        comment,
        of("mutation($t: ID!) { requestExport(input: {selection: {transferId: $t}}) { export { id } } }").await,
        of("query($v: ID!) { node(id: $v) { ... on Version { checks { id } } } }").await,
        of("query($v: ID!) { jobs(filter: {subjectId: $v}) { nodes { id } } }").await,
        of("query($r: ID!) { events(filter: {subjectId: $r}) { nodes { id } } }").await,
        of("{ collections { nodes { id } } }").await,
        run,
        verification,
    ]
}

#[tokio::test]
async fn absent_and_forbidden_are_the_same_answer_byte_for_byte() {
    let world = World::start().await;
    let ids = one_of_each(&world).await;
    for role in [Role::Contributor, Role::Reader, Role::Worker] {
        let stranger = world.client("stan", role, &["OTHER"]);
        let ask = async |document: &str, id: &str| {
            let answer = stranger.send(document, json!({"id": id})).await;
            bare(&answer, id)
        };
        for id in &ids {
            // Of its own type, and of every other.
            let (_, bits) = id.split_once('_').unwrap();
            for kind in [
                "collection",
                "transfer",
                "record",
                "version",
                "check",
                "task",
                "comment",
                "export",
                "job",
                "event",
                "apikey",
                "fixityrun",
                "fixitycheck",
                "nonsense",
            ] {
                let document = "query($id: ID!) { node(id: $id) { __typename id } }";
                let swapped = format!("{kind}_{bits}");
                let other = absent(&swapped);
                assert_eq!(
                    ask(document, &swapped).await,
                    ask(document, &other).await,
                    "{role:?} {swapped}"
                );
            }
        }
        let document = "query($id: ID!) { node(id: $id) { __typename id } }";
        for id in &ids {
            for (edited, nothing) in edited(id).iter().zip(&edited(&absent(id))) {
                let (asked, nothing) = (ask(document, edited).await, ask(document, nothing).await);
                assert_eq!(asked, nothing, "{role:?} {edited}");
            }
        }
        for (document, index) in BY_ID {
            let id = &ids[index];
            let (forbidden, nothing) = (ask(document, id).await, ask(document, &absent(id)).await);
            assert_eq!(forbidden, nothing, "{role:?} {document}");
        }
    }
}

#[tokio::test]
async fn an_edited_id_is_that_of_nothing_for_whoever_may_see_the_thing_too() {
    let world = World::start().await;
    let (ids, admin) = (one_of_each(&world).await, world.admin());
    for id in &ids {
        let node = "query($id: ID!) { node(id: $id) { __typename id } }";
        let found = admin.send(node, json!({"id": id})).await;
        assert_eq!(found.ok()["node"]["id"], *id);
        let [changed, malformed @ ..] = edited(id);
        let answer = admin.send(node, json!({"id": changed})).await;
        assert_eq!(answer.ok()["node"], Value::Null, "{changed}");
        for malformed in malformed {
            let answer = admin.send(node, json!({"id": malformed})).await;
            assert_eq!(answer.code(), "BAD_USER_INPUT", "{malformed}");
        }
    }
    for (document, index) in BY_ID {
        for edited in edited(&ids[index]) {
            let answer = admin.send(document, json!({"id": edited})).await;
            let shown = answer.0["data"].to_string();
            assert!(!shown.contains(&ids[index]), "{document} {edited}: {shown}");
        }
    }
}

#[tokio::test]
async fn one_forbidden_id_in_a_bulk_call_is_refused_alone_or_refuses_the_call() {
    let world = World::start().await;
    let (owner, stranger) = (
        world.contributor(),
        world.client("stan", Role::Contributor, &["OTHER"]),
    );
    world
        .admin()
        .send("mutation { createCollection(input: {code: \"FOREIGN\", title: \"F\", body: \"OTHER\"}) { collection { id } } }", json!({}))
        .await
        .ok();
    let ours = owner.open_transfer("Ours").await;
    let (record, version) = owner.deposit(&ours, &[("a", b"a")]).await.remove(0);
    let theirs = stranger
        .send("mutation { openTransfer(input: {collection: {code: \"FOREIGN\"}, title: \"Theirs\"}) { transfer { id } } }", json!({}))
        .await;
    let theirs = theirs.ok()["openTransfer"]["transfer"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let added = &stranger.add_records(&theirs, &[("b", b"b")]).await[0];
    let (their_record, their_version) = (
        &added["record"]["id"],
        added["version"]["id"].as_str().unwrap().to_owned(),
    );
    assert!(
        stranger
            .put(&added["version"]["upload"], b"b".to_vec())
            .await
            .is_success()
    );

    let outcomes = stranger
        .complete(&[version.clone(), their_version.clone()])
        .await;
    assert_eq!(
        (&outcomes[0]["code"], &outcomes[0]["index"]),
        (&json!("NOT_FOUND"), &json!(0))
    );
    assert_eq!(
        outcomes[1]["__typename"], "UploadCompleted",
        "theirs goes on"
    );
    let nodes = stranger
        .send(
            "query($ids: [ID!]!) { nodes(ids: $ids) { id } }",
            json!({"ids": [record, their_record]}),
        )
        .await;
    assert_eq!(nodes.ok()["nodes"], json!([null, {"id": their_record}]));
    let export = "mutation($ids: [ID!]!) { requestExport(input: {selection: {recordIds: $ids}}) { export { id } } }";
    let refused = stranger
        .send(export, json!({"ids": [their_record, record]}))
        .await;
    assert_eq!(refused.code(), "NOT_FOUND");
    let listed = stranger
        .send("{ exports { nodes { id } } }", json!({}))
        .await;
    assert_eq!(
        listed.ok()["exports"]["nodes"],
        json!([]),
        "nothing of it was done"
    );
}
