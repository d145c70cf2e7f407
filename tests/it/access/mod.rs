//! Who sees and may do what, over the wire: absent and forbidden look the same.

mod ids;

use api::auth::Role;
use serde_json::{Value, json};
use tests::World;

#[tokio::test]
async fn without_a_token_nothing_is_answered() {
    let world = World::start().await;
    let anonymous = world.anonymous();
    for query in [
        "{ viewer { subject } }",
        "{ records { nodes { id } } }",
        "{ jobs { nodes { id } } }",
        "mutation { openTransfer(input: {collection: {code: \"DEFAULT\"}, title: \"x\"}) { transfer { id } } }",
        "mutation { claimJobs(input: {jobIds: [\"job_00000000000000000000000001\"], worker: \"w\"}) { claims { jobId } } }",
    ] {
        assert_eq!(
            anonymous.send(query, json!({})).await.code(),
            "UNAUTHENTICATED",
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_forged_token_is_refused_without_repeating_it() {
    let world = World::start().await;
    let forged = tests::Client::new(world.url(), Some("a.secret.c".into()));
    let answer = forged.send("{ viewer { subject } }", json!({})).await;
    assert_eq!(answer.code(), "UNAUTHENTICATED");
    assert!(!answer.0.to_string().contains("secret"));
}

#[tokio::test]
async fn another_body_sees_nothing_anywhere() {
    let world = World::start().await;
    let owner = world.contributor();
    let transfer = owner.open_transfer("Secret").await;
    let (record, version) = owner.deposit(&transfer, &[("s.txt", b"s")]).await.remove(0);
    owner.decided(&version).await;
    let task = owner
        .send(
            "mutation($r: ID!) { addTask(input: {recordId: $r, title: \"t\"}) { task { id } } }",
            json!({"r": record}),
        )
        .await;
    let task = task.ok()["addTask"]["task"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for role in [Role::Contributor, Role::Reader, Role::Worker] {
        let stranger = world.client("stranger", role, &["OTHER"]);
        for id in [&transfer, &record, &version, &task] {
            let answer = stranger
                .send(
                    "query($id: ID!) { node(id: $id) { id } }",
                    json!({"id": id}),
                )
                .await;
            assert_eq!(answer.ok()["node"], Value::Null, "{role:?} sees {id}");
        }
        for list in [
            "collections",
            "transfers",
            "records",
            "versions",
            "tasks",
            "exports",
            "events",
        ] {
            let query = format!(
                "{{ {list}(first: 100) {{ edges {{ cursor }} pageInfo {{ hasNextPage }} }} }}"
            );
            let answer = stranger.send(&query, json!({})).await;
            assert_eq!(
                answer.ok()[list]["edges"],
                json!([]),
                "{role:?} lists {list}"
            );
        }
    }
    let stranger = world.client("stranger", Role::Contributor, &["OTHER"]);
    for mutation in [
        format!(
            "mutation {{ addTask(input: {{recordId: \"{record}\", title: \"t\"}}) {{ task {{ id }} }} }}"
        ),
        format!(
            "mutation {{ setTaskStatus(input: {{id: \"{task}\", status: DONE}}) {{ task {{ id }} }} }}"
        ),
        format!(
            "mutation {{ submitTransfer(input: {{id: \"{transfer}\"}}) {{ transfer {{ id }} }} }}"
        ),
        format!(
            "mutation {{ updateRecord(input: {{id: \"{record}\", expectedRevision: 1, title: \"t\"}}) {{ record {{ id }} }} }}"
        ),
        format!(
            "mutation {{ requestExport(input: {{selection: {{transferId: \"{transfer}\"}}}}) {{ export {{ id }} }} }}"
        ),
    ] {
        assert_eq!(
            stranger.send(&mutation, json!({})).await.code(),
            "NOT_FOUND",
            "{mutation}"
        );
    }
    let outcome = &stranger.complete(&[version]).await[0];
    assert_eq!(
        (&outcome["__typename"], &outcome["code"]),
        (&json!("ItemRefused"), &json!("NOT_FOUND"))
    );
}

#[tokio::test]
async fn a_reader_sees_only_what_was_accepted() {
    let world = World::start().await;
    let owner = world.contributor();
    let transfer = owner.open_transfer("Mixed").await;
    let ids = owner
        .deposit(&transfer, &[("good.txt", b"good"), ("empty.txt", b"")])
        .await;
    assert_eq!(owner.decided(&ids[0].1).await["status"], "ACCEPTED");
    assert_eq!(owner.decided(&ids[1].1).await["status"], "REJECTED");
    let reader = world.reader();
    let records = reader
        .send(
            "{ records { nodes { path currentVersion { download { url } } } } }",
            json!({}),
        )
        .await;
    let nodes = records.ok()["records"]["nodes"].as_array().unwrap().clone();
    assert_eq!(nodes.len(), 1);
    assert_eq!(nodes[0]["path"], "good.txt");
    assert!(nodes[0]["currentVersion"]["download"]["url"].is_string());
    let add = format!(
        "mutation {{ addTask(input: {{recordId: \"{}\", title: \"t\"}}) {{ task {{ id }} }} }}",
        ids[0].0
    );
    assert_eq!(reader.send(&add, json!({})).await.code(), "FORBIDDEN");
    let hidden = format!(
        "mutation {{ addTask(input: {{recordId: \"{}\", title: \"t\"}}) {{ task {{ id }} }} }}",
        ids[1].0
    );
    assert_eq!(reader.send(&hidden, json!({})).await.code(), "NOT_FOUND");
}

#[tokio::test]
async fn nobody_accepts_their_own_transfer() {
    let world = World::start().await;
    let archie = world.archivist();
    let transfer = archie.open_transfer("Own").await;
    let submit = format!(
        "mutation {{ submitTransfer(input: {{id: \"{transfer}\"}}) {{ transfer {{ status }} }} }}"
    );
    archie.send(&submit, json!({})).await.ok();
    let accept = format!(
        "mutation {{ acceptTransfer(input: {{id: \"{transfer}\"}}) {{ transfer {{ status }} }} }}"
    );
    assert_eq!(archie.send(&accept, json!({})).await.code(), "FORBIDDEN");
    let other = world.client("other archivist", Role::Archivist, &[]);
    let answer = other.send(&accept, json!({})).await;
    assert_eq!(
        answer.ok()["acceptTransfer"]["transfer"]["status"],
        "ACCEPTED"
    );
}

#[tokio::test]
async fn only_a_worker_takes_jobs() {
    let world = World::start().await;
    let claim = "mutation { claimJobs(input: {jobIds: [\"job_00000000000000000000000001\"], worker: \"w\"}) { claims { outcome } } }";
    for client in [
        world.admin(),
        world.archivist(),
        world.contributor(),
        world.reader(),
    ] {
        assert_eq!(client.send(claim, json!({})).await.code(), "FORBIDDEN");
    }
    let answer = world.worker().send(claim, json!({})).await;
    assert_eq!(
        answer.ok()["claimJobs"]["claims"][0]["outcome"],
        "NOTHING_TO_DO"
    );
}

#[tokio::test]
async fn counts_tell_a_reader_only_of_what_was_accepted() {
    let world = World::start().await;
    let owner = world.contributor();
    let transfer = owner.open_transfer("Mixed").await;
    let ids = owner
        .deposit(&transfer, &[("good", b"good"), ("empty", b"")])
        .await;
    for (_, version) in &ids {
        owner.decided(version).await;
    }
    for (client, mutation) in [
        (&owner, "submitTransfer"),
        (&world.archivist(), "acceptTransfer"),
    ] {
        let mutation = format!(
            "mutation($id: ID!) {{ {mutation}(input: {{id: $id}}) {{ transfer {{ id }} }} }}"
        );
        client.send(&mutation, json!({"id": transfer})).await.ok();
    }
    let query = "query($id: ID!) { transfer(id: $id) { totals { records versions bytes accepted rejected awaitingUpload checking needsReview quarantined abandoned }
        records { nodes { path } pageInfo { hasNextPage } } versions { nodes { status } } } }";
    let seen = async |client: tests::Client| {
        client.send(query, json!({"id": transfer})).await.ok()["transfer"].clone()
    };
    let of_owner = seen(owner.clone()).await;
    assert_eq!(of_owner["totals"]["records"], 2);
    let of_reader = seen(world.reader()).await;
    let totals = of_reader["totals"].as_object().unwrap();
    let counted: Vec<_> = totals
        .iter()
        .filter(|(_, count)| **count != 0)
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(counted, ["accepted", "bytes", "records", "versions"]);
    assert_eq!(
        (&totals["records"], &totals["versions"], &totals["bytes"]),
        (&json!(1), &json!(1), &json!(4))
    );
    assert_eq!(of_reader["records"]["nodes"], json!([{"path": "good"}]));
    assert_eq!(
        of_reader["versions"]["nodes"],
        json!([{"status": "ACCEPTED"}])
    );
    assert_eq!(
        seen(world.client("stan", Role::Reader, &["OTHER"])).await,
        Value::Null
    );
}
