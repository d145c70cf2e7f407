use std::time::Duration;

use chrono::{DateTime, Months, TimeDelta, Utc};
use contract::ApiKeyId;
use uuid::Uuid;

use super::{ApiKey, Standing, check, read_token, service, standing, store, token};
use crate::{
    Error,
    auth::{Caller, Credential, Role},
    events,
    page::Args,
    testing::{World, archivist, caller, contributor, reader},
};

fn admin() -> Caller {
    caller("ada", Role::Admin, &[])
}

fn new(world: &World) -> service::New {
    service::New {
        name: "Finding aids".into(),
        roles: vec![Role::Reader, Role::Contributor, Role::Reader],
        bodies: vec!["OWN".into(), "MAPS".into(), "OWN".into()],
        expires_at: world.app.clock().now() + TimeDelta::days(30),
    }
}

async fn made(world: &World) -> (ApiKey, String) {
    let (row, token) = service::create(&world.app, &admin(), None, new(world))
        .await
        .unwrap();
    (row, token.unwrap())
}

async fn refusal(world: &World, token: &str) -> String {
    match service::verify(&world.app, token).await {
        Err(Error::Unauthenticated(message)) => message,
        other => panic!("it should have been refused: {other:?}"),
    }
}

async fn loaded(world: &World, row: &ApiKey) -> ApiKey {
    store::load(world.app.database(), row.id)
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn a_key_stands_for_what_it_was_made_for() {
    let world = World::new().await;
    let (row, token) = made(&world).await;
    let actor = service::verify(&world.app, &token).await.unwrap();
    let id = ApiKeyId(row.id);
    assert_eq!(actor.subject, id.to_string());
    assert_eq!(actor.name.as_deref(), Some("Finding aids"));
    assert_eq!(actor.roles, [Role::Contributor, Role::Reader]);
    assert_eq!(actor.bodies, ["OWN", "MAPS"]);
    assert_eq!(actor.expires_at, row.expires_at);
    assert_eq!(actor.credential, Credential::ApiKey(id));
}

#[tokio::test]
async fn a_key_that_is_wrong_in_any_part_is_refused_in_the_same_words() {
    let world = World::new().await;
    let (row, text) = made(&world).await;
    let (id, secret) = read_token(&text).unwrap();
    let mut other = secret;
    other[31] ^= 1;
    for wrong in [
        token(id, &other),
        token(ApiKeyId(Uuid::from_u128(row.id.as_u128() ^ 1)), &secret),
        text[..text.len() - 1].to_owned(),
        format!("muk_{}", row.secret_sha256),
        "muk_".to_owned(),
    ] {
        assert_eq!(refusal(&world, &wrong).await, "there is no such API key");
    }
}

#[tokio::test]
async fn a_secret_is_kept_nowhere() {
    let world = World::new().await;
    let (row, token) = service::create(&world.app, &admin(), Some("once"), new(&world))
        .await
        .unwrap();
    let token = token.unwrap();
    let secret = token.rsplit('_').next().unwrap();
    let page = events::store::list(
        world.app.database(),
        &admin().actor,
        events::store::Filter::default(),
        &Args::default(),
    )
    .await
    .unwrap();
    let about: Vec<_> = page
        .items
        .iter()
        .filter(|(_, event)| event.subject_id == row.id)
        .collect();
    assert_eq!(about.len(), 1);
    let kept = format!("{row:?} {about:?}");
    assert!(!kept.contains(secret) && !kept.contains(&token));
    assert!(!format!("{:?}", about[0]).contains(&row.secret_sha256));
}

#[tokio::test]
async fn a_replay_answers_the_same_key_without_its_token() {
    let world = World::new().await;
    let make = async || service::create(&world.app, &admin(), Some("once"), new(&world)).await;
    let (first, token) = make().await.unwrap();
    assert!(token.is_some());
    let (again, none) = make().await.unwrap();
    assert_eq!((again.id, none), (first.id, None));
    let other = service::New {
        name: "Another".into(),
        ..new(&world)
    };
    let other = service::create(&world.app, &admin(), Some("once"), other).await;
    assert!(matches!(other, Err(Error::Conflict(_))));
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once_and_revoking_again_does_nothing() {
    let world = World::new().await;
    let (row, token) = made(&world).await;
    let actor = service::verify(&world.app, &token).await.unwrap();
    let id = ApiKeyId(row.id);
    let revoked = service::revoke(&world.app, &admin(), id).await.unwrap();
    assert_eq!(revoked.revoked_by.as_deref(), Some("ada"));
    assert_eq!(refusal(&world, &token).await, "the API key was revoked");
    assert!(
        service::still_taken(&world.app, &actor).await.is_err(),
        "also where it was shown before"
    );
    world.clock.advance(Duration::from_mins(1));
    let other = caller("bea", Role::Admin, &[]);
    let again = service::revoke(&world.app, &other, id).await.unwrap();
    assert_eq!(again, loaded(&world, &row).await);
    assert_eq!(again.revoked_by.as_deref(), Some("ada"));
    let filter = events::store::Filter {
        subject: Some(id.into()),
        ..events::store::Filter::default()
    };
    let page = events::store::list(
        world.app.database(),
        &admin().actor,
        filter,
        &Args::default(),
    )
    .await
    .unwrap();
    let actions: Vec<String> = page
        .items
        .into_iter()
        .map(|(_, event)| event.action)
        .collect();
    assert_eq!(actions, ["apiKey.revoked", "apiKey.created"]);
}

#[tokio::test]
async fn a_key_ends_at_its_time() {
    let world = World::new().await;
    let (row, token) = made(&world).await;
    world
        .clock
        .advance(Duration::from_hours(30 * 24) - Duration::from_secs(1));
    assert!(service::verify(&world.app, &token).await.is_ok());
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(refusal(&world, &token).await, "the API key has expired");
    assert_eq!(standing(&row, world.app.clock().now()), Standing::Expired);
}

#[tokio::test]
async fn the_use_of_a_key_is_noted_once_a_minute() {
    let world = World::new().await;
    let (row, token) = made(&world).await;
    let begin = world.app.clock().now();
    let mut noted = Vec::new();
    for _ in 0..4 {
        service::verify(&world.app, &token).await.unwrap();
        let used = loaded(&world, &row).await.last_used_at.unwrap();
        noted.push((used - begin).num_seconds());
        world.clock.advance(Duration::from_secs(30));
    }
    assert_eq!(noted, [0, 0, 60, 60]);
}

#[tokio::test]
async fn only_an_admin_makes_lists_and_revokes_keys_and_no_key_makes_keys() {
    let world = World::new().await;
    let (row, token) = made(&world).await;
    let id = ApiKeyId(row.id);
    for by in [
        archivist(),
        contributor("ann"),
        reader("rita"),
        caller("w", Role::Worker, &[]),
    ] {
        let who = &by.actor.subject;
        let make = service::create(&world.app, &by, None, new(&world)).await;
        let list = service::list(&world.app, &by, &Args::default()).await;
        let revoke = service::revoke(&world.app, &by, id).await;
        let refused =
            |error: Option<Error>| matches!(error, Some(Error::Forbidden(_) | Error::NotFound(_)));
        assert!(
            refused(make.err()) && refused(list.err()) && refused(revoke.err()),
            "{who}"
        );
        let found = store::lookup_many(world.app.database(), &by.actor, &[row.id]).await;
        assert!(found.unwrap().is_empty(), "{who}");
    }
    let mut by_key = admin();
    by_key.actor.credential = Credential::ApiKey(id);
    let made = service::create(&world.app, &by_key, None, new(&world)).await;
    assert!(matches!(made, Err(Error::Forbidden(_))));
    assert!(service::verify(&world.app, &token).await.is_ok());
}

#[test]
fn a_key_is_made_only_within_limits() {
    let now = DateTime::<Utc>::UNIX_EPOCH;
    let year = now + Months::new(12);
    let checked = |by: &Caller, name: &str, roles: &[Role], bodies: usize, until| {
        let bodies: Vec<String> = (0..bodies).map(|number| number.to_string()).collect();
        match check(&by.actor, name, roles, &bodies, until, now) {
            Ok(()) => "taken".to_owned(),
            Err(Error::BadInput { path, .. }) => path,
            Err(Error::Forbidden(_)) => "forbidden".to_owned(),
            Err(Error::Limit(_) | Error::TooLarge(_)) => "too much".to_owned(),
            Err(other) => format!("{other:?}"),
        }
    };
    let second = TimeDelta::seconds(1);
    for (by, name, roles, bodies, until, expected) in [
        (admin(), "x", &[Role::Reader][..], 100, year, "taken"),
        (
            admin(),
            "x",
            &[Role::Admin, Role::Worker],
            0,
            now + second,
            "taken",
        ),
        (
            admin(),
            "x",
            &[Role::Reader],
            0,
            year + second,
            "input.expiresAt",
        ),
        (admin(), "x", &[Role::Reader], 0, now, "input.expiresAt"),
        (admin(), "x", &[], 0, year, "input.roles"),
        (admin(), " ", &[Role::Reader], 0, year, "input.name"),
        (admin(), "x", &[Role::Reader], 101, year, "too much"),
        (archivist(), "x", &[Role::Reader], 0, year, "taken"),
        (archivist(), "x", &[Role::Worker], 0, year, "forbidden"),
        (
            archivist(),
            "x",
            &[Role::Reader, Role::Admin],
            0,
            year,
            "forbidden",
        ),
    ] {
        assert_eq!(checked(&by, name, roles, bodies, until), expected);
    }
}
