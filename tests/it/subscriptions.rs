//! What is watched, over a websocket: everything that can be, and everything that can go wrong with it.

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
    let stranger = world.client("stan", api::auth::Role::Contributor, &["OTHER"]);
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
        api::auth::Role::Contributor,
        &["LOCAL"],
        std::time::Duration::from_secs(2),
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

#[tokio::test]
async fn a_client_that_never_reads_is_let_go_and_delays_nobody() {
    let world = World::start_with(|settings| {
        let limits = api::graphql::limits::QueryLimits {
            send: std::time::Duration::from_secs(1),
            ..api::graphql::limits::QueryLimits::default()
        };
        settings.graphql.limits = std::sync::Arc::new(limits);
    })
    .await;
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
async fn a_socket_that_says_nothing_or_shows_an_old_token_gets_nothing() {
    let world = World::start().await;
    let short = world.client_for(
        "connie",
        api::auth::Role::Contributor,
        &["LOCAL"],
        std::time::Duration::from_secs(1),
    );
    let transfer = short.open_transfer("Old").await;
    let url = short.url().to_owned();
    // Whoever does not introduce themselves is closed, in ten seconds, whatever else they say.
    let mut silent = Socket::open(&url, "graphql-transport-ws").await.unwrap();
    let began = std::time::Instant::now();
    assert_eq!(silent.closed().await, 4408);
    assert!(began.elapsed() < std::time::Duration::from_secs(20));
    // By now the token has ended.
    let mut old = Socket::signed_in(&url, short.token()).await;
    old.subscribe("1", PROGRESS, json!({"id": transfer})).await;
    let text = old.next().await.to_string();
    assert!(
        text.contains("UNAUTHENTICATED") && !text.contains("totals"),
        "{text}"
    );
}
