//! From a bearer token to an actor.
//!
//! Owns the trait that every source of identity stands behind, and the embedded one: a key pair in the
//! data folder that signs and verifies `EdDSA` tokens (RFC 7519, RFC 8037). Does not own OpenID Connect
//! (`oidc`) or API keys (`api_keys`), which stand behind the same trait.
//!
//! Always: one algorithm, issuer, audience and expiry are required; a refusal never repeats the token.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use chrono::DateTime;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};
use runtime::clock::Clock;
use serde::{Deserialize, Serialize};

use super::{Actor, Credential, Role};
use crate::Error;

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN: usize = 16 * 1024;

const ISSUER: &str = "muniment-embedded";
const AUDIENCE: &str = "muniment";

/// Tells who a bearer token belongs to.
#[async_trait]
pub trait TokenVerifier: Send + Sync {
    /// The actor, or [`Error::Unauthenticated`]; [`Error::Unavailable`] where it cannot be told now.
    async fn verify(&self, token: &str) -> Result<Actor, Error>;

    /// Whether tokens can be verified now.
    async fn ready(&self) -> Result<(), Error> {
        Ok(())
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    iat: i64,
    exp: i64,
    roles: Vec<String>,
    #[serde(default)]
    bodies: Vec<String>,
}

/// The identity of an installation without a provider: it signs its own tokens.
#[derive(Clone)]
pub struct EmbeddedIdentity {
    encoding: EncodingKey,
    decoding: DecodingKey,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for EmbeddedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmbeddedIdentity")
    }
}

impl EmbeddedIdentity {
    /// Reads the key from `file`, or makes it there, readable by its owner only.
    pub fn open(file: &Path, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let der = match std::fs::read(file) {
            Ok(der) => der,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => make_key(file)?,
            Err(error) => return Err(error),
        };
        Self::from_pkcs8(&der, clock).map_err(|message| {
            std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                format!("{}: {message}", file.display()),
            )
        })
    }

    fn from_pkcs8(der: &[u8], clock: Arc<dyn Clock>) -> Result<Self, &'static str> {
        let pair =
            Ed25519KeyPair::from_pkcs8(der).map_err(|_| "this is not an Ed25519 key (PKCS #8)")?;
        Ok(Self {
            encoding: EncodingKey::from_ed_der(der),
            decoding: DecodingKey::from_ed_der(pair.public_key().as_ref()),
            clock,
        })
    }

    /// Signs a token for somebody.
    pub fn mint(
        &self,
        subject: &str,
        roles: &[Role],
        bodies: &[String],
        valid_for: Duration,
    ) -> Result<String, Error> {
        let now = self.clock.now().timestamp();
        let seconds = i64::try_from(valid_for.as_secs()).unwrap_or(i64::MAX / 2);
        let claims = Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: subject.into(),
            name: None,
            iat: now,
            exp: now.saturating_add(seconds),
            roles: roles.iter().map(|role| role.as_str().to_owned()).collect(),
            bodies: bodies.to_vec(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &self.encoding)
            .map_err(|error| Error::Internal(format!("signing a token: {error}")))
    }
}

fn make_key(file: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    let pair = Ed25519KeyPair::generate()
        .and_then(|pair| pair.to_pkcs8v1())
        .map_err(|_| std::io::Error::other("no randomness for a key"))?;
    let temporary = file.with_extension("new");
    let mut out = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    out.write_all(pair.as_ref())?;
    out.sync_all()?;
    std::fs::rename(&temporary, file)?;
    Ok(pair.as_ref().to_vec())
}

#[async_trait]
impl TokenVerifier for EmbeddedIdentity {
    async fn verify(&self, token: &str) -> Result<Actor, Error> {
        if token.len() > MAX_TOKEN {
            return Err(Error::Unauthenticated("the token is too long".into()));
        }
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[AUDIENCE]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // The library reads the system's clock: expiry is ours, so that tests own the time.
        rules.validate_exp = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &rules)
            .map_err(|error| Error::Unauthenticated(refusal(error.kind()).into()))?
            .claims;
        let Some(expires_at) = DateTime::from_timestamp(claims.exp, 0) else {
            return Err(Error::Unauthenticated(
                "the token has no valid expiry".into(),
            ));
        };
        if expires_at <= self.clock.now() {
            return Err(Error::Unauthenticated(format!(
                "the token expired at {}",
                expires_at.to_rfc3339()
            )));
        }
        Ok(Actor {
            subject: claims.sub,
            name: claims.name,
            roles: claims
                .roles
                .iter()
                .filter_map(|role| Role::parse(role))
                .collect(),
            bodies: claims.bodies,
            expires_at,
            credential: Credential::Embedded,
        })
    }
}

pub(super) fn refusal(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidSignature => "the token was signed by somebody else",
        ErrorKind::InvalidIssuer => "the token comes from another issuer",
        ErrorKind::InvalidAudience => "the token is meant for another audience",
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => {
            "the token uses an algorithm that is not allowed"
        }
        ErrorKind::MissingRequiredClaim(_) => "the token lacks a required claim",
        _ => "this is not a valid token",
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use runtime::clock::ManualClock;

    use super::*;

    fn identity(clock: Arc<ManualClock>) -> EmbeddedIdentity {
        let folder = tempfile::tempdir().unwrap();
        EmbeddedIdentity::open(&folder.path().join("key"), clock).unwrap()
    }

    #[tokio::test]
    async fn a_token_says_who_it_was_minted_for() {
        let identity = identity(Arc::default());
        let token = identity
            .mint(
                "ann",
                &[Role::Reader],
                &["BODY".into()],
                Duration::from_mins(1),
            )
            .unwrap();
        let actor = identity.verify(&token).await.unwrap();
        assert_eq!(
            (actor.subject.as_str(), actor.roles.as_slice()),
            ("ann", &[Role::Reader][..])
        );
        assert_eq!(actor.bodies, ["BODY"]);
    }

    #[tokio::test]
    async fn a_token_ends() {
        let clock = Arc::<ManualClock>::default();
        let identity = identity(clock.clone());
        let token = identity
            .mint("ann", &[Role::Reader], &[], Duration::from_mins(1))
            .unwrap();
        clock.advance(Duration::from_mins(1));
        let Err(Error::Unauthenticated(message)) = identity.verify(&token).await else {
            panic!("an expired token was taken");
        };
        assert!(
            message.contains("expired at 2026-01-01T00:01:00"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn what_others_signed_is_refused() {
        let clock = Arc::<ManualClock>::default();
        let (ours, theirs) = (identity(clock.clone()), identity(clock));
        let foreign = theirs
            .mint("ann", &[Role::Admin], &[], Duration::from_mins(1))
            .unwrap();
        let unsigned = format!(
            "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.",
            foreign.split('.').nth(1).unwrap()
        );
        let own = ours
            .mint("ann", &[Role::Reader], &[], Duration::from_mins(1))
            .unwrap();
        let swapped = format!(
            "{}.{}.{}",
            own.split('.').next().unwrap(),
            foreign.split('.').nth(1).unwrap(),
            own.split('.').nth(2).unwrap()
        );
        for token in [
            foreign,
            unsigned,
            swapped,
            String::new(),
            "a.b.c".into(),
            "x".repeat(MAX_TOKEN + 1),
        ] {
            assert!(
                matches!(ours.verify(&token).await, Err(Error::Unauthenticated(_))),
                "{token:.20}"
            );
        }
    }

    #[tokio::test]
    async fn the_key_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let clock = Arc::<ManualClock>::default();
        let token = EmbeddedIdentity::open(&file, clock.clone())
            .unwrap()
            .mint("ann", &[Role::Reader], &[], Duration::from_mins(1))
            .unwrap();
        let again = EmbeddedIdentity::open(&file, clock).unwrap();
        assert_eq!(again.verify(&token).await.unwrap().subject, "ann");
    }
}
