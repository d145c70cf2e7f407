//! The provider's public keys (RFC 7517): which of them may have signed a token. No I/O.
//!
//! Always: a key is taken for the algorithm that it is for and no other; a symmetric key, or one for
//! encryption, is never taken.

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

/// The most keys of one provider that are looked at.
const MOST: usize = 100;

/// A key, and what it may have signed.
#[derive(Clone)]
pub(super) struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    /// For the library.
    pub(super) decoding: DecodingKey,
}

/// The keys of a provider.
#[derive(Clone, Default)]
pub(super) struct Keys(Vec<Key>);

/// As it is fetched.
#[derive(Deserialize)]
pub(super) struct Document {
    keys: Vec<Value>,
}

/// Whether it needs a secret that both sides know.
pub(super) fn is_symmetric(algorithm: Algorithm) -> bool {
    matches!(
        algorithm,
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512
    )
}

impl Keys {
    /// Those of a document that can be used; keys of kinds that are not known are passed over, as RFC 7517
    /// (section 5) has it.
    pub(super) fn read(document: Document) -> Self {
        let keys = document.keys.into_iter().take(MOST);
        Self(keys.filter_map(Key::read).collect())
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys that may have signed what a header tells of.
    pub(super) fn fitting(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &Key> {
        self.0.iter().filter(move |key| {
            key.algorithms.contains(&algorithm) && (kid.is_none() || kid == key.id.as_deref())
        })
    }
}

impl Key {
    fn read(value: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let common = &jwk.common;
        let for_signatures = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature))
            && common
                .key_operations
                .as_ref()
                .is_none_or(|known| known.contains(&KeyOperations::Verify));
        if !for_signatures {
            return None;
        }
        let mut algorithms = possible(&jwk.algorithm).to_vec();
        if let Some(only) = common.key_algorithm {
            let only = Algorithm::try_from(only).ok()?;
            algorithms.retain(|algorithm| *algorithm == only);
        }
        if algorithms.is_empty() {
            return None;
        }
        Some(Self {
            id: common.key_id.clone(),
            algorithms,
            decoding: DecodingKey::from_jwk(&jwk).ok()?,
        })
    }
}

/// What a key of that kind can sign; nothing where it is symmetric or not known.
fn possible(parameters: &AlgorithmParameters) -> &'static [Algorithm] {
    const RSA: &[Algorithm] = &[
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::PS384,
        Algorithm::PS512,
    ];
    match parameters {
        AlgorithmParameters::RSA(_) => RSA,
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => &[Algorithm::ES256],
            EllipticCurve::P384 => &[Algorithm::ES384],
            _ => &[],
        },
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            &[Algorithm::EdDSA]
        }
        _ => &[],
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use serde_json::json;

    use super::*;

    fn algorithms(key: &Value) -> Vec<Algorithm> {
        let document: Document = serde_json::from_value(json!({"keys": [key]})).unwrap();
        let keys = Keys::read(document);
        keys.0.into_iter().flat_map(|key| key.algorithms).collect()
    }

    #[test]
    fn a_key_is_for_the_algorithms_of_its_kind_and_of_its_own_word() {
        let rsa = json!({"kty": "RSA", "kid": "1", "n": "AQAB", "e": "AQAB"});
        let with = |name: &str, value: Value| {
            let mut key = rsa.clone();
            key[name] = value;
            key
        };
        assert_eq!(algorithms(&rsa).len(), 6);
        assert_eq!(algorithms(&with("alg", json!("PS256"))), [Algorithm::PS256]);
        assert_eq!(algorithms(&with("use", json!("sig"))).len(), 6);
        for (name, value) in [
            ("use", json!("enc")),
            ("key_ops", json!(["encrypt"])),
            ("alg", json!("RSA-OAEP")),
            ("alg", json!("ES256")),
            ("alg", json!("HS256")),
            ("alg", json!("none")),
        ] {
            assert_eq!(algorithms(&with(name, value.clone())), [], "{name} {value}");
        }
    }

    #[test]
    fn a_secret_among_public_keys_is_never_taken() {
        assert_eq!(
            algorithms(&json!({"kty": "oct", "kid": "1", "k": "c2VjcmV0", "alg": "HS256"})),
            []
        );
    }

    #[test]
    fn what_is_not_known_is_passed_over() {
        for key in [
            json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"}),
            json!({"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}),
            json!({"kty": "OKP", "crv": "X25519", "x": "AA"}),
            json!({"kty": "RSA"}),
            json!("key"),
            json!(null),
        ] {
            assert_eq!(algorithms(&key), [], "{key}");
        }
    }
}
