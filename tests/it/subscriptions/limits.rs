//! What may not be sent, how much may be watched, and watches that nobody reads: who goes beyond is told why, and
//! delays nobody.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use api::{auth::Role, graphql::limits::QueryLimits};
use futures::future::join_all;
use serde_json::json;
use tests::{Answer, Client, Served, Socket, World};

use super::{PROGRESS, until};

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
