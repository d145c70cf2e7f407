//! Who somebody is, by an OpenID Connect provider: from its JWT access token to an actor.
//!
//! Owns which tokens are taken and what is read from them ([`claims`]), and the provider's public keys
//! ([`keys`], fetched and kept by [`provider`]). Does not own the provider's addresses (`runtime::openid`) or
//! what an actor may do.
//!
//! Always: issuer, audience, subject and expiry are required; only asymmetric algorithms are taken, and only
//! the one that the provider's key is for; nothing that a token brings along (`jwk`, `jku`, `x5u`) is looked
//! at; a refusal never repeats the token; nobody makes us ask the provider more often than every 10 seconds.
//!
//! # Where roles and bodies stand
//!
//! By default in the claims `roles` and `bodies`, each an array of strings or one text separated by spaces or
//! commas. `role_claim` and `body_claim` name others: by a path with dots (`realm_access.roles`), or by a JSON
//! pointer (RFC 6901) where a name has dots itself (`/https:~1~1example.org~1roles`). Roles are ours in any
//! case, also as `muniment-archivist` or `muniment:archivist`; others are passed over.
//!
//! - **Keycloak** ([`Preset::Keycloak`]): issuer `https://host/realms/NAME`; realm roles from
//!   `realm_access.roles`, bodies from `bodies` (a mapper *User Attribute*, multivalued, added to the access
//!   token). Keycloak puts our audience into a token only through a mapper *Audience* in the client's scope.
//! - **Cognito** ([`Preset::Cognito`]): issuer `https://cognito-idp.REGION.amazonaws.com/POOL`, audience: the id
//!   of the app client; roles from the groups of `cognito:groups`, bodies from the attribute `custom:bodies`.
//!   Cognito's access tokens have `token_use: access` and no `aud`: there `client_id` must be the audience.
//!   They carry a custom attribute only through a *pre token generation* trigger (V2); id tokens
//!   (`token_use: id`) have it, and are taken too.
//!
//! # When something changes at the provider
//!
//! Keys are asked for again after [`provider::FRESH`], and for an unknown `kid` at once. While the provider
//! does not answer, known keys are taken for [`provider::KEPT`]; after that the answer is `UNAVAILABLE`. Roles
//! and bodies stand in the token: that one was taken away takes effect with the next token. So that this is within a
//! minute, [`OidcSettings::max_age`] (a minute, unless the operator says otherwise) has clients come with a new one.

pub mod claims;
mod keys;
pub mod provider;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use jsonwebtoken::{Algorithm, Header, Validation};
use runtime::{clock::Clock, openid};
use serde_json::{Map, Value};

use self::{
    claims::{ClaimPath, Rules},
    keys::{Key, Keys},
    provider::Provider,
};
use super::{
    Actor,
    token::{MAX_TOKEN, TokenVerifier, refusal},
};
use crate::Error;

/// How a kind of provider shapes its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Preset {
    /// `roles` and `bodies`.
    #[default]
    Standard,
    /// Keycloak: `realm_access.roles` and `bodies`.
    Keycloak,
    /// Amazon Cognito: `cognito:groups` and `custom:bodies`, and `client_id` in place of `aud`.
    Cognito,
}

impl Preset {
    /// All presets, with their names in settings.
    pub const ALL: [(&'static str, Self); 3] = [
        ("standard", Self::Standard),
        ("keycloak", Self::Keycloak),
        ("cognito", Self::Cognito),
    ];

    /// Reads its name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|(name, _)| *name == text)
            .map(|(_, preset)| preset)
    }

    fn role_claim(self) -> &'static str {
        match self {
            Self::Standard => "roles",
            Self::Keycloak => "realm_access.roles",
            Self::Cognito => "cognito:groups",
        }
    }

    fn body_claim(self) -> &'static str {
        match self {
            Self::Standard | Self::Keycloak => "bodies",
            Self::Cognito => "custom:bodies",
        }
    }
}

/// Which provider, and how its tokens are read.
#[derive(Debug, Clone)]
pub struct OidcSettings {
    /// The provider's name, exactly as it stands in its tokens and in its discovery document.
    pub issuer: String,
    /// Our name at the provider: each token must be meant for it.
    pub audience: String,
    /// How the provider shapes its tokens.
    pub preset: Preset,
    /// Where roles stand, if not where the preset has them.
    pub role_claim: Option<String>,
    /// Where bodies stand, if not where the preset has them.
    pub body_claim: Option<String>,
    /// A token is taken for no longer than this after it was issued (`iat`), whatever its expiry.
    pub max_age: Option<Duration>,
    /// The provider may be asked over plain HTTP, as inside a closed network.
    pub plain_http: bool,
}

/// What is wrong with a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which field of [`OidcSettings`].
    pub field: &'static str,
    /// What is wrong.
    pub message: String,
}

impl OidcSettings {
    /// With the defaults.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            preset: Preset::Standard,
            role_claim: None,
            body_claim: None,
            max_age: None,
            plain_http: false,
        }
    }

    fn paths(&self) -> (Result<ClaimPath, String>, Result<ClaimPath, String>) {
        let role = self.role_claim.as_deref();
        let body = self.body_claim.as_deref();
        (
            ClaimPath::parse(role.unwrap_or(self.preset.role_claim())),
            ClaimPath::parse(body.unwrap_or(self.preset.body_claim())),
        )
    }

    /// Everything that is wrong with them, without asking the provider.
    pub fn problems(&self) -> Vec<Problem> {
        let (role, body) = self.paths();
        let issuer = openid::check_issuer(&self.issuer, self.plain_http);
        let audience = if self.audience.trim().is_empty() {
            Err("is empty: a token must say that it is meant for us".to_owned())
        } else {
            Ok(())
        };
        [
            ("issuer", issuer.map_err(|error| error.to_string())),
            ("audience", audience),
            ("role_claim", role.map(drop)),
            ("body_claim", body.map(drop)),
        ]
        .into_iter()
        .filter_map(|(field, checked)| {
            let message = checked.err()?;
            Some(Problem { field, message })
        })
        .collect()
    }
}

/// Verifies the tokens of one provider.
pub struct OpenIdConnect {
    rules: Rules,
    provider: Provider,
    clock: Arc<dyn Clock>,
}

impl OpenIdConnect {
    /// Asks nobody yet: the provider's keys are fetched with the first token.
    pub fn new(settings: OidcSettings, clock: Arc<dyn Clock>) -> Result<Self, Vec<Problem>> {
        let problems = settings.problems();
        let (Ok(roles), Ok(bodies), true) =
            (settings.paths().0, settings.paths().1, problems.is_empty())
        else {
            return Err(problems);
        };
        let provider = Provider::new(&settings.issuer, settings.plain_http, Arc::clone(&clock))
            .map_err(|error| {
                vec![Problem {
                    field: "issuer",
                    message: error.to_string(),
                }]
            })?;
        Ok(Self {
            rules: Rules {
                issuer: settings.issuer,
                audience: settings.audience,
                cognito: settings.preset == Preset::Cognito,
                roles,
                bodies,
                max_age: settings.max_age,
            },
            provider,
            clock,
        })
    }

    /// The claims, once the signature is seen to be the provider's.
    async fn claims(&self, token: &str) -> Result<Map<String, Value>, Error> {
        let header = jsonwebtoken::decode_header(token)
            .map_err(|_| refused("this is not a token of a provider"))?;
        let kind = read_header(&header)?;
        let keys = self.provider.keys_for(header.kid.as_deref(), kind).await?;
        signed_claims(token, kind, header.kid.as_deref(), &keys)
    }
}

fn refused(message: &str) -> Error {
    Error::Unauthenticated(message.to_owned())
}

/// What kind of signature a header asks for, if it is one that is taken at all.
fn read_header(header: &Header) -> Result<Algorithm, Error> {
    if keys::is_symmetric(header.alg) {
        return Err(refused("the token uses an algorithm that is not allowed"));
    }
    if header.crit.is_some() || header.enc.is_some() || header.zip.is_some() {
        return Err(refused("the token uses an extension that is not known"));
    }
    let typ = header.typ.as_deref().unwrap_or("JWT");
    let bare = typ.to_ascii_lowercase();
    let bare = bare.strip_prefix("application/").unwrap_or(&bare);
    if !matches!(bare, "jwt" | "at+jwt") {
        return Err(refused("this token is not an access token"));
    }
    Ok(header.alg)
}

fn signed_claims(
    token: &str,
    algorithm: Algorithm,
    kid: Option<&str>,
    keys: &Keys,
) -> Result<Map<String, Value>, Error> {
    let mut rules = Validation::new(algorithm);
    // Only the signature is the library's matter: it reads the system's clock, and takes lists of issuers.
    rules.required_spec_claims.clear();
    rules.validate_exp = false;
    rules.validate_aud = false;
    let fitting: Vec<&Key> = keys.fitting(kid, algorithm).collect();
    if kid.is_none() && fitting.len() > 1 {
        return Err(refused("the token does not name its key"));
    }
    let mut last = "the token was signed with a key that the provider does not have";
    for key in fitting {
        match jsonwebtoken::decode::<Map<String, Value>>(token, &key.decoding, &rules) {
            Ok(data) => return Ok(data.claims),
            Err(error) => last = refusal(error.kind()),
        }
    }
    Err(refused(last))
}

#[async_trait]
impl TokenVerifier for OpenIdConnect {
    async fn verify(&self, token: &str) -> Result<Actor, Error> {
        if token.len() > MAX_TOKEN {
            return Err(refused("the token is too long"));
        }
        let claims = self.claims(token).await?;
        self.rules
            .understand(&claims, self.clock.now())
            .map_err(Error::Unauthenticated)
    }

    async fn ready(&self) -> Result<(), Error> {
        self.provider.keys().await.map(drop)
    }
}
