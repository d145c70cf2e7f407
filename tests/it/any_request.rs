//! Any bytes as a request of GraphQL, sent to the handler itself as somebody who may do almost everything: it is
//! answered in time, as JSON, with a code, and never with an error of ours.

use std::{path::Path, sync::Arc};

use api::auth::{Role, token::EmbeddedIdentity};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
};
use fuzzing::Target;
use runtime::clock::SystemClock;
use serde_json::{Value, json};
use tests::World;
use tower::ServiceExt as _;

/// What a client may see; INTERNAL and UNAVAILABLE would be our fault.
const CODES: [&str; 8] = [
    "UNAUTHENTICATED",
    "FORBIDDEN",
    "NOT_FOUND",
    "BAD_USER_INPUT",
    "CONFLICT",
    "PRECONDITION_FAILED",
    "TOO_LARGE",
    "LIMIT_EXCEEDED",
];

/// One text wherever a text is taken.
const QUERY: &str = "query($s: ID!, $t: String!) {
  node(id: $s) { id } record(by: {id: $s}) { path } byReference: record(by: {reference: $t}) { id } version: node(id: $s) { ... on Version { status } }
  records(first: 1, after: $t) { nodes { id } } byPath: records(first: 1, orderBy: PATH, before: $t) { nodes { id } }
  transfers(last: 1, before: $t) { nodes { id } } tasks(first: 1, after: $t) { nodes { id } }
  events(first: 1, after: $t) { nodes { id } } exports(first: 1, after: $t) { nodes { id } }
}";
const MUTATION: &str = "mutation($s: ID!, $t: String!, $m: JSON!, $n: BigInt!) {
  openTransfer(input: {clientMutationKey: $t, collection: {code: $t}, title: $t, source: $t}) { transfer { id } }
  addRecords(input: {transferId: $s, records: [{path: $t, title: $t, description: $t, metadata: $m, file: {fileName: $t, size: $n, sha256: $t}}]}) { outcomes { __typename } }
  addVersion(input: {recordId: $s, note: $t, file: {fileName: $t, size: $n, sha256: $t}}) { version { id } }
  addTask(input: {recordId: $s, title: $t, description: $t, assignee: $t, dueOn: \"2027-01-31\"}) { task { id } }
  completeUploads(input: {uploads: [{versionId: $s}]}) { outcomes { __typename } }
  requestExport(input: {clientMutationKey: $t, selection: {recordIds: [$s]}}) { export { id } }
}";

fn post(body: impl Into<Body>) -> Option<Request<Body>> {
    Request::post("/graphql")
        .header(header::CONTENT_TYPE, "application/json")
        .body(body.into())
        .ok()
}

/// The request that the bytes mean: the first one says how they are sent.
fn request(bytes: &[u8], transfer: &str) -> Option<Request<Body>> {
    let (&first, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let text = String::from_utf8_lossy(rest);
    match first % 5 {
        0 => post(rest.to_vec()),
        1 => post(json!({"query": text}).to_string()),
        2 => {
            let encoded: String = rest
                .iter()
                .map(|byte| match byte {
                    b'=' | b'&' | b'%' => char::from(*byte).to_string(),
                    byte if byte.is_ascii_alphanumeric() => char::from(*byte).to_string(),
                    byte => format!("%{byte:02X}"),
                })
                .collect();
            Request::get(format!("/graphql?{encoded}"))
                .body(Body::empty())
                .ok()
        }
        kind => {
            let id = if rest.len() % 2 == 0 {
                &*text
            } else {
                transfer
            };
            let number: Value = serde_json::from_slice(rest).unwrap_or(json!(rest.len()));
            let metadata: Value = serde_json::from_slice(rest).unwrap_or(json!({"note": text}));
            let variables = json!({"s": id, "t": text, "m": metadata, "n": number});
            let query = if kind == 3 { QUERY } else { MUTATION };
            post(json!({"query": query, "variables": variables}).to_string())
        }
    }
}

/// Sends it, and sees whether the answer is one.
async fn answered(router: &Router, request: Request<Body>) {
    let answer = router.clone().oneshot(request).await.unwrap();
    let status = answer.status();
    assert!(!status.is_server_error(), "{status}");
    let body = to_bytes(answer.into_body(), 32 << 20).await.unwrap();
    let said: Value = serde_json::from_slice(&body)
        .unwrap_or_else(|error| panic!("{status}: {error}: {:?}", String::from_utf8_lossy(&body)));
    let errors = said["errors"].as_array().cloned().unwrap_or_default();
    assert!(
        said.get("data").is_some() || !errors.is_empty(),
        "neither data nor errors: {said}"
    );
    assert!(status == StatusCode::OK || !errors.is_empty(), "{status}");
    for error in errors {
        let code = error["extensions"]["code"].as_str().unwrap_or_default();
        assert!(CODES.contains(&code), "{error}");
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
    }
}

#[test]
fn any_bytes_are_a_request_or_refused() {
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let (world, transfer) = tokio.block_on(async {
        let world = World::embedded().await;
        let transfer = world
            .client("fuzz", Role::Archivist, &[])
            .open_transfer("Any")
            .await;
        (world, transfer)
    });
    let key = world.folder().join("identity/token-key.p8");
    let identity = EmbeddedIdentity::open(&key, Arc::new(SystemClock)).unwrap();
    let router = {
        let _entered = tokio.enter();
        api::server::router(
            world.system().app().clone(),
            Arc::new(identity),
            api::queue::Queues::new(),
            api::graphql::Settings::default(),
        )
    };
    let token = world
        .client("fuzz", Role::Archivist, &[])
        .token()
        .to_owned();

    let body = |query: &str, variables: Value| {
        format!(
            "\0{}",
            json!({"query": query, "variables": variables, "operationName": null})
        )
    };
    let introspection = "{ __schema { types { name fields { name args { name } type { name ofType { name } } } } } }";
    let mut seeds: Vec<Vec<u8>> = [
        body("{ viewer { subject } }", json!({})),
        body("query A($n: Int = 1) { records(first: $n) { nodes { ...F } } } fragment F on Record { id title versions { nodes { id checks { kind } } } }", json!({"n": 2})),
        body(MUTATION, json!({"s": transfer, "t": "DEFAULT", "m": {"a": [1, null]}, "n": "1"})),
        format!("\u{1}{introspection}"),
        "\u{1}query A @skip(if: false) { a: viewer { roles } b: viewer { bodies } ... @include(if: true) { __typename } } query B { __typename }".to_owned(),
        "\u{1}subscription { transferProgress(id: \"x\") { at } }".to_owned(),
        "\u{1}{ records(filter: {pathPrefix: \"\"\"block \\\"\"\" text\"\"\", transferId: \"\\u0000\\ud800\"}) { nodes { id } } }".to_owned(),
        "\u{2}query=%7B__typename%7D&variables=%7B%22a%22%3A1%7D&operationName=A".to_owned(),
        format!("\u{3}{transfer}"),
        "\u{3}cmVjb3JkfDAxfDE".to_owned(),
        "\u{4}name\u{202e}.txt".to_owned(),
        "\u{4}9223372036854775807".to_owned(),
        "\u{4}{\"a\": [1e308, {\"b\": \"\\u0000\"}]}".to_owned(),
    ]
    .map(String::into_bytes)
    .to_vec();
    seeds.push(b"\x04nul\0".to_vec());
    seeds.push(b"\x03nul\0".to_vec());
    seeds.push([b"\x00", &*b"[".repeat(5_000)].concat());
    seeds.push([b"\x01", &*b"{a".repeat(5_000)].concat());
    let words: [&[u8]; 16] = [
        b"{",
        b"}",
        b"(",
        b"\"",
        b"\"\"\"",
        b"\\u0000",
        b"\\ud800",
        b"\0",
        b"...",
        b"@include(if: true)",
        b"$",
        b"#",
        b"query",
        b"fragment F on Record { ...F }",
        b"first: 100",
        b"\xEF\xBB\xBF",
    ];
    let regressions = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    Target::new("request", &regressions, &seeds)
        .with_words(&words)
        .at_most(20_000)
        .run(|bytes| {
            let Some(mut request) = request(bytes, &transfer) else {
                return;
            };
            let bearer = format!("Bearer {token}").parse().unwrap();
            request.headers_mut().insert(header::AUTHORIZATION, bearer);
            tokio.block_on(answered(&router, request));
        });
}
