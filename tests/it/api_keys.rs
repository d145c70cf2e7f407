//! API keys of third parties: made, shown once, used, revoked.

use std::time::Duration;

use api::auth::Role;
use serde_json::{Value, json};
use tests::{Client, Socket, World};

const CREATE: &str = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) {
  token apiKey { id name roles bodies status createdBy expiresAt lastUsedAt revokedAt } } }";
const REVOKE: &str =
    "mutation($id: ID!) { revokeApiKey(input: {id: $id}) { apiKey { status revokedBy } } }";
const VIEWER: &str = "{ viewer { subject name roles bodies credential { kind issuer apiKeyId } } }";

fn in_days(days: i64) -> String {
    let now = runtime::clock::Clock::now(&runtime::clock::SystemClock);
    (now + chrono::TimeDelta::days(days)).to_rfc3339()
}

fn input(roles: &[&str]) -> Value {
    json!({"name": "Finding aids", "roles": roles, "bodies": ["LOCAL"], "expiresAt": in_days(30)})
}

/// A key with these roles: its id, and a client that has it.
async fn made(world: &World, roles: &[&str]) -> (String, Client) {
    let answer = world
        .admin()
        .send(CREATE, json!({"input": input(roles)}))
        .await;
    let made = &answer.ok()["createApiKey"];
    let token = made["token"].as_str().unwrap();
    assert!(token.starts_with("muk_"), "{token}");
    let client = Client::new(world.url(), Some(token.to_owned()));
    (made["apiKey"]["id"].as_str().unwrap().to_owned(), client)
}

async fn revoke(world: &World, id: &str) {
    world.admin().send(REVOKE, json!({"id": id})).await.ok();
}

#[tokio::test]
async fn a_key_acts_as_what_it_was_made_for() {
    let world = World::start().await;
    let (id, client) = made(&world, &["CONTRIBUTOR"]).await;
    let viewer = client.send(VIEWER, json!({})).await;
    assert_eq!(
        viewer.ok()["viewer"],
        json!({
            "subject": id, "name": "Finding aids", "roles": ["CONTRIBUTOR"], "bodies": ["LOCAL"],
            "credential": {"kind": "API_KEY", "issuer": null, "apiKeyId": id},
        })
    );
    let transfer = client.open_transfer("By key").await;
    let (_, version) = client
        .deposit(&transfer, &[("a.txt", b"a")])
        .await
        .remove(0);
    assert_eq!(client.decided(&version).await["status"], "ACCEPTED");
    let query = "query($id: ID!) { events(filter: {subjectId: $id}) { nodes { agent action } } }";
    let events = world.admin().send(query, json!({"id": transfer})).await;
    let opened = &events.ok()["events"]["nodes"][0];
    assert_eq!(*opened, json!({"agent": id, "action": "transfer.opened"}));
}

#[tokio::test]
async fn a_token_is_shown_once() {
    let world = World::start().await;
    let admin = world.admin();
    let mut wanted = input(&["READER"]);
    wanted["clientMutationKey"] = json!("once");
    let first = admin.send(CREATE, json!({"input": wanted})).await;
    let token = first.ok()["createApiKey"]["token"].as_str().unwrap();
    let again = admin.send(CREATE, json!({"input": wanted})).await;
    assert_eq!(again.ok()["createApiKey"]["token"], Value::Null);
    assert_eq!(
        again.ok()["createApiKey"]["apiKey"]["id"],
        first.ok()["createApiKey"]["apiKey"]["id"]
    );
    let everything =
        "{ apiKeys { nodes { id name createdBy status } } events { nodes { before after } } }";
    let seen = admin.send(everything, json!({})).await;
    let keys = seen.ok()["apiKeys"]["nodes"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(
        (&keys[0]["createdBy"], &keys[0]["status"]),
        (&json!("ada"), &json!("ACTIVE"))
    );
    let secret = token.rsplit('_').next().unwrap();
    assert!(!seen.0.to_string().contains(secret));
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once() {
    let world = World::start().await;
    let (id, client) = made(&world, &["READER"]).await;
    client.send(VIEWER, json!({})).await.ok();
    revoke(&world, &id).await;
    assert_eq!(
        client.send(VIEWER, json!({})).await.code(),
        "UNAUTHENTICATED"
    );
    let again = world.admin().send(REVOKE, json!({"id": id})).await;
    assert_eq!(
        again.ok()["revokeApiKey"]["apiKey"],
        json!({"status": "REVOKED", "revokedBy": "ada"})
    );
    let query = "query($id: ID!) { events(filter: {subjectId: $id}) { nodes { action } } }";
    let events = world.admin().send(query, json!({"id": id})).await;
    assert_eq!(
        events.ok()["events"]["nodes"],
        json!([{"action": "apiKey.revoked"}, {"action": "apiKey.created"}])
    );
}

#[tokio::test]
async fn an_open_websocket_ends_with_its_key() {
    let world = World::start().await;
    let (id, client) = made(&world, &["CONTRIBUTOR"]).await;
    let transfer = client.open_transfer("Watched").await;
    let mut socket = Socket::signed_in(client.url(), client.token()).await;
    let watch = "subscription($id: ID!) { transferProgress(id: $id) { totals { versions } } }";
    socket.subscribe("1", watch, json!({"id": transfer})).await;
    assert_eq!(socket.next().await["type"], "next");
    revoke(&world, &id).await;

    world
        .contributor()
        .add_records(&transfer, &[("later.txt", b"x")])
        .await;
    assert_eq!(
        socket.next().await,
        json!({"type": "complete", "id": "1"}),
        "what came later is not seen"
    );
    socket.subscribe("2", VIEWER, json!({})).await;
    let answer = socket.next().await;
    assert_eq!(
        answer["payload"]["errors"][0]["extensions"]["code"], "UNAUTHENTICATED",
        "{answer:#}"
    );
}

#[tokio::test]
async fn keys_are_the_matter_of_admins_and_of_no_key() {
    let world = World::start().await;
    let (id, key_of_admin) = made(&world, &["ADMIN"]).await;
    let create = json!({"input": input(&["READER"])});
    let list = "{ apiKeys { nodes { id } } }";
    let node = "query($id: ID!) { node(id: $id) { id } }";
    for (client, code) in [
        (world.archivist(), "FORBIDDEN"),
        (world.contributor(), "FORBIDDEN"),
        (world.reader(), "FORBIDDEN"),
        (world.worker(), "NOT_FOUND"),
        (world.anonymous(), "UNAUTHENTICATED"),
    ] {
        assert_eq!(client.send(CREATE, create.clone()).await.code(), code);
        assert_eq!(client.send(list, json!({})).await.code(), code);
        let there = client.send(REVOKE, json!({"id": id})).await;
        assert_eq!(there.code(), code);
        let absent = json!({"id": "apikey_00000000000000000000000001"});
        let absent = client.send(REVOKE, absent).await;
        assert_eq!(
            (absent.code(), absent.message()),
            (code, there.message()),
            "absent and forbidden are the same"
        );
        let found = client.send(node, json!({"id": id})).await;
        assert!(found.0["data"]["node"].is_null());
    }
    assert_eq!(
        key_of_admin.send(CREATE, create).await.code(),
        "FORBIDDEN",
        "a key makes no other key"
    );
    let own = key_of_admin.send(list, json!({})).await;
    assert_eq!(own.ok()["apiKeys"]["nodes"], json!([{"id": id}]));
    let found = world.admin().send(node, json!({"id": id})).await;
    assert_eq!(found.ok()["node"]["id"], id.as_str());
}

#[tokio::test]
async fn a_key_that_may_not_be_is_refused_with_its_place() {
    let world = World::start().await;
    let admin = world.admin();
    for (name, value, path) in [
        ("expiresAt", json!(in_days(400)), "input.expiresAt"),
        ("expiresAt", json!(in_days(-1)), "input.expiresAt"),
        ("roles", json!([]), "input.roles"),
        ("name", json!(""), "input.name"),
        ("bodies", json!(["LOCAL", "a\u{0}b"]), "input.bodies.1"),
    ] {
        let mut wrong = input(&["READER"]);
        wrong[name] = value;
        let answer = admin.send(CREATE, json!({"input": wrong})).await;
        assert_eq!((answer.code(), answer.path()), ("BAD_USER_INPUT", path));
    }
    let list = admin.send("{ apiKeys { nodes { id } } }", json!({})).await;
    assert_eq!(list.ok()["apiKeys"]["nodes"], json!([]));
}

#[tokio::test]
async fn what_only_looks_like_a_key_is_refused_without_repeating_it() {
    let world = World::start().await;
    let (_, client) = made(&world, &["READER"]).await;
    let good = client.token();
    let (rest, secret) = good.rsplit_once('_').unwrap();
    for wrong in [
        "muk_secret".to_owned(),
        rest.to_owned(),
        format!("{rest}_{}", "0".repeat(secret.len())),
        format!("{good}00"),
        format!("muk_{secret}_{secret}"),
        good.to_uppercase(),
    ] {
        let url = world.url();
        let answer = Client::new(url, Some(wrong.clone()))
            .send(VIEWER, json!({}))
            .await;
        assert_eq!(answer.code(), "UNAUTHENTICATED", "{wrong}");
        assert!(!answer.0.to_string().contains(&wrong));
    }
    client.send(VIEWER, json!({})).await.ok();
}

#[tokio::test]
async fn an_archive_sees_when_a_key_was_last_used() {
    let world = World::start().await;
    let (id, client) = made(&world, &["READER"]).await;
    let query = "query($id: ID!) { node(id: $id) { ... on ApiKey { lastUsedAt } } }";
    let admin = world.client_for("ada", Role::Admin, &[], Duration::from_hours(1));
    let before = admin.send(query, json!({"id": id})).await;
    assert_eq!(before.ok()["node"]["lastUsedAt"], Value::Null);
    client.send(VIEWER, json!({})).await.ok();
    let after = admin.send(query, json!({"id": id})).await;
    assert!(after.ok()["node"]["lastUsedAt"].is_string());
}
