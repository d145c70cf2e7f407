//! Who is looking.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::{context::caller, errors::Result, ids::id};
use crate::auth::{Action, Actor, Credential, Resource, Role, Verdict, authorise};

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
    /// What your roles let you do: for buttons, not for security.
    may: ViewerPermissions,
}

/// What the viewer's roles allow, in the bodies that they belong to.
#[derive(SimpleObject)]
#[expect(clippy::struct_excessive_bools, reason = "one a button")]
pub(super) struct ViewerPermissions {
    /// Create collections.
    create_collections: bool,
    /// Open transfers and add records to them.
    deposit: bool,
    /// Accept and return what others have submitted.
    accept_transfers: bool,
    /// Decide about versions that others have deposited, and run checks again.
    decide: bool,
    /// Request exports of what others have deposited.
    export: bool,
    /// See the jobs.
    read_jobs: bool,
    /// Make and revoke API keys.
    manage_api_keys: bool,
}

impl ViewerPermissions {
    fn of(actor: &Actor) -> Self {
        let resource = Resource {
            body: actor.bodies.first().map(String::as_str),
            ..Resource::default()
        };
        let may = |action| authorise(actor, action, &resource) == Verdict::Allowed;
        Self {
            create_collections: may(Action::CreateCollection),
            deposit: may(Action::OpenTransfer),
            accept_transfers: may(Action::AcceptTransfer),
            decide: may(Action::DecideVersion),
            export: may(Action::RequestExport),
            read_jobs: may(Action::ReadJobs),
            manage_api_keys: may(Action::CreateApiKey),
        }
    }
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
            may: ViewerPermissions::of(actor),
        })
    }
}
