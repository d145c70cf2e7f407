//! Tokens of a real OpenID Connect provider, and the worker's own.

use std::{sync::Arc, time::Duration};

use api::auth::oidc::provider::{FRESH, PAUSE};
use contract::JobId;
use runtime::clock::SystemClock;
use serde_json::{Value, json};
use tests::{AUDIENCE, Provider, SecondApi, World};
use worker::client::{
    Api as _, ApiError, ApiSettings, ClaimOutcome, ClientCredentials, ClientCredentialsSettings,
    HttpApi,
};

const VIEWER: &str =
    "{ viewer { subject name roles bodies expiresAt credential { kind issuer apiKeyId } } }";

#[tokio::test]
async fn a_token_of_a_real_provider_for_each_role_is_understood() {
    let Some(provider) = Provider::start() else {
        return;
    };
    let world = World::embedded().await;
    let api = SecondApi::start(&world, &provider).await;
    for (client, roles, bodies) in [
        ("admin", json!(["ADMIN"]), json!([])),
        ("archivist", json!(["ARCHIVIST"]), json!([])),
        ("contributor", json!(["CONTRIBUTOR"]), json!(["LOCAL"])),
        ("reader", json!(["READER"]), json!(["LOCAL"])),
        ("worker", json!(["WORKER"]), json!([])),
        ("stranger", json!([]), json!(["LOCAL"])),
    ] {
        let token = provider.token(client).await;
        let answer = api.client(&token).send(VIEWER, json!({})).await;
        let viewer = &answer.ok()["viewer"];
        assert_eq!(viewer["subject"], client);
        assert_eq!(viewer["roles"], roles, "{client}");
        assert_eq!(viewer["bodies"], bodies, "{client}");
        assert!(viewer["expiresAt"].is_string());
        assert_eq!(
            viewer["credential"],
            json!({"kind": "OPENID", "issuer": provider.issuer(), "apiKeyId": null})
        );
    }
}

#[tokio::test]
async fn each_role_does_its_part_with_a_token_of_a_real_provider() {
    let Some(provider) = Provider::start() else {
        return;
    };
    let world = World::embedded().await;
    let api = SecondApi::start(&world, &provider).await;
    let client = async |name: &str| api.client(&provider.token(name).await);
    let contributor = client("contributor").await;
    let transfer = contributor.open_transfer("By token").await;
    let ids = contributor.deposit(&transfer, &[("a.txt", b"a")]).await;
    let version = contributor.decided(&ids[0].1).await;
    assert_eq!(version["status"], "ACCEPTED");

    let submit = format!(
        "mutation {{ submitTransfer(input: {{id: \"{transfer}\"}}) {{ transfer {{ status depositedBy }} }} }}"
    );
    let submitted = contributor.send(&submit, json!({})).await;
    assert_eq!(
        submitted.ok()["submitTransfer"]["transfer"]["depositedBy"],
        "contributor"
    );
    let accept = format!(
        "mutation {{ acceptTransfer(input: {{id: \"{transfer}\"}}) {{ transfer {{ status }} }} }}"
    );
    for refused in ["contributor", "admin"] {
        let answer = client(refused).await.send(&accept, json!({})).await;
        assert_eq!(answer.code(), "FORBIDDEN", "{refused}");
    }
    for refused in ["reader", "worker", "stranger"] {
        let answer = client(refused).await.send(&accept, json!({})).await;
        assert_eq!(answer.code(), "NOT_FOUND", "{refused}");
    }
    let accepted = client("archivist").await.send(&accept, json!({})).await;
    assert_eq!(
        accepted.ok()["acceptTransfer"]["transfer"]["status"],
        "ACCEPTED"
    );
    let records = "{ records { nodes { path } } }";
    for (name, seen) in [("reader", 1), ("admin", 1), ("stranger", 0), ("worker", 0)] {
        let answer = client(name).await.send(records, json!({})).await;
        let nodes = answer.ok()["records"]["nodes"].as_array().unwrap().len();
        assert_eq!(nodes, seen, "{name}");
    }
}

#[tokio::test]
async fn a_token_meant_for_another_installation_is_refused() {
    let Some(provider) = Provider::start() else {
        return;
    };
    let world = World::embedded().await;
    let api = SecondApi::start(&world, &provider).await;
    let embedded = world.archivist();
    let answer = api.client(embedded.token()).send(VIEWER, json!({})).await;
    assert_eq!(answer.code(), "UNAUTHENTICATED");
    let foreign = tests::Client::new(
        embedded.url().to_owned(),
        Some(provider.token("admin").await),
    );
    assert_eq!(
        foreign.send(VIEWER, json!({})).await.code(),
        "UNAUTHENTICATED"
    );
}

#[tokio::test]
async fn keys_of_a_real_provider_are_rotated_in_mid_run() {
    let Some(mut provider) = Provider::start() else {
        return;
    };
    let world = World::embedded().await;
    let api = SecondApi::start(&world, &provider).await;
    let ask = async |token: &str| api.client(token).send(VIEWER, json!({})).await;
    let old = provider.token("archivist").await;
    ask(&old).await.ok();

    provider.stop();
    api.clock.hurry(FRESH);
    ask(&old).await.ok();

    provider.rotate("second");
    api.clock.hurry(PAUSE);
    let new = provider.token("archivist").await;
    ask(&new).await.ok();
    let refused = ask(&old).await;
    assert_eq!(refused.code(), "UNAUTHENTICATED", "its key is gone");

    provider.rotate("third");
    let newest = provider.token("archivist").await;
    let answer = ask(&newest).await;
    assert_eq!(answer.code(), "UNAUTHENTICATED", "it was asked just now");
    api.clock.hurry(PAUSE);
    ask(&newest).await.ok();
}

#[tokio::test]
async fn while_no_key_is_known_the_answer_is_unavailable() {
    let Some(mut provider) = Provider::start() else {
        return;
    };
    let world = World::embedded().await;
    let api = SecondApi::start(&world, &provider).await;
    let token = provider.token("reader").await;
    provider.stop();
    let answer = api.client(&token).send(VIEWER, json!({})).await;
    assert_eq!(answer.code(), "UNAVAILABLE");
    let readyz = api.url().replace("/graphql", "/readyz");
    let ready = async || reqwest::get(&readyz).await.unwrap().status();
    assert_eq!(ready().await, 503);
    let told = reqwest::get(&readyz).await.unwrap().text().await.unwrap();
    assert!(told.contains("\"identity\":false") && told.contains("\"database\":true"));
    assert_eq!(
        answer.0["errors"][0]["extensions"]["requestId"]
            .as_str()
            .map(str::len),
        Some(36)
    );
    provider.rotate("second");
    api.clock.hurry(PAUSE);
    assert_eq!(
        ready().await,
        200,
        "it is back, and nobody came with a token"
    );
}

fn credentials(provider: &Provider, client: &str, secret: &str) -> ClientCredentialsSettings {
    ClientCredentialsSettings {
        issuer: provider.issuer(),
        client_id: client.into(),
        client_secret: secret.into(),
        scope: Some("muniment".into()),
        audience: Some(AUDIENCE.into()),
        plain_http: false,
    }
}

#[tokio::test]
async fn a_worker_takes_jobs_with_its_own_credentials() {
    let Some(mut provider) = Provider::start() else {
        return;
    };
    let world = World::embedded().await;
    let api = SecondApi::start(&world, &provider).await;
    let worker = |client: &str, secret: &str| {
        let settings = credentials(&provider, client, secret);
        let tokens = ClientCredentials::new(settings, Arc::new(SystemClock)).unwrap();
        let settings = ApiSettings {
            request_timeout: Duration::from_secs(10),
            retry: runtime::backoff::Policy {
                attempts: std::num::NonZeroU32::MIN.saturating_add(1),
                ..ApiSettings::default().retry
            },
            ..ApiSettings::default()
        };
        HttpApi::new(api.url(), "worker-1", Arc::new(tokens), &settings).unwrap()
    };
    let job: JobId = "job_00000000000000000000000001".parse().unwrap();
    let lease = Duration::from_mins(1);
    let own = worker("worker", "worker-secret");
    let claims = own.claim_jobs(&[job], lease).await.unwrap();
    assert!(matches!(claims[0].outcome, ClaimOutcome::NothingToDo));

    let wrong = worker("worker", "wrong").claim_jobs(&[job], lease).await;
    let Err(ApiError::Token(message)) = wrong else {
        panic!("it should have been refused: {wrong:?}");
    };
    assert!(message.contains("invalid_client"), "{message}");
    let other = worker("reader", "reader-secret")
        .claim_jobs(&[job], lease)
        .await;
    assert!(
        matches!(&other, Err(ApiError::Refused { code, .. }) if code == "FORBIDDEN"),
        "{other:?}"
    );

    // A token whose key is gone is replaced by itself.
    provider.rotate("second");
    api.clock.hurry(FRESH);
    let claims = own.claim_jobs(&[job], lease).await.unwrap();
    assert!(matches!(claims[0].outcome, ClaimOutcome::NothingToDo));
}

#[tokio::test]
async fn an_embedded_token_shows_what_it_is() {
    let world = World::embedded().await;
    let answer = world.reader().send(VIEWER, json!({})).await;
    assert_eq!(
        answer.ok()["viewer"]["credential"],
        json!({"kind": "EMBEDDED", "issuer": null, "apiKeyId": Value::Null})
    );
}
