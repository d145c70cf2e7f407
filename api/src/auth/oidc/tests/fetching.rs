//! When the provider is asked, and what happens when it does not answer as it should.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::sync::Notify;

use super::{
    super::provider::{FIRST_PAUSE, FRESH, KEPT, PAUSE},
    Signer, World,
    provider::Manner,
};
use crate::auth::token::TokenVerifier as _;

#[tokio::test]
async fn keys_are_asked_for_once_by_a_hundred_at_once() {
    let world = World::new().await;
    let token = world.token(json!({}));
    let all = futures::future::join_all((0..100).map(|_| world.verify(&token))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(world.provider.times(), 1);
    world
        .clock
        .advance(FRESH.saturating_sub(Duration::from_secs(1)));
    assert!(world.is_taken(&token).await);
    assert_eq!(world.provider.times(), 1, "they are fresh");
    world.clock.advance(Duration::from_secs(1));
    assert!(world.is_taken(&token).await);
    assert_eq!(world.provider.times(), 2, "they are not");
}

#[tokio::test]
async fn keys_are_rotated_in_mid_run() {
    let world = World::new().await;
    let old = world.token(json!({}));
    assert!(world.is_taken(&old).await);
    let new_key = Signer::rsa();
    let header = json!({"alg": "RS256", "kid": "new"});
    let new = new_key.token(&header, &world.claims(json!({})));

    world
        .provider
        .publish([new_key.jwk("new"), world.ec.jwk("ec")]);
    assert!(
        world.refusal(&new).await.contains("does not have"),
        "the provider was asked just now"
    );
    world.clock.advance(PAUSE);
    assert!(world.is_taken(&new).await, "the new key is known");
    assert!(world.is_taken(&old).await, "the old one is still listed");

    world.provider.publish([new_key.jwk("new")]);
    world.clock.advance(FRESH);
    assert!(world.is_taken(&new).await);
    assert!(
        world.refusal(&old).await.contains("does not have"),
        "the old key was taken back"
    );
}

#[tokio::test]
async fn a_provider_that_is_down_leaves_known_keys_for_an_hour() {
    let world = World::new().await;
    let token = world.token(json!({"exp": 4_000_000_000_u64}));
    assert!(world.is_taken(&token).await);
    world.provider.behave(Manner::Down);
    for _ in 0..11 {
        world.clock.advance(FRESH);
        assert!(world.is_taken(&token).await);
    }
    world.clock.advance(KEPT.saturating_sub(11 * FRESH));
    assert!(world.is_unavailable(&token).await, "an hour is over");
    world.provider.behave(Manner::Good);
    world.clock.advance(PAUSE);
    assert!(world.is_taken(&token).await, "it is back");
}

#[tokio::test]
async fn a_provider_that_is_down_is_not_asked_by_each_request() {
    let world = World::new().await;
    world.provider.behave(Manner::Down);
    let token = world.token(json!({}));
    for _ in 0..20 {
        assert!(world.is_unavailable(&token).await);
    }
    assert!(world.verifier.ready().await.is_err());
    assert_eq!(world.provider.asked().len(), 1);
    world.provider.behave(Manner::Good);
    world.clock.advance(FIRST_PAUSE);
    assert!(world.is_taken(&token).await);
    assert!(world.verifier.ready().await.is_ok());
}

#[tokio::test]
async fn a_provider_that_is_down_may_have_the_key_that_is_not_known() {
    let world = World::new().await;
    assert!(world.is_taken(&world.token(json!({}))).await);
    world.provider.behave(Manner::Down);
    world.clock.advance(PAUSE);
    let header = json!({"alg": "ES256", "kid": "new"});
    let token = world.ec.token(&header, &world.claims(json!({})));
    assert!(world.is_unavailable(&token).await, "nobody can tell");
}

#[tokio::test]
async fn a_provider_that_is_silent_is_not_waited_for_long() {
    let world = World::new().await;
    world.provider.behave(Manner::Silent);
    let token = world.token(json!({}));
    let limit = Duration::from_secs(20);
    let answer = tokio::time::timeout(limit, world.is_unavailable(&token)).await;
    assert_eq!(answer, Ok(true));
}

#[tokio::test]
async fn a_provider_that_is_silent_delays_nobody_where_keys_are_known() {
    let world = World::new().await;
    let token = world.token(json!({}));
    assert!(world.is_taken(&token).await);
    world.provider.behave(Manner::Silent);
    world.clock.advance(FRESH);
    let limit = Duration::from_secs(4);
    let answers = futures::future::join_all((0..20).map(|_| world.is_taken(&token)));
    let answers = tokio::time::timeout(limit, answers).await;
    assert_eq!(answers, Ok(vec![true; 20]));
}

#[tokio::test]
async fn a_client_that_goes_away_does_not_end_what_others_wait_for() {
    let world = World::new().await;
    let told = Arc::new(Notify::new());
    world.provider.behave(Manner::Slow(told.clone()));
    let token = world.token(json!({}));
    let begun = async {
        while world.provider.asked().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        _ = world.verify(&token) => panic!("the provider has not answered"),
        () = begun => {}
    }
    world.provider.behave(Manner::Good);
    told.notify_one();
    assert!(world.is_taken(&token).await);
    assert_eq!(world.provider.times(), 1);
}

#[tokio::test]
async fn a_discovery_document_that_names_another_issuer_is_refused() {
    let world = World::new().await;
    for name in [
        "https://evil.example".to_owned(),
        format!("{}/", world.provider.issuer()),
    ] {
        world.provider.behave(Manner::Named(name));
        assert!(world.is_unavailable(&world.token(json!({}))).await);
        world.clock.advance(FIRST_PAUSE);
    }
    assert_eq!(world.provider.times(), 0, "its keys were not asked for");
}

#[tokio::test]
async fn keys_without_end_are_not_read_to_the_end() {
    let world = World::new().await;
    world.provider.behave(Manner::Endless);
    let began = std::time::Instant::now();
    assert!(world.is_unavailable(&world.token(json!({}))).await);
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "their size ended it, not the time"
    );
}

#[tokio::test]
async fn nonsense_in_place_of_keys_takes_nothing_away() {
    let world = World::new().await;
    let token = world.token(json!({}));
    assert!(world.is_taken(&token).await);
    world.provider.behave(Manner::Nonsense);
    world.clock.advance(FRESH);
    assert!(world.is_taken(&token).await);
    world.provider.behave(Manner::Good);
    world.provider.publish([]);
    world.clock.advance(PAUSE);
    assert!(world.is_taken(&token).await, "no keys at all are no answer");
}

#[tokio::test]
async fn keys_elsewhere_are_fetched_only_from_where_it_is_safe() {
    let world = World::new().await;
    let token = world.token(json!({}));
    for manner in [
        // Nothing listens at these: an attempt would end otherwise, or not at all.
        Manner::Elsewhere("http://192.0.2.1/keys".into()),
        Manner::Elsewhere("file:///etc/passwd".into()),
        Manner::KeysAt("http://192.0.2.1/keys".into()),
        Manner::KeysAt("file:///etc/passwd".into()),
        Manner::KeysAt("keys".into()),
    ] {
        world.provider.behave(manner);
        let began = std::time::Instant::now();
        assert!(world.is_unavailable(&token).await);
        assert!(began.elapsed() < Duration::from_secs(2), "nobody was asked");
        world.clock.advance(FIRST_PAUSE);
    }
}
