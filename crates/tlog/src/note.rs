//! Signed notes (C2SP `signed-note`), with Ed25519 keys.
//!
//! Always: a key never shows its secret half, in no format.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

use crate::checkpoint::Malformed;

/// Ed25519, in key ids and verifier keys.
const ED25519_TYPE: u8 = 1;
/// The longest note that is looked at, in bytes.
const MAX_NOTE: usize = 64 * 1024;
/// The most signatures of a note that are looked at.
const MAX_SIGNATURES: usize = 16;

/// Why a note cannot be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is no signed note.
    #[error("this is not a signed note")]
    Malformed,
    /// None of the signatures is of a known key.
    #[error("it is not signed by a known key")]
    Stranger,
    /// The signature of a known key is of another text.
    #[error("its signature is of another text")]
    Forged,
    /// What is signed is no checkpoint.
    #[error("{0}")]
    NoCheckpoint(#[from] Malformed),
    /// A key is no key.
    #[error("this is not an Ed25519 key")]
    NoKey,
}

/// The text that a note signs, its last line break included.
pub fn signed_text(note: &str) -> Result<&str, NoteError> {
    split(note).map(|(text, _)| text)
}

fn split(note: &str) -> Result<(&str, &str), NoteError> {
    let end = note.rfind("\n\n").ok_or(NoteError::Malformed)? + 1;
    let (text, signatures) = note.split_at(end);
    if note.len() > MAX_NOTE || !signatures.ends_with('\n') {
        return Err(NoteError::Malformed);
    }
    Ok((text, &signatures[1..]))
}

fn key_id(name: &str, public: &[u8]) -> [u8; 4] {
    let mut digest = Sha256::new();
    digest.update(name);
    digest.update([b'\n', ED25519_TYPE]);
    digest.update(public);
    let digest = digest.finalize();
    [digest[0], digest[1], digest[2], digest[3]]
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+')
}

/// The public half of a key, by which a signature is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    public: [u8; 32],
}

impl VerifierKey {
    /// Whose it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// From its text: `name+id+key`.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::NoKey);
        };
        let bytes = STANDARD.decode(key).map_err(|_| NoteError::NoKey)?;
        let Some((&ED25519_TYPE, public)) = bytes.split_first() else {
            return Err(NoteError::NoKey);
        };
        let public: [u8; 32] = public.try_into().map_err(|_| NoteError::NoKey)?;
        if !is_name(name) || hex::encode(key_id(name, &public)) != id {
            return Err(NoteError::NoKey);
        }
        Ok(Self {
            name: name.to_owned(),
            public,
        })
    }

    /// The text of a note that this key has signed.
    pub fn open<'a>(&self, note: &'a str) -> Result<&'a str, NoteError> {
        let (text, signatures) = split(note)?;
        let id = key_id(&self.name, &self.public);
        let prefix = format!("\u{2014} {} ", self.name);
        let mut known = false;
        for signature in signatures.lines().take(MAX_SIGNATURES) {
            let Some(encoded) = signature.strip_prefix(&prefix) else {
                continue;
            };
            let bytes = STANDARD.decode(encoded).map_err(|_| NoteError::Malformed)?;
            let Some(signature) = bytes.strip_prefix(&id) else {
                continue;
            };
            known = true;
            let key = UnparsedPublicKey::new(&ED25519, self.public);
            if key.verify(text.as_bytes(), signature).is_ok() {
                return Ok(text);
            }
        }
        Err(if known {
            NoteError::Forged
        } else {
            NoteError::Stranger
        })
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = hex::encode(key_id(&self.name, &self.public));
        let key = STANDARD.encode([&[ED25519_TYPE][..], &self.public].concat());
        write!(f, "{}+{id}+{key}", self.name)
    }
}

/// A key that signs notes. The log is named by it: `muniment/` and the first 16 digits of its public half's SHA-256.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    verifier: VerifierKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.verifier.name)
    }
}

impl SigningKey {
    /// From PKCS #8 (DER).
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_pkcs8(der).map_err(|_| NoteError::NoKey)?;
        let public: [u8; 32] = pair
            .public_key()
            .as_ref()
            .try_into()
            .map_err(|_| NoteError::NoKey)?;
        let digest = hex::encode(Sha256::digest(public));
        let name = format!("muniment/{}", digest.split_at(16).0);
        Ok(Self {
            pair,
            verifier: VerifierKey { name, public },
        })
    }

    /// A new one, as PKCS #8 (DER). `None`: the system gives no randomness.
    pub fn generate() -> Option<Vec<u8>> {
        let pair = Ed25519KeyPair::generate().ok()?;
        Some(pair.to_pkcs8v1().ok()?.as_ref().to_vec())
    }

    /// Its public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// A note of this text, which ends with a line break.
    pub fn sign(&self, text: &str) -> String {
        let VerifierKey { name, public } = &self.verifier;
        let mut signature = key_id(name, public).to_vec();
        signature.extend_from_slice(self.pair.sign(text.as_bytes()).as_ref());
        format!("{text}\n\u{2014} {name} {}\n", STANDARD.encode(signature))
    }
}
