//! What is understood of good tokens.

use serde_json::json;

use super::World;
use crate::auth::{Credential, Role, oidc::Preset};

#[tokio::test]
async fn a_token_says_who_somebody_is() {
    let world = World::new().await;
    let actor = world
        .verify(&world.token(json!({"name": "Ann Archer"})))
        .await
        .unwrap();
    assert_eq!(actor.subject, "ann");
    assert_eq!(actor.name.as_deref(), Some("Ann Archer"));
    assert_eq!(actor.roles, [Role::Reader]);
    assert_eq!(actor.bodies, ["OWN"]);
    let issuer = world.provider.issuer();
    assert_eq!(actor.credential, Credential::OpenId { issuer });
}

#[tokio::test]
async fn tokens_of_each_asymmetric_kind_are_taken() {
    let world = World::new().await;
    for (signer, alg, kid) in [
        (&world.rsa, "RS256", "rsa"),
        (&world.rsa, "PS256", "rsa"),
        (&world.ec, "ES256", "ec"),
        (&world.ed, "EdDSA", "ed"),
    ] {
        for typ in [json!("JWT"), json!("at+jwt"), json!("application/at+JWT")] {
            let header = json!({"alg": alg, "kid": kid, "typ": typ});
            let token = signer.token(&header, &world.claims(json!({})));
            assert!(world.is_taken(&token).await, "{header}");
        }
    }
}

#[tokio::test]
async fn a_token_without_a_kid_is_taken_where_only_one_key_fits() {
    let world = World::new().await;
    let token = world
        .ec
        .token(&json!({"alg": "ES256"}), &world.claims(json!({})));
    assert!(world.is_taken(&token).await);

    let second = super::Signer::ec();
    world
        .provider
        .publish([world.ec.jwk("ec"), second.jwk("second")]);
    world.clock.advance(super::super::provider::FRESH);
    assert!(
        world
            .refusal(&token)
            .await
            .contains("does not name its key")
    );
}

#[tokio::test]
async fn tokens_of_keycloak_are_understood() {
    let world = World::with(|settings| settings.preset = Preset::Keycloak).await;
    let token = world.token(json!({
        "roles": null, "aud": ["muniment", "account"], "typ": "Bearer", "azp": "console",
        "realm_access": {"roles": ["default-roles-archive", "offline_access", "muniment-archivist"]},
        "bodies": ["OWN", "OTHER"], "preferred_username": "ann",
    }));
    let actor = world.verify(&token).await.unwrap();
    assert_eq!(
        (actor.roles.as_slice(), actor.bodies.len()),
        (&[Role::Archivist][..], 2)
    );
    assert_eq!(actor.name.as_deref(), Some("ann"));
}

#[tokio::test]
async fn tokens_of_cognito_are_understood() {
    let world = World::with(|settings| settings.preset = Preset::Cognito).await;
    let access = world.token(json!({
        "aud": null, "client_id": "muniment", "token_use": "access", "roles": null, "bodies": null,
        "cognito:groups": ["contributor"], "username": "ann", "custom:bodies": "OWN,OTHER",
    }));
    let actor = world.verify(&access).await.unwrap();
    assert_eq!(actor.roles, [Role::Contributor]);
    assert_eq!(actor.bodies, ["OWN", "OTHER"]);

    let other = world.token(json!({"aud": null, "client_id": "other", "token_use": "access"}));
    assert!(world.refusal(&other).await.contains("another audience"));
}

#[tokio::test]
async fn roles_and_bodies_stand_where_the_settings_say() {
    let world = World::with(|settings| {
        settings.role_claim = Some("/https:~1~1example.org~1roles".into());
        settings.body_claim = Some("department.code".into());
    })
    .await;
    let token = world.token(json!({
        "https://example.org/roles": "reader, contributor", "department": {"code": "MAPS"},
    }));
    let actor = world.verify(&token).await.unwrap();
    assert_eq!(actor.roles, [Role::Reader, Role::Contributor]);
    assert_eq!(actor.bodies, ["MAPS"]);
}

#[tokio::test]
async fn somebody_without_a_role_of_ours_is_known_but_may_nothing() {
    let world = World::new().await;
    let actor = world
        .verify(&world.token(json!({"roles": ["root", "superuser"], "bodies": null})))
        .await
        .unwrap();
    assert_eq!((actor.roles.len(), actor.bodies.len()), (0, 0));
}

#[test]
fn all_settings_that_cannot_be_used_are_told_at_once() {
    let mut settings = super::OidcSettings::new("http://id.example.org", " ");
    settings.role_claim = Some("a..b".into());
    settings.body_claim = Some("/~2".into());
    let problems = settings.problems();
    let fields: Vec<&str> = problems.iter().map(|problem| problem.field).collect();
    assert_eq!(fields, ["issuer", "audience", "role_claim", "body_claim"]);
    settings.plain_http = true;
    assert_eq!(settings.problems().len(), 3, "plain http was allowed");
}
