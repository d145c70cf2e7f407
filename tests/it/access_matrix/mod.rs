//! Who sees what: every field of the schema, as every role, of the own body and of another. Hostile input, section
//! "GraphQL over HTTP", 3.
//!
//! Always: a field of the schema that is asked for nowhere here fails the test; what was seen is a snapshot.

mod calls;
pub(crate) mod fixity;
mod matrix;
mod schema;
mod seed;
mod watches;

use std::time::Duration;

use api::auth::Role;
use serde_json::{Value, json};
use tests::{Client, World};

use calls::{Calls, MUTATIONS};
use matrix::{Asked, Body, Matrix, ROLES};
use schema::Schema;
use seed::Holdings;

/// Somebody in a role, who belongs to the own body.
fn client_of(world: &World, role: usize, valid_for: Duration) -> Client {
    let (subject, role) = match ROLES[role] {
        "WORKER" => ("worker:test", Role::Worker),
        "READER" => ("rita", Role::Reader),
        "CONTRIBUTOR" => ("connie", Role::Contributor),
        "ADMIN" => ("ada", Role::Admin),
        "ARCHIVIST" => ("archie", Role::Archivist),
        _ => return world.anonymous(),
    };
    world.client_for(subject, role, &["LOCAL"], valid_for)
}

/// Asks, and writes the answer down.
async fn ask(
    matrix: &mut Matrix<'_>,
    client: &Client,
    asked: (usize, Body),
    root: &str,
    field: &str,
    query: &str,
    variables: Value,
) {
    let answer = client.send(query, variables).await.0;
    note(matrix, asked, root, field, &answer);
}

/// Writes an answer down.
fn note(matrix: &mut Matrix<'_>, asked: (usize, Body), root: &str, field: &str, answer: &Value) {
    let asked = Asked {
        role: asked.0,
        body: asked.1,
        errors: &answer["errors"],
    };
    matrix.record_root(&asked, root, field, &answer["data"]);
}

/// One thing of each type.
fn things(holdings: &Holdings) -> Vec<(&'static str, String)> {
    let (record, version) = &holdings.accepted[0];
    let (hidden, rejected) = &holdings.rejected[ROLES.len() - 1];
    let kept = holdings.kept.iter();
    let kept = kept.map(|(ty, id)| (*ty, id.clone()));
    let one = [
        ("Collection", &holdings.collection),
        ("Transfer", &holdings.transfer),
        ("Record", record),
        ("Record", hidden),
        ("Version", version),
        ("Version", rejected),
        ("Version", &holdings.waived),
        ("Version", &holdings.awaiting),
        ("Version", &holdings.checking),
        ("Task", &holdings.task),
        ("Comment", &holdings.comment),
        ("Export", &holdings.export),
        ("ApiKey", &holdings.key),
    ]
    .map(|(ty, id)| (ty, id.clone()));
    one.into_iter().chain(kept).collect()
}

/// Whose everything is: what an admin finds, by what it belongs to.
async fn find_owners(matrix: &mut Matrix<'_>, world: &World, all: &[Holdings; 2]) {
    let admin = world.admin();
    for (body, holdings) in Body::BOTH.into_iter().zip(all) {
        for (_, id) in things(holdings) {
            matrix.owners.insert(id, body);
        }
    }
    for (list, inside) in [
        ("transfers", "id collection { id }"),
        ("records", "id collection { id }"),
        ("versions", "id record { id } checks { id }"),
        ("tasks", "id record { id }"),
        ("exports", "id"),
        ("fixityRuns", "id checks(first: 100) { nodes { id } }"),
        ("jobs", "id subjectId"),
        ("events", "id subjectId"),
    ] {
        let query = format!(
            "query($after: String) {{ {list}(first: 100, after: $after) {{ nodes {{ {inside} }} pageInfo {{ hasNextPage endCursor }} }} }}"
        );
        let mut after = Value::Null;
        loop {
            let answer = admin.send(&query, json!({"after": after})).await;
            let page = &answer.ok()[list];
            for node in page["nodes"].as_array().into_iter().flatten() {
                own(matrix, node);
            }
            after = page["pageInfo"]["endCursor"].clone();
            if page["pageInfo"]["hasNextPage"] != true {
                break;
            }
        }
    }
}

/// A thing belongs to whom that belongs to which it names.
fn own(matrix: &mut Matrix<'_>, node: &Value) {
    let named = [
        &node["collection"]["id"],
        &node["record"]["id"],
        &node["subjectId"],
        &node["id"],
    ];
    let owner = named
        .iter()
        .find_map(|id| matrix.owners.get(id.as_str()?))
        .copied();
    let Some(owner) = owner else {
        return;
    };
    let (listed, paged) = (&node["checks"], &node["checks"]["nodes"]);
    let checks = [listed, paged].into_iter().filter_map(Value::as_array);
    let checks = checks.flatten();
    for id in checks.map(|check| &check["id"]).chain([&node["id"]]) {
        matrix
            .owners
            .insert(id.as_str().unwrap_or_default().to_owned(), owner);
    }
}

async fn first(world: &World, query: &str, subject: &str) -> String {
    let answer = world.admin().send(query, json!({"id": subject})).await;
    let data = answer
        .ok()
        .as_object()
        .and_then(|data| data.values().next())
        .cloned()
        .unwrap_or_default();
    seed::id(&data["nodes"][0]["id"])
}

/// How many events the newest checkpoint holds.
async fn tree_size(world: &World) -> Value {
    let query = "{ checkpoints(first: 1) { nodes { treeSize } } }";
    let answer = world.admin().send(query, json!({})).await;
    answer.ok()["checkpoints"]["nodes"][0]["treeSize"].clone()
}

/// Every query, by each role.
async fn queries(matrix: &mut Matrix<'_>, schema: &Schema, world: &World, all: &[Holdings; 2]) {
    for (body, holdings) in Body::BOTH.into_iter().zip(all) {
        let mut nodes = things(holdings);
        let of = "query($id: ID!) { jobs(filter: {subjectId: $id}, first: 1) { nodes { id } } }";
        nodes.push(("Job", first(world, of, &holdings.checking).await));
        let of = "query($id: ID!) { events(filter: {subjectId: $id}, first: 1) { nodes { id } } }";
        let event = first(world, of, &holdings.accepted[0].1).await;
        nodes.push(("Event", event.clone()));
        for version in [&holdings.waived, &holdings.accepted[0].1] {
            let query = "query($id: ID!) { node(id: $id) { ... on Version { checks { id } } } }";
            let answer = world.admin().send(query, json!({"id": version})).await;
            for check in answer.ok()["node"]["checks"].as_array().expect("checks") {
                nodes.push(("Check", seed::id(&check["id"])));
            }
        }
        let ids: Vec<&str> = nodes.iter().map(|(_, id)| id.as_str()).collect();
        let export = seed::request_export(&holdings.depositor, &holdings.transfer).await;
        // Who claims an export has all events put into the tree.
        let held = calls::held(world, &export).await;
        let size = tree_size(world).await;
        for (role, name) in ROLES.iter().enumerate() {
            let (client, asked) = (
                client_of(world, role, Duration::from_hours(1)),
                (role, body),
            );
            for (ty, id) in &nodes {
                node(matrix, schema, &client, asked, ty, id).await;
            }
            if *name == "READER" {
                let query = format!("{{ viewer {} }}", schema.all_of("Viewer"));
                let bearer = &holdings.bearer;
                ask(matrix, bearer, asked, "Query", "viewer", &query, json!({})).await;
            }
            for field in schema.fields("Query") {
                let (declared, arguments, variables) = match field.name.as_str() {
                    "node" => continue,
                    // What belongs to no body is asked for once.
                    "checkpointKey" | "checkpoints" | "consistencyProof" if body == Body::Other => {
                        continue;
                    }
                    "consistencyProof" => (
                        "($v: BigInt!)",
                        "(fromSize: 1, toSize: $v)",
                        json!({"v": size}),
                    ),
                    "inclusionProof" => ("($v: ID!)", "(eventId: $v)", json!({"v": event})),
                    "nodes" => ("($v: [ID!]!)", "(ids: $v)", json!({"v": ids})),
                    "transfer" => ("($v: ID!)", "(id: $v)", json!({"v": holdings.transfer})),
                    "record" => (
                        "($v: RecordBy!)",
                        "(by: $v)",
                        json!({"v": {"id": holdings.accepted[0].0}}),
                    ),
                    "collection" => (
                        "($v: CollectionBy!)",
                        "(by: $v)",
                        json!({"v": {"code": seed::collection(body)}}),
                    ),
                    "exportEvents" | "exportItems" => (
                        "($v: ID!, $t: String!)",
                        "(jobId: $v, leaseToken: $t, first: 3)",
                        json!({"v": held.job, "t": held.token}),
                    ),
                    "checkpointKey" | "viewer" => ("", "", json!({})),
                    _ => ("", "(first: 100)", json!({})),
                };
                let query = format!(
                    "query{declared} {{ {}{arguments} {} }}",
                    field.name,
                    schema.all_of(&field.ty)
                );
                ask(
                    matrix,
                    &client,
                    asked,
                    "Query",
                    &field.name,
                    &query,
                    variables,
                )
                .await;
            }
        }
    }
}

/// All of a thing; where a field refuses, one field after another, so that none takes others with it.
async fn node(
    matrix: &mut Matrix<'_>,
    schema: &Schema,
    client: &Client,
    asked: (usize, Body),
    ty: &str,
    id: &str,
) {
    let all = format!(
        "query($id: ID!) {{ node(id: $id) {{ __typename id ... on {ty} {} }} }}",
        schema.all_of(ty)
    );
    let answer = client.send(&all, json!({"id": id})).await.0;
    let hidden = answer["data"]["node"].is_null() && answer["data"].is_object();
    if answer.get("errors").is_none() || hidden && answer["errors"][0]["path"] == json!(["node"]) {
        note(matrix, asked, "Query", "node", &answer);
        return;
    }
    for field in schema.fields(ty) {
        let page = if field.arguments.contains_key("first") {
            "(first: 5)"
        } else {
            ""
        };
        let query = format!(
            "query($id: ID!) {{ node(id: $id) {{ __typename id ... on {ty} {{ {}{page} {} }} }} }}",
            field.name,
            schema.all_of(&field.ty)
        );
        ask(
            matrix,
            client,
            asked,
            "Query",
            "node",
            &query,
            json!({"id": id}),
        )
        .await;
    }
}

/// Every mutation, by each role: those that may the least come first.
async fn mutations(matrix: &mut Matrix<'_>, schema: &Schema, world: &World, all: &[Holdings; 2]) {
    for (body, holdings) in Body::BOTH.into_iter().zip(all) {
        for mutation in MUTATIONS {
            let field = schema.field("Mutation", mutation);
            let kind = &field.arguments["input"];
            let query = format!(
                "mutation($input: {kind}!) {{ {mutation}(input: $input) {} }}",
                schema.all_of(&field.ty)
            );
            for turn in 0..ROLES.len() {
                let calls = Calls {
                    world,
                    body,
                    holdings,
                    turn,
                };
                let input = calls.input(mutation).await;
                let client = client_of(world, turn, Duration::from_hours(1));
                ask(
                    matrix,
                    &client,
                    (turn, body),
                    "Mutation",
                    mutation,
                    &query,
                    json!({"input": input}),
                )
                .await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_is_seen_by_those_who_may_and_by_nobody_else() {
    let (world, all) = seed::world().await;
    let schema = Schema::of(&world.admin()).await;
    let mut matrix = Matrix::new(&schema);
    find_owners(&mut matrix, &world, &all).await;
    queries(&mut matrix, &schema, &world, &all).await;
    watches::all(&mut matrix, &schema, &world, &all).await;
    mutations(&mut matrix, &schema, &world, &all).await;

    let (every, uncovered) = (schema.every_field().len(), matrix.uncovered());
    eprintln!(
        "{} of {every} fields covered ({} %)",
        every - uncovered.len(),
        (every - uncovered.len()) * 100 / every
    );
    assert_eq!(
        uncovered,
        Vec::<String>::new(),
        "nobody was ever answered these fields"
    );
    let exempt: Vec<&str> = NULL_HERE.iter().map(|(field, _)| *field).collect();
    assert_eq!(
        matrix.never_seen(),
        exempt,
        "nobody was ever shown these: put something into the seed"
    );
    let known = schema.fields("Mutation").iter();
    let mut known: Vec<&str> = known.map(|field| field.name.as_str()).collect();
    known.sort_unstable();
    assert_eq!(known, MUTATIONS);
    insta::assert_snapshot!(matrix.table());
    for role in ["nobody", "WORKER", "READER", "CONTRIBUTOR"] {
        let leaks = matrix
            .seen_of_others(role)
            .into_iter()
            .filter(|field| !is_of_nobody(field))
            .filter(|field| role != "WORKER" || !is_of_a_lease(field));
        assert_eq!(
            leaks.collect::<Vec<_>>(),
            Vec::<&str>::new(),
            "{role} sees things of another body"
        );
    }
}

/// What nobody is shown here, and why.
const NULL_HERE: [(&str, &str); 1] = [(
    "Credential.issuer",
    "of a provider's tokens alone: `identity`",
)];

/// What a worker is shown of the one thing that it has a lease of.
fn is_of_a_lease(field: &str) -> bool {
    [
        "BagInfoEntry.",
        "Check.id",
        "CheckToRun.",
        "CheckWork.",
        "Claim.",
        "ClaimJobsPayload.",
        "DispositionWork.",
        "ExportEvent",
        "ExportEvidence.",
        "ExportItem",
        "ExportWork.",
        "ExtendLeasesPayload.",
        "ExtendOutcome.",
        "FailJobsPayload.",
        "FixityWork.",
        "Format.",
        "Lease.",
        "Mutation.claimJobs",
        "Mutation.extendLeases",
        "Mutation.failJobs",
        "Mutation.report",
        "ObjectLocation.",
        "PageInfo.",
        "Query.exportEvents",
        "Query.exportItems",
        "Report",
    ]
    .iter()
    .any(|known| field.starts_with(known))
}

/// What shows nothing of a body: who one is, and that an item of a bulk call was refused.
fn is_of_nobody(field: &str) -> bool {
    [
        "Query.viewer",
        "Viewer.",
        "ViewerPermissions.",
        "Credential.",
        "ItemRefused.",
        "Mutation.completeUploads",
        "Mutation.rerunChecks",
    ]
    .iter()
    .any(|known| field.starts_with(known))
}
