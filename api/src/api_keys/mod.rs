//! API keys: a way in for a service of somebody else's, without a provider.
//!
//! Owns the shape of a key (`muk_` + the 26 characters of its id + `_` + a secret of 256 bits in hexadecimal),
//! what one may be good for, and how one that is shown is verified ([`verifier`]). Does not own what its roles
//! allow (`auth`).
//!
//! Always: a secret is shown once and kept as its SHA-256 (it is random, so nothing slower is needed); every key
//! ends within a year; one that was revoked or has expired is `UNAUTHENTICATED` at once, also within a
//! websocket; a key makes no other key, so that none outlives its end.

pub mod graphql;
pub mod service;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod service_tests;
pub mod store;
pub mod verifier;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use chrono::{DateTime, Months, Utc};
use contract::ApiKeyId;
use sha2::{Digest, Sha256};

use crate::{
    Error,
    auth::{Actor, Credential, Role},
    text,
};

pub use entity::api_key::Model as ApiKey;

/// What every key begins with, so that people and scanners know one when they see it.
pub const PREFIX: &str = "muk_";
/// The most bodies of one key.
const BODIES: usize = 100;

/// Where a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is taken.
    Active,
    /// Its time is over.
    Expired,
    /// Somebody ended it.
    Revoked,
}

/// Where a key stands at a time.
pub fn standing(key: &ApiKey, now: DateTime<Utc>) -> Standing {
    if key.revoked_at.is_some() {
        Standing::Revoked
    } else if key.expires_at <= now {
        Standing::Expired
    } else {
        Standing::Active
    }
}

/// The text that opens the door. It is shown once.
pub fn token(id: ApiKeyId, secret: &[u8; 32]) -> String {
    let id = id.to_string();
    let bare = id.split_once('_').map_or(id.as_str(), |(_, bare)| bare);
    format!("{PREFIX}{bare}_{}", hex::encode(secret))
}

/// The id and the secret of what was shown, if it has the shape of a key.
pub fn read_token(token: &str) -> Option<(ApiKeyId, [u8; 32])> {
    let (id, secret) = token.strip_prefix(PREFIX)?.split_once('_')?;
    let id = format!("{}_{id}", ApiKeyId::PREFIX).parse().ok()?;
    let mut bytes = [0; 32];
    hex::decode_to_slice(secret, &mut bytes).ok()?;
    Some((id, bytes))
}

/// What is kept of a secret.
pub fn digest(secret: &[u8; 32]) -> String {
    hex::encode(Sha256::digest(secret))
}

/// Whether the secret is that of the key, in a time that does not tell how much of it is.
pub fn opens(key: &ApiKey, secret: &[u8; 32]) -> bool {
    verify_slices_are_equal(digest(secret).as_bytes(), key.secret_sha256.as_bytes()).is_ok()
}

/// Who a key stands for. Its id is its subject, so that events name it.
pub fn actor(key: &ApiKey) -> Actor {
    let id = ApiKeyId(key.id);
    Actor {
        subject: id.to_string(),
        name: Some(key.name.clone()),
        roles: roles(key),
        bodies: bodies(key),
        expires_at: key.expires_at,
        credential: Credential::ApiKey(id),
    }
}

/// What it is.
pub fn roles(key: &ApiKey) -> Vec<Role> {
    let names = strings(&key.roles);
    names.iter().filter_map(|name| Role::parse(name)).collect()
}

/// The bodies that it belongs to.
pub fn bodies(key: &ApiKey) -> Vec<String> {
    strings(&key.bodies)
}

fn strings(list: &serde_json::Value) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

/// Refuses a name, roles, bodies or an end that a key may not have.
pub fn check(
    maker: &Actor,
    name: &str,
    roles: &[Role],
    bodies: &[String],
    expires_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    text::check("input.name", name, text::NAME)?;
    if roles.is_empty() {
        return Err(Error::input("input.roles", "a key has at least one role"));
    }
    let powerful = |role: &Role| matches!(role, Role::Admin | Role::Worker);
    if roles.iter().any(powerful) && !maker.is(Role::Admin) {
        return Err(Error::Forbidden(
            "only an admin makes keys with the role ADMIN or WORKER".into(),
        ));
    }
    if bodies.len() > BODIES {
        return Err(Error::Limit(format!("a key has at most {BODIES} bodies")));
    }
    for (index, body) in bodies.iter().enumerate() {
        text::check(&format!("input.bodies.{index}"), body, text::NAME)?;
    }
    if expires_at <= now {
        return Err(Error::input("input.expiresAt", "this time is over"));
    }
    let longest = now.checked_add_months(Months::new(12));
    if longest.is_none_or(|longest| expires_at > longest) {
        return Err(Error::input(
            "input.expiresAt",
            "a key ends within a year; make a new one before",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_key_has_a_shape_that_people_and_scanners_know() {
        let id = ApiKeyId(Uuid::from_u128(1));
        let text = token(id, &[0xab; 32]);
        insta::assert_snapshot!(text, @"muk_00000000000000000000000001_abababababababababababababababababababababababababababababababab");
        assert_eq!(read_token(&text), Some((id, [0xab; 32])));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let good = token(ApiKeyId(Uuid::from_u128(1)), &[0xab; 32]);
        for text in [
            "",
            "muk_",
            "muk_00000000000000000000000001",
            "muk_00000000000000000000000001_",
            "muk_00000000000000000000000001_ab",
            "muk_0000000000000000000000000L_abababababababababababababababababababababababababababababababab",
            &good[1..],
            &good[..good.len() - 1],
            &format!("{good}ab"),
            &format!("{good} "),
        ] {
            assert_eq!(read_token(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text: String) {
            let _ = read_token(&text);
            let _ = read_token(&format!("{PREFIX}{text}"));
        }

        #[test]
        fn every_key_comes_back_from_its_text(bits: u128, secret: [u8; 32]) {
            let id = ApiKeyId(Uuid::from_u128(bits));
            proptest::prop_assert_eq!(read_token(&token(id, &secret)), Some((id, secret)));
        }
    }
}
