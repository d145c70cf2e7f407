//! Requests that are too large, too deep or too dear, over the wire: each is told so, and nobody else waits.
//! Hostile input, section "GraphQL over HTTP", 1, 2 and 4.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use api::graphql::limits::QueryLimits;
use sea_orm::TransactionTrait as _;
use serde_json::{Value, json};
use tests::{Answer, Client, Socket, World};

/// How long refusing may take: expanding any of these would take hours.
const AT_ONCE: Duration = Duration::from_secs(10);

async fn refused(client: &Client, query: &str, said: &str) -> String {
    let began = Instant::now();
    let answer = client.send(query, json!({})).await;
    is_refused(&answer, began, query, said)
}

/// Whether a document is refused for its size at once; answers what is said of it.
fn is_refused(answer: &Answer, began: Instant, query: &str, said: &str) -> String {
    let shown: String = query.chars().take(80).collect();
    assert_eq!(answer.code(), "LIMIT_EXCEEDED", "{shown}: {:#}", answer.0);
    assert!(
        answer.message().contains(said),
        "{shown}: {}",
        answer.message()
    );
    assert!(answer.0.to_string().len() < 5000, "{shown}");
    assert!(began.elapsed() < AT_ONCE, "{shown}: {:?}", began.elapsed());
    answer.message().to_owned()
}

/// Documents that go beyond a limit, with what is said of each.
fn beyond() -> Vec<(String, &'static str)> {
    let nested = |count: usize| {
        format!(
            "{}id{}",
            "node(id: \"x\") { ".repeat(count),
            " }".repeat(count)
        )
    };
    let watched = |inside: &str| format!("subscription {{ taskChanged {{ {inside} }} }}");
    let deep = |count: usize| {
        let (open, close) = ("record { tasks { nodes { ", " } } }");
        watched(&format!("{}id{}", open.repeat(count), close.repeat(count)))
    };
    let large = "versions(first: 100) { nodes { id sha256 status fileName size } }";
    vec![
        (format!("{{ {} }}", "__typename ".repeat(10_000)), "more than 10000 tokens"),
        (format!("{{ viewer {{ {} }} }}", "a: name ".repeat(101)), "101 aliases; at most 100"),
        (format!("{{ {} }}", "__typename ".repeat(31)), "31 fields to begin with; at most 30"),
        (format!("{{ __typename {} }}", "@skip(if: false) ".repeat(51)), "51 directives; at most 50"),
        (format!("{{ {} }}", nested(16)), "17 fields in one another; at most 15"),
        (format!("{{ {} }}", nested(60)), "in one another"),
        (
            "{ records(first: 100) { nodes { versions(first: 100) { nodes { id sha256 status fileName size } } } } }".into(),
            "a request may cost 50000 at most",
        ),
        (format!("{{ {} }}", "a".repeat(200)), "longer than 128 characters"),
        (watched(&"id ".repeat(10_000)), "more than 10000 tokens"),
        (watched(&"a: title ".repeat(101)), "101 aliases; at most 100"),
        (watched(&"id @skip(if: false) ".repeat(51)), "51 directives; at most 50"),
        (deep(5), "17 fields in one another; at most 15"),
        (
            watched(&format!("record {{ versions(first: 100) {{ nodes {{ record {{ {large} }} }} }} }}")),
            "a request may cost 50000 at most",
        ),
    ]
}

#[tokio::test]
async fn each_limit_has_a_message_of_its_own() {
    let world = World::start().await;
    let client = world.reader();
    let mut socket = Socket::signed_in(client.url(), client.token()).await;
    for (query, said) in beyond() {
        let began = Instant::now();
        let answer = socket.ask(&query, json!({})).await;
        let over_socket = is_refused(&answer, began, &query, said);
        let over_http = if query.starts_with("subscription") {
            let text = client.stream(&query, json!({})).await.text().await;
            let text = text.unwrap();
            // What is refused before it begins is no event.
            let event = text.lines().find_map(|line| line.strip_prefix("data: "));
            let answer = serde_json::from_str(event.unwrap_or(&text)).unwrap();
            is_refused(&Answer(answer), Instant::now(), &query, said)
        } else {
            refused(&client, &query, said).await
        };
        assert_eq!(over_http, over_socket);
    }
}

#[tokio::test]
async fn what_takes_too_long_is_given_up_over_a_websocket_as_over_http() {
    let world = World::start_with(|settings| {
        settings.graphql.limits = Arc::new(QueryLimits {
            time: Duration::from_secs(1),
            ..QueryLimits::default()
        });
    })
    .await;
    let client = world.archivist();
    let mut socket = Socket::signed_in(client.url(), client.token()).await;
    // Whoever needs the database waits for as long as somebody has all of its connections.
    let database = world.system().app().database();
    let mut taken = Vec::new();
    for _ in 0..8 {
        taken.push(database.begin().await.unwrap());
    }
    let query = "{ records(first: 1) { nodes { id } } }";
    let over_socket = socket.ask(query, json!({})).await;
    let over_http = client.send(query, json!({})).await;
    for answer in [over_socket, over_http] {
        assert_eq!(answer.code(), "LIMIT_EXCEEDED", "{answer:?}");
        let message = answer.message();
        assert!(message.contains("took longer than 1 s"), "{message}");
    }
    let open = "mutation { openTransfer(input: {collection: {code: \"DEFAULT\"}, title: \"t\"}) { transfer { id } } }";
    assert_eq!(socket.ask(open, json!({})).await.code(), "UNAVAILABLE");
    drop(taken);
    socket.ask("{ viewer { subject } }", json!({})).await.ok();
}

#[tokio::test]
async fn limits_are_those_that_were_set() {
    let world = World::start_with(|settings| {
        settings.graphql.limits = Arc::new(QueryLimits {
            body: 1000,
            tokens: 20,
            depth: 2,
            aliases: 1,
            root_fields: 7,
            directives: 1,
            complexity: 60,
            errors: 2,
            operations: 2,
            ..QueryLimits::default()
        });
    })
    .await;
    let client = world.reader();
    refused(
        &client,
        &format!("{{ {} }}", "__typename ".repeat(19)),
        "20 tokens",
    )
    .await;
    for (query, said) in [
        (
            "{ viewer { may { decide } } }",
            "3 fields in one another; at most 2",
        ),
        ("{ a: __typename b: __typename }", "2 aliases; at most 1"),
        (&format!("{{ {} }}", "__typename ".repeat(8)), "at most 7"),
        ("{ __typename @x @y }", "2 directives; at most 1"),
    ] {
        refused(&client, query, said).await;
    }
    refused(
        &client,
        "{ records(first: 10) { __typename edges { cursor } } }",
        "at most",
    )
    .await;
    let body = json!({"query": format!("{{ __typename }} # {}", "x".repeat(1000))});
    let answer = client
        .http()
        .post(client.url())
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 413);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["errors"][0]["extensions"]["code"], "LIMIT_EXCEEDED");
    let mut socket = Socket::signed_in(client.url(), client.token()).await;
    for id in ["1", "2", "3"] {
        let watch = "subscription { taskChanged { id } }";
        socket.subscribe(id, watch, json!({})).await;
    }
    let (code, why) = socket.closed_for().await;
    assert_eq!((code, why.as_str()), (4429, "Too many operations"));
    let answer = client.send("{ a b c d e }", json!({})).await;
    let errors = answer.0["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 3);
    assert_eq!(errors[2]["message"], "3 more errors are left out");
    assert_eq!(errors[2]["extensions"]["code"], "LIMIT_EXCEEDED");
}

#[tokio::test]
async fn subscriptions_are_as_many_as_were_set_of_one_subject_and_of_all() {
    const WATCH: &str = "subscription { taskChanged { id } }";
    let world = World::start_with(|settings| {
        settings.graphql.limits = Arc::new(QueryLimits {
            subscriptions: 4,
            subscriptions_each: 3,
            ..QueryLimits::default()
        });
    })
    .await;
    let (reader, archivist) = (world.reader(), world.archivist());
    let mut sockets = Vec::new();
    for (client, watched) in [(&reader, 2), (&reader, 1), (&archivist, 1)] {
        let mut socket = Socket::signed_in(client.url(), client.token()).await;
        for id in 0..watched {
            socket.subscribe(&id.to_string(), WATCH, json!({})).await;
        }
        // A query that is answered says that what came before it has begun.
        socket.ask("{ __typename }", json!({})).await.ok();
        sockets.push(socket);
    }
    let refused = sockets[1].ask(WATCH, json!({})).await;
    assert_eq!(refused.code(), "LIMIT_EXCEEDED");
    let message = refused.message();
    assert!(message.contains("at most 3 at a time"), "{message}");
    let refused = Answer(
        archivist
            .stream(WATCH, json!({}))
            .await
            .json()
            .await
            .unwrap(),
    );
    assert_eq!(refused.code(), "LIMIT_EXCEEDED");
    let message = refused.message();
    assert!(
        message.starts_with("4 subscriptions are running"),
        "{message}"
    );
    // Whoever ends frees a place.
    drop(sockets);
    let began = Instant::now();
    loop {
        let stream = archivist.stream(WATCH, json!({})).await;
        if stream.headers()["content-type"] == "text/event-stream" {
            break;
        }
        assert!(began.elapsed() < AT_ONCE, "no place becomes free");
    }
}

#[tokio::test]
async fn a_bad_query_is_not_answered_with_megabytes_of_errors() {
    let world = World::start().await;
    let client = world.reader();
    let fields: String = (0..4000).map(|index| format!("nonsense{index} ")).collect();
    let answer = client
        .send(&format!("{{ viewer {{ {fields} }} }}"), json!({}))
        .await;
    assert_eq!(answer.0["errors"].as_array().unwrap().len(), 21);
    let text = "x".repeat(500_000);
    let answer = client
        .send(
            &format!("{{ node(id: {{a: \"{text}\"}}) {{ id }} }}"),
            json!({}),
        )
        .await;
    assert!(
        answer.0.to_string().len() < 50_000,
        "{}",
        answer.0.to_string().len()
    );
}

#[tokio::test]
async fn fragments_in_a_circle_and_fragments_that_double_are_refused_at_once() {
    let world = World::start().await;
    let client = world.reader();
    let began = Instant::now();
    for circle in [
        "{ ...A } fragment A on Query { ...A ...A }",
        "{ ...A } fragment A on Query { ...B ...B } fragment B on Query { ...A ...A }",
        "query Q { __typename } fragment A on Query { ...B ...B } fragment B on Query { ...A ...A }",
    ] {
        let answer = client.send(circle, json!({})).await;
        assert_eq!(answer.code(), "BAD_USER_INPUT", "{circle}");
        assert!(
            answer.message().contains("spreads itself"),
            "{}",
            answer.message()
        );
    }
    for count in [20, 60] {
        let mut doubling = "{ ...F0 }".to_owned();
        for index in 0..count {
            let next = index + 1;
            doubling.push_str(&format!(
                " fragment F{index} on Query {{ ...F{next} ...F{next} }}"
            ));
        }
        doubling.push_str(&format!(" fragment F{count} on Query {{ __typename }}"));
        refused(&client, &doubling, "").await;
    }
    let mut chain = "{ ...F0 }".to_owned();
    for index in 0..1000 {
        chain.push_str(&format!(
            " fragment F{index} on Query {{ ...F{} }}",
            index + 1
        ));
    }
    chain.push_str(" fragment F1000 on Query { __typename }");
    refused(&client, &chain, "deep in one another").await;
    assert!(began.elapsed() < AT_ONCE * 6);
}

#[tokio::test]
async fn brackets_without_end_do_not_end_the_server() {
    let world = World::start().await;
    let client = world.reader();
    for open in ["{a", "[", "{a(b:[", "{a(b:{c:", "{...{"] {
        let query = format!("{{a(b:{}", open.repeat(100_000));
        refused(&client, &query, "deep in one another").await;
    }
    refused(
        &client,
        &format!("query($a: {}Int", "[".repeat(100_000)),
        "deep",
    )
    .await;
    // As deep as may be, in the parser of a server's thread.
    let (open, close) = ("[".repeat(60), "]".repeat(60));
    let answer = client
        .send(
            &format!("{{ node(id: {open}1{close}) {{ id }} }}"),
            json!({}),
        )
        .await;
    assert_eq!(answer.code(), "BAD_USER_INPUT");
    client.send("{ __typename }", json!({})).await.ok();
}

#[tokio::test]
async fn deep_variables_and_those_that_stand_twice_are_refused() {
    let world = World::start().await;
    let client = world.reader();
    let send = async |body: String| {
        let request = client.http().post(client.url()).bearer_auth(client.token());
        let answer = request
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap();
        let status = answer.status().as_u16();
        let answer: Value = answer.json().await.unwrap();
        (
            status,
            answer["errors"][0]["extensions"]["code"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        )
    };
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let value = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        let body = format!(
            "{{\"query\": \"query($v: JSON) {{ __typename }}\", \"variables\": {{\"v\": {value}}}}}"
        );
        assert_eq!(send(body).await, (400, "LIMIT_EXCEEDED".into()));
    }
    let query = "query($id: ID!) { node(id: $id) { id } }";
    for variables in [
        r#"{"id": "a", "id": "b"}"#,
        r#"{"id": "a", "i\u0064": "b"}"#,
    ] {
        let body = format!("{{\"query\": \"{query}\", \"variables\": {variables}}}");
        assert_eq!(send(body).await, (400, "BAD_USER_INPUT".into()));
    }
    let twice = client
        .send(
            "query($a: ID!, $a: String) { node(id: $a) { id } }",
            json!({"a": "x"}),
        )
        .await;
    assert_eq!(twice.code(), "BAD_USER_INPUT");
}

#[tokio::test]
async fn the_operation_that_is_named_is_the_one_that_is_looked_at() {
    let world = World::start().await;
    let client = world.reader();
    let ask = async |query: &str, name: Value| {
        let body = json!({"query": query, "operationName": name});
        let request = client
            .http()
            .post(client.url())
            .bearer_auth(client.token())
            .json(&body);
        tests::Answer(request.send().await.unwrap().json().await.unwrap())
    };
    let two =
        "query A { __typename } mutation B { submitTransfer(input: {id: \"x\"}) { __typename } }";
    assert_eq!(ask(two, json!("A")).await.ok()["__typename"], "Query");
    for name in [
        json!("C"),
        json!(null),
        json!(""),
        json!("a"),
        json!("A\u{0}"),
    ] {
        assert_eq!(
            ask(two, name.clone()).await.code(),
            "BAD_USER_INPUT",
            "{name}"
        );
    }
    assert_eq!(
        ask("{ __typename }", json!("A")).await.code(),
        "BAD_USER_INPUT"
    );
    for twice in [
        "query A { __typename } query A { __typename }",
        "{ __typename } query A { __typename }",
    ] {
        assert_eq!(
            ask(twice, json!("A")).await.code(),
            "BAD_USER_INPUT",
            "{twice}"
        );
    }
    // A mutation that hides behind a query, by GET.
    let get = client.get(&[("query", two), ("operationName", "B")]);
    let answer = get.send().await.unwrap();
    assert_eq!(answer.status(), 405);
    // Another operation in the document counts for nothing.
    let heavy = format!(
        "query A {{ __typename }} query B {{ {} }}",
        "__typename ".repeat(31)
    );
    ask(&heavy, json!("A")).await.ok();
    assert_eq!(ask(&heavy, json!("B")).await.code(), "LIMIT_EXCEEDED");
}

#[tokio::test]
async fn costs_that_run_over_are_no_way_around_the_limit() {
    let world = World::start().await;
    let client = world.reader();
    for first in ["2147483647", "-2147483648", "100"] {
        let list = |inside: &str| format!("versions(first: {first}) {{ nodes {{ {inside} }} }}");
        let inner = list(&format!(
            "record {{ {} }}",
            list("record { versions(first: 2147483647) { nodes { id } } }")
        ));
        let query = format!(
            "{{ viewer {{ subject }} records(first: {first}) {{ nodes {{ {inner} }} }} other: viewer {{ subject }} }}"
        );
        refused(&client, &query, "cost").await;
    }
}

#[tokio::test]
async fn pages_that_make_no_sense_are_refused() {
    let world = World::start().await;
    let contributor = world.contributor();
    let transfer = contributor.open_transfer("Pages").await;
    contributor
        .add_records(&transfer, &[("a", b"a"), ("b", b"b")])
        .await;
    for (arguments, code) in [
        ("first: 0", "BAD_USER_INPUT"),
        ("first: -1", "BAD_USER_INPUT"),
        ("last: -1", "BAD_USER_INPUT"),
        ("first: 101", "LIMIT_EXCEEDED"),
        ("first: 2147483647", "LIMIT_EXCEEDED"),
        ("first: 2147483648", "BAD_USER_INPUT"),
        ("first: 1.5", "BAD_USER_INPUT"),
        ("first: \"1\"", "BAD_USER_INPUT"),
        ("first: 1, last: 1", "BAD_USER_INPUT"),
        ("after: \"\"", "BAD_USER_INPUT"),
        ("after: \"!\"", "BAD_USER_INPUT"),
    ] {
        for list in [
            "records",
            "transfers",
            "versions",
            "tasks",
            "events",
            "exports",
            "collections",
        ] {
            let query = format!("{{ {list}({arguments}) {{ edges {{ cursor }} }} }}");
            assert_eq!(
                contributor.send(&query, json!({})).await.code(),
                code,
                "{query}"
            );
        }
    }
}

#[tokio::test]
async fn a_cursor_that_was_tampered_with_is_refused_or_shows_nothing_more() {
    let world = World::start().await;
    let contributor = world.contributor();
    let transfer = contributor.open_transfer("Cursors").await;
    contributor
        .add_records(&transfer, &[("a", b"a"), ("b", b"b"), ("c", b"c")])
        .await;
    let stranger = world.client("stan", api::auth::Role::Contributor, &["OTHER"]);
    let ask = async |client: &Client, list: &str, cursor: &str| {
        let query =
            format!("query($c: String) {{ {list}(first: 2, after: $c) {{ edges {{ cursor }} }} }}");
        client.send(&query, json!({"c": cursor})).await
    };
    let first = contributor
        .send(
            "{ records(first: 1, orderBy: PATH) { edges { cursor } } }",
            json!({}),
        )
        .await;
    let cursor = first.ok()["records"]["edges"][0]["cursor"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        ask(&contributor, "records", &cursor).await.code(),
        "BAD_USER_INPUT",
        "of another order"
    );
    assert_eq!(
        ask(&contributor, "tasks", &cursor).await.code(),
        "BAD_USER_INPUT",
        "of another list"
    );
    for at in 0..cursor.len() {
        let mut tampered = cursor.clone().into_bytes();
        tampered[at] = if tampered[at] == b'A' { b'B' } else { b'A' };
        let tampered = String::from_utf8(tampered).unwrap();
        let query = "query($c: String) { records(orderBy: PATH, after: $c) { edges { cursor } } }";
        let answer = stranger.send(query, json!({"c": tampered})).await;
        let seen = &answer.0["data"]["records"]["edges"];
        assert!(
            answer
                .0
                .get("errors")
                .is_none_or(|_| answer.code() == "BAD_USER_INPUT"),
            "{answer:?}"
        );
        assert!(
            seen.is_null() || *seen == json!([]),
            "a stranger sees nothing: {answer:?}"
        );
    }
}
