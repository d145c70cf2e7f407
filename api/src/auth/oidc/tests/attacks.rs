//! Tokens that somebody made to get in: none does, and none makes us ask the provider much.

use std::time::Duration;

use serde_json::json;

use super::{
    Signer, World,
    signer::{message, with_secret},
};
use crate::auth::{Role, token::MAX_TOKEN};

#[tokio::test]
async fn alg_none_is_refused() {
    let world = World::new().await;
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        for kid in [json!("ec"), json!(null)] {
            let header = json!({"alg": alg, "kid": kid, "typ": "JWT"});
            let unsigned = message(&header, &world.claims(json!({})));
            world.refusal(&format!("{unsigned}.")).await;
            world.refusal(&unsigned).await;
            world.refusal(&format!("{unsigned}.AAAA")).await;
        }
    }
}

#[tokio::test]
async fn hmac_with_the_public_key_is_refused() {
    let world = World::new().await;
    for (signer, kid) in [(&world.rsa, "rsa"), (&world.ec, "ec"), (&world.ed, "ed")] {
        for secret in signer.public_forms() {
            let header = json!({"alg": "HS256", "kid": kid});
            let token = with_secret(&secret, &header, &world.claims(json!({})));
            assert!(world.refusal(&token).await.contains("algorithm"));
        }
    }
}

#[tokio::test]
async fn hmac_with_a_secret_that_the_provider_lists_is_refused() {
    let world = World::new().await;
    let secret = json!({"kty": "oct", "kid": "oct", "k": "c2VjcmV0", "alg": "HS256", "use": "sig"});
    world.provider.publish([secret, world.ec.jwk("ec")]);
    let header = json!({"alg": "HS256", "kid": "oct"});
    world
        .refusal(&with_secret(b"secret", &header, &world.claims(json!({}))))
        .await;
}

#[tokio::test]
async fn a_signature_of_one_kind_is_not_taken_for_another() {
    let world = World::new().await;
    let mut only_rs256 = world.rsa.jwk("rsa");
    only_rs256["alg"] = json!("RS256");
    let mut for_encryption = world.rsa.jwk("enc");
    for_encryption["use"] = json!("enc");
    world
        .provider
        .publish([only_rs256, for_encryption, world.ec.jwk("ec")]);
    for (alg, kid) in [
        ("PS256", "rsa"),
        ("RS256", "enc"),
        ("RS256", "ec"),
        ("ES256", "rsa"),
        ("EdDSA", "ec"),
        ("ES384", "ec"),
    ] {
        let header = json!({"alg": alg, "kid": kid});
        world
            .refusal(&world.rsa.token(&header, &world.claims(json!({}))))
            .await;
    }
}

#[tokio::test]
async fn a_key_that_the_token_brings_along_is_not_used() {
    let world = World::new().await;
    let own = Signer::ec();
    for (name, value) in [
        ("jwk", own.jwk("ec")),
        ("jku", json!(format!("{}/evil", world.provider.issuer()))),
        ("x5u", json!(format!("{}/evil", world.provider.issuer()))),
        ("x5c", json!(["AAAA"])),
    ] {
        let mut header = json!({"alg": "ES256", "kid": "ec"});
        header[name] = value;
        world
            .refusal(&own.token(&header, &world.claims(json!({}))))
            .await;
    }
    assert!(
        !world
            .provider
            .asked()
            .iter()
            .any(|path| path.contains("evil")),
        "nobody was asked for that key"
    );
}

#[tokio::test]
async fn what_was_signed_by_somebody_else_or_changed_since_is_refused() {
    let world = World::new().await;
    let header = json!({"alg": "ES256", "kid": "ec"});
    let foreign = Signer::ec().token(&header, &world.claims(json!({})));
    assert!(world.refusal(&foreign).await.contains("somebody else"));

    let good = world.token(json!({}));
    let more = world.token(json!({"roles": ["admin"]}));
    let parts: Vec<&str> = good.split('.').collect();
    let swapped = format!(
        "{}.{}.{}",
        parts[0],
        more.split('.').nth(1).unwrap(),
        parts[2]
    );
    world.refusal(&swapped).await;
    world.refusal(&good[..good.len() - 4]).await;
    world.refusal(&format!("{good}.{}", parts[2])).await;
    world.refusal(&format!("{}.{}", parts[0], parts[1])).await;
    // All zeroes: "psychic signatures" (CVE-2022-21449).
    world
        .refusal(&format!("{}.{}.{}", parts[0], parts[1], "A".repeat(86)))
        .await;
}

#[tokio::test]
async fn a_token_for_another_audience_or_from_another_issuer_is_refused() {
    let world = World::new().await;
    for (change, why) in [
        (json!({"aud": "other"}), "another audience"),
        (json!({"aud": ["other", "account"]}), "another audience"),
        (json!({"aud": null}), "another audience"),
        (json!({"iss": "https://evil.example"}), "another issuer"),
        (
            json!({"iss": format!("{}/", world.provider.issuer())}),
            "another issuer",
        ),
        (json!({"iss": [world.provider.issuer()]}), "another issuer"),
        (json!({"iss": null}), "another issuer"),
    ] {
        assert!(
            world
                .refusal(&world.token(change.clone()))
                .await
                .contains(why),
            "{change}"
        );
    }
}

#[tokio::test]
async fn an_expired_token_is_refused_and_one_without_an_end() {
    let world = World::new().await;
    let token = world.token(json!({}));
    assert!(world.is_taken(&token).await);
    world
        .clock
        .advance(Duration::from_hours(1) + Duration::from_mins(1));
    assert!(
        world
            .refusal(&token)
            .await
            .contains("expired at 2026-01-01T01:00:00")
    );
    assert!(
        world
            .refusal(&world.token(json!({"exp": null})))
            .await
            .contains("no expiry")
    );
}

#[tokio::test]
async fn a_token_that_is_not_yet_valid_is_refused() {
    let world = World::new().await;
    let now = runtime::clock::Clock::now(&*world.clock).timestamp();
    let token = world.token(json!({"nbf": now + 120}));
    assert!(world.refusal(&token).await.contains("not valid before"));
    world.clock.advance(Duration::from_mins(1));
    assert!(world.is_taken(&token).await);
}

#[tokio::test]
async fn clock_skew_of_a_minute_is_forgiven_and_no_more() {
    let world = World::new().await;
    let now = runtime::clock::Clock::now(&*world.clock).timestamp();
    for (change, taken) in [
        (json!({"exp": now - 59}), true),
        (json!({"exp": now - 60}), false),
        (json!({"nbf": now + 60, "iat": now + 60}), true),
        (json!({"nbf": now + 61}), false),
    ] {
        assert_eq!(
            world.is_taken(&world.token(change.clone())).await,
            taken,
            "{change}"
        );
    }
}

#[tokio::test]
async fn an_unknown_kid_is_refused_and_asked_for_once_in_half_a_minute() {
    let world = World::new().await;
    assert!(world.is_taken(&world.token(json!({}))).await);
    world.clock.advance(Duration::from_secs(31));
    for number in 0..50 {
        let header = json!({"alg": "ES256", "kid": format!("made-up-{number}")});
        let token = world.ec.token(&header, &world.claims(json!({})));
        assert!(world.refusal(&token).await.contains("does not have"));
    }
    assert_eq!(
        world.provider.times(),
        2,
        "at first, and once for all of these"
    );
}

#[tokio::test]
async fn a_kid_as_a_path_or_a_statement_is_only_a_name() {
    let world = World::new().await;
    for kid in [
        "../../../../dev/null",
        "/dev/null",
        "file:///dev/null",
        "http://127.0.0.1:1/keys",
        "' OR '1'='1",
        "ec\0",
        "",
        "EC",
        "%65%63",
    ] {
        let header = json!({"alg": "ES256", "kid": kid});
        world
            .refusal(&world.ec.token(&header, &world.claims(json!({}))))
            .await;
        let empty = with_secret(
            b"",
            &json!({"alg": "HS256", "kid": kid}),
            &world.claims(json!({})),
        );
        world.refusal(&empty).await;
    }
    let discovery = "/realms/archive/.well-known/openid-configuration";
    assert_eq!(world.provider.asked(), [discovery, "/keys"]);
}

#[tokio::test]
async fn a_huge_token_is_refused_unread() {
    let world = World::new().await;
    let token = world.token(json!({"padding": "x".repeat(MAX_TOKEN)}));
    assert_eq!(world.refusal(&token).await, "the token is too long");
    assert_eq!(world.provider.asked(), [""; 0], "nobody was asked about it");
}

#[tokio::test]
async fn a_token_of_another_purpose_or_with_unknown_extensions_is_refused() {
    let world = World::new().await;
    for (name, value) in [
        ("typ", json!("logout+jwt")),
        ("typ", json!("dpop+jwt")),
        ("crit", json!(["b64"])),
        ("crit", json!([])),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
    ] {
        let mut header = json!({"alg": "ES256", "kid": "ec"});
        header[name] = value;
        world
            .refusal(&world.ec.token(&header, &world.claims(json!({}))))
            .await;
    }
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let world = World::new().await;
    for token in [
        "", ".", "..", "...", "a.b.c", "é.é.é", "\0", "eyJ.eyJ.", "muk", "{}",
    ] {
        world.refusal(token).await;
    }
    // Claims that are no object, or not what they should be.
    for claims in [json!([]), json!("ann"), json!(1), json!(null)] {
        let token = world
            .ec
            .token(&json!({"alg": "ES256", "kid": "ec"}), &claims);
        world.refusal(&token).await;
    }
}

#[tokio::test]
async fn nobody_passes_for_an_api_key_or_for_the_system() {
    let world = World::new().await;
    for subject in ["apikey_00000000000000000000000001", "muniment/0.1.0"] {
        world.refusal(&world.token(json!({"sub": subject}))).await;
    }
}

#[tokio::test]
async fn a_role_and_a_body_that_were_taken_away_are_gone_after_a_minute() {
    let minute = Duration::from_mins(1);
    let world = World::with(|settings| settings.max_age = Some(minute)).await;
    let before = world.token(json!({"roles": ["archivist"], "bodies": ["OWN", "OTHER"]}));
    let actor = world.verify(&before).await.unwrap();
    assert_eq!(actor.roles, [Role::Archivist]);
    let end = runtime::clock::Clock::now(&*world.clock) + minute;
    assert!(actor.expires_at <= end, "what is watched with it ends too");

    // Taken away at the provider: its tokens say so from now on, and those from before have an hour to live.
    let after = world.token(json!({"roles": ["reader"], "bodies": ["OWN"]}));
    world
        .clock
        .advance(minute.checked_sub(Duration::from_secs(1)).unwrap());
    assert!(world.is_taken(&before).await);
    let actor = world.verify(&after).await.unwrap();
    assert_eq!(
        (&actor.roles[..], &actor.bodies[..]),
        (&[Role::Reader][..], &["OWN".to_owned()][..])
    );
    world.clock.advance(Duration::from_secs(1));
    assert!(world.refusal(&before).await.contains("too old"));
}
