//! Who calls, and what they may do.
//!
//! Owns the actor, the one policy function ([`authorise`]) and the one access rule for lists
//! ([`Actor::scope`]). Does not own who somebody is (`token`, [`oidc`], `api_keys`) or any query.

mod access;
#[cfg(test)]
mod matrix;
pub mod oidc;
pub mod token;

pub use access::{Action, Resource, Verdict, authorise};

use chrono::{DateTime, Utc};
use contract::ApiKeyId;

/// What somebody is to the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, async_graphql::Enum)]
pub enum Role {
    /// Runs the installation.
    Admin,
    /// Keeps the records.
    Archivist,
    /// Deposits records of their own bodies.
    Contributor,
    /// Reads accepted records of their own bodies.
    Reader,
    /// A service that takes jobs.
    Worker,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 5] = [
        Self::Admin,
        Self::Archivist,
        Self::Contributor,
        Self::Reader,
        Self::Worker,
    ];

    /// As it stands in a token.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "ADMIN",
            Self::Archivist => "ARCHIVIST",
            Self::Contributor => "CONTRIBUTOR",
            Self::Reader => "READER",
            Self::Worker => "WORKER",
        }
    }

    /// Reads it, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str().eq_ignore_ascii_case(text))
    }
}

/// What somebody showed to prove who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A token that this installation signed itself.
    Embedded,
    /// A token of an OpenID Connect provider.
    OpenId {
        /// Which provider.
        issuer: String,
    },
    /// An API key.
    ApiKey(ApiKeyId),
}

/// Who calls, as the token has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Unique in the installation.
    pub subject: String,
    /// For people.
    pub name: Option<String>,
    /// What they are.
    pub roles: Vec<Role>,
    /// Codes of the bodies that they belong to.
    pub bodies: Vec<String>,
    /// Until when what they showed is taken.
    pub expires_at: DateTime<Utc>,
    /// What they showed.
    pub credential: Credential,
}

/// Which rows a list may show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All.
    All,
    /// Those of these bodies.
    Bodies(Vec<String>),
    /// Those of these bodies that were accepted.
    AcceptedOf(Vec<String>),
    /// None.
    Nothing,
}

impl Actor {
    /// Whether they have the role.
    pub fn is(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// The one access rule for lists, counts, cursors, subscriptions and `node`.
    pub fn scope(&self) -> Scope {
        if self.is(Role::Admin) || self.is(Role::Archivist) {
            Scope::All
        } else if self.is(Role::Contributor) {
            Scope::Bodies(self.bodies.clone())
        } else if self.is(Role::Reader) {
            Scope::AcceptedOf(self.bodies.clone())
        } else {
            Scope::Nothing
        }
    }
}

/// A call: who makes it, and in which request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who.
    pub actor: Actor,
    /// The request, as it stands in the log and in events.
    pub request_id: String,
}

impl Caller {
    /// Refuses unless [`authorise`] allows; what must stay hidden is "not found".
    pub fn may(&self, action: Action, resource: &Resource<'_>) -> Result<(), crate::Error> {
        match authorise(&self.actor, action, resource) {
            Verdict::Allowed => Ok(()),
            Verdict::Forbidden => Err(crate::Error::Forbidden(format!(
                "your roles do not allow this: {}",
                action.describe()
            ))),
            Verdict::Hidden => Err(crate::Error::NotFound(action.noun())),
        }
    }
}
