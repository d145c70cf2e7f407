//! Mutations that no other section covers: each on its happy path and refused.

use serde_json::{Value, json};
use tests::{Client, World};

async fn run(client: &Client, mutation: &str) -> Value {
    client
        .send(&format!("mutation {{ {mutation} }}"), json!({}))
        .await
        .ok()
        .clone()
}

async fn code(client: &Client, mutation: &str) -> String {
    client
        .send(&format!("mutation {{ {mutation} }}"), json!({}))
        .await
        .code()
        .to_owned()
}

#[tokio::test]
async fn collections_are_created_changed_and_given_a_policy_by_those_who_may() {
    let world = World::start().await;
    let (admin, contributor) = (world.admin(), world.contributor());
    let create = "createCollection(input: {code: \"MAPS\", title: \"Maps\", body: \"LOCAL\"}) { collection { id revision policy { revision onNotScanned } } }";
    assert_eq!(code(&contributor, create).await, "FORBIDDEN");
    let made = run(&admin, create).await;
    let collection = &made["createCollection"]["collection"];
    assert_eq!(collection["policy"]["onNotScanned"], "ASK");
    assert_eq!(code(&admin, create).await, "CONFLICT", "the code is taken");
    let id = collection["id"].as_str().unwrap();

    let update = format!(
        "updateCollection(input: {{id: \"{id}\", expectedRevision: 1, title: \"Old maps\"}}) {{ collection {{ title revision }} }}"
    );
    assert_eq!(code(&contributor, &update).await, "FORBIDDEN");
    let updated = run(&admin, &update).await;
    assert_eq!(
        updated["updateCollection"]["collection"],
        json!({"title": "Old maps", "revision": 2})
    );
    assert_eq!(
        code(&admin, &update).await,
        "PRECONDITION_FAILED",
        "the revision has moved on"
    );

    let policy = |revision: i32, rules: &str| {
        format!(
            "setPolicy(input: {{collectionId: \"{id}\", expectedRevision: {revision}, policy: {{{rules}}}}}) {{ collection {{ policy {{ revision deniedPuids onNotScanned }} }} }}"
        )
    };
    assert_eq!(
        code(&admin, &policy(1, "deniedPuids: [\"pdf\"]")).await,
        "BAD_USER_INPUT"
    );
    let set = run(&admin, &policy(1, "deniedPuids: [\"fmt/18\"]")).await;
    assert_eq!(
        set["setPolicy"]["collection"]["policy"],
        json!({"revision": 2, "deniedPuids": ["fmt/18"], "onNotScanned": "ASK"}),
        "what is left out stays"
    );
    assert_eq!(
        code(&admin, &policy(1, "onArchive: ASK")).await,
        "PRECONDITION_FAILED"
    );
    assert_eq!(
        code(&contributor, &policy(2, "onArchive: ASK")).await,
        "FORBIDDEN"
    );
}

#[tokio::test]
async fn a_transfer_is_submitted_returned_reopened_and_accepted() {
    let world = World::start().await;
    let (owner, archivist) = (world.contributor(), world.archivist());
    let id = owner.open_transfer("Round trip").await;
    let submit = format!("submitTransfer(input: {{id: \"{id}\"}}) {{ transfer {{ status }} }}");
    let accept = format!("acceptTransfer(input: {{id: \"{id}\"}}) {{ transfer {{ status }} }}");
    let send_back = format!(
        "returnTransfer(input: {{id: \"{id}\", reason: \"the maps are missing\"}}) {{ transfer {{ status note }} }}"
    );
    assert_eq!(
        code(&archivist, &accept).await,
        "PRECONDITION_FAILED",
        "it was not submitted"
    );
    run(&owner, &submit).await;
    assert_eq!(
        code(&owner, &submit).await,
        "PRECONDITION_FAILED",
        "it was submitted already"
    );
    let add = "mutation($t: ID!, $s: String!) { addRecords(input: {transferId: $t, records: [{path: \"late\", file: {size: 1, sha256: $s}}]}) { transfer { status } } }";
    let late = json!({"t": id, "s": tests::sha256(b"x")});
    assert_eq!(
        owner.send(add, late.clone()).await.code(),
        "PRECONDITION_FAILED",
        "it takes no more files"
    );
    assert_eq!(code(&owner, &send_back).await, "FORBIDDEN");
    let returned = run(&archivist, &send_back).await;
    assert_eq!(
        returned["returnTransfer"]["transfer"]["note"],
        "the maps are missing"
    );
    let reopened = owner.send(add, late).await;
    assert_eq!(reopened.ok()["addRecords"]["transfer"]["status"], "OPEN");
    run(&owner, &submit).await;
    assert_eq!(
        code(&archivist, &accept).await,
        "PRECONDITION_FAILED",
        "a file is not decided"
    );
}

#[tokio::test]
async fn a_record_gets_a_version_and_an_old_one_is_restored() {
    let world = World::start().await;
    let owner = world.contributor();
    let transfer = owner.open_transfer("Versions").await;
    let (record, first) = owner
        .deposit(&transfer, &[("x.txt", b"one")])
        .await
        .remove(0);
    owner.decided(&first).await;
    let update = format!(
        "updateRecord(input: {{id: \"{record}\", expectedRevision: 1, title: \"A letter\", metadata: {{year: 1923}}}}) {{ record {{ title metadata }} }}"
    );
    let updated = run(&owner, &update).await;
    assert_eq!(
        updated["updateRecord"]["record"],
        json!({"title": "A letter", "metadata": {"year": 1923}})
    );
    assert_eq!(code(&owner, &update).await, "PRECONDITION_FAILED");

    let sha256 = tests::sha256(b"two");
    let add = format!(
        "addVersion(input: {{recordId: \"{record}\", number: 2, file: {{fileName: \"x.txt\", size: 3, sha256: \"{sha256}\"}}}}) {{ version {{ id upload {{ url headers {{ name value }} }} }} }}"
    );
    let added = run(&owner, &add).await;
    let version = &added["addVersion"]["version"];
    let second = version["id"].as_str().unwrap().to_owned();
    let restore = |id: &str| {
        format!(
            "restoreVersion(input: {{versionId: \"{id}\"}}) {{ version {{ number status sha256 checks {{ kind }} }} }}"
        )
    };
    assert_eq!(
        code(&owner, &restore(&second)).await,
        "PRECONDITION_FAILED",
        "it was never accepted"
    );
    assert!(
        owner
            .put(&version["upload"], b"two".to_vec())
            .await
            .is_success()
    );
    owner.complete(std::slice::from_ref(&second)).await;
    assert_eq!(owner.decided(&second).await["status"], "ACCEPTED");
    let restored = run(&owner, &restore(&first)).await;
    let version = &restored["restoreVersion"]["version"];
    assert_eq!(
        (&version["number"], &version["status"]),
        (&json!(3), &json!("ACCEPTED"))
    );
    assert_eq!(version["sha256"], tests::sha256(b"one"));
    assert_eq!(
        version["checks"].as_array().unwrap().len(),
        3,
        "the results come with it"
    );
    let current = format!(
        "query {{ record(by: {{id: \"{record}\"}}) {{ currentVersion {{ number download {{ url }} }} versions {{ nodes {{ number }} }} }} }}"
    );
    let answer = owner.send(&current, json!({})).await;
    assert_eq!(answer.ok()["record"]["currentVersion"]["number"], 3);
    assert_eq!(
        answer.ok()["record"]["versions"]["nodes"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    let url = answer.ok()["record"]["currentVersion"]["download"]["url"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        owner
            .http()
            .get(url)
            .send()
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap()
            .as_ref(),
        b"one"
    );
}

#[tokio::test]
async fn an_archivist_runs_checks_again_and_decides_with_a_reason() {
    let world = World::start().await;
    let (owner, archivist) = (world.contributor(), world.archivist());
    let transfer = owner.open_transfer("Review").await;
    let ids = owner.deposit(&transfer, &[("empty.txt", b"")]).await;
    let id = &ids[0].1;
    assert_eq!(owner.decided(id).await["status"], "REJECTED");
    let rerun =
        format!("rerunChecks(input: {{versionIds: [\"{id}\"]}}) {{ outcomes {{ __typename }} }}");
    let queued = run(&archivist, &rerun).await;
    assert_eq!(
        queued["rerunChecks"]["outcomes"][0]["__typename"],
        "ChecksQueued"
    );
    let again = owner.decided(id).await;
    assert_eq!(
        (&again["status"], &again["checks"][0]["run"]),
        (&json!("REJECTED"), &json!(2))
    );
    let decide = |reason: &str| {
        format!(
            "decideVersion(input: {{versionId: \"{id}\", verdict: ACCEPT, reason: \"{reason}\"}}) {{ version {{ id }} }}"
        )
    };
    assert_eq!(code(&owner, &decide("mine")).await, "FORBIDDEN");
    assert_eq!(code(&archivist, &decide("")).await, "BAD_USER_INPUT");
    run(&archivist, &decide("an empty envelope is part of the file")).await;
    let decided = owner.decided(id).await;
    assert_eq!(
        (&decided["status"], &decided["decision"]["by"]),
        (&json!("ACCEPTED"), &json!("archie"))
    );
    assert_eq!(
        code(&archivist, &decide("again")).await,
        "PRECONDITION_FAILED"
    );
}

#[tokio::test]
async fn a_task_goes_its_way_with_comments() {
    let world = World::start().await;
    let owner = world.contributor();
    let transfer = owner.open_transfer("Tasks").await;
    let (record, _) = owner.deposit(&transfer, &[("x", b"x")]).await.remove(0);
    let add = format!(
        "addTask(input: {{recordId: \"{record}\", title: \"Describe\", assignee: \"rita\", dueOn: \"2027-01-31\"}}) {{ task {{ id status }} }}"
    );
    let task = run(&owner, &add).await["addTask"]["task"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let update = format!(
        "updateTask(input: {{id: \"{task}\", expectedRevision: 1, dueOn: null, title: \"Describe it\"}}) {{ task {{ title dueOn assignee }} }}"
    );
    let updated = run(&owner, &update).await;
    assert_eq!(
        updated["updateTask"]["task"],
        json!({"title": "Describe it", "dueOn": null, "assignee": "rita"})
    );
    assert_eq!(code(&owner, &update).await, "PRECONDITION_FAILED");
    let status = |status: &str| {
        format!(
            "setTaskStatus(input: {{id: \"{task}\", status: {status}}}) {{ task {{ status }} }}"
        )
    };
    assert_eq!(
        code(&owner, &status("DONE")).await,
        "PRECONDITION_FAILED",
        "nobody has begun it"
    );
    run(&owner, &status("IN_PROGRESS")).await;
    let done = run(&owner, &status("DONE")).await;
    assert_eq!(done["setTaskStatus"]["task"]["status"], "DONE");
    let comment = |body: &str| {
        format!(
            "addComment(input: {{taskId: \"{task}\", body: \"{body}\"}}) {{ comment {{ author }} }}"
        )
    };
    assert_eq!(
        run(&owner, &comment("well done")).await["addComment"]["comment"]["author"],
        "connie"
    );
    assert_eq!(code(&owner, &comment("")).await, "BAD_USER_INPUT");
}

#[tokio::test]
async fn an_export_is_cancelled_by_those_who_may() {
    let world = World::start().await;
    // Nobody takes jobs any more, so it still waits when it is called off.
    world.stop_worker().await;
    let owner = world.contributor();
    let transfer = owner.open_transfer("Cancel").await;
    let request = format!(
        "requestExport(input: {{selection: {{transferId: \"{transfer}\"}}}}) {{ export {{ id status }} }}"
    );
    let export = run(&owner, &request).await["requestExport"]["export"].clone();
    assert_eq!(export["status"], "QUEUED");
    let id = export["id"].as_str().unwrap();
    let cancel = format!("cancelExport(input: {{id: \"{id}\"}}) {{ export {{ status }} }}");
    assert_eq!(code(&world.reader(), &cancel).await, "NOT_FOUND");
    let cancelled = run(&owner, &cancel).await;
    assert_eq!(cancelled["cancelExport"]["export"]["status"], "CANCELLED");
    let again = run(&owner, &cancel).await;
    assert_eq!(again, cancelled, "a repetition is harmless");
}

#[tokio::test]
async fn an_export_that_is_ready_is_not_cancelled_any_more() {
    let world = World::start().await;
    let owner = world.contributor();
    let transfer = owner.open_transfer("Ready").await;
    let request = format!(
        "requestExport(input: {{selection: {{transferId: \"{transfer}\"}}}}) {{ export {{ id }} }}"
    );
    let id = run(&owner, &request).await["requestExport"]["export"]["id"].clone();
    let status = "query($id: ID!) { node(id: $id) { ... on Export { status } } }";
    owner
        .until(status, json!({"id": id}), |answer| {
            answer["node"]["status"] == "READY"
        })
        .await;
    let cancel = format!("cancelExport(input: {{id: {id}}}) {{ export {{ status }} }}");
    assert_eq!(code(&owner, &cancel).await, "PRECONDITION_FAILED");
}

#[tokio::test]
async fn pages_forwards_and_backwards_hold_every_record_once() {
    let world = World::start().await;
    let owner = world.contributor();
    let transfer = owner.open_transfer("Pages").await;
    let paths: Vec<String> = (0..23)
        .map(|index| format!("{:02}", (index * 7) % 23))
        .collect();
    let files: Vec<(&str, &[u8])> = paths
        .iter()
        .map(|path| (path.as_str(), &b"x"[..]))
        .collect();
    owner.add_records(&transfer, &files).await;
    for order in ["CREATED_AT", "PATH", "TITLE"] {
        let forwards = walk(&owner, &transfer, order, "first", "after").await;
        let mut backwards = walk(&owner, &transfer, order, "last", "before").await;
        backwards.reverse();
        assert_eq!(forwards, backwards, "{order}");
        let mut expected = paths.clone();
        if order != "CREATED_AT" {
            expected.sort();
        }
        assert_eq!(forwards, expected, "{order}");
    }
}

/// Every record's path, page by page; backwards, the last comes first.
async fn walk(
    client: &Client,
    transfer: &str,
    order: &str,
    count: &str,
    cursor: &str,
) -> Vec<String> {
    let query = format!(
        "query($t: ID!, $c: String) {{ records(filter: {{transferId: $t}}, orderBy: {order}, {count}: 5, {cursor}: $c) {{ nodes {{ path }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
    );
    let (mut paths, mut at) = (Vec::new(), Value::Null);
    loop {
        let answer = client
            .send(&query, json!({"t": transfer, "c": at}))
            .await
            .ok()["records"]
            .clone();
        let page = answer["nodes"].as_array().unwrap().iter();
        let mut page: Vec<String> = page
            .map(|node| node["path"].as_str().unwrap().to_owned())
            .collect();
        assert!(page.len() <= 5);
        let (more, next) = if count == "first" {
            ("hasNextPage", "endCursor")
        } else {
            page.reverse();
            ("hasPreviousPage", "startCursor")
        };
        paths.extend(page);
        if answer["pageInfo"][more] != true {
            return paths;
        }
        at = answer["pageInfo"][next].clone();
    }
}
