//! What is watched, over a websocket: everything that can be, and everything that can go wrong with it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use api::{auth::Role, graphql::limits::QueryLimits};
use futures::future::join_all;
use serde_json::{Value, json};
use tests::{Answer, Client, Served, Socket, World};

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
async fn a_websocket_that_does_not_keep_to_the_protocol_is_closed() {
    let world = World::start().await;
    let url = world.anonymous().url().to_owned();
    let refused = Socket::open(&url, "soap").await;
    assert!(refused.is_err(), "another subprotocol is not taken");
    // Speaking before `connection_init`.
    let mut socket = Socket::open(&url, "graphql-transport-ws").await.unwrap();
    socket.subscribe("1", "{ __typename }", json!({})).await;
    assert_eq!(socket.closed().await, 4401);
    // Introducing oneself twice.
    let mut socket = Socket::signed_in(&url, "x").await;
    socket.send(json!({"type": "connection_init"})).await;
    assert_eq!(socket.closed().await, 4429);
    // No message of the protocol.
    let mut socket = Socket::signed_in(&url, "x").await;
    socket.send(json!({"type": "dance"})).await;
    assert_eq!(socket.closed().await, 4400);
}

#[tokio::test]
async fn a_message_may_be_as_large_as_a_request_and_a_larger_one_is_told_why_it_is_refused() {
    const LIMIT: usize = 2 << 20;
    let world = World::start_with(|settings| {
        settings.graphql.limits = Arc::new(QueryLimits {
            body: LIMIT,
            ..QueryLimits::default()
        });
    })
    .await;
    let client = world.contributor();
    let open = async || Socket::signed_in(client.url(), client.token()).await;
    let variables = |bytes: usize| json!({"ignored": "x".repeat(bytes)});
    let mut socket = open().await;
    let large = socket.ask("{ __typename }", variables(LIMIT - 1000)).await;
    assert_eq!(large.ok()["__typename"], "Query");
    socket
        .subscribe("1", "{ __typename }", variables(LIMIT))
        .await;
    let told = socket.closed_for().await;
    assert_eq!(told.0, 1009);
    assert!(
        told.1.contains("no more bytes than a request"),
        "{}",
        told.1
    );
    // Of what is far larger nothing is read.
    let mut socket = open().await;
    socket.announce(1 << 40).await;
    assert_eq!(socket.closed_for().await, told);
}

#[tokio::test]
async fn one_operation_too_many_ends_its_socket_and_says_so() {
    let world = World::start().await;
    let owner = world.contributor();
    let mut greedy = Socket::signed_in(owner.url(), owner.token()).await;
    for id in 0..101 {
        greedy
            .subscribe(
                &id.to_string(),
                "subscription { taskChanged { id } }",
                json!({}),
            )
            .await;
    }
    let (code, why) = greedy.closed_for().await;
    assert_eq!((code, why.as_str()), (4429, "Too many operations"));
}

/// A token of somebody's who may read everything.
fn archivist(served: &Served, data: &std::path::Path, subject: &str) -> Client {
    let token = muniment::process::mint_in(
        data,
        subject,
        &[Role::Archivist],
        &[],
        Duration::from_hours(1),
    );
    let token = runtime::secrecy::ExposeSecret::expose_secret(&token.unwrap()).to_owned();
    Client::new(served.url.clone(), Some(token))
}

#[tokio::test]
async fn ten_thousand_subscriptions_of_a_hundred_sockets_take_their_share_and_delay_nobody() {
    let data = tempfile::tempdir().unwrap();
    let served = Served::start(data.path());
    let modest = archivist(&served, data.path(), "modest");
    let transfer = modest.open_transfer("Watched by many").await;
    let before = served.peak();
    let mut watching = Socket::signed_in(modest.url(), modest.token()).await;
    watching
        .subscribe("1", PROGRESS, json!({"id": transfer}))
        .await;
    until(&mut watching, "1", |_| true).await;
    let greedy = archivist(&served, data.path(), "greedy");
    let flood = async || {
        let mut socket = Socket::signed_in(greedy.url(), greedy.token()).await;
        let mut refused = 0;
        for id in 0..100 {
            let id = id.to_string();
            socket
                .subscribe(&id, "subscription { taskChanged { id } }", json!({}))
                .await;
        }
        // A query would be one operation too many where all of them run; here no socket has so many.
        socket.send(json!({"type": "ping"})).await;
        loop {
            let message = socket.next().await;
            match message["type"].as_str() {
                Some("pong") => break,
                Some("next") => {
                    let answer = Answer(message["payload"].clone());
                    assert_eq!(answer.code(), "LIMIT_EXCEEDED", "{answer:?}");
                    refused += 1;
                }
                _ => {}
            }
        }
        (socket, refused)
    };
    let floods = join_all((0..100).map(|_| flood()));
    let asking = async {
        loop {
            let began = Instant::now();
            modest.send("{ viewer { subject } }", json!({})).await.ok();
            assert!(began.elapsed() < Duration::from_secs(10), "a query waits");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let floods: Vec<(Socket, usize)> = tokio::select! {
        floods = floods => floods,
        () = asking => unreachable!("it goes on"),
    };
    let refused: usize = floods.iter().map(|(_, refused)| refused).sum();
    assert!(refused > 0, "{refused}");
    // One more is one too many, and others have their share.
    let one_more = greedy
        .stream("subscription { taskChanged { id } }", json!({}))
        .await;
    let one_more = Answer(one_more.json().await.unwrap());
    assert!(one_more.message().contains("200"), "{one_more:?}");
    modest.add_records(&transfer, &[("a.txt", b"a")]).await;
    until(&mut watching, "1", |data| {
        data["transferProgress"]["totals"]["versions"] == 1
    })
    .await;
    if let (Some(before), Some(after)) = (before, served.peak()) {
        let grown = after.saturating_sub(before) >> 20;
        assert!(grown < 200, "{grown} MiB for ten thousand subscriptions");
    }
}

#[tokio::test]
async fn ten_thousand_subscriptions_of_one_socket_end_that_socket_and_no_other() {
    let world = World::start().await;
    let owner = world.contributor();
    let transfer = owner.open_transfer("Watched by many").await;
    let mut greedy = Socket::signed_in(owner.url(), owner.token()).await;
    let mut modest = Socket::signed_in(owner.url(), owner.token()).await;
    modest
        .subscribe("1", PROGRESS, json!({"id": transfer}))
        .await;
    until(&mut modest, "1", |_| true).await;
    for id in 0..10_000 {
        let payload = json!({"query": "subscription { taskChanged { id } }"});
        let message = json!({"type": "subscribe", "id": id.to_string(), "payload": payload});
        // The server may have closed it already.
        if !greedy.try_send(message).await {
            break;
        }
    }
    assert!(greedy.ended().await, "at most a hundred at a time");
    owner.add_records(&transfer, &[("a.txt", b"a")]).await;
    until(&mut modest, "1", |data| {
        data["transferProgress"]["totals"]["versions"] == 1
    })
    .await;
}

/// A system that waits a second for whoever does not read, and lets nobody watch more than one thing.
async fn hasty() -> World {
    World::start_with(|settings| {
        let limits = QueryLimits {
            send: Duration::from_secs(1),
            subscriptions_each: 1,
            ..QueryLimits::default()
        };
        settings.graphql.limits = Arc::new(limits);
    })
    .await
}

#[tokio::test]
async fn a_client_that_never_reads_is_let_go_and_delays_nobody() {
    let world = hasty().await;
    let owner = world.contributor();
    let mut deaf = Socket::signed_in(owner.url(), owner.token()).await;
    // Each answer is large: what the network holds for the client is soon full.
    let large = "{ __schema { types { name description fields { name description args { name description } } } } }";
    for id in 0..90 {
        let payload = json!({"query": large});
        let message = json!({"type": "subscribe", "id": id.to_string(), "payload": payload});
        if !deaf.try_send(message).await {
            break;
        }
        // Others are answered all the while.
        if id % 30 == 0 {
            owner.send("{ viewer { subject } }", json!({})).await.ok();
        }
    }
    assert!(deaf.is_let_go().await, "it is not waited for without end");
    owner.send("{ viewer { subject } }", json!({})).await.ok();
}

/// A subscription whose every answer has two megabytes, once a task has a long description.
fn heavy() -> String {
    let many: String = (0..100).map(|n| format!("a{n}: description ")).collect();
    format!("subscription {{ taskChanged {{ {many} }} }}")
}

/// Changes a task with a long description until somebody can watch again who did not, since all that they may watch
/// is watched by a client that never reads.
async fn change_until_there_is_room(owner: &Client, watcher: &Client) {
    const WATCH: &str = "subscription { taskChanged { id } }";
    let room = async || {
        let stream = watcher.stream(WATCH, json!({})).await;
        stream.headers()["content-type"] == "text/event-stream"
    };
    let transfer = owner.open_transfer("Heavy").await;
    let record = owner.add_records(&transfer, &[("a", b"a")]).await[0]["record"]["id"].clone();
    let add = "mutation($r: ID!) { addTask(input: {recordId: $r, title: \"t\"}) { task { id } } }";
    let task = owner.send(add, json!({"r": record})).await.ok()["addTask"]["task"]["id"].clone();
    assert!(!room().await, "it is watched");
    let update = "mutation($t: ID!, $n: Int!, $d: String!) { updateTask(input: {id: $t, expectedRevision: $n, description: $d}) { task { id } } }";
    let began = Instant::now();
    for revision in 1.. {
        let long = format!("{revision} {}", "x".repeat(19_000));
        let input = json!({"t": task, "n": revision, "d": long});
        owner.send(update, input).await.ok();
        if room().await {
            return;
        }
        // The test's own client gives up a stream after a minute.
        let waited = began.elapsed();
        assert!(waited < Duration::from_secs(30), "it is held for ever");
    }
}

#[tokio::test]
async fn a_subscription_that_nobody_reads_is_let_go_over_a_websocket() {
    let world = hasty().await;
    let (owner, watcher) = (world.contributor(), world.archivist());
    let mut deaf = Socket::signed_in(watcher.url(), watcher.token()).await;
    deaf.subscribe("1", &heavy(), json!({})).await;
    deaf.ask("{ __typename }", json!({})).await.ok();
    change_until_there_is_room(&owner, &watcher).await;
    assert!(deaf.is_let_go().await);
}

#[tokio::test]
async fn a_subscription_that_nobody_reads_is_let_go_over_server_sent_events() {
    let world = hasty().await;
    let (owner, watcher) = (world.contributor(), world.archivist());
    let deaf = watcher.stream(&heavy(), json!({})).await;
    assert_eq!(deaf.headers()["content-type"], "text/event-stream");
    change_until_there_is_room(&owner, &watcher).await;
    assert!(deaf.bytes().await.is_err(), "it was cut off");
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
