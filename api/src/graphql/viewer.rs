//! Who is looking.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::{context::caller, errors::Result, ids::id};
use crate::auth::{Credential, Role};

/// What sort of thing you have shown to prove who you are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum CredentialKind {
    /// A token that this installation signed itself.
    Embedded,
    /// A token of an OpenID Connect provider.
    Openid,
    /// An API key.
    ApiKey,
}

/// What you have shown to prove who you are.
#[derive(SimpleObject)]
#[graphql(name = "Credential")]
pub(super) struct CredentialObject {
    /// What sort of thing.
    kind: CredentialKind,
    /// The provider that issued the token.
    issuer: Option<String>,
    /// The API key.
    api_key_id: Option<ID>,
}

impl From<&Credential> for CredentialObject {
    fn from(credential: &Credential) -> Self {
        let (kind, issuer, api_key_id) = match credential {
            Credential::Embedded => (CredentialKind::Embedded, None, None),
            Credential::OpenId { issuer } => (CredentialKind::Openid, Some(issuer.clone()), None),
            Credential::ApiKey(key) => (CredentialKind::ApiKey, None, Some(id(key))),
        };
        Self {
            kind,
            issuer,
            api_key_id,
        }
    }
}

/// Who you are, as your token has it.
#[derive(SimpleObject)]
pub(super) struct Viewer {
    /// Unique in the installation.
    subject: String,
    /// For people.
    name: Option<String>,
    /// What you are.
    roles: Vec<Role>,
    /// Codes of the bodies that you belong to.
    bodies: Vec<String>,
    /// Until when your token is taken: up to a minute after its own `exp`, as clocks differ.
    expires_at: DateTime<Utc>,
    /// What you have shown to prove it.
    credential: CredentialObject,
}

/// Queries about the viewer.
#[derive(Default)]
pub(super) struct ViewerQuery;

#[Object]
impl ViewerQuery {
    /// Who you are, as your token has it.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Viewer> {
        let actor = &caller(ctx)?.actor;
        Ok(Viewer {
            subject: actor.subject.clone(),
            name: actor.name.clone(),
            roles: actor.roles.clone(),
            bodies: actor.bodies.clone(),
            expires_at: actor.expires_at,
            credential: (&actor.credential).into(),
        })
    }
}
