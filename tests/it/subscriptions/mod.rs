//! What is watched, over a websocket, and when a watch ends.

mod limits;

use std::time::Duration;

use api::auth::Role;
use serde_json::{Value, json};
use tests::{Socket, World};

const PROGRESS: &str = "subscription($id: ID!) { transferProgress(id: $id) { totals { versions accepted awaitingUpload } } }";

/// Reads until an answer of the operation is as wanted.
async fn until(socket: &mut Socket, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        let message = socket.next().await;
        assert_eq!(message["type"], "next", "{message:#}");
        assert!(message["payload"].get("errors").is_none(), "{message:#}");
        if message["id"] == id && wanted(&message["payload"]["data"]) {
            return message["payload"]["data"].clone();
        }
    }
}

#[tokio::test]
async fn progress_is_watched_over_a_websocket_until_everything_is_accepted() {
    let world = World::start().await;
    let owner = world.contributor();
    let transfer = owner.open_transfer("Watched").await;
    let mut socket = Socket::signed_in(owner.url(), owner.token()).await;
    socket
        .subscribe("1", PROGRESS, json!({"id": transfer}))
        .await;
    let first = until(&mut socket, "1", |_| true).await;
    assert_eq!(
        first["transferProgress"]["totals"]["versions"], 0,
        "the first answer is how it stands"
    );
    owner
        .deposit(&transfer, &[("a.txt", b"a"), ("b.txt", b"b")])
        .await;
    until(&mut socket, "1", |data| {
        data["transferProgress"]["totals"]["accepted"] == 2
    })
    .await;

    socket.send(json!({"type": "ping"})).await;
    assert_eq!(socket.next().await["type"], "pong");
    socket.send(json!({"type": "complete", "id": "1"})).await;
    // The id is free again, and a query goes over the same socket.
    socket
        .subscribe("1", "{ viewer { subject } }", json!({}))
        .await;
    let data = until(&mut socket, "1", |data| data.get("viewer").is_some()).await;
    assert_eq!(data["viewer"]["subject"], "connie");
    assert_eq!(
        socket.next().await,
        json!({"type": "complete", "id": "1"}),
        "a query ends"
    );
}

#[tokio::test]
async fn versions_tasks_and_exports_are_watched_side_by_side() {
    let world = World::start().await;
    let owner = world.contributor();
    let transfer = owner.open_transfer("Side by side").await;
    let added = owner.add_records(&transfer, &[("a.txt", b"a")]).await;
    let record = added[0]["record"]["id"].clone();
    let mut socket = Socket::signed_in(owner.url(), owner.token()).await;
    socket
        .subscribe(
            "versions",
            "subscription($id: ID!) { versionChanged(recordId: $id) { status } }",
            json!({"id": record}),
        )
        .await;
    socket
        .subscribe(
            "tasks",
            "subscription($of: ID!) { taskChanged(filter: {recordId: $of}) { title } }",
            json!({"of": record}),
        )
        .await;
    // An operation is taken when it is read; a query that is answered says that those before it were.
    socket.subscribe("begun", "{ __typename }", json!({})).await;
    assert_eq!(socket.next().await["id"], "begun");
    assert_eq!(socket.next().await["type"], "complete");

    let ticket = &added[0]["version"];
    assert!(
        owner
            .put(&ticket["upload"], b"a".to_vec())
            .await
            .is_success()
    );
    let version = ticket["id"].as_str().unwrap().to_owned();
    owner.complete(std::slice::from_ref(&version)).await;
    until(&mut socket, "versions", |data| {
        data["versionChanged"]["status"] == "ACCEPTED"
    })
    .await;

    let add =
        "mutation($r: ID!) { addTask(input: {recordId: $r, title: \"Describe\"}) { task { id } } }";
    owner.send(add, json!({"r": record})).await.ok();
    let data = until(&mut socket, "tasks", |_| true).await;
    assert_eq!(data["taskChanged"]["title"], "Describe");

    let request = "mutation($t: ID!) { requestExport(input: {selection: {transferId: $t}}) { export { id } } }";
    let answer = owner.send(request, json!({"t": transfer})).await;
    let export = answer.ok()["requestExport"]["export"]["id"].clone();
    socket
        .subscribe(
            "export",
            "subscription($id: ID!) { exportChanged(id: $id) { status } }",
            json!({"id": export}),
        )
        .await;
    until(&mut socket, "export", |data| {
        data["exportChanged"]["status"] == "READY"
    })
    .await;
}

#[tokio::test]
async fn what_one_may_not_see_cannot_be_watched() {
    let world = World::start().await;
    let transfer = world.contributor().open_transfer("Ours").await;
    let stranger = world.client("stan", Role::Contributor, &["OTHER"]);
    for (token, code) in [
        (stranger.token(), "NOT_FOUND"),
        ("no.such.token", "UNAUTHENTICATED"),
    ] {
        let mut socket = Socket::signed_in(stranger.url(), token).await;
        socket
            .subscribe("1", PROGRESS, json!({"id": transfer}))
            .await;
        let message = socket.next().await;
        let errors = if message["type"] == "error" {
            &message["payload"]
        } else {
            &message["payload"]["errors"]
        };
        assert_eq!(errors[0]["extensions"]["code"], code, "{message:#}");
        assert!(
            message["payload"].get("data").is_none_or(Value::is_null),
            "{message:#}"
        );
    }
}

#[tokio::test]
async fn a_watch_ends_with_its_token() {
    let world = World::start().await;
    let owner = world.contributor();
    let transfer = owner.open_transfer("Short").await;
    let short = world.client_for(
        "connie",
        Role::Contributor,
        &["LOCAL"],
        Duration::from_secs(2),
    );
    let mut socket = Socket::signed_in(short.url(), short.token()).await;
    socket
        .subscribe("1", PROGRESS, json!({"id": transfer}))
        .await;
    until(&mut socket, "1", |_| true).await;
    assert_eq!(
        socket.next().await,
        json!({"type": "complete", "id": "1"}),
        "nothing more is sent to somebody whose token has ended"
    );
    socket
        .subscribe("2", PROGRESS, json!({"id": transfer}))
        .await;
    let message = socket.next().await;
    let text = message.to_string();
    assert!(text.contains("UNAUTHENTICATED"), "{text}");
}

#[tokio::test]
async fn a_task_that_is_taken_away_is_not_watched_any_more() {
    let world = World::start().await;
    let (owner, reader) = (world.contributor(), world.reader());
    let transfer = owner.open_transfer("Taken away").await;
    let (record, _) = owner.deposit(&transfer, &[("a.txt", b"a")]).await.remove(0);
    let add = "mutation($r: ID!) { addTask(input: {recordId: $r, title: \"zero\", assignee: \"rita\"}) { task { id } } }";
    let added = owner.send(add, json!({"r": record})).await;
    let task = added.ok()["addTask"]["task"]["id"].clone();
    let mut socket = Socket::signed_in(reader.url(), reader.token()).await;
    socket
        .subscribe("1", "subscription { taskChanged { title } }", json!({}))
        .await;
    socket.subscribe("begun", "{ __typename }", json!({})).await;
    assert_eq!(socket.next().await["id"], "begun");
    assert_eq!(socket.next().await["type"], "complete");
    let update = "mutation($t: ID!, $n: Int!, $title: String!, $who: String) { updateTask(input: {id: $t, expectedRevision: $n, title: $title, assignee: $who}) { task { id } } }";
    for (revision, title, assignee) in [
        (1, "one", "rita"),
        (2, "secret", "connie"),
        (3, "more secret", "connie"),
        (4, "last", "rita"),
    ] {
        let input = json!({"t": task, "n": revision, "title": title, "who": assignee});
        owner.send(update, input).await.ok();
    }
    let mut titles = Vec::new();
    while titles.last().is_none_or(|title| title != "last") {
        let message = socket.next().await;
        let title = &message["payload"]["data"]["taskChanged"]["title"];
        titles.push(title.as_str().unwrap_or_default().to_owned());
    }
    assert!(
        titles.iter().all(|title| title == "one" || title == "last"),
        "{titles:?}"
    );
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, of what is seen and what is not"
)]
async fn what_leaves_accepted_is_not_watched_any_more_by_whoever_reads_only_that() {
    let world = World::embedded().await;
    let (owner, reader, archivist) = (world.contributor(), world.reader(), world.archivist());
    let (partly, wholly) = (
        owner.open_transfer("Partly").await,
        owner.open_transfer("Wholly").await,
    );
    let (record, first) = owner.deposit(&partly, &[("a", b"a")]).await.remove(0);
    let (other, only) = owner.deposit(&wholly, &[("b", b"b")]).await.remove(0);
    for version in [&first, &only] {
        assert_eq!(owner.decided(version).await["status"], "ACCEPTED");
    }
    let restore = "mutation($v: ID!) { restoreVersion(input: {versionId: $v}) { version { id } } }";
    let add = "mutation($r: ID!, $s: String!) { addVersion(input: {recordId: $r, file: {fileName: \"c\", size: 1, sha256: $s}}) {
        version { id upload { url headers { name value } } } } }";
    let added = owner
        .send(add, json!({"r": record, "s": tests::sha256(b"c")}))
        .await;
    let added = &added.ok()["addVersion"]["version"];
    assert!(
        owner
            .put(&added["upload"], b"c".to_vec())
            .await
            .is_success()
    );
    let second = added["id"].as_str().unwrap().to_owned();
    owner.complete(std::slice::from_ref(&second)).await;
    assert_eq!(owner.decided(&second).await["status"], "ACCEPTED");
    world.stop_worker().await;
    for transfer in [&partly, &wholly] {
        let submit = "mutation($id: ID!) { submitTransfer(input: {id: $id}) { transfer { id } } }";
        owner.send(submit, json!({"id": transfer})).await.ok();
        let accept = "mutation($id: ID!) { acceptTransfer(input: {id: $id}) { transfer { id } } }";
        archivist.send(accept, json!({"id": transfer})).await.ok();
    }

    let mut socket = Socket::signed_in(reader.url(), reader.token()).await;
    let totals = "versions accepted awaitingUpload checking needsReview rejected quarantined";
    let progress = format!(
        "subscription($id: ID!) {{ transferProgress(id: $id) {{ totals {{ {totals} }} }} }}"
    );
    for (id, query, of) in [
        (
            "version",
            "subscription($id: ID!) { versionChanged(recordId: $id) { id number status } }",
            &record,
        ),
        ("partly", &progress, &partly),
        ("wholly", &progress, &wholly),
        (
            "other",
            "subscription($id: ID!) { versionChanged(recordId: $id) { id number status } }",
            &other,
        ),
    ] {
        socket.subscribe(id, query, json!({"id": of})).await;
    }
    let mut seen: Vec<(String, Value)> = Vec::new();
    let count = |seen: &[(String, Value)], id: &str| seen.iter().filter(|one| one.0 == id).count();
    while count(&seen, "partly") + count(&seen, "wholly") < 2 {
        let message = socket.next().await;
        seen.push((
            message["id"].as_str().unwrap_or_default().to_owned(),
            message,
        ));
    }
    socket.ask("{ __typename }", json!({})).await.ok();
    // What is kept of both is missing; who reads what is accepted has nothing to do with that.
    for (record, version) in [(&record, &second), (&other, &only)] {
        crate::access_matrix::fixity::missed(&world, record, version).await;
    }
    archivist.send(restore, json!({"v": first})).await.ok();
    // The last of what happens: all of it has been told before.
    let restored = |seen: &[(String, Value)]| {
        let of = |id: &str, path: &str| {
            seen.iter()
                .rev()
                .find(|one| one.0 == id)
                .map(|one| one.1.pointer(path).cloned())
        };
        of("version", "/payload/data/versionChanged/number").flatten() == Some(json!(3))
            && of("partly", "/payload/data/transferProgress/totals/accepted").flatten()
                == Some(json!(2))
            && of("wholly", "/payload/data/transferProgress/totals/accepted").flatten()
                == Some(json!(0))
    };
    while !restored(&seen) {
        let message = socket.next().await;
        seen.push((
            message["id"].as_str().unwrap_or_default().to_owned(),
            message,
        ));
    }
    for (id, message) in &seen {
        let data = &message["payload"]["data"];
        match id.as_str() {
            "version" => {
                let version = &data["versionChanged"];
                assert_eq!(version["status"], "ACCEPTED", "{message}");
                assert_ne!(version["id"], *second, "{message}");
            }
            "other" => panic!("a record that is not to be seen: {message}"),
            asked if !["partly", "wholly"].contains(&asked) => {}
            _ => {
                let totals = data["transferProgress"]["totals"].as_object();
                let totals = totals.unwrap_or_else(|| panic!("{message}"));
                let hidden = totals.iter().filter(|(state, count)| {
                    !["versions", "accepted"].contains(&state.as_str()) && **count != 0
                });
                assert_eq!(hidden.count(), 0, "{message}");
                assert_eq!(totals["versions"], totals["accepted"], "{message}");
            }
        }
    }
}

#[tokio::test]
async fn a_socket_that_says_nothing_or_shows_an_old_token_gets_nothing() {
    let world = World::start().await;
    let short = world.client_for(
        "connie",
        Role::Contributor,
        &["LOCAL"],
        Duration::from_secs(1),
    );
    let transfer = short.open_transfer("Old").await;
    let url = short.url().to_owned();
    // Whoever does not introduce themselves is closed, in ten seconds, whatever else they say.
    let mut silent = Socket::open(&url, "graphql-transport-ws").await.unwrap();
    let began = std::time::Instant::now();
    assert_eq!(silent.closed().await, 4408);
    assert!(began.elapsed() < Duration::from_secs(20));
    // By now the token has ended.
    let mut old = Socket::signed_in(&url, short.token()).await;
    old.subscribe("1", PROGRESS, json!({"id": transfer})).await;
    let text = old.next().await.to_string();
    assert!(
        text.contains("UNAUTHENTICATED") && !text.contains("totals"),
        "{text}"
    );
}
