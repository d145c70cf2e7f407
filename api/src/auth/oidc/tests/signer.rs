//! Keys, and tokens made with them by hand, so that they can be wrong in any way.

use aws_lc_rs::{
    encoding::AsDer as _,
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        self, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RsaKeyPair,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// A private key of some kind.
pub(super) enum Signer {
    Rsa(Box<RsaKeyPair>),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Sets members of an object; null takes one away.
pub(super) fn change(object: &mut Value, changes: Value) {
    let object = object.as_object_mut().unwrap();
    let changes: serde_json::Map<String, Value> = serde_json::from_value(changes).unwrap();
    for (name, value) in changes {
        if value.is_null() {
            object.remove(&name);
        } else {
            object.insert(name, value);
        }
    }
}

/// The part of a token that is signed.
pub(super) fn message(header: &Value, claims: &Value) -> String {
    format!(
        "{}.{}",
        encode(header.to_string()),
        encode(claims.to_string())
    )
}

/// A token signed with a secret that both sides know.
pub(super) fn with_secret(secret: &[u8], header: &Value, claims: &Value) -> String {
    let message = message(header, claims);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", encode(tag))
}

impl Signer {
    pub(super) fn rsa() -> Self {
        Self::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
    }

    pub(super) fn ec() -> Self {
        Self::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(super) fn ed() -> Self {
        Self::Ed(Ed25519KeyPair::generate().unwrap())
    }

    /// The public half, as a provider shows it.
    pub(super) fn jwk(&self, kid: &str) -> Value {
        match self {
            Self::Rsa(pair) => {
                let key = pair.public_key();
                let (n, e) = (key.modulus(), key.exponent());
                json!({
                    "kty": "RSA", "kid": kid, "use": "sig",
                    "n": encode(n.big_endian_without_leading_zero()), "e": encode(e.big_endian_without_leading_zero()),
                })
            }
            Self::Ec(pair) => {
                let point = pair.public_key().as_ref();
                json!({
                    "kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "alg": "ES256",
                    "x": encode(&point[1..33]), "y": encode(&point[33..]),
                })
            }
            Self::Ed(pair) => json!({
                "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": encode(pair.public_key()),
            }),
        }
    }

    /// The public half in forms that somebody may take for a secret.
    pub(super) fn public_forms(&self) -> Vec<Vec<u8>> {
        match self {
            Self::Rsa(pair) => {
                let key = pair.public_key();
                let der = key.as_der().unwrap();
                let pem = format!(
                    "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
                    base64::engine::general_purpose::STANDARD.encode(der.as_ref())
                );
                vec![
                    key.as_ref().to_vec(),
                    der.as_ref().to_vec(),
                    pem.into_bytes(),
                    self.jwk("rsa").to_string().into_bytes(),
                    key.modulus().big_endian_without_leading_zero().to_vec(),
                ]
            }
            Self::Ec(pair) => vec![pair.public_key().as_ref().to_vec()],
            Self::Ed(pair) => vec![pair.public_key().as_ref().to_vec()],
        }
    }

    /// A token with exactly that header.
    pub(super) fn token(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let bytes = message.as_bytes();
        let random = SystemRandom::new();
        let signature = match self {
            Self::Rsa(pair) => {
                let padding: &dyn signature::RsaEncoding =
                    if header["alg"].as_str().unwrap().starts_with("PS") {
                        &signature::RSA_PSS_SHA256
                    } else {
                        &signature::RSA_PKCS1_SHA256
                    };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, bytes, &mut signature).unwrap();
                signature
            }
            Self::Ec(pair) => pair.sign(&random, bytes).unwrap().as_ref().to_vec(),
            Self::Ed(pair) => pair.sign(bytes).as_ref().to_vec(),
        };
        format!("{message}.{}", encode(signature))
    }
}
