//! GraphQL over HTTP: methods, media types, statuses, and who may ask what. Hostile input, section "GraphQL over
//! HTTP".

use std::{collections::HashMap, path::Path, process::Command, sync::Arc};

use api::{
    auth::Role,
    graphql::{
        Settings,
        limits::QueryLimits,
        settings::Introspection,
        trusted::{TrustedDocuments, id_of},
    },
};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tests::{Client, Socket, World, muniment, stderr, stdout};

const GRAPHQL: &str = "application/graphql-response+json";

/// A system that speaks GraphQL in another way than the embedded one.
async fn world_with(change: impl FnOnce(&mut Settings)) -> World {
    World::start_with(|settings| {
        settings.graphql = Settings::default();
        change(&mut settings.graphql);
    })
    .await
}

/// Sends a body as it is, with headers.
async fn post(
    client: &Client,
    headers: &[(&str, &str)],
    body: impl Into<reqwest::Body>,
) -> Response {
    let mut request = client.http().post(client.url()).body(body);
    if !client.token().is_empty() {
        request = request.bearer_auth(client.token());
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

/// Sends a request whose status says something; answers it with its body.
async fn told(client: &Client, body: Value) -> (u16, Value) {
    let headers = [("content-type", "application/json"), ("accept", GRAPHQL)];
    let answer = post(client, &headers, body.to_string()).await;
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn code(body: &Value) -> &str {
    body["errors"][0]["extensions"]["code"]
        .as_str()
        .unwrap_or_default()
}

/// Runs the audits of graphql-http against a server; answers what they print.
fn audit(url: &str, token: &str) -> Option<(bool, String)> {
    let Some(folder) = std::env::var_os("MUNIMENT_TEST_AUDIT") else {
        eprintln!(
            "skipped: MUNIMENT_TEST_AUDIT is not set; tests/run installs graphql-http and sets it"
        );
        return None;
    };
    let output = Command::new("node")
        .arg("audit.mjs")
        .current_dir(folder)
        .env("URL", url)
        .env("TOKEN", token)
        .output()
        .unwrap();
    let text = format!("{}{}", stdout(&output), stderr(&output));
    eprintln!("graphql-http: {text}");
    Some((output.status.success(), text))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_of_graphql_http_passes_in_full_without_a_token() {
    let world = World::embedded().await;
    if let Some((passed, text)) = audit(world.anonymous().url(), "") {
        assert!(passed && text.ends_with("61/61\n"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_of_graphql_http_passes_in_full_as_in_production_with_a_token() {
    let world = world_with(|_| ()).await;
    let reader = world.reader();
    if let Some((passed, text)) = audit(reader.url(), reader.token()) {
        assert!(passed && text.ends_with("61/61\n"), "{text}");
    }
}

#[tokio::test]
async fn a_form_of_another_site_cannot_call() {
    let world = World::start().await;
    let client = world.archivist();
    let body = r#"{"query": "mutation { openTransfer(input: {collection: {code: \"DEFAULT\"}, title: \"forged\"}) { transfer { id } } }"}"#;
    // What a browser sends without asking the server first.
    for content in [
        "text/plain",
        "text/plain; application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=application/json",
    ] {
        let answer = post(&client, &[("content-type", content)], body).await;
        assert_eq!(answer.status(), 415, "{content}");
    }
    assert_eq!(post(&client, &[], body).await.status(), 415);
    let query = "mutation { submitTransfer(input: {id: \"x\"}) { __typename } }";
    for accept in ["*/*", "text/event-stream"] {
        let get = client.get(&[("query", query)]).header("accept", accept);
        let answer = get.send().await.unwrap();
        assert_eq!(answer.status(), 405);
        assert_eq!(answer.headers()["allow"], "POST");
    }
    let listed = client
        .send("{ transfers { nodes { id } } }", json!({}))
        .await;
    assert_eq!(
        listed.ok()["transfers"]["nodes"],
        json!([]),
        "nothing came of it"
    );
}

#[tokio::test]
async fn who_somebody_is_stands_in_no_cookie() {
    let world = World::start().await;
    let anonymous = world.anonymous();
    let token = world.archivist().token().to_owned();
    let cookies = format!("token={token}; Authorization=Bearer {token}; access_token={token}");
    let headers = [
        ("content-type", "application/json"),
        ("cookie", cookies.as_str()),
        ("origin", "https://evil.example"),
    ];
    let answer = post(
        &anonymous,
        &headers,
        r#"{"query": "{ viewer { subject } }"}"#,
    )
    .await;
    for name in ["set-cookie", "access-control-allow-credentials"] {
        assert!(!answer.headers().contains_key(name), "{name}");
    }
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(code(&body), "UNAUTHENTICATED");
}

#[tokio::test]
async fn what_is_no_request_has_a_status_of_its_own_in_every_form() {
    let world = World::start().await;
    let client = world.anonymous();
    let json_type = ("content-type", "application/json");
    for accept in ["application/json", GRAPHQL] {
        for (body, headers, status) in [
            ("{", [json_type].as_slice(), 400),
            ("", &[json_type], 400),
            ("{}", &[json_type], 400),
            (r#"{"query": 1}"#, &[json_type], 400),
            (r#"[{"query": "{ __typename }"}]"#, &[json_type], 400),
            (
                r#"{"query": "{ __typename }", "variables": {"a": 1, "a": 2}}"#,
                &[json_type],
                400,
            ),
            ("{}", &[("content-type", "text/plain")], 415),
            ("{}", &[json_type, ("content-encoding", "gzip")], 415),
        ] {
            let mut headers = headers.to_vec();
            headers.push(("accept", accept));
            let answer = post(&client, &headers, body).await;
            assert_eq!(answer.status(), status, "{body} {headers:?}");
            let content = answer.headers()["content-type"]
                .to_str()
                .unwrap()
                .to_owned();
            assert_eq!(content, format!("{accept}; charset=utf-8"));
            let answer: Value = answer.json().await.unwrap();
            assert!(
                !code(&answer).is_empty() && answer.get("data").is_none(),
                "{answer}"
            );
            assert!(answer["errors"][0]["extensions"]["requestId"].is_string());
            let batch = body.starts_with('[');
            assert_eq!(code(&answer) == "LIMIT_EXCEEDED", batch, "{body} {answer}");
        }
    }
    for accept in ["text/html", "image/png, application/json;q=0"] {
        let headers = [json_type, ("accept", accept)];
        let answer = post(&client, &headers, r#"{"query": "{ __typename }"}"#);
        assert_eq!(answer.await.status(), 406, "{accept}");
    }
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        let answer = client
            .http()
            .request(method, client.url())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 405);
    }
}

#[tokio::test]
async fn the_status_says_whether_there_is_data() {
    let world = World::start().await;
    let reader = world.reader();
    let missing = json!({"query": "query($id: ID!) { node(id: $id) { id } }"});
    for (body, status, code_of) in [
        (json!({"query": "{ __typename }"}), 200, ""),
        (json!({"query": "{ viewer { subject } }"}), 200, ""),
        // Executed, and without an answer: there is data, and it is null.
        (
            json!({"query": "{ jobs { nodes { id } } }"}),
            200,
            "FORBIDDEN",
        ),
        (json!({"query": "{"}), 400, "BAD_USER_INPUT"),
        (json!({"query": "{ nonsense }"}), 400, "BAD_USER_INPUT"),
        (
            json!({"query": "query A { __typename } query B { __typename }"}),
            400,
            "BAD_USER_INPUT",
        ),
        (missing, 400, "BAD_USER_INPUT"),
        (json!({"documentId": "sha256:00"}), 400, "BAD_USER_INPUT"),
        (
            json!({"query": format!("{{ {} }}", "a: __typename ".repeat(200))}),
            400,
            "LIMIT_EXCEEDED",
        ),
    ] {
        let (seen, answer) = told(&reader, body.clone()).await;
        assert_eq!((seen, code(&answer)), (status, code_of), "{body} {answer}");
        assert_eq!(answer.get("data").is_some(), status == 200, "{answer}");
    }
    let strict = world_with(|settings| settings.invalid = StatusCode::UNPROCESSABLE_ENTITY).await;
    for body in [json!({"query": "{"}), json!({"query": "{ nonsense }"})] {
        assert_eq!(
            told(&strict.reader(), body).await.0,
            422,
            "as newer drafts have it"
        );
    }
    assert_eq!(
        told(&strict.reader(), json!({})).await.0,
        400,
        "still no request at all"
    );
}

#[tokio::test]
async fn a_query_and_a_watch_come_as_events_to_those_who_want_events() {
    let world = World::start().await;
    let reader = world.reader();
    let events = reader.stream("{ viewer { subject } }", json!({})).await;
    let text = events.text().await.unwrap();
    assert!(
        text.contains("event: next\ndata: {\"data\":{\"viewer\":{\"subject\":\"rita\"}}}"),
        "{text}"
    );
    assert!(text.contains("event: complete"), "{text}");
    let watch = json!({"query": "subscription { taskChanged { id } }"});
    assert_eq!(told(&reader, watch).await.0, 406);
}

#[tokio::test]
async fn what_a_request_costs_is_told_to_those_who_ask() {
    let world = World::start().await;
    let reader = world.reader();
    let body = json!({"query": "{ records(first: 2) { nodes { id path } } }"}).to_string();
    let json_type = ("content-type", "application/json");
    let quiet: Value = post(&reader, &[json_type], body.clone())
        .await
        .json()
        .await
        .unwrap();
    assert!(quiet.get("extensions").is_none());
    let asked = post(&reader, &[json_type, ("muniment-cost", "1")], body).await;
    let asked: Value = asked.json().await.unwrap();
    assert_eq!(
        asked["extensions"]["cost"],
        // The list 50, and for each of two items: `nodes`, `id` and `path`.
        json!({"complexity": 56, "complexityLimit": 50_000, "depth": 3, "depthLimit": 15, "tokens": 15, "tokensLimit": 10_000})
    );
}

#[tokio::test]
async fn strangers_are_not_told_what_the_schema_is() {
    let world = world_with(|_| ()).await;
    let (stranger, reader) = (world.anonymous(), world.reader());
    let forged = Client::new(stranger.url().to_owned(), Some("a.b.c".into()));
    for query in [
        "{ __schema { types { name } } }",
        "{ __type(name: \"Query\") { name } }",
        "{ ...F } fragment F on Query { ... on Query { x: __schema { queryType { name } } } }",
    ] {
        for client in [&stranger, &forged] {
            let (status, answer) = told(client, json!({"query": query})).await;
            assert_eq!(
                (status, code(&answer)),
                (401, "UNAUTHENTICATED"),
                "{query} {answer}"
            );
        }
        reader.send(query, json!({})).await.ok();
    }
    let misspelt = "{ viewr { subject } }";
    let hint = "Did you mean";
    assert!(
        !stranger
            .send(misspelt, json!({}))
            .await
            .message()
            .contains(hint)
    );
    assert!(
        reader
            .send(misspelt, json!({}))
            .await
            .message()
            .contains(hint)
    );
    stranger.send("{ __typename }", json!({})).await.ok();

    let mut socket = Socket::open(stranger.url(), "graphql-transport-ws")
        .await
        .unwrap();
    socket.send(json!({"type": "connection_init"})).await;
    assert_eq!(socket.next().await["type"], "connection_ack");
    socket
        .subscribe("1", "{ __schema { types { name } } }", json!({}))
        .await;
    assert!(socket.next().await.to_string().contains("UNAUTHENTICATED"));

    let closed = world_with(|settings| settings.introspection = Introspection::Nobody).await;
    let answer = closed
        .admin()
        .send("{ __schema { types { name } } }", json!({}))
        .await;
    assert_eq!(answer.code(), "FORBIDDEN");
    let embedded = World::embedded().await;
    let answer = embedded.anonymous().send(misspelt, json!({})).await;
    assert!(
        answer.message().contains(hint),
        "the embedded system is open"
    );
}

const KNOWN: &str = "query Known { viewer { subject } }";

fn only(documents: &[(&str, &str)]) -> TrustedDocuments {
    let documents = documents
        .iter()
        .map(|(id, text)| ((*id).to_owned(), (*text).to_owned()))
        .collect();
    TrustedDocuments::new(documents, false).unwrap()
}

#[tokio::test]
async fn only_trusted_documents_are_taken_where_there_is_a_list() {
    let world = world_with(|settings| {
        settings.trusted = only(&[(&id_of(KNOWN), KNOWN), ("x-own:a", KNOWN)]);
    })
    .await;
    let reader = world.reader();
    for body in [
        json!({"documentId": id_of(KNOWN)}),
        json!({"documentId": "x-own:a", "operationName": "Known", "variables": {}}),
        json!({"query": KNOWN}),
    ] {
        let (status, answer) = told(&reader, body.clone()).await;
        assert_eq!(
            (status, &answer["data"]["viewer"]["subject"]),
            (200, &json!("rita")),
            "{body}"
        );
    }
    let get = reader.get(&[("documentId", "x-own:a")]);
    let answer = get.send().await.unwrap();
    assert_eq!(
        answer.json::<Value>().await.unwrap()["data"]["viewer"]["subject"],
        "rita"
    );
    for (body, status, code_of) in [
        (json!({"query": "{ viewer { subject } }"}), 403, "FORBIDDEN"),
        (json!({"query": format!("{KNOWN} ")}), 403, "FORBIDDEN"),
        (json!({"documentId": "x-own:b"}), 404, "NOT_FOUND"),
        (
            json!({"documentId": "x-own:a", "query": KNOWN}),
            400,
            "BAD_USER_INPUT",
        ),
    ] {
        let (seen, answer) = told(&reader, body.clone()).await;
        assert_eq!((seen, code(&answer)), (status, code_of), "{body}");
    }
    // The same over a websocket.
    let mut socket = Socket::signed_in(reader.url(), reader.token()).await;
    socket
        .send(json!({"type": "subscribe", "id": "1", "payload": {"documentId": "x-own:a"}}))
        .await;
    assert_eq!(
        socket.next().await["payload"]["data"]["viewer"]["subject"],
        "rita"
    );
    assert_eq!(socket.next().await["type"], "complete");
    socket
        .subscribe("2", "{ viewer { subject } }", json!({}))
        .await;
    assert!(socket.next().await.to_string().contains("FORBIDDEN"));
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_programs_work_where_only_their_documents_are_trusted() {
    let printed = Command::new(muniment()).arg("documents").output().unwrap();
    assert!(printed.status.success(), "{}", stderr(&printed));
    let documents: HashMap<String, String> = serde_json::from_slice(&printed.stdout).unwrap();
    let world = world_with(|settings| {
        settings.trusted = TrustedDocuments::new(documents, false).unwrap();
    })
    .await;
    let token = world.client("connie", Role::Contributor, &["LOCAL"]);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "a").unwrap();
    let bag = folder.path().join("out.tar");
    let files = folder.path().to_owned();
    let (url, token) = (token.url().to_owned(), token.token().to_owned());
    let output = tokio::task::spawn_blocking(move || {
        Command::new(muniment())
            .arg("transfer")
            .arg(Path::new(&files).join("a.txt").parent().unwrap())
            .args(["--server", &url, "--token", &token, "--bag"])
            .arg(&bag)
            .output()
            .unwrap()
    })
    .await
    .unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}{}",
        stdout(&output),
        stderr(&output)
    );
    assert!(
        stdout(&output).contains("1 accepted"),
        "the worker checked it: {}",
        stdout(&output)
    );
}

#[tokio::test]
async fn a_query_that_takes_too_long_is_given_up_and_a_mutation_may_be_sent_again() {
    let world = world_with(|settings| {
        settings.limits = Arc::new(QueryLimits {
            time: std::time::Duration::ZERO,
            ..QueryLimits::default()
        });
    })
    .await;
    // Timers tell milliseconds, and a small statement may be faster: then it is asked again.
    let given_up = async |client: &Client, query: &str| {
        for _ in 0..100 {
            let (status, answer) = told(client, json!({"query": query})).await;
            if status != 200 {
                return (status, code(&answer).to_owned());
            }
        }
        panic!("nothing takes too long");
    };
    let query = "{ records { nodes { id } } }";
    let answer = given_up(&world.reader(), query).await;
    assert_eq!(answer, (400, "LIMIT_EXCEEDED".to_owned()));
    let open = "mutation { openTransfer(input: {collection: {code: \"DEFAULT\"}, title: \"x\"}) { transfer { id } } }";
    let answer = given_up(&world.archivist(), open).await;
    assert_eq!(answer, (503, "UNAVAILABLE".to_owned()));
}
